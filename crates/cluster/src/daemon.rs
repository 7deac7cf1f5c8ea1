//! `clusterd`: the addresses of nodes and the registered names; it starts the other services. Listening
//! ([`Listeners`]), proxies ([`Proxies`]) and events of connections ([`Links`]) have files of their own.
//!
//! Whoever calls a node asks for its sender once. The first who asks makes the daemon launch the sender and have it
//! connect ([`Peer`]); those who come meanwhile wait for the outcome with it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use rustc_hash::FxHashMap;
use skynet_kernel::{Context, Handle, InitError, Message, Service, kind};
use skynet_net::SocketEvent;
use skynet_wire::foreign::Foreign;
use skynet_wire::netaddr;
use skynet_wire::seri::{Key, Table, Value};

use crate::Cluster;
use crate::command::{Asker, Command, pack};
use crate::debug;
use crate::launcher;
use crate::link_events::LinkEvents;
use crate::listener::Listeners;
use crate::proxies::Proxies;
use crate::results;
use crate::results::show;

/// What the configuration says about a node.
#[derive(Clone, PartialEq, Eq)]
enum Entry {
    Address(String),
    /// `false`.
    Down,
}

/// A node that somebody has asked for.
#[derive(Default)]
struct Peer {
    sender: Option<Handle>,
    state: PeerState,
    askers: Vec<Asker>,
}

#[derive(Default, PartialEq, Eq)]
enum PeerState {
    /// The next who asks begins.
    #[default]
    Idle,
    /// There is no address yet.
    Absent,
    /// The sender is to connect; the session of that request, and the address.
    Changing(i32, String),
    Ready,
}

pub(crate) struct Daemon {
    cluster: Arc<Cluster>,
    cx: Option<Arc<Context>>,
    own_id: String,
    nowaiting: bool,
    entries: BTreeMap<String, Entry>,
    peers: BTreeMap<String, Peer>,
    proxies: Proxies,
    listeners: Listeners,
    /// Senders that are to connect, by the session of that request.
    changing: FxHashMap<i32, String>,
    link_events: LinkEvents,
}

/// A command's outcome: answered, to be answered later, or failed with a text for the log.
enum Done {
    Answer(Vec<Value>),
    Later,
    Failed(String),
}

impl Daemon {
    pub(crate) fn new(cluster: Arc<Cluster>) -> Daemon {
        Daemon {
            cluster,
            cx: None,
            own_id: crate::nodename(),
            nowaiting: false,
            entries: BTreeMap::new(),
            peers: BTreeMap::new(),
            proxies: Proxies::default(),
            listeners: Listeners::default(),
            changing: FxHashMap::default(),
            link_events: LinkEvents::default(),
        }
    }

    // ---- configuration

    /// The configured file, as a table of values.
    fn read_config(&self) -> Result<Vec<(String, Value)>, String> {
        let options = &self.cluster.options;
        let (Some(path), Some(read)) = (&options.config, &options.read_config) else {
            return Ok(Vec::new());
        };
        let value = |text: String| match text.as_str() {
            "true" => true.into(),
            "false" => false.into(),
            _ => Value::from(text),
        };
        Ok(read(path)?
            .into_iter()
            .map(|(name, text)| (name, value(text)))
            .collect())
    }

    /// Merges values into the configuration. All of them are looked at before any has an effect.
    fn merge(&mut self, cx: &Context, values: Vec<(String, Value)>) -> Result<(), String> {
        for (name, value) in &values {
            let good = name.starts_with("__")
                || value.as_str().is_some()
                || value.as_bool() == Some(false);
            if !good {
                return Err(format!("assertion failed! {name} is not an address"));
            }
        }
        let mut changed = Vec::new();
        for (name, value) in values {
            if let Some(option) = name.strip_prefix("__") {
                cx.log(format!("Config {option} = {}", show(&value)));
                if option == "nowaiting" {
                    self.nowaiting = !value.is_nil() && value.as_bool() != Some(false);
                }
                continue;
            }
            let entry = match value.as_str() {
                Some(address) => Entry::Address(address.to_owned()),
                None => Entry::Down,
            };
            if self.entries.get(&name) != Some(&entry) {
                self.entries.insert(name.clone(), entry);
                changed.push(name);
            }
        }
        for name in changed {
            self.on_changed(cx, &name);
        }
        if self.nowaiting {
            let absent: Vec<String> = self
                .peers
                .iter()
                .filter(|(_, peer)| peer.state == PeerState::Absent)
                .map(|(name, _)| name.clone())
                .collect();
            for name in absent {
                self.begin(cx, &name);
            }
        }
        Ok(())
    }

    /// A node has got another address.
    fn on_changed(&mut self, cx: &Context, name: &str) {
        let Some(peer) = self.peers.get_mut(name) else {
            return;
        };
        match peer.state {
            PeerState::Absent => {
                let text = match self.entries.get(name) {
                    Some(Entry::Address(address)) => address,
                    _ => "false",
                };
                cx.log(format!("Cluster node [{name}] resolved : {text}"));
            }
            // The first attempt with the old address is over, and its outcome does not matter.
            PeerState::Idle if peer.sender.is_none() => return,
            _ => {}
        }
        self.begin(cx, name);
    }

    // ---- senders

    /// `sender(node)`
    fn ask_for_sender(&mut self, cx: &Context, name: &str, asker: Asker) {
        let peer = self.peers.entry(name.to_owned()).or_default();
        if let (PeerState::Ready, Some(sender)) = (&peer.state, peer.sender) {
            if cx.node().is_alive(sender) {
                return asker.answer(cx, &[sender.0.into()]);
            }
            // Somebody has killed it.
            peer.state = PeerState::Idle;
        }
        peer.askers.push(asker);
        if peer.state == PeerState::Idle {
            self.begin(cx, name);
        }
    }

    /// Sees to a connection as the configuration has it now.
    fn begin(&mut self, cx: &Context, name: &str) {
        let entry = self.entries.get(name).cloned();
        let own_id = &self.own_id;
        let Some(peer) = self.peers.get_mut(name) else {
            return;
        };
        peer.sender = peer.sender.filter(|sender| cx.node().is_alive(*sender));
        match entry {
            None if self.nowaiting => {
                peer.state = PeerState::Idle;
                cx.log(format!(
                    "cluster node [{name}] is absent. (No address by cluster.reload, nor in the file of the config \
                     key cluster.)"
                ));
                self.settle(cx, name, false);
            }
            None => {
                cx.log(format!(
                    "Waiting for cluster node [{name}]: it has no address (cluster.reload, or the file of the config \
                     key cluster)"
                ));
                peer.state = PeerState::Absent;
            }
            Some(Entry::Down) => {
                peer.state = PeerState::Idle;
                if let Some(sender) = peer.sender {
                    let change = pack(&["changenode".into(), false.into()]);
                    let _ = cx.send(sender, kind::LUA, 0, change);
                } else {
                    cx.log(format!("cluster node [{name}] is down."));
                }
                let known = peer.sender.is_some();
                self.settle(cx, name, known);
            }
            Some(Entry::Address(address)) => {
                if peer.sender.is_none() {
                    let line = format!("clustersender {name} {own_id} {address}");
                    peer.sender = cx.node().launch(cx.handle(), "snlua", &line);
                }
                let session = cx.new_session();
                let change = pack(&["changenode".into(), address.as_str().into()]);
                let sent = peer
                    .sender
                    .is_some_and(|sender| cx.send(sender, kind::LUA, session, change).is_ok());
                if !sent {
                    peer.state = PeerState::Idle;
                    return self.settle(cx, name, false);
                }
                peer.state = PeerState::Changing(session, address);
                self.changing.insert(session, name.to_owned());
            }
        }
    }

    /// A sender has connected, or has not.
    fn on_change_done(&mut self, cx: &Context, session: i32, name: &str, connected: bool) {
        let Some(peer) = self.peers.get_mut(name) else {
            return;
        };
        // The address may have changed again meanwhile; then the later request counts.
        let address = match &peer.state {
            PeerState::Changing(current, address) if *current == session => address.clone(),
            _ => return,
        };
        if connected {
            peer.state = PeerState::Ready;
        } else {
            cx.log(format!("changenode [{name}] ({address}) failed"));
            peer.state = PeerState::Idle;
        }
        self.settle(cx, name, connected);
    }

    /// Answers those who have asked for a sender.
    fn settle(&mut self, cx: &Context, name: &str, found: bool) {
        let Some(peer) = self.peers.get_mut(name) else {
            return;
        };
        let sender = peer.sender.filter(|_| found);
        for asker in peer.askers.drain(..) {
            match sender {
                Some(sender) => asker.answer(cx, &[sender.0.into()]),
                None => asker.fail(cx),
            }
        }
    }

    // ---- listening

    /// `listen(address, port, maxclient)`: without a port the address is the name of a node, or `host:port`.
    fn listen(&mut self, cx: &Context, arguments: &mut Command, asker: Asker) -> Done {
        let (address, port, max) = (arguments.text(), arguments.next(), arguments.next());
        let place = match (port.as_int(), &port) {
            (Some(port), _) => u16::try_from(port).ok().map(|port| (None, port)),
            (None, Value::Bytes(_)) => port
                .as_str()
                .and_then(|port| port.parse().ok())
                .map(|port| (None, port)),
            (None, _) => match self.own_address(address.as_deref().unwrap_or_default()) {
                Ok((host, port)) => Some((Some(host), port)),
                Err(error) => return Done::Failed(error),
            },
        };
        let Some((host, port)) = place else {
            return Done::Failed("Invalid port to listen on".to_owned());
        };
        let bind = || self.cluster.options.bind.clone();
        let host = host
            .or(address)
            .or_else(bind)
            .unwrap_or_else(|| "0.0.0.0".to_owned());
        let net = self.cluster.options.net.get(cx.node());
        let listening = self
            .listeners
            .listen(cx, net, (host, port), max.as_int(), asker);
        match listening {
            Ok(()) => Done::Later,
            Err(error) => Done::Failed(error),
        }
    }

    /// Host and port of a node, or of an address.
    fn own_address(&self, name: &str) -> Result<(String, u16), String> {
        let address = match self.entries.get(name) {
            Some(Entry::Address(address)) => address,
            None if name.contains(':') => name,
            Some(Entry::Down) => return Err(format!("{name} is down: its address is false")),
            None => {
                return Err(format!(
                    "{name} is down: there is no node of this name (cluster.reload, or the file of the config key \
                     cluster)"
                ));
            }
        };
        let (host, port) = netaddr::host_port(address).map_err(|error| error.to_string())?;
        Ok((host.to_owned(), port))
    }

    // ---- messages

    fn on_command(&mut self, cx: &Context, message: &Message) {
        let asker = Asker::of(message);
        let Some(mut command) = Command::read(message.payload()) else {
            cx.log("Invalid clusterd message");
            return asker.fail(cx);
        };
        let name = std::mem::take(&mut command.name);
        if self.cluster.refuses(cx, message.source, "clusterd") {
            return asker.fail(cx);
        }
        match self.run(cx, message.source, &name, &mut command, asker) {
            Done::Answer(values) => asker.answer(cx, &values),
            Done::Later => {}
            Done::Failed(text) => {
                cx.log(Foreign::new(&text).at_most(1024).to_string());
                asker.fail(cx);
            }
        }
    }

    fn run(
        &mut self,
        cx: &Context,
        source: Handle,
        name: &str,
        arguments: &mut Command,
        asker: Asker,
    ) -> Done {
        match name {
            "reload" => {
                if let Some(policy) = &self.cluster.policy
                    && let Err(text) = policy.reload()
                {
                    return Done::Failed(format!("clusterpolicy: {text}; the old one still holds"));
                }
                let values = match arguments.next() {
                    Value::Table(table) => strings(&table),
                    _ => self.read_config(),
                };
                match values.and_then(|values| self.merge(cx, values)) {
                    Ok(()) => Done::Answer(Vec::new()),
                    Err(text) => Done::Failed(text),
                }
            }
            "listen" => self.listen(cx, arguments, asker),
            "sender" => match arguments.text() {
                Some(node) => {
                    self.ask_for_sender(cx, &node, asker);
                    Done::Later
                }
                None => Done::Failed("the name of a node expected".to_owned()),
            },
            "senders" => {
                let senders = self
                    .peers
                    .iter()
                    .filter_map(|(name, peer)| Some((name, peer.sender?)))
                    .filter(|(_, sender)| cx.node().is_alive(*sender));
                let senders: Table = senders
                    .map(|(name, sender)| (name.as_str(), sender.0))
                    .collect();
                Done::Answer(vec![senders.into()])
            }
            "proxy" => match (arguments.text(), show(&arguments.next())) {
                (Some(node), name) => match self.proxies.ask(cx, &node, &name, asker) {
                    Ok(Some(handle)) => Done::Answer(vec![handle.0.into()]),
                    Ok(None) => Done::Later,
                    Err(text) => Done::Failed(text),
                },
                _ => Done::Failed("the name of a node expected".to_owned()),
            },
            "register" => {
                let name = arguments.next();
                let handle = arguments
                    .next()
                    .as_int()
                    .map_or(source, |handle| Handle(handle as u32));
                match name.as_bytes() {
                    Some(bytes) if self.cluster.names.register(bytes, handle) => {
                        cx.log(format!("Register [{}] {handle}", show(&name)));
                        Done::Answer(Vec::new())
                    }
                    _ => Done::Failed(format!(
                        "assertion failed! the name {} is taken",
                        show(&name)
                    )),
                }
            }
            "unregister" => {
                let name = arguments.next();
                let owner = name
                    .as_bytes()
                    .and_then(|bytes| self.cluster.names.unregister(bytes));
                if let Some(owner) = owner {
                    cx.log(format!("Unregister [{}] {owner}", show(&name)));
                }
                Done::Answer(Vec::new())
            }
            "handover" => {
                let mut handle = || arguments.next().as_int().map(|n| Handle(n as u32));
                match (handle(), handle()) {
                    (Some(from), Some(to)) => {
                        let moved = self.cluster.names.hand_over(from, to);
                        Done::Answer(vec![moved.into()])
                    }
                    _ => Done::Failed("handover: two handles expected".to_owned()),
                }
            }
            "queryname" => {
                let name = arguments.next();
                let name = name
                    .as_bytes()
                    .map(|name| name.strip_prefix(b"@").unwrap_or(name));
                let owner = name.and_then(|name| self.cluster.names.find(name));
                Done::Answer(vec![owner.map(|owner| owner.0).into()])
            }
            "socket" => {
                self.listeners.on_gate(cx, source, arguments);
                Done::Answer(Vec::new())
            }
            "peers" => {
                let net = self.cluster.options.net.get(cx.node()).ok();
                let peers = self.cluster.peers.list(net.map(|net| &**net));
                Done::Answer(vec![peers.into()])
            }
            "droppeer" => {
                let name = arguments.text().unwrap_or_default();
                let agents = self.cluster.peers.agents(&name);
                for agent in &agents {
                    let _ = cx.send(*agent, kind::LUA, 0, pack(&["exit".into()]));
                }
                Done::Answer(vec![(agents.len() as i64).into()])
            }
            "link" => {
                self.link_events.note(cx, arguments);
                Done::Later
            }
            "watch" => {
                let after = arguments.next().as_int();
                match self.link_events.watch(cx, after, asker) {
                    Some(values) => Done::Answer(values),
                    None => Done::Later,
                }
            }
            name => Done::Failed(format!("Invalid clusterd command {name}")),
        }
    }

    fn on_answer(&mut self, cx: &Context, message: &Message) {
        let (session, good) = (message.session, message.kind == kind::RESPONSE);
        if self.proxies.answered(cx, session, good) {
            return;
        }
        if let Some(name) = self.changing.remove(&session) {
            let connected = good && results::first_is_true(message.payload());
            self.on_change_done(cx, session, &name, connected);
        }
    }

    /// Requests that wait for an answer.
    fn waiting(&self) -> usize {
        let senders: usize = self.peers.values().map(|peer| peer.askers.len()).sum();
        senders + self.proxies.waiting() + self.link_events.waiting()
    }
}

/// The entries of a table whose keys are text.
fn strings(table: &Table) -> Result<Vec<(String, Value)>, String> {
    let entry = |(key, value): (Key<'_>, &Value)| match key {
        Key::Bytes(name) => match std::str::from_utf8(name) {
            Ok(name) => Ok((name.to_owned(), value.clone())),
            Err(_) => Err("the name of a node is not text".to_owned()),
        },
        _ => Err("the name of a node is a string".to_owned()),
    };
    table.iter().map(entry).collect()
}

impl Service for Daemon {
    fn init(&mut self, cx: &Arc<Context>, param: &str) -> Result<(), InitError> {
        self.cx = Some(Arc::clone(cx));
        let values = self.read_config().map_err(InitError::new)?;
        self.merge(cx, values).map_err(InitError::new)?;
        self.cluster.daemon.store(cx.handle().0, Relaxed);
        launcher::report_started(cx, param);
        Ok(())
    }

    fn handle(&mut self, cx: &Arc<Context>, message: Message) {
        match message.kind {
            kind::LUA => self.on_command(cx, &message),
            kind::SOCKET => {
                if let Some(event) = SocketEvent::parse(message.payload())
                    && let Ok(net) = self.cluster.options.net.get(cx.node())
                {
                    self.listeners
                        .on_event(cx, net, &self.cluster.security, event);
                }
            }
            kind::RESPONSE | kind::ERROR => self.on_answer(cx, &message),
            kind::DEBUG => debug::answer(cx, &message, self.waiting(), || Value::Nil),
            kind::TRACE => {}
            _ => Asker::of(&message).fail(cx),
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let Some(cx) = self.cx.take() else { return };
        let senders = self
            .peers
            .values_mut()
            .flat_map(|peer| peer.askers.drain(..));
        let askers = senders
            .chain(self.proxies.askers())
            .chain(self.link_events.watchers())
            .chain(self.listeners.askers());
        for asker in askers {
            asker.fail(&cx);
        }
        if self.listeners.ids().next().is_some()
            && let Ok(net) = self.cluster.options.net.get(cx.node())
        {
            for id in self.listeners.ids() {
                net.close(id);
            }
        }
    }
}

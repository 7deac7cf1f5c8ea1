//! `clusterd`: the addresses of nodes, the registered names, the listening sockets; it starts the other services.
//!
//! Whoever calls a node asks for its sender once. The first who asks makes the daemon launch the sender and have it connect
//! ([`Peer`]); those who come meanwhile wait for the outcome with it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use rustc_hash::FxHashMap;
use skynet_kernel::{Context, Handle, InitError, Message, Payload, Service, kind};
use skynet_net::{EventKind, SocketEvent, SocketId};
use skynet_wire::netaddr;
use skynet_wire::seri::{Key, Table, Value};

use crate::Cluster;
use crate::common::{self, Asker, Command};
use crate::listener::Clients;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 32;
/// Connections of a listener, unless its `open` says otherwise.
const MAX_CLIENTS: i64 = 1024;
/// Events that are kept for those who have not asked for them yet.
const EVENTS: usize = 1024;

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

/// A proxy that was launched.
struct Proxy {
    handle: Handle,
    /// Who waits for it to start; nobody once it has.
    askers: Vec<Asker>,
    started: bool,
}

struct Listener {
    clients: Arc<Clients>,
    host: String,
    /// Who asked for it, until it is bound.
    asker: Option<Asker>,
}

/// What an own request to another service is about.
enum Request {
    Change(String),
    Proxy(String),
}

pub(crate) struct Daemon {
    cluster: Arc<Cluster>,
    cx: Option<Arc<Context>>,
    own_id: String,
    nowaiting: bool,
    entries: BTreeMap<String, Entry>,
    peers: BTreeMap<String, Peer>,
    proxies: HashMap<String, Proxy>,
    listeners: FxHashMap<SocketId, Listener>,
    /// Agents of connections that gates in Lua have accepted.
    foreign: FxHashMap<(Handle, SocketId), Handle>,
    requests: FxHashMap<i32, Request>,
    /// Connections of senders that came up and went down, with a number each.
    events: VecDeque<(i64, Table)>,
    last_event: i64,
    watchers: Vec<(i64, Asker)>,
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
            proxies: HashMap::new(),
            listeners: FxHashMap::default(),
            foreign: FxHashMap::default(),
            requests: FxHashMap::default(),
            events: VecDeque::new(),
            last_event: 0,
            watchers: Vec::new(),
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
            // Nothing has been tried with the old address that matters.
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
                cx.log(format!("cluster node [{name}] is absent."));
                self.settle(cx, name, false);
            }
            None => {
                cx.log(format!("Waiting for cluster node [{name}]"));
                peer.state = PeerState::Absent;
            }
            Some(Entry::Down) => {
                peer.state = PeerState::Idle;
                if let Some(sender) = peer.sender {
                    let change = common::pack(&["changenode".into(), false.into()]);
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
                let change = common::pack(&["changenode".into(), address.as_str().into()]);
                let sent = peer
                    .sender
                    .is_some_and(|sender| cx.send(sender, kind::LUA, session, change).is_ok());
                if !sent {
                    peer.state = PeerState::Idle;
                    return self.settle(cx, name, false);
                }
                peer.state = PeerState::Changing(session, address);
                self.requests
                    .insert(session, Request::Change(name.to_owned()));
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

    // ---- proxies

    fn proxy(&mut self, cx: &Context, node: &str, name: &str, asker: Asker) -> Done {
        let key = format!("{node}.{name}");
        match self.proxies.get_mut(&key) {
            // Whether it has started is still to come, also if it has ended meanwhile: those who ask hear of it together.
            Some(proxy) if !proxy.started => {
                proxy.askers.push(asker);
                return Done::Later;
            }
            Some(proxy) if cx.node().is_alive(proxy.handle) => {
                return Done::Answer(vec![proxy.handle.0.into()]);
            }
            _ => {}
        }
        let line = format!("clusterproxy {node} {name}");
        let session = cx.new_session();
        let launched = cx
            .node()
            .launch(cx.handle(), "snlua", &line)
            .filter(|handle| {
                cx.send(*handle, kind::SYSTEM, session, Payload::EMPTY)
                    .is_ok()
            });
        let Some(handle) = launched else {
            return Done::Failed(format!("cannot launch {line}"));
        };
        self.requests.insert(session, Request::Proxy(key.clone()));
        let proxy = Proxy {
            handle,
            askers: vec![asker],
            started: false,
        };
        self.proxies.insert(key, proxy);
        Done::Later
    }

    fn on_proxy_done(&mut self, cx: &Context, key: &str, started: bool) {
        let Some(proxy) = self.proxies.get_mut(key) else {
            return;
        };
        proxy.started = started;
        let handle = proxy.handle;
        for asker in proxy.askers.drain(..) {
            match started {
                true => asker.answer(cx, &[handle.0.into()]),
                false => asker.fail(cx),
            }
        }
        if !started {
            self.proxies.remove(key);
        }
    }

    // ---- listening

    fn listen(&mut self, cx: &Context, arguments: &mut Command, asker: Asker) -> Done {
        let (address, port, max) = (arguments.text(), arguments.next(), arguments.next());
        let bind = self.cluster.options.bind.as_deref();
        let mut host = address
            .or_else(|| bind.map(str::to_owned))
            .unwrap_or_else(|| "0.0.0.0".to_owned());
        let port = match (port.as_int(), &port) {
            (Some(port), _) => u16::try_from(port).ok(),
            (None, Value::Bytes(_)) => port.as_str().and_then(|port| port.parse().ok()),
            // Without a port it is the name of a node, or an address.
            (None, _) => {
                let address = match self.entries.get(&host) {
                    Some(Entry::Address(address)) => address.clone(),
                    None if host.contains(':') => host.clone(),
                    _ => return Done::Failed(format!("{host} is down")),
                };
                match netaddr::host_port(&address) {
                    Ok((name, port)) => {
                        host = name.to_owned();
                        Some(port)
                    }
                    Err(error) => return Done::Failed(error.to_string()),
                }
            }
        };
        let Some(port) = port else {
            return Done::Failed("Invalid port to listen on".to_owned());
        };
        let listening = match self.cluster.options.net.get(cx.node()) {
            Ok(net) => net
                .listen(cx.handle(), &host, port, BACKLOG)
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match listening {
            Ok(id) => {
                let clients = Clients::new(max.as_int().unwrap_or(MAX_CLIENTS));
                let asker = Some(asker);
                self.listeners.insert(
                    id,
                    Listener {
                        clients,
                        host,
                        asker,
                    },
                );
                Done::Later
            }
            Err(error) => Done::Failed(format!("Listen failed on {host} {port} : {error}")),
        }
    }

    fn on_event(&mut self, cx: &Context, event: SocketEvent<'_>) {
        let Some(listener) = self.listeners.get_mut(&event.id) else {
            return;
        };
        let Ok(net) = self.cluster.options.net.get(cx.node()) else {
            return;
        };
        let text = String::from_utf8_lossy(event.data);
        match event.kind {
            EventKind::Connect => {
                if let Some(asker) = listener.asker.take() {
                    cx.log(format!("Listen on {} {}", listener.host, event.ud));
                    net.start(cx.handle(), event.id);
                    asker.answer(cx, &[text.as_ref().into(), event.ud.into()]);
                }
            }
            EventKind::Accept => {
                let fd = event.ud;
                let Some(ticket) = listener.clients.admit() else {
                    return net.shutdown(fd);
                };
                cx.log(format!("socket accept from {text}"));
                self.cluster.arrivals().insert(fd, ticket);
                let own = cx.handle().0;
                let line = format!("clusteragent {own} {own} {fd}");
                if cx.node().launch(cx.handle(), "snlua", &line).is_none() {
                    self.cluster.arrivals().remove(&fd);
                    net.shutdown(fd);
                }
            }
            EventKind::Error => cx.log(format!("gateserver accept error: {text}")),
            EventKind::Close => {
                self.listeners.remove(&event.id);
            }
            _ => {}
        }
    }

    /// `socket(event, fd, message)` of a gate in Lua whose watchdog this is.
    fn on_gate(&mut self, cx: &Context, gate: Handle, arguments: &mut Command) {
        let event = arguments.text().unwrap_or_default();
        let (fd, text) = (
            arguments.next().as_int().unwrap_or(-1),
            show(&arguments.next()),
        );
        let key = (gate, fd as SocketId);
        match event.as_str() {
            "open" => {
                cx.log(format!("socket accept from {text}"));
                let line = format!("clusteragent {} {} {fd}", cx.handle().0, gate.0);
                if let Some(agent) = cx.node().launch(cx.handle(), "snlua", &line) {
                    self.foreign.insert(key, agent);
                }
            }
            "close" | "error" => {
                if let Some(agent) = self.foreign.remove(&key) {
                    let _ = cx.send(agent, kind::LUA, 0, common::pack(&["exit".into()]));
                }
            }
            _ => cx.log(format!("socket {event} {fd} {text}")),
        }
    }

    // ---- events

    /// A sender's connection came up or went down.
    fn on_link(&mut self, cx: &Context, arguments: &mut Command) {
        let mut event = Table::new();
        for key in ["node", "event", "address", "reason"] {
            event.insert(key, arguments.next());
        }
        self.last_event += 1;
        event.insert("number", self.last_event);
        self.events.push_back((self.last_event, event));
        if self.events.len() > EVENTS {
            self.events.pop_front();
        }
        for (after, asker) in std::mem::take(&mut self.watchers) {
            asker.answer(cx, &self.events_after(after));
        }
    }

    /// The number of the last event, and those after `after`.
    fn events_after(&self, after: i64) -> Vec<Value> {
        let events = self.events.iter().filter(|(number, _)| *number > after);
        let events = Table::from_values(events.map(|(_, event)| event.clone()));
        vec![self.last_event.into(), events.into()]
    }

    // ---- messages

    fn on_command(&mut self, cx: &Context, message: &Message) {
        let asker = Asker::of(message);
        let Some(mut command) = Command::read(message.payload()) else {
            cx.log("Invalid clusterd message");
            return asker.fail(cx);
        };
        let name = std::mem::take(&mut command.name);
        match self.run(cx, message.source, &name, &mut command, asker) {
            Done::Answer(values) => asker.answer(cx, &values),
            Done::Later => {}
            Done::Failed(text) => {
                cx.log(text);
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
                (Some(node), name) => self.proxy(cx, &node, &name, asker),
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
            "queryname" => {
                let name = arguments.next();
                let name = name
                    .as_bytes()
                    .map(|name| name.strip_prefix(b"@").unwrap_or(name));
                let owner = name.and_then(|name| self.cluster.names.find(name));
                Done::Answer(vec![owner.map(|owner| owner.0).into()])
            }
            "socket" => {
                self.on_gate(cx, source, arguments);
                Done::Answer(Vec::new())
            }
            "link" => {
                self.on_link(cx, arguments);
                Done::Later
            }
            "watch" => match arguments.next().as_int() {
                Some(after) if after >= self.last_event => {
                    self.watchers.push((after, asker));
                    Done::Later
                }
                Some(after) => Done::Answer(self.events_after(after)),
                None => Done::Answer(vec![self.last_event.into()]),
            },
            name => Done::Failed(format!("Invalid clusterd command {name}")),
        }
    }

    fn on_answer(&mut self, cx: &Context, message: &Message) {
        let Some(request) = self.requests.remove(&message.session) else {
            return;
        };
        let good = message.kind == kind::RESPONSE;
        match request {
            Request::Change(name) => {
                let connected = good && common::first_is_true(message.payload());
                self.on_change_done(cx, message.session, &name, connected);
            }
            Request::Proxy(key) => self.on_proxy_done(cx, &key, good),
        }
    }
}

/// What Lua's `tostring` makes of a simple value.
fn show(value: &Value) -> String {
    match value {
        Value::Nil => "nil".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) if value.fract() == 0.0 && value.abs() < 1e15 => {
            (*value as i64).to_string()
        }
        Value::Float(value) => value.to_string(),
        Value::Bytes(text) => String::from_utf8_lossy(text).into_owned(),
        other => format!("{:?}", other.kind()).to_lowercase(),
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
        common::report_started(cx, param);
        Ok(())
    }

    fn handle(&mut self, cx: &Arc<Context>, message: Message) {
        match message.kind {
            kind::LUA => self.on_command(cx, &message),
            kind::SOCKET => {
                if let Some(event) = SocketEvent::parse(message.payload()) {
                    self.on_event(cx, event);
                }
            }
            kind::RESPONSE | kind::ERROR => self.on_answer(cx, &message),
            kind::DEBUG => common::debug(cx, &message, self.requests.len(), || Value::Nil),
            kind::TRACE => {}
            _ => Asker::of(&message).fail(cx),
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let Some(cx) = self.cx.take() else { return };
        let askers = self
            .peers
            .values_mut()
            .flat_map(|peer| peer.askers.drain(..));
        let askers = askers.chain(
            self.proxies
                .values_mut()
                .flat_map(|proxy| proxy.askers.drain(..)),
        );
        let askers = askers.chain(self.watchers.drain(..).map(|(_, asker)| asker));
        let askers = askers.chain(
            self.listeners
                .values_mut()
                .filter_map(|listener| listener.asker.take()),
        );
        for asker in askers {
            asker.fail(&cx);
        }
        if !self.listeners.is_empty()
            && let Ok(net) = self.cluster.options.net.get(cx.node())
        {
            for id in self.listeners.keys() {
                net.close(*id);
            }
        }
    }
}

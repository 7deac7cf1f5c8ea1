//! `clustersender <node> <own id> <address>`: the connection to one remote node.
//!
//! It is made when the daemon gives the address, and again by the first request after it has ended; there is no attempt without a
//! request. What is asked while it is being made is given to the socket engine at once, which keeps it until then.
//!
//! Small requests are gathered in `out` and written at the end of a turn. The frames of a large one are written with low priority,
//! so that small ones may overtake them.

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use skynet_kernel::{
    Context, Doing, Handle, InitError, Message, Payload, Report, Service, TaskReport, kind,
};
use skynet_net::{EventKind, Net, SocketEvent, SocketId};
use skynet_wire::cluster::{
    Address, Body, Error, Outcome, Reply, Response, Sessions, pack_trace, query_name, relayed_tag,
};
use skynet_wire::netaddr;
use skynet_wire::netpack::{Framing, Partial};
use skynet_wire::seri::{self, Table, Value};

use crate::Cluster;
use crate::assembled::{self, Assembled};
use crate::common::{self, Asker, Command};
use crate::pointer;
use crate::request::{self, DETAIL, FORGET, PUSH, REQUEST, Reason, Request};

/// Bytes of small requests that are written before the turn ends.
const FULL: usize = 64 << 10;
/// Calls that one log line names when a connection ends.
const NAMED: usize = 3;
/// Calls that are remembered after nobody waits for them any more.
const FORGOTTEN: usize = 1024;

/// A call that waits for its response.
struct Waiting {
    source: Handle,
    session: i32,
    flags: u8,
    /// Centiseconds of the node's clock when it was sent.
    since: u64,
    to: Target,
    reply: Reply<Assembled>,
}

/// The address of a call, kept for lists and log lines.
#[derive(Clone)]
enum Target {
    Number(u32),
    Name(Arc<[u8]>),
    /// The question for the handle of a name.
    Query(Arc<[u8]>),
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Target::Number(number) => Handle(*number).fmt(f),
            Target::Name(name) => f.write_str(&String::from_utf8_lossy(name)),
            Target::Query(name) => write!(f, "query [{}]", String::from_utf8_lossy(name)),
        }
    }
}

/// An address of a node, taken apart.
struct Peer {
    text: String,
    host: String,
    port: u16,
}

impl Peer {
    fn parse(text: &str) -> Result<Peer, netaddr::Error> {
        let (host, port) = netaddr::host_port(text)?;
        Ok(Peer {
            text: text.to_owned(),
            host: host.to_owned(),
            port,
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    None,
    Connecting(SocketId),
    Up(SocketId),
}

impl Link {
    fn id(self) -> Option<SocketId> {
        match self {
            Link::None => None,
            Link::Connecting(id) | Link::Up(id) => Some(id),
        }
    }
}

pub(crate) struct Sender {
    cluster: Arc<Cluster>,
    cx: Option<Arc<Context>>,
    line: String,
    node: String,
    own_id: String,
    /// `None`: the node is down.
    peer: Option<Peer>,
    link: Link,
    sessions: Sessions,
    waiting: FxHashMap<u32, Waiting>,
    /// Frames that are to be written when the turn ends.
    out: Vec<u8>,
    partial: Partial,
    /// A frame without content has come: whatever follows is malformed.
    malformed: bool,
    /// Trace tags for the next requests of services.
    tags: FxHashMap<Handle, Payload>,
    /// Who wants to know whether the connection gets made.
    askers: Vec<Asker>,
    /// The name of the last request, which the next one often has, too.
    last_name: Arc<[u8]>,
    /// Calls that were given up in this turn. They are looked for together: many may reach their deadlines at once.
    given_up: FxHashSet<(Handle, i32)>,
    /// Calls that nobody waits for any more, though their responses may come: the last few.
    forgotten: VecDeque<u32>,
}

impl Sender {
    pub(crate) fn new(cluster: Arc<Cluster>) -> Sender {
        Sender {
            cluster,
            cx: None,
            line: String::new(),
            node: String::new(),
            own_id: String::new(),
            peer: None,
            link: Link::None,
            sessions: Sessions::default(),
            waiting: FxHashMap::default(),
            out: Vec::new(),
            partial: Partial::default(),
            malformed: false,
            tags: FxHashMap::default(),
            askers: Vec::new(),
            last_name: Arc::from(&b""[..]),
            given_up: FxHashSet::default(),
            forgotten: VecDeque::new(),
        }
    }

    fn net(&self, cx: &Context) -> Result<&Arc<Net>, String> {
        let net = self.cluster.options.net.get(cx.node());
        net.map_err(|error| error.to_string())
    }

    // ---- requests

    fn on_request(
        &mut self,
        cx: &Arc<Context>,
        source: Handle,
        session: i32,
        request: Request<'_>,
    ) {
        let (flags, to, arguments) = match request {
            Request::Good {
                flags,
                to,
                arguments,
            } => (flags, to, arguments),
            Request::Invalid { flags, text } => {
                let text = String::from_utf8_lossy(text);
                cx.log(format!("cluster call [{}]: {text}", self.node));
                self.tags.remove(&source);
                return refuse(cx, source, session, flags, &text, Reason::Invalid);
            }
        };
        let push = flags & PUSH != 0;
        let target = self.target(&to, arguments);
        let tag = match self.tags.is_empty() {
            true => None,
            false => self.tags.remove(&source),
        };
        if let Err((text, reason)) = self.connect(cx) {
            if !push {
                // As skynet (C): a session is used up by an attempt.
                self.sessions.set(self.sessions.peek().wrapping_add(1));
            }
            self.log_failure(cx, &target, &text);
            return refuse(cx, source, session, flags, &text, reason);
        }
        if !push {
            // The numbers may have come round to a call that still waits.
            let waiting = &self.waiting;
            self.sessions.skip(|number| waiting.contains_key(&number));
        }
        if let Some(tag) = tag {
            self.relay_tag(cx, tag.as_slice());
        }
        match self.write(cx, &to, arguments, push) {
            Ok(number) if !push => {
                let waiting = Waiting {
                    source,
                    session,
                    flags,
                    since: cx.node().now_cs(),
                    to: target,
                    reply: Reply::new(),
                };
                self.waiting.insert(number, waiting);
            }
            Ok(_) => {}
            Err(error) => {
                let text = error.to_string();
                self.log_failure(cx, &target, &text);
                refuse(cx, source, session, flags, &text, Reason::Invalid);
            }
        }
    }

    fn target(&mut self, to: &Address<'_>, arguments: &[u8]) -> Target {
        match to {
            Address::Number(0) => match query_name(arguments) {
                Ok(Some(name)) => Target::Query(Arc::from(name)),
                _ => Target::Number(0),
            },
            Address::Number(number) => Target::Number(*number),
            Address::Name(name) => {
                if self.last_name[..] != name[..] {
                    self.last_name = Arc::from(&name[..]);
                }
                Target::Name(Arc::clone(&self.last_name))
            }
        }
    }

    /// Packs a request. The session, unless it is a small push.
    fn write(
        &mut self,
        cx: &Context,
        to: &Address<'_>,
        arguments: &[u8],
        push: bool,
    ) -> Result<u32, Error> {
        let start = self.out.len();
        let (number, parts) = if push {
            (0, self.sessions.push(&mut self.out, to, arguments)?)
        } else {
            self.sessions.call(&mut self.out, to, arguments)?
        };
        if parts.len() == 0 {
            if self.out.len() >= FULL {
                self.flush(cx);
            }
            return Ok(number);
        }
        // The small requests before it, and then its own frames, the first of which is at the end of `out`.
        let head = self.out.split_off(start);
        self.flush(cx);
        let (Some(id), Ok(net)) = (self.link.id(), self.net(cx)) else {
            return Ok(number);
        };
        common::send_parts(net, id, &head, parts);
        Ok(number)
    }

    /// Writes the frames that were gathered.
    fn flush(&mut self, cx: &Context) {
        if self.out.is_empty() {
            return;
        }
        if let (Some(id), Ok(net)) = (self.link.id(), self.net(cx)) {
            net.send_slice(id, &self.out);
        }
        self.out.clear();
        if self.out.capacity() > 4 * FULL {
            self.out = Vec::new();
        }
    }

    fn relay_tag(&mut self, cx: &Context, tag: &[u8]) {
        let relayed = relayed_tag(tag, &self.own_id, &self.node, self.sessions.peek());
        match pack_trace(&mut self.out, &relayed) {
            Ok(()) => common::trace_log(cx, tag, &[b"cluster ", &relayed[..]].concat()),
            Err(error) => cx.log(error.to_string()),
        }
    }

    /// Gives up waiting for calls whose callers do not wait any more.
    fn forget(&mut self, cx: &Context) {
        if self.given_up.is_empty() {
            return;
        }
        let given_up = std::mem::take(&mut self.given_up);
        let found = self
            .waiting
            .extract_if(|_, call| given_up.contains(&(call.source, call.session)));
        for (number, call) in found {
            if self.forgotten.len() == FORGOTTEN {
                self.forgotten.pop_front();
            }
            self.forgotten.push_back(number);
            let _ = cx.send(call.source, kind::RESPONSE, call.session, Payload::EMPTY);
        }
    }

    // ---- responses

    fn on_data(&mut self, cx: &Arc<Context>, mut read: &[u8]) {
        let mut partial = std::mem::take(&mut self.partial);
        loop {
            if self.malformed && !read.is_empty() {
                return self.disconnect(
                    cx,
                    "malformed response: a frame without content",
                    Reason::Lost,
                );
            }
            match Framing::SHORT.take(&mut partial, &mut read) {
                Ok(None) => break,
                Ok(Some(frame)) if frame.is_empty() => self.malformed = true,
                Ok(Some(frame)) => match Response::unpack(&frame) {
                    Ok(response) => self.on_response(cx, response),
                    Err(error) => return self.disconnect(cx, &error.to_string(), Reason::Lost),
                },
                Err(error) => return self.disconnect(cx, &error.to_string(), Reason::Lost),
            }
        }
        self.partial = partial;
    }

    fn on_response(&mut self, cx: &Arc<Context>, response: Response<'_>) {
        let number = response.session;
        let Some(waiting) = self.waiting.get_mut(&number) else {
            return self.on_unknown(cx, &response);
        };
        let Some(outcome) = waiting.reply.accept(response.body) else {
            return;
        };
        let Some(waiting) = self.waiting.remove(&number) else {
            return;
        };
        let results = match outcome {
            Outcome::Ok(payload) if seri::holds_pointer(&payload) => {
                let text = "the answer holds a light userdata, which has no meaning here";
                return self.fail(cx, waiting, text, Reason::Remote);
            }
            Outcome::Ok(payload) => payload,
            Outcome::Mismatch => b""[..].into(),
            Outcome::Error(text) => {
                let text = String::from_utf8_lossy(text).into_owned();
                return self.fail(cx, waiting, &text, Reason::Remote);
            }
        };
        let payload = if waiting.flags & DETAIL == 0 {
            assembled::payload(results)
        } else {
            common::after_true(&results)
        };
        // A caller that has gone does not wait any more.
        let _ = cx.send(waiting.source, kind::RESPONSE, waiting.session, payload);
    }

    fn on_unknown(&mut self, cx: &Context, response: &Response<'_>) {
        let known = self
            .forgotten
            .iter()
            .position(|number| *number == response.session);
        match known {
            None => cx.log(format!("socket: unknown session : {}", response.session)),
            Some(_) if matches!(response.body, Body::Begin(_) | Body::Part(_)) => {}
            Some(at) => {
                self.forgotten.remove(at);
            }
        }
    }

    // ---- failures

    fn log_failure(&self, cx: &Context, to: &Target, why: &str) {
        let address = self.peer.as_ref().map_or("down", |peer| &peer.text);
        cx.log(format!(
            "cluster call [{}] ({address}) {to} failed : {why}",
            self.node
        ));
    }

    /// A call that waited has failed.
    fn fail(&self, cx: &Context, waiting: Waiting, why: &str, reason: Reason) {
        self.log_failure(cx, &waiting.to, why);
        refuse(
            cx,
            waiting.source,
            waiting.session,
            waiting.flags,
            why,
            reason,
        );
    }

    /// All calls that wait have failed, for the same reason.
    fn fail_all(&mut self, cx: &Context, why: &str, reason: Reason) {
        self.out.clear();
        self.forgotten.clear();
        let mut all: Vec<_> = self.waiting.drain().collect();
        all.sort_unstable_by_key(|(number, _)| *number);
        for (index, (_, waiting)) in all.iter().enumerate() {
            if index < NAMED {
                self.log_failure(cx, &waiting.to, why);
            }
            refuse(
                cx,
                waiting.source,
                waiting.session,
                waiting.flags,
                why,
                reason,
            );
        }
        if all.len() > NAMED {
            let more = all.len() - NAMED;
            cx.log(format!(
                "cluster call [{}]: {more} more calls failed : {why}",
                self.node
            ));
        }
    }

    // ---- the connection

    /// Sees to it that there is a connection, or that one is being made.
    fn connect(&mut self, cx: &Arc<Context>) -> Result<(), (String, Reason)> {
        if self.link != Link::None {
            return Ok(());
        }
        let Some(peer) = &self.peer else {
            return Err((
                "assertion failed! the node is down".to_owned(),
                Reason::Down,
            ));
        };
        let net = self.net(cx).map_err(|text| (text, Reason::Connect))?;
        let id = net.connect(cx.handle(), &peer.host, peer.port);
        let id = id.map_err(|error| (error.to_string(), Reason::Connect))?;
        self.link = Link::Connecting(id);
        self.partial = Partial::default();
        self.malformed = false;
        Ok(())
    }

    /// Closes the connection; what waits for a response fails.
    fn disconnect(&mut self, cx: &Context, why: &str, reason: Reason) {
        let was = std::mem::replace(&mut self.link, Link::None);
        if let (Some(id), Ok(net)) = (was.id(), self.net(cx)) {
            net.shutdown(id);
        }
        self.fail_all(cx, why, reason);
        for asker in self.askers.drain(..) {
            asker.answer(cx, &[false.into()]);
        }
        if let Link::Up(_) = was {
            self.tell_daemon(cx, "down", why);
        }
    }

    fn tell_daemon(&self, cx: &Context, event: &str, why: &str) {
        let address = self.peer.as_ref().map(|peer| peer.text.as_str());
        let report = [
            "link".into(),
            self.node.as_str().into(),
            event.into(),
            address.into(),
            why.into(),
        ];
        let daemon = Handle(
            self.cluster
                .daemon
                .load(std::sync::atomic::Ordering::Relaxed),
        );
        // Without a daemon nobody has subscribed.
        let _ = cx.send(daemon, kind::LUA, 0, common::pack(&report));
    }

    fn on_event(&mut self, cx: &Arc<Context>, event: SocketEvent<'_>) {
        if self.link.id() != Some(event.id) {
            // The rest of a connection that was given up.
            return;
        }
        match event.kind {
            EventKind::Data => self.on_data(cx, event.data),
            EventKind::Connect => {
                self.link = Link::Up(event.id);
                if let Ok(net) = self.net(cx) {
                    net.nodelay(event.id);
                }
                for asker in self.askers.drain(..) {
                    asker.answer(cx, &[true.into()]);
                }
                self.tell_daemon(cx, "up", "");
            }
            EventKind::Close => self.disconnect(cx, "connection closed by the peer", Reason::Lost),
            EventKind::Error => {
                let why = String::from_utf8_lossy(event.data);
                match self.link {
                    Link::Up(_) => {
                        self.disconnect(cx, &format!("connection lost: {why}"), Reason::Lost)
                    }
                    _ => self.disconnect(cx, &format!("cannot connect: {why}"), Reason::Connect),
                }
            }
            EventKind::Warning => {
                let (kib, id) = (event.ud, event.id);
                cx.log(format!(
                    "WARNING: {kib} K bytes need to send out (fd = {id})"
                ));
            }
            _ => {}
        }
    }

    /// `changenode(address)`: another connection. `changenode(false)`: none.
    fn change(&mut self, cx: &Arc<Context>, address: &Value, asker: Asker) {
        match address.as_str().map(Peer::parse) {
            Some(Ok(peer)) => {
                self.disconnect(cx, "the node's address has changed", Reason::Lost);
                self.peer = Some(peer);
                match self.connect(cx) {
                    Ok(()) => self.askers.push(asker),
                    Err((text, _)) => {
                        cx.log(text);
                        asker.answer(cx, &[false.into()]);
                    }
                }
            }
            Some(Err(error)) => {
                let text = error.to_string();
                cx.log(&text);
                self.disconnect(cx, &text, Reason::Down);
                self.peer = None;
                asker.answer(cx, &[false.into()]);
            }
            None => {
                if let Some(peer) = &self.peer {
                    cx.log(format!("Close cluster sender {} {}", peer.host, peer.port));
                }
                self.disconnect(cx, "the node was taken down", Reason::Down);
                self.peer = None;
                asker.answer(cx, &[]);
            }
        }
    }

    // ---- messages of the type `lua`

    fn on_command(&mut self, cx: &Arc<Context>, message: &Message) {
        let asker = Asker::of(message);
        let Some(mut command) = Command::read(message.payload()) else {
            return asker.fail(cx);
        };
        match command.name.as_str() {
            "req" | "push" => {
                let flags = if command.name == "push" { PUSH } else { 0 };
                let to = address(command.next());
                let (pointer, size) = (command.next(), command.next());
                let arguments = pointer::block(Some(&pointer), Some(&size));
                let mut head = Vec::new();
                match (&to, arguments) {
                    (Ok(to), Some(arguments)) => {
                        let (to, arguments) = (to.clone(), arguments.as_slice());
                        let request = Request::Good {
                            flags,
                            to,
                            arguments,
                        };
                        self.on_request(cx, message.source, message.session, request);
                    }
                    (to, arguments) => {
                        let no_message = Error::NoMessage;
                        let error = match (to, arguments) {
                            (Err(error), _) => error,
                            _ => &no_message,
                        };
                        request::begin(&mut head, flags, Err(error));
                        if let Some(request) = request::parse(&head) {
                            self.on_request(cx, message.source, message.session, request);
                        }
                    }
                }
            }
            "changenode" => self.change(cx, &command.next(), asker),
            "pending" => asker.answer(cx, &[self.list(cx).into()]),
            name => {
                cx.log(format!("Invalid clustersender command {name}"));
                asker.fail(cx);
            }
        }
    }

    /// The calls that wait, oldest first.
    fn list(&self, cx: &Context) -> Table {
        let now = cx.node().now_cs();
        let mut calls: Vec<_> = self.waiting.iter().collect();
        calls.sort_unstable_by_key(|(number, waiting)| (waiting.since, **number));
        Table::from_values(calls.into_iter().map(|(number, waiting)| {
            let mut entry = Table::new();
            entry.insert("node", self.node.as_str());
            match &waiting.to {
                Target::Number(number) => entry.insert("address", *number),
                Target::Query(_) => entry.insert("address", 0),
                Target::Name(name) => entry.insert("address", &name[..]),
            }
            entry.insert("session", *number);
            entry.insert("source", waiting.source.0);
            entry.insert("age", now.saturating_sub(waiting.since) as f64 / 100.0);
            entry
        }))
    }
}

/// The address that a Lua value stands for.
fn address(value: Value) -> Result<Address<'static>, Error> {
    match value {
        Value::Int(number) => Ok(Address::from(number)),
        Value::Float(number) => Ok(Address::from(number)),
        Value::Bytes(name) => Ok(Address::Name(name.into())),
        Value::Nil => Err(Error::NameType("nil")),
        Value::Bool(_) => Err(Error::NameType("boolean")),
        Value::Table(_) => Err(Error::NameType("table")),
        _ => Err(Error::NameType("userdata")),
    }
}

/// Tells a caller that its call has failed. Nobody waits for a push.
fn refuse(cx: &Context, source: Handle, session: i32, flags: u8, why: &str, reason: Reason) {
    if flags & PUSH != 0 || session <= 0 {
        return;
    }
    let (answer, payload) = if flags & DETAIL == 0 {
        (kind::ERROR, Payload::EMPTY)
    } else {
        let values = [false.into(), why.into(), reason.name().into()];
        (kind::RESPONSE, common::pack(&values))
    };
    // A caller that has gone does not wait any more.
    let _ = cx.send(source, answer, session, payload);
}

impl Service for Sender {
    fn init(&mut self, cx: &Arc<Context>, param: &str) -> Result<(), InitError> {
        self.cx = Some(Arc::clone(cx));
        self.line = param.to_owned();
        // The name of a node may hold spaces.
        let words = param
            .split_once(' ')
            .map(|(_, words)| words)
            .unwrap_or_default();
        let mut words = words.rsplitn(3, ' ');
        let (Some(address), Some(own_id), Some(node)) = (words.next(), words.next(), words.next())
        else {
            return Err(InitError::new(
                "clustersender: <node> <own id> <address> expected",
            ));
        };
        (self.node, self.own_id) = (node.to_owned(), own_id.to_owned());
        // One that is no address fails with the first request.
        self.peer = Peer::parse(address).ok();
        common::report_started(cx, &self.line);
        Ok(())
    }

    fn handle(&mut self, cx: &Arc<Context>, mut message: Message) {
        match message.kind {
            REQUEST => match request::parse(message.payload()) {
                Some(request) => self.on_request(cx, message.source, message.session, request),
                None => Asker::of(&message).fail(cx),
            },
            kind::SOCKET => {
                if let Some(event) = SocketEvent::parse(message.payload()) {
                    self.on_event(cx, event);
                }
            }
            FORGET => {
                self.given_up.insert((message.source, message.session));
            }
            kind::TRACE => {
                self.tags.insert(message.source, message.take_payload());
            }
            kind::LUA => self.on_command(cx, &message),
            kind::RESPONSE | kind::ERROR => {}
            kind::DEBUG => {
                let calls = self.waiting.len();
                common::debug(cx, &message, calls, || self.list(cx).into());
            }
            _ => Asker::of(&message).fail(cx),
        }
    }

    fn report(&mut self, stacks: bool) -> Option<Report> {
        let now = self.cx.as_ref()?.node().now_cs();
        let mut tasks: Vec<TaskReport> = self
            .waiting
            .iter()
            .map(|(&number, call)| TaskReport {
                doing: Doing::Remote,
                session: number as i32,
                age_ms: Some(now.saturating_sub(call.since) * 10),
                request: Some((call.source, call.session)),
                stack: match stacks {
                    true => vec![format!("{} {}", self.node, call.to)],
                    false => Vec::new(),
                },
            })
            .collect();
        tasks.sort_unstable_by_key(|task| task.session);
        Some(Report { tasks })
    }

    fn turn_end(&mut self, cx: &Arc<Context>) {
        self.forget(cx);
        self.flush(cx);
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        if let Some(cx) = self.cx.take() {
            self.disconnect(&cx, "the sender has ended", Reason::Lost);
        }
    }
}

//! `clustersender <node> <own id> <address>`: the connection to one remote node.
//!
//! It is made when the daemon gives the address, and again by the first request after it has ended; there is no attempt
//! without a request. What is asked while it is being made is given to the socket engine at once, which keeps it until
//! then.
//!
//! If the peer is to be proved first (`security`), the connection is only up when that is done, and what is asked
//! meanwhile is held here: nothing of it leaves before.
//!
//! Small requests are gathered in `out` and written at the end of a turn. The frames of a large one are written with
//! low priority, so that small ones may overtake them.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use skynet_kernel::{
    Context, Delay, Handle, InitError, LogQuota, Message, Payload, Report, Service, kind,
};
use skynet_net::{EventKind, Gathered, Net, Room, SocketEvent, SocketId};
use skynet_wire::cluster::handshake::{LONGEST, framed};
use skynet_wire::cluster::{
    Address, Error, Outcome, Response, Sessions, pack_trace, query_name, relayed_tag,
};
use skynet_wire::foreign::Foreign;
use skynet_wire::netaddr;
use skynet_wire::netpack::{Framing, Partial};
use skynet_wire::seri::{self, Value};

use crate::Cluster;
use crate::assembled;
use crate::calls::{Arrived, Caller, Calls, Target, Waiting};
use crate::command::{Asker, Command, pack};
use crate::debug;
use crate::large::Large;
use crate::launcher;
use crate::pointer;
use crate::request::{self, FORGET, PUSH, REQUEST, Reason, Request};
use crate::security::handshake::{Client, Step};
use crate::trace;

/// Calls that one log line names when a connection ends.
const NAMED: usize = 3;
/// Bytes of an error's text that are logged, and passed on to who asks for it.
const TEXT: usize = 4096;

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
    /// TLS and the handshake are under way.
    Proving(SocketId),
    Up(SocketId),
}

impl Link {
    fn id(self) -> Option<SocketId> {
        match self {
            Link::None => None,
            Link::Connecting(id) | Link::Proving(id) | Link::Up(id) => Some(id),
        }
    }
}

/// A large request that waits until the peer is proved, and the small ones before it.
struct Held {
    before: Vec<u8>,
    large: Large,
    payload: Payload,
}

/// The own side of a handshake.
#[derive(Default)]
struct Proof {
    client: Option<Client>,
    /// The session of the timer.
    deadline: i32,
}

/// Lines of failed calls at once, and centiseconds until one more is written.
const FAILURES: (u64, u64) = (100, 10);

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
    calls: Calls,
    /// Frames that are to be written when the turn ends.
    out: Gathered,
    partial: Partial,
    /// A frame without content has come: whatever follows is malformed.
    malformed: bool,
    /// As much waits on the connection as may.
    full: bool,
    /// What may be logged about the other node.
    lines: LogQuota,
    /// Calls that fail, as often as the application makes them and its peer fails them.
    failures: LogQuota,
    /// Trace tags for the next requests of services.
    tags: FxHashMap<Handle, Payload>,
    /// Who wants to know whether the connection gets made.
    askers: Vec<Asker>,
    held: Vec<Held>,
    proof: Proof,
    /// The name of the last request, which the next one often has, too.
    last_name: Arc<[u8]>,
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
            calls: Calls::default(),
            out: Gathered::default(),
            partial: Partial::default(),
            malformed: false,
            full: false,
            lines: LogQuota::default(),
            failures: LogQuota::of(FAILURES.0, FAILURES.1),
            tags: FxHashMap::default(),
            askers: Vec::new(),
            held: Vec::new(),
            proof: Proof::default(),
            last_name: Arc::from(&b""[..]),
        }
    }

    fn net(&self, cx: &Context) -> Result<&Arc<Net>, String> {
        let net = self.cluster.options.net.get(cx.node());
        net.map_err(|error| error.to_string())
    }

    // ---- requests

    /// What is returned is to be sent with the payload that the request's arguments are the end of.
    #[must_use]
    fn on_request(
        &mut self,
        cx: &Arc<Context>,
        message: &Message,
        request: Request<'_>,
    ) -> Option<Large> {
        let (flags, to, arguments) = match request {
            Request::Good {
                flags,
                to,
                arguments,
            } => (flags, to, arguments),
            Request::Invalid { flags, text } => {
                let text = String::from_utf8_lossy(text);
                cx.log(format!("cluster call [{}]: {text}", self.node));
                self.tags.remove(&message.source);
                Caller::of(message, flags).refuse(cx, &text, Reason::Invalid);
                return None;
            }
        };
        let caller = Caller::of(message, flags);
        let target = self.target(&to, arguments);
        let tag = match self.tags.is_empty() {
            true => None,
            false => self.tags.remove(&caller.source),
        };
        if let Err((text, reason)) = self.connect(cx) {
            if !caller.is_push() {
                // As skynet (C): a session is used up by an attempt.
                self.sessions.set(self.sessions.peek().wrapping_add(1));
            }
            self.log_failure(cx, &target, &text);
            caller.refuse(cx, &text, reason);
            return None;
        }
        if self.full {
            let most = self.cluster.options.max_pending.unwrap_or(0);
            let text = format!("more than {most} bytes wait on the connection (clusterpending)");
            let line = self.failure(&target, &text);
            cx.log_within(&mut self.lines, || line);
            caller.refuse(cx, &text, Reason::Full);
            return None;
        }
        if !caller.is_push() {
            // The numbers may have come round to a call that still waits.
            let calls = &self.calls;
            self.sessions.skip(|number| calls.has(number));
        }
        if let Some(tag) = tag {
            self.relay_tag(cx, tag.as_slice());
        }
        match self.write(cx, &to, arguments, caller.is_push()) {
            Ok((number, large)) => {
                if !caller.is_push() {
                    self.calls.add(number, caller, target, cx.node().now_cs());
                }
                large
            }
            Err(error) => {
                let text = error.to_string();
                self.log_failure(cx, &target, &text);
                caller.refuse(cx, &text, Reason::Invalid);
                None
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

    /// Packs a request. The session, unless it is a small push, and what is to be sent of a large one.
    fn write(
        &mut self,
        cx: &Context,
        to: &Address<'_>,
        arguments: &[u8],
        push: bool,
    ) -> Result<(u32, Option<Large>), Error> {
        let start = self.out.len();
        let (number, parts) = if push {
            (0, self.sessions.push(self.out.buffer(), to, arguments)?)
        } else {
            self.sessions.call(self.out.buffer(), to, arguments)?
        };
        if parts.len() == 0 {
            if self.out.is_full() {
                self.flush(cx);
            }
            return Ok((number, None));
        }
        // The small requests before it, and then its own frames, the first of which is at the end of `out`.
        let large = Large::new(self.out.buffer().split_off(start), parts);
        self.flush(cx);
        Ok((number, Some(large)))
    }

    fn send_large(&mut self, cx: &Context, large: Large, payload: Payload) {
        if self.holds() {
            let before = std::mem::take(self.out.buffer());
            self.held.push(Held {
                before,
                large,
                payload,
            });
            self.full = self.holds_too_much();
            return;
        }
        if let (Some(id), Ok(net)) = (self.link.id(), self.net(cx)) {
            large.send(net, id, payload);
            self.full = self.is_full(net, id);
        }
    }

    /// Does what is asked have to wait for a proof?
    fn holds(&self) -> bool {
        match self.link {
            Link::Connecting(_) => self.cluster.security.begins(),
            Link::Proving(_) => true,
            Link::None | Link::Up(_) => false,
        }
    }

    fn holds_too_much(&self) -> bool {
        let held = |held: &Held| held.before.len() + held.payload.len();
        let bytes = self.out.len() + self.held.iter().map(held).sum::<usize>();
        let most = self.cluster.options.max_pending;
        most.is_some_and(|most| bytes >= most)
    }

    /// Is there no room for more? Then there will be an event when there is.
    fn is_full(&self, net: &Net, id: SocketId) -> bool {
        self.cluster.options.max_pending.is_some() && net.room(id, 0) == Room::Full
    }

    /// Writes the frames that were gathered.
    fn flush(&mut self, cx: &Context) {
        if self.out.is_empty() {
            return;
        }
        if self.holds() {
            self.full = self.holds_too_much();
            return;
        }
        match (self.link.id(), self.cluster.options.net.get(cx.node())) {
            (Some(id), Ok(net)) => {
                self.out.write(net, id);
                self.full = self.is_full(net, id);
            }
            _ => self.out.clear(),
        }
    }

    fn relay_tag(&mut self, cx: &Context, tag: &[u8]) {
        let relayed = relayed_tag(tag, &self.own_id, &self.node, self.sessions.peek());
        match pack_trace(self.out.buffer(), &relayed) {
            Ok(()) => trace::log(cx, tag, &[b"cluster ", &relayed[..]].concat()),
            Err(error) => cx.log(error.to_string()),
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
        let (waiting, outcome) = match self.calls.accept(response) {
            Arrived::Done(waiting, outcome) => (waiting, outcome),
            Arrived::Nothing => return,
            Arrived::Unknown => {
                return cx.log_within(&mut self.lines, || {
                    format!("socket: unknown session : {number}")
                });
            }
        };
        let results = match outcome {
            Outcome::Ok(payload) if seri::holds_pointer(&payload) => {
                let text = "the answer holds a light userdata, which has no meaning here";
                return self.fail(cx, &waiting, text, Reason::Remote);
            }
            Outcome::Ok(payload) => assembled::payload(payload),
            Outcome::Mismatch => Payload::EMPTY,
            Outcome::Error(text) => {
                let text = Foreign::new(text).at_most(TEXT).to_string();
                return self.fail(cx, &waiting, &text, Reason::Remote);
            }
        };
        waiting.caller.answer(cx, results);
    }

    // ---- failures

    fn log_failure(&mut self, cx: &Context, to: &Target, why: &str) {
        let line = self.failure(to, why);
        cx.log_within(&mut self.failures, || line);
    }

    fn failure(&self, to: &Target, why: &str) -> String {
        let address = self.peer.as_ref().map_or("down", |peer| &peer.text);
        format!(
            "cluster call [{}] ({address}) {to} failed : {why}",
            self.node
        )
    }

    /// A call that waited has failed.
    fn fail(&mut self, cx: &Context, waiting: &Waiting, why: &str, reason: Reason) {
        self.log_failure(cx, &waiting.to, why);
        waiting.caller.refuse(cx, why, reason);
    }

    /// All calls that wait have failed, for the same reason.
    fn fail_all(&mut self, cx: &Context, why: &str, reason: Reason) {
        self.out.clear();
        self.held.clear();
        let all = self.calls.take_all();
        for (index, waiting) in all.iter().enumerate() {
            if index < NAMED {
                self.log_failure(cx, &waiting.to, why);
            }
            waiting.caller.refuse(cx, why, reason);
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
        // It is not closed for what waits on it, as other sockets may be.
        net.set_link(
            id,
            Some(self.cluster.options.max_pending.unwrap_or(usize::MAX)),
        );
        self.link = Link::Connecting(id);
        self.full = false;
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
        if let Link::Proving(_) = was
            && self.calls.len() == 0
        {
            // Nobody has called yet: the daemon alone has wanted the connection, and tells no reasons.
            let address = self.peer.as_ref().map_or("", |peer| &peer.text);
            let line = format!("cluster node [{}] ({address}): {why}", self.node);
            cx.log_within(&mut self.failures, || line);
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
        // If there is no daemon, nobody watches the links.
        let _ = cx.send(daemon, kind::LUA, 0, pack(&report));
    }

    // ---- proofs

    /// There is a connection. TLS first, if it is to be.
    fn begin(&mut self, cx: &Arc<Context>, id: SocketId) {
        self.link = Link::Proving(id);
        let session = cx.new_session();
        cx.timeout(session, Delay::After(self.cluster.security.deadline()));
        self.proof = Proof {
            client: None,
            deadline: session,
        };
        let host = self.peer.as_ref().map_or("", |peer| &peer.host);
        let Some(tls) = self.cluster.security.client_tls(&self.node, host) else {
            return self.greet(cx, id);
        };
        let begun = match self.net(cx) {
            Ok(net) => {
                net.nodelay(id);
                let begun = net.secure(cx.handle(), id, &tls, &[]);
                begun.map_err(|error| error.to_string())
            }
            Err(text) => Err(text),
        };
        if let Err(text) = begun {
            self.disconnect(cx, &format!("cannot connect: {text}"), Reason::Connect);
        }
    }

    /// Begins the handshake, if there is a secret.
    fn greet(&mut self, cx: &Arc<Context>, id: SocketId) {
        if !self.cluster.security.has_secret() {
            return self.come_up(cx, id);
        }
        let cluster = Arc::clone(&self.cluster);
        let Ok(net) = cluster.options.net.get(cx.node()) else {
            return;
        };
        net.nodelay(id);
        let binding = net.tls_binding(id);
        let binding = binding.as_ref().map_or(&b""[..], |binding| binding);
        match cluster.security.client(cx.node(), &self.node, binding) {
            Some((client, hello)) => {
                self.proof.client = Some(client);
                net.send_slice(id, &framed(&hello));
            }
            None => {
                let why = "cannot connect: the system gives no random numbers";
                self.disconnect(cx, why, Reason::Connect);
            }
        }
    }

    /// What the peer says before it is proved.
    fn on_proof(&mut self, cx: &Arc<Context>, mut read: &[u8]) {
        let cluster = Arc::clone(&self.cluster);
        let Ok(net) = cluster.options.net.get(cx.node()) else {
            return;
        };
        let framing = Framing::SHORT.with_max(LONGEST as u32);
        loop {
            let frame = framing.take(&mut self.partial, &mut read);
            let (Link::Proving(id), Ok(frame)) = (self.link, frame) else {
                let why = "cannot connect: the node there does not speak this handshake (has it clustersecret?)";
                return self.disconnect(cx, why, Reason::Connect);
            };
            let Some(frame) = frame else { return };
            let Some(client) = &mut self.proof.client else {
                let why = "cannot connect: the node there says something before it is asked";
                return self.disconnect(cx, why, Reason::Connect);
            };
            match client.step(&frame) {
                Step::Send(content) => {
                    net.send_slice(id, &framed(&content));
                }
                Step::Done(..) => {
                    self.come_up(cx, id);
                    return self.on_data(cx, read);
                }
                Step::Refuse(failure) => {
                    if !failure.told {
                        net.send_slice(id, &framed(&failure.content()));
                    }
                    let text = format!("cannot connect: {}", failure.text);
                    return self.disconnect(cx, &text, Reason::Connect);
                }
            }
        }
    }

    /// Requests can go.
    fn come_up(&mut self, cx: &Arc<Context>, id: SocketId) {
        self.link = Link::Up(id);
        self.proof = Proof::default();
        if let Ok(net) = self.net(cx) {
            net.nodelay(id);
        }
        let held = std::mem::take(&mut self.held);
        if let Ok(net) = self.cluster.options.net.get(cx.node()) {
            for held in held {
                net.send_slice(id, &held.before);
                held.large.send(net, id, held.payload);
            }
            self.full = self.is_full(net, id);
        }
        self.flush(cx);
        for asker in self.askers.drain(..) {
            asker.answer(cx, &[true.into()]);
        }
        self.tell_daemon(cx, "up", "");
    }

    /// It has taken too long.
    fn on_deadline(&mut self, cx: &Arc<Context>) {
        if let Link::Proving(_) = self.link {
            let why = "cannot connect: the peer does not answer the handshake (does it have clustersecret?)";
            self.disconnect(cx, why, Reason::Connect);
        }
    }

    fn on_event(&mut self, cx: &Arc<Context>, event: SocketEvent<'_>) {
        if self.link.id() != Some(event.id) {
            // The rest of a connection that was given up.
            return;
        }
        match event.kind {
            EventKind::Data if self.holds() => self.on_proof(cx, event.data),
            EventKind::Data => self.on_data(cx, event.data),
            EventKind::Connect if self.cluster.security.begins() => self.begin(cx, event.id),
            EventKind::Connect => self.come_up(cx, event.id),
            EventKind::Tls if event.ud == 1 => self.greet(cx, event.id),
            EventKind::Close if self.holds() => {
                let why = "cannot connect: the connection was closed before the handshake had ended (the log of the \
                           other node says why)";
                self.disconnect(cx, why, Reason::Connect);
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
            EventKind::Room => self.full = false,
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
        if self.cluster.refuses(cx, message.source, "clustersender") {
            return asker.fail(cx);
        }
        match command.name.as_str() {
            "req" | "push" => {
                let flags = if command.name == "push" { PUSH } else { 0 };
                let to = address(command.next());
                let (pointer, size) = (command.next(), command.next());
                let arguments = pointer::block(Some(&pointer), Some(&size));
                let mut head = Vec::new();
                match (&to, arguments) {
                    (Ok(to), Some(payload)) => {
                        let (to, arguments) = (to.clone(), payload.as_slice());
                        let request = Request::Good {
                            flags,
                            to,
                            arguments,
                        };
                        if let Some(large) = self.on_request(cx, message, request) {
                            self.send_large(cx, large, payload);
                        }
                    }
                    (to, arguments) => {
                        let no_message = Error::NoMessage;
                        let error = match (to, arguments) {
                            (Err(error), _) => error,
                            _ => &no_message,
                        };
                        request::begin(&mut head, flags, Err(error));
                        if let Some(request) = request::parse(&head) {
                            let large = self.on_request(cx, message, request);
                            debug_assert!(large.is_none());
                        }
                    }
                }
            }
            "changenode" => self.change(cx, &command.next(), asker),
            "pending" => asker.answer(cx, &[self.list(cx)]),
            name => {
                cx.log(format!("Invalid clustersender command {name}"));
                asker.fail(cx);
            }
        }
    }

    fn list(&self, cx: &Context) -> Value {
        self.calls.list(&self.node, cx.node().now_cs()).into()
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
        // If it is no address, the first request fails and says so.
        self.peer = Peer::parse(address).ok();
        launcher::report_started(cx, &self.line);
        Ok(())
    }

    fn handle(&mut self, cx: &Arc<Context>, mut message: Message) {
        match message.kind {
            REQUEST => {
                let payload = message.take_payload();
                let Some(request) = request::parse(payload.as_slice()) else {
                    return Asker::of(&message).fail(cx);
                };
                if let Some(large) = self.on_request(cx, &message, request) {
                    self.send_large(cx, large, payload);
                }
            }
            kind::SOCKET => {
                if let Some(event) = SocketEvent::parse(message.payload()) {
                    self.on_event(cx, event);
                }
            }
            FORGET => {
                self.calls.give_up(message.source, message.session);
            }
            kind::TRACE => {
                self.tags.insert(message.source, message.take_payload());
            }
            kind::LUA => self.on_command(cx, &message),
            kind::RESPONSE if message.session == self.proof.deadline => self.on_deadline(cx),
            kind::RESPONSE | kind::ERROR => {}
            kind::DEBUG => {
                let calls = self.calls.len();
                debug::answer(cx, &message, calls, || self.list(cx));
            }
            _ => Asker::of(&message).fail(cx),
        }
    }

    fn report(&mut self, stacks: bool) -> Option<Report> {
        let now = self.cx.as_ref()?.node().now_cs();
        let tasks = self.calls.report(&self.node, now, stacks);
        Some(Report { tasks })
    }

    fn turn_end(&mut self, cx: &Arc<Context>) {
        self.calls.forget(cx);
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

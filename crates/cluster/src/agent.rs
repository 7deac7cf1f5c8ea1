//! `clusteragent <clusterd> <gate> <fd>`: one connection that another node has made.
//!
//! Requests come in frames, go to their services in the agent's name, and are answered in the order in which they are
//! done. Small answers are gathered in `out` and written at the end of a turn; large ones have low priority.
//!
//! # A peer that is faster than this node, or does not read
//! Bytes that wait for a service count as what comes from sockets: while there are too many, the connection is not read
//! ([`PassedOn`]). Answers that wait to be sent are limited as well: when there is no room for more, the connection is
//! not read until there is, and what is answered meanwhile is replaced by an error of a few bytes.
//!
//! The gate is the daemon itself, which has accepted the connection; or a gate written in Lua, which forwards the
//! frames as messages of the type `client`.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use skynet_kernel::inspect::stamps_to_ms;
use skynet_kernel::{
    Context, Delay, Doing, Handle, InitError, LogQuota, Message, Payload, Report, SendError,
    Service, TaskReport, kind,
};
use skynet_net::{EventKind, Gathered, Net, PassedOn, Room, SocketEvent, SocketId};
use skynet_wire::cluster::handshake::{Frame, Refused, framed};
use skynet_wire::cluster::{
    Address, Complete, Error, Event, Refusal, Request, Requests, pack_error, pack_ok, query_name,
};
use skynet_wire::foreign::Foreign;
use skynet_wire::netpack::{Framing, Partial};
use skynet_wire::seri::{self, Value};

use crate::Cluster;
use crate::assembled::{self, Assembled};
use crate::command::{Asker, Command, pack};
use crate::debug;
use crate::large::Large;
use crate::launcher;
use crate::security::handshake::Failure;
use crate::security::proving::{Action, Admitted, Proving};
use crate::security::{Door, Verdict};
use crate::trace;

/// Bytes of answers that may wait to be sent, unless the configuration says otherwise.
const UNREAD: usize = 64 << 20;
/// An answer of so many bytes is sent also when there is no room: the error in its place would not be smaller.
const SMALL: usize = 64;
/// The answer then.
const UNSENT: &str =
    "clusteragent: the answer is not sent, since too many wait unread on this connection";

/// A trace tag that is longer is none of a node.
const TAG: usize = 1024;
/// Calls that are traced at once, and centiseconds until one more is. Each makes several lines of the log.
const TRACED: (u64, u64) = (1000, 1);

/// Requests of other nodes that may wait for global names nobody has, and their bytes. The next one is refused.
const NAMELESS: usize = 4096;
const NAMELESS_BYTES: usize = 8 << 20;

/// A call that a local service works on.
struct Call {
    callee: Handle,
    /// The peer's session.
    number: u32,
    /// It is traced.
    tag: Option<Box<[u8]>>,
    /// When it was sent, by [`Context::stamp`].
    since: u32,
}

pub(crate) struct Agent {
    cluster: Arc<Cluster>,
    cx: Option<Arc<Context>>,
    line: String,
    id: SocketId,
    /// A gate in Lua that forwards the frames.
    gate: Option<Handle>,
    partial: Partial,
    /// Bytes that have come.
    received: u64,
    /// The large request whose parts are read straight to it.
    filling: Option<u32>,
    requests: Requests<Assembled>,
    calls: FxHashMap<i32, Call>,
    /// Frames that are to be written when the turn ends.
    out: Gathered,
    gone: bool,
    /// It was said that too much waits for names that nobody has.
    refused: bool,
    /// It was said that the peer sends pointers.
    pointers: bool,
    /// What else may be said of the peer.
    lines: LogQuota,
    /// Calls that may be traced.
    traces: LogQuota,
    passed_on: PassedOn,
    /// As many answers wait to be sent as may, and the connection is not read.
    full: bool,
    /// The peer has yet to prove itself.
    proving: Option<Box<Proving>>,
    /// Who it is.
    peer: Admitted,
    /// What it may call, if there is a policy.
    door: Door,
}

/// What somebody who gives wrong proofs has to wait.
const PENALTY: Delay = Delay::Cs(100);

impl Agent {
    pub(crate) fn new(cluster: Arc<Cluster>) -> Agent {
        let requests = match cluster.options.max_incomplete {
            Some(bytes) => Requests::with_limit(bytes),
            None => Requests::with_limit(usize::MAX),
        };
        Agent {
            cluster,
            cx: None,
            line: String::new(),
            id: 0,
            gate: None,
            partial: Partial::default(),
            received: 0,
            filling: None,
            requests,
            calls: FxHashMap::default(),
            out: Gathered::default(),
            gone: false,
            refused: false,
            pointers: false,
            lines: LogQuota::default(),
            traces: LogQuota::of(TRACED.0, TRACED.1),
            passed_on: PassedOn::new(Handle::NONE),
            full: false,
            proving: None,
            peer: Admitted::default(),
            door: Door::default(),
        }
    }

    fn net(&self, cx: &Context) -> Option<&Arc<Net>> {
        self.cluster.options.net.get(cx.node()).ok()
    }

    // ---- requests

    fn on_data(&mut self, cx: &Context, read: &[u8]) {
        self.received += read.len() as u64;
        match &mut self.proving {
            None => self.on_bytes(cx, read),
            Some(proving) => {
                proving.feed(read);
                self.prove(cx);
            }
        }
    }

    fn on_bytes(&mut self, cx: &Context, mut read: &[u8]) {
        let mut partial = std::mem::take(&mut self.partial);
        // A frame whose length has two bytes cannot be too long, so this does not fail.
        while let Ok(Some(frame)) = Framing::SHORT.take(&mut partial, &mut read) {
            self.on_frame(cx, &frame);
            if self.gone {
                return;
            }
        }
        if let Some((start, len)) = partial.body()
            && let Err(error) = Request::check_start(start, len)
        {
            return self.on_malformed(cx, &error);
        }
        self.partial = partial;
        if !self.partial.is_idle()
            && let Ok(net) = self.cluster.options.net.get(cx.node())
        {
            let (requests, partial) = (&mut self.requests, &mut self.partial);
            self.filling = assembled::fill(requests, partial, net, self.id, self.received);
        }
    }

    /// Parts of a large request were read to where they belong: the first `len` bytes of this payload, for which
    /// `taken` bytes came on the connection.
    fn on_filled(&mut self, cx: &Context, payload: Payload, len: usize, taken: usize) {
        self.received += taken as u64;
        let Some(session) = self.filling.take() else {
            return;
        };
        match self
            .requests
            .give_back(session, assembled::filled(payload, len))
        {
            Some(Event::Request(request)) => self.on_request(cx, request),
            Some(Event::Refused { session, why }) => {
                pack_error(self.out.buffer(), session, why.to_string().as_bytes());
            }
            _ => {}
        }
    }

    fn on_frame(&mut self, cx: &Context, frame: &[u8]) {
        // The requests are taken out while one of them may borrow from them.
        let mut requests = std::mem::replace(&mut self.requests, Requests::with_limit(0));
        match requests.accept(frame) {
            Ok(Some(Event::Request(request))) => self.on_request(cx, request),
            _ if requests.exceeded() => {
                let limit = self.cluster.options.max_incomplete.unwrap_or(0);
                cx.log(format!(
                    "cluster: incomplete requests of {} take more than {limit} bytes (clusterbuffer): connection \
                     closed",
                    self.id
                ));
                self.leave(cx);
            }
            Ok(Some(Event::Refused { session, why })) => {
                pack_error(self.out.buffer(), session, why.to_string().as_bytes());
            }
            Ok(_) => {}
            Err(error) => {
                if let Some(Frame::Hello { .. }) = Frame::parse(frame) {
                    let failure = Failure::new(Refused::NoSecret, "");
                    let refused = framed(&failure.content());
                    self.out.buffer().extend_from_slice(&refused);
                }
                self.on_malformed(cx, &error);
            }
        }
        self.requests = requests;
    }

    /// A frame that no node writes ends the connection, and nothing behind it is carried out. Other protocols get no
    /// further than this: a web page can make a browser on this machine connect, with a head that is one such frame and
    /// a body of good ones.
    #[cold]
    fn on_malformed(&mut self, cx: &Context, error: &Error) {
        cx.log(format!("{error}: connection {} closed", self.id));
        self.leave(cx);
    }

    fn on_request(&mut self, cx: &Context, request: Complete<'_, Assembled>) {
        let number = request.session;
        if self.cluster.policy.is_some()
            && request.address != Address::Number(0)
            && !self.may_call(cx, &request.address, number, request.push)
        {
            return;
        }
        let to = match &request.address {
            Address::Number(0) => return self.on_query(cx, number, &request.payload),
            Address::Number(handle) => Some(Handle(*handle)),
            Address::Name(name) => match name.first() {
                None => return,
                Some(b'@') => match self.cluster.names.find(&name[1..]) {
                    Some(handle) => Some(handle),
                    None => {
                        let text = Refusal::InvalidName.to_string();
                        return pack_error(self.out.buffer(), number, text.as_bytes());
                    }
                },
                Some(b'.' | b':') => {
                    let name = skynet_kernel::text::from_bytes(name);
                    Some(cx.node().resolve(&name).unwrap_or(Handle::NONE))
                }
                Some(_) => None,
            },
        };
        if seri::holds_pointer(&request.payload) {
            return self.refuse_pointer(cx, number, request.push);
        }
        let payload = assembled::payload(request.payload);
        let session = match request.push {
            true => 0,
            false => self.new_session(cx),
        };
        let Some(to) = to else {
            // A name of the whole network, as skynet (C) has it: it may never be taken.
            let Address::Name(name) = &request.address else {
                return;
            };
            let name = String::from_utf8_lossy(name);
            if self.too_many_wait(cx, &name) {
                if !request.push {
                    self.fail(
                        number,
                        "clusteragent: too many requests wait for names that nobody has",
                    );
                }
                return;
            }
            let node = cx.node();
            let sent = node.send_global(cx.handle(), &name, kind::LUA, session, payload);
            match (request.push, sent) {
                (true, _) => {}
                (false, Ok(())) => self.note(cx, session, Handle::NONE, number, None),
                (false, Err(error)) => {
                    self.fail(number, &format!("clusteragent: {error}: call failed"))
                }
            }
            return;
        };
        if request.push {
            // The sender of a push is not told whether it arrived.
            let _ = self.pass_on(cx, to, 0, payload);
            return;
        }
        if cx.node().harbor() == 0 && cx.node().is_remote(to) {
            return self.fail(number, &format!("clusteragent: {to}: call failed"));
        }
        let trace = request.trace.filter(|tag| self.may_trace(cx, tag));
        if let Some(tag) = &trace {
            trace::log(cx, tag, b"tracecall begin");
            let _ = cx.send(to, kind::TRACE, 0, Payload::from_slice(tag));
        }
        match self.pass_on(cx, to, session, payload) {
            Ok(()) => self.note(cx, session, to, number, trace),
            Err(SendError::NoService) => {
                self.fail(number, "clusteragent: call to invalid address");
            }
            Err(error) => self.fail(number, &format!("clusteragent: {error}: call failed")),
        }
    }

    /// Sends a request to its service, and sees to it that no more is read than that one gets done.
    fn pass_on(
        &mut self,
        cx: &Context,
        to: Handle,
        session: i32,
        payload: Payload,
    ) -> Result<(), SendError> {
        let (node, bytes) = (cx.node(), payload.len());
        node.send_from_outside(cx.handle(), to, kind::LUA, session, payload)?;
        if let Ok(net) = self.cluster.options.net.get(node) {
            self.passed_on.add(net, self.id, to, bytes);
        }
        Ok(())
    }

    /// Is this a tag that a node has made, and not one too many? All services that a traced call gets to write it into
    /// the log.
    fn may_trace(&mut self, cx: &Context, tag: &[u8]) -> bool {
        let text = std::str::from_utf8(tag).ok();
        let good = text.is_some_and(|tag| tag.len() <= TAG && !tag.chars().any(char::is_control));
        if !good {
            let id = self.id;
            cx.log_within(&mut self.lines, || {
                format!(
                    "cluster: a trace tag of {id} is no tag: {}",
                    Foreign::new(tag)
                )
            });
        }
        good && self.traces.admit(cx.node().now_cs()).is_some()
    }

    /// A request to a global name that nobody has waits for whoever takes it. So that no peer can fill the memory in
    /// this way, the number of those that wait is limited; local services are not.
    fn too_many_wait(&mut self, cx: &Context, name: &str) -> bool {
        let Some(backlog) = cx.node().global_backlog(name) else {
            return false;
        };
        let many = backlog.messages >= NAMELESS || backlog.bytes >= NAMELESS_BYTES;
        if many && !std::mem::replace(&mut self.refused, true) {
            cx.log(format!(
                "cluster: {} requests ({} bytes) wait for global names that nobody has, such as [{}]: those of {} \
                 are refused from now on",
                backlog.messages,
                backlog.bytes,
                Foreign::new(name),
                self.id
            ));
        }
        many
    }

    /// A light userdata of another process is an address at which this one has something else, or nothing: a service
    /// that used it, as senders do with the blocks that they are told to send, would corrupt memory.
    #[cold]
    fn refuse_pointer(&mut self, cx: &Context, number: u32, push: bool) {
        if !std::mem::replace(&mut self.pointers, true) {
            cx.log(format!(
                "cluster: a request of {} holds a light userdata: such requests are refused",
                self.id
            ));
        }
        if !push {
            self.fail(
                number,
                "clusteragent: a light userdata has no meaning in another process",
            );
        }
    }

    fn new_session(&self, cx: &Context) -> i32 {
        loop {
            let session = cx.new_session();
            if !self.calls.contains_key(&session) {
                return session;
            }
        }
    }

    fn note(
        &mut self,
        cx: &Context,
        session: i32,
        callee: Handle,
        number: u32,
        tag: Option<Box<[u8]>>,
    ) {
        let since = cx.stamp();
        self.calls.insert(
            session,
            Call {
                callee,
                number,
                tag,
                since,
            },
        );
    }

    /// The handle of a registered name, which is the payload.
    fn on_query(&mut self, cx: &Context, number: u32, payload: &[u8]) {
        let name = match query_name(payload) {
            Ok(name) => name,
            Err(error) => {
                let id = self.id;
                return cx.log_within(&mut self.lines, || {
                    format!("cluster: a query of {id}: {error}")
                });
            }
        };
        if let Some(name) = name
            && self.cluster.policy.is_some()
        {
            let name = [b"@", name].concat();
            if !self.may_call(cx, &Address::Name(name.into()), number, false) {
                return;
            }
        }
        match name.and_then(|name| self.cluster.names.find(name)) {
            Some(handle) => {
                if self.cluster.policy.is_some() {
                    self.door.grant(handle);
                }
                let results = pack(&[handle.0.into()]);
                // This cannot fail: so few bytes fit into any frame.
                let _ = pack_ok(self.out.buffer(), number, results.as_slice());
            }
            None => {
                let text = Refusal::NameNotFound.to_string();
                pack_error(self.out.buffer(), number, text.as_bytes());
            }
        }
    }

    /// Does the policy let the peer call that? If not, it is told so, unless it expects no answer.
    fn may_call(&mut self, cx: &Context, address: &Address<'_>, number: u32, push: bool) -> bool {
        let Some(policy) = &self.cluster.policy else {
            return true;
        };
        match self.door.check(policy, &self.peer.name, address) {
            Verdict::Allowed => true,
            Verdict::Reported(line) => {
                cx.log_within(&mut self.lines, || line);
                true
            }
            Verdict::Refused(text, line) => {
                if let Some(line) = line {
                    cx.log_within(&mut self.lines, || line);
                }
                if !push {
                    self.fail(number, &text);
                }
                false
            }
        }
    }

    // ---- proofs

    /// Does what follows from what an unproved peer has sent.
    fn prove(&mut self, cx: &Context) {
        let cluster = Arc::clone(&self.cluster);
        let net = cluster.options.net.get(cx.node()).ok();
        let ip = net.and_then(|net| net.peer(self.id)).map(|peer| peer.ip());
        loop {
            let Some(proving) = &mut self.proving else {
                return;
            };
            match proving.next(&cluster.security, cx.node(), ip) {
                Action::Wait => return,
                Action::Send(content) => {
                    let frame = framed(&content);
                    self.out.buffer().extend_from_slice(&frame);
                    self.flush(cx);
                }
                Action::Secure => {
                    let tls = cluster.security.server_tls();
                    let begun = match (net, tls) {
                        (Some(net), Some(tls)) => net.hush(cx.handle(), self.id, tls),
                        _ => Ok(()),
                    };
                    if let Err(error) = begun {
                        let text = format!("TLS cannot begin: {error}");
                        self.turn_away(cx, &Failure::new(Refused::Malformed, text));
                    }
                    return;
                }
                Action::Delay => {
                    let session = cx.new_session();
                    proving.delay = Some(session);
                    cx.timeout(session, PENALTY);
                    return;
                }
                Action::Admit(content, peer, rest) => {
                    if let Some(content) = content {
                        let frame = framed(&content);
                        self.out.buffer().extend_from_slice(&frame);
                    }
                    self.admit(cx, peer);
                    return self.on_bytes(cx, &rest);
                }
                Action::Refuse(failure) => return self.turn_away(cx, &failure),
            }
        }
    }

    /// The peer may make requests from now on.
    fn admit(&mut self, cx: &Context, peer: Admitted) {
        if self.proving.take().is_some() {
            self.cluster.security.end_proving(self.id);
            if peer.by.is_none() {
                let line = "is let in without a handshake (clusterauth)";
                self.tell_of(cx, Refused::Unknown(0), line);
            }
        }
        self.peer = peer.clone();
        self.cluster.peers.admit(cx.handle(), peer);
    }

    fn turn_away(&mut self, cx: &Context, failure: &Failure) {
        let Some(proving) = self.proving.take() else {
            return;
        };
        self.cluster.security.end_proving(self.id);
        self.tell_of(
            cx,
            failure.reason,
            &format!("is turned away: {}", failure.text),
        );
        if matches!(failure.reason, Refused::Proof | Refused::Key)
            && !failure.told
            && let Some(ip) = self.peer_address(cx).map(|peer| peer.ip())
        {
            let now = cx.node().now_cs();
            self.cluster.security.strangers().wrong(ip, now);
        }
        if !failure.told && proving.speaks() {
            let frame = framed(&failure.content());
            self.out.buffer().extend_from_slice(&frame);
        }
        self.leave(cx);
    }

    fn peer_address(&self, cx: &Context) -> Option<std::net::SocketAddr> {
        self.net(cx)?.peer(self.id)
    }

    /// A line about a stranger: one a minute for each address and reason.
    fn tell_of(&self, cx: &Context, reason: Refused, what: &str) {
        let peer = self.peer_address(cx);
        let ip = peer.map_or(std::net::Ipv4Addr::UNSPECIFIED.into(), |peer| peer.ip());
        let count = self
            .cluster
            .security
            .strangers()
            .tell(ip, reason, cx.node().now_cs());
        let Some(count) = count else { return };
        let peer = peer.map_or("a connection that has gone".to_owned(), |peer| {
            peer.to_string()
        });
        let more = match count {
            0 => String::new(),
            count => format!(" ({count} others of its address before it)"),
        };
        cx.log(format!("cluster: {peer} {what}{more}"));
    }

    /// A timer of an unproved peer. Is it one?
    fn on_timer(&mut self, cx: &Context, session: i32) -> bool {
        let Some(proving) = &mut self.proving else {
            return false;
        };
        if proving.delay == Some(session) {
            proving.go_on();
            self.prove(cx);
        } else if proving.deadline == session {
            // Who may come without a handshake may be silent, too.
            if proving.begun || self.cluster.security.requires() {
                let ms = self.cluster.security.deadline().as_millis();
                let text = format!("it has not proved itself within {ms} ms (clusterhandshake)");
                self.turn_away(cx, &Failure::new(Refused::Late, text));
            }
        } else {
            return false;
        }
        true
    }

    /// TLS: the connection is not read any more, or stands.
    fn on_tls(&mut self, cx: &Context, stands: bool) {
        let cluster = Arc::clone(&self.cluster);
        let (Some(proving), Ok(net)) = (&mut self.proving, cluster.options.net.get(cx.node()))
        else {
            return;
        };
        if !stands {
            let first = proving.take_first();
            let tls = cluster.security.server_tls();
            let begun = tls.map(|tls| net.secure(cx.handle(), self.id, tls, &first));
            if let Some(Err(error)) = begun {
                let text = error.to_string();
                self.turn_away(cx, &Failure::new(Refused::Malformed, text));
            }
            return;
        }
        self.received = 0;
        match (net.tls_info(self.id), net.tls_binding(self.id)) {
            (Some(info), Some(binding)) => {
                proving.secured(info.peer_names, binding);
                self.prove(cx);
            }
            _ => self.turn_away(cx, &Failure::new(Refused::Malformed, "TLS has no exporter")),
        }
    }

    // ---- answers

    fn fail(&mut self, number: u32, text: &str) {
        pack_error(self.out.buffer(), number, text.as_bytes());
    }

    fn on_response(&mut self, cx: &Context, session: i32, results: Payload) {
        let Some(call) = self.calls.remove(&session) else {
            return;
        };
        if let Some(tag) = &call.tag {
            trace::log(cx, tag, b"tracecall end");
        }
        if self.full && results.len() > SMALL {
            return self.fail(call.number, UNSENT);
        }
        let start = self.out.len();
        let parts = match pack_ok(self.out.buffer(), call.number, results.as_slice()) {
            Ok(parts) => parts,
            Err(error) => return self.fail(call.number, &error.to_string()),
        };
        if parts.len() == 0 {
            if self.out.is_full() {
                self.flush(cx);
            }
            return;
        }
        let large = Large::new(self.out.buffer().split_off(start), parts);
        self.flush(cx);
        if !self.has_room(cx, results.len()) {
            return self.fail(call.number, UNSENT);
        }
        if let Some(net) = self.net(cx) {
            large.send(net, self.id, results);
        }
    }

    /// May so many bytes of answers be sent? If not, the connection is not read until they may.
    fn has_room(&mut self, cx: &Context, bytes: usize) -> bool {
        let id = self.id;
        if self.full {
            return false;
        }
        let Some(net) = self.net(cx) else {
            return false;
        };
        // Without this a gate in Lua would get the event `Room`, which it does not know.
        if self.gate.is_some() || net.room(id, bytes) != Room::Full {
            return true;
        }
        net.pause(id);
        self.full = true;
        cx.log_within(&mut self.lines, || {
            format!("cluster: the peer of {id} does not read its answers: others are errors until it does \
                (clusterpending)")
        });
        false
    }

    /// Half of the answers have been read.
    fn on_room(&mut self, cx: &Context) {
        self.full = false;
        if let Some(net) = self.net(cx) {
            net.start(cx.handle(), self.id);
        }
    }

    /// A service has failed a call, or has ended (session 0).
    fn on_error(&mut self, cx: &Context, session: i32, source: Handle) {
        let failed: Vec<i32> = match session {
            0 => self
                .calls
                .iter()
                .filter(|(_, call)| call.callee == source && !source.is_none())
                .map(|(session, _)| *session)
                .collect(),
            session => vec![session],
        };
        for session in failed {
            let Some(call) = self.calls.remove(&session) else {
                continue;
            };
            if let Some(tag) = &call.tag {
                trace::log(cx, tag, b"tracecall end");
            }
            self.fail(
                call.number,
                &format!("clusteragent: {}: call failed", call.callee),
            );
        }
    }

    fn flush(&mut self, cx: &Context) {
        if self.out.is_empty() {
            return;
        }
        self.has_room(cx, self.out.len());
        match self.cluster.options.net.get(cx.node()) {
            Ok(net) => self.out.write(net, self.id),
            Err(_) => self.out.clear(),
        }
    }

    // ---- the end

    fn leave(&mut self, cx: &Context) {
        if std::mem::replace(&mut self.gone, true) {
            return;
        }
        if self.proving.take().is_some() {
            self.cluster.security.end_proving(self.id);
        }
        self.flush(cx);
        self.hang_up(cx);
        launcher::leave(cx);
    }

    fn hang_up(&mut self, cx: &Context) {
        if let Some(gate) = self.gate.take() {
            let kick = pack(&["kick".into(), self.id.into()]);
            let _ = cx.send(gate, kind::LUA, 0, kick);
        } else if let Some(net) = self.net(cx) {
            net.close(self.id);
        }
    }

    fn on_event(&mut self, cx: &Context, event: SocketEvent<'_>) {
        match event.kind {
            EventKind::Data => self.on_data(cx, event.data),
            EventKind::Close => self.leave(cx),
            EventKind::Room => self.on_room(cx),
            EventKind::Tls => self.on_tls(cx, event.ud == 1),
            EventKind::Error if self.proving.is_some() => {
                let text = String::from_utf8_lossy(event.data).into_owned();
                self.turn_away(cx, &Failure::new(Refused::Malformed, text));
            }
            EventKind::Error => {
                let text = String::from_utf8_lossy(event.data);
                cx.log(format!("socket error {} {text}", event.id));
                self.leave(cx);
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

    fn on_command(&mut self, cx: &Context, message: &Message) {
        if self.cluster.refuses(cx, message.source, "clusteragent") {
            return Asker::of(message).fail(cx);
        }
        let command = Command::read(message.payload());
        match command.as_ref().map_or("", |command| &command.name) {
            "exit" => self.leave(cx),
            // Names are looked up where the daemon keeps them, so there is nothing to forget.
            "namechange" => {}
            name => {
                let name = Foreign::new(name);
                cx.log_within(&mut self.lines, || format!("Invalid command {name}"));
                Asker::of(message).fail(cx);
            }
        }
    }
}

impl Service for Agent {
    fn init(&mut self, cx: &Arc<Context>, param: &str) -> Result<(), InitError> {
        self.line = param.to_owned();
        let numbers: Option<Vec<u32>> = param
            .split(' ')
            .skip(1)
            .map(|word| word.parse().ok())
            .collect();
        let Some([daemon, gate, fd]) =
            numbers.and_then(|numbers| <[u32; 3]>::try_from(numbers).ok())
        else {
            return Err(InitError::new(
                "clusteragent: <clusterd> <gate> <fd> expected",
            ));
        };
        self.id = fd as SocketId;
        let net = self.cluster.options.net.get(cx.node());
        let net = net.map_err(|error| InitError::new(error.to_string()))?;
        if gate == daemon {
            net.nodelay(self.id);
            let most = self.cluster.options.max_pending.unwrap_or(UNREAD);
            net.set_link_in(self.id, most, &self.cluster.unread);
            net.start(cx.handle(), self.id);
        } else {
            self.gate = Some(Handle(gate));
            // What the gate forwards comes here.
            self.passed_on = PassedOn::new(cx.handle());
            let forward = pack(&["forward".into(), self.id.into()]);
            cx.send(Handle(gate), kind::LUA, 0, forward)
                .map_err(|_| InitError::new("clusteragent: there is no such gate"))?;
        }
        self.cx = Some(Arc::clone(cx));
        let address = net.peer(self.id).map(|peer| peer.to_string());
        let address = address.unwrap_or_default();
        self.cluster.peers.add(cx.handle(), self.id, address);
        if self.cluster.security.is_on() {
            let session = cx.new_session();
            cx.timeout(session, Delay::After(self.cluster.security.deadline()));
            self.proving = Some(Box::new(Proving::new(session)));
        } else {
            self.admit(cx, Admitted::default());
        }
        launcher::report_started(cx, &self.line);
        Ok(())
    }

    fn handle(&mut self, cx: &Arc<Context>, mut message: Message) {
        match message.kind {
            kind::RESPONSE if self.proving.is_some() && self.on_timer(cx, message.session) => {}
            kind::RESPONSE => self.on_response(cx, message.session, message.take_payload()),
            kind::SOCKET => {
                let event = SocketEvent::parse(message.payload());
                let Some(event) = event.filter(|event| event.id == self.id) else {
                    return;
                };
                if event.kind == EventKind::Filled {
                    let (len, taken) = (event.data.len(), event.ud as usize);
                    return self.on_filled(cx, message.take_payload(), len, taken);
                }
                self.on_event(cx, event);
            }
            kind::ERROR => self.on_error(cx, message.session, message.source),
            kind::CLIENT if self.gate.is_some() && self.proving.is_some() => {
                let frame = message.payload();
                let length = (frame.len() as u16).to_be_bytes();
                self.on_data(cx, &[&length, frame].concat());
            }
            kind::CLIENT if self.gate.is_some() => self.on_frame(cx, message.payload()),
            kind::LUA => self.on_command(cx, &message),
            kind::DEBUG => {
                let calls = self.calls.len();
                debug::answer(cx, &message, calls, || Value::from(self.line.as_str()));
            }
            kind::TRACE => {}
            _ => Asker::of(&message).fail(cx),
        }
    }

    fn report(&mut self, stacks: bool) -> Option<Report> {
        let now = self.cx.as_ref()?.stamp();
        // A stamp that another core has taken may be one unit ahead.
        let age = |since: u32| stamps_to_ms((now.wrapping_sub(since) as i32).max(0) as u64);
        let mut tasks: Vec<TaskReport> = self
            .calls
            .iter()
            .map(|(&session, call)| TaskReport {
                doing: Doing::Call(call.callee),
                session,
                age_ms: Some(age(call.since)),
                request: None,
                stack: match stacks {
                    true => vec![format!("request {} of the other node", call.number)],
                    false => Vec::new(),
                },
            })
            .collect();
        tasks.sort_unstable_by_key(|task| task.session);
        Some(Report { tasks })
    }

    fn turn_end(&mut self, cx: &Arc<Context>) {
        self.flush(cx);
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if let Some(cx) = self.cx.take() {
            self.cluster.peers.remove(cx.handle());
            if self.proving.take().is_some() {
                self.cluster.security.end_proving(self.id);
            }
            if !self.gone {
                self.hang_up(&cx);
            }
        }
    }
}

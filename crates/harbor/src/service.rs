//! `harbor <own number> <handle of the slave service>`: messages to other nodes and from them.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use rustc_hash::FxHashMap;
use skynet_kernel::{
    Context, Delay, Doing, Handle, InitError, LogQuota, Message, Payload, Report, SendError,
    Service, TaskReport, kind,
};
use skynet_net::{EventKind, LazyNet, Net, SocketEvent, SocketId};
use skynet_wire::foreign::Foreign;
use skynet_wire::harbor::{Error, Head, Packet};
use skynet_wire::seri;

use crate::calls::{Calls, Failed};
use crate::command::Command;
use crate::envelope::{self, Name, Outgoing, To};
use crate::links::{Connection, Link, UNREAD};
use crate::names::{Names, PATIENCE};
use crate::{Outbound, stays_here};

/// The longest global name that can be taken.
const LONGEST_NAME: usize = envelope::NAME - 1;

pub(crate) struct Harbor {
    net: Arc<LazyNet>,
    outbound: Arc<Outbound>,
    cx: Option<Arc<Context>>,
    own: u8,
    slave: Handle,
    /// By the number of the node; those that were never mentioned are `Waiting`.
    links: FxHashMap<u8, Link>,
    /// Whose connection a socket is.
    nodes: FxHashMap<SocketId, u8>,
    names: Names,
    calls: Calls,
    /// Nodes with something to be written at the end of the turn.
    dirty: Vec<u8>,
    /// Nodes without a connection for which messages wait, and since when (centiseconds), until that has been logged.
    awaited: Vec<(u8, u64)>,
    /// A timer runs that will look for names that nobody has, and for such nodes.
    watching: bool,
    master_lost: bool,
    /// What may be logged about each node.
    lines: Box<[LogQuota]>,
}

impl Harbor {
    pub(crate) fn new(net: Arc<LazyNet>, outbound: Arc<Outbound>) -> Harbor {
        let names = Names::new(Arc::clone(&outbound.directory));
        Harbor {
            net,
            outbound,
            cx: None,
            own: 0,
            slave: Handle::NONE,
            links: FxHashMap::default(),
            nodes: FxHashMap::default(),
            names,
            calls: Calls::default(),
            dirty: Vec::new(),
            awaited: Vec::new(),
            watching: false,
            master_lost: false,
            lines: vec![LogQuota::default(); 256].into(),
        }
    }

    fn tell_slave(&self, cx: &Context, text: String) {
        // If the receiver has ended, the message is not needed.
        let _ = cx.send(self.slave, kind::TEXT, 0, Payload::from(text.as_str()));
    }

    // ---- messages out

    fn on_outgoing(&mut self, cx: &Arc<Context>, net: &Net, message: Outgoing) {
        match message.to {
            To::Handle(handle) => self.forward(cx, net, handle, message),
            To::Name(name) => match self.names.find(&name) {
                Some(handle) => self.forward(cx, net, handle, message),
                None => self.ask(cx, name, message),
            },
        }
    }

    /// Keeps a message for a name, and asks whose it is.
    fn ask(&mut self, cx: &Arc<Context>, name: Name, message: Outgoing) {
        self.names.keep(name, message, cx.node().now_cs());
        self.tell_slave(cx, format!("Q {}", envelope::show(&name)));
        self.watch(cx, PATIENCE);
    }

    fn watch(&mut self, cx: &Context, cs: u64) {
        if !std::mem::replace(&mut self.watching, true) {
            cx.timeout(cx.new_session(), Delay::Cs(cs.max(1) as i32));
        }
    }

    fn look_for_unknown_names(&mut self, cx: &Context) {
        self.watching = false;
        let overdue = self.names.overdue(cx.node().now_cs(), self.master_lost);
        for message in &overdue.given_up {
            refuse(cx, cx.handle(), message);
        }
        for name in overdue.names {
            if self.master_lost {
                cx.log(format!(
                    "Drop messages to {name}, which nobody has without a master"
                ));
                continue;
            }
            cx.log(format!(
                "Waiting for the global name [{name}], which nobody has (a local name begins with a dot, one of the \
                 cluster with @)"
            ));
        }
        let nodes = self.look_for_absent_nodes(cx);
        if let Some(next) = overdue.next.into_iter().chain(nodes).min() {
            self.watch(cx, next);
        }
    }

    /// Logs what waits too long for a node that has not connected; the centiseconds until the next look.
    fn look_for_absent_nodes(&mut self, cx: &Context) -> Option<u64> {
        let now = cx.node().now_cs();
        let mut next: Option<u64> = None;
        let links = &self.links;
        self.awaited.retain(|&(node, since)| {
            let left = (since + PATIENCE).saturating_sub(now);
            if left > 0 {
                next = Some(next.map_or(left, |next| next.min(left)));
                return true;
            }
            if let Some(Link::Waiting(kept) | Link::Greeting(_, kept)) = links.get(&node)
                && !kept.is_empty()
            {
                cx.log(format!(
                    "Waiting for harbor {node}, which has not connected yet (messages: {})",
                    kept.len()
                ));
            }
            false
        });
        next
    }

    fn forward(&mut self, cx: &Context, net: &Net, dest: Handle, message: Outgoing) {
        let node = dest.harbor();
        // As in skynet (C), only a name can lead here.
        if node == self.own || node == 0 {
            return deliver(cx, dest, message);
        }
        match self.links.entry(node).or_default() {
            Link::Waiting(kept) | Link::Greeting(_, kept) => {
                kept.push(message.redirected(dest));
                if kept.len() == 1 {
                    self.awaited.push((node, cx.node().now_cs()));
                    self.watch(cx, PATIENCE);
                }
            }
            Link::Up(_) => self.write(cx, net, dest, &message),
            Link::Down => {
                let head = message.head;
                cx.log(format!(
                    "Drop message to harbor {node} from {:x} to {:x} (session = {}, msgsz = {})",
                    head.source,
                    dest.0,
                    head.session,
                    message.payload().len()
                ));
                refuse(cx, dest, &message);
            }
        }
    }

    /// Writes to a connection that is up.
    fn write(&mut self, cx: &Context, net: &Net, dest: Handle, message: &Outgoing) {
        let node = dest.harbor();
        let Some(Link::Up(connection)) = self.links.get_mut(&node) else {
            return;
        };
        // A request in the name of somebody else's service is answered to that.
        let source = message.source();
        if message.is_request() && source.harbor() == self.own {
            let alive = |handle| cx.node().is_alive(handle);
            let Head { session, kind, .. } = message.head;
            let now = cx.node().now_cs();
            for call in self.calls.begin((source, session), dest, kind, now, alive) {
                give_up(cx, call);
            }
        }
        if !connection.is_dirty() {
            self.dirty.push(node);
        }
        let dest = dest.0;
        let head = Head {
            dest,
            ..message.head
        };
        if connection.full && head.kind == kind::RESPONSE {
            connection.write_error(head);
            return self.note(cx, node, || {
                format!("Harbor {node} does not read: an answer of {dest:x} is an error instead")
            });
        }
        connection.write(net, message, head);
    }

    // ---- messages in

    fn on_data(&mut self, cx: &Context, net: &Net, node: u8, mut read: &[u8]) {
        if let Some(Link::Greeting(id, kept)) = self.links.get_mut(&node) {
            let (id, kept) = (*id, std::mem::take(kept));
            let Some((&number, rest)) = read.split_first() else {
                return;
            };
            if number != node {
                cx.log(format!(
                    "Invalid shakehand id ({number}) from fd = {id} , harbor = {node}"
                ));
                self.links.insert(node, Link::Greeting(id, kept));
                return self.down(cx, net, node, None);
            }
            self.up(cx, net, node, id, kept);
            read = rest;
        }
        while let Some(Link::Up(connection)) = self.links.get_mut(&node) {
            match connection.reader.next(&mut read) {
                Ok(Some(packet)) => self.on_packet(cx, net, node, &packet),
                Ok(None) => return,
                Err(error) => {
                    let what = match error {
                        Error::TooShort(_) => "short",
                        _ => "long",
                    };
                    cx.log(format!("Message is too {what} from harbor {node}"));
                    return self.down(cx, net, node, None);
                }
            }
        }
    }

    fn on_packet(&mut self, cx: &Context, net: &Net, node: u8, packet: &Packet<'_>) {
        let head = packet.head();
        let dest = Handle(u32::from(self.own) << 24 | head.dest);
        let source = Handle(head.source);
        let packed = match head.kind {
            kind::RESPONSE | kind::ERROR => match self.asked(cx, node, dest, head) {
                Some(packed) => packed,
                None => {
                    return self.note(cx, node, || {
                        let (kind, session) = (head.kind, head.session);
                        format!(
                            "Drop an answer from harbor {node} that it was not asked for (:{:x} to {dest}, type \
                             {kind}, session {session})",
                            source.0
                        )
                    });
                }
            },
            kind => may_be_packed(cx, kind, source),
        };
        if stays_here(head.kind) || head.kind == kind::MULTICAST && !is_multicastd(cx, dest) {
            self.note(cx, node, || {
                let kind = head.kind;
                format!(
                    "Invalid message type {kind} from harbor {node} (:{:x} to {dest})",
                    source.0
                )
            });
            return fail(cx, dest, head);
        }
        if packed && seri::holds_pointer(packet.payload()) {
            self.note(cx, node, || {
                format!(
                    "A message from harbor {node} holds a light userdata, which has no meaning here (:{:x} to \
                     {dest}, type {})",
                    source.0, head.kind
                )
            });
            return match head.kind {
                // Whoever waits for it hears that the call has failed.
                kind::RESPONSE => {
                    let session = head.session;
                    let _ = cx
                        .node()
                        .send(source, dest, kind::ERROR, session, Payload::EMPTY);
                }
                _ => fail(cx, dest, head),
            };
        }
        let payload = Payload::from_slice(packet.payload());
        match cx
            .node()
            .send_from_outside(source, dest, head.kind, head.session, payload)
        {
            Ok(()) => {
                if let Some(Link::Up(connection)) = self.links.get_mut(&node) {
                    let (id, bytes) = (connection.id, packet.payload().len());
                    connection.passed_on.add(net, id, dest, bytes);
                }
            }
            Err(SendError::NoService) => {
                self.note(cx, node, || {
                    format!(
                        "Unknown destination :{:x} from :{:x} type({})",
                        dest.0, source.0, head.kind
                    )
                });
                answer(cx, dest, head);
            }
            // The mailbox is full.
            Err(_) => fail(cx, dest, head),
        }
    }

    /// Was this answer asked for, and from this node? Then: is it packed values? `None`: it was not.
    fn asked(&mut self, cx: &Context, node: u8, dest: Handle, head: Head) -> Option<bool> {
        match self.calls.end(node, dest, head.session) {
            Some(request) => {
                let source = Handle(head.source);
                Some(head.kind == kind::RESPONSE && may_be_packed(cx, request, source))
            }
            // That the source has gone.
            None if head.session == 0 && head.kind == kind::ERROR => {
                (Handle(head.source).harbor() == node).then_some(false)
            }
            // There is no service of that handle, so nobody could take the message for a real one.
            None => (!cx.node().is_alive(dest)).then_some(false),
        }
    }

    /// Logs something that the other node has done, unless it has done too much of the kind.
    fn note(&mut self, cx: &Context, node: u8, line: impl FnOnce() -> String) {
        cx.log_within(&mut self.lines[usize::from(node)], line);
    }

    // ---- connections

    fn on_command(&mut self, cx: &Context, net: &Net, source: Handle, text: &[u8]) {
        match Command::parse(text) {
            Some(Command::Name(name)) => self.on_name(cx, net, name, source),
            Some(Command::Connected(id, node)) => {
                if let Some(kept) = self.adopt(cx, net, id, node) {
                    self.links.insert(node, Link::Greeting(id, kept));
                }
            }
            Some(Command::Accepted(id, node)) => {
                if let Some(kept) = self.adopt(cx, net, id, node) {
                    self.up(cx, net, node, id, kept);
                }
            }
            Some(Command::Gone(node)) if node == self.own => {}
            Some(Command::Gone(node)) => {
                if let Link::Waiting(_) = self.links.entry(node).or_default() {
                    self.down(cx, net, node, None);
                }
            }
            Some(Command::Renewed(node)) if node == self.own => {}
            Some(Command::Renewed(node)) => {
                // The old one's connection may still be there.
                self.drop_link(cx, net, node, Some("its number is another node's now"));
                self.names.forget(node);
                self.links.insert(node, Link::default());
            }
            Some(Command::MasterLost) => {
                self.master_lost = true;
                self.names.restart(cx.node().now_cs());
                self.watch(cx, PATIENCE);
            }
            None => cx.log(format!("Unknown command {}", Foreign::new(text))),
        }
    }

    /// Takes a connection over and sends the own number. What has waited for it; `None` if there is one already.
    fn adopt(&mut self, cx: &Context, net: &Net, id: SocketId, node: u8) -> Option<Vec<Outgoing>> {
        let kept = match self.links.entry(node).or_default() {
            Link::Waiting(kept) if node != self.own => std::mem::take(kept),
            Link::Down => Vec::new(),
            Link::Waiting(_) | Link::Greeting(..) | Link::Up(_) => {
                cx.log(format!("Harbor {node} alreay exist"));
                net.shutdown(id);
                return None;
            }
        };
        self.nodes.insert(id, node);
        net.start(cx.handle(), id);
        net.nodelay(id);
        net.set_link(id, Some(UNREAD));
        net.send_slice(id, &[self.own]);
        Some(kept)
    }

    fn up(&mut self, cx: &Context, net: &Net, node: u8, id: SocketId, kept: Vec<Outgoing>) {
        let connection = Box::new(Connection::new(id));
        self.links.insert(node, Link::Up(connection));
        for message in kept {
            if let To::Handle(dest) = message.to {
                self.write(cx, net, dest, &message);
            }
        }
    }

    /// A node cannot be reached any more: whoever waits for it hears of it, and so does the slave service, which has
    /// handed the connection over. `why` goes to the log with the number of the calls.
    fn down(&mut self, cx: &Context, net: &Net, node: u8, why: Option<&str>) {
        if let Some(id) = self.drop_link(cx, net, node, why) {
            self.tell_slave(cx, format!("D {node} {id}"));
        }
    }

    /// Ends the connection, if there is one, and what waits for it or for answers. The connection.
    fn drop_link(
        &mut self,
        cx: &Context,
        net: &Net,
        node: u8,
        why: Option<&str>,
    ) -> Option<SocketId> {
        let link = self.links.insert(node, Link::Down).unwrap_or_default();
        let id = link.id();
        if let Some(id) = id {
            net.shutdown(id);
        }
        self.nodes.retain(|_, owner| *owner != node);
        let calls = self.calls.take(node);
        if let Some(why) = why
            && id.is_some()
        {
            let calls = calls.len();
            cx.log(format!(
                "Harbor {node} is down: {why} ({calls} calls failed)"
            ));
        }
        for call in calls {
            give_up(cx, call);
        }
        if let Link::Waiting(kept) | Link::Greeting(_, kept) = link {
            for message in kept {
                if let To::Handle(dest) = message.to {
                    self.forward(cx, net, dest, message);
                }
            }
        }
        id
    }

    fn on_name(&mut self, cx: &Context, net: &Net, text: &[u8], handle: Handle) {
        if !(1..=LONGEST_NAME).contains(&text.len()) {
            return cx.log(format!("Invalid global name {}", Foreign::new(text)));
        }
        let name = envelope::name(text);
        let kept = self.names.set(name, handle);
        let node = handle.harbor();
        let lost = node != self.own && matches!(self.links.get(&node), Some(Link::Down));
        if lost && !kept.is_empty() {
            let name = envelope::show(&name);
            cx.log(format!("Drop message to {name} (in harbor {node})"));
            return kept.iter().for_each(|message| refuse(cx, handle, message));
        }
        for message in kept {
            self.forward(cx, net, handle, message);
        }
    }

    fn on_event(&mut self, cx: &Context, net: &Net, event: SocketEvent<'_>) {
        let Some(&node) = self.nodes.get(&event.id) else {
            return;
        };
        match event.kind {
            EventKind::Data => self.on_data(cx, net, node, event.data),
            EventKind::Close => self.down(cx, net, node, Some("connection closed")),
            EventKind::Error => {
                let text = String::from_utf8_lossy(event.data);
                self.down(cx, net, node, Some(&text));
            }
            EventKind::Room => {
                if let Some(Link::Up(connection)) = self.links.get_mut(&node) {
                    connection.full = false;
                }
            }
            EventKind::Warning => cx.log(format!(
                "message havn't send to Harbor ({node}) reach {} K",
                event.ud
            )),
            _ => {}
        }
    }
}

/// A message to this node itself.
fn deliver(cx: &Context, dest: Handle, message: Outgoing) {
    let Head { kind, session, .. } = message.head;
    let payload = Payload::from_slice(message.payload());
    if cx
        .node()
        .send(message.source(), dest, kind, session, payload)
        .is_err()
    {
        refuse(cx, dest, &message);
    }
}

/// Tells the sender of a message that it has not arrived.
fn refuse(cx: &Context, dest: Handle, message: &Outgoing) {
    if let Some(session) = message.failed_session() {
        // If the sender has ended, the error is not needed.
        let _ = cx
            .node()
            .send(dest, message.source(), kind::ERROR, session, Payload::EMPTY);
    }
}

/// Tells a caller that its call has failed.
fn give_up(cx: &Context, call: Failed) {
    // It may have gone.
    let (from, to) = (call.dest, call.source);
    let _ = cx
        .node()
        .send(from, to, kind::ERROR, call.session, Payload::EMPTY);
}

/// Tells another node that a message has not reached anybody: as skynet (C), whatever its session and type, unless it
/// is an error itself.
fn answer(cx: &Context, dest: Handle, head: Head) {
    if head.kind != kind::ERROR {
        let source = Handle(head.source);
        let _ = cx
            .node()
            .send(dest, source, kind::ERROR, head.session, Payload::EMPTY);
    }
}

/// Tells another node that a request was refused. Without a session it would say that the receiver has gone.
fn fail(cx: &Context, dest: Handle, head: Head) {
    let Head { kind, session, .. } = head;
    let source = Handle(head.source);
    if Message::new(kind, source, session, Payload::EMPTY).is_request() {
        answer(cx, dest, head);
    }
}

/// May a message of this type, or the answer to it, be packed values? A light userdata among them is an address of the
/// process that it comes from.
///
/// What types of applications hold nobody knows here. `skynet.unpack` takes no pointer from a source on another node;
/// so this is for sources that claim to be on this one.
fn may_be_packed(cx: &Context, kind: u8, source: Handle) -> bool {
    matches!(kind, kind::LUA | kind::SNAX | kind::DEBUG | kind::QUEUE)
        || kind > kind::TRACE && !cx.node().is_remote(source)
}

/// What is published comes to this service as bytes. Anybody else takes the payload of the type for the address of a
/// package.
fn is_multicastd(cx: &Context, dest: Handle) -> bool {
    let context = cx.node().context(dest);
    context.is_some_and(|context| context.description() == "snlua multicastd")
}

impl Service for Harbor {
    fn init(&mut self, cx: &Arc<Context>, param: &str) -> Result<(), InitError> {
        let mut words = param.split(' ').map(|word| word.parse::<u32>().ok());
        let (Some(Some(own)), Some(Some(slave))) = (words.next(), words.next()) else {
            return Err(InitError::new(
                "harbor: <own number> <slave service> expected",
            ));
        };
        if own != u32::from(cx.node().harbor()) {
            return Err(InitError::new(format!(
                "harbor: {own} is not the number of this node"
            )));
        }
        self.own = cx.node().harbor();
        self.slave = Handle(slave);
        // It must not keep a node alive that has nothing else to do.
        cx.reserve();
        self.outbound.service.store(cx.handle().0, Relaxed);
        self.cx = Some(Arc::clone(cx));
        Ok(())
    }

    fn handle(&mut self, cx: &Arc<Context>, mut message: Message) {
        let engine = Arc::clone(&self.net);
        let net = match engine.get(cx.node()) {
            Ok(net) => net,
            Err(error) => return cx.log(format!("no sockets: {error}")),
        };
        match message.kind {
            kind::SYSTEM => {
                if let Some(message) = Outgoing::open(message.take_payload()) {
                    self.on_outgoing(cx, net, message);
                }
            }
            kind::SOCKET => {
                if let Some(event) = SocketEvent::parse(message.payload()) {
                    self.on_event(cx, net, event);
                }
            }
            kind::HARBOR => self.on_command(cx, net, message.source, message.payload()),
            kind::RESPONSE if message.source.is_none() => self.look_for_unknown_names(cx),
            _ if message.is_request() => {
                let session = message.session;
                let _ = cx.send(message.source, kind::ERROR, session, Payload::EMPTY);
            }
            _ => {}
        }
    }

    /// The calls that other nodes have not answered.
    fn report(&mut self, stacks: bool) -> Option<Report> {
        let now = self.cx.as_ref()?.node().now_cs();
        let calls = self.calls.list();
        let tasks = calls.into_iter().map(|(source, session, call)| TaskReport {
            doing: Doing::Remote,
            session,
            age_ms: Some(now.saturating_sub(call.since) * 10),
            request: Some((source, session)),
            stack: match stacks {
                true => vec![format!("call to {}", call.dest)],
                false => Vec::new(),
            },
        });
        let tasks = tasks.collect();
        Some(Report { tasks })
    }

    fn turn_end(&mut self, cx: &Arc<Context>) {
        let Ok(net) = self.net.get(cx.node()) else {
            return;
        };
        for node in self.dirty.drain(..) {
            if let Some(Link::Up(connection)) = self.links.get_mut(&node) {
                connection.flush(net);
            }
        }
    }
}

impl Drop for Harbor {
    fn drop(&mut self) {
        let Some(cx) = self.cx.take() else { return };
        let _ = self
            .outbound
            .service
            .compare_exchange(cx.handle().0, 0, Relaxed, Relaxed);
        let engine = Arc::clone(&self.net);
        let Ok(net) = engine.get(cx.node()) else {
            return;
        };
        for message in self.names.take_waiting() {
            refuse(&cx, cx.handle(), &message);
        }
        let nodes: Vec<u8> = self.links.keys().copied().collect();
        for node in nodes {
            if let Some(Link::Up(connection)) = self.links.get_mut(&node) {
                // What has been sent before is still written.
                connection.flush(net);
                let id = connection.id;
                net.close(id);
                self.links.insert(node, Link::Down);
                self.tell_slave(&cx, format!("D {node} {id}"));
            }
            self.down(&cx, net, node, None);
        }
    }
}

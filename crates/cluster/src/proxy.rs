//! `clusterproxy <node> <name>`: a local handle for a remote address.
//!
//! Messages of the types `lua` and `snax` become requests to the sender of the node, in the name of whoever sent them:
//! the answer goes straight back to them.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use skynet_kernel::{
    Context, Doing, Handle, InitError, Message, Payload, Report, Service, TaskReport, kind,
};
use skynet_wire::cluster::Address;
use skynet_wire::seri::{self, Value};

use crate::Cluster;
use crate::command::{Asker, pack};
use crate::debug;
use crate::launcher;
use crate::request::{self, PUSH, REQUEST};

pub(crate) struct Proxy {
    cluster: Arc<Cluster>,
    cx: Option<Arc<Context>>,
    /// What it was launched with.
    line: String,
    /// Heads of a call and of a push.
    heads: [Vec<u8>; 2],
    node: String,
    /// The request for the sender, 0 if there is none.
    asked: i32,
    /// There has been a sender.
    started: bool,
    sender: Option<Handle>,
    /// Messages that wait for the sender, and those who want to know whether there is one.
    held: Vec<Message>,
    askers: Vec<Asker>,
}

impl Proxy {
    pub(crate) fn new(cluster: Arc<Cluster>) -> Proxy {
        Proxy {
            cluster,
            cx: None,
            line: String::new(),
            heads: Default::default(),
            node: String::new(),
            asked: 0,
            started: false,
            sender: None,
            held: Vec::new(),
            askers: Vec::new(),
        }
    }

    /// Asks the daemon for the sender. False if there is no daemon.
    fn ask(&mut self, cx: &Context) -> bool {
        self.asked = cx.new_session();
        let daemon = Handle(self.cluster.daemon.load(Relaxed));
        let question = pack(&["sender".into(), self.node.as_str().into()]);
        cx.send(daemon, kind::LUA, self.asked, question).is_ok()
    }

    /// Passes a message on, or keeps it until there is a sender.
    fn pass(&mut self, cx: &Context, message: Message) {
        if let Some(sender) = self.sender {
            if cx.node().is_alive(sender) {
                return self.forward(cx, sender, message);
            }
            // Somebody has killed it.
            self.sender = None;
        }
        self.held.push(message);
        if self.asked == 0 && !self.ask(cx) {
            self.not_found(cx);
        }
    }

    fn forward(&self, cx: &Context, sender: Handle, mut message: Message) {
        let (source, session) = (message.source, message.session);
        let sent = if message.kind == kind::TRACE {
            let tag = message.take_payload();
            cx.node().send(source, sender, kind::TRACE, 0, tag)
        } else {
            let head = &self.heads[usize::from(session == 0)];
            let payload = Payload::concat(&[head, message.payload()]);
            cx.node().send(source, sender, REQUEST, session, payload)
        };
        if sent.is_err() {
            Asker::of(&message).fail(cx);
        }
    }

    fn found(&mut self, cx: &Context, payload: &[u8]) {
        self.asked = 0;
        let values = seri::unpack(payload).unwrap_or_default();
        let Some(sender) = values.first().and_then(Value::as_int) else {
            return self.not_found(cx);
        };
        self.sender = Some(Handle(sender as u32));
        if !std::mem::replace(&mut self.started, true) {
            launcher::report_started(cx, &self.line);
        }
        for asker in self.askers.drain(..) {
            asker.answer(cx, &[]);
        }
        for message in std::mem::take(&mut self.held) {
            self.pass(cx, message);
        }
    }

    fn not_found(&mut self, cx: &Context) {
        cx.log(format!("no sender for {}", self.line));
        self.give_up(cx);
        self.asked = 0;
        // A proxy that has been in use stays: the next message asks for a sender again.
        if !self.started {
            launcher::report_failed(cx);
            cx.exit();
        }
    }

    fn give_up(&mut self, cx: &Context) {
        for asker in self.askers.drain(..) {
            asker.fail(cx);
        }
        for message in self.held.drain(..) {
            Asker::of(&message).fail(cx);
        }
    }
}

/// What a proxy is launched with. Words are parted by spaces, as in all such lines; a node whose name holds one is in
/// quotes. The name is the rest of the line.
pub(crate) fn line(node: &str, name: &str) -> String {
    if node.contains(' ') || node.starts_with('"') {
        let node = node.replace('\\', "\\\\").replace('"', "\\\"");
        format!("clusterproxy \"{node}\" {name}")
    } else {
        format!("clusterproxy {node} {name}")
    }
}

/// Node and name of such a line.
fn parse(line: &str) -> Option<(String, &str)> {
    let (_, words) = line.split_once(' ')?;
    let Some(quoted) = words.strip_prefix('"') else {
        let (node, name) = words.split_once(' ')?;
        return Some((node.to_owned(), name));
    };
    let mut node = String::new();
    let mut letters = quoted.chars();
    loop {
        match letters.next()? {
            '"' => return Some((node, letters.as_str().strip_prefix(' ')?)),
            '\\' => node.push(letters.next()?),
            letter => node.push(letter),
        }
    }
}

impl Service for Proxy {
    fn init(&mut self, cx: &Arc<Context>, param: &str) -> Result<(), InitError> {
        self.line = param.to_owned();
        self.cx = Some(Arc::clone(cx));
        let Some((node, name)) = parse(param) else {
            return Err(InitError::new("clusterproxy: <node> <name> expected"));
        };
        let to = match name.parse::<i64>() {
            Ok(number) => Address::from(number),
            Err(_) => Address::from(name),
        };
        request::begin(&mut self.heads[0], 0, Ok(&to));
        request::begin(&mut self.heads[1], PUSH, Ok(&to));
        self.node = node;
        match self.ask(cx) {
            true => Ok(()),
            false => Err(InitError::new("clusterproxy: there is no clusterd")),
        }
    }

    fn handle(&mut self, cx: &Arc<Context>, message: Message) {
        match (message.kind, self.sender) {
            (kind::RESPONSE, None) if message.session == self.asked => {
                self.found(cx, message.payload())
            }
            (kind::ERROR, None) if message.session == self.asked => self.not_found(cx),
            (kind::RESPONSE | kind::ERROR, _) => {}
            (kind::LUA | kind::SNAX | kind::TRACE, _) => self.pass(cx, message),
            // The daemon asks whether it has started.
            (kind::SYSTEM, _) if self.started => Asker::of(&message).answer(cx, &[]),
            (kind::SYSTEM, _) => self.askers.push(Asker::of(&message)),
            (kind::DEBUG, _) => {
                debug::answer(cx, &message, self.held.len(), || self.line.as_str().into())
            }
            _ => Asker::of(&message).fail(cx),
        }
    }

    /// Only what waits for the sender: the rest is the sender's.
    fn report(&mut self, _stacks: bool) -> Option<Report> {
        let task = |doing, session, request| TaskReport {
            doing,
            session,
            age_ms: None,
            request,
            stack: Vec::new(),
        };
        let mut tasks = Vec::new();
        if self.asked != 0 {
            let daemon = Handle(self.cluster.daemon.load(Relaxed));
            tasks.push(task(Doing::Call(daemon), self.asked, None));
        }
        let held = self.held.iter();
        tasks.extend(held.map(|m| task(Doing::Ready, 0, Some((m.source, m.session)))));
        Some(Report { tasks })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The node answers for what is still in the mailbox.
        if let Some(cx) = self.cx.take() {
            self.give_up(&cx);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_spaces() {
        for node in ["db", "my db", "\"", "a \"b\" \\", "", "db\"", " "] {
            for name in ["@name", "a name", "", " ", "12", "\"q\" x"] {
                let made = line(node, name);
                assert_eq!(parse(&made), Some((node.to_owned(), name)), "{made}");
            }
        }
        assert_eq!(line("db", "@name"), "clusterproxy db @name");
        assert_eq!(parse("clusterproxy"), None);
        assert_eq!(parse("clusterproxy db"), None);
        assert_eq!(parse("clusterproxy \"db"), None);
    }
}

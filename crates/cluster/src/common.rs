//! What the four services do in the same way: messages of the type `lua`, the debug protocol, the launcher.

use std::sync::Arc;

use skynet_kernel::{Context, Handle, Message, Payload, kind};
use skynet_net::{Net, SocketId, Unit};
use skynet_wire::cluster::Parts;
use skynet_wire::foreign::Foreign;
use skynet_wire::seri::{self, Table, Value, Writer};

/// Packs values. What is too long for the format becomes no values at all.
pub(crate) fn pack(values: &[Value]) -> Payload {
    Payload::from(seri::pack(values).unwrap_or_default())
}

/// A command with its arguments.
pub(crate) struct Command {
    pub(crate) name: String,
    pub(crate) arguments: std::vec::IntoIter<Value>,
}

impl Command {
    /// Reads a message of the type `lua`. `None` if it does not begin with a string.
    pub(crate) fn read(payload: &[u8]) -> Option<Command> {
        let mut values = seri::unpack(payload).ok()?.into_iter();
        let name = values.next()?.as_str()?.to_owned();
        Some(Command {
            name,
            arguments: values,
        })
    }

    pub(crate) fn next(&mut self) -> Value {
        self.arguments.next().unwrap_or(Value::Nil)
    }

    /// A name that is text.
    pub(crate) fn text(&mut self) -> Option<String> {
        self.next().as_str().map(str::to_owned)
    }
}

/// Somebody who waits for an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker {
    source: Handle,
    session: i32,
}

impl Asker {
    pub(crate) fn of(message: &Message) -> Asker {
        Asker {
            source: message.source,
            session: message.session,
        }
    }

    pub(crate) fn answer(self, cx: &Context, values: &[Value]) {
        if self.session > 0 {
            // One that has gone does not wait any more.
            let _ = cx.send(self.source, kind::RESPONSE, self.session, pack(values));
        }
    }

    /// Is the service still there?
    pub(crate) fn is_alive(self, cx: &Context) -> bool {
        cx.node().is_alive(self.source)
    }

    pub(crate) fn fail(self, cx: &Context) {
        if self.session > 0 {
            let _ = cx.send(self.source, kind::ERROR, self.session, Payload::EMPTY);
        }
    }
}

/// Tells the launcher, if there is one, that the service has started: it is listed from now on, and whoever launched it
/// gets its handle.
pub(crate) fn report_started(cx: &Context, line: &str) {
    if let Some(launcher) = cx.node().find_name("launcher") {
        let report = pack(&["ADOPT".into(), format!("snlua {line}").into()]);
        let _ = cx.send(launcher, kind::LUA, 0, report);
    }
}

/// Tells the launcher that the service ends before it has started.
pub(crate) fn report_failed(cx: &Context) {
    if let Some(launcher) = cx.node().find_name("launcher") {
        let _ = cx.send(launcher, kind::TEXT, 0, Payload::from("ERROR"));
    }
}

/// Ends the service, and tells the launcher.
pub(crate) fn leave(cx: &Context) {
    if let Some(launcher) = cx.node().find_name("launcher") {
        let report = pack(&["REMOVE".into(), cx.handle().0.into(), false.into()]);
        let _ = cx.send(launcher, kind::LUA, 0, report);
    }
    cx.exit();
}

/// Answers a message of the debug protocol. `task`: how many requests the service works on. `info`: what it says about
/// itself.
pub(crate) fn debug(
    cx: &Arc<Context>,
    message: &Message,
    task: usize,
    info: impl FnOnce() -> Value,
) {
    let asker = Asker::of(message);
    let Some(command) = Command::read(message.payload()) else {
        return asker.fail(cx);
    };
    match command.name.as_str() {
        "PING" | "GC" => asker.answer(cx, &[]),
        "MEM" => asker.answer(cx, &[0.into()]),
        "STAT" => {
            let mut stat = Table::new();
            stat.insert("task", task as i64);
            stat.insert("mqlen", cx.mqlen() as i64);
            stat.insert("cpu", (cx.cpu_seconds() * 1e6).round() / 1e6);
            stat.insert("message", cx.messages() as i64);
            asker.answer(cx, &[stat.into()]);
        }
        "INFO" => asker.answer(cx, &[info()]),
        name => {
            cx.log(format!("Invalid debug command {}", Foreign::new(name)));
            asker.fail(cx);
        }
    }
}

/// A payload that begins with `true`, as the results of a protected call.
pub(crate) fn after_true(results: &[u8]) -> Payload {
    let mut head = Vec::new();
    Writer::new(&mut head).bool(true);
    Payload::concat(&[&head, results])
}

/// A line about a traced request, as Lua services write them.
pub(crate) fn trace_log(cx: &Context, tag: &[u8], what: &[u8]) {
    let now = cx.node().hpc_ns().to_string();
    cx.log([b"<TRACE ", tag, b"> ", now.as_bytes(), b" ", what].concat());
}

/// Does a payload begin with `true`?
pub(crate) fn first_is_true(payload: &[u8]) -> bool {
    let values = seri::unpack(payload).unwrap_or_default();
    values.first().and_then(Value::as_bool) == Some(true)
}

/// A large message that is to be written: its first frame, and the headers of its parts.
pub(crate) struct Large {
    head: Vec<u8>,
    headers: Vec<([u8; 7], usize)>,
}

impl Large {
    pub(crate) fn new(head: Vec<u8>, parts: Parts<'_>) -> Large {
        let headers = parts.map(|part| (part.header, part.data.len())).collect();
        Large { head, headers }
    }

    /// Writes it with low priority. The parts are the end of `payload`.
    pub(crate) fn send(self, net: &Net, id: SocketId, payload: Payload) {
        let total: usize = self.headers.iter().map(|(_, len)| len).sum();
        let mut at = payload.len() - total;
        let units = self.headers.iter().map(|(header, len)| {
            at += len;
            Unit::new(header, at - len..at)
        });
        let units: Vec<Unit> = units.collect();
        net.lsend_units(id, &self.head, payload, &units);
    }
}

/// What Lua's `tostring` makes of a simple value.
pub(crate) fn show(value: &Value) -> String {
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

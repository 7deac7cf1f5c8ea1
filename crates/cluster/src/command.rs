//! Messages of the type `lua`, as the services of the cluster read and answer them.

use skynet_kernel::{Context, Handle, Message, Payload, kind};
use skynet_wire::seri::{self, Value};

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
            // If this fails, the asker has ended and does not wait any more.
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

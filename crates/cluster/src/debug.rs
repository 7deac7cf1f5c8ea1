//! The debug protocol.

use std::sync::Arc;

use skynet_kernel::{Context, Message};
use skynet_wire::foreign::Foreign;
use skynet_wire::seri::{Table, Value};

use crate::command::{Asker, Command};

/// Answers a message of the debug protocol. `task`: how many requests the service works on. `info`: what it says about
/// itself.
pub(crate) fn answer(
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

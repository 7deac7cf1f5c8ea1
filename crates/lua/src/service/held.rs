//! Log lines that come before a log service in Lua has started.
//!
//! They wait, in order, until its start function has ended: only then is everything there that they may need. If it
//! fails, they go to standard error.

use std::cell::Cell;

use skynet_kernel::{Handle, Message, Payload, kind};

use super::{Fork, Incoming, Mode, Svc, Taken};

/// Bytes of lines that wait at most. Nothing but the log service itself runs meanwhile, as long as the node waits for
/// it.
const MOST: usize = 1 << 20;

/// What a line counts for beside its text.
const PER_LINE: usize = 64;

/// Lines that wait.
#[derive(Default)]
pub(crate) struct HeldLines {
    lines: Vec<Message>,
    bytes: usize,
    /// Those for which there was no room.
    dropped: usize,
}

impl Svc {
    /// Keeps a log line until the service has started. False if the message is something else, or if the application
    /// has its own message function, which decides for itself.
    #[cold]
    pub(super) fn hold(&self, m: &Incoming) -> bool {
        if m.kind != kind::TEXT || self.mode.get() != Mode::Dispatcher {
            return false;
        }
        let text = m.bytes();
        self.with(|t| {
            let held = &mut t.held;
            let size = text.len() + PER_LINE;
            if held.bytes + size > MOST {
                held.dropped += 1;
                return;
            }
            held.bytes += size;
            let payload = Payload::from_slice(text);
            held.lines
                .push(Message::new(m.kind, m.source, m.session, payload));
        });
        true
    }

    /// The start function has ended well, or there is none. For the log service, this lets the node go on, and what has
    /// been held is dispatched after the running message.
    pub(crate) fn log_has_started(&self) {
        if !self.holding.replace(false) {
            return;
        }
        if self.with(|t| !t.held.lines.is_empty()) {
            self.enqueue(|t| t.forks.push_front(Fork::HeldLines));
        }
        self.cx.node().log_is_ready();
    }

    /// Dispatches what has been held, in the order in which it came.
    #[cold]
    pub(super) fn dispatch_held(&self) {
        let held = self.with(|t| std::mem::take(&mut t.held));
        // The message that is being dispatched has a payload of its own.
        let taken = self.taken.replace(Taken::No);
        let dropped = (held.dropped > 0).then(|| {
            let text = format!(
                "error: {} lines are missing here: there was no room for them before the log service had started",
                held.dropped
            );
            Message::new(kind::TEXT, Handle::NONE, 0, Payload::from_slice(text.as_bytes()))
        });
        for mut msg in held.lines.into_iter().chain(dropped) {
            let m = Incoming {
                kind: msg.kind,
                session: msg.session,
                source: msg.source,
                data: msg.payload().as_ptr(),
                len: msg.payload().len(),
                owned: Cell::new(false),
                shared: false,
            };
            self.dispatch_inline(&m);
            self.release_taken(&mut msg);
        }
        self.taken.set(taken);
    }

    /// The log service does not start: standard error gets what it should have written.
    pub(crate) fn print_held(&self) {
        let held = self.with(|t| std::mem::take(&mut t.held));
        for msg in &held.lines {
            let text = String::from_utf8_lossy(msg.payload());
            eprintln!("[{}] {text}", msg.source);
        }
    }
}

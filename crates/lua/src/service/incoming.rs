//! A message as the dispatcher sees it, and what becomes of it.

use std::cell::Cell;
use std::ptr::NonNull;

use skynet_kernel::{Handle, kind};
use skynet_vm::alloc::MemoryAccount;
use skynet_vm::lua::Lua;

use super::Svc;

/// A message as the dispatcher sees it; the bytes belong to whoever called the dispatcher, unless `owned`. It stays in
/// one place while it is dispatched, and is handed on by its address: a copy of what has just been written in pieces
/// stalls the processor.
pub struct Incoming {
    pub(crate) kind: u8,
    pub(crate) session: i32,
    pub(crate) source: Handle,
    /// Where the payload lies.
    pub data: *const u8,
    pub(crate) len: usize,
    /// The handler owns the payload: it passes the block itself on, or frees it.
    pub(crate) owned: Cell<bool>,
    /// The payload is the address of a package to which the message owns a reference.
    pub shared: bool,
}

impl skynet_vm::seri::Message for Incoming {
    fn bytes(&self) -> &[u8] {
        Incoming::bytes(self)
    }

    fn lender(&self, l: Lua) -> Option<&MemoryAccount> {
        let svc = Svc::of(l).filter(|svc| !self.shared && svc.may_take_payload(self.data))?;
        Some(&svc.memory)
    }

    fn take(&self, l: Lua) {
        if let Some(svc) = Svc::of(l) {
            svc.take_payload(self.data);
        }
    }
}

impl Incoming {
    /// The payload, valid while the message is dispatched.
    pub fn bytes<'a>(&self) -> &'a [u8] {
        if self.len == 0 {
            return b"";
        }
        // SAFETY: `data` and `len` describe a block that lives until the dispatch of this message is over.
        unsafe { std::slice::from_raw_parts(self.data, self.len) }
    }
}

/// Why a waiting task runs again; set just before it is resumed, read by the function that suspended it.
#[derive(Clone, Copy)]
pub(crate) enum Wake {
    Nothing,
    /// The answer or the request, which is being dispatched; see [`Wake::message`].
    Answer(NonNull<Incoming>),
    Failed,
    TimedOut,
    Woken,
}

impl Wake {
    pub(crate) fn answer(m: &Incoming) -> Wake {
        Wake::Answer(NonNull::from(m))
    }
}

/// What a task finds when it runs again.
pub enum Told<'a> {
    /// The answer has come, and is being dispatched.
    Answer(&'a Incoming),
    /// The deadline has passed.
    TimedOut,
    /// It was woken, or what it waits for has failed.
    Nothing,
}

/// Whose the payload of the message being dispatched is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Taken {
    /// The dispatcher's.
    No,
    /// Somebody took it over.
    Yes,
    /// A Lua callback's, which passed the message to the dispatcher.
    Forbidden,
}

/// A request is what expects an answer: a session, and not an answer itself. The session of a multicast message is its
/// channel.
pub(crate) fn is_request(kind: u8, session: i32) -> bool {
    session > 0 && !matches!(kind, kind::RESPONSE | kind::ERROR | kind::MULTICAST)
}

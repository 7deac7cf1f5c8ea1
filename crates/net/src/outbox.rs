//! Events on their way from a reactor to the services.
//!
//! A reactor that wakes up has events of many sockets, but of few services. It *opens* its outbox,
//! puts the events there, and hands them over every few sockets: each service gets its messages
//! under one lock of its mailbox, and a sleeping worker is woken once and not once per event. No
//! socket is locked meanwhile, so a worker that answers at once does not have to wait for the
//! reactor.
//!
//! While it is open, events that other threads have of a socket of this reactor go there too: they
//! must not overtake those that wait. Otherwise they go straight to the service. Whoever has an
//! event of a socket holds that socket's lock, so the order of a socket's events is the order of
//! what happened to it.

use std::iter;
use std::sync::{Mutex, MutexGuard};

use skynet_kernel::{Handle, Message, Node, lock};

use crate::flow::Flow;

/// The outbox of one reactor.
#[derive(Default)]
pub(crate) struct Outbox(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    open: bool,
    messages: Vec<(Handle, Message)>,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.0)
    }

    /// The reactor has work: messages are kept from now on.
    pub(crate) fn open(&self) {
        self.lock().open = true;
    }

    /// Keeps a message, or gives it back if the outbox is closed.
    #[inline]
    pub(crate) fn put(&self, dest: Handle, message: Message) -> Option<Message> {
        let mut inner = self.lock();
        if !inner.open {
            return Some(message);
        }
        inner.messages.push((dest, message));
        None
    }

    /// Hands over what is there; with `close` nothing is kept any more. True if reactors have to be
    /// woken (see [`Flow`]).
    pub(crate) fn deliver(&self, node: &Node, flow: &Flow, close: bool) -> bool {
        // The lock is held to the end, so that nobody overtakes.
        let mut inner = self.lock();
        inner.open &= !close;
        // Messages of one service stay in order.
        inner.messages.sort_by_key(|&(dest, _)| dest.0);
        let mut messages = inner.messages.drain(..).peekable();
        let mut wake = false;
        while let Some((dest, first)) = messages.next() {
            let more = iter::from_fn(|| messages.next_if(|&(other, _)| other == dest));
            wake |= flow.push(
                node,
                dest,
                iter::once(first).chain(more.map(|(_, message)| message)),
            );
        }
        wake
    }
}

//! Events from outside that wait in a mailbox, in bytes.
//!
//! What comes from sockets cannot be refused: a byte would be missing from a stream. The same goes
//! for what gates make of it, messages of the type `client`. So whoever
//! reads sockets has to stop reading while the receiver does not get on. For that a mailbox knows
//! the weight of the SOCKET and CLIENT messages that it has accepted (under its lock), and publishes the weight
//! of those that its service has handled (by the worker that runs it, a plain store). The difference
//! is what waits.
//!
//! What comes from other nodes is passed on by the services that have the connections, in messages of any type: these
//! are sent by [`Node::send_from_outside`], and count, too.
//!
//! [`Node::push_events`] tells whether more waits than the reader wants. Then the mailbox is
//! *congested*, until its service has handled half of that, or has gone; whoever asked for it by
//! [`Node::on_relief`] is told then. No relief is lost: congestion begins under the mailbox's lock,
//! while there are messages that cause it, and the worker looks for it behind each batch.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{PoisonError, RwLock};

use crate::message::{Handle, Message, kind};
use crate::node::Node;

/// What a message takes beside its payload: its place in the queue and the head of its block.
const OVERHEAD: u64 = 64;

/// What a message counts; 0 if it does not come from a socket.
#[inline]
pub(crate) fn weight(message: &Message) -> u64 {
    match message.kind {
        kind::SOCKET | kind::CLIENT => message.payload().len() as u64 + OVERHEAD,
        _ if message.outside => message.payload().len() as u64 + OVERHEAD,
        _ => 0,
    }
}

/// The side of a mailbox that its worker writes. Weights only grow, and wrap.
#[derive(Default)]
pub(crate) struct Handled {
    weight: AtomicU64,
    /// Set under the mailbox's lock.
    pub(crate) congested: AtomicBool,
}

impl Handled {
    /// Only for the worker that runs the service.
    #[inline]
    pub(crate) fn add(&self, weight: u64) {
        self.weight
            .store(self.weight.load(Relaxed).wrapping_add(weight), Relaxed);
    }

    /// What waits, when so much has been accepted.
    #[inline]
    pub(crate) fn rest(&self, accepted: u64) -> u64 {
        accepted.wrapping_sub(self.weight.load(Relaxed))
    }

    /// Nothing waits, when so much has been accepted.
    pub(crate) fn settle(&self, accepted: u64) {
        self.weight.store(accepted, Relaxed);
    }
}

type Listener = Box<dyn Fn(Handle) + Send + Sync>;

/// Who is told of something that happens to services. They are called at the same time by several workers.
#[derive(Default)]
pub(crate) struct Listeners(RwLock<Vec<Listener>>);

impl Listeners {
    pub(crate) fn add(&self, listener: Listener) {
        let mut listeners = self.0.write().unwrap_or_else(PoisonError::into_inner);
        listeners.push(listener);
    }

    pub(crate) fn tell(&self, handle: Handle) {
        let listeners = self.0.read().unwrap_or_else(PoisonError::into_inner);
        for listener in &*listeners {
            listener(handle);
        }
    }
}

impl Node {
    /// Sends events of sockets to one service, as [`push_all`](Node::push_all) does. True if more than `mark` bytes of
    /// events wait there now. Then there will be a relief, see [`on_relief`](Node::on_relief); it may come before this
    /// returns.
    pub fn push_events(
        &self,
        dest: Handle,
        events: impl Iterator<Item = Message>,
        mark: usize,
    ) -> bool {
        self.push_counted(dest, events, mark as u64) == Some(true)
    }

    /// Do more than `mark` bytes wait there now? Then there will be a relief, see
    /// [`on_relief`](Node::on_relief); it may come before this returns. For those whose input gets to the
    /// service in other ways than by [`push_events`](Node::push_events).
    pub fn congest(&self, handle: Handle, mark: usize) -> bool {
        self.registry
            .find(handle)
            .is_some_and(|mailbox| mailbox.congest(handle, mark as u64))
    }

    /// Does a relief of this service lie ahead?
    pub fn is_congested(&self, handle: Handle) -> bool {
        self.registry
            .find(handle)
            .is_some_and(|mailbox| mailbox.is_congested(handle))
    }

    /// Calls `listener` with the handle of each service that has handled half of the mark after
    /// [`push_events`](Node::push_events) has returned true for it, or that has gone since. It runs on workers, and
    /// must not block nor send messages.
    pub fn on_relief(&self, listener: impl Fn(Handle) + Send + Sync + 'static) {
        self.relief.add(Box::new(listener));
    }
}

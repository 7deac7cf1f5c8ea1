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
//! are sent by [`Node::send_from_outside`](crate::Node::send_from_outside), and count, too.
//!
//! [`Node::push_events`](crate::Node::push_events) tells whether more waits than the reader wants. Then the mailbox is
//! *congested*, until its service has handled half of that, or has gone; whoever asked for it by
//! [`Node::on_relief`](crate::Node::on_relief) is told then. No relief is lost: congestion begins under the mailbox's
//! lock, while there are messages that cause it, and the worker looks for it behind each batch.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use crate::message::{Message, kind};

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

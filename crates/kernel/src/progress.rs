//! What the worker that runs a service publishes of it.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};

use crate::inflow::Handled;
use crate::last_turn::LastTurn;

/// On a cache line of its own: the lock of the mailbox, next to it, is written by every sender.
#[derive(Default)]
#[repr(align(64))]
pub(crate) struct Progress {
    /// Messages of the batch that wait behind the current one.
    pub(crate) waiting: AtomicUsize,
    /// Stamp of the oldest of them.
    pub(crate) oldest: AtomicU32,
    /// When the service had a turn last.
    pub(crate) ran: LastTurn,
    /// Messages that the service has taken, but keeps for later. They wait as well.
    pub(crate) kept: AtomicUsize,
    /// Events that have been handled.
    pub(crate) handled: Handled,
}

impl Progress {
    /// Messages that have been taken from the queue and still wait.
    pub(crate) fn taken(&self) -> usize {
        self.waiting.load(Relaxed) + self.kept.load(Relaxed)
    }
}

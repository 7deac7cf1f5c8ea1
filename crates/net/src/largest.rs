//! Which sockets have the most output that waits.
//!
//! To find that out, all sockets have to be looked at. What one look has found is not kept for later: another one may
//! be the largest a moment later, and the wrong connection would go. So that looks take no more than a tenth of the
//! time, however often the line is passed, a little more than the limit may wait until the next one.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use skynet_kernel::lock;

use crate::SocketId;
use crate::slots::{Entry, Slots};

/// Sockets that one look at all of them finds. Many looks would cost more than they bring if many have to go.
const FOUND: usize = 64;
/// The next look is not before so many times what the last one took.
const REST: u32 = 10;
/// This part of the limit may wait on top of it until then.
const SLACK: usize = 8;

/// The sockets with the most output.
#[derive(Default)]
pub(crate) struct Largest(Mutex<Found>);

#[derive(Default)]
pub(crate) struct Found {
    /// The largest one is the last one.
    sockets: Vec<(usize, SocketId)>,
    /// When the last look ended, and what it took.
    last: Option<(Instant, Duration)>,
}

impl Largest {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Found> {
        lock(&self.0)
    }
}

impl Found {
    /// So much waits: is it time for a look?
    pub(crate) fn is_due(&self, pending: usize, cap: usize) -> bool {
        let rested = |&(at, took): &(Instant, Duration)| at.elapsed() >= took * REST;
        pending > cap.saturating_add(cap / SLACK) || self.last.as_ref().is_none_or(rested)
    }

    /// Looks at all sockets.
    pub(crate) fn look(&mut self, slots: &Slots) {
        let begun = Instant::now();
        self.sockets.clear();
        slots.for_each(|socket| {
            let pending = socket.queue.pending();
            if pending > 0 && socket.link.is_none() {
                self.sockets.push((pending, socket.id));
                if self.sockets.len() >= 2 * FOUND {
                    self.shorten();
                }
            }
        });
        self.shorten();
        self.last = Some((Instant::now(), begun.elapsed()));
    }

    fn shorten(&mut self) {
        self.sockets.sort_unstable();
        let surplus = self.sockets.len().saturating_sub(FOUND);
        self.sockets.drain(..surplus);
    }

    /// The largest one, until there are no more that were found.
    pub(crate) fn next<'a>(&mut self, slots: &'a Slots) -> Option<Entry<'a>> {
        loop {
            let (pending, id) = self.sockets.pop()?;
            match slots.lock(id) {
                // A socket that has written much is not the largest any more.
                Some(socket) if socket.queue.pending() >= pending / 2 => return Some(socket),
                _ => {}
            }
        }
    }
}

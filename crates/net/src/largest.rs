//! Which sockets have the most output that waits.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use skynet_kernel::lock;

use crate::SocketId;
use crate::slots::{Entry, Slots};

/// Sockets that one look at all of them finds. Many looks would cost more than they bring if many have to go.
const FOUND: usize = 64;
/// After this time it is looked again, as others may be the largest now.
const FRESH: Duration = Duration::from_millis(50);

/// The sockets with the most output.
#[derive(Default)]
pub(crate) struct Largest(Mutex<Found>);

#[derive(Default)]
pub(crate) struct Found {
    /// The largest one is the last one.
    sockets: Vec<(usize, SocketId)>,
    at: Option<Instant>,
}

impl Largest {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Found> {
        lock(&self.0)
    }
}

impl Found {
    fn look(&mut self, slots: &Slots) {
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
        self.at = Some(Instant::now());
    }

    fn shorten(&mut self) {
        self.sockets.sort_unstable();
        let surplus = self.sockets.len().saturating_sub(FOUND);
        self.sockets.drain(..surplus);
    }

    /// The largest one, until there are no more that were found.
    pub(crate) fn next<'a>(&mut self, slots: &'a Slots) -> Option<Entry<'a>> {
        if self.sockets.is_empty() || self.at.is_none_or(|at| at.elapsed() > FRESH) {
            self.look(slots);
        }
        loop {
            let (pending, id) = self.sockets.pop()?;
            match slots.lock(id) {
                // One that has got rid of much is not the largest any more.
                Some(socket) if socket.queue.pending() >= pending / 2 => return Some(socket),
                _ => {}
            }
        }
    }
}

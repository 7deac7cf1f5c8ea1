//! Sockets that are to be looked at later, although nothing may have happened to them until then.
//!
//! There are few reasons: a listener had no descriptor for a connection, a closed socket has output that its peer has
//! to take, a socket was handed over by a service that has ended. Each reactor has a list for its own sockets. A socket
//! may have gone, or have no reason any more, when its time comes; nobody takes it out of the list before.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use skynet_kernel::lock;

use crate::SocketId;

/// There is nothing to wait for.
const NEVER: u64 = u64::MAX;

type Heap = BinaryHeap<Reverse<(Instant, SocketId)>>;

/// The list of one reactor.
pub(crate) struct Deadlines {
    heap: Mutex<Heap>,
    /// When the first one is due, in nanoseconds since `began`: what the reactor looks at before it sleeps.
    first: AtomicU64,
    began: Instant,
}

impl Deadlines {
    pub(crate) fn new() -> Deadlines {
        Deadlines {
            heap: Mutex::default(),
            first: AtomicU64::new(NEVER),
            began: Instant::now(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Heap> {
        lock(&self.heap)
    }

    fn set_first(&self, heap: &Heap) {
        let first = heap.peek().map_or(NEVER, |Reverse((at, _))| {
            at.duration_since(self.began).as_nanos() as u64
        });
        self.first.store(first, Relaxed);
    }

    /// Adds a socket. True if it is the first one now, so that a reactor that sleeps has to be woken.
    pub(crate) fn add(&self, at: Instant, id: SocketId) -> bool {
        let mut heap = self.lock();
        heap.push(Reverse((at, id)));
        self.set_first(&heap);
        heap.peek() == Some(&Reverse((at, id)))
    }

    /// How long the reactor may sleep. `None`: there is nothing to wait for.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        let first = self.first.load(Relaxed);
        // The clock is not asked in vain: this is looked at several times in each round.
        (first != NEVER).then(|| Duration::from_nanos(first).saturating_sub(self.began.elapsed()))
    }

    /// Is somebody due?
    pub(crate) fn is_due(&self) -> bool {
        self.timeout() == Some(Duration::ZERO)
    }

    /// Takes out those that are due.
    pub(crate) fn take_due(&self) -> Vec<SocketId> {
        let mut due = Vec::new();
        if self.is_due() {
            let mut heap = self.lock();
            let now = Instant::now();
            while heap.peek().is_some_and(|Reverse((at, _))| *at <= now) {
                due.extend(heap.pop().map(|Reverse((_, id))| id));
            }
            self.set_first(&heap);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_due_in_order_and_once() {
        let list = Deadlines::new();
        assert_eq!(list.timeout(), None);
        let now = Instant::now();
        assert!(list.add(now + Duration::from_secs(100), 1));
        assert!(list.add(now, 2));
        assert!(!list.add(now + Duration::from_secs(50), 3));
        assert!(list.is_due());
        assert_eq!(list.take_due(), [2]);
        assert!(list.take_due().is_empty());
        let left = list.timeout().unwrap();
        assert!((40..=50).contains(&left.as_secs()), "{left:?}");
    }
}

//! The timers of a node, in several wheels.
//!
//! Every call with a deadline adds a timer and cancels it, so that one wheel with one lock would be what all workers
//! wait for. There are several, each with a lock of its own, and the owner of a timer tells which one it is in: all
//! timers of a service are in one wheel, and two services that run at the same time are in two, mostly. A node with one
//! worker has one wheel.
//!
//! # Order
//! Timers of one service fire in the order of their deadlines, and those of one deadline in the order in which they
//! were made. Timers of different services fire in the order of their deadlines, too: the thread takes the earliest
//! millisecond of all wheels first. Within one millisecond the wheels come one after the other.
//!
//! # When the thread gets up
//! It publishes when it *means* to get up, and each wheel when it has something to do *next*. Whoever adds a timer that
//! is earlier than anything in its wheel publishes that first and looks at the thread's plan afterwards; the thread
//! publishes its plan first and looks at the wheels afterwards. A sequentially consistent fence between the two steps
//! on either side means that one of them sees the other. A timer that is later than another one of its wheel needs
//! nothing of that.

use crossbeam_utils::CachePadded;

use crate::sync::{
    AtomicU64, AtomicUsize, Mutex, MutexGuard, Ordering::Relaxed, Ordering::SeqCst, fence,
};
use crate::wheel::{self, Wheel};

/// No wheel has anything to do.
pub const NEVER: u64 = u64::MAX;
/// Milliseconds after which the time of wheels in which nothing happens is moved forward: they put timers into their
/// final place at once if that is some seconds ahead at most.
const FORWARD: u64 = 512;
/// Stale timers that are not worth a search.
pub(crate) const FEW: usize = 4096;
/// Timers that are looked at under one lock.
const PIECE: usize = 1024;
/// Wheels at most: each has tables of 35 KB once it is used.
const MOST: usize = 64;

/// Names a timer that has not fired yet. A key is never used for two timers (generations wrap after 2^32 uses of one
/// place).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TimerKey {
    wheel: u32,
    key: wheel::Key,
}

/// See the module's description.
pub struct Timers<T> {
    wheels: Box<[CachePadded<Shared<T>>]>,
    /// When the thread means to get up. All threads read it; only the thread writes it.
    planned: CachePadded<AtomicU64>,
    /// Up to when the wheels' own time has been moved forward. The thread's own.
    forwarded: AtomicU64,
    /// Timers that may be those of services that have gone, since somebody last looked for them.
    stale: AtomicUsize,
}

struct Shared<T> {
    wheel: Mutex<Wheel<T>>,
    /// When there is something to do in the wheel, or earlier. Written under its lock.
    next: AtomicU64,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, Wheel<T>> {
        // A wheel is never left half changed.
        self.wheel
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl<T> Timers<T> {
    /// For so many workers. The thread is awake.
    pub fn new(workers: usize) -> Timers<T> {
        let wheels = workers.next_power_of_two().min(MOST);
        let empty = |_| {
            CachePadded::new(Shared {
                wheel: Mutex::new(Wheel::default()),
                next: AtomicU64::new(NEVER),
            })
        };
        Timers {
            wheels: (0..wheels).map(empty).collect(),
            planned: CachePadded::new(AtomicU64::new(0)),
            forwarded: AtomicU64::new(0),
            stale: AtomicUsize::new(0),
        }
    }

    fn wheel_of(&self, owner: u32) -> usize {
        // Consecutive numbers are those of services that were launched together, and go round.
        owner as usize & (self.wheels.len() - 1)
    }

    /// Adds a timer, and calls `wake` if the thread has to get up earlier for it.
    #[inline]
    pub fn add(&self, when: u64, owner: u32, value: T, wake: impl FnOnce()) -> TimerKey {
        let index = self.wheel_of(owner);
        let shared = &*self.wheels[index];
        let mut wheel = shared.lock();
        let key = wheel.insert(when, value);
        let first = when < shared.next.load(Relaxed);
        if first {
            shared.next.store(when, SeqCst);
        }
        drop(wheel);
        if first {
            fence(SeqCst);
            if when < self.planned.load(Relaxed) {
                wake();
            }
        }
        TimerKey {
            wheel: index as u32,
            key,
        }
    }

    /// Removes a timer. `None` if it has fired or was removed before.
    #[inline]
    pub fn cancel(&self, key: TimerKey) -> Option<T> {
        // The timer thread may wake up once for nothing.
        self.wheels.get(key.wheel as usize)?.lock().cancel(key.key)
    }

    /// Hands out what is due at `now`, in order, `most` timers at most. False if there is more, for the next call. For
    /// the thread.
    pub fn advance(&self, now: u64, mut most: usize, mut fire: impl FnMut(T)) -> bool {
        if now.saturating_sub(self.forwarded.load(Relaxed)) >= FORWARD {
            self.forwarded.store(now, Relaxed);
            for shared in &self.wheels {
                shared.lock().forward(now);
            }
        }
        loop {
            let (at, earliest) = self.earliest();
            if at > now {
                return true;
            }
            if most == 0 {
                return false;
            }
            let shared = &*self.wheels[earliest];
            let mut wheel = shared.lock();
            let mut count = 0;
            let all = wheel.advance(at, most, |value| {
                count += 1;
                fire(value);
            });
            most -= count;
            shared.next.store(wheel.next().unwrap_or(NEVER), SeqCst);
            if !all {
                return false;
            }
        }
    }

    /// A service has gone that had set so many timers, of which some may not have fired.
    pub fn forget(&self, timers: usize) {
        if timers > 0 {
            self.stale.fetch_add(timers, Relaxed);
        }
    }

    /// Removes the timers of services that have gone, which `dead` knows, when they may be half of all. So each costs a
    /// few nanoseconds, and those that stay are never many.
    pub fn sweep(&self, dead: impl Fn(&T) -> bool) {
        let stale = self.stale.load(Relaxed);
        if stale < FEW || stale < self.len() / 2 {
            return;
        }
        self.stale.fetch_sub(stale, Relaxed);
        for shared in &self.wheels {
            let mut from = Some(0);
            while let Some(at) = from {
                // In pieces, since the workers use the wheel as well.
                from = shared.lock().sweep(at, PIECE, &dead);
            }
        }
    }

    /// Number of timers.
    pub fn len(&self) -> usize {
        self.wheels.iter().map(|shared| shared.lock().len()).sum()
    }

    /// When the next wheel has something to do, and which one it is.
    fn earliest(&self) -> (u64, usize) {
        let wheels = self.wheels.iter().enumerate();
        let next = wheels.map(|(index, wheel)| (wheel.next.load(SeqCst), index));
        next.min().unwrap_or((NEVER, 0))
    }

    /// When there is something to do next.
    pub fn next(&self) -> u64 {
        self.earliest().0
    }

    /// The thread means to get up at `when`, or when it is called. False: there is something to do before, so that it
    /// must not sleep.
    pub fn plan(&self, when: u64) -> bool {
        self.planned.store(when, SeqCst);
        fence(SeqCst);
        self.next() >= when
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn fired(timers: &Timers<(u64, u32)>, now: u64) -> Vec<(u64, u32)> {
        let mut out = Vec::new();
        // In pieces, as the thread does it.
        while !timers.advance(now, 3, |value| out.push(value)) {}
        out
    }

    #[test]
    fn deadlines_in_order_and_those_of_one_service_as_they_were_made() {
        let timers = Timers::new(4);
        for number in 0..3000 {
            let when = 1 + u64::from(number * 7919 % 30_000);
            timers.add(when, number % 5, (when, number), || ());
            timers.add(when, number % 5, (when, number + 10_000), || ());
        }
        let all = fired(&timers, 1_000_000);
        assert_eq!(all.len(), 6000);
        assert!(all.is_sorted_by_key(|&(when, _)| when));
        for owner in 0..5 {
            let own = all.iter().filter(|(_, n)| n % 10_000 % 5 == owner);
            assert!(own.is_sorted(), "of owner {owner}");
        }
        assert_eq!(timers.next(), NEVER);
    }

    #[test]
    fn one_worker_has_one_order() {
        let timers = Timers::new(1);
        for number in 0..100 {
            timers.add(5, number * 31, (5, number), || ());
        }
        assert!(fired(&timers, 5).is_sorted());
    }

    #[test]
    fn the_thread_is_woken_for_what_is_earlier_than_its_plan() {
        let timers = Timers::new(2);
        let woken = |when, owner| {
            let mut woken = false;
            let key = timers.add(when, owner, (when, owner), || woken = true);
            (woken, key)
        };
        assert!(!woken(100, 0).0, "it is awake");
        assert!(!timers.plan(200) && timers.plan(100));
        assert!(!woken(150, 0).0 && !woken(150, 1).0);
        assert!(woken(50, 0).0 && !woken(60, 0).0, "once for a wheel");
        let (again, key) = woken(40, 1);
        assert!(again);
        assert_eq!(timers.cancel(key), Some((40, 1)));
        assert_eq!(timers.cancel(key), None);
        // The timer thread wakes up once for a timer that was cancelled.
        assert!(!timers.plan(50));
        assert!(fired(&timers, 45).is_empty() && timers.plan(50));
    }
}

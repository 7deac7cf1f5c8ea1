//! Which service runs where, and next.
//!
//! Every worker has a **next slot** for one service and a FIFO **deque**; threads that are not
//! workers use the **injector**. A service that becomes runnable goes into the slot of the worker
//! that caused it, because its message is warm in that core's cache and the sender is about to
//! finish; what was in the slot moves to the deque. Everything can be stolen by siblings, the slot
//! only on invitation (see below): a pair that plays ping-pong stays on one core and never wakes
//! another.
//!
//! # Whom to wake
//! A parked sibling is woken when
//! 1. something went to the deque (there are now two runnable services),
//! 2. the running turn has made 64 sends while the slot is full (a flood: sender and receiver
//!    should run side by side),
//! 3. the timer thread, at its tick, finds a full slot behind a turn that has not changed since the
//!    last tick.
//!
//! In the last two cases the woken worker may rob the slot. With nobody parked, the timer thread moves what waits behind
//! a turn that has not changed for several ticks to the injector: the worker may be stuck for good, and its busy
//! siblings look at the injector, but not at each other.
//!
//! The owner takes its slot by a plain read and a plain write, since an exchange would be a twentieth of all that a small message costs. If it is
//! robbed at that moment, both have the service, and its mailbox gives the turn to the first who asks
//! ([`Mailbox::begin`](crate::mailbox::Mailbox::begin)). Nothing is lost by that, and nothing but slots gives anything out twice.
//!
//! # Fairness
//! The slot is last in, first out, so two services could keep the rest of the deque waiting for
//! ever. After 32 turns from the slot its content goes to the tail of the deque. Every 61st turn
//! looks at the injector first, and so does the one after a long turn.

use std::cell::Cell;
use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicU64;

use crossbeam_utils::CachePadded;

use crate::parking::{Hint, Parking};
use crate::sync::deque::{Injector, Steal, Stealer, Worker};
use crate::sync::{
    AtomicBool, AtomicPtr, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed,
    Ordering::Release, Ordering::SeqCst, fence,
};

/// Turns in a row from the slot.
const STREAK: u32 = 32;
/// Turns between two looks at the injector. A prime, so that it does not beat with anything.
const INJECTOR_EVERY: u32 = 61;
/// Sends of one turn after which a full slot is worth a sibling's wake-up.
const FLOOD: u32 = 64;

/// A runnable `T`.
struct Task<T>(NonNull<T>);

// SAFETY: a task is a mere address for the scheduler; what it points to is shared between threads
// by its owner, who asks for `T: Sync` in `Scheduler`'s methods.
unsafe impl<T: Sync> Send for Task<T> {}

/// The part that all threads see.
pub struct Scheduler<T> {
    injector: Injector<Task<T>>,
    seats: Box<[CachePadded<Seat<T>>]>,
    parking: Parking,
    stop: AtomicBool,
}

struct Seat<T> {
    slot: AtomicPtr<T>,
    stealer: Stealer<Task<T>>,
    /// Turns begun. Plain counters: std atomics even in the model.
    turns: AtomicU64,
    parks: AtomicU64,
}

/// The part that belongs to one worker.
pub struct Runner<T> {
    index: usize,
    deque: Worker<Task<T>>,
    turn: Cell<u32>,
    streak: Cell<u32>,
    sends: Cell<u32>,
}

/// Ticks of one turn after which what waits behind it is given to others.
const STUCK: u32 = 4;

/// What the timer thread remembers between two ticks: of each worker the turns begun, and for how many ticks there has
/// been no new one.
pub struct Watch(Vec<(u64, u32)>);

impl<T: Sync> Scheduler<T> {
    /// A scheduler and its workers' parts.
    pub fn new(workers: usize) -> (Scheduler<T>, Vec<Runner<T>>) {
        let runners: Vec<Runner<T>> = (0..workers)
            .map(|index| Runner {
                index,
                deque: Worker::new_fifo(),
                turn: Cell::new(0),
                streak: Cell::new(0),
                sends: Cell::new(0),
            })
            .collect();
        let seats = runners
            .iter()
            .map(|r| {
                CachePadded::new(Seat {
                    slot: AtomicPtr::new(ptr::null_mut()),
                    stealer: r.deque.stealer(),
                    turns: AtomicU64::new(0),
                    parks: AtomicU64::new(0),
                })
            })
            .collect();
        let scheduler = Scheduler {
            injector: Injector::new(),
            seats,
            parking: Parking::new(workers),
            stop: AtomicBool::new(false),
        };
        (scheduler, runners)
    }

    /// Makes `task` runnable, from any thread.
    pub fn submit(&self, task: NonNull<T>) {
        self.injector.push(Task(task));
        self.parking.notify();
    }

    /// Makes `task` runnable, from a turn of the worker that `runner` belongs to.
    #[inline]
    pub fn schedule(&self, runner: &Runner<T>, task: NonNull<T>) {
        let slot = &self.seats[runner.index].slot;
        // Only this worker fills the slot, so an empty one stays empty and needs no exchange.
        if slot.load(Relaxed).is_null() {
            slot.store(task.as_ptr(), Release);
            return;
        }
        if let Some(old) = NonNull::new(slot.swap(task.as_ptr(), AcqRel)) {
            runner.deque.push(Task(old));
            self.parking.notify();
        }
    }

    /// A turn of `runner` has sent a message; for wake-up rule 2.
    #[inline]
    pub fn sent(&self, runner: &Runner<T>) {
        let sends = runner.sends.get() + 1;
        runner.sends.set(sends);
        if sends.is_multiple_of(FLOOD)
            && self.parking.any_idle()
            && !self.seats[runner.index].slot.load(Relaxed).is_null()
        {
            self.parking.wake_one(Hint::Slot);
        }
    }

    /// Puts a task whose turn was long enough at the tail of the worker's own deque.
    pub fn requeue(&self, runner: &Runner<T>, task: NonNull<T>) {
        let alone =
            runner.deque.is_empty() && self.seats[runner.index].slot.load(Relaxed).is_null();
        runner.deque.push(Task(task));
        // A task that is alone goes on where it is; waking a sibling for it would only move it.
        if !alone {
            self.parking.notify();
        }
    }

    /// What to run next. Sleeps while there is nothing, and calls `slept` whenever it may have slept.
    /// `None`: leave.
    #[inline]
    pub fn next(&self, runner: &Runner<T>, slept: impl Fn()) -> Option<NonNull<T>> {
        runner.sends.set(0);
        let seat = &self.seats[runner.index];
        let turn = runner.turn.get().wrapping_add(1);
        runner.turn.set(turn);
        seat.turns.store(seat.turns.load(Relaxed) + 1, Relaxed);
        if turn.is_multiple_of(INJECTOR_EVERY) {
            if self.stop.load(Relaxed) {
                return None;
            }
            if let Some(task) = settle(|| self.injector.steal()) {
                return Some(task);
            }
        }
        if let Some(task) = seat.take_slot() {
            let streak = runner.streak.get() + 1;
            if streak <= STREAK {
                runner.streak.set(streak);
                return Some(task);
            }
            runner.deque.push(Task(task));
        }
        runner.streak.set(0);
        match runner.deque.pop() {
            Some(Task(task)) => Some(task),
            None => {
                let found = self.find(runner, &slept);
                slept();
                found
            }
        }
    }

    /// Looks everywhere, parks, and looks again.
    #[cold]
    fn find(&self, runner: &Runner<T>, slept: &impl Fn()) -> Option<NonNull<T>> {
        self.parking.search();
        let mut hint = Hint::Queue;
        loop {
            if self.stop.load(Acquire) {
                // The last searcher hands over, in case that somebody still relies on it.
                self.parking.found(|| true);
                return None;
            }
            if let Some(task) = self.search(runner, hint) {
                self.parking.found(|| self.work_visible());
                return Some(task);
            }
            let seat = &self.seats[runner.index];
            seat.parks.store(seat.parks.load(Relaxed) + 1, Relaxed);
            let work = || self.stop.load(Acquire) || self.work_visible();
            hint = self.parking.park(runner.index, work, slept);
        }
    }

    fn search(&self, runner: &Runner<T>, hint: Hint) -> Option<NonNull<T>> {
        // What came while it sat at a post.
        if let Some(task) = self.seats[runner.index].take_slot() {
            return Some(task);
        }
        if let Some(Task(task)) = runner.deque.pop() {
            return Some(task);
        }
        if let Some(task) = settle(|| self.injector.steal()) {
            return Some(task);
        }
        let siblings = || {
            let (before, after) = self.seats.split_at(runner.index);
            after[1..].iter().chain(before)
        };
        for seat in siblings() {
            if let Some(task) = settle(|| steal_from(&seat.stealer, &runner.deque)) {
                return Some(task);
            }
        }
        match hint {
            Hint::Slot => siblings().find_map(|seat| seat.rob_slot()),
            Hint::Queue => None,
        }
    }

    /// Is there anything in a queue that every worker may take from?
    fn work_visible(&self) -> bool {
        !self.injector.is_empty() || self.seats.iter().any(|seat| !seat.stealer.is_empty())
    }

    /// Wake-up rule 3; to be called by the timer thread every few milliseconds while a worker is
    /// awake.
    pub fn tick(&self, watch: &mut Watch) {
        self.parking.inspect_posts();
        for (seat, (seen, ticks)) in self.seats.iter().zip(&mut watch.0) {
            let turns = seat.turns.load(Relaxed);
            if std::mem::replace(seen, turns) != turns {
                *ticks = 0;
                continue;
            }
            *ticks = ticks.saturating_add(1);
            if self.parking.any_idle() {
                if !seat.slot.load(Relaxed).is_null() {
                    self.parking.wake_one(Hint::Slot);
                }
            } else if *ticks >= STUCK {
                self.rescue(seat);
            }
        }
    }

    /// Moves what waits behind a long turn to where every worker looks.
    fn rescue(&self, seat: &Seat<T>) {
        let mut moved = false;
        while let Some(task) = settle(|| seat.stealer.steal()) {
            self.injector.push(Task(task));
            moved = true;
        }
        if let Some(task) = seat.rob_slot() {
            self.injector.push(Task(task));
            moved = true;
        }
        if moved {
            self.parking.notify();
        }
    }

    /// A fresh memory for [`tick`](Self::tick).
    pub fn watch(&self) -> Watch {
        Watch(vec![(u64::MAX, 0); self.seats.len()])
    }

    /// Workers leave after their current turn.
    pub fn stop(&self) {
        self.stop.store(true, Release);
        fence(SeqCst);
        self.parking.wake_all();
    }

    /// Has [`stop`](Self::stop) been called?
    pub fn stopped(&self) -> bool {
        self.stop.load(Acquire)
    }

    /// Where workers sleep.
    pub fn parking(&self) -> &Parking {
        &self.parking
    }

    /// Turns begun and parkings of one worker.
    pub(crate) fn counters(&self, worker: usize) -> (u64, u64) {
        let seat = &self.seats[worker];
        (seat.turns.load(Relaxed), seat.parks.load(Relaxed))
    }
}

impl<T> Runner<T> {
    /// The turn took so long that others may have been waiting: look at the injector next.
    pub fn turn_was_long(&self) {
        self.turn.set(0u32.wrapping_sub(1));
    }

    /// Number of the current turn.
    pub(crate) fn turn(&self) -> u32 {
        self.turn.get()
    }

    /// The worker's number, from 0.
    pub fn index(&self) -> usize {
        self.index
    }
}

impl<T> Seat<T> {
    /// Takes the own slot. Whoever robs it at this moment has the same.
    #[inline]
    fn take_slot(&self) -> Option<NonNull<T>> {
        let task = NonNull::new(self.slot.load(Relaxed))?;
        #[cfg(not(loom))]
        self.slot.store(ptr::null_mut(), Relaxed);
        // Loom does not know that a robber's exchange follows at once what it has read, and takes it for later than what this
        // thread writes next. It learns the order from another exchange; what that finds is not looked at.
        #[cfg(loom)]
        self.slot.swap(ptr::null_mut(), AcqRel);
        Some(task)
    }

    /// Takes the slot of a sibling. It writes only if it succeeds: the owner relies on nobody else
    /// storing to an empty slot.
    fn rob_slot(&self) -> Option<NonNull<T>> {
        let task = NonNull::new(self.slot.load(Relaxed))?;
        let robbed = self
            .slot
            .compare_exchange(task.as_ptr(), ptr::null_mut(), Acquire, Relaxed);
        robbed.is_ok().then_some(task)
    }
}

/// Takes one task and moves up to half of the rest along, since whoever steals has nothing else to
/// do.
#[cfg(not(loom))]
fn steal_from<T>(victim: &Stealer<Task<T>>, own: &Worker<Task<T>>) -> Steal<Task<T>> {
    victim.steal_batch_and_pop(own)
}

#[cfg(loom)]
fn steal_from<T>(victim: &Stealer<Task<T>>, _own: &Worker<Task<T>>) -> Steal<Task<T>> {
    victim.steal()
}

fn settle<T>(mut steal: impl FnMut() -> Steal<Task<T>>) -> Option<NonNull<T>> {
    loop {
        match steal() {
            Steal::Success(Task(task)) => return Some(task),
            Steal::Empty => return None,
            Steal::Retry => {}
        }
    }
}

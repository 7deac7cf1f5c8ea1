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
//! In the last two cases the woken worker may rob the slot. With nobody parked, the timer thread moves what waits
//! behind a turn that has not changed for several ticks to the injector: the worker may be stuck for good, and its busy
//! siblings look at the injector, but not at each other.
//!
//! The owner takes its slot by a plain read and a plain write, since an exchange would be a twentieth of all that a
//! small message costs. If it is robbed at that moment, both have the service, and its mailbox gives the turn to the
//! first who asks ([`Mailbox::begin`](crate::mailbox::Mailbox::begin)). Nothing is lost by that, and nothing but slots
//! gives anything out twice.
//!
//! # Fairness
//! A service that has used up its turn goes to the tail of its worker's deque. Whatever goes to the tail goes behind
//! what has come from outside, too: the worker first moves its share of the injector there (all of it divided by the
//! number of workers), and it does so before it takes anything from the deque. So nothing in the injector waits for
//! longer than what is in deques.
//!
//! The slot is last in, first out, so two services could keep the rest waiting for ever. After 32 turns from the slot,
//! or a long one, its content goes to the tail of the deque.
//!
//! While all workers are busy nobody steals, so a worker with one busy service and one with a hundred would stay as
//! they are. The timer thread evens that out at its tick: half of the difference goes from the longest deque to the
//! injector.

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
/// Sends of one turn after which a full slot is worth a sibling's wake-up.
const FLOOD: u32 = 64;

/// A runnable `T`.
struct Task<T>(NonNull<T>);

// SAFETY: a task is a mere address for the scheduler; what it points to is shared between threads
// by its owner, who asks for `T: Sync` in `Scheduler`'s methods.
unsafe impl<T: Sync> Send for Task<T> {}

/// The part that all threads see. What is written often is on cache lines of its own; the others are read for every
/// message.
pub struct Scheduler<T> {
    run_queues: Box<[CachePadded<RunQueue<T>>]>,
    /// Written once.
    stop: AtomicBool,
    injector: CachePadded<Injector<Task<T>>>,
    parking: CachePadded<Parking>,
}

struct RunQueue<T> {
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
        let run_queues = runners
            .iter()
            .map(|r| {
                CachePadded::new(RunQueue {
                    slot: AtomicPtr::new(ptr::null_mut()),
                    stealer: r.deque.stealer(),
                    turns: AtomicU64::new(0),
                    parks: AtomicU64::new(0),
                })
            })
            .collect();
        let scheduler = Scheduler {
            injector: CachePadded::new(Injector::new()),
            run_queues,
            parking: CachePadded::new(Parking::new(workers)),
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
        let slot = &self.run_queues[runner.index].slot;
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
            && !self.run_queues[runner.index].slot.load(Relaxed).is_null()
        {
            self.parking.wake_one(Hint::Slot);
        }
    }

    /// Puts a task whose turn was long enough at the tail of the worker's own deque.
    pub fn requeue(&self, runner: &Runner<T>, task: NonNull<T>) {
        let alone = runner.deque.is_empty()
            && self.run_queues[runner.index].slot.load(Relaxed).is_null()
            && self.injector.is_empty();
        self.admit(runner);
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
        let run_queue = &self.run_queues[runner.index];
        let turn = runner.turn.get().wrapping_add(1);
        runner.turn.set(turn);
        run_queue
            .turns
            .store(run_queue.turns.load(Relaxed) + 1, Relaxed);
        let task = run_queue.take_slot();
        let streak = runner.streak.get();
        if streak < STREAK && task.is_some() {
            runner.streak.set(streak + 1);
            return task;
        }
        if self.stop.load(Relaxed) {
            return None;
        }
        runner.streak.set(0);
        self.admit(runner);
        if let Some(task) = task {
            runner.deque.push(Task(task));
        }
        match runner.deque.pop() {
            Some(Task(task)) => Some(task),
            None => {
                let found = self.find(runner, &slept);
                slept();
                found
            }
        }
    }

    /// Moves the worker's share of what has come from outside to the tail of its deque.
    #[inline]
    fn admit(&self, runner: &Runner<T>) {
        if !self.injector.is_empty() {
            self.admit_share(runner);
        }
    }

    #[cold]
    fn admit_share(&self, runner: &Runner<T>) {
        for _ in 0..self.injector.len().div_ceil(self.run_queues.len()) {
            let Some(task) = settle(|| self.injector.steal()) else {
                break;
            };
            runner.deque.push(Task(task));
        }
        // Whoever looked for them in between has found neither the injector nor the deque filled.
        self.parking.notify();
    }

    /// Looks everywhere, parks, and looks again.
    #[cold]
    fn find(&self, runner: &Runner<T>, slept: &impl Fn()) -> Option<NonNull<T>> {
        self.parking.search();
        let mut hint = Hint::Queue;
        loop {
            if self.stop.load(Acquire) {
                // The last searcher wakes another worker, since somebody may not have been woken because of it.
                self.parking.found(|| true);
                return None;
            }
            if let Some(task) = self.search(runner, hint) {
                self.parking.found(|| self.work_visible());
                return Some(task);
            }
            let run_queue = &self.run_queues[runner.index];
            run_queue
                .parks
                .store(run_queue.parks.load(Relaxed) + 1, Relaxed);
            let work = || self.stop.load(Acquire) || self.work_visible();
            hint = self.parking.park(runner.index, work, slept);
        }
    }

    fn search(&self, runner: &Runner<T>, hint: Hint) -> Option<NonNull<T>> {
        // Work that came while the worker was at a post.
        if let Some(task) = self.run_queues[runner.index].take_slot() {
            return Some(task);
        }
        if let Some(Task(task)) = runner.deque.pop() {
            return Some(task);
        }
        if let Some(task) = settle(|| self.injector.steal()) {
            return Some(task);
        }
        let siblings = || {
            let (before, after) = self.run_queues.split_at(runner.index);
            after[1..].iter().chain(before)
        };
        for run_queue in siblings() {
            if let Some(task) = settle(|| steal_from(&run_queue.stealer, &runner.deque)) {
                return Some(task);
            }
        }
        match hint {
            Hint::Slot => siblings().find_map(|run_queue| run_queue.rob_slot()),
            Hint::Queue => None,
        }
    }

    /// Is there anything in a queue that every worker may take from?
    fn work_visible(&self) -> bool {
        !self.injector.is_empty()
            || self
                .run_queues
                .iter()
                .any(|run_queue| !run_queue.stealer.is_empty())
    }

    /// Wake-up rule 3, and what evens out the deques; to be called by the timer thread every few milliseconds while a
    /// worker is awake.
    pub fn tick(&self, watch: &mut Watch) {
        self.parking.inspect_posts();
        for (run_queue, (seen, ticks)) in self.run_queues.iter().zip(&mut watch.0) {
            let turns = run_queue.turns.load(Relaxed);
            if std::mem::replace(seen, turns) != turns {
                *ticks = 0;
                continue;
            }
            *ticks = ticks.saturating_add(1);
            if self.parking.any_idle() {
                if !run_queue.slot.load(Relaxed).is_null() {
                    self.parking.wake_one(Hint::Slot);
                }
            } else if *ticks >= STUCK {
                self.rescue(run_queue);
            }
        }
        if !self.parking.any_idle() {
            self.even_out(watch);
        }
    }

    /// Moves half of the difference between the longest and the shortest deque to the injector. Those of workers whose
    /// turn has not changed since the last tick do not count as short: they take nothing.
    fn even_out(&self, watch: &Watch) {
        let lengths = || {
            self.run_queues
                .iter()
                .map(|run_queue| run_queue.stealer.len())
        };
        let Some((longest, most)) = lengths().enumerate().max_by_key(|&(_, length)| length) else {
            return;
        };
        let moving = lengths()
            .zip(&watch.0)
            .filter(|(_, (_, ticks))| *ticks == 0);
        let Some(fewest) = moving.map(|(length, _)| length).min() else {
            return;
        };
        for _ in 0..most.saturating_sub(fewest) / 2 {
            let Some(task) = settle(|| self.run_queues[longest].stealer.steal()) else {
                break;
            };
            self.injector.push(Task(task));
        }
        // One may have gone to sleep in between.
        self.parking.notify();
    }

    /// Moves what waits behind a long turn to where every worker looks.
    fn rescue(&self, run_queue: &RunQueue<T>) {
        let mut moved = false;
        while let Some(task) = settle(|| run_queue.stealer.steal()) {
            self.injector.push(Task(task));
            moved = true;
        }
        if let Some(task) = run_queue.rob_slot() {
            self.injector.push(Task(task));
            moved = true;
        }
        if moved {
            self.parking.notify();
        }
    }

    /// A fresh memory for [`tick`](Self::tick).
    pub fn watch(&self) -> Watch {
        Watch(vec![(u64::MAX, 0); self.run_queues.len()])
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
        let run_queue = &self.run_queues[worker];
        (run_queue.turns.load(Relaxed), run_queue.parks.load(Relaxed))
    }
}

impl<T> Runner<T> {
    /// The turn took so long that others may have been waiting: what is in the slot goes behind them.
    pub fn turn_was_long(&self) {
        self.streak.set(STREAK);
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

impl<T> RunQueue<T> {
    /// Takes the own slot. Whoever robs it at this moment has the same.
    #[inline]
    fn take_slot(&self) -> Option<NonNull<T>> {
        let task = NonNull::new(self.slot.load(Relaxed))?;
        #[cfg(not(loom))]
        self.slot.store(ptr::null_mut(), Relaxed);
        // Loom does not know that a robber's exchange follows at once what it has read, and takes it for later than
        // what this thread writes next. It learns the order from another exchange; what that finds is not looked at.
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

//! How idle workers sleep and are woken.
//!
//! A worker that finds nothing to do *announces* itself in the idle set, looks at all queues *once
//! more*, and only then sleeps. Whoever adds work that another worker could take adds it *first*
//! and looks at the idle set *afterwards*. A sequentially consistent fence between the two steps on
//! either side means that at least one of them sees the other: no wake-up is lost, and nobody has
//! to spin before sleeping.
//!
//! Not every addition wakes somebody. While a worker is *searching* (awake, without work), it will
//! find the new work, or at least look again before it sleeps; the last searcher that finds
//! something wakes the next one if more is left ([`Parking::found`]). So a burst of additions costs
//! the adding worker at most one system call.
//!
//! The timer thread is not a worker, but sleeps here too ([`Alarm`]): with every worker parked it
//! goes into a *deep* sleep until the next timer is due, and the first worker that leaves parking
//! rings for it.

use std::sync::PoisonError;
use std::time::Instant;

use crate::sync::{
    AtomicBool, AtomicUsize, Condvar, Mutex, Ordering::Relaxed, Ordering::SeqCst, fence,
};

/// Why a worker was woken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hint {
    /// There is, or was, something in a queue.
    Queue,
    /// The next slot of a busy worker may be robbed.
    Slot,
}

/// The workers' beds.
pub struct Parking {
    beds: Box<[Bed]>,
    /// Workers that may be woken, most recently parked last: the warmest goes first.
    idle: Mutex<Vec<usize>>,
    /// Length of `idle`, to be read without the lock.
    idle_count: AtomicUsize,
    /// Workers that are awake and look for work.
    searching: AtomicUsize,
    /// The timer thread sleeps for longer than a tick and must be told when a worker gets up.
    deep: AtomicBool,
    alarm: Alarm,
    /// Workers that cannot run because there are fewer processors: so many may be idle while nobody has time.
    spare: usize,
    /// Threads in [`stand_by`](Parking::stand_by).
    standing_by: AtomicUsize,
    relief: Alarm,
}

#[derive(Default)]
struct Bed {
    call: Mutex<Option<Hint>>,
    called: Condvar,
}

impl Parking {
    /// For `workers` workers, all of them awake and working.
    pub fn new(workers: usize) -> Parking {
        Parking {
            beds: (0..workers).map(|_| Bed::default()).collect(),
            idle: Mutex::new(Vec::with_capacity(workers)),
            idle_count: AtomicUsize::new(0),
            searching: AtomicUsize::new(0),
            deep: AtomicBool::new(false),
            alarm: Alarm::default(),
            spare: workers.saturating_sub(processors(workers)),
            standing_by: AtomicUsize::new(0),
            relief: Alarm::default(),
        }
    }

    /// The caller starts searching. It ends with [`found`](Self::found) or [`park`](Self::park).
    pub fn search(&self) {
        self.searching.fetch_add(1, SeqCst);
    }

    /// The searching caller has found work. `more` tells whether there is work left for others.
    pub fn found(&self, more: impl Fn() -> bool) {
        if self.searching.fetch_sub(1, SeqCst) == 1 {
            fence(SeqCst);
            if self.idle_count.load(Relaxed) > 0 && more() {
                self.wake_one(Hint::Queue);
            }
        }
    }

    /// The searching caller has found nothing and sleeps until it is woken; it is searching again
    /// when this returns. `work` looks at everything that the caller must not sleep through.
    pub fn park(&self, worker: usize, work: impl Fn() -> bool) -> Hint {
        self.searching.fetch_sub(1, SeqCst);
        self.change_idle(|idle| idle.push(worker));
        fence(SeqCst);
        if work() {
            let cancelled = self.change_idle(|idle| {
                let position = idle.iter().position(|&w| w == worker);
                if let Some(position) = position {
                    idle.remove(position);
                    self.searching.fetch_add(1, SeqCst);
                }
                position.is_some()
            });
            if cancelled {
                self.rouse();
                return Hint::Queue;
            }
            // Somebody has chosen this worker in between; its call is on the way and must not be
            // left lying for the next time.
        }
        if self.standing_by.load(Relaxed) > 0 && !self.all_busy() {
            self.relief.ring();
        }
        let bed = &self.beds[worker];
        let mut call = bed.call.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(hint) = call.take() {
                return hint;
            }
            call = bed
                .called
                .wait(call)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// To be called after work was put where any worker can take it.
    #[inline]
    pub fn notify(&self) {
        fence(SeqCst);
        if self.idle_count.load(Relaxed) > 0 && self.searching.load(Relaxed) == 0 {
            self.wake_one(Hint::Queue);
        }
    }

    /// Wakes one parked worker, if there is one.
    #[cold]
    pub fn wake_one(&self, hint: Hint) {
        let worker = self.change_idle(|idle| {
            let worker = idle.pop();
            if worker.is_some() {
                // On behalf of the woken one, so that nobody else is woken for the same work.
                self.searching.fetch_add(1, SeqCst);
            }
            worker
        });
        if let Some(worker) = worker {
            let bed = &self.beds[worker];
            *bed.call.lock().unwrap_or_else(PoisonError::into_inner) = Some(hint);
            bed.called.notify_one();
            self.rouse();
        }
    }

    /// Wakes everybody; for stopping.
    pub fn wake_all(&self) {
        while self.idle_count.load(SeqCst) > 0 {
            self.wake_one(Hint::Queue);
        }
        self.alarm.ring();
    }

    /// Is there a parked worker?
    #[inline]
    pub fn any_idle(&self) -> bool {
        self.idle_count.load(Relaxed) > 0
    }

    /// Number of parked workers.
    pub fn idle(&self) -> usize {
        self.idle_count.load(SeqCst)
    }

    /// Is this worker parked?
    pub fn is_parked(&self, worker: usize) -> bool {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&worker)
    }

    /// Where the timer thread sleeps.
    pub fn alarm(&self) -> &Alarm {
        &self.alarm
    }

    /// The timer thread asks to be rung for when a worker gets up. False if one is up already.
    pub fn deep_sleep(&self) -> bool {
        self.deep.store(true, SeqCst);
        fence(SeqCst);
        let all_parked = self.idle_count.load(SeqCst) == self.beds.len();
        if !all_parked {
            self.deep.store(false, SeqCst);
        }
        all_parked
    }

    /// The timer thread is up again.
    pub fn up(&self) {
        self.deep.store(false, SeqCst);
    }

    /// Are as many workers busy as can run?
    fn all_busy(&self) -> bool {
        self.idle_count.load(Relaxed) <= self.spare
    }

    /// Sleeps while all workers are busy, or as many of them as there are processors, but not beyond `until`.
    /// For threads whose news can wait until there is somebody to deal with them. Of several threads that do so only one is woken before its time.
    pub fn stand_by(&self, until: Instant) {
        self.standing_by.fetch_add(1, SeqCst);
        fence(SeqCst);
        if self.all_busy() {
            self.relief.wait(Some(until));
        }
        self.standing_by.fetch_sub(1, SeqCst);
    }

    /// A worker has left the idle set.
    fn rouse(&self) {
        fence(SeqCst);
        if self.deep.load(Relaxed) {
            self.deep.store(false, SeqCst);
            self.alarm.ring();
        }
    }

    fn change_idle<R>(&self, change: impl FnOnce(&mut Vec<usize>) -> R) -> R {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut idle);
        self.idle_count.store(idle.len(), SeqCst);
        result
    }
}

/// Processors that this process may use; in the model as many as it has workers.
fn processors(workers: usize) -> usize {
    if cfg!(loom) {
        return workers;
    }
    std::thread::available_parallelism().map_or(workers, usize::from)
}

/// A bell that is not forgotten if nobody listens yet.
#[derive(Default)]
pub struct Alarm {
    rung: Mutex<bool>,
    bell: Condvar,
}

impl Alarm {
    /// Ends the current or the next wait.
    pub fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.bell.notify_one();
    }

    /// Sleeps until `until` (for ever if `None`) or until it rings. Returns whether it rang.
    pub fn wait(&self, until: Option<Instant>) -> bool {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        while !*rung {
            let Some(until) = until else {
                rung = self.bell.wait(rung).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            rung = self
                .bell
                .wait_timeout(rung, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        std::mem::replace(&mut *rung, false)
    }
}

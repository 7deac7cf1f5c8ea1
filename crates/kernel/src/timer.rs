//! The timer thread: fires timers, gives the scheduler its tick, and runs the endless-loop check.
//!
//! While a worker is awake it gets up every [`TICK`]; with all workers parked for [`GRACE`] it goes
//! into a deep sleep until the next deadline (see [`crate::parking`]), so an idle node causes no
//! wake-up at all. A new timer that is due before the thread means to get up rings its alarm.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::clock;
use crate::message::{Handle, Message, Payload, kind};
use crate::monitor::Monitor;
use crate::node::Node;
use crate::wheel::{TimerKey, Wheel};

/// Time between two looks at the workers.
const TICK: Duration = Duration::from_micros(2500);
/// How long all workers must have been parked before the tick stops. Long enough that a service
/// which is called every few milliseconds does not cost an extra system call each time.
const GRACE: Duration = Duration::from_millis(25);

/// Timers that are taken out of the wheel before others may use it again.
const AT_ONCE: usize = 1024;

/// When a timer is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delay {
    /// When the node's centisecond clock has advanced by so much. 0 or less: at once, by way of the
    /// own mailbox.
    Cs(i32),
    /// After so many milliseconds. 0: at once, by way of the own mailbox.
    Ms(u64),
}

#[derive(Clone, Copy)]
struct Expiry {
    handle: Handle,
    session: i32,
}

/// The timers of one node.
pub(crate) struct Timers {
    wheel: Mutex<Wheel<Expiry>>,
    /// When the thread means to get up, in wheel time. Written under the wheel's lock.
    planned: AtomicU64,
}

impl Timers {
    pub(crate) fn new() -> Timers {
        Timers {
            wheel: Mutex::default(),
            planned: AtomicU64::new(0),
        }
    }

    fn wheel(&self) -> MutexGuard<'_, Wheel<Expiry>> {
        self.wheel.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `when` in wheel time.
    pub(crate) fn add(&self, node: &Node, when: u64, handle: Handle, session: i32) -> TimerKey {
        let mut wheel = self.wheel();
        let key = wheel.insert(when, Expiry { handle, session });
        if when < self.planned.load(Relaxed) {
            // Only once for the same deadline.
            self.planned.store(when, Relaxed);
            drop(wheel);
            node.scheduler.parking().alarm().ring();
        }
        key
    }

    pub(crate) fn cancel(&self, key: TimerKey) -> bool {
        self.wheel().cancel(key).is_some()
    }
}

/// Body of the timer thread; returns when the node stops.
pub(crate) fn run(node: &Node) {
    let parking = node.scheduler.parking();
    let mut watch = node.scheduler.watch();
    let mut monitor = Monitor::new(node);
    let mut due = Vec::new();
    let mut last_tick = Instant::now();
    let mut parked_since: Option<Instant> = None;
    while !node.scheduler.stopped() {
        let elapsed = node.clock.elapsed_ms();
        loop {
            let all = node
                .timers
                .wheel()
                .advance(elapsed, AT_ONCE, |expiry| due.push(expiry));
            deliver(node, &mut due);
            if all {
                break;
            }
        }

        let now = Instant::now();
        let awake = parking.idle() < node.threads();
        let tick = if awake {
            parked_since = None;
            // Alarms make the thread get up in between; a turn counts as unchanged only after a
            // whole tick.
            if now - last_tick >= TICK {
                last_tick = now;
                node.scheduler.tick(&mut watch);
            }
            node.tick_stamp.store(clock::stamp(), Relaxed);
            monitor.check(node, now);
            // A single worker has no sibling to be woken for it, but perhaps a post that it neglects.
            let often = node.threads() > 1 || parking.has_posts();
            Some(now + if often { TICK } else { 4 * TICK })
        } else {
            monitor.rest(now);
            let parked = *parked_since.get_or_insert(now);
            if now - parked >= GRACE && parking.deep_sleep() {
                None
            } else {
                Some(now + TICK)
            }
        };

        let until = {
            let wheel = node.timers.wheel();
            let next = wheel.next().and_then(|at| node.clock.instant(at));
            let until = [next, tick].into_iter().flatten().min();
            let planned = until.map_or(u64::MAX, |until| node.clock.wheel_time(until));
            node.timers.planned.store(planned, Relaxed);
            until
        };
        parking.alarm().wait(until);
        parking.up();
    }
}

/// Sends expiries; those for the same service in a row under one lock.
fn deliver(node: &Node, due: &mut Vec<Expiry>) {
    for run in due.chunk_by(|a, b| a.handle == b.handle) {
        let messages = run.iter().map(|expiry| {
            Message::new(kind::RESPONSE, Handle::NONE, expiry.session, Payload::EMPTY)
        });
        node.push_all(run[0].handle, messages);
    }
    due.clear();
}

//! The timer thread: fires timers, gives the scheduler its tick, and runs the endless-loop check.
//!
//! While a worker is awake it gets up every [`TICK`]; with all workers parked for [`GRACE`] it goes
//! into a deep sleep until the next deadline (see [`crate::parking`]), so an idle node causes no
//! wake-up at all. A new timer that is due before the thread means to get up rings its alarm (see [`crate::timers`]).

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::clock;
use crate::expiry::Expiry;
use crate::message::{Handle, Message, Payload, kind};
use crate::monitor::Monitor;
use crate::node::Node;
use crate::reminder::Reminder;
use crate::timers::NEVER;

/// Time between two looks at the workers.
const TICK: Duration = Duration::from_micros(2500);
/// How long all workers must have been parked before the tick stops. Long enough that a service
/// which is called every few milliseconds does not cost an extra system call each time.
const GRACE: Duration = Duration::from_millis(25);

/// Timers that are taken out of the wheels before they are delivered.
const AT_ONCE: usize = 1024;

/// Body of the timer thread; returns when the node stops.
pub(crate) fn run(node: &Node) {
    let parking = node.scheduler.parking();
    let mut watch = node.scheduler.watch();
    let mut monitor = Monitor::new(node);
    let mut reminder = Reminder::new();
    let mut due = Vec::new();
    let mut last_tick = Instant::now();
    let mut parked_since: Option<Instant> = None;
    while !node.scheduler.stopped() {
        let elapsed = node.clock.elapsed_ms();
        loop {
            let all = node
                .timers
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
            reminder.check(node, now);
            let of_the_dead = |to: Handle| !to.is_none() && !node.is_alive(to);
            node.timers.sweep(|expiry| of_the_dead(expiry.handle));
            // A single worker has no sibling to be woken for it, but perhaps a post that it neglects. Without profiling
            // it learns from the tick that its turn has lasted for long.
            let often = node.threads() > 1 || parking.has_posts() || !node.profile();
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

        let next = Some(node.timers.next()).filter(|&at| at != NEVER);
        let next = next.and_then(|at| node.clock.instant(at));
        let until = [next, tick].into_iter().flatten().min();
        let planned = until.map_or(NEVER, |until| node.clock.wheel_time(until));
        if node.timers.plan(planned) {
            parking.alarm().wait(until);
        }
        parking.up();
    }
}

/// Sends expiries; those for the same service in a row under one lock.
fn deliver(node: &Node, due: &mut Vec<Expiry>) {
    for run in due.chunk_by(|a, b| a.handle == b.handle) {
        if run[0].handle.is_none() {
            run.iter().for_each(|_| node.tell_of_awaited_name());
            continue;
        }
        let messages = run.iter().map(|expiry| {
            Message::new(kind::RESPONSE, Handle::NONE, expiry.session, Payload::EMPTY)
        });
        node.push_all(run[0].handle, messages);
    }
    due.clear();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Context;
    use crate::expiry::Delay;
    use crate::service::Service;
    use crate::timers::FEW;
    use std::sync::Arc;

    struct Quiet;

    impl Service for Quiet {
        fn handle(&mut self, _cx: &Arc<Context>, _message: Message) {}
    }

    #[test]
    fn timers_go_with_their_services() {
        let node = Node::builder()
            .threads(1)
            .log_service("logger", Some("/dev/null"));
        let node = node.start().unwrap();
        node.run();
        let launch = || {
            let handle = node.launch_service("quiet", "", Box::new(Quiet)).unwrap();
            let context = node.context(handle).unwrap();
            for session in 1..=200 {
                context.timeout(session, Delay::Cs(8_640_000));
            }
            handle
        };
        let stays = launch();
        for _ in 0..10 {
            for _ in 0..100 {
                node.kill(Handle::NONE, launch());
            }
            let began = Instant::now();
            while node.timers.len() > FEW + 200 {
                assert!(
                    began.elapsed().as_secs() < 60,
                    "{} timers",
                    node.timers.len()
                );
                // An awake worker keeps the timer thread awake.
                node.reopen_log();
                std::thread::sleep(TICK);
            }
        }
        assert!(node.is_alive(stays) && node.timers.len() >= 200);
        node.shutdown();
        node.wait();
    }
}

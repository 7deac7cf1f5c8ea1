//! Whoever waits has its turn, wherever it waits: behind services that always have messages, for timers and for other
//! threads.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use common::*;
use skynet_kernel::*;

/// Messages of one turn.
const TURN: usize = 128;

/// Holds handlers until it is opened.
#[derive(Default)]
struct Barrier {
    state: Mutex<(usize, bool)>,
    changed: Condvar,
}

impl Barrier {
    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.0 += 1;
        self.changed.notify_all();
        drop(self.changed.wait_while(state, |state| !state.1).unwrap());
    }

    fn wait_for(&self, waiting: usize) {
        let state = self.state.lock().unwrap();
        drop(self.changed.wait_while(state, |state| state.0 < waiting));
    }

    fn open(&self) {
        self.state.lock().unwrap().1 = true;
        self.changed.notify_all();
    }
}

/// One service for each worker that always has messages of its own; each stands at the barrier in its first one.
/// Returns how many messages they have handled since.
fn busy_workers(node: &Arc<Node>, workers: usize, barrier: &Arc<Barrier>) -> Arc<AtomicUsize> {
    let handled = Arc::new(AtomicUsize::new(0));
    for _ in 0..workers {
        let (handled, barrier) = (handled.clone(), barrier.clone());
        let mut first = true;
        let busy = spawn(node, move |cx, _| {
            if std::mem::take(&mut first) {
                barrier.pass();
            }
            handled.fetch_add(1, Relaxed);
            let _ = cx.send(cx.handle(), kind::LUA, 0, Payload::EMPTY);
        });
        for _ in 0..2 * TURN {
            node.send(Handle::NONE, busy, kind::LUA, 0, Payload::EMPTY)
                .unwrap();
        }
    }
    handled
}

/// Services that tell, at their first message, how many `handled` was then.
fn waiting(
    node: &Arc<Node>,
    count: usize,
    handled: &Arc<AtomicUsize>,
    tell: &Sender<usize>,
) -> Vec<Handle> {
    let service = |_| {
        let (handled, tell) = (handled.clone(), tell.clone());
        spawn(node, move |_, _| {
            let _ = tell.send(handled.load(Relaxed));
        })
    };
    (0..count).map(service).collect()
}

#[test]
fn what_other_threads_send_to_is_not_behind_busy_services_for_long() {
    const WAITING: usize = 1000;
    for workers in [1, 2, 4] {
        let (node, _log) = node(workers);
        let barrier = Arc::new(Barrier::default());
        let handled = busy_workers(&node, workers, &barrier);
        let (tell, told) = channel();
        let services = waiting(&node, WAITING, &handled, &tell);
        node.run();
        barrier.wait_for(workers);
        for &service in &services {
            node.send(Handle::NONE, service, kind::LUA, 0, Payload::EMPTY)
                .unwrap();
        }
        barrier.open();
        let last = (0..WAITING).map(|_| receive(&told)).max().unwrap();
        // The only worker ends the turn that it is in, then all others have theirs. Of several workers one may be held
        // up by the system while the rest go on, which is what the room is for.
        let most = match workers {
            1 => 2 * TURN,
            _ => WAITING * TURN * 4,
        };
        assert!(last <= most, "{workers} workers: {last} messages before");
        stop(&node);
    }
}

#[test]
fn timers_are_not_behind_busy_services_for_long() {
    const WAITING: usize = 300;
    let (node, _log) = node(1);
    let barrier = Arc::new(Barrier::default());
    let handled = busy_workers(&node, 1, &barrier);
    let (tell, told) = channel();
    let services = waiting(&node, WAITING, &handled, &tell);
    for &service in &services {
        let cx = node.context(service).unwrap();
        assert!(cx.timeout(1, Delay::Ms(20)).is_some());
    }
    node.run();
    barrier.wait_for(1);
    let due = || {
        services
            .iter()
            .all(|&s| node.context(s).unwrap().mqlen() == 1)
    };
    eventually("all timers have fired", due);
    barrier.open();
    let last = (0..WAITING).map(|_| receive(&told)).max().unwrap();
    assert!(last <= 2 * TURN, "{last} messages before");
    stop(&node);
}

/// A worker with one busy service takes over from one with many, though no worker ever runs out of work.
#[test]
fn busy_workers_share_what_waits_for_one_of_them() {
    let (node, _log) = node(2);
    let barrier = Arc::new(Barrier::default());
    let worker = || std::thread::current().name().map(str::to_owned);
    let (tell, told) = channel();
    let many: Vec<_> = (0..9)
        .map(|_| {
            let tell = tell.clone();
            let mut first = true;
            spawn(&node, move |cx, _| {
                if std::mem::take(&mut first) {
                    for _ in 0..2 * TURN {
                        let _ = cx.send(cx.handle(), kind::LUA, 0, Payload::EMPTY);
                    }
                }
                let _ = cx.send(cx.handle(), kind::LUA, 0, Payload::EMPTY);
                let _ = tell.send(worker());
                std::thread::sleep(Duration::from_micros(20));
            })
        })
        .collect();
    // Both workers are held here, so that neither is idle when one of them gets all there is to do.
    let (lone_tell, lone_told) = channel();
    for mother in [true, false] {
        let (barrier, many, lone_tell) = (barrier.clone(), many.clone(), lone_tell.clone());
        let mut first = true;
        let service = spawn(&node, move |cx, _| {
            if std::mem::take(&mut first) {
                barrier.pass();
                if mother {
                    for &service in &many {
                        cx.send(service, kind::LUA, 0, Payload::EMPTY).unwrap();
                    }
                } else {
                    lone_tell.send(worker()).unwrap();
                }
            }
            if !mother {
                let _ = cx.send(cx.handle(), kind::LUA, 0, Payload::EMPTY);
            }
        });
        let messages = if mother { 1 } else { 2 * TURN };
        for _ in 0..messages {
            node.send(Handle::NONE, service, kind::LUA, 0, Payload::EMPTY)
                .unwrap();
        }
    }
    node.run();
    barrier.wait_for(2);
    barrier.open();
    let lone = receive(&lone_told);
    // Some seconds: without an exchange it would be by chance, and ten times as many.
    let moved = (0..50_000).any(|_| receive(&told) == lone);
    assert!(moved, "all stay on the other worker");
    stop(&node);
}

/// Without profiling, too, a turn of slow messages ends.
#[test]
fn a_turn_of_slow_messages_ends_without_profiling() {
    let (node, _log) = with(1, |builder| builder.profile(false));
    let handled = Arc::new(AtomicUsize::new(0));
    let counted = handled.clone();
    let slow = spawn(&node, move |_, _| {
        counted.fetch_add(1, Relaxed);
        // Long enough for many ticks, also on a machine that is busy.
        std::thread::sleep(Duration::from_millis(60));
    });
    let (tell, told) = channel();
    let neighbour = waiting(&node, 1, &handled, &tell)[0];
    for _ in 0..12 {
        node.send(Handle::NONE, slow, kind::LUA, 0, Payload::EMPTY)
            .unwrap();
    }
    node.send(Handle::NONE, neighbour, kind::LUA, 0, Payload::EMPTY)
        .unwrap();
    node.run();
    let before = receive(&told);
    assert!(
        before <= 4,
        "the neighbour waited for {before} messages of 60 ms"
    );
    stop(&node);
}

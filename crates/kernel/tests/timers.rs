//! Timers, the clock, limits of mailboxes, and the monitor.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use common::*;
use skynet_kernel::*;

#[test]
fn timers_fire_in_the_order_of_deadlines_then_of_creation() {
    let (node, _log) = node(2);
    let (service, rx) = probe(&node);
    let cx = node.context(service).unwrap();
    let begin = Instant::now();
    // Session = position that is expected. Deadlines differ by more than a test's jitter could swap, since the wheel is
    // read once per deadline, in order.
    for (session, cs) in [(5, 9), (2, 4), (6, 9), (3, 4), (7, 9), (4, 4)] {
        assert!(cx.timeout(session, Delay::Cs(cs)).is_some());
    }
    assert!(cx.timeout(0, Delay::Cs(0)).is_none());
    assert!(cx.timeout(1, Delay::Cs(-5)).is_none());
    node.run();
    for session in 0..8 {
        assert_eq!(
            receive(&rx),
            (kind::RESPONSE, Handle::NONE, session, vec![])
        );
    }
    assert!(begin.elapsed() >= Duration::from_millis(80), "not early");
    stop(&node);
}

#[test]
fn a_stall_fires_what_was_missed_in_order() {
    let (node, _log) = node(1);
    let (tx, rx) = channel();
    let service = spawn(&node, move |cx, message| match message.kind {
        kind::TEXT => {
            for session in (1..=20).rev() {
                // Far enough from one another, should this thread be held up.
                cx.timeout(session, Delay::Ms(10 * session as u64));
            }
            // The only worker is busy until all of them are overdue.
            let until = cx.node().now_cs() + 24;
            while cx.node().now_cs() < until {
                std::thread::yield_now();
            }
        }
        _ => tx.send(message.session).unwrap(),
    });
    node.run();
    tell(&node, service, "go");
    assert_eq!(
        (0..20).map(|_| receive(&rx)).collect::<Vec<_>>(),
        (1..=20).collect::<Vec<_>>()
    );
    stop(&node);
}

#[test]
fn cancelled_timers_never_arrive() {
    let (node, _log) = node(1);
    let (service, rx) = probe(&node);
    let cx = node.context(service).unwrap();
    node.run();
    let long = cx.timeout(1, Delay::Cs(1_000_000)).unwrap();
    let short = cx.timeout(2, Delay::Ms(30)).unwrap();
    let kept = cx.timeout(3, Delay::Ms(31)).unwrap();
    assert!(node.cancel_timer(long) && node.cancel_timer(short));
    assert!(!node.cancel_timer(long), "once only");
    assert_eq!(receive(&rx).2, 3);
    assert!(!node.cancel_timer(kept), "it has fired");
    stop(&node);
}

#[test]
fn timers_of_the_dead_are_forgotten() {
    let (node, _log) = node(1);
    let (dead, dead_rx) = probe(&node);
    let (alive, rx) = probe(&node);
    node.context(dead).unwrap().timeout(1, Delay::Ms(5));
    node.context(alive).unwrap().timeout(2, Delay::Ms(10));
    node.run();
    node.kill(Handle::NONE, dead);
    assert_eq!(receive(&rx).2, 2);
    assert!(dead_rx.try_recv().is_err());
    stop(&node);
}

#[test]
fn the_clock_continues_the_wall_clock() {
    let (node, _log) = node(1);
    let wall = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    let own = f64::from(node.starttime()) + node.now_cs() as f64 / 100.0;
    assert!((wall - own).abs() < 10.0, "{wall} {own}");
    let (cs, ns) = (node.now_cs(), node.hpc_ns());
    std::thread::sleep(Duration::from_millis(30));
    assert!(node.now_cs() >= cs + 2);
    assert!(node.hpc_ns() >= ns + 30_000_000);
    stop(&node);
}

/// Parked workers stay parked, and a timer still wakes the node from its deepest sleep.
#[test]
fn an_idle_node_sleeps_and_wakes_up() {
    let (node, _log) = node(2);
    let (service, rx) = probe(&node);
    node.run();
    tell(&node, service, "warm up");
    receive(&rx);
    eventually("all workers park", || {
        node.workers().iter().all(|w| w.parked)
    });
    std::thread::sleep(Duration::from_millis(150));
    let parks = || node.workers().iter().map(|w| w.parks).sum::<u64>();
    let before = parks();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(parks(), before, "nobody got up");
    let begin = Instant::now();
    node.context(service).unwrap().timeout(7, Delay::Ms(50));
    assert_eq!(receive(&rx).2, 7);
    assert!(begin.elapsed() >= Duration::from_millis(50));
    // And a message wakes a worker whose turn leaves work behind for another one.
    tell(&node, service, "again");
    receive(&rx);
    stop(&node);
}

#[test]
fn a_mailbox_may_refuse() {
    let limit = Limit {
        max: 3,
        policy: Policy::Refuse,
    };
    let (node, _log) = with(1, |builder| builder.mailbox_limit(Some(limit)));
    let (service, rx) = probe(&node);
    let send = |kind| node.send(Handle::NONE, service, kind, 1, Payload::EMPTY);
    assert_eq!(
        [send(kind::LUA), send(kind::LUA), send(kind::LUA)],
        [Ok(()); 3]
    );
    let refused = Err(SendError::Refused { limit: 3 });
    assert_eq!(
        [send(kind::LUA), send(kind::TEXT), send(kind::CLIENT)],
        [refused; 3]
    );
    // What others wait for, and what the runtime depends on, gets through.
    assert_eq!(
        [send(kind::RESPONSE), send(kind::ERROR), send(kind::SYSTEM)],
        [Ok(()); 3]
    );
    node.context(service).unwrap().timeout(1, Delay::Cs(0));
    assert_eq!(node.context(service).unwrap().mqlen(), 7);
    for i in 0..10 {
        node.log(Handle::NONE, format!("{i}").as_bytes());
    }
    // A service may set its own.
    node.context(service).unwrap().set_mailbox_limit(None);
    assert_eq!(send(kind::LUA), Ok(()));
    node.run();
    for _ in 0..8 {
        receive(&rx);
    }
    stop(&node);
}

#[test]
fn a_mailbox_may_warn_at_each_doubling() {
    let (node, log) = node(1);
    let (service, _rx) = probe(&node);
    node.context(service)
        .unwrap()
        .set_mailbox_limit(Some(Limit {
            max: 100,
            policy: Policy::Warn,
        }));
    for _ in 0..1000 {
        tell(&node, service, "x");
    }
    stop(&node);
    let lengths: Vec<String> = log
        .lines()
        .iter()
        .filter_map(|line| {
            line.strip_prefix("[:00000002] error: Mailbox over its limit, message queue length = ")
        })
        .map(str::to_owned)
        .collect();
    assert_eq!(lengths, ["101", "203", "407", "815"]);
}

#[test]
fn an_overload_is_logged_once_per_crossing() {
    let (node, log) = node(1);
    let count = Arc::new(AtomicU64::new(0));
    let service = spawn(&node, {
        let count = count.clone();
        move |_, _| {
            count.fetch_add(1, Relaxed);
        }
    });
    for _ in 0..5001 {
        tell(&node, service, "x");
    }
    node.run();
    eventually("everything is handled", || count.load(Relaxed) == 5001);
    // The threshold starts again when the queue has been empty.
    stop(&node);
    assert_eq!(log.count("error: May overload"), 1);
    log.wait_for("[:00000002] error: May overload, message queue length = 5000");
}

#[test]
fn the_oldest_message_has_an_age() {
    let (node, _log) = node(1);
    let (service, rx) = probe(&node);
    let cx = node.context(service).unwrap();
    assert_eq!(cx.oldest_ms(), 0);
    tell(&node, service, "x");
    std::thread::sleep(Duration::from_millis(60));
    tell(&node, service, "y");
    let age = cx.oldest_ms();
    assert!(age >= 55, "{age}");
    node.run();
    receive(&rx);
    receive(&rx);
    eventually("nothing waits", || cx.oldest_ms() == 0);
    stop(&node);
}

struct Loop(Gate, std::sync::mpsc::Sender<()>);

struct Stuck(std::sync::mpsc::Sender<()>);

impl Interrupt for Stuck {
    fn signal(&self, _number: i32) {}
    fn stuck(&self) {
        let _ = self.0.send(());
    }
}

impl Service for Loop {
    fn handle(&mut self, cx: &Arc<Context>, _message: Message) {
        cx.describe("the loop".into());
        self.0.pass();
    }
    fn interrupts(&self) -> Option<Arc<dyn Interrupt>> {
        Some(Arc::new(Stuck(self.1.clone())))
    }
}

#[test]
fn endless_loops_are_reported() {
    for threads in [1, 2] {
        let (node, log) = with(threads, |b| b.monitor_interval(Duration::from_millis(20)));
        let (tx, rx) = channel();
        let gate = Gate::default();
        node.add_module("loop", {
            let gate = gate.clone();
            factory(move || Loop(gate.clone(), tx.clone()))
        });
        let service = node.launch(Handle::NONE, "loop", "").unwrap();
        node.run();
        node.send(Handle(0x77), service, kind::LUA, 5, Payload::EMPTY)
            .unwrap();
        receive(&rx);
        receive(&rx);
        let cx = node.context(service).unwrap();
        assert!(cx.take_endless());
        gate.open();
        let lines = {
            log.wait_for("for");
            stop(&node);
            log.lines()
        };
        let first = lines
            .iter()
            .position(|line| line.contains("endless"))
            .unwrap();
        let expected = "[:00000000] error: A message from [ :00000077 ] to [ :00000002 ] maybe in an endless loop (version = ";
        assert!(lines[first].starts_with(expected), "{}", lines[first]);
        let second = "[:00000000] error: :00000002 (the loop) has been handling one message of type lua, session 5, for ";
        assert!(lines[first + 1].starts_with(second), "{}", lines[first + 1]);
    }
}

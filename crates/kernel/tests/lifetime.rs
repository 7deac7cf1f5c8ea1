//! Services come and go: launches that fail, exits, kills, crashes, and the end of the node.

mod common;

use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

use common::*;
use skynet_kernel::*;

/// Fails, panics, exits or succeeds in `init`, depending on its parameter.
struct Picky;

impl Service for Picky {
    fn init(&mut self, cx: &Arc<Context>, param: &str) -> Result<(), InitError> {
        match param {
            "fail" => Err(InitError::default()),
            "explain" => Err("it rains".into()),
            "panic" => panic!("at the disco"),
            "exit" => {
                cx.exit();
                Ok(())
            }
            "wait" => {
                // Long enough for others to send to it.
                let (handle, _) = (cx.handle(), cx.node());
                assert_eq!(cx.mqlen(), 0);
                cx.send(handle, kind::LUA, 5, Payload::EMPTY).unwrap();
                assert_eq!(cx.mqlen(), 1);
                Err(InitError::default())
            }
            _ => Ok(()),
        }
    }

    fn handle(&mut self, _cx: &Arc<Context>, _message: Message) {}
}

#[test]
fn launches_are_logged_and_may_fail() {
    let (node, log) = with(1, |builder| builder.module("picky", factory(|| Picky)));
    let launch = |param| node.launch(Handle::NONE, "picky", param);
    assert_eq!(launch(""), Some(Handle(2)));
    assert_eq!(launch("fail"), None);
    assert_eq!(launch("explain"), None);
    assert_eq!(launch("panic"), None);
    assert_eq!(launch("exit"), None);
    assert_eq!(launch("wait"), None);
    assert_eq!(node.launch(Handle(2), "nosuch", "x"), None);
    assert_eq!(launch("a b"), Some(Handle(8)));
    assert_eq!(node.handles(), [1, 2, 8].map(Handle));
    stop(&node);
    assert_eq!(
        log.lines(),
        [
            "[:00000002] LAUNCH picky ",
            "[:00000003] error: launch picky FAILED",
            "[:00000004] error: it rains",
            "[:00000004] error: launch picky FAILED",
            "[:00000005] error: panicked: at the disco",
            "[:00000005] error: launch picky FAILED",
            "[:00000006] KILL self",
            "[:00000007] error: launch picky FAILED",
            "[:00000002] error: launch nosuch FAILED: there is no such module",
            "[:00000008] LAUNCH picky a b",
        ]
    );
}

#[test]
fn a_service_may_launch_another_from_its_handler() {
    let (node, _log) = with(1, |builder| builder.module("picky", factory(|| Picky)));
    let (tx, rx) = channel();
    let parent = spawn(&node, move |cx, _| {
        let child = cx.node().launch(cx.handle(), "picky", "").unwrap();
        cx.send(child, kind::LUA, 1, Payload::EMPTY).unwrap();
        tx.send(child).unwrap();
    });
    node.run();
    tell(&node, parent, "go");
    let child = receive(&rx);
    eventually("the child handles its message", || {
        node.context(child).unwrap().messages() == 1
    });
    stop(&node);
}

#[test]
fn exit_ends_the_turn_and_drops_the_service_on_a_worker() {
    let (node, log) = node(2);
    let (tx, rx) = channel();
    let (sender, errors) = probe(&node);
    let gate = Gate::default();
    let service = spawn(&node, {
        let gate = gate.clone();
        let on_drop = OnDrop(Some("dropped"), tx.clone());
        move |cx, _| {
            let _ = &on_drop;
            gate.pass();
            cx.exit();
            assert!(cx.retired());
            assert_eq!(
                cx.send(cx.handle(), kind::LUA, 0, Payload::EMPTY),
                Err(SendError::NoService)
            );
        }
    });
    node.run();
    let send = |kind, session| {
        node.send(sender, service, kind, session, Payload::from("x"))
            .unwrap()
    };
    send(kind::LUA, 1);
    eventually("it runs", || {
        node.workers().iter().any(|w| w.current == service)
    });
    // These are never handled: a request, a send, an answer, a timer.
    send(kind::LUA, 7);
    send(kind::LUA, 0);
    send(kind::RESPONSE, 9);
    node.context(service).unwrap().timeout(3, Delay::Cs(0));
    gate.open();
    assert_eq!(receive(&rx), "dropped");
    let errors: Vec<_> = (0..2).map(|_| receive(&errors)).collect();
    // The session of an answer belongs to its receiver: the sender only learns that it has gone.
    let expected = [7, 0].map(|session| (kind::ERROR, service, session, vec![]));
    assert_eq!(errors, expected);
    assert_eq!(node.context(service).map(|_| ()), None);
    stop(&node);
    assert_eq!(log.count("KILL self"), 1);
}

#[test]
fn killing_an_idle_service_drops_it_at_once() {
    let (node, log) = node(2);
    let (tx, rx) = channel();
    let killer = std::thread::current().id();
    struct Victim(Sender<std::thread::ThreadId>);
    impl Service for Victim {
        fn handle(&mut self, _cx: &Arc<Context>, _message: Message) {}
    }
    impl Drop for Victim {
        fn drop(&mut self) {
            let _ = self.0.send(std::thread::current().id());
        }
    }
    node.add_module("victim", factory(move || Victim(tx.clone())));
    let victim = node.launch(Handle::NONE, "victim", "").unwrap();
    node.run();
    assert!(node.register_name("prey", victim));
    node.kill(Handle(1), victim);
    assert_eq!(node.find_name("prey"), None);
    assert_ne!(receive(&rx), killer, "dropped on a worker");
    // Killing again has no effect but the line.
    node.kill(Handle(1), victim);
    stop(&node);
    assert_eq!(log.count("[:00000001] KILL :2"), 2);
}

#[test]
fn killing_a_busy_service_waits_for_its_message_only() {
    let (node, _log) = node(2);
    let gate = Gate::default();
    let (tx, rx) = channel();
    let mut count = 0;
    let busy = spawn(&node, {
        let gate = gate.clone();
        let on_drop = OnDrop(Some(-1), tx.clone());
        move |_, _| {
            let _ = &on_drop;
            gate.pass();
            count += 1;
            tx.send(count).unwrap();
        }
    });
    let (sender, errors) = probe(&node);
    node.run();
    for session in 1..=10 {
        node.send(sender, busy, kind::LUA, session, Payload::EMPTY)
            .unwrap();
    }
    eventually("it runs", || {
        node.workers().iter().any(|w| w.current == busy)
    });
    node.kill(Handle::NONE, busy);
    assert_eq!(
        node.send(sender, busy, kind::LUA, 11, Payload::EMPTY),
        Err(SendError::NoService)
    );
    gate.open();
    assert_eq!((receive(&rx), receive(&rx)), (1, -1));
    for session in 2..=10 {
        assert_eq!(receive(&errors), (kind::ERROR, busy, session, vec![]));
    }
    stop(&node);
}

#[test]
fn the_exit_monitor_hears_of_everybody() {
    let (node, _log) = node(1);
    let (monitor, rx) = probe(&node);
    let quitter = spawn(&node, |cx, _| cx.exit());
    let crasher = spawn(&node, |_, _| panic!("oops"));
    let victim = spawn(&node, |_, _| {});
    node.set_monitor(monitor);
    assert_eq!(node.monitor(), Some(monitor));
    node.run();
    tell(&node, quitter, "go");
    assert_eq!(receive(&rx), (kind::CLIENT, quitter, 0, vec![]));
    tell(&node, crasher, "go");
    assert_eq!(receive(&rx), (kind::CLIENT, crasher, 0, vec![]));
    node.kill(Handle::NONE, victim);
    assert_eq!(receive(&rx), (kind::CLIENT, victim, 0, vec![]));
    stop(&node);
}

#[test]
fn a_panic_retires_the_service_and_answers_its_request() {
    let (node, log) = node(1);
    let (sender, errors) = probe(&node);
    let crasher = spawn(&node, |cx, message| {
        cx.describe("the crasher".into());
        if message.session == 2 {
            panic!("number {}", message.session);
        }
    });
    for session in 1..=4 {
        node.send(sender, crasher, kind::LUA, session, Payload::EMPTY)
            .unwrap();
    }
    node.run();
    for session in 2..=4 {
        assert_eq!(receive(&errors), (kind::ERROR, crasher, session, vec![]));
    }
    log.wait_for("error: the crasher panicked: number 2");
    assert_eq!(node.context(crasher).map(|_| ()), None);
    // The worker lives on.
    let (probe, rx) = probe(&node);
    tell(&node, probe, "still here?");
    receive(&rx);
    stop(&node);
}

/// Says goodbye from its destructor.
struct Polite(Arc<Mutex<Option<Arc<Context>>>>, Handle);

impl Service for Polite {
    fn init(&mut self, cx: &Arc<Context>, _param: &str) -> Result<(), InitError> {
        *self.0.lock().unwrap() = Some(cx.clone());
        Ok(())
    }
    fn handle(&mut self, _cx: &Arc<Context>, _message: Message) {}
}

impl Drop for Polite {
    fn drop(&mut self) {
        let cx = self.0.lock().unwrap().take().unwrap();
        cx.send(self.1, kind::TEXT, 0, Payload::from("goodbye"))
            .unwrap();
        cx.log("gone");
        panic!("with a bang");
    }
}

#[test]
fn destructors_may_send_log_and_even_panic() {
    let (node, log) = node(1);
    let (friend, rx) = probe(&node);
    node.add_module("polite", factory(move || Polite(Arc::default(), friend)));
    let polite = node.launch(Handle::NONE, "polite", "").unwrap();
    node.run();
    node.kill(Handle::NONE, polite);
    assert_eq!(receive(&rx), (kind::TEXT, polite, 0, b"goodbye".to_vec()));
    log.wait_for("gone");
    log.wait_for("panicked while it was dropped: with a bang");
    stop(&node);
}

/// A value that nobody receives, and that does not take it well.
struct Fragile;

impl Parcel for Fragile {}

impl Drop for Fragile {
    fn drop(&mut self) {
        panic!("in pieces");
    }
}

#[test]
fn values_that_nobody_receives_may_panic_when_they_are_dropped() {
    let (node, log) = node(1);
    let target = spawn(&node, |_, _| {});
    // The workers have not begun: they stay in the mailbox.
    for _ in 0..2 {
        node.send(
            Handle::NONE,
            target,
            kind::VALUE,
            0,
            Payload::value(Fragile),
        )
        .unwrap();
    }
    node.kill(Handle::NONE, target);
    node.run();
    let (probe, rx) = probe(&node);
    tell(&node, probe, "still here?");
    receive(&rx);
    stop(&node);
    assert_eq!(log.count("panicked while it was dropped: in pieces"), 2);
}

#[test]
fn shutdown_retires_in_order_and_drains_the_log() {
    let (node, log) = node(1);
    let (tx, rx) = channel();
    for name in ["a", "b", "c"] {
        let on_drop = OnDrop(Some(name), tx.clone());
        let quiet = spawn(&node, move |_, _| {
            let _ = &on_drop;
        });
        assert!(node.register_name(name, quiet));
    }
    drop(tx);
    for i in 0..1000 {
        node.log(Handle(9), format!("line {i}").as_bytes());
    }
    // Never run: shutting down starts the workers, which find everybody retired.
    node.shutdown();
    assert_eq!(node.launch(Handle::NONE, "harbor", ""), None, "too late");
    node.wait();
    assert_eq!(rx.iter().collect::<Vec<_>>(), ["a", "b", "c"]);
    let lines = log.lines();
    assert_eq!(lines[3..].len(), 1000);
    assert_eq!(lines[1002], "[:00000009] line 999");
    assert!(node.handles().is_empty());
}

#[test]
fn shutdown_from_a_handler_with_parked_and_busy_workers() {
    for _ in 0..50 {
        let (node, _log) = node(4);
        let busy = spawn(&node, |cx, _| {
            let _ = cx.send(cx.handle(), kind::LUA, 0, Payload::EMPTY);
        });
        let last = spawn(&node, |cx, _| {
            assert!(cx.node().command(cx, "ABORT", "").is_none());
        });
        node.run();
        tell(&node, busy, "go");
        tell(&node, last, "go");
        node.wait();
        assert!(node.handles().is_empty());
    }
}

#[test]
fn the_node_stops_when_its_last_service_has_gone() {
    let (node, _log) = node(2);
    let harbor = node.launch(Handle::NONE, "harbor", "0 4").unwrap();
    let last = spawn(&node, |cx, _| {
        cx.node().kill(cx.handle(), Handle(1));
        cx.exit();
    });
    node.run();
    tell(&node, last, "go");
    node.wait();
    assert_eq!(
        node.context(harbor).map(|_| ()),
        None,
        "the harbor service does not count"
    );
}

#[test]
fn a_node_leaves_nothing_behind() {
    // Other tests of this binary run at the same time, so threads are told apart by what they hold: the node itself.
    let weak = {
        let (node, _log) = node(3);
        let (service, rx) = probe(&node);
        node.context(service)
            .unwrap()
            .timeout(1, Delay::Cs(100_000));
        node.run();
        tell(&node, service, "x");
        receive(&rx);
        stop(&node);
        Arc::downgrade(&node)
    };
    assert!(
        weak.upgrade().is_none(),
        "a thread or a service keeps the node alive"
    );
}

#[test]
fn nodes_that_cannot_start_say_why() {
    let error = |builder: NodeBuilder| builder.start().map(|_| ()).unwrap_err().to_string();
    assert_eq!(
        error(Node::builder().threads(0)),
        "Invalid thread 0 , should be in [1,1024]"
    );
    assert_eq!(
        error(Node::builder().threads(1025)),
        "Invalid thread 1025 , should be in [1,1024]"
    );
    assert_eq!(
        error(Node::builder().log_service("nosuch", None)),
        "Can't launch nosuch service"
    );
    assert_eq!(
        error(Node::builder().log_service("logger", Some("/nonexistent/folder/log"))),
        "Can't launch logger service"
    );
}

struct Listener(Arc<AtomicI32>);

impl Service for Listener {
    fn handle(&mut self, _cx: &Arc<Context>, _message: Message) {}
    fn interrupts(&self) -> Option<Arc<dyn Interrupt>> {
        Some(Arc::new(Ear(self.0.clone())))
    }
}

struct Ear(Arc<AtomicI32>);

impl Interrupt for Ear {
    fn signal(&self, number: i32) {
        self.0.store(number, Relaxed);
    }
}

#[test]
fn signals_reach_those_who_listen() {
    let heard = Arc::new(AtomicI32::new(-1));
    let module = {
        let heard = heard.clone();
        factory(move || Listener(heard.clone()))
    };
    let (node, _log) = with(1, |builder| builder.module("listener", module));
    let listener = node.launch(Handle::NONE, "listener", "").unwrap();
    assert!(node.signal(listener, 3));
    assert_eq!(heard.load(Relaxed), 3);
    assert!(!node.signal(Handle(1), 3), "the logger does not listen");
    assert!(!node.signal(Handle(99), 3));
    stop(&node);
}

#[test]
fn whoever_sent_to_the_dead_hears_of_it_once_behind_requests_that_failed() {
    let (node, _log) = node(1);
    let (sender, heard) = probe(&node);
    let (other, other_heard) = probe(&node);
    let dead = spawn(&node, |_, _| ());
    for session in [0, 7, 0, 3, 0, 0, 9, 0] {
        node.send(sender, dead, kind::LUA, session, Payload::EMPTY)
            .unwrap();
        node.send(other, dead, kind::LUA, 0, Payload::EMPTY)
            .unwrap();
    }
    node.kill(Handle::NONE, dead);
    node.run();
    for session in [7, 3, 9, 0] {
        assert_eq!(receive(&heard), (kind::ERROR, dead, session, vec![]));
    }
    assert_eq!(receive(&other_heard), (kind::ERROR, dead, 0, vec![]));
    for (to, heard) in [(sender, &heard), (other, &other_heard)] {
        node.send(Handle::NONE, to, kind::LUA, 1, Payload::EMPTY)
            .unwrap();
        assert_eq!(receive(heard).0, kind::LUA, "nothing else has come");
    }
    stop(&node);
}

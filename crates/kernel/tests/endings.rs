//! What a service leaves behind when it ends, in whatever way: nothing.

mod common;

use std::panic::panic_any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::Relaxed};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use common::*;
use skynet_kernel::*;

/// Panics whenever it is dropped, unless that would end the process.
struct Bad;

impl Drop for Bad {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("dropped");
        }
    }
}

/// Panics in one of the functions of a service.
struct Panics(&'static str, Option<Bad>);

impl Service for Panics {
    fn init(&mut self, _cx: &Arc<Context>, _param: &str) -> Result<(), InitError> {
        if self.0 == "init" {
            panic_any(Bad);
        }
        Ok(())
    }

    fn handle(&mut self, _cx: &Arc<Context>, _message: Message) {
        if self.0 == "handle" {
            panic_any(Bad);
        }
    }

    fn turn_end(&mut self, cx: &Arc<Context>) {
        match self.0 {
            "turn_end" => panic_any(Bad),
            "drop" => cx.exit(),
            _ => {}
        }
    }

    fn report(&mut self, _stacks: bool) -> Option<Report> {
        panic_any(Bad)
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        if self.0 == "drop" && !std::thread::panicking() {
            self.1 = None;
            panic_any(Bad);
        }
    }
}

/// One worker, which has to survive all of it.
#[test]
fn what_a_panic_carries_may_panic_too() {
    let (node, log) = node(1);
    node.run();
    for at in ["init", "handle", "turn_end", "drop"] {
        let bad = (at == "drop").then(|| Bad);
        let service = node.launch_service("bad", "", Box::new(Panics(at, bad)));
        if let Some(service) = service {
            tell(&node, service, "");
            eventually("it ends", || {
                node.services().iter().all(|info| info.module != "bad")
            });
        } else {
            assert_eq!(at, "init");
        }
    }
    let idle = node.launch_service("bad", "", Box::new(Panics("report", None)));
    assert_eq!(
        node.inspect(idle.unwrap(), false, LIMIT),
        Err(InspectError::Opaque)
    );
    let (probe, rx) = probe(&node);
    tell(&node, probe, "still here?");
    receive(&rx);
    stop(&node);
    assert_eq!(log.count("panicked"), 4);
}

/// Answers, and panics when the turn is over.
struct Late;

impl Service for Late {
    fn handle(&mut self, cx: &Arc<Context>, message: Message) {
        let _ = cx.send(
            message.source,
            kind::RESPONSE,
            message.session,
            Payload::EMPTY,
        );
    }

    fn turn_end(&mut self, _cx: &Arc<Context>) {
        panic!("late");
    }
}

#[test]
fn a_request_is_not_answered_twice_when_the_end_of_the_turn_panics() {
    let (node, log) = node(1);
    let late = node.launch_service("late", "", Box::new(Late)).unwrap();
    let (probe, rx) = probe(&node);
    node.send(probe, late, kind::LUA, 7, Payload::EMPTY)
        .unwrap();
    node.run();
    assert_eq!(receive(&rx), (kind::RESPONSE, late, 7, vec![]));
    log.wait_for("panicked: late");
    eventually("it ends", || node.services().len() == 2);
    tell(&node, probe, "next");
    assert_eq!(receive(&rx).3, b"next", "nothing came in between");
    stop(&node);
}

#[test]
fn who_has_gone_cannot_be_taken_from_the_count_of_services() {
    let (node, _log) = node(1);
    node.run();
    let (probe, rx) = probe(&node);
    for _ in 0..3 {
        let service = spawn(&node, |_, _| ());
        let context = node.context(service).unwrap();
        node.kill(Handle::NONE, service);
        eventually("it goes", || node.services().len() == 2);
        context.reserve();
    }
    tell(&node, probe, "still here?");
    receive(&rx);
    // And one that says so before its end is not taken from it twice.
    let service = spawn(&node, |_, _| ());
    node.context(service).unwrap().reserve();
    node.kill(Handle::NONE, service);
    eventually("it goes", || node.services().len() == 2);
    tell(&node, probe, "still here?");
    receive(&rx);
    stop(&node);
}

#[test]
fn what_makes_messages_may_ask_about_their_receiver() {
    let (node, _log) = node(1);
    let (probe, rx) = probe(&node);
    node.run();
    for count in [1, 3] {
        let messages = (0..count).map(|n| {
            assert!(node.context(probe).is_some());
            assert!(node.push_all(probe, std::iter::once(text("first"))));
            text(&n.to_string())
        });
        assert!(node.push_all(probe, messages));
        for _ in 0..count {
            assert_eq!(receive(&rx).3, b"first");
        }
        for n in 0..count {
            assert_eq!(receive(&rx).3, n.to_string().into_bytes());
        }
    }
    stop(&node);
}

fn text(text: &str) -> Message {
    Message::new(kind::TEXT, Handle::NONE, 0, Payload::from(text))
}

#[test]
fn messages_that_a_service_keeps_count_for_the_limit_of_its_mailbox() {
    /// Keeps all messages until one of the kind SYSTEM comes.
    struct Keeps(Vec<Message>, Sender<usize>);

    impl Service for Keeps {
        fn handle(&mut self, cx: &Arc<Context>, message: Message) {
            if message.kind == kind::SYSTEM {
                self.0.clear();
            } else {
                self.0.push(message);
            }
            cx.set_kept(self.0.len());
            self.1.send(cx.mqlen()).unwrap();
        }
    }

    let (node, _log) = node(1);
    let (tx, rx) = channel();
    let keeps = node
        .launch_service("keeps", "", Box::new(Keeps(Vec::new(), tx)))
        .unwrap();
    let limit = Limit {
        max: 10,
        policy: Policy::Refuse,
    };
    node.context(keeps).unwrap().set_mailbox_limit(Some(limit));
    node.run();
    let send = |kind| node.send(Handle::NONE, keeps, kind, 0, Payload::EMPTY);
    for n in 1..=10 {
        send(kind::LUA).unwrap();
        assert_eq!(receive(&rx), n);
    }
    assert_eq!(send(kind::LUA), Err(SendError::Refused { limit: 10 }));
    send(kind::SYSTEM).unwrap();
    assert_eq!(receive(&rx), 0);
    send(kind::LUA).unwrap();
    stop(&node);
}

/// Loops until it is told to end, whatever it is told else.
struct Loops(Arc<AtomicBool>, Sender<()>);

struct Ear(Arc<AtomicBool>, AtomicI32);

impl Interrupt for Ear {
    fn signal(&self, number: i32) {
        self.1.store(number, Relaxed);
    }

    fn end(&self) {
        self.0.store(true, Relaxed);
    }

    fn report(&self, _stacks: bool, reply: Sender<Report>) {
        let _ = reply.send(Report::default());
    }
}

impl Service for Loops {
    fn handle(&mut self, _cx: &Arc<Context>, _message: Message) {
        self.1.send(()).unwrap();
        while !self.0.load(Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn interrupts(&self) -> Option<Arc<dyn Interrupt>> {
        Some(Arc::new(Ear(self.0.clone(), AtomicI32::new(0))))
    }
}

/// A node with a service in a loop.
fn looping() -> (Arc<Node>, Log, Handle) {
    let (node, log) = node(2);
    let (tx, rx) = channel();
    let loops = Loops(Arc::new(AtomicBool::new(false)), tx);
    let handle = node.launch_service("loops", "", Box::new(loops)).unwrap();
    node.run();
    tell(&node, handle, "");
    receive(&rx);
    (node, log, handle)
}

#[test]
fn who_loops_when_it_is_killed_can_be_found_until_it_has_given_up() {
    let (node, log, loops) = looping();
    let (probe, rx) = probe(&node);
    let leaving = || {
        node.services()
            .into_iter()
            .find(|info| info.handle == loops)
    };
    assert!(!leaving().unwrap().leaving);
    node.kill(Handle::NONE, loops);
    assert!(!node.is_alive(loops));
    // For a second at least.
    assert!(leaving().unwrap().leaving);
    assert!(node.signal(loops, 1));
    assert_eq!(node.inspect(loops, false, LIMIT), Ok(Report::default()));
    eventually("it has gone", || leaving().is_none());
    assert!(!node.signal(loops, 1));
    assert_eq!(
        node.inspect(loops, false, LIMIT),
        Err(InspectError::NoService)
    );
    assert_eq!(
        log.count("loops has ended and does not come back from its last message"),
        1
    );
    tell(&node, probe, "still here?");
    receive(&rx);
    stop(&node);
}

#[test]
fn a_loop_does_not_keep_a_node_from_stopping() {
    let (node, _log, _) = looping();
    node.shutdown();
    assert!(node.wait_at_most(LIMIT));
    node.wait();
}

#[test]
fn who_waits_for_the_end_waits_no_longer_than_it_wants() {
    let (node, _log) = node(1);
    let gate = Gate::default();
    let (tx, rx) = channel();
    let stuck = spawn(&node, {
        let gate = gate.clone();
        move |_, _| {
            tx.send(()).unwrap();
            gate.pass();
        }
    });
    node.run();
    tell(&node, stuck, "");
    receive(&rx);
    node.abort();
    assert!(!node.wait_at_most(Duration::from_millis(20)));
    gate.open();
    assert!(node.wait_at_most(LIMIT));
    node.wait();
}

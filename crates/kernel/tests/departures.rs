//! Who is told of the end of a service, and why it has ended.

mod common;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use common::*;
use skynet_kernel::*;

const LIMIT: Duration = Duration::from_secs(30);

/// Ends as the first byte of a message tells.
struct Mortal;

impl Service for Mortal {
    fn handle(&mut self, cx: &Arc<Context>, message: Message) {
        match message.payload() {
            b"exit" => cx.exit(),
            b"panic" => panic!("as it was told"),
            _ => {}
        }
    }
}

/// Passes on what it is told.
struct Watcher(Sender<Told>);

impl Service for Watcher {
    fn handle(&mut self, _: &Arc<Context>, message: Message) {
        assert_eq!(message.kind, kind::RESPONSE);
        let text = String::from_utf8(message.payload().to_vec()).unwrap();
        self.0
            .send((message.source, message.session, text))
            .unwrap();
    }
}

/// Who has ended, the session, and the reason.
type Told = (Handle, i32, String);

fn stage() -> (Arc<Node>, Arc<Context>, Receiver<Told>) {
    let (sender, receiver) = channel();
    let sender = Mutex::new(sender);
    let (node, _) = with(2, |builder| {
        let watcher = factory(move || Watcher(sender.lock().unwrap().clone()));
        builder
            .module("mortal", factory(|| Mortal))
            .module("watcher", watcher)
    });
    node.run();
    let watcher = node.launch(Handle::NONE, "watcher", "").unwrap();
    let context = node.context(watcher).unwrap();
    (node, context, receiver)
}

fn mortal(node: &Node) -> Handle {
    node.launch(Handle::NONE, "mortal", "").unwrap()
}

fn tell(node: &Node, to: Handle, what: &str) {
    node.send(Handle::NONE, to, kind::TEXT, 0, Payload::from(what))
        .unwrap();
}

#[test]
fn reasons() {
    let (node, watcher, told) = stage();
    let mut session = 0;
    let mut check = |end: &dyn Fn(Handle), reason: &str| {
        let target = mortal(&node);
        session += 1;
        assert!(watcher.watch(target, session));
        end(target);
        let got = told.recv_timeout(LIMIT).unwrap();
        assert_eq!(got, (target, session, reason.to_owned()));
    };
    check(&|to| tell(&node, to, "exit"), "exit");
    check(&|to| tell(&node, to, "panic"), "panic as it was told");
    check(&|to| node.kill(Handle(0x77), to), "kill :00000077");
    check(&|to| node.kill(Handle::NONE, to), "kill");
    let stuck = Departure::Stuck("three pings".into());
    check(
        &|to| node.kill_because(Handle::NONE, to, stuck.clone()),
        "stuck three pings",
    );
    // What is known before is not changed by what happens later.
    check(
        &|to| {
            let context = node.context(to).unwrap();
            context.set_departure(Departure::Memory("much".into()));
            node.kill(Handle::NONE, to);
        },
        "memory much",
    );
    let dead = mortal(&node);
    tell(&node, dead, "exit");
    while watcher.watch(dead, 99) {
        let _ = told.recv_timeout(LIMIT).unwrap();
    }
    stop(&node);
    assert!(told.try_recv().is_err(), "nobody is told twice");
}

#[test]
fn a_watch_that_is_taken_back() {
    let (node, watcher, told) = stage();
    let target = mortal(&node);
    assert!(watcher.watch(target, 1) && watcher.watch(target, 2));
    assert!(watcher.unwatch(target, 1));
    assert!(!watcher.unwatch(target, 1));
    node.kill(Handle::NONE, target);
    assert_eq!(told.recv_timeout(LIMIT).unwrap().1, 2);
    assert!(!watcher.unwatch(target, 2));
    stop(&node);
    assert!(told.try_recv().is_err());
}

#[test]
fn links_and_traps() {
    let (node, watcher, told) = stage();
    let (a, b) = (mortal(&node), mortal(&node));
    let context = node.context(a).unwrap();
    assert!(context.link(b) && context.link(b) && context.link(a));
    assert!(watcher.watch(a, 1));
    node.kill(Handle::NONE, b);
    let got = told.recv_timeout(LIMIT).unwrap();
    assert_eq!(got, (a, 1, format!(":{:08x}", b.0).replace(':', "kill :")));
    assert!(!watcher.link(a), "it is dead");

    // One that traps is told of each.
    watcher.trap(5);
    let all: Vec<Handle> = (0..10).map(|_| mortal(&node)).collect();
    for &handle in &all {
        assert!(watcher.link(handle));
    }
    for &handle in &all {
        node.kill(Handle::NONE, handle);
    }
    let mut told_of: Vec<Handle> = all
        .iter()
        .map(|_| {
            let (of, session, reason) = told.recv_timeout(LIMIT).unwrap();
            assert_eq!((session, &*reason), (5, "kill"));
            of
        })
        .collect();
    told_of.sort();
    assert_eq!(told_of, all);

    // A link that is taken back, and an exit, end nobody.
    watcher.trap(0);
    let (a, b) = (mortal(&node), mortal(&node));
    assert!(watcher.link(a) && watcher.link(b));
    watcher.unlink(a);
    assert!(watcher.watch(a, 7) && watcher.watch(b, 8));
    node.kill(Handle::NONE, a);
    tell(&node, b, "exit");
    let mut sessions = [0; 2].map(|_| told.recv_timeout(LIMIT).unwrap().1);
    sessions.sort();
    assert_eq!(sessions, [7, 8]);
    assert!(node.is_alive(watcher.handle()));
    stop(&node);
}

/// Watching, ending and taking back at the same time: told once, or not at all if the watch was taken back in time.
#[test]
fn at_the_same_time() {
    let (node, watcher, told) = stage();
    let mut expected = 0;
    for session in 1..=500 {
        let target = mortal(&node);
        let start = Barrier::new(2);
        let (watched, back) = std::thread::scope(|scope| {
            let killer = scope.spawn(|| {
                start.wait();
                node.kill(Handle::NONE, target);
            });
            start.wait();
            let watched = watcher.watch(target, session);
            let back = session % 2 == 0 && watcher.unwatch(target, session);
            killer.join().unwrap();
            (watched, back)
        });
        expected += usize::from(watched && !back);
    }
    for _ in 0..expected {
        told.recv_timeout(LIMIT).unwrap();
    }
    stop(&node);
    assert!(told.try_recv().is_err());
}

//! Messages between Rust services: delivery, order, fairness.

mod common;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use common::*;
use skynet_kernel::*;

#[test]
fn two_services_exchange_messages() {
    for threads in [1, 2, 4] {
        let (node, log) = node(threads);
        let (tx, rx) = channel();
        let pong = spawn(&node, |cx, mut message| {
            let payload = message.take_payload();
            cx.send(message.source, kind::RESPONSE, message.session, payload)
                .unwrap();
        });
        let ping = spawn(&node, move |cx, message| {
            let round = message.session;
            if round == 10_000 {
                tx.send(message.payload().to_vec()).unwrap();
                return;
            }
            let payload = Payload::from_slice(&vec![b'x'; round as usize % 40]);
            cx.send(pong, kind::LUA, round + 1, payload).unwrap();
        });
        node.run();
        node.send(Handle::NONE, ping, kind::TEXT, 0, Payload::EMPTY)
            .unwrap();
        assert_eq!(receive(&rx), vec![b'x'; 9999 % 40]);
        stop(&node);
        assert_eq!(log.count("LAUNCH"), 2);
    }
}

#[test]
fn nothing_is_dispatched_before_run() {
    let (node, _log) = node(2);
    let (probe, rx) = probe(&node);
    assert_eq!(probe, Handle(2), "the logger is 1");
    tell(&node, probe, "early");
    assert_eq!(node.context(probe).unwrap().mqlen(), 1);
    assert_eq!(node.context(probe).unwrap().messages(), 0);
    node.run();
    assert_eq!(
        receive(&rx),
        (kind::TEXT, Handle::NONE, 0, b"early".to_vec())
    );
    stop(&node);
}

#[test]
fn messages_of_one_sender_keep_their_order() {
    const EACH: i32 = 20_000;
    let (node, _log) = node(4);
    let (tx, rx) = channel();
    let mut last: HashMap<Handle, i32> = HashMap::new();
    let mut total = 0;
    let sink = spawn(&node, move |_, message| {
        let before = last.insert(message.source, message.session).unwrap_or(0);
        assert_eq!(message.session, before + 1, "from {}", message.source);
        total += 1;
        if total == 6 * EACH {
            tx.send(last.len()).unwrap();
        }
    });
    for _ in 0..4 {
        let sender = spawn(&node, move |cx, _| {
            for _ in 0..EACH {
                cx.send(sink, kind::LUA, cx.new_session(), Payload::EMPTY)
                    .unwrap();
            }
        });
        tell(&node, sender, "go");
    }
    node.run();
    let threads: Vec<_> = (1..3)
        .map(|i| {
            let node = node.clone();
            std::thread::spawn(move || {
                for session in 1..=EACH {
                    node.send(
                        Handle(0x00f0_0000 + i),
                        sink,
                        kind::LUA,
                        session,
                        Payload::EMPTY,
                    )
                    .unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(receive(&rx), 6);
    stop(&node);
}

#[test]
fn a_service_may_send_to_itself() {
    let (node, _log) = node(1);
    let (tx, rx) = channel();
    let service = spawn(&node, move |cx, message| {
        if message.session < 1000 {
            cx.send(cx.handle(), kind::LUA, message.session + 1, Payload::EMPTY)
                .unwrap();
        } else {
            assert_eq!(message.source, cx.handle());
            tx.send(cx.messages()).unwrap();
        }
    });
    node.run();
    tell(&node, service, "go");
    assert_eq!(receive(&rx), 1001);
    stop(&node);
}

#[test]
fn only_one_worker_at_a_time_runs_a_service() {
    let (node, _log) = node(4);
    let inside = Arc::new(AtomicU64::new(0));
    let (tx, rx) = channel();
    let mut count = 0;
    let service = spawn(&node, {
        let inside = inside.clone();
        move |_, _| {
            assert_eq!(inside.fetch_add(1, Relaxed), 0);
            count += 1;
            if count == 40_000 {
                tx.send(()).unwrap();
            }
            inside.fetch_sub(1, Relaxed);
        }
    });
    node.run();
    let senders: Vec<Handle> = (0..4)
        .map(|_| {
            spawn(&node, move |cx, _| {
                for _ in 0..10_000 {
                    cx.send(service, kind::LUA, 0, Payload::EMPTY).unwrap();
                }
            })
        })
        .collect();
    for sender in senders {
        tell(&node, sender, "go");
    }
    receive(&rx);
    stop(&node);
}

/// Two services that play ping-pong on one worker for ever must not keep a third one from running,
/// nor one that is started from outside.
#[test]
fn a_busy_pair_does_not_starve_others() {
    let (node, _log) = node(1);
    let bounce = |cx: &Arc<Context>, message: Message| {
        let other = Handle(message.session as u32);
        let _ = cx.send(other, kind::LUA, cx.handle().0 as i32, Payload::EMPTY);
    };
    let (a, b) = (spawn(&node, bounce), spawn(&node, bounce));
    node.run();
    node.send(a, b, kind::LUA, a.0 as i32, Payload::EMPTY)
        .unwrap();
    let (probe, rx) = probe(&node);
    for round in 0..100 {
        node.send(Handle::NONE, probe, kind::TEXT, round, Payload::EMPTY)
            .unwrap();
        assert_eq!(receive(&rx).2, round);
    }
    stop(&node);
}

/// A service with an endless supply of messages to itself gives way after its turn.
#[test]
fn a_flooded_service_gives_way() {
    let (node, _log) = node(1);
    let loop_service = spawn(&node, |cx, _| {
        let _ = cx.send(cx.handle(), kind::LUA, 0, Payload::EMPTY);
    });
    node.run();
    for _ in 0..10 {
        tell(&node, loop_service, "go");
    }
    let (probe, rx) = probe(&node);
    tell(&node, probe, "hello");
    assert_eq!(receive(&rx).3, b"hello");
    stop(&node);
}

/// A service that is made runnable by a turn which then burns the processor is taken over by
/// another worker.
#[test]
fn a_neighbour_behind_a_long_turn_is_rescued() {
    let (node, _log) = node(2);
    let (probe, rx) = probe(&node);
    let gate = Gate::default();
    let hog = spawn(&node, {
        let gate = gate.clone();
        move |cx, _| {
            // Goes into the slot of this worker, which does not come back before the probe has run.
            cx.send(probe, kind::TEXT, 0, Payload::EMPTY).unwrap();
            gate.pass();
        }
    });
    node.run();
    tell(&node, hog, "go");
    receive(&rx);
    gate.open();
    stop(&node);
}

#[test]
fn unknown_receivers_are_reported_at_once() {
    let (node, _log) = node(1);
    let send = |dest| {
        node.send(
            Handle::NONE,
            Handle(dest),
            kind::LUA,
            1,
            Payload::from("some text that is longer than inline"),
        )
    };
    for dest in [0, 2, 77, 0x00ff_ffff, 0x0100_0001] {
        assert_eq!(send(dest), Err(SendError::NoService), "{dest:x}");
    }
    assert_eq!(send(1), Ok(()));
    stop(&node);
    assert_eq!(send(1), Err(SendError::NoService));
}

#[test]
fn sessions_wrap_to_one() {
    let (node, _log) = node(1);
    let (handle, _rx) = probe(&node);
    let cx = node.context(handle).unwrap();
    assert_eq!((cx.new_session(), cx.new_session()), (1, 2));
    cx.set_session(0x7fff_fffd);
    assert_eq!(
        [cx.new_session(), cx.new_session(), cx.new_session()],
        [0x7fff_fffe, 0x7fff_ffff, 1]
    );
    stop(&node);
}

/// Notes what leaves the node.
#[derive(Default)]
struct Away(Mutex<Vec<(String, Handle, u8, i32)>>);

impl Network for Away {
    fn send(&self, _node: &Node, to: Destination<'_>, message: Message) -> Result<(), SendError> {
        if message.kind == kind::SYSTEM {
            return Err(SendError::NoService);
        }
        let to = match to {
            Destination::Handle(handle) => handle.to_string(),
            Destination::Name(name) => name.to_owned(),
        };
        let note = (to, message.source, message.kind, message.session);
        self.0.lock().unwrap().push(note);
        Ok(())
    }

    fn backlog(&self, _name: &str) -> Option<GlobalBacklog> {
        None
    }
}

#[test]
fn messages_for_other_nodes_go_to_the_network() {
    let away = Arc::new(Away::default());
    let network = Arc::clone(&away);
    let (node, _log) = with(1, |builder| builder.harbor(2).network(network));
    let (handle, rx) = probe(&node);
    let remote = Handle(0x0300_0010);
    let send = |to, kind, session| node.send(handle, to, kind, session, Payload::from("x"));
    send(remote, kind::LUA, 1).unwrap();
    assert_eq!(send(remote, kind::SYSTEM, 1), Err(SendError::NoService));
    // Those of this node, and of no node, are nobody's.
    for nobody in [0x0200_0777, 0x10, 0] {
        assert_eq!(
            send(Handle(nobody), kind::LUA, 1),
            Err(SendError::NoService)
        );
    }
    struct Value;
    impl Parcel for Value {}
    assert_eq!(
        node.send_global(handle, "STORE", kind::VALUE, 2, Payload::value(Value)),
        Err(SendError::NoService),
        "it would arrive without the value"
    );
    node.send_global(handle, "STORE", kind::LUA, 2, Payload::EMPTY)
        .unwrap();
    // A request of another node that is never handled: the error goes there.
    node.send(remote, handle, kind::LUA, 5, Payload::EMPTY)
        .unwrap();
    node.kill(Handle::NONE, handle);
    node.run();
    let expected = [
        (":03000010", handle, kind::LUA, 1),
        ("STORE", handle, kind::LUA, 2),
        (":03000010", handle, kind::ERROR, 5),
    ];
    stop(&node);
    drop(rx);
    let notes = away.0.lock().unwrap();
    let notes: Vec<_> = notes
        .iter()
        .map(|(to, source, kind, session)| (to.as_str(), *source, *kind, *session))
        .collect();
    assert_eq!(notes, expected);
}

#[test]
fn several_nodes_live_in_one_process() {
    let nodes: Vec<_> = (0..3)
        .map(|harbor| with(2, |builder| builder.harbor(harbor)))
        .collect();
    let probes: Vec<_> = nodes.iter().map(|(node, _)| probe(node)).collect();
    for (harbor, ((node, _), (handle, rx))) in nodes.iter().zip(&probes).enumerate() {
        node.run();
        assert_eq!(*handle, Handle((harbor as u32) << 24 | 2));
        assert!(node.setenv("who", &harbor.to_string()).is_ok());
        tell(node, *handle, &harbor.to_string());
        assert_eq!(receive(rx).3, harbor.to_string().as_bytes());
    }
    // A service may act on another node than its own.
    let (other, (target, rx)) = (nodes[1].0.clone(), &probes[1]);
    let target = *target;
    let bridge = spawn(&nodes[0].0, move |_, message| {
        other
            .send(
                message.source,
                target,
                kind::TEXT,
                0,
                Payload::from("across"),
            )
            .unwrap();
    });
    tell(&nodes[0].0, bridge, "go");
    assert_eq!(receive(rx).3, b"across");
    for (node, _) in &nodes {
        stop(node);
    }
    assert_eq!(
        nodes
            .iter()
            .map(|(node, _)| node.getenv("who").unwrap())
            .collect::<Vec<_>>(),
        ["0", "1", "2"]
    );
}

/// A service with slow handlers gives way after each of them, to its neighbours and to what comes
/// from outside.
#[test]
fn slow_handlers_do_not_make_a_long_turn() {
    for profile in [true, false] {
        let (node, _log) = with(1, |builder| builder.profile(profile));
        let (tx, rx) = channel();
        let count = Arc::new(AtomicU64::new(0));
        let [inside, outside] = [0, 1].map(|_| {
            let (tx, count) = (tx.clone(), count.clone());
            spawn(&node, move |_, _| tx.send(count.load(Relaxed)).unwrap())
        });
        let slow = spawn(&node, {
            let count = count.clone();
            move |cx, _| {
                if count.fetch_add(1, Relaxed) == 0 {
                    cx.send(inside, kind::TEXT, 0, Payload::EMPTY).unwrap();
                    let node = cx.node().clone();
                    let stranger = std::thread::spawn(move || tell(&node, outside, "hello"));
                    stranger.join().unwrap();
                }
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        });
        for _ in 0..100 {
            tell(&node, slow, "x");
        }
        node.run();
        // Without profiling the clock is read for every sixteenth message only.
        let most = if profile { 2 } else { 40 };
        for _ in 0..2 {
            let handled = receive(&rx);
            assert!(handled <= most, "{handled} slow messages first");
        }
        stop(&node);
    }
}

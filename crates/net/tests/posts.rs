//! Sockets are served by idle workers: what happens when there are none, or when they go off for long.

mod common;

use std::io::Write;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use common::*;
use skynet_kernel::*;
use skynet_net::*;

use EventKind::*;

/// A service that, with each message, says so and stays in its handler until it is told to go on.
struct Stuck {
    entered: Sender<()>,
    go_on: Receiver<()>,
}

impl Service for Stuck {
    fn handle(&mut self, _: &Arc<Context>, _: Message) {
        let _ = self.entered.send(());
        let _ = self.go_on.recv_timeout(LIMIT);
    }
}

/// The test's end of it.
struct Keeper {
    handle: Handle,
    entered: Receiver<()>,
    go_on: Sender<()>,
}

impl Keeper {
    fn new(world: &World) -> Keeper {
        let (entered, has_entered) = channel();
        let (go_on, may_go_on) = channel();
        let ends = Mutex::new(Some((entered, may_go_on)));
        world.node.add_module(
            "stuck",
            factory(move || {
                let (entered, go_on) = ends.lock().unwrap().take().expect("launched once");
                Stuck { entered, go_on }
            }),
        );
        Keeper {
            handle: world.node.launch(Handle::NONE, "stuck", "").unwrap(),
            entered: has_entered,
            go_on,
        }
    }

    fn wait(&self) {
        self.entered.recv_timeout(LIMIT).expect("it gets a message");
    }

    /// Occupies a worker until the result is used.
    fn occupy(&self, world: &World) {
        let text = Payload::from("work");
        (world.node)
            .send(Handle::NONE, self.handle, kind::TEXT, 0, text)
            .unwrap();
        self.wait();
    }

    fn release(&self) {
        self.go_on.send(()).unwrap();
    }
}

#[test]
fn with_all_workers_busy_output_goes_on() {
    const SIZE: usize = 16 << 20;
    for reactors in [1, 3] {
        let world = World::with(NetOptions {
            reactors,
            ..NetOptions::default()
        });
        let probe = world.probe();
        let (id, mut peer) = world.connection(&probe);
        let keepers = [Keeper::new(&world), Keeper::new(&world)];
        for keeper in &keepers {
            keeper.occupy(&world);
        }
        let sent = pattern(SIZE);
        assert!(world.net.send_slice(id, &sent));
        assert!(world.net.pending(id).unwrap() > 0);
        // Twice, so that it is not only one look.
        assert!(read_exactly(&mut peer, SIZE) == sent);
        assert!(world.net.send_slice(id, &sent));
        assert!(read_exactly(&mut peer, SIZE) == sent);
        write(&mut peer, b"and input waits");
        for keeper in &keepers {
            keeper.release();
        }
        assert_eq!(probe.expect_data(id, 15), b"and input waits");
    }
}

/// The worker that sees to the sockets runs what comes itself. When it gets stuck in that, another one sees to them.
#[test]
fn a_handler_that_takes_long_does_not_keep_others_waiting() {
    let world = World::new();
    let probe = world.probe();
    let keeper = Keeper::new(&world);
    let (stuck, mut first) = world.connection(&probe);
    let (id, mut second) = world.connection(&probe);
    world.net.start(keeper.handle, stuck);
    // The event that it belongs to another service now.
    keeper.wait();
    for round in 0..20 {
        write(&mut second, &[round; 100]);
        assert_eq!(probe.expect_data(id, 100), [round; 100]);
        if round % 4 == 3 {
            keeper.release();
            // One of them is at the sockets then, and the other one parked.
            eventually("workers go idle", || {
                world.node.workers().iter().all(|worker| worker.parked)
            });
            write(&mut first, b"x");
            keeper.wait();
        }
    }
    keeper.release();
}

#[test]
fn an_engine_can_be_stopped_while_workers_wait_in_it() {
    let world = World::new();
    let probe = world.probe();
    for _ in 0..50 {
        let net = Net::new(&world.node, NetOptions::default()).unwrap();
        let id = net.listen(probe.handle, "127.0.0.1", 0, 1).unwrap();
        probe.expect(Connect, id);
        net.stop();
        assert_eq!(net.count(), 0);
    }
    // The first one goes on.
    let (id, mut peer) = world.connection(&probe);
    write(&mut peer, b"hello");
    assert_eq!(probe.expect_data(id, 5), b"hello");
}

#[test]
fn output_goes_on_after_the_end_of_the_node() {
    const SIZE: usize = 16 << 20;
    let world = World::new();
    let probe = world.probe();
    let (id, mut peer) = world.connection(&probe);
    let sent = pattern(SIZE);
    assert!(world.net.send_slice(id, &sent));
    world.net.close(id);
    world.node.shutdown();
    world.node.wait();
    assert!(read_all(&mut peer) == sent);
}

/// One worker, which is at the sockets when other work comes, and the other way round.
#[test]
fn a_single_worker_sees_work_and_sockets() {
    let log = Log::default();
    let node = Node::builder()
        .threads(1)
        .module("log", factory(Quiet::default))
        .log_service("log", None)
        .start()
        .unwrap();
    node.run();
    let net = Net::new(&node, NetOptions::default()).unwrap();
    let world = World { node, net, log };
    let probe = world.probe();
    let (id, mut peer) = world.connection(&probe);
    for round in 0..200_u8 {
        peer.write_all(&[round]).unwrap();
        assert_eq!(probe.expect_data(id, 1), [round]);
        world.settle(&probe);
    }
}

#[derive(Default)]
struct Quiet;

impl Service for Quiet {
    fn handle(&mut self, _: &Arc<Context>, _: Message) {}
}

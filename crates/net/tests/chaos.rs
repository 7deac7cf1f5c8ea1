//! Everything at once: several threads connect, send, pause, hand over, close and shut down, without
//! any order. Whatever happens, each connection has exactly one end, and nothing is left.

mod common;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use common::*;
use skynet_kernel::{Handle, Payload};
use skynet_net::*;

use EventKind::*;

const THREADS: u64 = 3;
const STEPS: usize = 4_000;

/// Numbers that look random (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }
}

#[derive(Default, Debug)]
struct Life {
    events: Vec<(EventKind, String)>,
    closed: usize,
}

#[derive(Default)]
struct Lives(Mutex<HashMap<SocketId, Life>>);

impl Lives {
    fn ids(&self) -> Vec<SocketId> {
        self.0.lock().unwrap().keys().copied().collect()
    }

    fn born(&self, id: SocketId) {
        self.0.lock().unwrap().entry(id).or_default();
    }

    fn note(&self, event: &Event) {
        let mut lives = self.0.lock().unwrap();
        let life = lives.entry(event.id).or_default();
        match event.kind {
            Data => assert_eq!(life.closed, 0, "data after the end: {event:?} {life:?}"),
            Warning => {}
            Close => {
                life.closed += 1;
                life.events.push((Close, String::new()));
                assert_eq!(life.closed, 1, "{event:?} {life:?}");
            }
            kind => life.events.push((kind, event.text())),
        }
    }
}

fn play(world: &World, owner: Handle, port: u16, lives: &Lives, seed: u64) {
    let mut random = Random(seed);
    for step in 0..STEPS {
        let ids = lives.ids();
        if ids.is_empty() || random.below(8) == 0 {
            lives.born(world.net.connect(owner, "127.0.0.1", port).unwrap());
            continue;
        }
        let id = ids[random.below(ids.len())];
        match random.below(12) {
            0..4 => drop(
                world
                    .net
                    .send(id, Payload::from(vec![1; random.below(4096)])),
            ),
            4..6 => drop(
                world
                    .net
                    .lsend(id, Payload::from(vec![2; random.below(400_000)])),
            ),
            6 => world.net.pause(id),
            7..9 => world.net.start(owner, id),
            9 => world.net.nodelay(id),
            10 => world.net.close(id),
            _ if step % 4 == 0 => world.net.shutdown(id),
            _ => drop(world.net.info()),
        }
    }
}

#[test]
fn each_connection_has_one_end() {
    for reactors in [1, 3] {
        let world = Arc::new(World::with(NetOptions {
            reactors,
            max_pending: Some(8 << 20),
            max_pending_total: Some(64 << 20),
            ..NetOptions::default()
        }));
        // One owner for all, so that the events of a socket are seen in their order.
        let probe = world.probe();
        let owner = probe.handle;
        let (listener, address) = world.listener(&probe);
        let (lives, playing) = (
            Arc::new(Lives::default()),
            AtomicUsize::new(THREADS as usize),
        );
        std::thread::scope(|scope| {
            for seed in 1..=THREADS {
                let (world, lives, playing) = (&world, &lives, &playing);
                scope.spawn(move || {
                    play(world, owner, address.port(), lives, seed);
                    playing.fetch_sub(1, Relaxed);
                });
            }
            let mut ending = false;
            while !ending || world.net.count() > 1 {
                let Some(event) = probe.poll() else {
                    if playing.load(Relaxed) == 0 {
                        ending = true;
                        for id in lives.ids() {
                            world.net.shutdown(id);
                        }
                    }
                    continue;
                };
                match event.kind {
                    Accept => lives.born(event.ud),
                    _ => lives.note(&event),
                }
            }
        });
        world.net.shutdown(listener);
        loop {
            let event = probe.next();
            lives.note(&event);
            if event.id == listener {
                break;
            }
        }
        eventually("nothing is left", || world.net.count() == 0);
        while let Some(event) = probe.poll() {
            lives.note(&event);
        }
        for (id, life) in lives.0.lock().unwrap().iter() {
            // One that never came to be ends with an ERROR and nothing else.
            let failed = life.events.len() == 1 && life.events[0].0 == Error;
            assert!(life.closed == 1 || failed, "{id} {life:?}");
        }
    }
}

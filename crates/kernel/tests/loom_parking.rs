//! Model of parking: a worker that goes to sleep against somebody who adds work, and the timer
//! thread's deep sleep against a worker that gets up.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p skynet-kernel --release --test loom_parking`
#![cfg(loom)]

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread;
use skynet_kernel::internals::Parking;
use std::time::{Duration, Instant};

struct World {
    parking: Parking,
    work: AtomicUsize,
}

impl World {
    fn new(workers: usize) -> Arc<World> {
        Arc::new(World {
            parking: Parking::new(workers),
            work: AtomicUsize::new(0),
        })
    }

    fn take(&self) -> bool {
        let mut work = self.work.load(Relaxed);
        while work > 0 {
            match self.work.compare_exchange(work, work - 1, Relaxed, Relaxed) {
                Ok(_) => return true,
                Err(now) => work = now,
            }
        }
        false
    }

    /// Sleeps until a piece of work has been taken.
    fn worker(&self, index: usize) {
        self.parking.search();
        while !self.take() {
            self.parking.park(index, || self.work.load(Relaxed) > 0);
        }
        self.parking.found(|| self.work.load(Relaxed) > 0);
    }

    fn add(&self) {
        self.work.fetch_add(1, Relaxed);
        self.parking.notify();
    }
}

/// Explores everything with at most so many preemptions; the bound keeps the number of interleavings
/// within reason, and bugs of this kind need very few.
fn model(preemptions: usize, body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(body);
}

#[test]
fn a_worker_does_not_sleep_through_work() {
    model(3, || {
        let world = World::new(1);
        let worker = thread::spawn({
            let world = world.clone();
            move || {
                world.worker(0);
                world.worker(0);
            }
        });
        world.add();
        world.add();
        worker.join().unwrap();
    });
}

/// Nobody is woken for the second piece while a searcher is about; it must be passed on.
#[test]
fn two_pieces_of_work_get_two_workers() {
    model(2, || {
        let world = World::new(2);
        let workers: Vec<_> = (0..2)
            .map(|index| {
                let world = world.clone();
                thread::spawn(move || world.worker(index))
            })
            .collect();
        world.add();
        world.add();
        for worker in workers {
            worker.join().unwrap();
        }
    });
}

#[test]
fn the_timer_thread_is_rung_for_when_a_worker_gets_up() {
    model(3, || {
        let world = World::new(1);
        let worker = thread::spawn({
            let world = world.clone();
            move || world.worker(0)
        });
        let timer = thread::spawn({
            let world = world.clone();
            move || {
                // In a deep sleep it relies on being rung for; if the worker is up, it need not be.
                if world.parking.deep_sleep() {
                    world.parking.alarm().wait(None);
                }
                world.parking.up();
            }
        });
        world.add();
        worker.join().unwrap();
        timer.join().unwrap();
    });
}

#[test]
fn who_stands_by_is_relieved_by_a_worker_that_goes_idle() {
    model(3, || {
        let world = World::new(1);
        let worker = {
            let world = world.clone();
            thread::spawn(move || world.worker(0))
        };
        // Time does not pass in the model: without relief this would never end.
        let never = Instant::now() + Duration::from_secs(1);
        world.parking.stand_by(never);
        world.add();
        worker.join().unwrap();
    });
}

//! Model of parking: a worker that goes to sleep, parked or at a post, against somebody who adds work or news from
//! outside; the timer thread's deep sleep against a worker that gets up; and a stand-in that leaves its post.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p skynet-kernel --release --test loom_parking`
#![cfg(loom)]

use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use skynet_kernel::internals::{Parking, Post};
use skynet_kernel::{Poller, Wait};
use std::time::{Duration, Instant};

struct World {
    parking: Parking,
    work: Arc<AtomicUsize>,
}

/// A poller whose news are pieces of work.
struct Outside {
    state: Mutex<(usize, bool)>,
    changed: Condvar,
    work: Arc<AtomicUsize>,
}

impl Outside {
    fn happen(&self) {
        self.state.lock().unwrap().0 += 1;
        self.changed.notify_one();
    }
}

#[derive(Clone)]
struct Door(Arc<Outside>);

impl Poller for Door {
    fn wait(&self, wait: Wait) -> bool {
        let mut state = self.0.state.lock().unwrap();
        while wait != Wait::Glance && *state == (0, false) {
            state = self.0.changed.wait(state).unwrap();
        }
        state.1 = false;
        state.0 > 0
    }

    fn deal(&self) -> bool {
        let news = std::mem::take(&mut self.0.state.lock().unwrap().0);
        self.0.work.fetch_add(news, Relaxed);
        false
    }

    fn interrupt(&self) {
        self.0.state.lock().unwrap().1 = true;
        self.0.changed.notify_one();
    }
}

impl World {
    fn new(workers: usize) -> Arc<World> {
        Arc::new(World {
            parking: Parking::new(workers),
            work: Arc::new(AtomicUsize::new(0)),
        })
    }

    /// A post that is attached.
    fn outside(&self) -> (Arc<Outside>, std::sync::Arc<Post>) {
        let outside = Arc::new(Outside {
            state: Mutex::new((0, false)),
            changed: Condvar::new(),
            work: self.work.clone(),
        });
        let post = std::sync::Arc::new(Post::new(Box::new(Door(outside.clone()))));
        assert!(self.parking.attach(&post));
        (outside, post)
    }

    fn spawn(world: &Arc<World>, index: usize, pieces: usize) -> thread::JoinHandle<()> {
        let world = world.clone();
        thread::spawn(move || (0..pieces).for_each(|_| world.worker(index)))
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
            self.parking
                .park(index, || self.work.load(Relaxed) > 0, || ());
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
        // Time does not pass in the model: without takeover this would never end.
        let never = Instant::now() + Duration::from_secs(1);
        world.parking.stand_by(never);
        world.add();
        worker.join().unwrap();
    });
}

#[test]
fn a_worker_at_a_post_sees_work_and_news() {
    model(3, || {
        let world = World::new(1);
        let (outside, _post) = world.outside();
        let worker = World::spawn(&world, 0, 2);
        outside.happen();
        world.add();
        worker.join().unwrap();
    });
}

/// One of them may be at the post and the other one parked, or on the way to either. If one goes off from the post for
/// good, it is the timer thread's tick that sends the other one there.
#[test]
fn two_workers_share_work_and_news() {
    model(2, || {
        let world = World::new(2);
        let (outside, _post) = world.outside();
        let left = Arc::new(AtomicUsize::new(2));
        let workers = [0, 1].map(|index| {
            let (world, left) = (world.clone(), left.clone());
            thread::spawn(move || {
                world.worker(index);
                left.fetch_sub(1, Relaxed);
            })
        });
        world.add();
        outside.happen();
        while left.load(Relaxed) > 0 {
            world.parking.inspect_posts();
            thread::yield_now();
        }
        for worker in workers {
            worker.join().unwrap();
        }
    });
}

#[test]
fn a_post_is_found_by_workers_that_sleep_already() {
    model(2, || {
        let world = World::new(1);
        let worker = World::spawn(&world, 0, 1);
        let (outside, _post) = world.outside();
        outside.happen();
        worker.join().unwrap();
    });
}

#[test]
fn a_worker_leaves_a_post_that_is_closed() {
    model(2, || {
        let world = World::new(1);
        let (_outside, post) = world.outside();
        let worker = World::spawn(&world, 0, 1);
        post.shut(|post| world.parking.detach(post));
        world.add();
        worker.join().unwrap();
    });
}

/// What happens after the stand-in has gone, or while it goes, is seen by a worker.
#[test]
fn a_stand_in_hands_its_post_over() {
    model(2, || {
        let world = World::new(1);
        let (outside, post) = world.outside();
        let over = Arc::new(AtomicUsize::new(0));
        let stand_in = {
            let (world, post, over) = (world.clone(), post.clone(), over.clone());
            thread::spawn(move || {
                while over.load(Relaxed) == 0 && post.take() {
                    if post.poller().wait(Wait::Sleep) {
                        post.poller().deal();
                        world.parking.notify();
                    }
                    post.leave();
                    if world.parking.relieve() {
                        break;
                    }
                }
            })
        };
        let worker = World::spawn(&world, 0, 2);
        outside.happen();
        outside.happen();
        worker.join().unwrap();
        // For a stand-in that still waits.
        over.store(1, Relaxed);
        outside.happen();
        stand_in.join().unwrap();
    });
}

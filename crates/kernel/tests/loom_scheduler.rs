//! Model of the scheduler: run queues, next slots, and parking. A lost wake-up shows as a deadlock of the model; a task
//! that runs twice or never, as a failed assertion. A slot that is robbed while its owner takes it may give the same
//! task to both: as a mailbox does, a job gives the turn to the first who asks.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p skynet-kernel --release --test loom_scheduler`
#![cfg(loom)]

use std::ptr::NonNull;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering::AcqRel, Ordering::Acquire};
use loom::thread;
use skynet_kernel::internals::{Runner, Scheduler};

/// A runnable that counts its turns. When it runs it may make another one runnable.
struct Job {
    /// Made runnable, and not begun.
    scheduled: AtomicBool,
    turns: AtomicUsize,
    then: Option<usize>,
}

struct World {
    scheduler: Scheduler<Job>,
    jobs: Vec<Job>,
    left: AtomicUsize,
}

impl World {
    /// `then[i]`: the job that job i makes runnable. `turns`: how many turns there will be in total.
    fn new(workers: usize, then: &[Option<usize>], turns: usize) -> (Arc<World>, Vec<Runner<Job>>) {
        let (scheduler, runners) = Scheduler::new(workers);
        let jobs = then
            .iter()
            .map(|&then| Job {
                scheduled: AtomicBool::new(false),
                turns: AtomicUsize::new(0),
                then,
            })
            .collect();
        (
            Arc::new(World {
                scheduler,
                jobs,
                left: AtomicUsize::new(turns),
            }),
            runners,
        )
    }

    /// A job that is about to be put into a queue.
    fn job(&self, index: usize) -> NonNull<Job> {
        let job = &self.jobs[index];
        assert!(!job.scheduled.swap(true, AcqRel), "scheduled twice");
        NonNull::from(job)
    }

    /// A worker: runs jobs until the scheduler stops; stops it after the last turn.
    fn work(&self, runner: Runner<Job>) {
        while let Some(job) = self.scheduler.next(&runner, || ()) {
            // SAFETY: jobs live as long as the world.
            let job = unsafe { job.as_ref() };
            if !job.scheduled.swap(false, AcqRel) {
                continue;
            }
            job.turns.fetch_add(1, AcqRel);
            if self.left.fetch_sub(1, AcqRel) == 1 {
                self.scheduler.stop();
            } else if let Some(then) = job.then {
                self.scheduler.schedule(&runner, self.job(then));
            }
        }
    }

    fn turns(&self) -> Vec<usize> {
        self.jobs
            .iter()
            .map(|job| job.turns.load(Acquire))
            .collect()
    }
}

fn model(bound: usize, body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(bound);
    builder.check(body);
}

#[test]
fn a_submission_wakes_a_single_worker() {
    model(3, || {
        let (world, runners) = World::new(1, &[None, None], 2);
        let workers: Vec<_> = runners
            .into_iter()
            .map(|runner| {
                let world = world.clone();
                thread::spawn(move || world.work(runner))
            })
            .collect();
        world.scheduler.submit(world.job(0));
        world.scheduler.submit(world.job(1));
        for worker in workers {
            worker.join().unwrap();
        }
        assert_eq!(world.turns(), [1, 1]);
    });
}

#[test]
fn two_workers_share_submissions_and_stop() {
    model(2, || {
        let (world, runners) = World::new(2, &[None, None], 2);
        let workers: Vec<_> = runners
            .into_iter()
            .map(|runner| {
                let world = world.clone();
                thread::spawn(move || world.work(runner))
            })
            .collect();
        world.scheduler.submit(world.job(0));
        world.scheduler.submit(world.job(1));
        for worker in workers {
            worker.join().unwrap();
        }
        assert_eq!(world.turns(), [1, 1]);
    });
}

/// A job that makes two others runnable fills the slot and the deque; the sibling may take either.
#[test]
fn what_a_turn_makes_runnable_is_run_once() {
    model(2, || {
        let (world, runners) = World::new(2, &[None, None, None], 3);
        let mut runners = runners.into_iter();
        let (first, second) = (runners.next().unwrap(), runners.next().unwrap());
        let sibling = thread::spawn({
            let world = world.clone();
            move || world.work(second)
        });
        // As if in a turn of the first worker.
        for job in 0..3 {
            world.scheduler.schedule(&first, world.job(job));
        }
        world.work(first);
        sibling.join().unwrap();
        assert_eq!(world.turns(), [1, 1, 1]);
    });
}

/// A worker with a deque of its own moves what other threads submit to it, while a sibling looks for work, and the
/// timer thread evens out.
#[test]
fn what_is_submitted_is_run_once_whoever_moves_it() {
    model(2, || {
        let (world, runners) = World::new(2, &[None, None, None], 3);
        let mut runners = runners.into_iter();
        let (first, second) = (runners.next().unwrap(), runners.next().unwrap());
        // As if in a turn of the first worker: one in the slot, one in the deque.
        for job in 0..2 {
            world.scheduler.schedule(&first, world.job(job));
        }
        let sibling = thread::spawn({
            let world = world.clone();
            move || world.work(second)
        });
        let outside = thread::spawn({
            let world = world.clone();
            move || {
                world.scheduler.submit(world.job(2));
                world.scheduler.tick(&mut world.scheduler.watch());
            }
        });
        world.work(first);
        sibling.join().unwrap();
        outside.join().unwrap();
        assert_eq!(world.turns(), [1, 1, 1]);
    });
}

/// The timer thread's tick invites a sibling to rob the slot of a worker that does not come back.
#[test]
fn the_slot_of_a_stuck_worker_is_robbed() {
    model(2, || {
        let (world, runners) = World::new(2, &[None], 1);
        let mut runners = runners.into_iter();
        let (stuck, sibling) = (runners.next().unwrap(), runners.next().unwrap());
        world.scheduler.schedule(&stuck, world.job(0));
        let sibling = thread::spawn({
            let world = world.clone();
            move || world.work(sibling)
        });
        let mut watch = world.scheduler.watch();
        world.scheduler.tick(&mut watch);
        while !world.scheduler.stopped() {
            world.scheduler.tick(&mut watch);
            thread::yield_now();
        }
        sibling.join().unwrap();
        assert_eq!(world.turns(), [1]);
    });
}

/// A worker robs a slot at the moment when its owner takes or replaces the content.
#[test]
fn robbing_a_slot_races_with_its_owner() {
    model(3, || {
        let (world, runners) = World::new(2, &[Some(1), None], 2);
        let mut runners = runners.into_iter();
        let (owner, robber) = (runners.next().unwrap(), runners.next().unwrap());
        let robber = thread::spawn({
            let world = world.clone();
            move || world.work(robber)
        });
        let ticker = thread::spawn({
            let world = world.clone();
            move || {
                let mut watch = world.scheduler.watch();
                world.scheduler.tick(&mut watch);
                world.scheduler.tick(&mut watch);
            }
        });
        world.scheduler.schedule(&owner, world.job(0));
        world.work(owner);
        robber.join().unwrap();
        ticker.join().unwrap();
        assert_eq!(world.turns(), [1, 1]);
    });
}

/// The same with jobs that become runnable again at once: the late one of the two may get a turn that another queue was
/// to give, and then that queue gives nothing.
#[test]
fn a_robbed_job_that_comes_back_runs_as_often_as_it_was_scheduled() {
    model(3, || {
        let (world, runners) = World::new(2, &[Some(1), Some(0)], 4);
        let mut runners = runners.into_iter();
        let (owner, robber) = (runners.next().unwrap(), runners.next().unwrap());
        let robber = thread::spawn({
            let world = world.clone();
            move || world.work(robber)
        });
        let ticker = thread::spawn({
            let world = world.clone();
            move || {
                let mut watch = world.scheduler.watch();
                world.scheduler.tick(&mut watch);
                world.scheduler.tick(&mut watch);
            }
        });
        world.scheduler.schedule(&owner, world.job(0));
        world.work(owner);
        robber.join().unwrap();
        ticker.join().unwrap();
        assert_eq!(world.turns(), [2, 2]);
    });
}

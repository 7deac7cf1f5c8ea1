//! Model of the timers: the thread that goes to sleep against those who add timers that are earlier than it means to
//! get up. A timer that is slept through shows as a deadlock of the model.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p skynet-kernel --release --test loom_timers`
#![cfg(loom)]

use loom::sync::atomic::{AtomicUsize, Ordering::AcqRel, Ordering::Acquire};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use skynet_kernel::internals::{NEVER, Timers};

/// A bell that is not forgotten.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Bell {
    fn ring(&self) {
        *self.rung.lock().unwrap() = true;
        self.changed.notify_one();
    }

    fn wait(&self) {
        let mut rung = self.rung.lock().unwrap();
        while !*rung {
            rung = self.changed.wait(rung).unwrap();
        }
        *rung = false;
    }
}

/// `owners`: those who add one timer each, from threads of their own.
fn all_fire(owners: &'static [u32]) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(move || {
        let timers = Arc::new(Timers::new(2));
        let bell = Arc::new(Bell::default());
        let fired = Arc::new(AtomicUsize::new(0));
        let added: Vec<_> = owners
            .iter()
            .map(|&owner| {
                let (timers, bell) = (timers.clone(), bell.clone());
                thread::spawn(move || {
                    timers.add(10 + u64::from(owner), owner, owner, || bell.ring());
                })
            })
            .collect();
        // Time stands still after all deadlines; what is not there yet must ring.
        while fired.load(Acquire) < owners.len() {
            timers.advance(100, 8, |_| {
                fired.fetch_add(1, AcqRel);
            });
            if fired.load(Acquire) < owners.len() && timers.plan(NEVER) {
                bell.wait();
            }
            timers.plan(0);
        }
        for thread in added {
            thread.join().unwrap();
        }
    });
}

#[test]
fn a_timer_in_an_empty_wheel_is_not_slept_through() {
    all_fire(&[0]);
}

#[test]
fn two_timers_of_one_wheel_are_not_slept_through() {
    all_fire(&[0, 2]);
}

#[test]
fn two_timers_of_two_wheels_are_not_slept_through() {
    all_fire(&[0, 1]);
}

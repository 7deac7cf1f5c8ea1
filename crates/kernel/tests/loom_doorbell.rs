//! Model of how threads make a worker look for work: nothing is forgotten, in every interleaving.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p skynet-kernel --release --test loom_doorbell`
#![cfg(loom)]

use loom::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use loom::sync::{Arc, Mutex};
use loom::thread;
use skynet_kernel::internals::Doorbell;

#[derive(Default)]
struct Service {
    bell: Doorbell,
    /// Messages in its mailbox.
    messages: AtomicUsize,
    /// What has been woken.
    ready: Mutex<Vec<u32>>,
    done: Mutex<Vec<u32>>,
}

impl Service {
    fn wake(&self, task: u32) {
        self.ready.lock().unwrap().push(task);
        if self.bell.ring() {
            self.call();
        }
    }

    fn call(&self) {
        let before = self.messages.fetch_add(1, SeqCst);
        assert_eq!(before, 0, "one message at a time");
    }

    /// A turn, if there is a message. It ends early after so many looks.
    fn turn(&self, looks: usize) {
        if self
            .messages
            .compare_exchange(1, 0, SeqCst, SeqCst)
            .is_err()
        {
            return;
        }
        self.bell.enter();
        self.bell.answer();
        for _ in 0..looks {
            if !self.bell.work_or_leave() {
                return;
            }
            let ready = std::mem::take(&mut *self.ready.lock().unwrap());
            self.done.lock().unwrap().extend(ready);
        }
        if self.bell.leave() && self.bell.ring() {
            self.call();
        }
    }

    /// All that is left to be done without anybody waking it.
    fn end(&self) {
        while self.messages.load(SeqCst) > 0 {
            self.turn(100);
        }
    }
}

fn check(looks: usize) {
    loom::model(move || {
        let service = Arc::new(Service::default());
        let wakers: Vec<_> = (0..2)
            .map(|n| {
                let service = service.clone();
                thread::spawn(move || service.wake(n))
            })
            .collect();
        service.turn(looks);
        for waker in wakers {
            waker.join().unwrap();
        }
        service.end();
        let mut done = service.done.lock().unwrap().clone();
        done.sort_unstable();
        assert_eq!(done, [0, 1], "a task was forgotten");
    });
}

#[test]
fn who_is_woken_is_seen_by_a_worker_that_leaves() {
    check(100);
}

#[test]
fn who_is_woken_is_seen_after_a_turn_that_ends_early() {
    check(1);
}

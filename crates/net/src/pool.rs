//! Threads for what would keep others waiting: names that are resolved, and handshakes of TLS.
//!
//! They are started when there is more work than idle threads, and then stay, asleep.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use skynet_kernel::lock;

type Job = Box<dyn FnOnce() + Send>;

/// The threads.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    limit: usize,
    /// What the threads are called.
    name: &'static str,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    stopped: bool,
}

impl Pool {
    pub(crate) fn new(name: &'static str, limit: usize) -> Pool {
        Pool {
            shared: Arc::default(),
            limit: limit.max(1),
            name,
        }
    }

    /// Runs a job on one of the threads. An error: there is not a single thread, and no new one.
    pub(crate) fn submit(&self, job: Job) -> io::Result<()> {
        let mut state = self.shared.lock();
        if state.idle <= state.jobs.len() && state.threads < self.limit {
            let shared = self.shared.clone();
            let spawned = thread::Builder::new()
                .name(self.name.into())
                .spawn(move || shared.run());
            match spawned {
                Ok(_) => state.threads += 1,
                Err(error) if state.threads == 0 => return Err(error),
                // The others will get to it.
                Err(_) => {}
            }
        }
        state.jobs.push_back(job);
        drop(state);
        self.shared.work.notify_one();
        Ok(())
    }

    /// Lets the threads go. Those that are in the middle of a name go when they have it.
    pub(crate) fn stop(&self) {
        let mut state = self.shared.lock();
        state.stopped = true;
        state.jobs.clear();
        drop(state);
        self.shared.work.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn run(&self) {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return;
            }
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                job();
                state = self.lock();
                continue;
            }
            state.idle += 1;
            state = self
                .work
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }
}

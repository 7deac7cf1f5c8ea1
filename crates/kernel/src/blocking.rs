//! Work that would hold a worker: a few threads beside the workers, for what computes or waits for long.
//!
//! A job runs on one of the threads and sends its result as a message. The number of threads is bounded, and so is the
//! number of jobs that wait. Threads are started when there is more work than idle threads, and then stay, asleep,
//! until the pool is dropped. Whoever drops it does not wait: a job that runs then runs to its end, and jobs that have
//! not begun are dropped.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use crate::poison::lock;

type Job = Box<dyn FnOnce() + Send>;

/// Why a job was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlockingError {
    /// So many jobs wait already.
    #[error("{0} jobs wait already")]
    Full(usize),
    /// There is not a single thread, and the system gives no new one.
    #[error("no thread: {0}")]
    NoThread(#[source] std::io::Error),
}

/// The threads; see the module's description.
#[derive(Debug)]
pub struct Blocking {
    shared: Arc<Shared>,
    threads: usize,
    waiting: usize,
    /// What the threads are called.
    name: &'static str,
}

#[derive(Debug, Default)]
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

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} jobs, {} threads", self.jobs.len(), self.threads)
    }
}

impl Blocking {
    /// A pool of at most so many threads of this name, for which at most so many jobs may wait. No thread is started
    /// yet.
    pub fn new(name: &'static str, threads: usize, waiting: usize) -> Blocking {
        Blocking {
            shared: Arc::default(),
            threads: threads.max(1),
            waiting: waiting.max(1),
            name,
        }
    }

    /// Runs a job on one of the threads. A panic in it ends the job only.
    ///
    /// # Errors
    /// [`BlockingError`]; the job is dropped then.
    pub fn submit(&self, job: impl FnOnce() + Send + 'static) -> Result<(), BlockingError> {
        let mut state = lock(&self.shared.state);
        if state.jobs.len() >= self.waiting {
            return Err(BlockingError::Full(self.waiting));
        }
        if state.idle <= state.jobs.len() && state.threads < self.threads {
            let shared = Arc::clone(&self.shared);
            let spawned = thread::Builder::new()
                .name(self.name.into())
                .spawn(move || shared.run());
            match spawned {
                Ok(_) => state.threads += 1,
                Err(error) if state.threads == 0 => return Err(BlockingError::NoThread(error)),
                // The others will get to it.
                Err(_) => {}
            }
        }
        state.jobs.push_back(Box::new(job));
        drop(state);
        self.shared.work.notify_one();
        Ok(())
    }

    /// Lets the threads go, as dropping the pool does. What is submitted from now on never runs.
    pub fn stop(&self) {
        let mut state = lock(&self.shared.state);
        state.stopped = true;
        let left = std::mem::take(&mut state.jobs);
        drop(state);
        self.shared.work.notify_all();
        // What they own may belong to anybody.
        drop(left);
    }
}

impl Drop for Blocking {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn run(&self) {
        let mut state = lock(&self.state);
        loop {
            if state.stopped {
                return;
            }
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                // The hook has reported it.
                let _ = catch_unwind(AssertUnwindSafe(job));
                state = lock(&self.state);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn jobs_run_and_a_panic_ends_one_of_them_only() {
        let pool = Blocking::new("blocking", 2, 100);
        let (done, results) = mpsc::channel();
        for i in 0..50 {
            let done = done.clone();
            pool.submit(move || {
                assert!(i != 7, "on purpose");
                done.send(i).expect("somebody waits");
            })
            .expect("room");
        }
        drop(done);
        let mut all: Vec<i32> = results.iter().collect();
        all.sort_unstable();
        assert_eq!(all.len(), 49);
        assert!(!all.contains(&7));
    }

    #[test]
    fn threads_and_jobs_are_bounded() {
        let pool = Blocking::new("blocking", 2, 3);
        let (go, wait) = mpsc::channel::<()>();
        let wait = Arc::new(Mutex::new(wait));
        let (begun, has_begun) = mpsc::channel();
        for _ in 0..2 {
            let (wait, begun) = (Arc::clone(&wait), begun.clone());
            pool.submit(move || {
                begun.send(()).expect("somebody waits");
                let _ = lock(&wait).recv();
            })
            .expect("room");
            has_begun.recv().expect("it begins");
        }
        for _ in 0..3 {
            pool.submit(|| {}).expect("room");
        }
        let Err(BlockingError::Full(3)) = pool.submit(|| {}) else {
            panic!("taken");
        };
        assert_eq!(lock(&pool.shared.state).threads, 2);
        drop(go);
    }

    #[test]
    fn what_has_not_begun_is_dropped_with_the_pool() {
        struct Told(mpsc::Sender<&'static str>);
        impl Drop for Told {
            fn drop(&mut self) {
                let _ = self.0.send("dropped");
            }
        }
        let pool = Blocking::new("blocking", 1, 10);
        let (tell, told) = mpsc::channel();
        let (go, wait) = mpsc::channel::<()>();
        let (begun, has_begun) = mpsc::channel();
        pool.submit(move || {
            begun.send(()).expect("somebody waits");
            let _ = wait.recv();
        })
        .expect("room");
        has_begun.recv().expect("it begins");
        let job = Told(tell);
        pool.submit(move || {
            let _ = job.0.send("run");
        })
        .expect("room");
        drop(pool);
        assert_eq!(told.recv(), Ok("dropped"));
        drop(go);
        assert!(told.recv().is_err());
    }
}

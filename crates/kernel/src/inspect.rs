//! Looking into services from outside, for people who operate a node.
//!
//! What is asked here needs no worker, since the interesting node is the one whose workers are all
//! stuck. The asking thread is a thread of its own (never a worker), and gets at a service in one of
//! two ways:
//!
//! * The service lies in its mailbox: it is *borrowed*. Its body is taken out, looked at, and put
//!   back, as for a turn without messages. A worker that comes for it meanwhile leaves the turn to
//!   the borrower, who puts the mailbox back into a run queue (see `mailbox.rs`).
//! * A worker runs it: its [`Interrupt`](crate::Interrupt) is asked to have the running code report
//!   at the next point where that is possible. That may be never (a native function that does not
//!   end), so the asker waits for a limited time, and looks now and then whether the service can be
//!   borrowed by now.
//!
//! Profiling is sampling: at regular moments the running code is asked to note where it is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::clock;
use crate::mailbox::Borrowed;
use crate::message::Handle;
use crate::node::Node;
use crate::panics;
use crate::poison::lock;
use crate::report::{Report, Samples};

/// How often a busy service is looked at again.
const POLL: Duration = Duration::from_millis(10);

/// Why a service tells nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// It does not exist.
    #[error("no such service")]
    NoService,
    /// Services of its kind tell nothing.
    #[error("services of this kind tell nothing about themselves")]
    Opaque,
    /// It was busy all the time, and not in code that can be asked.
    #[error("busy in native code, which cannot be looked into")]
    Busy,
}

/// What sampling has found; see [`Node::profile`].
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Profile {
    /// Folded stacks with their number of samples, in the order of the stacks.
    pub stacks: Vec<(String, u64)>,
    /// Samples in the runtime's own code.
    pub native: u64,
    /// Moments at which the service did not run.
    pub idle: u64,
}

impl Node {
    /// Asks a service about its coroutines, whether or not there is a worker for it. Waits for
    /// `limit` at most. The stacks are left out unless `stacks`. Not to be called from a service.
    ///
    /// # Errors
    /// An [`InspectError`].
    pub fn inspect(
        &self,
        handle: Handle,
        stacks: bool,
        limit: Duration,
    ) -> Result<Report, InspectError> {
        let end = Instant::now() + limit;
        let (reply, answer) = channel();
        let mut asked = false;
        loop {
            let mailbox = self.registry.find(handle);
            match mailbox.map_or(Borrowed::Gone, |mailbox| mailbox.borrow(handle)) {
                Borrowed::Lent(mut body) => {
                    let report = catch_unwind(AssertUnwindSafe(|| body.service.report(stacks)));
                    if let Some(mailbox) = mailbox
                        && mailbox.give_back(body)
                    {
                        self.scheduler.submit(NonNull::from(mailbox));
                    }
                    let report = report.map_err(panics::dispose);
                    return report.ok().flatten().ok_or(InspectError::Opaque);
                }
                Borrowed::Busy | Borrowed::Gone => {
                    // One that is leaving can't be borrowed, but may still be running.
                    let context = self.context_or_leaving(handle);
                    let context = context.ok_or(InspectError::NoService)?;
                    if !asked && let Some(interrupt) = context.interrupt() {
                        interrupt.report(stacks, reply.clone());
                    }
                    asked = true;
                }
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(InspectError::Busy);
            }
            match answer.recv_timeout(POLL.min(left)) {
                Ok(report) => return Ok(report),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
    }

    /// Samples where a service is, `every` so often for `time`, or until `stop` says so. Blocks
    /// meanwhile; not to be called from a service.
    ///
    /// # Errors
    /// [`InspectError::NoService`] and [`InspectError::Opaque`].
    pub fn profile_service(
        &self,
        handle: Handle,
        time: Duration,
        every: Duration,
        mut stop: impl FnMut() -> bool,
    ) -> Result<Profile, InspectError> {
        let context = self
            .context_or_leaving(handle)
            .ok_or(InspectError::NoService)?;
        let interrupt = context.interrupt().ok_or(InspectError::Opaque)?;
        let samples = Arc::new(Samples::default());
        if !interrupt.profile(Some(&samples)) {
            return Err(InspectError::Opaque);
        }
        let mut idle = 0;
        let began = Instant::now();
        let mut next = began;
        while next < began + time && !context.retired() && !stop() {
            next += every;
            let now = Instant::now();
            match next.checked_duration_since(now) {
                Some(wait) => std::thread::sleep(wait),
                // Samples that were missed are not taken later: they would all show the same moment.
                None => next = now,
            }
            idle += u64::from(!interrupt.sample());
        }
        interrupt.profile(None);
        let mut stacks: Vec<_> = lock(&samples.stacks).drain().collect();
        stacks.sort_unstable();
        Ok(Profile {
            stacks,
            native: samples.native.load(Relaxed),
            idle,
        })
    }

    /// For how long every worker has been busy with one and the same message: nothing that needs a
    /// worker has happened since. Zero if one of them is free.
    pub fn stuck(&self) -> Duration {
        let workers = self.workers();
        let busy = workers.iter().map(|worker| worker.busy).min();
        busy.unwrap_or(Duration::ZERO)
    }
}

/// Milliseconds between two times that [`Context::stamp`](crate::Context::stamp) has given, `span`
/// apart.
pub fn stamps_to_ms(span: u64) -> u64 {
    (clock::seconds(span << clock::STAMP_SHIFT) * 1e3) as u64
}

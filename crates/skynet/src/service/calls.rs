//! Sessions that wait: for the answer to a call, or for a timer.
//!
//! Both come as a message with the session. The future and the table share the session: the table keeps the result until the
//! future takes it, and the future removes the session when it is dropped, so that a late answer finds nothing.

use super::host::Shared;
use super::{Error, Values};
use rustc_hash::FxHashMap;
use skynet_kernel::{Delay, Handle, Payload, TimerKey};
use skynet_wire::seri;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

/// Locks although another thread has panicked: what is locked here is never left half changed.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All sessions of a service that wait.
#[derive(Default)]
pub(super) struct Calls {
    /// The service is gone: nothing will ever come.
    closed: bool,
    waiting: FxHashMap<i32, Waiting>,
}

struct Waiting {
    /// Who is to answer; none for a timer.
    callee: Handle,
    /// The task that asked, for those who look in.
    task: usize,
    /// When, by [`Context::stamp`](skynet_kernel::Context::stamp).
    since: u32,
    result: Option<Result<Payload, Error>>,
    waker: Option<Waker>,
}

/// A session that waits, as others see it.
pub(super) struct Wait {
    pub(super) session: i32,
    pub(super) callee: Handle,
    pub(super) task: usize,
    pub(super) since: u32,
}

impl Calls {
    /// What still waits, oldest sessions first.
    pub(super) fn waits(&self) -> Vec<Wait> {
        let open = self.waiting.iter().filter(|(_, w)| w.result.is_none());
        let mut waits: Vec<Wait> = open
            .map(|(&session, waiting)| Wait {
                session,
                callee: waiting.callee,
                task: waiting.task,
                since: waiting.since,
            })
            .collect();
        waits.sort_unstable_by_key(|wait| wait.session);
        waits
    }

    /// Reserves a session, of those that `next` offers.
    fn open(
        &mut self,
        callee: Handle,
        task: usize,
        since: u32,
        next: impl Fn() -> i32,
    ) -> Result<i32, Error> {
        if self.closed {
            return Err(Error::Closed);
        }
        loop {
            let session = next();
            // After 2^31 sessions, one may still wait under that number.
            if let std::collections::hash_map::Entry::Vacant(free) = self.waiting.entry(session) {
                free.insert(Waiting {
                    callee,
                    task,
                    since,
                    result: None,
                    waker: None,
                });
                return Ok(session);
            }
        }
    }

    /// Notes the result of `session` and returns who waits for it.
    fn settle(&mut self, session: i32, result: Result<Payload, Error>) -> Option<Waker> {
        let waiting = self.waiting.get_mut(&session)?;
        if waiting.result.is_none() {
            waiting.result = Some(result);
        }
        waiting.waker.take()
    }
}

impl Shared {
    /// Reserves a session for the task that runs.
    fn open(&self, callee: Handle) -> Result<i32, Error> {
        let (task, since) = (self.current.load(Ordering::Relaxed), self.context.stamp());
        lock(&self.calls).open(callee, task, since, || self.context.new_session())
    }

    /// An answer, or the expiry of a timer.
    pub(super) fn settle(&self, session: i32, result: Result<Payload, Error>) {
        let waker = lock(&self.calls).settle(session, result);
        // Waking may run foreign code, which must not meet the lock.
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The service `callee` is gone; it will not answer.
    pub(super) fn gone(&self, callee: Handle) {
        let sessions: Vec<i32> = {
            let calls = lock(&self.calls);
            let owed = calls
                .waiting
                .iter()
                .filter(|(_, waiting)| waiting.callee == callee);
            owed.map(|(session, _)| *session).collect()
        };
        if !callee.is_none() {
            sessions
                .into_iter()
                .for_each(|session| self.settle(session, Err(Error::CallFailed)));
        }
    }

    /// This service is gone: nobody shall wait for what cannot come, on whatever thread.
    pub(super) fn close(&self) {
        let sessions: Vec<i32> = {
            let mut calls = lock(&self.calls);
            calls.closed = true;
            calls.waiting.keys().copied().collect()
        };
        sessions
            .into_iter()
            .for_each(|session| self.settle(session, Err(Error::Closed)));
    }

    /// What `session` waits for, if it is there; else `cx` is woken when it is.
    fn poll(&self, session: i32, cx: &mut TaskContext<'_>) -> Poll<Result<Payload, Error>> {
        let mut calls = lock(&self.calls);
        let Some(waiting) = calls.waiting.get_mut(&session) else {
            return Poll::Ready(Err(Error::Closed));
        };
        match waiting.result.take() {
            Some(result) => {
                calls.waiting.remove(&session);
                Poll::Ready(result)
            }
            None => {
                match &mut waiting.waker {
                    Some(waker) => waker.clone_from(cx.waker()),
                    none => *none = Some(cx.waker().clone()),
                }
                Poll::Pending
            }
        }
    }

    fn forget(&self, session: i32) {
        let waiting = lock(&self.calls).waiting.remove(&session);
        // Dropping a waker may run foreign code, which must not meet the lock.
        drop(waiting);
    }
}

/// The answer to a call, as bytes. The call has been sent already; dropping the future gives the answer up.
#[must_use = "the answer is lost if nobody waits for it"]
pub struct RawCall {
    shared: Arc<Shared>,
    /// The session, or why there is none.
    state: Result<i32, Option<Error>>,
    deadline: Option<Sleep>,
}

impl RawCall {
    pub(super) fn new(
        shared: &Arc<Shared>,
        dest: Option<Handle>,
        kind: u8,
        payload: Payload,
    ) -> RawCall {
        let state = dest.ok_or(Error::NoService).and_then(|dest| {
            let session = shared.open(dest)?;
            match shared.context.send(dest, kind, session, payload) {
                Ok(()) => Ok(session),
                Err(error) => {
                    shared.forget(session);
                    Err(Error::of_send(error))
                }
            }
        });
        RawCall {
            shared: shared.clone(),
            state: state.map_err(Some),
            deadline: None,
        }
    }

    pub(super) fn failed(shared: &Arc<Shared>, error: Error) -> RawCall {
        RawCall {
            shared: shared.clone(),
            state: Err(Some(error)),
            deadline: None,
        }
    }

    /// Gives the answer this long, from now on; then the call fails with [`Error::Timeout`].
    pub fn within(mut self, time: Duration) -> RawCall {
        self.deadline = Some(Sleep::new(&self.shared, time));
        self
    }
}

impl Future for RawCall {
    type Output = Result<Payload, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let session = match &mut this.state {
            Ok(session) => *session,
            // Asked again after its end, it has nothing better to say.
            Err(error) => return Poll::Ready(Err(error.take().unwrap_or(Error::Closed))),
        };
        let result = match this.shared.poll(session, cx) {
            Poll::Ready(result) => result,
            Poll::Pending => match this.deadline.as_mut().map(|sleep| Pin::new(sleep).poll(cx)) {
                Some(Poll::Ready(())) => {
                    this.shared.forget(session);
                    Err(Error::Timeout)
                }
                _ => return Poll::Pending,
            },
        };
        this.state = Err(None);
        Poll::Ready(result)
    }
}

impl Drop for RawCall {
    fn drop(&mut self) {
        if let Ok(session) = self.state {
            self.shared.forget(session);
        }
    }
}

/// The answer to a call, as values. The call has been sent already; dropping the future gives the answer up.
#[must_use = "the answer is lost if nobody waits for it"]
pub struct Call(pub(super) RawCall);

impl Call {
    /// Gives the answer this long, from now on; then the call fails with [`Error::Timeout`].
    pub fn within(self, time: Duration) -> Call {
        Call(self.0.within(time))
    }
}

impl Future for Call {
    type Output = Result<Values, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(cx)
            .map(|result| seri::unpack(result?.as_slice()).map_err(Error::Seri))
    }
}

/// A time that passes. Dropping the future cancels its timer.
#[must_use = "no time passes if nobody waits for it"]
pub struct Sleep {
    shared: Arc<Shared>,
    session: Option<i32>,
    timer: Option<TimerKey>,
}

impl Sleep {
    pub(super) fn new(shared: &Arc<Shared>, time: Duration) -> Sleep {
        // Of a service that is gone, time is over.
        let session = shared.open(Handle::NONE).ok();
        // The kernel counts from the begin of the current millisecond, so that one more is needed not to be early.
        let whole = match time.as_micros().div_ceil(1000) {
            0 => 0,
            whole => u64::try_from(whole + 1).unwrap_or(u64::MAX),
        };
        let timer = session.and_then(|session| shared.context.timeout(session, Delay::Ms(whole)));
        Sleep {
            shared: shared.clone(),
            session,
            timer,
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        let this = self.get_mut();
        match this.session.map(|session| this.shared.poll(session, cx)) {
            Some(Poll::Pending) => Poll::Pending,
            _ => {
                (this.session, this.timer) = (None, None);
                Poll::Ready(())
            }
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(session) = self.session {
            self.shared.forget(session);
        }
        if let Some(timer) = self.timer {
            self.shared.context.node().cancel_timer(timer);
        }
    }
}

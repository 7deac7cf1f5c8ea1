//! Sessions that wait: for the answer to a call, or for a timer.
//!
//! Both come as a message with the session. The future and the table share the session: the table keeps the result
//! until the future takes it, and the future removes the session when it is dropped, so that a late answer finds
//! nothing.
//!
//! A session is noted with the task that opened it, which is polled when the result comes. So a future that is polled
//! by that task in the same go has nothing to register. One that is polled later, by another task, by another thread or
//! in the name of another waker notes who is to be woken instead.

use super::sessions::{State, Woken};
use super::shared::{Hold, PollId, Shared};
use super::sleep::Sleep;
use super::{Error, Unpack, Values};
use skynet_kernel::{Handle, Payload};
use skynet_wire::seri;
use std::future::Future;
use std::marker::PhantomData;
use std::mem;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

impl Shared {
    /// Reserves a session for the task that runs.
    pub(super) fn open(&self, callee: Handle) -> Result<(i32, PollId), Error> {
        let (turn, since) = (self.current(), self.context.stamp());
        // Sessions are asked for here only, under the lock.
        let next = || self.context.next_session();
        let session = self.calls.lock().open(callee, turn.slot(), since, next)?;
        Ok((session, turn))
    }

    /// An answer, or the expiry of a timer. Waking may run foreign code, which must not meet the lock.
    #[inline]
    pub(super) fn settle(&self, session: i32, result: Result<Payload, Error>) -> Woken {
        self.calls.lock().settle(session, result)
    }

    /// The sessions that `callee` has not answered. None is told twice.
    pub(super) fn owed_by(&self, callee: Handle) -> Vec<i32> {
        self.calls
            .lock()
            .waiting_for(callee, self.context.last_session())
    }

    /// This service is gone: nobody shall wait for what cannot come, on whatever thread.
    pub(super) fn close(&self) {
        let sessions = {
            let mut calls = self.calls.lock();
            calls.closed = true;
            calls.sessions(|_| true)
        };
        for session in sessions {
            if let Woken::Waker(waker) = self.settle(session, Err(Error::Closed)) {
                waker.wake();
            }
        }
    }

    /// What `session` waits for, if it is there; else `cx` is woken when it is.
    pub(super) fn poll(
        &self,
        session: i32,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Result<Payload, Error>> {
        let slot = self.current().slot();
        let own = slot != PollId::NO_SLOT && self.is_own(cx.waker());
        // A waker may be foreign code, which must not meet the lock: it is cloned before, and the one that it replaces
        // dropped after.
        let waiter = match own {
            true => State::Task,
            false => State::Waker(cx.waker().clone()),
        };
        let mut calls = self.calls.lock();
        let Some(waiting) = calls.get(session) else {
            return Poll::Ready(Err(Error::Closed));
        };
        if let State::Done(_) = waiting.state {
            let waiting = calls.remove(session);
            drop(calls);
            return match waiting.map(|waiting| waiting.state) {
                Some(State::Done(result)) => Poll::Ready(result),
                _ => Poll::Ready(Err(Error::Closed)),
            };
        }
        if own {
            waiting.task = slot;
        }
        let before = mem::replace(&mut waiting.state, waiter);
        drop(calls);
        drop(before);
        Poll::Pending
    }

    pub(super) fn forget(&self, session: i32) {
        let waiting = self.calls.lock().remove(session);
        // Dropping a waker or a result may run foreign code, which must not meet the lock.
        drop(waiting);
    }
}

/// The answer to a call, as bytes. The call has been sent already; dropping the future gives the answer up.
#[must_use = "the answer is lost if nobody waits for it"]
pub struct RawCall {
    shared: Hold,
    /// The session and who opened it when, or why there is none.
    state: Result<(i32, PollId), Option<Error>>,
    deadline: Option<Sleep>,
}

impl RawCall {
    pub(super) fn new(shared: &Hold, dest: Option<Handle>, kind: u8, payload: Payload) -> RawCall {
        let state = dest.ok_or(Error::NoService).and_then(|dest| {
            let opened = shared.open(dest)?;
            match shared.context.send(dest, kind, opened.0, payload) {
                Ok(()) => Ok(opened),
                Err(error) => {
                    shared.forget(opened.0);
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

    /// A session without a request: something else will answer.
    pub(super) fn unsent(shared: &Hold) -> RawCall {
        RawCall {
            shared: shared.clone(),
            state: shared.open(Handle::NONE).map_err(Some),
            deadline: None,
        }
    }

    pub(super) fn session(&self) -> Option<i32> {
        self.state.as_ref().ok().map(|(session, _)| *session)
    }

    pub(super) fn failed(shared: &Hold, error: Error) -> RawCall {
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

    /// Blocks this thread until the answer is there. Not for services: see [`wait`](super::wait).
    ///
    /// # Errors
    /// As the future's.
    pub fn wait(self) -> Result<Payload, Error> {
        super::wait(self)
    }
}

impl Future for RawCall {
    type Output = Result<Payload, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let (session, opened) = match &mut this.state {
            Ok(opened) => *opened,
            // A future that is polled again after its end reports that it is closed.
            Err(error) => return Poll::Ready(Err(error.take().unwrap_or(Error::Closed))),
        };
        // Whoever opened it is still in the same poll: nothing can have come, and it will be polled when something
        // does.
        if opened == this.shared.current()
            && opened.slot() != PollId::NO_SLOT
            && this.deadline.is_none()
            && this.shared.is_own(cx.waker())
        {
            return Poll::Pending;
        }
        // From now on somebody else may be noted as who waits, so that each poll has to look.
        this.state = Ok((session, PollId::NONE));
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
        if let Ok((session, _)) = self.state {
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

    /// The answer as values of Rust types: `let (name, age): (String, i64) = cx.call(…).to().await?`. Further values
    /// are ignored; `Option` stands for one that may be nil or missing.
    pub fn to<T: for<'a> Unpack<'a>>(self) -> Read<T> {
        Read {
            call: self.0,
            values: PhantomData,
        }
    }

    /// Blocks this thread until the answer is there. Not for services: see [`wait`](super::wait).
    ///
    /// # Errors
    /// As the future's.
    pub fn wait(self) -> Result<Values, Error> {
        super::wait(self)
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

/// The answer to a call, as values of Rust types: what [`Call::to`] makes.
#[must_use = "the answer is lost if nobody waits for it"]
pub struct Read<T> {
    call: RawCall,
    values: PhantomData<fn() -> T>,
}

impl<T: for<'a> Unpack<'a>> Read<T> {
    /// Gives the answer this long, from now on; then the call fails with [`Error::Timeout`].
    pub fn within(self, time: Duration) -> Read<T> {
        Call(self.call.within(time)).to()
    }

    /// Blocks this thread until the answer is there. Not for services: see [`wait`](super::wait).
    ///
    /// # Errors
    /// As the future's.
    pub fn wait(self) -> Result<T, Error> {
        super::wait(self)
    }
}

impl<T: for<'a> Unpack<'a>> Future for Read<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let answer = Pin::new(&mut self.call).poll(cx);
        answer.map(|result| super::pack::read(result?.as_slice()))
    }
}

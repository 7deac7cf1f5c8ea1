//! Sessions that wait: for the answer to a call, or for a timer.
//!
//! Both come as a message with the session. The future and the table share the session: the table keeps the result until the
//! future takes it, and the future removes the session when it is dropped, so that a late answer finds nothing.
//!
//! A session is noted with the task that opened it, which is polled when the result comes. So a future that is polled by that task
//! in the same go has nothing to register. One that is polled later, by another task, by another thread or in the name of another
//! waker notes who is to be woken instead.

use super::host::{Shared, Turn};
use super::{Error, Unpack, Values};
use skynet_kernel::{Delay, Handle, Payload, TimerKey};
use skynet_wire::seri;
use std::future::Future;
use std::marker::PhantomData;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

/// Locks although another thread has panicked: what is locked here is never left half changed.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Places of a table at first.
const PLACES: usize = 8;

/// All sessions of a service that wait. Sessions are consecutive, so that each has its place in a ring: a session whose place is taken by
/// one that waits for longer is skipped.
#[derive(Default)]
pub(super) struct Calls {
    /// The service is gone: nothing will ever come.
    closed: bool,
    /// A power of two of places, or none; more than twice as many as sessions.
    ring: Vec<Option<Waiting>>,
    count: usize,
}

struct Waiting {
    session: i32,
    /// Who is to answer; none for a timer.
    callee: Handle,
    /// When it began, by [`Context::stamp`](skynet_kernel::Context::stamp).
    since: u32,
    /// The task that asked.
    task: usize,
    state: State,
}

pub(super) enum State {
    /// The task that asked is to be polled.
    Task,
    Waker(Waker),
    Done(Result<Payload, Error>),
}

/// Who is to be told of a result.
pub(super) enum Woken {
    /// With what nobody waits for, to be dropped without the lock.
    Nobody(State),
    /// The task in this slot of the service itself.
    Task(usize),
    Waker(Waker),
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
        let open = self.ring.iter().flatten();
        let open = open.filter(|waiting| !matches!(waiting.state, State::Done(_)));
        let mut waits: Vec<Wait> = open
            .map(|waiting| Wait {
                session: waiting.session,
                callee: waiting.callee,
                task: waiting.task,
                since: waiting.since,
            })
            .collect();
        waits.sort_unstable_by_key(|wait| wait.session);
        waits
    }

    fn sessions(&self, wanted: impl Fn(&Waiting) -> bool) -> Vec<i32> {
        let all = self.ring.iter().flatten();
        all.filter(|waiting| wanted(waiting))
            .map(|waiting| waiting.session)
            .collect()
    }

    fn place(&self, session: i32) -> usize {
        session as usize & (self.ring.len() - 1)
    }

    /// Reserves a session, of those that `next` offers.
    #[inline]
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
        if self.count * 2 >= self.ring.len() {
            self.grow();
        }
        loop {
            let session = next();
            let place = self.place(session);
            if self.ring[place].is_none() {
                self.count += 1;
                self.ring[place] = Some(Waiting {
                    session,
                    callee,
                    since,
                    task,
                    state: State::Task,
                });
                return Ok(session);
            }
        }
    }

    #[cold]
    fn grow(&mut self) {
        let places = (self.ring.len() * 2).max(PLACES);
        let mut ring: Vec<Option<Waiting>> = Vec::new();
        ring.resize_with(places, || None);
        // Those of different places have different ones in a larger ring.
        for waiting in mem::take(&mut self.ring).into_iter().flatten() {
            let place = waiting.session as usize & (places - 1);
            ring[place] = Some(waiting);
        }
        self.ring = ring;
    }

    #[inline]
    fn get(&mut self, session: i32) -> Option<&mut Waiting> {
        if self.ring.is_empty() {
            return None;
        }
        let place = self.place(session);
        self.ring[place]
            .as_mut()
            .filter(|waiting| waiting.session == session)
    }

    #[inline]
    fn remove(&mut self, session: i32) -> Option<Waiting> {
        self.get(session)?;
        self.count -= 1;
        let place = self.place(session);
        self.ring[place].take()
    }

    /// Notes the result of `session` and returns who waits for it.
    #[inline]
    fn settle(&mut self, session: i32, result: Result<Payload, Error>) -> Woken {
        let Some(waiting) = self.get(session) else {
            return Woken::Nobody(State::Done(result));
        };
        match mem::replace(&mut waiting.state, State::Done(result)) {
            State::Task => Woken::Task(waiting.task),
            State::Waker(waker) => Woken::Waker(waker),
            first => {
                // Whoever answers twice is not heard; the answer is dropped without the lock.
                let second = mem::replace(&mut waiting.state, first);
                Woken::Nobody(second)
            }
        }
    }
}

impl Shared {
    /// Reserves a session for the task that runs.
    fn open(&self, callee: Handle) -> Result<(i32, Turn), Error> {
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

    /// The sessions that `callee` has not answered.
    pub(super) fn owed_by(&self, callee: Handle) -> Vec<i32> {
        match callee.is_none() {
            true => Vec::new(),
            false => self
                .calls
                .lock()
                .sessions(|waiting| waiting.callee == callee),
        }
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
    fn poll(&self, session: i32, cx: &mut TaskContext<'_>) -> Poll<Result<Payload, Error>> {
        let slot = self.current().slot();
        let own = slot != Turn::NOBODY && self.is_own(cx.waker());
        // A waker may be foreign code, which must not meet the lock: it is cloned before, and the one that it replaces dropped after.
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

    fn forget(&self, session: i32) {
        let waiting = self.calls.lock().remove(session);
        // Dropping a waker or a result may run foreign code, which must not meet the lock.
        drop(waiting);
    }
}

/// The answer to a call, as bytes. The call has been sent already; dropping the future gives the answer up.
#[must_use = "the answer is lost if nobody waits for it"]
pub struct RawCall {
    shared: Arc<Shared>,
    /// The session and who opened it when, or why there is none.
    state: Result<(i32, Turn), Option<Error>>,
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
            // Asked again after its end, it has nothing better to say.
            Err(error) => return Poll::Ready(Err(error.take().unwrap_or(Error::Closed))),
        };
        // Whoever opened it is still in the same poll: nothing can have come, and it will be polled when something does.
        if opened == this.shared.current()
            && opened.slot() != Turn::NOBODY
            && this.deadline.is_none()
            && this.shared.is_own(cx.waker())
        {
            return Poll::Pending;
        }
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

    /// The answer as values of Rust types: `let (name, age): (String, i64) = cx.call(…).to().await?`. Further values are
    /// ignored; `Option` stands for one that may be nil or missing.
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
        let session = shared.open(Handle::NONE).ok().map(|(session, _)| session);
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

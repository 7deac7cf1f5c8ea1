//! The table of sessions that wait: for the answer to a call, or for a timer.
//!
//! The table keeps a result until its future takes it. A session is noted with the task that opened it, or with the
//! waker that somebody else has left instead.

use super::Error;
use skynet_kernel::{Callees, Handle, Payload};
use std::mem;
use std::task::Waker;

/// Places of a table at first.
const PLACES: usize = 8;
/// A ring of so many places or fewer stays as it is.
const SMALL: usize = 128;

/// All sessions of a service that wait. Sessions are consecutive, so that each has its place in a ring: a session whose
/// place is taken by one that waits for longer is skipped.
#[derive(Default)]
pub(super) struct Calls {
    /// The service is gone: nothing will ever come.
    pub(super) closed: bool,
    /// A power of two of places, or none; more than twice as many as sessions.
    ring: Vec<Option<Waiting>>,
    count: usize,
    /// With fewer sessions than that the ring becomes smaller.
    few: usize,
    callees: Callees,
}

pub(super) struct Waiting {
    pub(super) session: i32,
    /// Who is to answer; none for a timer.
    pub(super) callee: Handle,
    /// When it began, by [`Context::stamp`](skynet_kernel::Context::stamp).
    pub(super) since: u32,
    /// The task that asked.
    pub(super) task: usize,
    pub(super) state: State,
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

    pub(super) fn sessions(&self, wanted: impl Fn(&Waiting) -> bool) -> Vec<i32> {
        let all = self.ring.iter().flatten();
        all.filter(|waiting| wanted(waiting))
            .map(|waiting| waiting.session)
            .collect()
    }

    /// Those that wait for a service, in ascending order.
    pub(super) fn waiting_for(&mut self, callee: Handle, last: i32) -> Vec<i32> {
        let (ring, mask) = (&self.ring, self.ring.len().wrapping_sub(1));
        let all = || ring.iter().flatten().map(|waiting| waiting.session);
        let callee_of = |session: i32| {
            let waiting = ring.get(session as usize & mask)?.as_ref()?;
            (waiting.session == session).then_some(waiting.callee)
        };
        self.callees
            .waiting_for(callee, last, self.count, all, callee_of)
    }

    pub(super) fn place(&self, session: i32) -> usize {
        session as usize & (self.ring.len() - 1)
    }

    /// Reserves a session, of those that `next` offers.
    #[inline]
    pub(super) fn open(
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
    pub(super) fn grow(&mut self) {
        let places = (self.ring.len() * 2).max(PLACES);
        // Those of different places have different ones in a larger ring.
        self.resize(places);
    }

    /// Gives the ring another number of places, a power of two, in which all sessions have different ones.
    pub(super) fn resize(&mut self, places: usize) {
        let mut ring: Vec<Option<Waiting>> = Vec::new();
        ring.resize_with(places, || None);
        for waiting in mem::take(&mut self.ring).into_iter().flatten() {
            let place = waiting.session as usize & (places - 1);
            ring[place] = Some(waiting);
        }
        self.ring = ring;
        self.few = if places > SMALL { places / 16 } else { 0 };
    }

    /// Gives back most of what a burst has left behind: the ring gets a few times as many places as there are sessions,
    /// or more, if two of them would have one place.
    #[cold]
    pub(super) fn shrink(&mut self) {
        let open: Vec<usize> = self
            .ring
            .iter()
            .flatten()
            .map(|waiting| waiting.session as usize)
            .collect();
        let mut places = (self.count * 4).next_power_of_two().max(PLACES);
        while places < self.ring.len() && !differ(&open, places) {
            places *= 2;
        }
        if places < self.ring.len() {
            self.resize(places);
        }
        // Not again before half of them are gone.
        self.few = self.few.min(self.count / 2);
    }

    #[inline]
    pub(super) fn get(&mut self, session: i32) -> Option<&mut Waiting> {
        if self.ring.is_empty() {
            return None;
        }
        let place = self.place(session);
        self.ring[place]
            .as_mut()
            .filter(|waiting| waiting.session == session)
    }

    #[inline]
    pub(super) fn remove(&mut self, session: i32) -> Option<Waiting> {
        self.get(session)?;
        self.count -= 1;
        let place = self.place(session);
        let waiting = self.ring[place].take();
        if self.count < self.few {
            self.shrink();
        }
        waiting
    }

    /// Notes the result of `session` and returns who waits for it.
    #[inline]
    pub(super) fn settle(&mut self, session: i32, result: Result<Payload, Error>) -> Woken {
        let Some(waiting) = self.get(session) else {
            return Woken::Nobody(State::Done(result));
        };
        match mem::replace(&mut waiting.state, State::Done(result)) {
            State::Task => Woken::Task(waiting.task),
            State::Waker(waker) => Woken::Waker(waker),
            first => {
                // A second answer is ignored; it is dropped after the lock has been released.
                let second = mem::replace(&mut waiting.state, first);
                Woken::Nobody(second)
            }
        }
    }
}

/// Do these sessions have different places in a ring of `places`?
fn differ(sessions: &[usize], places: usize) -> bool {
    let mut taken = vec![false; places];
    sessions
        .iter()
        .all(|session| !mem::replace(&mut taken[session & (places - 1)], true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn open(calls: &mut Calls, last: &Cell<i32>) -> i32 {
        let next = || {
            last.set(last.get() + 1);
            last.get()
        };
        calls.open(Handle(7), 0, 0, next).unwrap()
    }

    #[test]
    fn a_burst_leaves_no_large_ring_behind_though_one_of_it_stays() {
        let (mut calls, last) = (Calls::default(), Cell::new(0));
        for stay in [0, 1, 100] {
            let all: Vec<i32> = (0..100_000).map(|_| open(&mut calls, &last)).collect();
            assert!(calls.ring.len() > 200_000);
            let (kept, gone): (Vec<i32>, Vec<i32>) = all
                .into_iter()
                .partition(|session| session % 1000 == 500 && session % 100_000 < stay * 1000);
            for session in gone {
                assert_eq!(
                    calls.remove(session).map(|waiting| waiting.session),
                    Some(session)
                );
            }
            assert!(
                calls.ring.len() <= 1 << 14,
                "{} places for {}",
                calls.ring.len(),
                calls.count
            );
            assert_eq!((calls.count, calls.waits().len()), (kept.len(), kept.len()));
            for session in kept {
                assert_eq!(
                    calls.remove(session).map(|waiting| waiting.session),
                    Some(session)
                );
            }
            assert!(calls.ring.len() <= SMALL);
        }
    }

    #[test]
    fn sessions_that_would_share_a_place_keep_the_ring_as_large_as_they_need() {
        let (mut calls, last) = (Calls::default(), Cell::new(0));
        let all: Vec<i32> = (0..10_000).map(|_| open(&mut calls, &last)).collect();
        let kept = [1, 1 + 4096];
        for session in all.into_iter().filter(|session| !kept.contains(session)) {
            calls.remove(session).unwrap();
        }
        assert!(kept.into_iter().all(|session| calls.get(session).is_some()));
        assert_eq!(calls.ring.len(), 8192);
        calls.remove(1).unwrap();
        assert!(calls.get(4097).is_some());
        assert!(calls.ring.len() <= 8192 && calls.remove(4097).is_some());
        assert_eq!(calls.ring.len(), PLACES);
    }
}

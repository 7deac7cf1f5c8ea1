//! Sessions of a service: which pending session belongs to which task.
//!
//! Sessions are handed out consecutively, so a ring indexed by the low bits of the number finds nearly every one at the
//! first probe. Two live sessions that meet in one slot are told apart by the full number: the newcomer goes to a side
//! table. The ring doubles once it is half full, and becomes a quarter once only a sixteenth is used, so that a burst
//! leaves nothing behind, also if one of its sessions stays. A session that lives for hours costs one entry and never a
//! larger ring; numbers wrap at 0x7fffffff and a live one is never handed out again (`contains`).

use std::collections::VecDeque;

use rustc_hash::FxHashMap;
use skynet_kernel::Handle;

/// What a session is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A request to another service. Fails when that service does.
    Call,
    /// `sleep`: a timer will answer.
    Sleep,
    /// `wait`: nothing will answer; `wakeup` ends it.
    Wait,
    /// The start of a `timeout` function, whose task is there.
    Timer,
    /// The same without a task yet; `task` holds the function's registry reference.
    Function,
    /// Woken early: the timer's message is still to come and is dropped.
    WokenEarly,
    /// A call that was given up (deadline, closed select, killed task): a late answer is dropped.
    DroppedCall,
    /// Given up too, but only a timer's message is still to come.
    DroppedTimer,
    /// A Lua function gets the answer (`request`/select); `task` holds its registry reference.
    Handler,
    /// A Lua function is told of each service that ends; `task` holds its registry reference. It is never over.
    Notices,
}

/// "No deadline" where a deadline in centiseconds is meant.
pub const NO_DEADLINE: i32 = i32::MIN;

impl Kind {
    /// By number.
    const ALL: [Kind; 10] = [
        Kind::Call,
        Kind::Sleep,
        Kind::Wait,
        Kind::Timer,
        Kind::Function,
        Kind::WokenEarly,
        Kind::DroppedCall,
        Kind::DroppedTimer,
        Kind::Handler,
        Kind::Notices,
    ];
}

/// Whether an answer may come to a call that has failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LateAnswer {
    /// The error was the answer.
    Never,
    /// The callee lives. The session stays reserved until then.
    Expected,
    /// Only if the callee, which is dead, had passed the request on. See `UnlikelyAnswers`.
    Unlikely,
}

/// Sessions of which an answer is unlikely, and nothing to complain about if it comes. The last few only: they would
/// pile up in a service whose callees keep dying.
#[derive(Default)]
pub(crate) struct UnlikelyAnswers(VecDeque<i32>);

/// Sessions that `UnlikelyAnswers` remembers.
const MAX_UNLIKELY: usize = 1024;

impl UnlikelyAnswers {
    pub(crate) fn add(&mut self, session: i32) {
        if self.0.len() == MAX_UNLIKELY {
            self.0.pop_front();
        }
        self.0.push_back(session);
    }

    /// True, once, if the session is remembered.
    pub(crate) fn take(&mut self, session: i32) -> bool {
        let at = self.0.iter().position(|&s| s == session);
        at.is_some_and(|at| self.0.remove(at).is_some())
    }
}

/// When a wait began, in units of 256 message stamps, a tenth of a second or less: the upper three bytes of a stamp,
/// and nothing in the lowest. It goes round after two weeks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Since(u32);

impl Since {
    /// `stamp` is the time by [`skynet_kernel::Context::stamp`].
    #[inline]
    pub(crate) fn at(stamp: u32) -> Since {
        Since(stamp & !0xff)
    }

    /// Milliseconds until `now`.
    pub(crate) fn age_ms(self, now: u32) -> u64 {
        let began = self.0 >> 8;
        let units = (now >> 8).wrapping_sub(began) & 0xff_ffff;
        // A stamp that another core has taken may be one unit ahead.
        let units = if units == 0xff_ffff { 0 } else { units };
        skynet_kernel::inspect::stamps_to_ms(u64::from(units) << 8)
    }
}

/// One pending session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    /// 1..=0x7fffffff.
    pub(crate) session: i32,
    /// Index of the task that waits, or what `kind` says.
    pub(crate) task: u32,
    /// The callee for calls by handle, else 0.
    pub(crate) callee: u32,
    /// `Kind` in the lowest byte, `Since` in the others: one number, so that the whole is written, and read again
    /// at once, in the same pieces.
    tail: u32,
}

impl Pending {
    #[inline]
    pub(crate) fn new(session: i32, task: u32, callee: u32, kind: Kind, since: Since) -> Pending {
        let tail = since.0 | kind as u32;
        Pending {
            session,
            task,
            callee,
            tail,
        }
    }

    #[inline]
    pub(crate) fn kind(&self) -> Kind {
        Kind::ALL[(self.tail & 0xff) as usize]
    }

    pub(crate) fn set_kind(&mut self, kind: Kind) {
        self.tail = self.tail & !0xff | kind as u32;
    }

    /// When the wait began.
    pub(crate) fn since(&self) -> Since {
        Since(self.tail & !0xff)
    }

    /// The service that owes the answer, if somebody still waits for it.
    pub(crate) fn owed_by(&self) -> Option<Handle> {
        let waits = self.callee != 0 && matches!(self.kind(), Kind::Call | Kind::Handler);
        waits.then_some(Handle(self.callee))
    }
}

const EMPTY: Pending = Pending {
    session: 0,
    task: 0,
    callee: 0,
    tail: Kind::DroppedCall as u32,
};
const _: () = assert!(size_of::<Pending>() == 16, "four of them in a cache line");
const FIRST_SIZE: usize = 8;
/// A ring of this size or less stays as it is.
const SMALL_SIZE: usize = 128;

/// The table of pending sessions.
#[derive(Default)]
pub(crate) struct Sessions {
    ring: Box<[Pending]>,
    in_ring: usize,
    /// With fewer sessions in the ring than that it becomes smaller.
    few: usize,
    side: FxHashMap<i32, Pending>,
}

impl Sessions {
    /// Number of sessions, whatever they are waited for.
    pub(crate) fn len(&self) -> usize {
        self.in_ring + self.side.len()
    }

    fn slot(&self, session: i32) -> Option<usize> {
        let mask = self.ring.len().wrapping_sub(1);
        let i = session as usize & mask;
        // An empty slot has session 0, which nobody waits for.
        (session != 0 && self.ring.get(i)?.session == session).then_some(i)
    }

    pub(crate) fn contains(&self, session: i32) -> bool {
        self.slot(session).is_some() || (!self.side.is_empty() && self.side.contains_key(&session))
    }

    /// Adds a session that is not pending yet.
    #[inline]
    pub(crate) fn insert(&mut self, p: Pending) {
        debug_assert!(p.session > 0 && !self.contains(p.session));
        let mask = self.ring.len().wrapping_sub(1);
        match self.ring.get_mut(p.session as usize & mask) {
            Some(slot) if slot.session == 0 => {
                *slot = p;
                self.in_ring += 1;
            }
            _ => self.insert_elsewhere(p),
        }
    }

    /// Its place in the ring is taken, or there is no ring.
    #[cold]
    fn insert_elsewhere(&mut self, p: Pending) {
        if self.ring.is_empty() {
            self.ring = vec![EMPTY; FIRST_SIZE].into_boxed_slice();
        }
        let i = p.session as usize & (self.ring.len() - 1);
        if self.ring[i].session == 0 {
            self.ring[i] = p;
            self.in_ring += 1;
        } else if self.len() * 2 >= self.ring.len() {
            self.grow();
            self.insert(p);
        } else {
            self.side.insert(p.session, p);
        }
    }

    fn grow(&mut self) {
        self.resize(self.ring.len() * 2);
    }

    /// Gives the ring another size, a power of two.
    fn resize(&mut self, size: usize) {
        let old = std::mem::replace(&mut self.ring, vec![EMPTY; size].into_boxed_slice());
        let side = std::mem::take(&mut self.side);
        self.in_ring = 0;
        self.few = if size > SMALL_SIZE { size / 16 } else { 0 };
        let all = old.iter().filter(|p| p.session != 0).copied();
        for p in all.chain(side.into_values()) {
            let i = p.session as usize & (size - 1);
            if self.ring[i].session == 0 {
                self.ring[i] = p;
                self.in_ring += 1;
            } else {
                self.side.insert(p.session, p);
            }
        }
    }

    pub(crate) fn get(&self, session: i32) -> Option<&Pending> {
        match self.slot(session) {
            Some(i) => Some(&self.ring[i]),
            None => self.side.get(&session),
        }
    }

    pub(crate) fn get_mut(&mut self, session: i32) -> Option<&mut Pending> {
        match self.slot(session) {
            Some(i) => Some(&mut self.ring[i]),
            None => self.side.get_mut(&session),
        }
    }

    /// Takes a session out.
    pub(crate) fn remove(&mut self, session: i32) -> Option<Pending> {
        if session <= 0 {
            return None;
        }
        if let Some(i) = self.slot(session) {
            self.in_ring -= 1;
            let p = std::mem::replace(&mut self.ring[i], EMPTY);
            if self.in_ring < self.few {
                self.shrink();
            }
            return Some(p);
        }
        if self.side.is_empty() {
            return None;
        }
        self.side.remove(&session)
    }

    /// Gives back most of what a burst has left behind, unless the side table has so many that the ring is wanted.
    #[cold]
    fn shrink(&mut self) {
        let mut size = self.ring.len();
        while size > SMALL_SIZE && self.len() < size / 16 {
            size /= 4;
        }
        if size < self.ring.len() {
            self.resize(size);
        }
    }

    /// All pending sessions, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Pending> {
        self.ring
            .iter()
            .filter(|p| p.session != 0)
            .chain(self.side.values())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(session: i32) -> Pending {
        Pending::new(session, session as u32, 0, Kind::Call, Since::at(0))
    }

    #[test]
    fn a_long_lived_session_does_not_grow_the_ring() {
        let mut s = Sessions::default();
        s.insert(pending(3));
        for n in 4..1_000_000 {
            s.insert(pending(n));
            assert_eq!(s.remove(n).map(|p| p.task), Some(n as u32));
        }
        assert_eq!(s.ring.len(), FIRST_SIZE);
        assert_eq!(s.remove(3).map(|p| p.session), Some(3));
        assert_eq!(s.len(), 0);
    }

    #[test]
    fn kinds_and_their_numbers() {
        for (n, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, n);
            let mut p = Pending::new(7, 8, 9, Kind::Call, Since::at(0x1234_5678));
            p.set_kind(kind);
            assert_eq!((p.kind(), p.since()), (kind, Since::at(0x1234_56ff)));
        }
    }

    #[test]
    fn ages() {
        let began = Since::at(0xffff_f012);
        assert_eq!(began.age_ms(0xffff_f0ff), 0);
        assert_eq!(began.age_ms(0xffff_efff), 0);
        let week = began.age_ms(0x7fff_f012);
        // 2^31 stamps of 2^20 ticks; the rate of the counter is measured, and may be that of nanoseconds.
        assert!(week > 86_400_000, "{week}");
    }

    #[test]
    fn there_is_no_session_0() {
        let mut s = Sessions::default();
        s.insert(pending(1));
        assert!(!s.contains(0));
        assert!(s.get(0).is_none() && s.get_mut(0).is_none());
    }

    #[test]
    fn many_at_once_and_back() {
        let mut s = Sessions::default();
        for n in 1..=100_000 {
            s.insert(pending(n));
        }
        assert_eq!(s.len(), 100_000);
        for n in (1..=100_000).rev() {
            assert!(s.contains(n));
            assert_eq!(s.remove(n).map(|p| p.session), Some(n));
            assert!(s.remove(n).is_none());
        }
        assert!(s.ring.len() <= SMALL_SIZE);
    }

    #[test]
    fn a_burst_leaves_no_large_ring_behind_though_one_of_it_stays() {
        for forwards in [true, false] {
            let mut s = Sessions::default();
            for n in 1..=100_000 {
                s.insert(pending(n));
            }
            assert!(s.ring.len() > 100_000);
            for n in 1..=100_000 {
                let n = if forwards { n } else { 100_001 - n };
                // Every thousandth stays: so few that a small ring has room for them.
                if n % 1000 != 500 {
                    assert_eq!(s.remove(n).map(|p| p.session), Some(n));
                }
            }
            assert_eq!((s.len(), s.iter().count()), (100, 100));
            assert!(s.ring.len() <= 2048, "{}", s.ring.len());
            for n in (500..100_000).step_by(1000) {
                assert_eq!(s.remove(n).map(|p| p.task), Some(n as u32));
            }
            assert!(s.len() == 0 && s.ring.len() <= SMALL_SIZE);
        }
    }

    #[test]
    fn only_the_last_ended_sessions_are_remembered() {
        let mut e = UnlikelyAnswers::default();
        for n in 1..=MAX_UNLIKELY as i32 + 1 {
            e.add(n);
        }
        assert!(!e.take(1));
        assert!(e.take(2));
        assert!(!e.take(2));
    }

    #[test]
    fn numbers_around_the_wrap_keep_apart() {
        let mut s = Sessions::default();
        for n in [0x7fff_ffff, 0x7fff_fff7, 1, 9, 17] {
            s.insert(pending(n));
        }
        for n in [17, 0x7fff_fff7, 9, 1, 0x7fff_ffff] {
            assert_eq!(s.remove(n).map(|p| p.session), Some(n));
        }
    }
}

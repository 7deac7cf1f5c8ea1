//! Which open calls of a service wait for which other one.
//!
//! When a service has gone, those that wait for it look for the calls that it will not answer. To look at all open
//! calls each time takes seconds if many services go that a service with many calls has talked to. To keep lists of
//! them would cost every call. So the lists are made when somebody asks: sessions are consecutive, and what was opened
//! since the last question is all that has to be looked at. A question costs no more than the calls that were made
//! since the last one.

use std::collections::HashMap;

use crate::message::Handle;

/// So many open calls are looked at one by one.
const FEW: usize = 64;

/// See the module's description.
#[derive(Default)]
pub struct Callees {
    sessions: HashMap<Handle, Vec<i32>>,
    /// Number of sessions in all lists; some of them may have ended.
    noted: usize,
    /// Up to this one, sessions have been noted.
    last: i32,
}

impl Callees {
    /// The sessions that wait for `callee`, in ascending order. Each is told once. `last` is the session given out
    /// last, `open` the number of open ones, `all` goes through them, and `callee_of` tells whom one waits for, if it
    /// is open and waits for a service.
    pub fn waiting_for<I: Iterator<Item = i32>>(
        &mut self,
        callee: Handle,
        last: i32,
        open: usize,
        all: impl FnOnce() -> I,
        callee_of: impl Fn(i32) -> Option<Handle>,
    ) -> Vec<i32> {
        if callee.is_none() {
            return Vec::new();
        }
        let waits = |session: &i32| callee_of(*session) == Some(callee);
        let mut found: Vec<i32>;
        if open <= FEW {
            *self = Callees::default();
            found = all().filter(waits).collect();
        } else {
            self.update(last, open, all, &callee_of);
            found = self.sessions.remove(&callee).unwrap_or_default();
            self.noted -= found.len();
            found.retain(waits);
        }
        found.sort_unstable();
        found
    }

    fn update<I: Iterator<Item = i32>>(
        &mut self,
        last: i32,
        open: usize,
        all: impl FnOnce() -> I,
        callee_of: impl Fn(i32) -> Option<Handle>,
    ) {
        let new = last.checked_sub(self.last).filter(|new| *new >= 0);
        // Numbers have started again, or there were more of them than are open, or most of the lists is old: all is
        // noted anew.
        if new.is_none_or(|new| new as usize > open) || self.noted > 2 * open {
            *self = Callees::default();
            self.note(all(), callee_of);
        } else {
            self.note(self.last + 1..=last, callee_of);
        }
        self.last = last;
    }

    fn note(
        &mut self,
        sessions: impl Iterator<Item = i32>,
        callee_of: impl Fn(i32) -> Option<Handle>,
    ) {
        for session in sessions {
            if let Some(callee) = callee_of(session) {
                self.sessions.entry(callee).or_default().push(session);
                self.noted += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::collections::BTreeMap;

    /// Open calls by session, and how many have been looked at.
    #[derive(Default)]
    struct Open(BTreeMap<i32, Handle>, Cell<usize>);

    impl Open {
        fn ask(&self, callees: &mut Callees, callee: u32, last: i32) -> Vec<i32> {
            let callee_of = |session: i32| {
                self.1.set(self.1.get() + 1);
                self.0.get(&session).copied()
            };
            let all = || self.0.keys().copied();
            callees.waiting_for(Handle(callee), last, self.0.len(), all, callee_of)
        }

        fn plainly(&self, callee: u32) -> Vec<i32> {
            let calls = self.0.iter().filter(|(_, c)| c.0 == callee);
            calls.map(|(session, _)| *session).collect()
        }
    }

    #[test]
    fn the_same_as_looking_at_all_of_them() {
        let (mut callees, mut open) = (Callees::default(), Open::default());
        let mut state = 7u64;
        let mut random = |n: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
            (state >> 33) % n
        };
        let mut last = i32::MAX - 20_000;
        for round in 0..100_000 {
            match random(10) {
                0..6 => {
                    last = last.checked_add(1).unwrap_or(1);
                    open.0.insert(last, Handle(1 + random(300) as u32));
                }
                // Sometimes nearly all calls end.
                6..9 if !open.0.is_empty() => {
                    let most = if round % 20_000 == 0 { 30_000 } else { 1 };
                    for _ in 0..most.min(open.0.len()) {
                        let from = random(last as u64) as i32;
                        let at = open.0.range(from..).next().or(open.0.iter().next());
                        let session = *at.unwrap().0;
                        open.0.remove(&session);
                    }
                }
                _ => {
                    let callee = 1 + random(300) as u32;
                    let expected = open.plainly(callee);
                    assert_eq!(open.ask(&mut callees, callee, last), expected);
                    // They fail, and so have ended.
                    open.0.retain(|_, c| c.0 != callee);
                }
            }
        }
    }

    #[test]
    fn many_questions_look_at_each_call_a_few_times() {
        let (mut callees, mut open) = (Callees::default(), Open::default());
        const CALLS: i32 = 20_000;
        for session in 1..=CALLS {
            open.0.insert(session, Handle(5_000_000));
        }
        for callee in 1..=10_000 {
            assert!(open.ask(&mut callees, callee, CALLS).is_empty());
        }
        assert!(open.1.get() <= 2 * CALLS as usize, "{}", open.1.get());
        assert_eq!(
            open.ask(&mut callees, 5_000_000, CALLS).len(),
            CALLS as usize
        );
    }
}

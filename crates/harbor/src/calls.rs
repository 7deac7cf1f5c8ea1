//! Requests that have gone to other nodes and have no answer yet. An answer is accepted only if there is a note of its
//! request, and from the node only that the request has gone to; and when a node goes down, what it was asked fails.
//!
//! Not every note is taken out again: the answer may never come, and the caller may end or give up. So there is a
//! bound: above it the notes of callers that have gone are dropped, and then the oldest calls fail.

use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;
use skynet_kernel::Handle;

/// Notes of callers that are there are kept up to this number.
const KEPT: usize = 1 << 20;

/// A request that has left.
pub(crate) struct Call {
    pub(crate) dest: Handle,
    /// The type of the request.
    kind: u8,
    /// Centiseconds of the node's clock when it left.
    pub(crate) since: u64,
    /// How many calls there were before it.
    number: u64,
}

/// A call that has to fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Failed {
    pub(crate) source: Handle,
    pub(crate) session: i32,
    /// Who was called.
    pub(crate) dest: Handle,
}

pub(crate) struct Calls {
    open: FxHashMap<(Handle, i32), Call>,
    count: u64,
    kept: usize,
    /// At so many notes it is time to clear up.
    full: usize,
}

impl Default for Calls {
    fn default() -> Calls {
        Calls::keeping(KEPT)
    }
}

impl Calls {
    fn keeping(kept: usize) -> Calls {
        Calls {
            open: FxHashMap::default(),
            count: 0,
            kept,
            full: kept.min(1 << 16),
        }
    }

    /// A request leaves at this time. `alive` tells whether a service still exists. There may be too many: the calls
    /// that are returned, as [`take`](Self::take) does, have to fail.
    #[must_use]
    pub(crate) fn begin(
        &mut self,
        (source, session): (Handle, i32),
        dest: Handle,
        kind: u8,
        since: u64,
        alive: impl Fn(Handle) -> bool,
    ) -> Vec<Failed> {
        let failed = match self.open.len() >= self.full {
            true => self.clear_up(alive),
            false => Vec::new(),
        };
        self.count += 1;
        let number = self.count;
        let call = Call {
            dest,
            kind,
            since,
            number,
        };
        self.open.insert((source, session), call);
        failed
    }

    /// An answer has come from a node. The type of the request; `None`: it was not asked.
    pub(crate) fn end(&mut self, node: u8, source: Handle, session: i32) -> Option<u8> {
        match self.open.entry((source, session)) {
            Entry::Occupied(call) if call.get().dest.harbor() == node => Some(call.remove().kind),
            _ => None,
        }
    }

    /// Takes out the calls to a node, in the order in which they were made.
    pub(crate) fn take(&mut self, node: u8) -> Vec<Failed> {
        self.take_if(|call| call.dest.harbor() == node)
    }

    fn take_if(&mut self, which: impl Fn(&Call) -> bool) -> Vec<Failed> {
        let mut calls: Vec<_> = self
            .open
            .extract_if(|_, call| which(call))
            .map(|((source, session), call)| (call.number, source, session, call.dest))
            .collect();
        calls.sort_unstable_by_key(|call| call.0);
        calls
            .into_iter()
            .map(|(_, source, session, dest)| Failed {
                source,
                session,
                dest,
            })
            .collect()
    }

    /// All that are open, oldest first: caller, session, and what is known of the call.
    pub(crate) fn list(&self) -> Vec<(Handle, i32, &Call)> {
        let mut calls: Vec<_> = self.open.iter().collect();
        calls.sort_unstable_by_key(|(_, call)| call.number);
        calls
            .into_iter()
            .map(|(&(source, session), call)| (source, session, call))
            .collect()
    }

    fn clear_up(&mut self, alive: impl Fn(Handle) -> bool) -> Vec<Failed> {
        self.open.retain(|(source, _), _| alive(*source));
        let mut failed = Vec::new();
        if self.open.len() >= self.kept {
            let oldest = self.count - self.kept as u64 / 2;
            failed = self.take_if(|call| call.number <= oldest);
        }
        self.full = (2 * self.open.len()).clamp(self.kept.min(1 << 16), self.kept);
        failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLER: Handle = Handle(0x0100_0009);

    fn dest(node: u32) -> Handle {
        Handle(node << 24 | 0x10)
    }

    #[test]
    fn calls_to_a_node_fail_together_and_in_order() {
        let mut calls = Calls::default();
        for session in 1..=6 {
            let to = dest(2 + session as u32 % 2);
            assert_eq!(calls.begin((CALLER, session), to, 10, 0, |_| true), []);
        }
        // Only who was asked can answer, and only once.
        assert_eq!(calls.end(2, CALLER, 3), None);
        assert_eq!(calls.end(3, CALLER, 3), Some(10));
        assert_eq!(calls.end(3, CALLER, 3), None);
        assert_eq!(calls.end(3, CALLER, 99), None);
        let sessions: Vec<i32> = calls.take(3).iter().map(|call| call.session).collect();
        assert_eq!(sessions, [1, 5]);
        assert_eq!(calls.take(3), []);
        let left: Vec<i32> = calls.list().iter().map(|call| call.1).collect();
        assert_eq!(left, [2, 4, 6]);
    }

    #[test]
    fn notes_of_the_dead_go_first_and_then_the_oldest_calls_fail() {
        let mut calls = Calls::keeping(100);
        let alive = |source| source == CALLER;
        let dead = Handle(0x0100_0001);
        for session in 1..=50 {
            assert_eq!(calls.begin((dead, session), dest(2), 10, 0, |_| true), []);
            assert_eq!(calls.begin((CALLER, session), dest(2), 10, 0, |_| true), []);
        }
        assert_eq!(calls.begin((CALLER, 51), dest(2), 10, 0, alive), []);
        assert_eq!(calls.open.len(), 51);
        let mut failed = Vec::new();
        for session in 52..=1000 {
            failed.extend(calls.begin((CALLER, session), dest(2), 10, 0, alive));
            assert!(calls.open.len() <= 100);
        }
        // The socket has failed, or it is still there.
        failed.extend(calls.take(2));
        let sessions: Vec<i32> = failed.iter().map(|call| call.session).collect();
        assert_eq!(sessions, (1..=1000).collect::<Vec<i32>>());
        assert!(
            failed
                .iter()
                .all(|call| (call.source, call.dest) == (CALLER, dest(2)))
        );
    }
}

//! Requests that have gone to other nodes and have no answer yet, so that they can be failed when their node goes down.
//!
//! Not every note is taken out again: the answer may come on another way, or never, and the caller may end. So there is a bound:
//! above it the notes of callers that have gone are dropped, and then the oldest. A dropped note costs its caller nothing but the
//! error, should the node go down while the call is open.

use rustc_hash::FxHashMap;
use skynet_kernel::Handle;

/// Notes that are kept in any case.
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

    /// A request leaves at this time. `alive` tells whether a service still exists.
    pub(crate) fn begin(
        &mut self,
        (source, session): (Handle, i32),
        dest: Handle,
        kind: u8,
        since: u64,
        alive: impl Fn(Handle) -> bool,
    ) {
        if self.open.len() >= self.full {
            self.clear_up(alive);
        }
        self.count += 1;
        let number = self.count;
        let call = Call {
            dest,
            kind,
            since,
            number,
        };
        self.open.insert((source, session), call);
    }

    /// An answer has come. The type of the request, if there is a note of it.
    pub(crate) fn end(&mut self, source: Handle, session: i32) -> Option<u8> {
        if self.open.is_empty() {
            return None;
        }
        Some(self.open.remove(&(source, session))?.kind)
    }

    /// Takes out the calls to a node: caller, session, and who was called; in the order in which they were made.
    pub(crate) fn take(&mut self, node: u8) -> Vec<(Handle, i32, Handle)> {
        let mut calls: Vec<_> = self
            .open
            .extract_if(|_, call| call.dest.harbor() == node)
            .map(|((source, session), call)| (call.number, source, session, call.dest))
            .collect();
        calls.sort_unstable_by_key(|call| call.0);
        calls
            .into_iter()
            .map(|(_, source, session, dest)| (source, session, dest))
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

    fn clear_up(&mut self, alive: impl Fn(Handle) -> bool) {
        self.open.retain(|(source, _), _| alive(*source));
        if self.open.len() >= self.kept {
            let oldest = self.count - self.kept as u64 / 2;
            self.open.retain(|_, call| call.number > oldest);
        }
        self.full = (2 * self.open.len()).clamp(self.kept.min(1 << 16), self.kept);
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
            calls.begin(
                (CALLER, session),
                dest(2 + session as u32 % 2),
                10,
                0,
                |_| true,
            );
        }
        assert_eq!(calls.end(CALLER, 3), Some(10));
        assert_eq!(calls.end(CALLER, 99), None);
        let sessions: Vec<i32> = calls.take(3).iter().map(|call| call.1).collect();
        assert_eq!(sessions, [1, 5]);
        assert_eq!(calls.take(3), []);
        let left: Vec<i32> = calls.list().iter().map(|call| call.1).collect();
        assert_eq!(left, [2, 4, 6]);
    }

    #[test]
    fn notes_of_the_dead_go_first_and_then_the_oldest() {
        let mut calls = Calls::keeping(100);
        for session in 1..=60 {
            calls.begin((Handle(0x0100_0001), session), dest(2), 10, 0, |_| true);
            calls.begin((CALLER, session), dest(2), 10, 0, |source| source == CALLER);
        }
        // 50 of each were there when the first hundred was full; the caller that is alive made the next.
        assert!(calls.open.len() <= 100);
        for session in 61..=1000 {
            calls.begin((CALLER, session), dest(2), 10, 0, |source| source == CALLER);
            assert!(calls.open.len() <= 100);
        }
        let left = calls.take(2);
        assert!(left.iter().all(|call| call.0 == CALLER));
        assert_eq!(left.last(), Some(&(CALLER, 1000, dest(2))));
    }
}

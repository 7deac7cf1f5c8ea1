//! When a service ran last, and whether its memory is still in the cache of a worker.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A service that had its last turn on the same worker less than so many turns ago needs no fetching.
const WARM: u32 = 160;

/// When a service ran last: worker (from 1) in the upper half, number of its turn in the lower half.
#[derive(Default)]
pub(crate) struct LastTurn(AtomicU64);

impl LastTurn {
    /// The service has a turn now, which is number `turn` of `worker`.
    #[inline]
    pub(crate) fn set(&self, worker: usize, turn: u32) {
        self.0.store(moment(worker, turn), Relaxed);
    }

    /// Is the service still in the cache of `worker`, whose turn number `turn` is running?
    #[inline]
    pub(crate) fn is_warm(&self, worker: usize, turn: u32) -> bool {
        moment(worker, turn).wrapping_sub(self.0.load(Relaxed)) <= u64::from(WARM)
    }
}

#[inline]
fn moment(worker: usize, turn: u32) -> u64 {
    (worker as u64 + 1) << 32 | u64::from(turn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ran_here_a_moment_ago_is_warm() {
        let warm = |then: (usize, u32), now: (usize, u32)| {
            let last = LastTurn::default();
            last.set(then.0, then.1);
            last.is_warm(now.0, now.1)
        };
        assert!(warm((0, 10), (0, 10)) && warm((1, 10), (1, 10 + WARM)));
        assert!(!warm((1, 10), (1, 11 + WARM)));
        assert!(!warm((0, 10), (1, 11)) && !warm((1, 10), (0, 11)));
        assert!(!LastTurn::default().is_warm(0, 0));
    }
}

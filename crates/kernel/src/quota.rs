//! How much somebody else may have written into the log.
//!
//! A peer that is told of in the log decides how often. So each connection has a [`LogQuota`]: some lines at once, one
//! more every second, and a count of those that were left out.

use crate::context::Context;

/// Lines at once, and centiseconds that one line costs, unless somebody has other needs.
const BURST: u64 = 20;
const PACE: u64 = 100;

/// The lines that one connection may have in the log. See [`Context::log_within`].
#[derive(Clone, Debug)]
pub struct LogQuota {
    /// Centiseconds that lines at once may cost, and that each costs.
    burst: u64,
    pace: u64,
    /// Centiseconds up to which lines were paid for, of a clock that is a whole burst ahead of the node's.
    paid: u64,
    left_out: u64,
}

impl Default for LogQuota {
    fn default() -> LogQuota {
        LogQuota::of(BURST, PACE)
    }
}

impl LogQuota {
    /// So many lines at once, and one more each time so many centiseconds have passed.
    pub fn of(lines: u64, pace_cs: u64) -> LogQuota {
        LogQuota {
            burst: lines * pace_cs,
            pace: pace_cs,
            paid: 0,
            left_out: 0,
        }
    }

    /// May one more line be written at this time? How many were left out since the last one.
    pub fn admit(&mut self, now_cs: u64) -> Option<u64> {
        let now = now_cs + self.burst;
        let paid = self.paid.max(now_cs) + self.pace;
        if paid > now {
            self.left_out += 1;
            return None;
        }
        self.paid = paid;
        Some(std::mem::take(&mut self.left_out))
    }

    /// How many lines were left out since the last one.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }
}

impl Context {
    /// Writes a line of which a peer decides how often it comes; or does not, if there have been too many.
    pub fn log_within(&self, quota: &mut LogQuota, line: impl FnOnce() -> String) {
        match quota.admit(self.node().now_cs()) {
            None => {}
            Some(0) => self.log(line()),
            Some(count) => self.log(format!(
                "{} ({count} lines before it were left out)",
                line()
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_at_once_and_then_one_a_second() {
        let mut quota = LogQuota::default();
        let start = 0;
        let written = (0..1000).filter(|_| quota.admit(start) == Some(0)).count();
        assert_eq!((written as u64, quota.left_out()), (BURST, 1000 - BURST));
        assert_eq!(quota.admit(start + PACE - 1), None);
        assert_eq!(quota.admit(start + PACE), Some(1001 - BURST));
        assert_eq!(quota.admit(start + PACE), None);
        // After a long time without lines the quota is as at the beginning.
        let later = start + 100 * BURST * PACE;
        let written = (0..1000).filter(|_| quota.admit(later).is_some()).count();
        assert_eq!(written as u64, BURST);
    }
}

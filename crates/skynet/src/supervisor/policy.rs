//! What a supervisor decides when one of its children has ended. It knows nothing of services: children are numbers, in
//! the order in which they are started.

use super::spec::{Restart, Strategy};
use skynet_kernel::Departure;
use std::time::Duration;

/// How often and how quickly.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) strategy: Strategy,
    pub(super) intensity: usize,
    pub(super) period: Duration,
    pub(super) backoff: Vec<Duration>,
}

/// What is known of a child.
#[derive(Clone, Debug)]
struct Child {
    restart: Restart,
    alive: bool,
    /// It is not started again, whatever happens.
    forgotten: bool,
    /// When it was started last.
    since: Duration,
    /// Failures without a long life between them.
    row: usize,
}

#[derive(Debug)]
pub(super) struct Policy {
    settings: Settings,
    children: Vec<Child>,
    restarts: Vec<Duration>,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Nothing,
    GiveUp,
    /// First these are ended, in this order; after a while those are started, in theirs.
    Restart {
        stop: Vec<usize>,
        start: Vec<usize>,
        delay: Duration,
    },
}

impl Policy {
    pub(super) fn new(settings: Settings, restarts: impl IntoIterator<Item = Restart>) -> Policy {
        let child = |restart| Child {
            restart,
            alive: false,
            forgotten: false,
            since: Duration::ZERO,
            row: 0,
        };
        Policy {
            settings,
            children: restarts.into_iter().map(child).collect(),
            restarts: Vec::new(),
        }
    }

    /// It runs. Times are since whenever.
    pub(super) fn started(&mut self, child: usize, now: Duration) {
        self.children[child].alive = true;
        self.children[child].since = now;
    }

    /// Those that run, the last one first.
    pub(super) fn running(&self) -> Vec<usize> {
        let all = (0..self.children.len()).rev();
        all.filter(|&i| self.children[i].alive).collect()
    }

    /// It has ended by itself, or could not be started.
    pub(super) fn ended(&mut self, child: usize, departure: &Departure, now: Duration) -> Decision {
        let Settings {
            strategy,
            intensity,
            period,
            ref backoff,
        } = self.settings;
        let dead = &mut self.children[child];
        dead.alive = false;
        match dead.restart {
            Restart::Temporary => {
                dead.forgotten = true;
                return Decision::Nothing;
            }
            Restart::Transient if *departure == Departure::Exit => return Decision::Nothing,
            Restart::Transient | Restart::Permanent => {}
        }
        if now.saturating_sub(dead.since) >= period {
            dead.row = 0;
        }
        let delay = backoff.get(dead.row).or(backoff.last());
        let delay = delay.copied().unwrap_or_default();
        dead.row += 1;
        self.restarts
            .retain(|&then| now.saturating_sub(then) < period);
        self.restarts.push(now);
        if self.restarts.len() > intensity {
            return Decision::GiveUp;
        }
        let concerned = match strategy {
            Strategy::OneForOne => child..child + 1,
            Strategy::OneForAll => 0..self.children.len(),
            Strategy::RestForOne => child..self.children.len(),
        };
        let (mut stop, mut start) = (Vec::new(), Vec::new());
        for i in concerned {
            let other = &mut self.children[i];
            if std::mem::take(&mut other.alive) {
                stop.insert(0, i);
            }
            other.forgotten |= other.restart == Restart::Temporary;
            if !other.forgotten {
                start.push(i);
            }
        }
        Decision::Restart { stop, start, delay }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Restart::{Permanent, Temporary, Transient};

    const SECOND: Duration = Duration::from_secs(1);

    fn policy(strategy: Strategy, restarts: &[Restart]) -> Policy {
        let settings = Settings {
            strategy,
            intensity: 3,
            period: 5 * SECOND,
            backoff: vec![Duration::ZERO, SECOND],
        };
        let mut policy = Policy::new(settings, restarts.iter().copied());
        for child in 0..restarts.len() {
            policy.started(child, Duration::ZERO);
        }
        policy
    }

    #[test]
    fn who_is_concerned() {
        let killed = Departure::Killed(skynet_kernel::Handle::NONE);
        for (strategy, stop, start) in [
            (Strategy::OneForOne, vec![], vec![1]),
            (Strategy::OneForAll, vec![3, 2, 0], vec![0, 1, 2]),
            (Strategy::RestForOne, vec![3, 2], vec![1, 2]),
        ] {
            let mut policy = policy(strategy, &[Permanent, Transient, Permanent, Temporary]);
            let decision = policy.ended(1, &killed, SECOND);
            let delay = Duration::ZERO;
            assert_eq!(decision, Decision::Restart { stop, start, delay });
        }
    }

    #[test]
    fn who_comes_back() {
        let exit = Departure::Exit;
        let failed = Departure::Init("why".into());
        for (restart, after_exit, after_failure) in [
            (Permanent, true, true),
            (Transient, false, true),
            (Temporary, false, false),
        ] {
            for (departure, comes) in [(&exit, after_exit), (&failed, after_failure)] {
                let decision = policy(Strategy::OneForOne, &[restart]).ended(0, departure, SECOND);
                assert_eq!(matches!(decision, Decision::Restart { .. }), comes);
            }
        }
    }

    #[test]
    fn too_often_and_later() {
        let mut policy = policy(Strategy::OneForOne, &[Permanent]);
        let mut delays = Vec::new();
        // A period of life between them, then too quickly.
        for now in [10, 20, 30, 31, 32] {
            match policy.ended(0, &Departure::Exit, now * SECOND) {
                Decision::Restart { delay, .. } => delays.push(delay.as_secs()),
                other => panic!("{other:?} at {now}"),
            }
            policy.started(0, now * SECOND);
        }
        assert_eq!(delays, [0, 0, 0, 1, 1]);
        assert_eq!(
            policy.ended(0, &Departure::Exit, 33 * SECOND),
            Decision::GiveUp
        );
        assert_eq!(policy.running(), []);
    }
}

//! To sleep, or to look again for a moment?
//!
//! Who calls another node, or answers a client that asks again at once, waits for some microseconds only. To go to
//! sleep and to be woken on another processor takes longer than that, most of all in a virtual machine, where an idle
//! processor has to be started by its host.
//!
//! So whoever waits in a reactor looks again and again for [`LOOK`], but only if that is likely to help and hinders
//! nobody: no service of the node is running, the last wait was short, and earlier attempts have succeeded. Each one
//! that fails doubles the number of waits until the next one, each one that succeeds halves it. A reactor with nothing
//! to do sleeps at once; and on a busy machine, where looking would keep the one who is waited for from running, it
//! soon stops.

use std::io;
use std::time::{Duration, Instant};

/// How long it looks.
const LOOK: Duration = Duration::from_micros(50);
/// A wait that ended so soon, with all that sleeping and waking took, would have been worth looking.
const SHORT: Duration = Duration::from_micros(200);
/// Waits that are let pass after many failures, at most.
const MOST: u32 = 1 << 12;

/// What earlier waits have taught.
#[derive(Debug, Default)]
pub(crate) struct Eagerness {
    /// The last wait was short.
    short: bool,
    /// So many waits pass before the next attempt.
    pass: u32,
    /// … and so many after it, if it fails.
    failed: u32,
}

impl Eagerness {
    /// Is it worth looking this time?
    fn looks(&mut self) -> bool {
        if !self.short {
            return false;
        }
        let due = self.pass == 0;
        self.pass = self.pass.saturating_sub(1);
        due
    }

    fn succeeded(&mut self) {
        self.failed /= 2;
    }

    fn failed(&mut self) {
        self.failed = (2 * self.failed).clamp(4, MOST);
        self.pass = self.failed;
    }
}

/// Waits by `poll`, which sleeps if it is not told how long, and says whether there was something.
pub(crate) fn wait(
    eagerness: &mut Eagerness,
    mut poll: impl FnMut(Option<Duration>) -> io::Result<bool>,
) -> io::Result<()> {
    let began = Instant::now();
    if eagerness.looks() {
        loop {
            let found = poll(Some(Duration::ZERO))?;
            // Events that come later are no sign of fast answers: this thread had to give up the processor first.
            let late = began.elapsed() > LOOK;
            match found {
                true if !late => eagerness.succeeded(),
                _ if late => eagerness.failed(),
                _ => continue,
            }
            if found {
                return Ok(());
            }
            break;
        }
    }
    poll(None)?;
    eagerness.short = began.elapsed() < SHORT;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_by_looking_needs_no_sleep() {
        let mut eagerness = Eagerness {
            short: true,
            ..Eagerness::default()
        };
        wait(&mut eagerness, |timeout| {
            assert_eq!(timeout, Some(Duration::ZERO));
            Ok(true)
        })
        .unwrap();
        assert!(eagerness.short);
    }

    #[test]
    fn it_looks_while_that_helps() {
        let mut eagerness = Eagerness {
            short: true,
            ..Eagerness::default()
        };
        for _ in 0..100 {
            assert!(eagerness.looks());
            eagerness.succeeded();
        }
    }

    #[test]
    fn after_a_long_wait_it_sleeps_at_once() {
        let mut eagerness = Eagerness::default();
        wait(&mut eagerness, |timeout| {
            assert_eq!(timeout, None);
            std::thread::sleep(2 * SHORT);
            Ok(true)
        })
        .unwrap();
        assert!(!eagerness.looks());
    }

    #[test]
    fn in_vain_it_looks_less_and_less_often() {
        let mut eagerness = Eagerness::default();
        let mut attempts = 0;
        for _ in 0..10_000 {
            // For the test: sleeping is short, looking is long.
            eagerness.short = true;
            if eagerness.looks() {
                attempts += 1;
                eagerness.failed();
            }
        }
        assert!((5..=15).contains(&attempts), "{attempts}");
        eagerness.pass = 0;
        assert!(eagerness.looks());
        eagerness.succeeded();
        assert!(eagerness.looks());
    }
}

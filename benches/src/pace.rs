//! An open loop's clock: when messages are due, and sleeping until then.
//!
//! The times do not depend on answers, and are fixed: exponential gaps with a mean, from a seed. Whoever measures
//! counts a message's time from when it was due, whenever it was really sent; so a stall, its own included, is seen by
//! every message that it delays.
//!
//! A pacer that waits busily would take a processor from those whom it measures, and on a machine with two that is half
//! of what they have. So it sleeps, by a timer of the system that wakes the same wait as the sockets do. What waking up
//! takes is part of the times.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

/// When messages are due, in nanoseconds.
pub struct Schedule {
    due: f64,
    mean: f64,
    random: u64,
}

impl Schedule {
    /// The first message is due at `begin`, with `rate` of them a second.
    pub fn new(begin: u64, rate: f64) -> Schedule {
        Schedule {
            due: begin as f64,
            mean: 1e9 / rate,
            random: 0x2545_f491_4f6c_dd1d,
        }
    }

    /// When the next message is due.
    pub fn due(&self) -> u64 {
        self.due as u64
    }

    /// It has been sent.
    pub fn advance(&mut self) {
        // The upper bits of George Marsaglia's xorshift64.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let part = ((self.random >> 11) + 1) as f64 / (1u64 << 53) as f64;
        self.due -= part.ln() * self.mean;
    }
}

/// A timer that makes a poll return.
pub struct Alarm(OwnedFd);

impl Alarm {
    /// A timer whose events have this token.
    pub fn new(registry: &Registry, token: Token) -> io::Result<Alarm> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        registry.register(&mut SourceFd(&timer.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Alarm(timer))
    }

    /// Goes off once, after this time, whatever was set before.
    pub fn set(&self, after: Duration) -> io::Result<()> {
        // All zeros would be no time at all.
        let nanoseconds = after.as_nanos().max(1);
        let value = Itimerspec {
            it_interval: Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: Timespec {
                tv_sec: (nanoseconds / 1_000_000_000) as _,
                tv_nsec: (nanoseconds % 1_000_000_000) as _,
            },
        };
        timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &value)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use mio::{Events, Poll};

    use super::*;

    #[test]
    fn gaps_have_the_mean_that_was_asked_for() {
        let mut schedule = Schedule::new(1_000, 1e6);
        assert_eq!(schedule.due(), 1_000);
        let n = 100_000;
        let mut last = schedule.due();
        for _ in 0..n {
            schedule.advance();
            assert!(schedule.due() >= last);
            last = schedule.due();
        }
        let mean = last as f64 / f64::from(n);
        assert!((980.0..1020.0).contains(&mean), "{mean}");
    }

    #[test]
    fn an_alarm_ends_a_poll_each_time_that_it_is_set() {
        let mut poll = Poll::new().unwrap();
        let alarm = Alarm::new(poll.registry(), Token(7)).unwrap();
        let mut events = Events::with_capacity(4);
        for after in [Duration::ZERO, Duration::from_micros(50)] {
            alarm.set(after).unwrap();
            poll.poll(&mut events, Some(Duration::from_secs(60)))
                .unwrap();
            let tokens: Vec<Token> = events.iter().map(|event| event.token()).collect();
            assert_eq!(tokens, [Token(7)]);
        }
    }
}

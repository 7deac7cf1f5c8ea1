//! A bell for one thread that sleeps until a time: the timer thread, and the thread that serves a poller.

use std::sync::PoisonError;
use std::time::Instant;

use crate::sync::{Condvar, Mutex};

/// A bell that is not forgotten if nobody listens yet.
#[derive(Default)]
pub struct Alarm {
    rung: Mutex<bool>,
    bell: Condvar,
}

impl Alarm {
    /// Ends the current or the next wait.
    pub fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.bell.notify_one();
    }

    /// Sleeps until `until` (for ever if `None`) or until it rings. Returns whether it rang.
    pub fn wait(&self, until: Option<Instant>) -> bool {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        while !*rung {
            let Some(until) = until else {
                rung = self.bell.wait(rung).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            rung = self
                .bell
                .wait_timeout(rung, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        std::mem::replace(&mut *rung, false)
    }
}

//! What threads wait for: the start of the node, and its end.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

use crate::poison::lock;

/// See the module's description.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Default)]
pub(crate) struct GateState {
    pub(crate) open: bool,
    /// The log service has said that it is ready.
    pub(crate) log_ready: bool,
    pub(crate) stopping: bool,
    pub(crate) done: bool,
}

impl GateState {
    pub(crate) fn stops(&self) -> bool {
        self.stopping || self.done
    }
}

impl Gate {
    pub(crate) fn is(&self, so: impl FnOnce(&GateState) -> bool) -> bool {
        so(&lock(&self.state))
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut GateState)) {
        change(&mut lock(&self.state));
        self.changed.notify_all();
    }

    /// [`wait`](Self::wait), until `end` at most. True if it was reached.
    pub(crate) fn wait_until(&self, end: Instant, reached: impl Fn(&GateState) -> bool) -> bool {
        let mut state = lock(&self.state);
        while !reached(&state) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    pub(crate) fn wait(&self, reached: impl Fn(&GateState) -> bool) {
        let state = lock(&self.state);
        drop(
            self.changed
                .wait_while(state, |state| !reached(state))
                .unwrap_or_else(PoisonError::into_inner),
        );
    }
}

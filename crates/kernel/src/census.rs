//! How many services a node has: when the last one that counts has gone, the node stops.

use std::sync::Mutex;

use crate::huge::{self, MANY_SERVICES};
use crate::poison::lock;

#[derive(Default)]
struct Numbers {
    /// Services that keep the node running.
    live: usize,
    /// All that have not been dropped yet.
    contexts: usize,
    stopping: bool,
}

/// See the module's description.
#[derive(Default)]
pub(crate) struct Census(Mutex<Numbers>);

impl Census {
    /// A service has come, which counts.
    pub(crate) fn add(&self) {
        let mut numbers = lock(&self.0);
        numbers.live += 1;
        numbers.contexts += 1;
        if numbers.contexts >= MANY_SERVICES {
            huge::allow();
        }
    }

    /// Somebody keeps the node running as a service would, until [`uncount`](Self::uncount).
    pub(crate) fn count(&self) {
        lock(&self.0).live += 1;
    }

    /// A service does not count any more, though it stays. True if none is left that does.
    pub(crate) fn uncount(&self) -> bool {
        let mut numbers = lock(&self.0);
        numbers.live -= 1;
        numbers.live == 0
    }

    /// A service has been dropped, which `counted` until then. True if none is left that does.
    pub(crate) fn remove(&self, counted: bool) -> bool {
        let mut numbers = lock(&self.0);
        numbers.contexts -= 1;
        numbers.live -= usize::from(counted);
        numbers.live == 0
    }

    /// The node stops. False if it has been stopping before.
    pub(crate) fn begin_stop(&self) -> bool {
        !std::mem::replace(&mut lock(&self.0).stopping, true)
    }

    /// How many services have not been dropped yet, if the node stops.
    pub(crate) fn left_to_stop(&self) -> Option<usize> {
        let numbers = lock(&self.0);
        numbers.stopping.then_some(numbers.contexts)
    }
}

//! The start of the log service, which others may have to wait for.
//!
//! A log service in Rust or C is ready when its `init` returns. One in Lua is not: its script has yet to run. Whoever
//! launches the node's first services waits for its word, so that nobody can write to a log that is not there yet.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::node::Node;

/// How the start of the log service ended; see [`Node::wait_for_log`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum LogStart {
    /// It has said that it is ready.
    Ready,
    /// It has ended, or the node stops.
    Over,
    /// Neither, within the time.
    Late,
}

/// A node does not end while somebody holds this, though no live service is left. Made by [`Node::stay`].
pub struct Stay(Arc<Node>);

impl Drop for Stay {
    fn drop(&mut self) {
        self.0.uncount();
    }
}

impl Node {
    /// The log service is ready: it says so itself.
    pub fn log_is_ready(&self) {
        self.gate.set(|gate| gate.log_ready = true);
    }

    /// Blocks until the log service has said that it is ready, or has ended, but for no longer than `limit` after
    /// [`run`](Node::run). For nodes whose log service says so: those of Rust and C do not. Not to be called from a
    /// service.
    pub fn wait_for_log(&self, limit: Duration) -> LogStart {
        self.gate.wait(|gate| gate.open || gate.log_ready);
        let over = || self.logger.load(Relaxed) == 0;
        let in_time = self.gate.wait_until(Instant::now() + limit, |gate| {
            gate.log_ready || gate.stops() || over()
        });
        match in_time {
            _ if over() => LogStart::Over,
            false => LogStart::Late,
            true if self.gate.is(|gate| gate.stops()) => LogStart::Over,
            true => LogStart::Ready,
        }
    }

    /// Keeps the node from ending for want of services, until what is returned is dropped. [`shutdown`](Node::shutdown)
    /// ends it all the same.
    pub fn stay(self: &Arc<Node>) -> Stay {
        self.count();
        Stay(Arc::clone(self))
    }
}

//! Listening sockets: how many connections each has.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// Connections of one listener, and how many it may have.
#[derive(Debug)]
pub(crate) struct Clients {
    count: AtomicI64,
    max: i64,
}

/// One connection. It counts until it is dropped.
#[derive(Debug)]
pub(crate) struct Ticket(Arc<Clients>);

impl Clients {
    pub(crate) fn new(max: i64) -> Arc<Clients> {
        Arc::new(Clients {
            count: AtomicI64::new(0),
            max,
        })
    }

    /// Counts one more. `None`: there are too many, as skynet (C) has it: the one that reaches the limit is turned away, so that
    /// one less than the limit are served.
    pub(crate) fn admit(self: &Arc<Self>) -> Option<Ticket> {
        let ticket = Ticket(Arc::clone(self));
        let count = self.count.fetch_add(1, Relaxed) + 1;
        (count < self.max).then_some(ticket)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_reaches_the_limit_is_turned_away() {
        let clients = Clients::new(3);
        let first = clients.admit();
        let second = clients.admit();
        assert!(first.is_some() && second.is_some());
        assert!(clients.admit().is_none() && clients.admit().is_none());
        drop(first);
        assert!(clients.admit().is_some());
    }
}

//! Events of sockets, and when whoever reads the sockets is to stop and to go on; see [`crate::inflow`].

use crate::message::{Handle, Message};
use crate::node::Node;

impl Node {
    /// Sends events of sockets to one service, as [`push_all`](Node::push_all) does. True if more than `mark` bytes of
    /// events wait there now. Then there will be a relief, see [`on_relief`](Node::on_relief); it may come before this
    /// returns.
    pub fn push_events(
        &self,
        dest: Handle,
        events: impl Iterator<Item = Message>,
        mark: usize,
    ) -> bool {
        self.push_counted(dest, events, mark as u64) == Some(true)
    }

    /// Do more than `mark` bytes wait there now? Then there will be a relief, see
    /// [`on_relief`](Node::on_relief); it may come before this returns. For those whose input gets to the
    /// service in other ways than by [`push_events`](Node::push_events).
    pub fn congest(&self, handle: Handle, mark: usize) -> bool {
        self.registry
            .find(handle)
            .is_some_and(|mailbox| mailbox.congest(handle, mark as u64))
    }

    /// Does a relief of this service lie ahead?
    pub fn is_congested(&self, handle: Handle) -> bool {
        self.registry
            .find(handle)
            .is_some_and(|mailbox| mailbox.is_congested(handle))
    }

    /// Calls `listener` with the handle of each service that has handled half of the mark after
    /// [`push_events`](Node::push_events) has returned true for it, or that has gone since. It runs on workers, and
    /// must not block nor send messages.
    pub fn on_relief(&self, listener: impl Fn(Handle) + Send + Sync + 'static) {
        self.relief.add(Box::new(listener));
    }
}

//! Messages that leave the node: to a handle whose high byte names another node, or to a name of the whole network.
//!
//! The kernel has no connections. It recognises such a destination where it finds nobody here, so that sending within
//! the node costs nothing for it, and hands the message to the [`Network`] that the node was built with.

use crate::error::SendError;
use crate::globals::GlobalBacklog;
use crate::message::{Handle, Message};
use crate::node::Node;

/// Where a message is to go that leaves the node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Destination<'a> {
    /// A service of another node.
    Handle(Handle),
    /// Whoever has, or will have, a global name.
    Name(&'a str),
}

/// What brings messages to other nodes.
pub trait Network: Send + Sync {
    /// Takes a message over, on the thread of whoever sends it.
    ///
    /// # Errors
    /// It was not accepted; the sender hears of it at once. A failure that turns out later is answered by an ERROR.
    fn send(&self, node: &Node, to: Destination<'_>, message: Message) -> Result<(), SendError>;

    /// What waits for all the names that nobody has, unless `name` is known; see [`Node::global_backlog`].
    fn backlog(&self, name: &str) -> Option<GlobalBacklog>;
}

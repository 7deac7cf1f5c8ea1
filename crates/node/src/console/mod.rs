//! The side of the debug console that needs no worker.
//!
//! The service debug_console is Lua, but its listener and its connections are not: each connection has threads of its
//! own, here. So an operator can get in while every worker is stuck in a loop. A command line takes one of two ways:
//!
//! * Commands that look at the node from outside (`top`, `calls`, `stack`, `profile`, `signal`) are run on the
//!   connection's own thread (`commands.rs`), through what the kernel offers for that ([`skynet_kernel::inspect`]).
//! * All others go as a message to the Lua service, which answers by `reply` (`module.rs`), and there is a deadline for
//!   that. When no worker is free, the most important ones (`list`, `kill`, `stat`, `mem`) are answered from here too,
//!   as well as they can be.
//!
//! `front.rs` listens and tells connections apart; `connection.rs` is the conversation on one of them. What is typed is
//! read by [`skynet_wire::console`].
//!
//! A console ends with its service: its Lua state is closed, which drops the [`Guard`], which shuts all sockets down.

mod commands;
mod connection;
mod expression;
mod front;
pub(crate) mod module;
mod prepare;

use std::sync::Arc;

pub(crate) use front::Front;

/// Keeps a console open.
pub(crate) struct Guard(Arc<Front>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.stop();
    }
}

//! What the Lua services of a node have in common.

use skynet_kernel::Message;
use skynet_vm::alloc::Accounts;
use skynet_vm::loops::LoopAssignments;

use super::Svc;
use super::parts::Parts;
use super::told_loops::ToldLoops;
use crate::library::Library;

/// Settings of the Lua services of a node.
#[derive(Debug)]
pub struct LuaOptions {
    /// Deadline of calls that name none, in centiseconds; none: they wait as long as it takes.
    pub call_timeout_cs: Option<u32>,
    /// What is done about sources of Lua 5.4 that assign to loop variables.
    pub loops: LoopAssignments,
    /// What Lua code can require, and the services that ship.
    pub library: &'static Library,
    /// What native modules have in common in this node.
    pub parts: Parts,
}

/// What the Lua services of a node have in common.
pub(crate) struct Shared {
    pub(crate) options: LuaOptions,
    pub(crate) accounts: Accounts,
    pub(crate) told_loops: ToldLoops,
    /// Makes the state of a service and runs its main script, from the first message.
    pub(crate) boot: fn(&Svc, Message),
}

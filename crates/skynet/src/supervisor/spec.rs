//! What a supervisor is told about its children.

use crate::service::{Cx, Error, OnStart};
use skynet_kernel::Handle;

/// Who is started again with a child that has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Strategy {
    /// Only that child.
    OneForOne,
    /// All children.
    OneForAll,
    /// It, and those that were started behind it.
    RestForOne,
}

/// When a child is started again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Restart {
    /// Always.
    Permanent,
    /// Unless it has exited by itself.
    Transient,
    /// Never.
    Temporary,
}

pub(super) type StartRust = dyn Fn(&Cx, OnStart) -> Result<Handle, Error> + Send + Sync;

/// How a child is started.
pub(super) enum Start {
    Rust(Box<StartRust>),
    /// Name and arguments of a Lua service.
    Lua(Vec<String>),
}

pub(super) struct Child {
    pub(super) id: String,
    pub(super) restart: Restart,
    pub(super) start: Start,
}

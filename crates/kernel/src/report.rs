//! What a service tells about itself when somebody looks into it; see [`crate::inspect`].

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::message::Handle;
use crate::poison::lock;

/// What a service tells about itself; see [`Node::inspect`](crate::Node::inspect).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Its coroutines, or what it has instead.
    pub tasks: Vec<TaskReport>,
}

/// One coroutine of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskReport {
    /// What it does.
    pub doing: Doing,
    /// The session that it waits for; 0 for none.
    pub session: i32,
    /// For how many milliseconds it has waited.
    pub age_ms: Option<u64>,
    /// The request that it works on: who sent it, and its session (0 for a send).
    pub request: Option<(Handle, i32)>,
    /// Its stack, innermost function first; empty if it has not begun, or was not asked for.
    pub stack: Vec<String>,
}

/// What a coroutine does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doing {
    /// It runs, or what it has resumed does.
    Running,
    /// It will run in this turn.
    Ready,
    /// It waits for an answer of a service; [`Handle::NONE`] if the address was a name that is not
    /// known.
    Call(Handle),
    /// It waits for an answer from outside of the node, such as a service of another node. The stack says what from.
    Remote,
    /// It sleeps.
    Sleep,
    /// It waits to be woken.
    Wait,
    /// It starts when a timer expires.
    Timer,
}

/// Where samples go while a service is profiled.
#[derive(Debug, Default)]
pub struct Samples {
    pub(crate) stacks: Mutex<HashMap<String, u64>>,
    pub(crate) native: AtomicU64,
}

impl Samples {
    /// One sample, as a folded stack: names from the outermost function to the innermost one,
    /// separated by `;`.
    pub fn add(&self, stack: String) {
        *lock(&self.stacks).entry(stack).or_default() += 1;
    }

    /// So many samples outside of all functions that have names.
    pub fn add_native(&self, count: u64) {
        self.native.fetch_add(count, Relaxed);
    }
}

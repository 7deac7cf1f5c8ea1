//! What is kept with the context of a service in C.

use std::ffi::{CString, c_int, c_void};
use std::sync::{Arc, Mutex, OnceLock};

use skynet_net::Net;

/// What a library calls for its messages.
pub(crate) type Callback = unsafe extern "C" fn(
    ctx: *const c_void,
    ud: *mut c_void,
    kind: c_int,
    session: c_int,
    source: u32,
    msg: *const c_void,
    size: usize,
) -> c_int;

/// A callback and the pointer that it gets.
#[derive(Clone, Copy)]
pub(crate) struct Handler {
    pub(crate) call: Callback,
    pub(crate) ud: *mut c_void,
}

// SAFETY: what `ud` leads to belongs to the service, which one thread at a time runs.
unsafe impl Send for Handler {}

/// What is kept with a service's context for C code.
#[derive(Default)]
pub(crate) struct Extension {
    pub(crate) handler: Mutex<Option<Handler>>,
    /// The result of the last command.
    pub(crate) result: Mutex<CString>,
    /// The sockets of the node, once it has asked for them.
    pub(crate) net: OnceLock<Arc<Net>>,
}

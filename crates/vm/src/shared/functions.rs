//! Functions that all Lua states of the process share.

use std::ffi::c_int;
use std::sync::Arc;

use mlua_sys::lua55::{self as ffi, lua_State};

use crate::lua::Lua;

/// A Lua function without upvalues of its own but the environment, which any state can make closures of. A service that
/// has done so holds it as long as its state lives.
pub struct SharedFunction {
    raw: *mut RawFunction,
    assigned_loop: Option<u32>,
}

// SAFETY: what it points to does not change until it is dropped.
unsafe impl Send for SharedFunction {}
// SAFETY: as above.
unsafe impl Sync for SharedFunction {}

#[repr(C)]
struct RawFunction {
    _opaque: [u8; 0],
}

unsafe extern "C-unwind" {
    /// Shares the function at the top of the stack; null if that is impossible.
    fn lua_sharefunction(l: *mut lua_State) -> *mut RawFunction;
    fn lua_freeshared(function: *mut RawFunction);
    /// Pushes a closure of a shared function, or an error text; the result is a status.
    fn lua_loadshared(l: *mut lua_State, function: *const RawFunction) -> c_int;
}

/// Shares the function on top of the stack of a scratch state.
/// `assigned_loop` goes with it.
pub fn share_function(l: Lua, assigned_loop: Option<u32>) -> Option<Arc<SharedFunction>> {
    // SAFETY: the state is this thread's, and has a place for nothing more to be pushed.
    let function = unsafe { lua_sharefunction(l.0) };
    (!function.is_null()).then(|| {
        Arc::new(SharedFunction {
            raw: function,
            assigned_loop,
        })
    })
}

impl SharedFunction {
    /// The line of the first assignment to the variable of a loop, in a source of Lua 5.4.
    pub fn assigned_loop(&self) -> Option<u32> {
        self.assigned_loop
    }

    /// Pushes the function; false with an error text pushed instead. It has to outlive the state.
    pub fn load(&self, l: Lua) -> bool {
        // SAFETY: the pointer came from `lua_sharefunction`; errors are caught inside.
        unsafe { lua_loadshared(l.0, self.raw) == ffi::LUA_OK }
    }
}

impl Drop for SharedFunction {
    fn drop(&mut self) {
        // SAFETY: states that have loaded it hold a reference until they are closed.
        unsafe { lua_freeshared(self.raw) }
    }
}

//! What is in every state and exists once: strings, and the content of tables of native functions.

use std::ffi::c_int;

use mlua_sys::lua55::{self as ffi, lua_State};

use crate::cache::new_scratch_state;
use crate::lua::Lua;

unsafe extern "C-unwind" {
    /// Notes the libraries that are opened in the state from now on, for the states after it. One thread at a time.
    fn lua_recordlibraries(l: *mut lua_State);
    /// They are complete. Raises. Used as soon as the strings are shared.
    fn lua_sharelibraries(l: *mut lua_State);
    /// Shares all short strings of the state.
    fn lua_sharestrings(l: *mut lua_State) -> c_int;
    /// Shares a copy of the hash part of the table at the top of the stack; null if that is impossible. Raises.
    fn lua_sharenodes(l: *mut lua_State) -> *const RawNodes;
    /// Pushes a table with such a hash part, which is copied when the table is written to. Raises.
    fn lua_pushsharednodes(l: *mut lua_State, nodes: *const RawNodes);
}

/// The content of a table of native functions, for tables of all services.
#[derive(Clone, Copy)]
pub struct SharedNodes(*const RawNodes);

// SAFETY: what it points to never changes and is never freed.
unsafe impl Send for SharedNodes {}
// SAFETY: as above.
unsafe impl Sync for SharedNodes {}

#[repr(C)]
struct RawNodes {
    _opaque: [u8; 0],
}

impl SharedNodes {
    /// Pushes a table with this content. *raises*
    pub fn push(self, l: Lua) {
        // SAFETY: the pointer came from `lua_sharenodes`; states of services have the seed that was used there.
        unsafe { lua_pushsharednodes(l.0, self.0) }
    }

    /// The content of the table on top of the stack. *raises*
    pub fn of_top(l: &Preparing) -> Option<SharedNodes> {
        let l = l.0;
        // SAFETY: `prepare` runs once.
        let nodes = unsafe { lua_sharenodes(l.0) };
        (!nodes.is_null()).then_some(SharedNodes(nodes))
    }
}

/// A state in which strings and tables are made that all states are going to share; see [`prepare`].
pub struct Preparing(Lua);

impl Preparing {
    /// The state.
    pub fn state(&self) -> Lua {
        self.0
    }

    /// Opens the standard libraries, which other states then open faster. *raises*
    pub fn open_libraries(&self) {
        // SAFETY: opens the standard libraries in a fresh state; this runs once, before others share anything.
        unsafe {
            lua_recordlibraries(self.0.0);
            ffi::luaL_openlibs(self.0.0);
        }
    }

    /// The libraries are complete. *raises*
    pub fn share_libraries(&self) {
        // SAFETY: as above.
        unsafe { lua_sharelibraries(self.0.0) };
    }
}

/// Calls `fill` with a state, and shares the short strings that are in it then. Has to be called once in the process,
/// before the first state that runs shared code is made. `fill` runs in a protected call; none if it raised, or if
/// there is no memory.
pub fn prepare<T: Default>(mut fill: impl FnMut(&Preparing, &mut T)) -> Option<T> {
    let l = new_scratch_state()?;
    l.gc(ffi::LUA_GCSTOP);
    // The parser settles which words are reserved.
    l.load(b"", c"=", c"t");
    let mut result = T::default();
    let filled = crate::native::guarded(l, 0, |l| {
        fill(&Preparing(l), &mut result);
    });
    if filled.is_ok() {
        // SAFETY: a state of this thread.
        unsafe { lua_sharestrings(l.0) };
    }
    // SAFETY: a state of this thread, from which everything has been copied.
    unsafe { ffi::lua_close(l.0) };
    filled.is_ok().then_some(result)
}

//! Where an error is said to have happened.
//!
//! Lua puts the position of the function that called `error`, or a native function, in front of a text. If that is a
//! module of ours, `lualib/skynet/service.lua:31:` tells the application nothing: what went wrong is a call that it
//! made. So the texts of native functions, and those of our modules (`core.raise`, `core.check`), get the position of
//! the innermost Lua function that does not belong to one of the modules that ship. In a service without one, such as
//! those that ship, it is the innermost Lua function.
//!
//! The traceback has all of them, whatever is chosen here.

use std::ffi::{CStr, c_int};
use std::sync::OnceLock;

use mlua_sys::lua55 as ffi;

use super::lua::Lua;

/// Tells whether a file, without the `@` of its chunk name, belongs to a module that ships. It is the same for all
/// states.
static SHIPS: OnceLock<fn(&[u8]) -> bool> = OnceLock::new();

/// Says which files' frames are passed over. The first one who says so decides.
pub fn pass_over(ships: fn(&[u8]) -> bool) {
    let _ = SHIPS.set(ships);
}

/// The level that `luaL_where` takes for a text of the running native function.
pub fn level(lua: Lua) -> c_int {
    let ships = SHIPS.get().copied().unwrap_or(|_| false);
    let mut level = 1;
    // SAFETY: `ar` is filled in before it is read, and `source` is a string of the function at that level, which is
    // running.
    unsafe {
        let mut ar: ffi::lua_Debug = std::mem::zeroed();
        while ffi::lua_getstack(lua.0, level, &mut ar) != 0 {
            ffi::lua_getinfo(lua.0, c"Sl".as_ptr(), &mut ar);
            if ar.currentline > 0 {
                match CStr::from_ptr(ar.source).to_bytes() {
                    [b'@', file @ ..] if ships(file) => {}
                    _ => return level,
                }
            } else if level == 1 {
                return level; // called by C, such as `pcall`: a position further up would be wrong as often as right
            }
            level += 1;
        }
    }
    1
}

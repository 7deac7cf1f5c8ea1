//! Does the caller of a native function want its results?
//!
//! `fork` and `timeout` return the coroutine of the new task, which nearly nobody uses. Knowing that, they need not make one
//! before it runs: 300,000 pending timers then cost 300,000 function references and not 300 MB of stacks.
//!
//! Lua keeps the number of expected results in the call frame but has no function that tells it. It is read from the frame here, at an
//! offset that a self-test verifies against this build of Lua, once per process; should the test fail, everybody is
//! taken to want the results.

use std::sync::OnceLock;

use mlua_sys::lua55::{self as ffi, lua_Debug, lua_State};

use super::lua::Lua;

/// Offset of `callstatus` in Lua 5.5's `CallInfo` on a 64-bit machine.
const CALL_STATUS: usize = 60;

/// False only if the results of the running native function are surely thrown away.
#[inline]
pub(crate) fn results_wanted(l: Lua) -> bool {
    !layout_is_known() || raw(l.0) != Some(0)
}

/// The number of results that the frame of the running function says its caller wants; -1 for all.
fn raw(l: *mut lua_State) -> Option<i32> {
    // SAFETY: `lua_getstack` fills the frame's address into the last field of `ar`, and the frame is alive: it is
    // the running function's. `CallInfo` is at least 64 bytes long.
    unsafe {
        let mut ar: lua_Debug = std::mem::zeroed();
        if ffi::lua_getstack(l, 0, &mut ar) == 0 {
            return None;
        }
        let last = size_of::<lua_Debug>() - size_of::<*const u8>();
        let frame: *const u8 = (&raw const ar)
            .cast::<u8>()
            .add(last)
            .cast::<*const u8>()
            .read();
        let status: u32 = frame.add(CALL_STATUS).cast::<u32>().read();
        Some((status & 0xff) as i32 - 1)
    }
}

#[inline]
fn layout_is_known() -> bool {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    *KNOWN.get_or_init(self_test)
}

/// Calls a native function with 0 to 5 and with all results wanted, from Lua code, and compares what it sees.
fn self_test() -> bool {
    if size_of::<*const u8>() != 8 {
        return false;
    }
    // SAFETY: a state of its own, used by this thread only.
    unsafe {
        let l = ffi::luaL_newstate();
        if l.is_null() {
            return false;
        }
        ffi::lua_pushcclosure(l, probe, 0);
        ffi::lua_setglobal(l, c"probe".as_ptr());
        let code = c"local seen = {}
            local function note(n) seen[#seen + 1] = n end
            probe(note)
            local a = probe(note)
            local b, c = probe(note)
            local d, e, f = probe(note)
            local t = { probe(note) }
            for _ = 1, 3 do probe(note) end
            return seen[1] == 0 and seen[2] == 1 and seen[3] == 2 and seen[4] == 3
                and seen[5] == -1 and seen[6] == 0 and seen[8] == 0";
        let ok = ffi::luaL_loadstring(l, code.as_ptr()) == 0
            && ffi::lua_pcall(l, 0, 1, 0) == 0
            && ffi::lua_toboolean(l, -1) != 0;
        ffi::lua_close(l);
        ok
    }
}

unsafe extern "C-unwind" fn probe(l: *mut lua_State) -> std::ffi::c_int {
    let seen = raw(l).unwrap_or(-2);
    // SAFETY: the argument is a function of the self-test's chunk.
    unsafe {
        ffi::lua_pushvalue(l, 1);
        ffi::lua_pushinteger(l, seen.into());
        ffi::lua_callk(l, 1, 0, 0, None);
    }
    0
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_layout_of_call_frames_is_the_known_one() {
        assert!(super::self_test());
    }
}

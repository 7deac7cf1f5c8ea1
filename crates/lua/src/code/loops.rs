//! Sources of Lua 5.4, which assign to loop variables: who is told that one was loaded.

use std::ffi::{CStr, c_char, c_int, c_void};

use mlua_sys::lua55::lua_State;
use skynet_vm::loops::{self, LoopAssignments};
use skynet_vm::lua::Lua;

use crate::service::Svc;
use crate::service::told_loops::{Line, MOST};

impl Svc {
    /// What this node does about sources that assign to loop variables.
    pub fn loops(&self) -> LoopAssignments {
        self.shared.options.loops
    }

    /// Logs that such a source was loaded, once for each in the node, if the config wants that.
    pub fn told_of_loop(&self, chunk: &str, line: u32) {
        if self.loops() != LoopAssignments::Warn {
            return;
        }
        match self.shared.told_loops.next(chunk) {
            Line::Text => self.cx.log(format!(
                "warning: {} (lua54 = true in the config says nothing of it)",
                loops::told_text(chunk, line)
            )),
            Line::NoMore => self.cx.log(format!(
                "warning: {MOST} sources have assigned to loop variables; the log does not name more of them"
            )),
            Line::None => {}
        }
    }

    /// The state takes such sources, if the config does not forbid it.
    pub(crate) fn accept_loops(&self, l: Lua) {
        if self.loops().accepts() {
            // SAFETY: the service outlives its state.
            unsafe { loops::accept(l.0, told, std::ptr::from_ref(self).cast_mut().cast()) };
        }
    }
}

/// Hears of sources that the state itself compiles: what `load` is given.
unsafe extern "C-unwind" fn told(
    _: *mut lua_State,
    chunk: *const c_char,
    line: c_int,
    service: *mut c_void,
) {
    // SAFETY: `accept_loops` passes the service, which outlives its state; Lua passes a C string.
    let (svc, chunk) = unsafe { (&*service.cast::<Svc>(), CStr::from_ptr(chunk)) };
    svc.told_of_loop(&loops::shown_chunk(chunk), line.unsigned_abs());
}

//! Functions that are replaced by others wherever a state refers to them. `patch/lreload.c` has the walk.

use std::ffi::c_int;

use mlua_sys::lua55::lua_State;

use crate::lua::{Lua, Type};

unsafe extern "C-unwind" {
    fn lua_exchangefunctions(l: *mut lua_State, apply: c_int, inside: *mut usize) -> usize;
}

/// What a state has of functions that are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct References {
    /// References outside of the stacks of coroutines that run.
    pub held: usize,
    /// Coroutines that are inside such a function.
    pub inside: usize,
}

/// Counts the references to the Lua functions that are keys of the table below the top, and exchanges them for the
/// functions that are their values, if `apply` says so. Tables that are keys of the table at the top are not looked
/// into. `None` if these are not two tables. Garbage counts, so a collection should have run before.
pub fn exchange_functions(l: Lua, apply: bool) -> Option<References> {
    if l.top() < 2 || l.kind(-1) != Type::Table || l.kind(-2) != Type::Table {
        return None;
    }
    let mut inside = 0;
    // SAFETY: the state is this thread's, and has two tables at the top of its stack; nothing in there raises.
    let held = unsafe { lua_exchangefunctions(l.0, apply.into(), &raw mut inside) };
    Some(References { held, inside })
}

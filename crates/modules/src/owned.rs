//! Userdata that hold a Rust value which belongs to one service.

use std::ffi::{CStr, c_int};

use mlua_sys::lua55 as ffi;

use skynet_vm::lua::Lua;
use skynet_vm::native::{Fault, enter, results};

/// What can be held.
pub trait Owned: Sized + 'static {
    /// Name of the metatable.
    const NAME: &'static CStr;
    /// What a caller is told to be expected, instead of something else.
    const WHAT: &'static str;
}

/// Pushes a userdata and puts what `make` returns into it. *raises*, before that
pub fn push<T: Owned>(l: Lua, make: impl FnOnce() -> T) {
    let cell: *mut Option<T> = l.new_userdata(size_of::<Option<T>>(), 0).cast();
    // SAFETY: a new block of the right size, aligned for any type.
    unsafe { cell.write(None) };
    // SAFETY: a plain call of the auxiliary library.
    if unsafe { ffi::luaL_newmetatable(l.0, T::NAME.as_ptr()) } != 0 {
        l.push_function(collect::<T>);
        l.set_field(-2, c"__gc");
    }
    l.set_metatable(-2);
    // SAFETY: written above; nothing else knows of it yet.
    unsafe { *cell = Some(make()) };
}

fn cell<'a, T: Owned>(l: Lua, i: c_int) -> Option<&'a mut Option<T>> {
    // SAFETY: a userdata with our metatable holds this type. Natives keep no reference to it beyond their own call, and
    // run no Lua code while they have one.
    unsafe {
        ffi::luaL_testudata(l.0, i, T::NAME.as_ptr())
            .cast::<Option<T>>()
            .as_mut()
    }
}

/// What the userdata at `i` holds. Whoever has it must not call Lua code.
pub fn get<'a, T: Owned>(l: Lua, i: c_int) -> Result<&'a mut T, Fault> {
    cell::<T>(l, i)
        .and_then(Option::as_mut)
        .ok_or_else(|| Fault::Argument(i, T::WHAT.into()))
}

unsafe extern "C-unwind" fn collect<T: Owned>(l: *mut ffi::lua_State) -> c_int {
    // SAFETY: Lua calls this with its running thread.
    unsafe {
        enter(l, |l| {
            if let Some(cell) = cell::<T>(l, 1) {
                drop(cell.take());
            }
            results(0)
        })
    }
}

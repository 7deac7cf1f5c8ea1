//! Userdata that hold what a decoder knows of an unfinished answer: values that own nothing.

use std::ffi::{CStr, c_int};
use std::mem::align_of;

use mlua_sys::lua55 as ffi;
use skynet_vm::lua::Lua;

/// What lies in such a userdata. Nothing is left to do when the userdata is collected.
pub(super) trait State: Sized {
    /// The name of the metatable.
    const NAME: &CStr;
}

/// Pushes a userdata. *raises*
pub(super) fn push<T: State>(l: Lua, state: T) {
    push_with(l, 0, state);
}

/// Pushes a userdata with so many user values. *raises*
pub(super) fn push_with<T: State>(l: Lua, user_values: c_int, state: T) {
    const { assert!(!std::mem::needs_drop::<T>() && align_of::<T>() <= 8) };
    let place: *mut T = l.new_userdata(size_of::<T>(), user_values).cast();
    // SAFETY: a new block of the right size, aligned for any type of Lua.
    unsafe { place.write(state) };
    // SAFETY: a plain call of the auxiliary library.
    unsafe { ffi::luaL_newmetatable(l.0, T::NAME.as_ptr()) };
    l.set_metatable(-2);
}

/// The state in the userdata at `i`.
pub(super) fn at<'a, T: State>(l: Lua, i: i32) -> Option<&'a mut T> {
    // SAFETY: `luaL_testudata` only compares metatables; the userdata that has this one holds a `T`, and natives do not
    // keep references to it.
    unsafe {
        ffi::luaL_testudata(l.0, i, T::NAME.as_ptr())
            .cast::<T>()
            .as_mut()
    }
}

//! Boxes: userdata that hold a counted reference to something that several services share, and pointers, by which the
//! references travel between services.
//!
//! A *pointer* is light userdata that owns one reference until `release` or `take` consumes it. Messages carry no
//! userdata, so this is how a service hands something to another one. What Lua code does with pointers is not checked:
//! a pointer comes from `share` of the same type and is consumed once; that is the contract of the modules that use
//! this.

use std::ffi::{CStr, c_int};
use std::sync::Arc;

use mlua_sys::lua55::{self as ffi, lua_CFunction, lua_State};

use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::{Fault, Outcome, enter, push_functions, results};

/// What can be in a box.
pub trait Boxed: Send + Sync + 'static {
    /// Name of the metatable.
    const NAME: &'static CStr;
    /// What a caller is told to be expected, instead of something else.
    const WHAT: &'static str;
    /// What happens when the box is called like a function.
    const CALL: Option<lua_CFunction> = None;
    /// Its methods.
    const METHODS: &'static [(&'static str, lua_CFunction)] = &[];
}

/// Pushes a box and puts what `make` returns into it. *raises*, before that
pub fn push<T: Boxed>(l: Lua, make: impl FnOnce() -> Arc<T>) {
    push_empty::<T>(l);
    fill(l, -1, make());
}

/// Pushes a box without content, for `fill`. *raises*
pub fn push_empty<T: Boxed>(l: Lua) {
    let cell: *mut Option<Arc<T>> = l.new_userdata(size_of::<Option<Arc<T>>>(), 0).cast();
    // SAFETY: a new block of the right size, aligned for any type.
    unsafe { cell.write(None) };
    // SAFETY: a plain call of the auxiliary library.
    if unsafe { ffi::luaL_newmetatable(l.0, T::NAME.as_ptr()) } != 0 {
        l.push_function(collect::<T>);
        l.set_field(-2, c"__gc");
        if !T::METHODS.is_empty() {
            push_functions(l, T::METHODS);
            l.set_field(-2, c"__index");
        }
        if let Some(call) = T::CALL {
            l.push_function(call);
            l.set_field(-2, c"__call");
        }
    }
    l.set_metatable(-2);
}

fn cell<'a, T: Boxed>(l: Lua, i: c_int) -> Option<&'a mut Option<Arc<T>>> {
    // SAFETY: a userdata with our metatable holds this type. Natives keep no reference to it across calls of Lua that
    // could collect it.
    unsafe {
        ffi::luaL_testudata(l.0, i, T::NAME.as_ptr())
            .cast::<Option<Arc<T>>>()
            .as_mut()
    }
}

/// Puts something into the box at `i`.
pub fn fill<T: Boxed>(l: Lua, i: c_int, content: Arc<T>) {
    if let Some(cell) = cell(l, i) {
        *cell = Some(content);
    }
}

/// Empties the box at `i`.
pub fn clear<T: Boxed>(l: Lua, i: c_int) {
    if let Some(cell) = cell::<T>(l, i) {
        drop(cell.take());
    }
}

/// What is in the box at `i`; it lives as long as the box.
pub fn get<'a, T: Boxed>(l: Lua, i: c_int) -> Result<&'a Arc<T>, Fault> {
    let cell: Option<&'a Option<Arc<T>>> = cell(l, i).map(|cell| &*cell);
    cell.and_then(|cell| cell.as_ref())
        .ok_or(Fault::Argument(i, T::WHAT.into()))
}

fn pointer<T: Boxed>(l: Lua, i: c_int) -> Result<*const T, Fault> {
    match l.kind(i) {
        Type::LightUserdata if !l.userdata(i).is_null() => Ok(l.userdata(i).cast_const().cast()),
        _ => Err(Fault::Argument(i, T::WHAT.into())),
    }
}

/// Pushes a pointer with a reference to what is in the box at 1.
pub fn share<T: Boxed>(l: Lua) -> Outcome {
    let reference = Arc::clone(get::<T>(l, 1)?);
    l.push_pointer(Arc::into_raw(reference).cast_mut().cast());
    results(1)
}

/// Pushes the same address without a reference, to compare.
pub fn address<T: Boxed>(l: Lua) -> Outcome {
    let at = Arc::as_ptr(get::<T>(l, 1)?);
    l.push_pointer(at.cast_mut().cast());
    results(1)
}

/// Pushes a box for the pointer at 1, with a reference of its own. *raises*
pub fn adopt<T: Boxed>(l: Lua) -> Outcome {
    let at = pointer::<T>(l, 1)?;
    push(l, || {
        // SAFETY: the pointer has a reference that has not been consumed yet, so this is alive; see the top.
        unsafe {
            Arc::increment_strong_count(at);
            Arc::from_raw(at)
        }
    });
    results(1)
}

/// The reference of the pointer at `i`, which is consumed.
pub fn take<T: Boxed>(l: Lua, i: c_int) -> Result<Arc<T>, Fault> {
    let at = pointer::<T>(l, i)?;
    // SAFETY: the pointer has a reference, which is consumed once; see the top.
    Ok(unsafe { Arc::from_raw(at) })
}

/// Empties the box at 1 at once, instead of when it is collected. Called by who knows that nobody reads it at that
/// moment.
pub(crate) fn empty<T: Boxed>(l: Lua) -> Outcome {
    get::<T>(l, 1)?;
    clear::<T>(l, 1);
    results(0)
}

/// Consumes the pointer at 1.
pub fn release<T: Boxed>(l: Lua) -> Outcome {
    drop(take::<T>(l, 1)?);
    results(0)
}

/// `__gc`
unsafe extern "C-unwind" fn collect<T: Boxed>(l: *mut lua_State) -> c_int {
    let body = |l: Lua| {
        clear::<T>(l, 1);
        results(0)
    };
    // SAFETY: Lua calls this with its running thread.
    unsafe { enter(l, body) }
}

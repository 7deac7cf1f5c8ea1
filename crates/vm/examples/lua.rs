//! A bare interpreter, for the benchmark kit: `lua FILE [ARGUMENT...]`. A fixed seed of the hashes, and the
//! generational collector, as services have it. Built without the feature `shared-code` it is Lua as it is published.

use std::alloc::{Layout, alloc, dealloc, realloc};
use std::ffi::{CString, c_void};
use std::os::unix::ffi::OsStringExt as _;
use std::process::ExitCode;

use mlua_sys::lua55 as ffi;
use skynet_vm as _;

/// Lua's allocator, from Rust's.
unsafe extern "C" fn allocate(
    _: *mut c_void,
    block: *mut c_void,
    old: usize,
    new: usize,
) -> *mut c_void {
    let layout = |size| Layout::from_size_align(size, 16);
    let (Ok(from), Ok(_)) = (layout(old), layout(new)) else {
        return std::ptr::null_mut();
    };
    // SAFETY: Lua gives the block's address and its size; where there is no block, `old` is no size and not used.
    unsafe {
        match (block.is_null(), new) {
            (true, 0) => std::ptr::null_mut(),
            (true, _) => alloc(Layout::from_size_align_unchecked(new, 16)).cast(),
            (false, 0) => {
                dealloc(block.cast(), from);
                std::ptr::null_mut()
            }
            (false, _) => realloc(block.cast(), from, new).cast(),
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<CString> = std::env::args_os()
        .skip(1)
        .filter_map(|argument| CString::new(argument.into_vec()).ok())
        .collect();
    let Some((file, arguments)) = arguments.split_first() else {
        eprintln!("usage: lua FILE [ARGUMENT...]");
        return ExitCode::from(2);
    };
    // SAFETY: a state of its own, used as the API says; what can raise is called by lua_pcall.
    unsafe {
        let l = ffi::lua_newstate(allocate, std::ptr::null_mut(), 1);
        if l.is_null() {
            return ExitCode::FAILURE;
        }
        ffi::luaL_openlibs(l);
        ffi::lua_gc(l, ffi::LUA_GCGEN);
        let mut status = ffi::luaL_loadfile(l, file.as_ptr());
        if status == ffi::LUA_OK {
            for argument in arguments {
                ffi::lua_pushstring(l, argument.as_ptr());
            }
            let count = i32::try_from(arguments.len()).unwrap_or(0);
            status = ffi::lua_pcall(l, count, 0, 0);
        }
        if status != ffi::LUA_OK {
            let text = ffi::lua_tostring(l, -1);
            if !text.is_null() {
                eprintln!("lua: {}", std::ffi::CStr::from_ptr(text).to_string_lossy());
            }
            return ExitCode::FAILURE;
        }
        ffi::lua_close(l);
    }
    ExitCode::SUCCESS
}

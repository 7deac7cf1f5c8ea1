//! Functions and strings that all Lua states of the process share; the mechanism is described in `patch/lshared.c`.

use std::collections::HashMap;
use std::ffi::c_int;
use std::hash::{BuildHasher, RandomState};
use std::sync::{LazyLock, Mutex, Once, PoisonError};

use mlua_sys::lua55::{self as ffi, lua_State};

use super::cache::{self, Code, LoadError};
use crate::vm::lua::Lua;

/// A Lua function without upvalues of its own but the environment, which any state can make closures of. It is immortal.
#[derive(Clone, Copy)]
pub(crate) struct SharedFunction(*const RawFunction);

// SAFETY: what it points to never changes and is never freed.
unsafe impl Send for SharedFunction {}
// SAFETY: as above.
unsafe impl Sync for SharedFunction {}

#[repr(C)]
struct RawFunction {
    _opaque: [u8; 0],
}

unsafe extern "C-unwind" {
    /// Shares the function at the top of the stack; null if that is impossible. One thread at a time.
    fn lua_sharefunction(l: *mut lua_State) -> *const RawFunction;
    /// Shares all short strings of the state. One thread at a time.
    fn lua_sharestrings(l: *mut lua_State) -> c_int;
    /// Pushes a closure of a shared function, or an error text; the result is a status.
    fn lua_loadshared(l: *mut lua_State, function: *const RawFunction) -> c_int;
}

/// What has been shared, by the hash of file name and source; held while something is being shared.
static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Known {
    files: HashMap<(u64, u64), Code>,
    /// Two, because a hash of 64 bits is too short to stand for a source.
    hashers: [RandomState; 2],
}

/// The code of a source that may have been shared before; if not, `make` does it.
pub(crate) fn share(
    source: &[u8],
    chunk_name: &[u8],
    make: impl FnOnce() -> Result<Code, LoadError>,
) -> Result<Code, LoadError> {
    prepare();
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (
        known.hashers[0].hash_one((source, chunk_name)),
        known.hashers[1].hash_one((source, chunk_name)),
    );
    if let Some(code) = known.files.get(&key) {
        return Ok(code.clone());
    }
    let code = make()?;
    known.files.insert(key, code.clone());
    Ok(code)
}

/// Shares the function on top of the stack of a scratch state. Called by `make` of [`share`] only.
pub(crate) fn share_function(l: Lua) -> Option<SharedFunction> {
    // SAFETY: the lock that `share` holds keeps other threads out.
    let function = unsafe { lua_sharefunction(l.0) };
    (!function.is_null()).then_some(SharedFunction(function))
}

/// Pushes the function; false with an error text pushed instead.
pub(crate) fn load(l: Lua, function: SharedFunction) -> bool {
    // SAFETY: the pointer came from `lua_sharefunction`; errors are caught inside.
    unsafe { lua_loadshared(l.0, function.0) == ffi::LUA_OK }
}

/// Shares the strings that are in every state, once in the process and before the first service has a state: reserved words, names of
/// the standard libraries and of native modules.
pub(crate) fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _only = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(l) = cache::new_scratch_state() else {
            return;
        };
        l.gc(ffi::LUA_GCSTOP);
        // The parser settles which words are reserved.
        l.load(b"", c"=", c"t");
        // SAFETY: a state of this thread with default settings, closed here. Running out of memory, which would be an error outside any
        // protected call, is caught by `pcall`.
        unsafe {
            l.push_function(fill);
            if l.pcall(0, 0, 0) == ffi::LUA_OK {
                lua_sharestrings(l.0);
            }
            ffi::lua_close(l.0);
        }
    });
}

crate::vm::native::native! {
    /// Makes the strings that services are going to need.
    fill = |l| {
        // SAFETY: opens the standard libraries in a fresh state.
        unsafe { ffi::luaL_openlibs(l.0) };
        for name in crate::modules::common_strings() {
            l.push_str(name);
            l.pop(1);
        }
        crate::vm::native::results(0)
    };
}

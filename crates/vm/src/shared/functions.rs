//! Functions that all Lua states of the process share, one for each source.

use std::collections::HashMap;
use std::ffi::c_int;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use mlua_sys::lua55::{self as ffi, lua_State};

use crate::cache::{Code, LoadError};
use crate::lua::Lua;

/// A Lua function without upvalues of its own but the environment, which any state can make closures of. A service that
/// has done so holds it as long as its state lives.
pub struct SharedFunction {
    raw: *mut RawFunction,
    assigned_loop: Option<u32>,
}

// SAFETY: what it points to does not change until it is dropped.
unsafe impl Send for SharedFunction {}
// SAFETY: as above.
unsafe impl Sync for SharedFunction {}

#[repr(C)]
struct RawFunction {
    _opaque: [u8; 0],
}

unsafe extern "C-unwind" {
    /// Shares the function at the top of the stack; null if that is impossible.
    fn lua_sharefunction(l: *mut lua_State) -> *mut RawFunction;
    fn lua_freeshared(function: *mut RawFunction);
    /// Pushes a closure of a shared function, or an error text; the result is a status.
    fn lua_loadshared(l: *mut lua_State, function: *const RawFunction) -> c_int;
}

/// What has been shared, by the hash of file name and source. The lock is held for looking up and noting, not while
/// something is compiled or shared.
static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Known {
    files: HashMap<(u64, u64), Weak<SharedFunction>>,
    /// With so many files, those that nobody has any more are looked for.
    sweep_at: usize,
}

impl Known {
    fn lock() -> MutexGuard<'static, Known> {
        KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Two, because a hash of 64 bits is too short to stand for a source.
static HASHERS: LazyLock<[RandomState; 2]> = LazyLock::new(Default::default);

/// The code of a source that may have been shared before; if not, `make` does it. Where several threads do so at the
/// same time, the first one that is ready has made it for all.
pub fn share(
    source: &[u8],
    chunk_name: &[u8],
    make: impl FnOnce() -> Result<Code, LoadError>,
) -> Result<Code, LoadError> {
    let [a, b] = &*HASHERS;
    let key = (
        a.hash_one((source, chunk_name)),
        b.hash_one((source, chunk_name)),
    );
    let known = Known::lock().files.get(&key).and_then(Weak::upgrade);
    if let Some(function) = known {
        return Ok(Code::Shared(function));
    }
    let code = make()?;
    let Code::Shared(function) = &code else {
        return Ok(code);
    };
    let mut known = Known::lock();
    if let Some(earlier) = known.files.get(&key).and_then(Weak::upgrade) {
        drop(known);
        return Ok(Code::Shared(earlier));
    }
    if known.files.len() >= known.sweep_at {
        known.files.retain(|_, f| f.strong_count() > 0);
        known.sweep_at = 2 * known.files.len() + 64;
    }
    known.files.insert(key, Arc::downgrade(function));
    drop(known);
    Ok(code)
}

/// Shares the function on top of the stack of a scratch state.
/// `assigned_loop` goes with it.
pub fn share_function(l: Lua, assigned_loop: Option<u32>) -> Option<Arc<SharedFunction>> {
    // SAFETY: the state is this thread's, and has a place for nothing more to be pushed.
    let function = unsafe { lua_sharefunction(l.0) };
    (!function.is_null()).then(|| {
        Arc::new(SharedFunction {
            raw: function,
            assigned_loop,
        })
    })
}

impl SharedFunction {
    /// The line of the first assignment to the variable of a loop, in a source of Lua 5.4.
    pub fn assigned_loop(&self) -> Option<u32> {
        self.assigned_loop
    }

    /// Pushes the function; false with an error text pushed instead. It has to outlive the state.
    pub fn load(&self, l: Lua) -> bool {
        // SAFETY: the pointer came from `lua_sharefunction`; errors are caught inside.
        unsafe { lua_loadshared(l.0, self.raw) == ffi::LUA_OK }
    }
}

impl Drop for SharedFunction {
    fn drop(&mut self) {
        // SAFETY: states that have loaded it hold a reference until they are closed.
        unsafe { lua_freeshared(self.raw) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc;
    use std::thread;

    use super::*;
    use crate::cache::Scratch;
    use crate::shared::SharedTable;

    fn compile(source: &[u8]) -> Result<Code, LoadError> {
        let scratch = Scratch::compile(source, b"=test", true)?;
        Ok(Code::Shared(
            share_function(scratch.state(), None).expect("memory"),
        ))
    }

    #[test]
    fn a_file_is_not_held_up_by_another_one_that_is_being_compiled() {
        let (begun, has_begun) = mpsc::channel();
        let (go, may_go) = mpsc::channel::<()>();
        let slow = thread::spawn(move || {
            share(b"return 'slow'", b"=test", || {
                begun.send(()).expect("somebody waits");
                may_go.recv().expect("a signal");
                compile(b"return 'slow'")
            })
            .is_ok()
        });
        has_begun.recv().expect("it begins");
        assert!(share(b"return 'quick'", b"=test", || compile(b"return 'quick'")).is_ok());
        go.send(()).expect("it waits");
        assert!(slow.join().expect("no panic"));
    }

    #[test]
    fn the_first_one_that_has_compiled_a_file_has_done_it_for_all() {
        let source = b"return 'twice'";
        let inner = || share(source, b"=test", || compile(source));
        let mut first = None;
        let second = share(source, b"=test", || {
            first = inner().ok();
            compile(source)
        });
        let (Some(Code::Shared(a)), Ok(Code::Shared(b))) = (first, second) else {
            panic!("not shared");
        };
        assert!(Arc::ptr_eq(&a, &b));
    }

    #[test]
    fn files_are_shared_while_a_large_table_is() {
        let scratch = Scratch::compile(
            b"local t = {} for i = 1, 300000 do t[i] = { id = i, name = 'n' .. i % 1000 } end return t",
            b"=test",
            true,
        )
        .ok()
        .expect("compiles");
        let l = scratch.state();
        assert_eq!(l.pcall(0, 1, 0), ffi::LUA_OK);
        let done = AtomicBool::new(false);
        let shared = thread::scope(|s| {
            let (begun, has_begun) = mpsc::channel();
            let done = &done;
            let others = s.spawn(move || {
                let mut shared = 0;
                has_begun.recv().expect("it begins");
                while !done.load(Ordering::Acquire) {
                    let source = format!("return {shared}, 'a word of its own {shared}'");
                    assert!(
                        share(source.as_bytes(), b"=test", || compile(source.as_bytes())).is_ok()
                    );
                    shared += 1;
                }
                shared
            });
            begun.send(()).expect("somebody waits");
            assert!(SharedTable::new(l).is_ok());
            done.store(true, Ordering::Release);
            others.join().expect("no panic")
        });
        assert!(shared >= 10, "{shared} files meanwhile");
    }
}

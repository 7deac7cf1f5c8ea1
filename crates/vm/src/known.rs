//! The sources whose functions states share: one function for each source, whoever compiles it.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, Weak};

use skynet_kernel::lock;

use crate::code::{Code, LoadError};
use crate::shared::SharedFunction;

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
        lock(&KNOWN)
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc;
    use std::thread;

    use super::*;
    use crate::cache::Scratch;
    use crate::ffi;
    use crate::shared::{SharedTable, share_function};

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

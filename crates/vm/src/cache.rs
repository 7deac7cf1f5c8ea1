//! The cache of compiled Lua files, one for the process.
//!
//! A file is compiled once, in a state of its own. With the feature `shared-code` the functions are then moved out of
//! that state, and all services run the same ones (`patch/lshared.c`). Each of them holds what it has loaded as long as
//! its state lives; after `codecache.clear`, a file that has not changed is still the one that others hold.
//!
//! Without that feature, and for files that are not to be cached, the result is an *image*: bytecode with all debug
//! information. A service loads a cached image in place (mode `B`): its instructions, line tables and long strings stay
//! in the image, which the service holds as long as its state lives.
//!
//! The key is the file name as given. `codecache.clear` forgets all; functions that are loaded already stay as they
//! are.

use std::cell::Cell;
use std::collections::HashMap;
use std::ffi::{c_char, c_int, c_void};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::SystemTime;

use mlua_sys::lua55::{self as ffi, lua_State};

use crate::alloc::plain_alloc;
use crate::code::{Code, Image, LoadError};
#[cfg(feature = "shared-code")]
use crate::known;
use crate::loops;
use crate::lua::Lua;
use crate::native::{c_text, native};
#[cfg(feature = "shared-code")]
use crate::shared;
use skynet_kernel::{lock, text};

/// What `codecache.mode` sets for a service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CacheMode {
    /// Use the cache and add to it.
    On,
    /// Always read the file.
    Off,
    /// Use what is there, add nothing.
    Exist,
}

/// A compiled file, and what it was when it was read.
struct Entry {
    code: Code,
    stamp: Option<Stamp>,
}

/// By what a file that was changed or replaced is known: time of change, size, and number of the file.
type Stamp = (SystemTime, u64, u64);

fn stamp(file: &str) -> Option<Stamp> {
    let about = std::fs::metadata(text::path(file)).ok()?;
    #[cfg(unix)]
    let number = std::os::unix::fs::MetadataExt::ino(&about);
    #[cfg(not(unix))]
    let number = 0;
    Some((about.modified().ok()?, about.len(), number))
}

/// Whether files are looked at before their code is used again.
static WATCHED: AtomicBool = AtomicBool::new(false);

/// From now on a file is looked at each time its code is asked for, and compiled anew if it has changed. For the whole
/// process.
pub fn watch_files() {
    WATCHED.store(true, Relaxed);
}

fn cache() -> &'static Mutex<HashMap<String, Entry>> {
    static CACHE: OnceLock<Mutex<HashMap<String, Entry>>> = OnceLock::new();
    CACHE.get_or_init(Mutex::default)
}

fn cached(name: &str) -> Option<Code> {
    lock(cache()).get(name).map(|entry| entry.code.clone())
}

/// The code of a file, if it is there and the file is the one that was read.
fn cached_file(file: &str) -> Option<Code> {
    if !WATCHED.load(Relaxed) {
        return cached(file);
    }
    let now = stamp(file);
    let cache = lock(cache());
    let entry = cache.get(file)?;
    // A file that is gone is no reason to do without its code.
    (now.is_none() || entry.stamp == now).then(|| entry.code.clone())
}

fn store(name: &str, code: &Code, stamp: Option<Stamp>) {
    let code = code.clone();
    let before = lock(cache()).insert(name.to_owned(), Entry { code, stamp });
    // It is freed when the lock is not held any more.
    drop(before);
}

/// Forgets all compiled files.
pub fn clear() {
    // They are freed when the lock is not held any more.
    let _gone: Vec<_> = lock(cache())
        .extract_if(|name, _| !name.starts_with(EMBEDDED))
        .collect();
}

/// Forgets a compiled file. False if there is none of that name.
pub fn clear_file(file: &str) -> bool {
    let gone = lock(cache()).remove(file);
    gone.is_some()
}

/// Front of the keys of embedded files, which do not change.
const EMBEDDED: &str = "\0embedded:";

/// The code of a file, by the service's cache mode. Sources that assign to loop variables are refused, or not.
pub fn file_code(file: &str, mode: CacheMode, loops: bool) -> Result<Code, LoadError> {
    let code = any_file_code(file, mode)?;
    if code.assigned_loop().is_some() && !loops {
        // The cache is for all nodes of the process; the message is for this one.
        let (source, chunk_name) = read(file)?;
        Scratch::compile(strip_first_line(&source), &chunk_name, false)?;
    }
    Ok(code)
}

fn any_file_code(file: &str, mode: CacheMode) -> Result<Code, LoadError> {
    if mode != CacheMode::Off
        && let Some(code) = cached_file(file)
    {
        return Ok(code);
    }
    // Taken first: a change that comes while it is read is found at the next load.
    let stamp = stamp(file);
    let (source, chunk_name) = read(file)?;
    let source = strip_first_line(&source);
    if mode != CacheMode::On {
        let image = Scratch::compile(source, &chunk_name, true)?.image()?;
        return Ok(Code::Private(image));
    }
    let code = compile_for_all(source, &chunk_name)?;
    store(file, &code, stamp);
    Ok(code)
}

/// A file's content and the name of its chunk.
fn read(file: &str) -> Result<(Vec<u8>, Vec<u8>), LoadError> {
    let source = std::fs::read(text::path(file))
        .map_err(|e| LoadError::Open(format!("cannot open {file}: {}", os_text(&e))))?;
    Ok((source, [b"@", &*text::to_bytes(file)].concat()))
}

/// The code of an embedded file.
pub fn embedded_code(file: &str, source: &[u8]) -> Result<Code, LoadError> {
    let key = format!("{EMBEDDED}{file}");
    if let Some(code) = cached(&key) {
        return Ok(code);
    }
    let code = compile_for_all(source, format!("@{file}").as_bytes())?;
    store(&key, &code, None);
    Ok(code)
}

/// The text of a system error without Rust's "(os error n)".
pub fn os_text(e: &std::io::Error) -> String {
    let text = e.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// A byte-order mark and a first line that begins with `#` are not Lua.
pub fn strip_first_line(source: &[u8]) -> &[u8] {
    let source = source.strip_prefix(b"\xef\xbb\xbf").unwrap_or(source);
    if source.first() != Some(&b'#') {
        return source;
    }
    // The line end stays, so that line numbers are right.
    match source.iter().position(|&b| b == b'\n') {
        Some(end) => &source[end..],
        None => b"",
    }
}

#[cfg(feature = "shared-code")]
fn compile_for_all(source: &[u8], chunk_name: &[u8]) -> Result<Code, LoadError> {
    known::share(source, chunk_name, || {
        let scratch = Scratch::compile(source, chunk_name, true)?;
        match shared::share_function(scratch.state, scratch.assigned_loop()) {
            Some(function) => Ok(Code::Shared(function)),
            None => Ok(Code::from_image(source, scratch.image()?)),
        }
    })
}

#[cfg(not(feature = "shared-code"))]
fn compile_for_all(source: &[u8], chunk_name: &[u8]) -> Result<Code, LoadError> {
    let image = Scratch::compile(source, chunk_name, true)?.image()?;
    Ok(Code::from_image(source, image))
}

/// A state of its own with a function on its stack: what goes wrong there, memory included, touches no service.
pub struct Scratch {
    state: Lua,
    /// The line that [`told`] hears of; 0 is none. At a fixed address.
    assigned_loop: Box<Cell<u32>>,
}

impl Scratch {
    /// Compiles a source, also if it assigns to loop variables, if `loops` says so.
    pub fn compile(source: &[u8], chunk_name: &[u8], loops: bool) -> Result<Scratch, LoadError> {
        let scratch = Scratch {
            state: new_scratch_state().ok_or(LoadError::Compile(NO_MEMORY.to_vec()))?,
            assigned_loop: Box::default(),
        };
        if loops {
            let line: *const Cell<u32> = &raw const *scratch.assigned_loop;
            // SAFETY: the cell outlives the state, which this struct closes.
            unsafe { loops::accept(scratch.state.0, told, line.cast_mut().cast()) };
        }
        let status = scratch.state.load(source, &c_text(chunk_name), c"bt");
        scratch.check(status)?;
        Ok(scratch)
    }

    /// The line of the first assignment to a loop variable.
    pub fn assigned_loop(&self) -> Option<u32> {
        Some(self.assigned_loop.get()).filter(|line| *line != 0)
    }

    /// The state, as long as this lives.
    #[cfg(feature = "shared-code")]
    pub fn state(&self) -> Lua {
        self.state
    }

    fn check(&self, status: c_int) -> Result<(), LoadError> {
        match status {
            ffi::LUA_OK => Ok(()),
            _ => Err(LoadError::Compile(
                self.state.bytes(-1).unwrap_or(NO_MEMORY).to_vec(),
            )),
        }
    }

    /// The function as bytecode.
    fn image(self) -> Result<Arc<Image>, LoadError> {
        let mut out: Vec<u8> = Vec::new();
        self.state.push_function(dump);
        self.state.insert(1);
        self.state.push_pointer((&raw mut out).cast());
        let status = self.state.pcall(2, 0, 0);
        self.check(status)?;
        Ok(Arc::new(Image::new(&out, self.assigned_loop())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // SAFETY: made by `new_scratch_state`; what was taken out of it has been copied.
        unsafe { ffi::lua_close(self.state.0) };
    }
}

/// Notes the line of a source that assigns to loop variables.
unsafe extern "C-unwind" fn told(
    _: *mut lua_State,
    _: *const c_char,
    line: c_int,
    cell: *mut c_void,
) {
    // SAFETY: `compile` passes the address of a cell that outlives the state.
    let cell = unsafe { &*cell.cast::<Cell<u32>>() };
    cell.set(line.unsigned_abs());
}

const NO_MEMORY: &[u8] = b"not enough memory";

/// A state for this thread only, not of a service. Nothing that runs in it asks for its service.
pub fn new_scratch_state() -> Option<Lua> {
    // SAFETY: the allocator needs no data.
    let l = unsafe { ffi::lua_newstate(plain_alloc, std::ptr::null_mut(), seed()) };
    // SAFETY: a fresh state.
    (!l.is_null()).then(|| unsafe { Lua::new(l) })
}

/// The seed of the hashes of strings. It is the same for all states, since shared strings have their hashes with them.
///
/// The environment variable `SKYNET_HASHSEED`, a number, fixes it, so that a run can be repeated to the instruction.
pub fn seed() -> std::ffi::c_uint {
    static SEED: OnceLock<std::ffi::c_uint> = OnceLock::new();
    *SEED.get_or_init(|| {
        let fixed = std::env::var("SKYNET_HASHSEED").ok();
        fixed.and_then(|text| text.parse().ok()).unwrap_or_else(|| {
            // SAFETY: without a state, the time and addresses make the seed.
            unsafe { ffi::luaL_makeseed(std::ptr::null_mut()) }
        })
    })
}

native! {
    /// `dump(function, vector as light userdata)`.
    dump = |l| {
        let out = l.userdata(2);
        l.set_top(1);
        // SAFETY: `out` is the vector on `compile`'s stack, which outlives the protected call.
        let failed = unsafe { ffi::lua_dump(l.0, append, out, 0) };
        if failed != 0 {
            return Err("unable to dump the function".into());
        }
        crate::native::results(0)
    };
}

unsafe extern "C-unwind" fn append(
    _: *mut lua_State,
    piece: *const c_void,
    len: usize,
    out: *mut c_void,
) -> c_int {
    if len > 0 {
        // SAFETY: Lua passes `len` readable bytes, and the vector that `dump` named.
        unsafe {
            (*out.cast::<Vec<u8>>())
                .extend_from_slice(std::slice::from_raw_parts(piece.cast(), len));
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_syntax_error_names_the_file_and_line() {
        let Err(LoadError::Compile(text)) =
            Scratch::compile(b"local x = 1\nlocal = 2", b"@some.lua", true)
        else {
            panic!("compiled");
        };
        assert!(String::from_utf8_lossy(&text).starts_with("some.lua:2:"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let Err(e) = file_code("./no such.lua", CacheMode::On, true) else {
            panic!("read")
        };
        assert_eq!(
            e.text(),
            b"cannot open ./no such.lua: No such file or directory"
        );
    }

    #[test]
    fn the_first_line_of_a_script_may_be_a_comment_of_the_system() {
        assert_eq!(strip_first_line(b"#!/bin/x\nreturn 1"), b"\nreturn 1");
        assert_eq!(strip_first_line(b"\xef\xbb\xbfreturn 1"), b"return 1");
    }
}

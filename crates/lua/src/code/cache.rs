//! The cache of compiled Lua files, one for the process.
//!
//! A file is compiled once, in a state of its own, into an *image*: bytecode with all debug information. A service loads an image in
//! place (mode `B`): its instructions, line tables and long strings stay in the image, which the service holds as long as its
//! state lives. Loading so takes about a tenth of the time of parsing, and the bulk of the code is in memory once.
//!
//! The key is the file name as given. `codecache.clear` forgets all; functions that are loaded already stay as they are.

use std::collections::HashMap;
use std::ffi::{CStr, c_int, c_void};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use mlua_sys::lua55::{self as ffi, lua_State};

use super::embedded::Embedded;
use crate::service::Svc;
use crate::vm::lua::Lua;
use crate::vm::native::c_text;

/// What `codecache.mode` sets for a service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CacheMode {
    /// Use the cache and add to it.
    On,
    /// Always read the file.
    Off,
    /// Use what is there, add nothing.
    Exist,
}

/// Compiled code at a fixed, aligned address.
pub(crate) struct Image {
    words: Box<[u64]>,
    len: usize,
}

impl Image {
    fn new(bytes: &[u8]) -> Image {
        let mut words = vec![0u64; bytes.len().div_ceil(8)].into_boxed_slice();
        for (word, chunk) in words.iter_mut().zip(bytes.chunks(8)) {
            let mut b = [0; 8];
            b[..chunk.len()].copy_from_slice(chunk);
            *word = u64::from_ne_bytes(b);
        }
        Image {
            words,
            len: bytes.len(),
        }
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: any bytes of an initialised slice may be read as `u8`; `len` is at most its size.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr().cast(), self.len) }
    }
}

fn cache() -> &'static Mutex<HashMap<String, Arc<Image>>> {
    static CACHE: OnceLock<Mutex<HashMap<String, Arc<Image>>>> = OnceLock::new();
    CACHE.get_or_init(Mutex::default)
}

fn cached(name: &str) -> Option<Arc<Image>> {
    cache()
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(name)
        .cloned()
}

fn store(name: &str, image: &Arc<Image>) {
    cache()
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(name.to_owned(), Arc::clone(image));
}

/// Forgets all compiled files.
pub(crate) fn clear() {
    cache()
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .retain(|name, _| name.starts_with(EMBEDDED));
}

/// Front of the keys of embedded files, which do not change.
const EMBEDDED: &str = "\0embedded:";

/// Why a file gives no function.
pub(crate) enum LoadError {
    /// Can't be read: `cannot open x: reason`.
    Open(String),
    /// Does not compile.
    Compile(Vec<u8>),
}

impl LoadError {
    pub(crate) fn text(&self) -> Vec<u8> {
        match self {
            LoadError::Open(s) => s.clone().into_bytes(),
            LoadError::Compile(s) => s.clone(),
        }
    }
}

/// The image of a file, by the service's cache mode.
pub(crate) fn file_image(file: &str, mode: CacheMode) -> Result<Arc<Image>, LoadError> {
    if mode != CacheMode::Off
        && let Some(image) = cached(file)
    {
        return Ok(image);
    }
    let source = std::fs::read(file)
        .map_err(|e| LoadError::Open(format!("cannot open {file}: {}", os_text(&e))))?;
    let image = compile(strip_first_line(&source), format!("@{file}").as_bytes())?;
    if mode == CacheMode::On {
        store(file, &image);
    }
    Ok(image)
}

/// The image of an embedded file.
pub(crate) fn embedded_image(file: &Embedded) -> Result<Arc<Image>, LoadError> {
    let key = format!("{EMBEDDED}{}", file.file);
    if let Some(image) = cached(&key) {
        return Ok(image);
    }
    let image = compile(file.source, format!("@{}", file.file).as_bytes())?;
    store(&key, &image);
    Ok(image)
}

/// The text of a system error without Rust's "(os error n)".
pub(crate) fn os_text(e: &std::io::Error) -> String {
    let text = e.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// A byte-order mark and a first line that begins with `#` are not Lua.
fn strip_first_line(source: &[u8]) -> &[u8] {
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

/// Compiles in a scratch state: what goes wrong there, memory included, touches no service.
fn compile(source: &[u8], chunk_name: &[u8]) -> Result<Arc<Image>, LoadError> {
    let name = c_text(chunk_name);
    let mut out: Vec<u8> = Vec::new();
    // SAFETY: a fresh state, used by this thread only and closed below. Nothing that runs in it asks for its service.
    let l = unsafe {
        let l = ffi::luaL_newstate();
        if l.is_null() {
            return Err(LoadError::Compile(b"not enough memory".to_vec()));
        }
        Lua::new(l)
    };
    let mut status = l.load(source, &name, c"bt");
    if status == ffi::LUA_OK {
        l.push_function(dump);
        l.insert(1);
        l.push_pointer((&raw mut out).cast());
        status = l.pcall(2, 0, 0);
    }
    let result = match status {
        ffi::LUA_OK => Ok(Arc::new(Image::new(&out))),
        _ => Err(LoadError::Compile(
            l.bytes(-1).unwrap_or(b"not enough memory").to_vec(),
        )),
    };
    // SAFETY: made above; nothing of it is used any more.
    unsafe { ffi::lua_close(l.0) };
    result
}

crate::vm::native::native! {
    /// `dump(function, vector as light userdata)`.
    dump = |l| {
        let out = l.userdata(2);
        l.set_top(1);
        // SAFETY: `out` is the vector on `compile`'s stack, which outlives the protected call.
        let failed = unsafe { ffi::lua_dump(l.0, append, out, 0) };
        if failed != 0 {
            return Err("unable to dump the function".into());
        }
        crate::vm::native::results(0)
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

impl Svc {
    /// Pushes the function of an image; false with an error text pushed instead. The service keeps a shared image alive.
    pub(crate) fn load_image(&self, l: Lua, image: Arc<Image>, name: &CStr) -> bool {
        if Arc::strong_count(&image) == 1 {
            // Not in the cache: nobody shares it. What copies it need not keep it, however often the file is read.
            return l.load(image.bytes(), name, c"b") == ffi::LUA_OK;
        }
        let bytes: *const [u8] = image.bytes();
        self.with(|t| {
            if !t.code.iter().any(|i| Arc::ptr_eq(i, &image)) {
                t.code.push(image);
            }
        });
        // SAFETY: the image is in the service's list now, which outlives the Lua state.
        l.load(unsafe { &*bytes }, name, c"B") == ffi::LUA_OK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_syntax_error_names_the_file_and_line() {
        let Err(LoadError::Compile(text)) = compile(b"local x = 1\nlocal = 2", b"@some.lua") else {
            panic!("compiled");
        };
        assert!(String::from_utf8_lossy(&text).starts_with("some.lua:2:"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let Err(e) = file_image("./no such.lua", CacheMode::On) else {
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

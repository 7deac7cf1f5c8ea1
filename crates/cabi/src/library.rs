//! Shared libraries that hold a service. Once loaded they stay: other services may use their code and data.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;

pub(crate) type Create = unsafe extern "C" fn() -> *mut c_void;
pub(crate) type Init = unsafe extern "C" fn(*mut c_void, *const c_void, *const c_char) -> c_int;
pub(crate) type Release = unsafe extern "C" fn(*mut c_void);
pub(crate) type Signal = unsafe extern "C" fn(*mut c_void, c_int);

/// The functions of one module.
pub(crate) struct Library {
    pub(crate) create: Option<Create>,
    pub(crate) init: Init,
    pub(crate) release: Option<Release>,
    pub(crate) signal: Option<Signal>,
}

impl Library {
    /// Loads the first file that can be loaded. `None`: there is no file of that name.
    pub(crate) fn find(patterns: &str, name: &str) -> Result<Option<Library>, String> {
        let mut failures = Vec::new();
        for pattern in patterns.split(';').filter(|pattern| !pattern.is_empty()) {
            let file = pattern.replacen('?', name, 1);
            if !Path::new(&file).exists() {
                continue;
            }
            match open(&file) {
                Ok(library) => return Library::new(library, &file, name).map(Some),
                Err(text) => failures.push(format!("try open {name} failed : {text}")),
            }
        }
        match failures.is_empty() {
            true => Ok(None),
            false => Err(failures.join("; ")),
        }
    }

    fn new(library: *mut c_void, file: &str, name: &str) -> Result<Library, String> {
        let name = name.rsplit('.').next().unwrap_or(name);
        let init = symbol(library, &format!("{name}_init"));
        let init = init.ok_or_else(|| format!("{file} has no function {name}_init"))?;
        let optional = |what: &str| symbol(library, &format!("{name}_{what}"));
        // SAFETY: functions of these names have these types, by the interface that the header describes.
        unsafe {
            Ok(Library {
                create: optional("create").map(|at| std::mem::transmute::<*mut c_void, Create>(at)),
                init: std::mem::transmute::<*mut c_void, Init>(init),
                release: optional("release")
                    .map(|at| std::mem::transmute::<*mut c_void, Release>(at)),
                signal: optional("signal").map(|at| std::mem::transmute::<*mut c_void, Signal>(at)),
            })
        }
    }
}

fn open(file: &str) -> Result<*mut c_void, String> {
    let path = CString::new(skynet_kernel::text::to_bytes(file))
        .map_err(|_| "a NUL in its name".to_owned())?;
    // SAFETY: a C string. The library's constructors run; that is what the config asks for.
    let library = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
    if library.is_null() {
        return Err(last_error());
    }
    Ok(library)
}

/// What the last call on this thread has to complain about.
fn last_error() -> String {
    // SAFETY: the text is this thread's and stays until its next call of these functions; it is copied.
    unsafe {
        let text = libc::dlerror();
        match text.is_null() {
            true => "unknown error".to_owned(),
            false => CStr::from_ptr(text).to_string_lossy().into_owned(),
        }
    }
}

fn symbol(library: *mut c_void, name: &str) -> Option<*mut c_void> {
    let name = CString::new(name).ok()?;
    // SAFETY: a library that is open, and a C string.
    let at = unsafe { libc::dlsym(library, name.as_ptr()) };
    (!at.is_null()).then_some(at)
}

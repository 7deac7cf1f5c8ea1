//! Compiled code in a service's state.

use std::ffi::CStr;
use std::sync::Arc;

use mlua_sys::lua55 as ffi;
use skynet_vm::code::Code;
use skynet_vm::lua::Lua;

use crate::service::Svc;

impl Svc {
    /// Pushes the function of a file; false with an error text pushed instead. The service holds what the function
    /// needs.
    pub fn load_code(&self, l: Lua, code: Code, name: &CStr) -> bool {
        // What is in the service's list outlives the Lua state.
        match code {
            // A function that is a copy does not need the image, so it is not kept.
            Code::Private(image) => l.load(image.bytes(), name, c"b") == ffi::LUA_OK,
            #[cfg(feature = "shared-code")]
            Code::Shared(function) => {
                let raw = Arc::as_ptr(&function);
                self.with(|t| hold(&mut t.functions, function));
                // SAFETY: held from now on.
                unsafe { &*raw }.load(l)
            }
            Code::Cached(image) => {
                let bytes: *const [u8] = image.bytes();
                self.with(|t| hold(&mut t.code, image));
                // SAFETY: held from now on.
                l.load(unsafe { &*bytes }, name, c"B") == ffi::LUA_OK
            }
        }
    }
}

fn hold<T>(list: &mut Vec<Arc<T>>, new: Arc<T>) {
    if !list.iter().any(|held| Arc::ptr_eq(held, &new)) {
        list.push(new);
    }
}

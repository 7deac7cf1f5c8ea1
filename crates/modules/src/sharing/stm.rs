//! `skynet.stm`: a value with one writer and many readers in other services, as bytes.
//!
//! The writer replaces the value; a reader asks for it when it likes, and is told whether it is new. Nobody waits: a
//! reader holds the version that it has seen last, by reference. How a reader comes to another service: as a pointer
//! (`boxed.rs`).

use std::ffi::CStr;
use std::sync::{Arc, Mutex, MutexGuard};

use mlua_sys::lua55::lua_CFunction;
use skynet_kernel::{Payload, lock};

use crate::boxed::{self, Boxed};
use skynet_lua::payload_argument;
use skynet_vm::lua::{Lua, MULTRET, Type};
use skynet_vm::native::push_functions;
use skynet_vm::native::{Fault, Next, continuation, native, results};

const FUNCTIONS: &[(&str, lua_CFunction)] = &[("copy", copy), ("new", new), ("newcopy", newcopy)];

/// The present version; none when the writer is gone.
struct Value(Mutex<Option<Arc<Payload>>>);

impl Value {
    fn lock(&self) -> MutexGuard<'_, Option<Arc<Payload>>> {
        lock(&self.0)
    }
}

impl Boxed for Value {
    const NAME: &'static CStr = c"skynet.stm.value";
    const WHAT: &'static str = "stm reference expected";
}

/// A writer object.
struct Writer(Arc<Value>);

impl Boxed for Writer {
    const NAME: &'static CStr = c"skynet.stm.writer";
    const WHAT: &'static str = "stm writer expected";
    const CALL: Option<lua_CFunction> = Some(write);
}

impl Drop for Writer {
    fn drop(&mut self) {
        let last = self.0.lock().take();
        drop(last);
    }
}

/// A reader object.
struct Reader {
    value: Arc<Value>,
    /// The version that was read last. Keeping it keeps its address from being used for another one.
    seen: Mutex<Option<Arc<Payload>>>,
}

impl Boxed for Reader {
    const NAME: &'static CStr = c"skynet.stm.reader";
    const WHAT: &'static str = "stm reader expected";
    const CALL: Option<lua_CFunction> = Some(read);
}

/// A version, while a reader's function looks at it.
struct Version(Arc<Payload>);

impl Boxed for Version {
    const NAME: &'static CStr = c"skynet.stm.version";
    const WHAT: &'static str = "stm version expected";
}

impl Reader {
    /// The present version, unless it was read before.
    fn news(&self) -> Option<Arc<Payload>> {
        let now = self.value.lock().clone()?;
        let mut seen = lock(&self.seen);
        if seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &now)) {
            return None;
        }
        *seen = Some(Arc::clone(&now));
        Some(now)
    }
}

/// The bytes at `i`: a string, or pointer and size, which are taken over.
fn version_argument(l: Lua, i: i32) -> Result<Arc<Payload>, Fault> {
    match l.kind(i) {
        Type::String | Type::LightUserdata => payload_argument(l, i).map(Arc::new),
        _ => Err(l.expected(i, "string")),
    }
}

native! {
    open = |l| {
        push_functions(l, FUNCTIONS);
        results(1)
    };

    /// `new(string)` or `new(pointer, size)` to a writer
    new = |l| {
        l.set_top(2);
        boxed::push_empty::<Writer>(l);
        let first = version_argument(l, 1)?;
        boxed::fill(l, -1, Arc::new(Writer(Arc::new(Value(Mutex::new(Some(first)))))));
        results(1)
    };

    /// `writer(string)` or `writer(pointer, size)`: the next version
    write = |l| {
        let writer = boxed::get::<Writer>(l, 1)?;
        let next = version_argument(l, 2)?;
        let old = writer.0.lock().replace(next);
        drop(old);
        results(0)
    };

    /// `copy(writer)` to a pointer, for one `newcopy` in any service
    copy = |l| {
        let value = Arc::clone(&boxed::get::<Writer>(l, 1)?.0);
        l.push_pointer(Arc::into_raw(value).cast_mut().cast());
        results(1)
    };

    /// `newcopy(pointer)` to a reader
    newcopy = |l| {
        l.set_top(1);
        boxed::push_empty::<Reader>(l);
        let value = boxed::take::<Value>(l, 1)?;
        boxed::fill(l, -1, Arc::new(Reader { value, seen: Mutex::new(None) }));
        results(1)
    };

    /// `reader(f [, extra])`: true and what f(pointer, size, extra) returns, if the version is new; else false
    read = |l| {
        let reader = boxed::get::<Reader>(l, 1)?;
        if l.kind(2) != Type::Function {
            return Err(l.expected(2, "function"));
        }
        l.set_top(3);
        // Keeps the version alive while f runs, whatever becomes of the reader meanwhile.
        boxed::push_empty::<Version>(l);
        let Some(news) = reader.news() else {
            l.push_bool(false);
            return results(1);
        };
        boxed::fill(l, 4, Arc::new(Version(news)));
        let bytes = boxed::get::<Version>(l, 4)?.0.as_slice();
        l.push_bool(true);
        l.push_value(2);
        l.push_pointer(bytes.as_ptr().cast_mut().cast());
        l.push_int(bytes.len() as i64);
        l.push_value(3);
        Ok(Next::Call { args: 3, results: MULTRET, ctx: 4, then: results_above })
    };
}

continuation! {
    results_above = |l, _, ctx| results(l.top() - ctx as i32);
}

//! Tables as they lie, and tables made in one go, for codecs of other formats than the message's own (`seri`): what
//! walks a document a value at a time through the C API spends most of its time there.

use std::ffi::{c_int, c_void};

use crate::layout::{Parts, Place, Str, Table, Value, tag};
use crate::lua::Lua;
use crate::seri::{lua_collectsome, lua_filltable, lua_maketable, lua_pushknown, lua_tableelement};

/// A value that was looked at where it is. Nothing of it is copied, and it is not kept alive.
#[derive(Clone, Copy)]
pub enum Seen<'a> {
    /// `nil`
    Nil,
    /// `true` or `false`
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// The bytes of a string.
    Str(&'a [u8]),
    /// A light userdata.
    Pointer(*mut c_void),
    /// A table, also a shared one.
    Table(Seeing),
    /// Something else: the name of its type.
    Other(&'static str),
}

impl Seen<'_> {
    /// The name of the type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Seen::Nil => "nil",
            Seen::Bool(_) => "boolean",
            Seen::Int(_) | Seen::Float(_) => "number",
            Seen::Str(_) => "string",
            Seen::Pointer(_) => "userdata",
            Seen::Table(_) => "table",
            Seen::Other(name) => name,
        }
    }
}

/// # Safety
/// The value is alive, and stays so while the result is used.
#[inline(always)]
unsafe fn seen<'a>(v: Value) -> Seen<'a> {
    // SAFETY: the tag tells which content is there; the rest by contract.
    unsafe {
        match v.tag {
            tag::SHORT_STRING | tag::FOREIGN_STRING => Seen::Str(Str::short(v.content.string)),
            tag::LONG_STRING => Seen::Str(Str::long(v.content.string)),
            tag::INT => Seen::Int(v.content.int),
            tag::FLOAT => Seen::Float(v.content.float),
            tag::FALSE => Seen::Bool(false),
            tag::TRUE => Seen::Bool(true),
            tag::TABLE | tag::SHARED_TABLE => Seen::Table(Seeing(v.content.table)),
            tag::LIGHT_USERDATA => Seen::Pointer(v.content.pointer),
            other => match tag::kind(other) {
                mlua_sys::lua55::LUA_TNIL => Seen::Nil,
                mlua_sys::lua55::LUA_TFUNCTION => Seen::Other("function"),
                mlua_sys::lua55::LUA_TTHREAD => Seen::Other("thread"),
                _ => Seen::Other("userdata"),
            },
        }
    }
}

impl Lua {
    /// The value at a positive index, as it lies.
    ///
    /// # Safety
    /// As long as the result, and what is reached from it, is used, the value stays on the stack, and neither Lua code
    /// nor the collector runs.
    pub unsafe fn see<'a>(self, i: usize) -> Seen<'a> {
        // SAFETY: on the stack, by contract.
        unsafe { seen(self.value(i)) }
    }
}

/// A table that is looked at; see [`Lua::see`].
#[derive(Clone, Copy)]
pub struct Seeing(*const Table);

impl Seeing {
    fn parts(self) -> Parts {
        // SAFETY: alive, by the contract of `see`.
        unsafe { Parts::of(self.0) }
    }

    /// The address of the metatable; null if there is none.
    pub fn metatable(self) -> *const c_void {
        self.parts().metatable()
    }

    /// The element of the array part with index `i + 1`; none beyond that part, while places of it may be nil.
    #[inline(always)]
    pub fn in_array(self, i: usize) -> Option<Seen<'static>> {
        // SAFETY: alive, being in the table, by the contract of `see`.
        self.parts().element(i).map(|v| unsafe { seen(v) })
    }

    /// The element with index `i + 1`, wherever it is.
    #[inline(always)]
    pub fn element(self, i: usize) -> Seen<'static> {
        self.in_array(i).unwrap_or_else(|| {
            let mut v = Value::NIL;
            // SAFETY: the table is alive, and the index is not in the array.
            unsafe { lua_tableelement(self.0, i as i64 + 1, &mut v) };
            // SAFETY: alive, being in the table.
            unsafe { seen(v) }
        })
    }

    /// The pairs that are not in the array part, in the order of `next`. What is no pair yet, or no more, is left out.
    #[inline(always)]
    pub fn pairs(self) -> impl Iterator<Item = (Seen<'static>, Seen<'static>)> {
        let parts = self.parts();
        let mut i = 0;
        std::iter::from_fn(move || {
            loop {
                let place = parts.place(i);
                i += 1;
                match place {
                    // SAFETY: alive, being in the table, by the contract of `see`.
                    Place::Pair(k, v) => return Some(unsafe { (seen(k), seen(v)) }),
                    Place::Free => {}
                    Place::Beyond => return None,
                }
            }
        })
    }
}

/// Pushes a string without a turn of the collector. There is room for it. *raises*
#[inline(always)]
pub fn push_string(l: Lua, s: &[u8]) {
    // SAFETY: nothing here has a destructor.
    unsafe { lua_pushknown(l.0, s.as_ptr(), s.len()) };
}

/// Pushes a number without asking for room.
#[inline(always)]
pub fn push_int(l: Lua, n: i64) {
    l.push(Value::int(n));
}

/// The same for a float.
#[inline(always)]
pub fn push_float(l: Lua, n: f64) {
    l.push(Value::float(n));
}

/// The same for a boolean.
#[inline(always)]
pub fn push_bool(l: Lua, b: bool) {
    l.push(Value::bool(b));
}

/// The same for a light userdata.
#[inline(always)]
pub fn push_pointer(l: Lua, p: *mut c_void) {
    l.push(Value::pointer(p));
}

/// Is there room for `n` values more, or is it made now?
#[inline(always)]
pub fn room(l: Lua, n: usize) -> bool {
    l.has_room(n) || l.check_stack(n as c_int + 16)
}

/// Makes a table of the top `elements` and `pairs`, which lie above a slot for it, and leaves it at the top. *raises*
#[inline(always)]
pub fn make(l: Lua, elements: usize, pairs: usize, nodes: usize) {
    // SAFETY: by the contract of those who push; nothing here has a destructor.
    unsafe { lua_maketable(l.0, elements as u32, pairs as u32, nodes as u32) };
}

/// Adds the top `elements`, which come behind the first `first`, and `pairs` to the table below them. *raises*
pub fn fill(l: Lua, first: usize, elements: usize, pairs: usize) {
    // SAFETY: as above.
    unsafe { lua_filltable(l.0, first as u32, elements as u32, pairs as u32, 0) };
}

/// The collector's turn, which [`push_string`] leaves out. *raises*
pub fn collect_some(l: Lua) {
    // SAFETY: nothing here has a destructor.
    unsafe { lua_collectsome(l.0) };
}

//! How Lua lays out values, tables and the tops of stacks, for code that cannot afford a call for each of them.
//!
//! The C API copies a value at a time between a stack and the caller; packing a table of a game's usual shape took four
//! hundred such calls. What is here reads the parts of a table where they are, and writes values to the stack. Nothing
//! but that: what allocates, hashes or has to know about the collector is left to Lua, and to `patch/lseri.c`.
//! `patch/llayout.c` does not compile if a field is elsewhere.
//!
//! A collector never runs between two calls into Lua, so that plain reads need no care beyond that: after any call that
//! may run Lua code, a table may have other parts, and what nothing refers to is gone.

use std::ffi::{c_int, c_void};

use mlua_sys::lua55::lua_CFunction;

use super::lua::Lua;

/// Type tags of values: the type, its variant, and a bit for what is collected.
pub(crate) mod tag {
    pub(crate) const NIL: u8 = 0x00;
    pub(crate) const FALSE: u8 = 0x01;
    pub(crate) const TRUE: u8 = 0x11;
    pub(crate) const LIGHT_USERDATA: u8 = 0x02;
    pub(crate) const INT: u8 = 0x03;
    pub(crate) const FLOAT: u8 = 0x13;
    pub(crate) const LIGHT_FUNCTION: u8 = 0x16;
    pub(crate) const SHORT_STRING: u8 = 0x44;
    pub(crate) const LONG_STRING: u8 = 0x54;
    pub(crate) const TABLE: u8 = 0x45;
    pub(crate) const FUNCTION: u8 = 0x46;
    /// `patch/lsharedtable.c`
    pub(crate) const SHARED_TABLE: u8 = 0x55;
    /// In a place of a shared table: a short string.
    pub(crate) const FOREIGN_STRING: u8 = 0x74;

    /// In a place of a table: a function that is made when it is read (`patch/llazy.c`).
    pub(crate) const UNMADE_FUNCTION: u8 = 0x30;

    /// Is it nil or one of the marks of an empty place?
    #[inline(always)]
    pub(crate) fn is_empty(tag: u8) -> bool {
        tag & 0x0f == 0
    }

    /// The type without variant, one of `LUA_T…`.
    #[inline(always)]
    pub(crate) fn kind(tag: u8) -> i32 {
        (tag & 0x0f) as i32
    }
}

/// Offsets in objects that are only looked at from afar: see `footprint.rs`.
pub(crate) mod offset {
    pub(crate) const THREAD_GLOBAL: usize = 24;
    pub(crate) const THREAD_STACK_END: usize = 40;
    pub(crate) const THREAD_STACK: usize = 48;
    pub(crate) const THREAD_BASE_FRAME: usize = 96;
    pub(crate) const FRAME_NEXT: usize = 24;
    pub(crate) const CLOSURE_UPVALUES: usize = 10;
    pub(crate) const CLOSURE_PROTO: usize = 24;
    pub(crate) const CLOSURE_FIRST: usize = 32;
    pub(crate) const PROTO_CONSTANTS: usize = 20;
    pub(crate) const PROTO_INSTRUCTIONS: usize = 24;
    pub(crate) const PROTO_K: usize = 56;
    pub(crate) const PROTO_CODE: usize = 64;
    pub(crate) const UPVALUE_VALUE: usize = 16;
    pub(crate) const TABLE_LOG_NODES: usize = 11;
    pub(crate) const TABLE_ARRAY_SIZE: usize = 12;
    pub(crate) const TABLE_ARRAY: usize = 16;
    pub(crate) const TABLE_NODES: usize = 24;
}

/// Sizes of such objects in bytes.
pub(crate) mod size {
    pub(crate) const THREAD: usize = 208;
    pub(crate) const FRAME: usize = 64;
    pub(crate) const PROTO: usize = 128;
    pub(crate) const UPVALUE: usize = 40;
    pub(crate) const TABLE: usize = 48;
    pub(crate) const NODE: usize = 24;
    pub(crate) const SLOT: usize = 16;
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) union Content {
    pub(crate) int: i64,
    pub(crate) float: f64,
    pub(crate) pointer: *mut c_void,
    pub(crate) function: lua_CFunction,
    pub(crate) string: *const Str,
    pub(crate) table: *const Table,
}

/// `TValue`: a value with its type, as on a stack. A copy keeps nothing alive.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Value {
    pub(crate) content: Content,
    pub(crate) tag: u8,
}

impl Value {
    /// `nil`
    pub const NIL: Value = Value {
        content: Content { int: 0 },
        tag: tag::NIL,
    };

    #[inline(always)]
    pub(crate) fn int(n: i64) -> Value {
        Value {
            content: Content { int: n },
            tag: tag::INT,
        }
    }

    #[inline(always)]
    pub(crate) fn float(n: f64) -> Value {
        Value {
            content: Content { float: n },
            tag: tag::FLOAT,
        }
    }

    #[inline(always)]
    pub(crate) fn bool(b: bool) -> Value {
        Value {
            content: Content { int: 0 },
            tag: if b { tag::TRUE } else { tag::FALSE },
        }
    }

    #[inline(always)]
    pub(crate) fn pointer(p: *mut c_void) -> Value {
        Value {
            content: Content { pointer: p },
            tag: tag::LIGHT_USERDATA,
        }
    }

    /// A light C function.
    #[inline(always)]
    pub(crate) fn function(f: lua_CFunction) -> Value {
        Value {
            content: Content { function: f },
            tag: tag::LIGHT_FUNCTION,
        }
    }

    #[inline(always)]
    pub(crate) fn as_int(self) -> Option<i64> {
        // SAFETY: eight bytes of any value can be read as a number; the tag says whether they are one.
        let n = unsafe { self.content.int };
        (self.tag == tag::INT).then_some(n)
    }

    #[inline(always)]
    pub(crate) fn as_float(self) -> Option<f64> {
        // SAFETY: as above.
        let n = unsafe { self.content.float };
        (self.tag == tag::FLOAT).then_some(n)
    }

    /// A light userdata.
    #[inline(always)]
    pub(crate) fn as_pointer(self) -> Option<*mut c_void> {
        // SAFETY: as above.
        let p = unsafe { self.content.pointer };
        (self.tag == tag::LIGHT_USERDATA).then_some(p)
    }

    /// The bytes of a string.
    ///
    /// # Safety
    /// The value is alive, and stays so while the bytes are used.
    #[inline(always)]
    pub(crate) unsafe fn as_bytes<'a>(self) -> Option<&'a [u8]> {
        // SAFETY: the tag says which member is live; the rest by contract.
        unsafe {
            match self.tag {
                tag::SHORT_STRING => Some(Str::short(self.content.string)),
                tag::LONG_STRING => Some(Str::long(self.content.string)),
                _ => None,
            }
        }
    }
}

/// `TString`, up to where short strings have their bytes, and long ones the address of theirs.
#[repr(C)]
pub(crate) struct Str {
    next: *mut c_void,
    tag: u8,
    mark: u8,
    extra: u8,
    /// Length of a short string; negative in a long one.
    short_len: i8,
    hash: u32,
    long_len: usize,
    contents: *const u8,
}

impl Str {
    /// The bytes of a short string.
    ///
    /// # Safety
    /// `s` is a live short string, and stays so.
    #[inline(always)]
    pub(crate) unsafe fn short<'a>(s: *const Str) -> &'a [u8] {
        // SAFETY: the bytes begin in the place of `contents`.
        unsafe {
            std::slice::from_raw_parts((&raw const (*s).contents).cast(), (*s).short_len as usize)
        }
    }

    /// The bytes of a long string.
    ///
    /// # Safety
    /// `s` is a live long string, and stays so.
    #[inline(always)]
    pub(crate) unsafe fn long<'a>(s: *const Str) -> &'a [u8] {
        // SAFETY: by contract.
        unsafe { std::slice::from_raw_parts((*s).contents, (*s).long_len) }
    }
}

/// `Table`.
#[repr(C)]
pub(crate) struct Table {
    next: *mut c_void,
    tag: u8,
    mark: u8,
    flags: u8,
    log_nodes: u8,
    array_len: u32,
    array: *const Content,
    nodes: *const Node,
    metatable: *const Table,
}

/// `Node`: a place for a pair.
#[derive(Clone, Copy)]
#[repr(C)]
struct Node {
    value: Content,
    value_tag: u8,
    key_tag: u8,
    next: i32,
    key: Content,
}

/// What is in a place of a table.
pub(crate) enum Place {
    Pair(Value, Value),
    Free,
    /// There is no such place.
    Beyond,
}

impl Place {
    /// A place whose value says that there is none.
    #[inline(always)]
    fn without_value(node: &Node) -> Place {
        if node.value_tag != tag::UNMADE_FUNCTION {
            return Place::Free;
        }
        let key = Value {
            content: node.key,
            tag: node.key_tag,
        };
        // Of a function only the type is needed.
        let value = Value {
            content: node.value,
            tag: tag::LIGHT_FUNCTION,
        };
        Place::Pair(key, value)
    }
}

/// A table that stays alive while this is used; its parts may change whenever Lua code runs.
#[derive(Clone, Copy)]
pub(crate) struct Parts(*const Table);

impl Parts {
    /// # Safety
    /// The table is alive, and stays so while the result is used.
    #[inline(always)]
    pub(crate) unsafe fn of(t: *const Table) -> Parts {
        Parts(t)
    }

    /// Reads one field.
    #[inline(always)]
    fn get<T: Copy>(self, field: impl FnOnce(&Table) -> T) -> T {
        // SAFETY: alive, and nothing else uses it meanwhile: only the thread that runs the state has it (shared tables,
        // which many have, are not written to).
        field(unsafe { &*self.0 })
    }

    #[inline(always)]
    pub(crate) fn has_metatable(self) -> bool {
        self.get(|t| !t.metatable.is_null())
    }

    /// The address of the metatable.
    pub(crate) fn metatable(self) -> *const c_void {
        self.get(|t| t.metatable).cast()
    }

    /// The value of index `i + 1` if it is in the array part; nil or empty if there is none.
    #[inline(always)]
    pub(crate) fn element(self, i: usize) -> Option<Value> {
        if i >= self.get(|t| t.array_len) as usize {
            return None;
        }
        let array = self.get(|t| t.array);
        // SAFETY: the contents lie in front of `array`, in reverse order; behind it, after an `unsigned int`, the tags.
        Some(unsafe {
            Value {
                content: *array.sub(i + 1),
                tag: *array.cast::<u8>().add(size_of::<u32>() + i),
            }
        })
    }

    /// The place number `i` for pairs.
    #[inline(always)]
    pub(crate) fn place(self, i: usize) -> Place {
        if i >= 1 << self.get(|t| t.log_nodes) {
            return Place::Beyond;
        }
        // SAFETY: there are that many.
        let node = unsafe { &*self.get(|t| t.nodes).add(i) };
        if tag::is_empty(node.value_tag) {
            return Place::without_value(node);
        }
        let key = Value {
            content: node.key,
            tag: node.key_tag,
        };
        let value = Value {
            content: node.value,
            tag: node.value_tag,
        };
        Place::Pair(key, value)
    }

    /// The light function in place number `i`, if there is one, under this key.
    #[inline(always)]
    pub(crate) fn function_at(self, i: usize, key: *const Str) -> Option<lua_CFunction> {
        if i >> self.get(|t| t.log_nodes) != 0 {
            return None;
        }
        // SAFETY: there are that many places; eight bytes of any key can be read as an address, and the tag says
        // whether the value is a function.
        unsafe {
            let node = &*self.get(|t| t.nodes).add(i);
            let there = node.key.string == key && node.value_tag == tag::LIGHT_FUNCTION;
            there.then_some(node.value.function)
        }
    }

    /// The number of the place whose key is this short string, and that string.
    pub(crate) fn place_of(self, name: &[u8]) -> Option<(usize, *const Str)> {
        (0..1 << self.get(|t| t.log_nodes)).find_map(|i| {
            // SAFETY: there are that many places.
            let node = unsafe { &*self.get(|t| t.nodes).add(i) };
            // SAFETY: the tag says which member is live; the key of a value that is there is alive.
            let same = node.key_tag == tag::SHORT_STRING
                && !tag::is_empty(node.value_tag)
                && unsafe { Str::short(node.key.string) } == name;
            // SAFETY: as above.
            same.then_some((i, unsafe { node.key.string }))
        })
    }

    /// Where the places are. If that changes, pairs are in others.
    #[inline(always)]
    pub(crate) fn places(self) -> *const c_void {
        self.get(|t| t.nodes).cast()
    }
}

/// `lua_State`, its beginning.
#[repr(C)]
struct State {
    next: *mut c_void,
    tag: u8,
    mark: u8,
    allow_hook: u8,
    status: u8,
    top: *mut Value,
    global: *mut c_void,
    call: *const Call,
}

/// `CallInfo`, its beginning.
#[repr(C)]
struct Call {
    /// The running function; its arguments follow.
    function: *mut Value,
    /// How far the function may use the stack.
    limit: *mut Value,
    /// Who has called it; null at the bottom, where no function runs.
    caller: *const Call,
    next: *const Call,
    of_its_kind: [u32; 7],
    status: u32,
}

const _: () = assert!(size_of::<Value>() == 16 && size_of::<Node>() == 24);
const _: () = assert!(std::mem::offset_of!(State, call) == 32);

impl Lua {
    #[inline(always)]
    fn state(self) -> *mut State {
        self.0.cast()
    }

    /// Pushes a value. Whatever it refers to is alive.
    #[inline(always)]
    pub fn push(self, v: Value) {
        debug_assert!(self.has_room(1), "stack overflow in native code");
        let state = self.state();
        // SAFETY: by the contract of `Lua`, the state is this thread's, and the caller keeps to the room it was
        // granted.
        unsafe {
            let top = (*state).top;
            top.write(v);
            (*state).top = top.add(1);
        }
    }

    /// Takes `n` values off the stack.
    #[inline(always)]
    pub(crate) fn drop_top(self, n: usize) {
        let state = self.state();
        // SAFETY: as above; the caller has pushed them. None is a variable that would have to be closed.
        unsafe { (*state).top = (*state).top.sub(n) };
    }

    /// Takes all values of the running function off the stack: `set_top(0)`, where nothing has to be closed.
    #[inline(always)]
    pub fn clear(self) {
        let state = self.state();
        // SAFETY: as above.
        unsafe { (*state).top = (*(*state).call).function.add(1) };
    }

    /// The value at a positive index.
    #[inline(always)]
    pub fn value(self, i: usize) -> Value {
        let state = self.state();
        // SAFETY: as above; an index up to the top is a value.
        unsafe {
            let place = (*(*state).call).function.add(i);
            if place < (*state).top {
                *place
            } else {
                Value::NIL
            }
        }
    }

    /// The value at an index of the stack; none above the top.
    #[inline(always)]
    pub(crate) fn at(self, i: c_int) -> Option<Value> {
        let state = self.state();
        // SAFETY: as above; an index below 0 counts from the top, and lies within what the function has.
        unsafe {
            if i < 0 {
                return Some(*(*state).top.offset(i as isize));
            }
            let place = (*(*state).call).function.add(i as usize);
            (place < (*state).top).then(|| *place)
        }
    }

    /// How many values the running function has.
    #[inline(always)]
    pub(crate) fn count(self) -> c_int {
        let state = self.state();
        // SAFETY: as above; the function's own place lies below the top.
        unsafe { (*state).top.offset_from((*(*state).call).function) as c_int - 1 }
    }

    /// `lua_status`
    #[inline(always)]
    pub(crate) fn state_of_run(self) -> c_int {
        // SAFETY: as above.
        c_int::from(unsafe { (*self.state()).status })
    }

    /// `callstatus` of the running function's frame.
    #[inline(always)]
    pub(crate) fn frame_status(self) -> u32 {
        // SAFETY: as above.
        unsafe { (*(*self.state()).call).status }
    }

    /// Is a function active on this thread?
    #[inline(always)]
    pub fn has_frame(self) -> bool {
        // SAFETY: as above.
        unsafe { !(*(*self.state()).call).caller.is_null() }
    }

    /// The `n`th value from the top, which is the first.
    #[inline(always)]
    pub(crate) fn value_from_top(self, n: usize) -> Value {
        // SAFETY: as above.
        unsafe { *(*self.state()).top.sub(n) }
    }

    /// Is there room for `n` values, without asking Lua for it?
    #[inline(always)]
    pub(crate) fn has_room(self, n: usize) -> bool {
        let state = self.state();
        // SAFETY: both point into the stack, the limit not below the top.
        unsafe { (*(*state).call).limit.offset_from((*state).top) >= n as isize }
    }
}

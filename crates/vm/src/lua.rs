//! `Lua`: one thread of a Lua state, as the native modules see it.
//!
//! A thin, copyable handle over `*mut lua_State` whose methods are the C API under Rust names. It exists so that the
//! conditions of that API are stated once, here, and not at each of some hundred call sites:
//!
//! * **Validity.** A `Lua` is made (`Lua::new`, unsafe) from a pointer that Lua itself handed over, and is used only on
//!   the thread that runs the state, while it runs it. It has no lifetime because a coroutine's has none that Rust
//!   could see.
//! * **Stack discipline.** The caller keeps to the room that Lua grants (20 slots in a native function, more after
//!   [`Lua::check_stack`]); debug builds of Lua check it (`LUA_USE_APICHECK`).
//! * **Raising.** Methods marked *raises* may leave by `longjmp` (out of memory, an error in a metamethod). No value
//!   with a destructor may be alive in the caller then; the bodies of native functions return errors as values instead
//!   (see `vm::native`) and keep owned values out of the way of raising calls.

#![allow(
    missing_docs,
    reason = "most methods have the name and the meaning of a function of the C API"
)]

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};

use mlua_sys::lua55::{self as ffi, lua_CFunction, lua_State};

use super::layout::{Value, tag};

/// One thread (coroutine) of a Lua state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lua(pub *mut lua_State);

/// Pseudo-index of the registry.
pub const REGISTRY: c_int = ffi::LUA_REGISTRYINDEX;
/// "All results" for calls.
pub const MULTRET: c_int = ffi::LUA_MULTRET;

/// A number and its subtype.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Number {
    Int(i64),
    Float(f64),
}

/// What Lua knows about a thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// It has its function, and arguments perhaps, and has not been started.
    Fresh,
    Suspended,
    /// Functions run on it, or wait for another coroutine that they have resumed. It can be neither resumed nor closed.
    Active,
    /// It has ended, or failed.
    Dead,
}

/// The type of a Lua value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Type {
    None,
    Nil,
    Boolean,
    LightUserdata,
    Number,
    String,
    Table,
    Function,
    Userdata,
    Thread,
}

/// Expands to a method body that calls into the C API under the conditions stated at the top of this file.
macro_rules! c {
    ($e:expr) => {{
        // SAFETY: by the contract of `Lua::new` the state is valid and owned by this thread; see the module comment.
        unsafe { $e }
    }};
}

/// The type that Lua's number stands for.
#[inline]
fn type_of(tag: c_int) -> Type {
    match tag {
        ffi::LUA_TNIL => Type::Nil,
        ffi::LUA_TBOOLEAN => Type::Boolean,
        ffi::LUA_TLIGHTUSERDATA => Type::LightUserdata,
        ffi::LUA_TNUMBER => Type::Number,
        ffi::LUA_TSTRING => Type::String,
        ffi::LUA_TTABLE => Type::Table,
        ffi::LUA_TFUNCTION => Type::Function,
        ffi::LUA_TUSERDATA => Type::Userdata,
        ffi::LUA_TTHREAD => Type::Thread,
        _ => Type::None,
    }
}

/// Is it a place on the stack, which `layout` can look at, and not the registry or an upvalue?
#[inline(always)]
fn on_stack(i: c_int) -> bool {
    i > REGISTRY
}

impl Lua {
    /// # Safety
    /// `l` is a live thread of a Lua state that the calling thread is running (or that no thread is running), and the
    /// handle is not used after the thread was closed or collected.
    pub unsafe fn new(l: *mut lua_State) -> Lua {
        Lua(l)
    }

    // ---- stack ----
    pub fn top(self) -> c_int {
        self.count()
    }
    pub fn set_top(self, n: c_int) {
        c!(ffi::lua_settop(self.0, n))
    }
    pub fn pop(self, n: c_int) {
        debug_assert!((0..=self.count()).contains(&n), "{n} of {}", self.count());
        self.drop_top(n as usize)
    }
    pub fn push_value(self, i: c_int) {
        if on_stack(i) {
            return self.push(self.at(i).unwrap_or(Value::NIL));
        }
        c!(ffi::lua_pushvalue(self.0, i))
    }
    pub fn insert(self, i: c_int) {
        c!(ffi::lua_rotate(self.0, i, 1))
    }
    pub fn remove(self, i: c_int) {
        c!(ffi::lua_rotate(self.0, i, -1));
        self.pop(1)
    }
    pub fn replace(self, i: c_int) {
        c!(ffi::lua_copy(self.0, -1, i));
        self.pop(1)
    }
    pub fn rotate(self, i: c_int, n: c_int) {
        c!(ffi::lua_rotate(self.0, i, n))
    }
    pub fn abs(self, i: c_int) -> c_int {
        c!(ffi::lua_absindex(self.0, i))
    }
    /// Room for `n` more values; false when the stack can't grow.
    #[must_use]
    pub fn check_stack(self, n: c_int) -> bool {
        c!(ffi::lua_checkstack(self.0, n)) != 0
    }
    /// Moves the top `n` values to another thread of the same state.
    pub fn move_to(self, to: Lua, n: c_int) {
        c!(ffi::lua_xmove(self.0, to.0, n))
    }

    // ---- reading ----
    #[inline]
    pub fn kind(self, i: c_int) -> Type {
        type_of(self.tag(i))
    }
    #[inline]
    fn tag(self, i: c_int) -> c_int {
        if on_stack(i) {
            let kind = self.at(i).map_or(ffi::LUA_TNONE, |v| tag::kind(v.tag));
            debug_assert_eq!(kind, c!(ffi::lua_type(self.0, i)));
            return kind;
        }
        c!(ffi::lua_type(self.0, i))
    }
    pub fn is_none_or_nil(self, i: c_int) -> bool {
        self.tag(i) <= 0
    }
    /// The name of the value's type, `no value` for an empty slot.
    pub fn type_name(self, i: c_int) -> &'static str {
        match self.kind(i) {
            Type::None => "no value",
            Type::Nil => "nil",
            Type::Boolean => "boolean",
            Type::LightUserdata | Type::Userdata => "userdata",
            Type::Number => "number",
            Type::String => "string",
            Type::Table => "table",
            Type::Function => "function",
            Type::Thread => "thread",
        }
    }
    pub fn bool(self, i: c_int) -> bool {
        if on_stack(i) {
            return self
                .at(i)
                .is_some_and(|v| !tag::is_empty(v.tag) && v.tag != tag::FALSE);
        }
        c!(ffi::lua_toboolean(self.0, i)) != 0
    }
    /// The value as an integer, by Lua's conversion rules (integral floats and numeric strings too).
    #[inline]
    pub fn int(self, i: c_int) -> Option<i64> {
        if on_stack(i)
            && let Some(n) = self.at(i).and_then(Value::as_int)
        {
            return Some(n);
        }
        self.converted_int(i)
    }
    fn converted_int(self, i: c_int) -> Option<i64> {
        let mut ok = 0;
        let n = c!(ffi::lua_tointegerx(self.0, i, &mut ok));
        (ok != 0).then_some(n)
    }
    pub fn is_integer(self, i: c_int) -> bool {
        self.at(i).and_then(Value::as_int).is_some()
    }
    pub fn float(self, i: c_int) -> Option<f64> {
        let mut ok = 0;
        let n = c!(ffi::lua_tonumberx(self.0, i, &mut ok));
        (ok != 0).then_some(n)
    }
    /// The bytes of a value that *is* a string; they live as long as the value stays on the stack or in a table.
    pub fn bytes<'a>(self, i: c_int) -> Option<&'a [u8]> {
        if on_stack(i) {
            // SAFETY: Lua strings do not move, and the caller keeps it reachable while it uses the slice.
            return unsafe { self.at(i)?.as_bytes() };
        }
        if self.kind(i) != Type::String {
            return None;
        }
        let mut len = 0;
        // SAFETY: the value is a string, so no conversion happens and nothing is raised; Lua strings do not move. The
        // caller keeps the string reachable while it uses the slice.
        unsafe {
            let p = ffi::lua_tolstring(self.0, i, &mut len);
            Some(std::slice::from_raw_parts(p.cast(), len))
        }
    }
    /// The bytes of a value that the caller knows to be a string. See `bytes`.
    #[inline]
    pub fn known_bytes<'a>(self, i: c_int) -> &'a [u8] {
        self.bytes(i).unwrap_or(b"")
    }
    /// A number on the stack, by its subtype.
    #[inline]
    pub fn known_number(self, i: c_int) -> Number {
        let value = self.at(i).unwrap_or(Value::NIL);
        match value.as_int() {
            Some(n) => Number::Int(n),
            None => Number::Float(value.as_float().unwrap_or(f64::NAN)),
        }
    }
    /// A string or a number as bytes (a number is converted in place). *raises*
    pub fn coerce_bytes<'a>(self, i: c_int) -> Option<&'a [u8]> {
        let mut len = 0;
        // SAFETY: as `bytes`; a conversion replaces the stack slot by the string.
        unsafe {
            let p = ffi::lua_tolstring(self.0, i, &mut len);
            (!p.is_null()).then(|| std::slice::from_raw_parts(p.cast(), len))
        }
    }
    /// The address of an interned string's bytes: equal addresses mean equal short strings.
    pub fn string_address(self, i: c_int) -> usize {
        self.bytes(i).map_or(0, |bytes| bytes.as_ptr() as usize)
    }
    pub fn userdata(self, i: c_int) -> *mut c_void {
        if on_stack(i)
            && let Some(p) = self.at(i).and_then(Value::as_pointer)
        {
            return p;
        }
        c!(ffi::lua_touserdata(self.0, i))
    }
    /// The address that `tostring` shows of a table, function, thread or userdata.
    pub fn pointer(self, i: c_int) -> *const c_void {
        c!(ffi::lua_topointer(self.0, i))
    }
    pub fn thread(self, i: c_int) -> Option<Lua> {
        let t = c!(ffi::lua_tothread(self.0, i));
        (!t.is_null()).then_some(Lua(t))
    }
    pub fn c_function(self, i: c_int) -> Option<lua_CFunction> {
        c!(ffi::lua_tocfunction(self.0, i))
    }
    pub fn raw_len(self, i: c_int) -> usize {
        c!(ffi::lua_rawlen(self.0, i))
    }

    // ---- pushing ----
    pub fn push_nil(self) {
        self.push(Value::NIL)
    }
    pub fn push_bool(self, b: bool) {
        self.push(Value::bool(b))
    }
    pub fn push_int(self, n: i64) {
        self.push(Value::int(n))
    }
    pub fn push_float(self, n: f64) {
        self.push(Value::float(n))
    }
    pub fn push_pointer(self, p: *mut c_void) {
        self.push(Value::pointer(p))
    }
    /// A light C function: no allocation, nothing raised.
    pub fn push_function(self, f: lua_CFunction) {
        self.push(Value::function(f))
    }
    /// Pushes this thread itself.
    pub fn push_self(self) {
        c!(ffi::lua_pushthread(self.0));
    }
    /// *raises*
    pub fn push_closure(self, f: lua_CFunction, upvalues: c_int) {
        c!(ffi::lua_pushcclosure(self.0, f, upvalues))
    }
    /// *raises*
    pub fn push_bytes(self, s: &[u8]) {
        c!(ffi::lua_pushlstring(self.0, s.as_ptr().cast(), s.len()));
    }
    /// Text of the program's own. What is made at run time and owned by the caller goes by `push_owned`, so that the
    /// type of this argument keeps it from being lost to a jump. *raises*
    pub fn push_str(self, s: &'static str) {
        self.push_bytes(s.as_bytes())
    }
    /// Pushes bytes that the caller gives up, and frees them also if that raises. *raises*
    pub fn push_owned(self, text: impl Into<Vec<u8>>) {
        // Should the push raise, the text stays here until the next one comes. Finalizers, which may come by here, run
        // only when Lua has copied it.
        thread_local!(static TEXT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) });
        let text = text.into();
        let bytes: *const [u8] = &text[..];
        TEXT.set(text);
        // SAFETY: the vector's contents stay where they are until it is replaced, see above.
        self.push_bytes(unsafe { &*bytes });
        TEXT.take();
    }
    /// *raises*
    pub fn new_table(self, array: usize, hash: usize) {
        let n = |x: usize| x.min(c_int::MAX as usize) as c_int;
        c!(ffi::lua_createtable(self.0, n(array), n(hash)))
    }
    /// *raises*
    pub fn new_userdata(self, size: usize, user_values: c_int) -> *mut c_void {
        c!(ffi::lua_newuserdatauv(self.0, size, user_values))
    }
    /// *raises*
    pub fn new_thread(self) -> Lua {
        Lua(c!(ffi::lua_newthread(self.0)))
    }

    // ---- tables ----
    pub fn raw_get(self, t: c_int) -> Type {
        type_of(c!(ffi::lua_rawget(self.0, t)))
    }
    pub fn raw_geti(self, t: c_int, n: i64) -> Type {
        type_of(c!(ffi::lua_rawgeti(self.0, t, n)))
    }
    /// *raises* (the key's string may have to be made)
    pub fn raw_get_str(self, t: c_int, k: &'static str) -> Type {
        let t = self.abs(t);
        self.push_str(k);
        self.raw_get(t)
    }
    /// *raises*
    pub fn raw_set(self, t: c_int) {
        c!(ffi::lua_rawset(self.0, t))
    }
    /// *raises*
    pub fn raw_seti(self, t: c_int, n: i64) {
        c!(ffi::lua_rawseti(self.0, t, n))
    }
    /// `t[k] = top`, raw, pops the value. *raises*
    pub fn raw_set_str(self, t: c_int, k: &'static str) {
        let t = self.abs(t);
        self.push_str(k);
        self.insert(-2);
        self.raw_set(t)
    }
    /// `t[key on top]`, with metamethods. *raises*
    pub fn get(self, t: c_int) -> Type {
        c!(ffi::lua_gettable(self.0, t));
        self.kind(-1)
    }
    /// `t[n]`, with metamethods. *raises*
    pub fn get_index(self, t: c_int, n: i64) -> Type {
        c!(ffi::lua_geti(self.0, t, n));
        self.kind(-1)
    }
    /// With metamethods. *raises*
    pub fn get_field(self, t: c_int, k: &CStr) -> Type {
        c!(ffi::lua_getfield(self.0, t, k.as_ptr()));
        self.kind(-1)
    }
    /// With metamethods. *raises*
    /// As an assignment in Lua: the value on top, below it the key.
    pub fn set_table(self, t: c_int) {
        c!(ffi::lua_settable(self.0, t))
    }
    pub fn set_field(self, t: c_int, k: &CStr) {
        c!(ffi::lua_setfield(self.0, t, k.as_ptr()))
    }
    /// *raises*
    pub fn get_global(self, k: &CStr) -> Type {
        c!(ffi::lua_getglobal(self.0, k.as_ptr()));
        self.kind(-1)
    }
    /// *raises*
    pub fn set_global(self, k: &CStr) {
        c!(ffi::lua_setglobal(self.0, k.as_ptr()))
    }
    /// The next pair after the key on top. Raises only for a key that is not in the table.
    pub fn next(self, t: c_int) -> bool {
        c!(ffi::lua_next(self.0, t)) != 0
    }
    pub fn set_metatable(self, i: c_int) {
        c!(ffi::lua_setmetatable(self.0, i));
    }
    /// Pushes `metatable(i)[e]` unless there is none. *raises*
    pub fn get_metafield(self, i: c_int, e: &CStr) -> bool {
        c!(ffi::luaL_getmetafield(self.0, i, e.as_ptr())) != ffi::LUA_TNIL
    }
    /// Anchors the top value in the registry, pops it. *raises*
    pub fn make_ref(self) -> c_int {
        c!(ffi::luaL_ref(self.0, REGISTRY))
    }
    /// Gives a registry reference to a value another one, the top value, and pops it.
    pub fn set_ref(self, reference: c_int) {
        c!(ffi::lua_rawseti(self.0, REGISTRY, reference.into()))
    }
    pub fn has_metatable(self, i: c_int) -> bool {
        let has = c!(ffi::lua_getmetatable(self.0, i)) != 0;
        if has {
            self.pop(1);
        }
        has
    }
    pub fn free_ref(self, r: c_int) {
        c!(ffi::luaL_unref(self.0, REGISTRY, r))
    }
    pub fn push_ref(self, r: c_int) -> Type {
        self.raw_geti(REGISTRY, r as i64)
    }

    // ---- calls ----
    /// *raises*
    pub fn call(self, args: c_int, results: c_int) {
        c!(ffi::lua_callk(self.0, args, results, 0, None))
    }
    pub fn pcall(self, args: c_int, results: c_int, handler: c_int) -> c_int {
        c!(ffi::lua_pcallk(self.0, args, results, handler, 0, None))
    }
    /// Starts or continues `self`; the number of results on its stack comes second.
    pub fn resume(self, from: Lua, args: c_int) -> (c_int, c_int) {
        let mut results = 0;
        let status = c!(ffi::lua_resume(self.0, from.0, args, &mut results));
        (status, results)
    }
    pub fn status(self) -> c_int {
        self.state_of_run()
    }
    /// What Lua would do with this thread.
    #[inline]
    pub fn phase(self) -> Phase {
        match self.status() {
            ffi::LUA_YIELD => Phase::Suspended,
            ffi::LUA_OK if self.has_frame() => Phase::Active,
            ffi::LUA_OK if self.top() > 0 => Phase::Fresh,
            _ => Phase::Dead,
        }
    }
    pub fn is_yieldable(self) -> bool {
        c!(ffi::lua_isyieldable(self.0)) != 0
    }
    /// Closes a thread that is not active: pending to-be-closed variables run; it can be started again afterwards.
    pub fn close_thread(self, from: Lua) -> c_int {
        c!(ffi::lua_closethread(self.0, from.0))
    }
    /// Pushes the text of any value, with `__tostring`. *raises*
    pub fn to_display<'a>(self, i: c_int) -> &'a [u8] {
        let mut len = 0;
        // SAFETY: `luaL_tolstring` leaves the string on the stack, where the caller keeps it.
        unsafe {
            let p = ffi::luaL_tolstring(self.0, i, &mut len);
            std::slice::from_raw_parts(p.cast(), len)
        }
    }
    /// Pushes the stack trace of `of`, from `level`, without a message. *raises*
    pub fn traceback(self, of: Lua, level: c_int) {
        c!(ffi::luaL_traceback(self.0, of.0, std::ptr::null(), level));
        // Two modules are one table, and Lua takes the name of either.
        c!(ffi::luaL_gsub(
            self.0,
            ffi::lua_tolstring(self.0, -1, std::ptr::null_mut()),
            c"'skynet.manager.".as_ptr(),
            c"'skynet.".as_ptr()
        ));
        self.remove(-2)
    }
    /// `file:line:` of the function at `level`, or an empty string, is pushed. *raises*
    pub fn push_where(self, level: c_int) {
        c!(ffi::luaL_where(self.0, level))
    }
    /// Joins the top `n` values. *raises*
    pub fn concat(self, n: c_int) {
        c!(ffi::lua_concat(self.0, n))
    }
    /// Loads a chunk: bytecode or text, by `mode` (`t`, `b`, `B`); pushes the function or an error text.
    pub fn load(self, chunk: &[u8], name: &CStr, mode: &CStr) -> c_int {
        let mut rest: &[u8] = chunk;
        // SAFETY: the reader gets the address of `rest`, which lives across the call; `lua_load` is protected.
        unsafe {
            ffi::lua_load(
                self.0,
                read_chunk,
                (&raw mut rest).cast(),
                name.as_ptr(),
                mode.as_ptr(),
            )
        }
    }
    /// By how many percent the heap may grow before a minor collection of the generational collector.
    pub fn set_minor_growth(self, percent: c_int) {
        c!(ffi::lua_gc(
            self.0,
            ffi::LUA_GCPARAM,
            ffi::LUA_GCPMINORMUL,
            percent
        ));
    }
    /// By how much a state is to be larger than after the last collection, in percent of that, before the incremental
    /// collector begins another one.
    pub fn set_gc_pause(self, percent: c_int) {
        c!(ffi::lua_gc(
            self.0,
            ffi::LUA_GCPARAM,
            ffi::LUA_GCPPAUSE,
            percent
        ));
    }
    /// Changes to the generational or the incremental collector; returns which it was.
    pub fn set_gc_mode(self, mode: c_int) -> c_int {
        c!(ffi::lua_gc(self.0, mode))
    }
    pub fn gc(self, what: c_int) {
        c!(ffi::lua_gc(self.0, what));
    }
}

/// Hands a whole chunk to `lua_load` in one piece.
unsafe extern "C-unwind" fn read_chunk(
    _: *mut lua_State,
    ud: *mut c_void,
    size: *mut usize,
) -> *const c_char {
    // SAFETY: `ud` is the address of the `&[u8]` that `Lua::load` keeps on its stack, `size` is Lua's out-parameter.
    unsafe {
        let rest = &mut *ud.cast::<&[u8]>();
        let piece = std::mem::take(rest);
        *size = piece.len();
        piece.as_ptr().cast()
    }
}

//! The arguments of the command `call`: Lua expressions, evaluated in a state of their own.
//!
//! Whoever types them may write anything, also by mistake: a loop without an end, a string that doubles itself, a table
//! that is in itself. So the state is no service's, its memory and its time are limited ([`MEMORY`], [`TIME`]), and so
//! is what becomes of the values when they are packed ([`VALUES`], [`BYTES`]): a table that is in twenty others twice
//! is packed a million times.
//!
//! There are no globals, and of the methods of strings only those whose time is bound by the size of their result:
//! patterns are not.
//!
//! Everything that can raise runs inside one `lua_pcall` ([`run`]), whose frames hold no value with a destructor.

use std::ffi::{c_int, c_void};
use std::time::{Duration, Instant};

use mlua_sys::*;
use skynet_wire::seri::{MAX_DEPTH, Table, Value};

use skynet_vm::alloc::{MemoryAccount, lua_alloc};

/// Bytes that the state may have.
const MEMORY: usize = 16 << 20;
/// How long the expressions may take.
const TIME: Duration = Duration::from_secs(1);
/// Instructions between two looks at the clock. One of them can copy some megabytes.
const STEP: c_int = 100;
/// Values that a command may send, in all tables together.
const VALUES: usize = 100_000;
/// Bytes of all strings together.
const BYTES: usize = 1 << 20;

/// Methods of strings that take their time from patterns, or show what a program is made of.
const LEFT_OUT: [&std::ffi::CStr; 5] = [c"find", c"match", c"gmatch", c"gsub", c"dump"];

/// What the callbacks of the state need.
struct Evaluation<'a> {
    source: &'a [u8],
    /// When the time is up.
    end: Instant,
}

/// The values of the expressions in `text`, which are separated by commas.
pub(super) fn values(text: &[u8]) -> Result<Vec<Value>, String> {
    let account = MemoryAccount::new();
    account.set_limit(MEMORY);
    let source = [b"return ", text].concat();
    let evaluation = Evaluation {
        source: &source,
        end: Instant::now() + TIME,
    };
    let ud = (&raw const account).cast_mut().cast::<c_void>();
    // SAFETY: `account` and `evaluation` live until after `lua_close`. The seed only spreads hashes of one line.
    let state = unsafe { lua_newstate(lua_alloc, ud, 0x5eed) };
    if state.is_null() {
        return Err("not enough memory".to_owned());
    }
    // SAFETY: a fresh state has room for 20 values; a light C function and a light userdata need no memory, so nothing
    // before the protected call can raise. The extra space of a state has the size of a pointer.
    let values = unsafe {
        *lua_getextraspace(state).cast::<*const Evaluation<'_>>() = &raw const evaluation;
        lua_sethook(state, Some(look), LUA_MASKCOUNT, STEP);
        lua_pushcfunction(state, run);
        let status = lua_pcall(state, 0, LUA_MULTRET, 0);
        lua_sethook(state, None, 0, 0);
        if status == LUA_OK {
            all(state)
        } else {
            Err(message(state))
        }
    };
    // SAFETY: the state is not used again. Closing runs no code of the expressions, which cannot set metatables.
    unsafe { lua_close(state) };
    values
}

/// The body of the protected call: compiles and runs.
unsafe extern "C-unwind" fn run(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this with at least 20 free slots, more than are used. No value with a destructor is alive at
    // any call.
    unsafe {
        let evaluation = *lua_getextraspace(state).cast::<*const Evaluation<'_>>();
        let source = (*evaluation).source;
        luaL_requiref(state, c"string".as_ptr(), luaopen_string, 0);
        for name in LEFT_OUT {
            lua_pushnil(state);
            lua_setfield(state, -2, name.as_ptr());
        }
        lua_settop(state, 0);
        let name = c"=(arguments)".as_ptr();
        if luaL_loadbufferx(
            state,
            source.as_ptr().cast(),
            source.len(),
            name,
            c"t".as_ptr(),
        ) != LUA_OK
        {
            lua_pushstring(state, c"Invalid arguments".as_ptr());
            lua_error(state)
        }
        lua_createtable(state, 0, 0);
        // The only upvalue of a chunk compiled from text is its environment.
        lua_setupvalue(state, 1, 1);
        lua_call(state, 0, LUA_MULTRET);
        lua_gettop(state)
    }
}

/// Called every [`STEP`] instructions.
unsafe extern "C-unwind" fn look(state: *mut lua_State, _: *mut lua_Debug) {
    // SAFETY: called by Lua inside the protected call, where raising is allowed; no value with a destructor is alive.
    unsafe {
        let evaluation = *lua_getextraspace(state).cast::<*const Evaluation<'_>>();
        if Instant::now() >= (*evaluation).end {
            luaL_error(state, c"the arguments take too long: at most 1 s".as_ptr());
        }
    }
}

/// The text of the error on the top.
///
/// # Safety
/// There is a value on the top of `state`'s stack.
unsafe fn message(state: *mut lua_State) -> String {
    // SAFETY: reading a string neither allocates nor raises; other values are not converted.
    unsafe {
        match lua_type(state, -1) {
            LUA_TSTRING => String::from_utf8_lossy(bytes(state, -1)).into_owned(),
            _ => "Invalid arguments".to_owned(),
        }
    }
}

/// The string at `index`.
///
/// # Safety
/// The value is a string, and stays on the stack while the slice is used.
unsafe fn bytes<'a>(state: *mut lua_State, index: c_int) -> &'a [u8] {
    let mut length = 0;
    // SAFETY: for a string, `lua_tolstring` gives its own buffer of that length, and neither allocates nor raises.
    unsafe {
        let start = lua_tolstring(state, index, &mut length);
        std::slice::from_raw_parts(start.cast(), length)
    }
}

/// All values on the stack.
///
/// # Safety
/// Nothing else uses the state. There are no metatables but that of strings.
unsafe fn all(state: *mut lua_State) -> Result<Vec<Value>, String> {
    let mut left = Budget {
        values: VALUES,
        bytes: BYTES,
    };
    // SAFETY: the indices are those of the stack.
    unsafe {
        let top = lua_gettop(state);
        (1..=top).map(|i| value(state, i, 0, &mut left)).collect()
    }
}

/// What may still be copied.
struct Budget {
    values: usize,
    bytes: usize,
}

/// A copy of the value at `index`.
///
/// # Safety
/// As [`all`]; `index` is positive and valid.
unsafe fn value(
    state: *mut lua_State,
    index: c_int,
    depth: usize,
    left: &mut Budget,
) -> Result<Value, String> {
    let too_much =
        || format!("the arguments are too much: at most {VALUES} values and {BYTES} bytes");
    left.values = left.values.checked_sub(1).ok_or_else(too_much)?;
    // SAFETY: these functions neither raise nor allocate, but for `lua_next`, which raises only for a key that is not
    // in the table. Strings are read only where there are strings, so no key is converted.
    unsafe {
        Ok(match lua_type(state, index) {
            LUA_TNIL => Value::Nil,
            LUA_TBOOLEAN => Value::Bool(lua_toboolean(state, index) != 0),
            LUA_TNUMBER if lua_isinteger(state, index) != 0 => {
                Value::Int(lua_tointegerx(state, index, std::ptr::null_mut()))
            }
            LUA_TNUMBER => Value::Float(lua_tonumberx(state, index, std::ptr::null_mut())),
            LUA_TSTRING => {
                let text = bytes(state, index);
                left.bytes = left.bytes.checked_sub(text.len()).ok_or_else(too_much)?;
                Value::Bytes(text.to_vec())
            }
            LUA_TTABLE => {
                if depth >= MAX_DEPTH || lua_checkstack(state, 3) == 0 {
                    return Err("serialize can't pack too depth table".to_owned());
                }
                let mut array = Vec::new();
                let mut pairs = Vec::new();
                let here = lua_gettop(state);
                lua_pushnil(state);
                while lua_next(state, index) != 0 {
                    let key = value(state, here + 1, depth + 1, left)?;
                    let item = value(state, here + 2, depth + 1, left)?;
                    match key {
                        Value::Int(n) if n == array.len() as i64 + 1 => array.push(item),
                        key => pairs.push((key, item)),
                    }
                    lua_settop(state, here + 1);
                }
                let mut table = Table::from_values(array);
                for (key, item) in pairs {
                    table
                        .try_insert(key, item)
                        .map_err(|error| error.to_string())?;
                }
                Value::Table(Box::new(table))
            }
            other => {
                let name = std::ffi::CStr::from_ptr(lua_typename(state, other));
                return Err(format!(
                    "Unsupport type {} to serialize",
                    name.to_string_lossy()
                ));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skynet_wire::seri::{args, table};

    fn error(text: &str) -> String {
        values(text.as_bytes()).expect_err(text)
    }

    #[test]
    fn what_is_typed() {
        for (text, expected) in [
            (
                "nil, true, 1, -2.5, 'x'",
                args![(), true, 1, -2.5, "x"].to_vec(),
            ),
            ("{1, 2, x = {3}}, ('ab'):rep(2):upper()", {
                let mut table = Table::from_values([1, 2]);
                table.insert("x", Value::Table(Box::new(Table::from_values([3]))));
                vec![Value::Table(Box::new(table)), "ABAB".into()]
            }),
            (
                "(function() local n = 0 for i = 1, 10 do n = n + i end return n end)()",
                args![55].to_vec(),
            ),
            (
                "{[1] = 1, [3] = 3}",
                args![table! { 1 => 1, 3 => 3 }].to_vec(),
            ),
            ("", vec![]),
        ] {
            assert_eq!(values(text.as_bytes()), Ok(expected), "{text}");
        }
        assert_eq!(
            values(b"'\xd6\xd0'"),
            Ok(vec![Value::Bytes(vec![0xd6, 0xd0])])
        );
        assert_eq!(error("("), "Invalid arguments");
        assert!(error("os.exit()").contains("global 'os'"));
        assert!(error("while true do end").contains("Invalid arguments"));
        assert_eq!(
            error("(function() end)"),
            "Unsupport type function to serialize"
        );
    }

    #[test]
    fn nothing_without_an_end() {
        for text in [
            "(function() while true do end end)()",
            "(function() ::again:: goto again end)()",
            "(function() local s = ('x'):rep(4000000) while true do local t = s .. s end end)()",
        ] {
            assert!(error(text).contains("too long"), "{text}");
        }
        for text in [
            "('x'):rep(1 << 40)",
            "(function() local s = 'x' while true do s = s .. s end end)()",
            "(function() local t = {} for i = 1, 1 << 40 do t[i] = i end end)()",
            "('x'):format(1):rep(1 << 26)",
        ] {
            assert!(error(text).contains("memory"), "{text}");
        }
        let twice = "(function() local t = {1} for i = 1, 25 do t = {t, t} end return t end)()";
        assert!(error(twice).contains("too much"));
        assert!(error("('x'):rep(2000000)").contains("too much"));
        let within = "(function() local t = {} t[1] = t return t end)()";
        assert!(error(within).contains("too depth"));
        assert!(
            error("(function() local function f() return 1 + f() end return f() end)()").len() > 5
        );
        assert!(error("('a'):rep(30000):find(('a*'):rep(30) .. 'b')").contains("method 'find'"));
    }

    /// On a stack as small as a connection's.
    #[test]
    fn deep_sources() {
        let deep = std::thread::Builder::new().stack_size(super::super::front::STACK);
        let run = || {
            for text in [
                "(".repeat(30_000),
                "{".repeat(30_000),
                "function() return ".repeat(3000),
            ] {
                assert_eq!(error(&text), "Invalid arguments");
            }
        };
        deep.spawn(run)
            .expect("a thread")
            .join()
            .expect("no overflow");
    }
}

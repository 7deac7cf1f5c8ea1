//! `cjson` and `cjson.safe`: JSON, as the Lua library of that name does it, straight between text and Lua's tables.
//!
//! What is pinned by version 2.1.0 of that library is the same: functions, options, error texts, what is an array. Of
//! later versions there are `empty_array`, the two metatables, the options about them, and integers with all their
//! digits.
//!
//! The settings of a module table are a userdata, which its functions have as upvalue 1. It also keeps the buffer, so
//! that nothing is owned by a native function when Lua raises. No Lua code runs while a document is written; while one
//! is read, a finalizer may, which may read and write documents itself: so the buffer is never used across a call that
//! may collect.

mod build;
mod encode;
mod options;

use std::ffi::CStr;

use mlua_sys::lua55::lua_CFunction;
use skynet_vm::lua::{Lua, REGISTRY, Type};
use skynet_vm::native::{Fault, native, results};
use skynet_wire::json::{self, Limits};

/// Functions of both modules.
const FUNCTIONS: &[(&str, lua_CFunction)] = &[
    (
        "decode_array_with_array_mt",
        options::decode_array_with_array_mt,
    ),
    ("decode_invalid_numbers", options::decode_invalid_numbers),
    ("decode_max_depth", options::decode_max_depth),
    (
        "encode_empty_table_as_object",
        options::encode_empty_table_as_object,
    ),
    (
        "encode_escape_forward_slash",
        options::encode_escape_forward_slash,
    ),
    ("encode_invalid_numbers", options::encode_invalid_numbers),
    ("encode_keep_buffer", options::encode_keep_buffer),
    ("encode_max_depth", options::encode_max_depth),
    ("encode_number_precision", options::encode_number_precision),
    (
        "encode_skip_unsupported_value_types",
        options::encode_skip_unsupported_value_types,
    ),
    ("encode_sparse_array", options::encode_sparse_array),
];
/// Those that raise, of `cjson`.
const RAISING: &[(&str, lua_CFunction)] = &[("decode", decode), ("encode", encode), ("new", new)];
/// Those that return an error instead, of `cjson.safe`.
const SAFE: &[(&str, lua_CFunction)] = &[
    ("decode", decode_safe),
    ("encode", encode_safe),
    ("new", new_safe),
];

/// Registry fields: the metatables, which all module tables have in common.
const ARRAY_MT: &CStr = c"skynet.json.array_mt";
const EMPTY_ARRAY_MT: &CStr = c"skynet.json.empty_array_mt";

/// What `cjson.empty_array` points to: an address that nothing else has.
static EMPTY_ARRAY: u8 = 0;

fn empty_array() -> *mut std::ffi::c_void {
    (&raw const EMPTY_ARRAY).cast_mut().cast()
}

native! {
    /// `require "skynet.json.core"`: a table with both modules.
    open = |l| {
        l.new_table(0, 2);
        push_module(l, RAISING);
        l.set_field(-2, c"cjson");
        push_module(l, SAFE);
        l.set_field(-2, c"safe");
        results(1)
    };

    /// `new()`: a module table with settings of its own.
    new = |l| {
        push_module(l, RAISING);
        results(1)
    };

    new_safe = |l| {
        push_module(l, SAFE);
        results(1)
    };

    /// `encode(value)`
    encode = |l| {
        one_argument(l)?;
        push_encoded(l)?;
        results(1)
    };

    encode_safe = |l| {
        one_argument(l)?;
        or_message(l, push_encoded(l))
    };

    /// `decode(text)`
    decode = |l| {
        one_argument(l)?;
        push_decoded(l, l.coerce_bytes(1).ok_or_else(|| l.expected(1, "string"))?)?;
        results(1)
    };

    decode_safe = |l| {
        one_argument(l)?;
        match l.coerce_bytes(1) {
            Some(text) => or_message(l, push_decoded(l, text)),
            // In the library this is the error of a function that nothing names.
            None => {
                let what = format!("bad argument #1 to '?' (string expected, got {})", l.type_name(1));
                or_message(l, Err(Fault::from(what)))
            }
        }
    };
}

/// Pushes a module table. *raises*
fn push_module(l: Lua, own: &[(&'static str, lua_CFunction)]) {
    l.new_table(0, FUNCTIONS.len() + own.len() + 6);
    let module = l.top();
    for (name, key) in [("array_mt", ARRAY_MT), ("empty_array_mt", EMPTY_ARRAY_MT)] {
        if l.get_field(REGISTRY, key) != Type::Table {
            l.pop(1);
            l.new_table(0, 0);
            l.push_value(-1);
            l.set_field(REGISTRY, key);
        }
        l.raw_set_str(module, name);
    }
    let [array_mt, empty_array_mt] = ["array_mt", "empty_array_mt"].map(|name| {
        l.raw_get_str(module, name);
        let address = l.pointer(-1);
        l.pop(1);
        address
    });
    options::push(l, array_mt, empty_array_mt);
    let config = l.top();
    for (name, function) in FUNCTIONS.iter().chain(own) {
        l.push_value(config);
        l.push_closure(*function, 1);
        l.raw_set_str(module, name);
    }
    l.pop(1);
    l.push_pointer(std::ptr::null_mut());
    l.raw_set_str(module, "null");
    l.push_pointer(empty_array());
    l.raw_set_str(module, "empty_array");
    l.push_str("cjson");
    l.raw_set_str(module, "_NAME");
    l.push_str("2.1.0");
    l.raw_set_str(module, "_VERSION");
}

fn one_argument(l: Lua) -> Result<(), Fault> {
    match l.top() {
        1 => Ok(()),
        _ => Err(Fault::Argument(1, "expected 1 argument".into())),
    }
}

/// The result on top of the stack, or nil and what was wrong. *raises*
fn or_message(l: Lua, done: Result<(), Fault>) -> skynet_vm::native::Outcome {
    match done {
        Ok(()) => results(1),
        Err(Fault::Text(text) | Fault::Plain(text)) => {
            l.push_nil();
            l.push_owned(text.into_owned());
            results(2)
        }
        Err(other) => Err(other),
    }
}

/// Pushes the text of the value at 1. *raises*
fn push_encoded(l: Lua) -> Result<(), Fault> {
    let config = options::config(l);
    // SAFETY: the upvalue is the settings; nobody else uses them before `encode::write` returns, since it runs no Lua
    // code, and the value at 1 stays there.
    let bytes: *const [u8] = unsafe { encode::write(&mut *config, l.see(1))? };
    // SAFETY: Lua has copied the bytes before its collector, and with it any other function, may run.
    l.push_bytes(unsafe { &*bytes });
    // SAFETY: as above.
    unsafe { (*config).let_go() };
    Ok(())
}

/// Pushes what the text means. *raises*
fn push_decoded(l: Lua, text: &[u8]) -> Result<(), Fault> {
    let config = options::config(l);
    // SAFETY: the upvalue is the settings; they are read, and not kept.
    let limits = unsafe {
        Limits {
            depth: (*config).decode_max_depth.unsigned_abs() as usize,
            invalid_numbers: (*config).decode_invalid_numbers,
        }
    };
    if !skynet_vm::tables::room(l, 8) {
        return Err("stack overflow".into());
    }
    let mut tables = build::Tables::new(l, config);
    json::parse(text, limits, &mut tables).map_err(|error| Fault::from(error.to_string()))?;
    skynet_vm::tables::collect_some(l);
    // SAFETY: as above.
    unsafe { (*config).let_go() };
    Ok(())
}

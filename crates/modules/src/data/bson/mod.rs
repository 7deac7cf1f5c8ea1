//! `bson`: documents of MongoDB, between Lua tables and bytes.
//!
//! Values that Lua has no type for are strings that begin with a zero byte and the number of the BSON type
//! (`special.rs`). A document is a userdata whose memory is the document's bytes (`document.rs`), so that its address
//! can be handed on.

pub(crate) mod decode;
pub(crate) mod document;
mod encode;
mod special;

use mlua_sys::lua55::lua_CFunction;
use skynet_vm::lua::Type;
use skynet_vm::native::{Fault, native, push_functions, results};

const FUNCTIONS: &[(&str, lua_CFunction)] = &[
    ("binary", special::binary),
    ("date", special::date),
    ("decode", decode),
    ("encode", encode_table),
    ("encode_order", encode_order),
    ("int64", special::int64),
    ("objectid", special::objectid),
    ("regex", special::regex),
    ("timestamp", special::timestamp),
    ("to_lightuserdata", to_lightuserdata),
    ("type", special::kind_of),
];

native! {
    open = |l| {
        push_functions(l, FUNCTIONS);
        for (name, value) in special::CONSTANTS {
            l.push_bytes(value);
            l.raw_set_str(-2, name);
        }
        results(1)
    };

    /// `encode(t)` to a document
    encode_table = |l| {
        if l.kind(1) != Type::Table {
            return Err(Fault::Argument(1, format!("table expected, got {}", l.type_name(1)).into()));
        }
        l.set_top(1);
        encode::push_table(l)?;
        results(1)
    };

    /// `encode_order(k1, v1, k2, v2, …)` to a document
    encode_order = |l| {
        if l.top() % 2 != 0 {
            return Err("Invalid ordered dict".into());
        }
        encode::push_ordered(l)?;
        results(1)
    };

    /// `decode(document)` to a table; nothing for another value
    decode = |l| match document::bytes(l, 1) {
        Some(bytes) => {
            decode::push(l, bytes)?;
            results(1)
        }
        None => results(0),
    };

    /// `to_lightuserdata(document)`
    to_lightuserdata = |l| {
        let document = l.userdata(1);
        l.push_pointer(document);
        results(1)
    };
}

//! `sproto.core`: schemas, and messages between bytes and Lua tables.
//!
//! A schema and a type of it are userdata (`boxed.rs`). `encode.rs` walks tables, `decode.rs` makes them; the format
//! itself is in `wire::sproto`.

mod decode;
mod encode;

use std::ffi::{CStr, c_int};
use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};

use mlua_sys::lua55::lua_CFunction;
use skynet_wire::sproto::{self, Error, Kind, Schema};

use crate::boxed::{self, Boxed};
use skynet_lua::message_bytes;
use skynet_lua::service;
use skynet_vm::lua::{Lua, Type as LuaType};
use skynet_vm::native::push_functions;
use skynet_vm::native::{Fault, native, results};

use skynet_kernel::lock;

const FUNCTIONS: &[(&str, lua_CFunction)] = &[
    ("decode", decode_),
    ("default", default),
    ("deleteproto", deleteproto),
    ("dumpproto", dumpproto),
    ("encode", encode_),
    ("loadproto", loadproto),
    ("newproto", newproto),
    ("pack", pack),
    ("parse", parse),
    ("protocol", protocol),
    ("querytype", querytype),
    ("saveproto", saveproto),
    ("unpack", unpack),
];

/// The places where services put schemas for each other.
#[derive(Default)]
pub struct Slots(Mutex<[Option<Arc<Schema>>; 16]>);

impl Boxed for Schema {
    const NAME: &'static CStr = c"sproto.schema";
    const WHAT: &'static str = "sproto object expected";
}

/// A type of a schema.
struct TypeOf {
    schema: Arc<Schema>,
    index: usize,
}

impl Boxed for TypeOf {
    const NAME: &'static CStr = c"sproto.type";
    const WHAT: &'static str = "sproto type expected";
}

fn format_fault(e: Error) -> Fault {
    Fault::from(e.to_string())
}

/// The type at 1; none for a null pointer, which stands for a response without content.
fn type_argument<'a>(l: Lua) -> Result<Option<&'a TypeOf>, Fault> {
    if l.kind(1) == LuaType::LightUserdata && l.userdata(1).is_null() {
        return Ok(None);
    }
    boxed::get::<TypeOf>(l, 1).map(|t| Some(&**t))
}

/// Pushes a type. *raises*
fn push_type(l: Lua, schema: &Arc<Schema>, index: usize) {
    boxed::push(l, || {
        Arc::new(TypeOf {
            schema: Arc::clone(schema),
            index,
        })
    });
}

fn slot_argument(l: Lua, i: c_int) -> Result<usize, Fault> {
    let n = l.int(i).unwrap_or(-1);
    match usize::try_from(n) {
        Ok(n) if n < 16 => Ok(n),
        _ => Err(Fault::from(format!("Invalid global slot index {n}"))),
    }
}

/// Pushes what a field is by default. *raises*
fn push_default(l: Lua, schema: &Schema, kind: Kind) {
    match kind {
        Kind::Integer(0) => l.push_int(0),
        Kind::Integer(_) | Kind::Double => l.push_float(0.0),
        Kind::Boolean => l.push_bool(false),
        Kind::Text { .. } => l.push_str(""),
        Kind::Struct(index) => l.push_bytes(&schema.types()[index].name),
    }
}

native! {
    open = |l| {
        push_functions(l, FUNCTIONS);
        results(1)
    };

    /// `parse(text, name)` to a binary schema
    parse = |l| {
        let name = String::from_utf8_lossy(l.bytes_argument(2)?);
        let bytes = sproto::parse(l.bytes_argument(1)?, &name).map_err(format_fault)?;
        drop(name);
        l.push_owned(bytes);
        results(1)
    };

    /// `newproto(bytes)` to a schema; nothing if they are none
    newproto = |l| {
        boxed::push_empty::<Schema>(l);
        let Ok(schema) = Schema::load(message_bytes(l, 1)?) else { return results(0) };
        boxed::fill(l, -1, Arc::new(schema));
        results(1)
    };

    /// `deleteproto(schema)`: lets go of it; types that were got from it stay
    deleteproto = |l| {
        boxed::clear::<Schema>(l, 1);
        results(0)
    };

    /// `dumpproto(schema)`: what is in it, on standard output
    dumpproto = |l| {
        let text = dump(boxed::get::<Schema>(l, 1)?);
        let _ = std::io::stdout().write_all(text.as_bytes());
        results(0)
    };

    /// `querytype(schema, name)` to a type; nothing if there is none
    querytype = |l| {
        let schema = boxed::get::<Schema>(l, 1)?;
        let Some(index) = schema.find_type(l.bytes_argument(2)?) else { return results(0) };
        push_type(l, schema, index);
        results(1)
    };

    /// `protocol(schema, name or tag)` to tag or name, type of the request, type of the response
    protocol = |l| {
        let schema = boxed::get::<Schema>(l, 1)?;
        let found = match l.kind(2) {
            LuaType::Number => l.int(2).and_then(|n| u32::try_from(n).ok()).and_then(|tag| schema.protocol(tag)),
            _ => schema.protocol_named(l.bytes_argument(2)?),
        };
        let Some(p) = found else { return results(0) };
        match l.kind(2) {
            LuaType::Number => l.push_bytes(&p.name),
            _ => l.push_int(p.tag.into()),
        }
        match p.request {
            Some(index) => push_type(l, schema, index),
            None => l.push_nil(),
        }
        match p.response {
            Some(index) => push_type(l, schema, index),
            None if p.confirm => l.push_pointer(std::ptr::null_mut()),
            None => l.push_nil(),
        }
        results(3)
    };

    /// `encode(type, table)` to bytes
    encode_ = |l| {
        let Some(of) = type_argument(l)? else {
            l.push_str("");
            return results(1);
        };
        l.set_top(2);
        if !matches!(l.kind(2), LuaType::Table | LuaType::Userdata) {
            return Err(l.expected(2, "table"));
        }
        encode::push_encoded(l, &of.schema, of.index)?;
        results(1)
    };

    /// `decode(type, bytes [, table])` or `decode(type, pointer, size [, table])` to a table, a new one or the one
    /// given, and the number of bytes read
    decode_ = |l| {
        let Some(of) = type_argument(l)? else { return results(0) };
        let bytes = message_bytes(l, 2)?;
        let given = if l.kind(2) == LuaType::String { 3 } else { 4 };
        let into = if l.kind(given) == LuaType::Table { given } else { 0 };
        let used = decode::push_decoded(l, &of.schema, of.index, bytes, into)?;
        l.push_int(used as i64);
        results(2)
    };

    /// `default(type)`: a table with all fields
    default = |l| {
        let Some(of) = type_argument(l)? else { return results(0) };
        let (schema, t) = (&of.schema, &of.schema.types()[of.index]);
        l.new_table(0, t.fields.len());
        for field in &t.fields {
            l.push_bytes(&field.name);
            let inside = match field.kind {
                _ if field.array => Some("__array"),
                Kind::Struct(_) => Some("__type"),
                _ => None,
            };
            if let Some(inside) = inside {
                l.new_table(0, 1);
                push_default(l, schema, field.kind);
                l.raw_set_str(-2, inside);
            } else {
                push_default(l, schema, field.kind);
            }
            l.raw_set(-3);
        }
        results(1)
    };

    /// `pack(bytes)`: without most zeros
    pack = |l| {
        let mut out = Vec::new();
        sproto::pack(message_bytes(l, 1)?, &mut out);
        l.push_owned(out);
        results(1)
    };

    /// `unpack(packed)`: the bytes, and zeros up to a multiple of eight
    unpack = |l| {
        let mut out = Vec::new();
        sproto::unpack(message_bytes(l, 1)?, &mut out).map_err(format_fault)?;
        l.push_owned(out);
        results(1)
    };

    /// `saveproto(schema, slot)`: for all services
    saveproto = |l| {
        let schema = Arc::clone(boxed::get::<Schema>(l, 1)?);
        let slot = slot_argument(l, 2)?;
        let old = {
            slots(l)?[slot].replace(schema)
        };
        drop(old);
        results(0)
    };

    /// `loadproto(slot)` to a schema
    loadproto = |l| {
        let slot = slot_argument(l, 1)?;
        boxed::push_empty::<Schema>(l);
        let found = slots(l)?[slot].clone();
        let Some(schema) = found else {
            return Err(Fault::from(format!("nil sproto at index {slot}")));
        };
        boxed::fill(l, -1, schema);
        results(1)
    };
}

/// The schemas that all services of the node share.
fn slots<'a>(l: Lua) -> Result<MutexGuard<'a, [Option<Arc<Schema>>; 16]>, Fault> {
    let slots = service(l)?.node_part::<Slots>();
    let slots = slots.ok_or("this node has no place for schemas")?;
    Ok(lock(&slots.0))
}

/// Types and protocols, one a line.
fn dump(schema: &Schema) -> String {
    let name = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let type_name = |index: Option<usize>| {
        index.map_or_else(|| "-".to_owned(), |i| name(&schema.types()[i].name))
    };
    let mut text = format!("=== {} types ===\n", schema.types().len());
    for t in schema.types() {
        text += &format!("{}\n", name(&t.name));
        for f in &t.fields {
            let kind = match f.kind {
                Kind::Integer(0) => "integer".to_owned(),
                Kind::Integer(decimals) => format!("integer({decimals})"),
                Kind::Boolean => "boolean".to_owned(),
                Kind::Text { binary: false } => "string".to_owned(),
                Kind::Text { binary: true } => "binary".to_owned(),
                Kind::Double => "double".to_owned(),
                Kind::Struct(index) => name(&schema.types()[index].name),
            };
            let star = if f.array { "*" } else { "" };
            text += &format!("\t{} ({}) {star}{kind}\n", name(&f.name), f.tag);
        }
    }
    text += &format!("=== {} protocols ===\n", schema.protocols().len());
    for p in schema.protocols() {
        let (request, response) = (type_name(p.request), type_name(p.response));
        text += &format!("\t{} ({}) {request} {response}\n", name(&p.name), p.tag);
    }
    text
}

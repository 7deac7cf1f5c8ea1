//! `skynet.sharedata.core`: documents between Lua states.
//!
//! Lua holds a document by a box, and it travels as a pointer (`boxed.rs`): the receiver makes a box of its own, and
//! has the sender release the pointer.
//!
//! `get`, `next` and `len` are what the proxies of `skynet.sharedata.corelib` read with; a table is a number there.

mod document;

use std::ffi::{CStr, c_int};
use std::sync::Arc;

use mlua_sys::lua55::lua_CFunction;

use crate::boxed::{self, Boxed};
use document::{Builder, Document, Key, TooLarge, Value};
use skynet_vm::lua::{Lua, Number, Type};
use skynet_vm::native::push_functions;
use skynet_vm::native::{Fault, native, results};

const FUNCTIONS: &[(&str, lua_CFunction)] = &[
    ("box", box_),
    ("copy", copy),
    ("empty", empty),
    ("get", get),
    ("len", len),
    ("new", new),
    ("next", next),
    ("pointer", pointer),
    ("release", release),
    ("root", root),
    ("share", share),
];

/// Tables inside tables. Keeps cycles off the machine stack.
const MAX_DEPTH: usize = 200;

impl Boxed for Document {
    const NAME: &'static CStr = c"skynet.sharedata.box";
    const WHAT: &'static str = "sharedata expected";
}

/// The document in the box at 1.
fn document<'a>(l: Lua) -> Result<&'a Document, Fault> {
    boxed::get(l, 1).map(|d| &**d)
}

fn node_argument(l: Lua, i: c_int) -> u32 {
    l.int(i)
        .and_then(|n| u32::try_from(n).ok())
        .unwrap_or(u32::MAX)
}

/// The text of a number as Lua prints it. *raises* nothing, since it stays in Rust
fn number_text(l: Lua, i: c_int) -> String {
    match l.known_number(i) {
        Number::Int(n) => n.to_string(),
        Number::Float(n) if n.is_finite() && n == n.trunc() && n.abs() < 1e15 => format!("{n:.1}"),
        Number::Float(n) => n.to_string(),
    }
}

/// The key at `i`; none for nil.
fn key_argument<'a>(l: Lua, i: c_int) -> Result<Option<Key<'a>>, Fault> {
    match l.kind(i) {
        Type::None | Type::Nil => Ok(None),
        Type::String => Ok(Some(Key::Name(l.known_bytes(i)))),
        Type::Number if l.is_integer(i) => Ok(l.int(i).map(Key::Int)),
        Type::Number => Err(Fault::from(format!("Invalid key {}", number_text(l, i)))),
        _ => Err(l.expected(i, "string")),
    }
}

/// Pushes a value; of a table, nil and its number. Returns how many values. *raises*
fn push_value(l: Lua, d: &Document, value: Value) -> c_int {
    match value {
        Value::Nil => l.push_nil(),
        Value::Bool(b) => l.push_bool(b),
        Value::Int(n) => l.push_int(n),
        Value::Float(n) => l.push_float(n),
        Value::Text(t) => l.push_bytes(d.text(t)),
        Value::Table(node) => {
            l.push_nil();
            l.push_int(node as i64);
            return 2;
        }
    }
    1
}

fn push_key(l: Lua, key: Key<'_>) {
    match key {
        Key::Int(n) => l.push_int(n),
        Key::Name(name) => l.push_bytes(name),
    }
}

/// Pushes the table `node` as an ordinary one. *raises*
fn push_copy(l: Lua, d: &Document, node: u32) -> Result<(), Fault> {
    if !l.check_stack(6) {
        return Err("stack overflow".into());
    }
    let (array, others) = d.sizes(node);
    l.new_table(array, others);
    let mut key = None;
    while let Some((k, value)) = d.next(node, key) {
        push_key(l, k);
        match value {
            Value::Table(child) => push_copy(l, d, child)?,
            scalar => {
                push_value(l, d, scalar);
            }
        }
        l.raw_set(-3);
        key = Some(k);
    }
    Ok(())
}

fn too_large(_: TooLarge) -> Fault {
    "the data are too large to be shared".into()
}

/// Adds the table at `t`. Calls nothing that raises: the tables are walked raw, and the room on the stack is asked for.
fn add_table(l: Lua, t: c_int, b: &mut Builder, depth: usize) -> Result<u32, Fault> {
    if depth > MAX_DEPTH || !l.check_stack(6) {
        return Err("tables are nested too deeply, or in a circle".into());
    }
    let border = l.raw_len(t);
    let mut array = Vec::with_capacity(border);
    for n in 1..=border {
        l.raw_geti(t, n as i64);
        array.push(add_value(l, b, depth)?);
        l.pop(1);
    }
    let (mut ints, mut names) = (Vec::new(), Vec::new());
    l.push_nil();
    while l.next(t) {
        match l.kind(-2) {
            Type::String => {
                let name = b.text(l.known_bytes(-2)).map_err(too_large)?;
                names.push((name, add_value(l, b, depth)?));
            }
            Type::Number => match (l.is_integer(-2), l.int(-2).unwrap_or(0)) {
                (true, n) if n >= 1 && n as u64 <= border as u64 => {}
                (true, n) if i32::try_from(n).is_ok() => {
                    ints.push((n as i32, add_value(l, b, depth)?));
                }
                _ => return Err(Fault::from(format!("Invalid key {}", number_text(l, -2)))),
            },
            _ => {
                return Err(Fault::from(format!("Invalid key type {}", l.type_name(-2))));
            }
        }
        l.pop(1);
    }
    b.table(array, ints, names).map_err(too_large)
}

/// The value on top of the stack, which stays there.
fn add_value(l: Lua, b: &mut Builder, depth: usize) -> Result<Value, Fault> {
    Ok(match l.kind(-1) {
        Type::Nil => Value::Nil,
        Type::Boolean => Value::Bool(l.bool(-1)),
        Type::Number => match l.known_number(-1) {
            Number::Int(n) => Value::Int(n),
            Number::Float(n) => Value::Float(n),
        },
        Type::String => Value::Text(b.text(l.known_bytes(-1)).map_err(too_large)?),
        Type::Table => Value::Table(add_table(l, l.top(), b, depth + 1)?),
        _ => {
            return Err(Fault::from(format!(
                "Unsupport value type {}",
                l.type_name(-1)
            )));
        }
    })
}

native! {
    open = |l| {
        push_functions(l, FUNCTIONS);
        results(1)
    };

    /// `new(table)` to box
    new = |l| {
        if l.kind(1) != Type::Table {
            return Err(l.expected(1, "table"));
        }
        l.set_top(1);
        boxed::push_empty::<Document>(l);
        let mut builder = Builder::default();
        add_table(l, 1, &mut builder, 0)?;
        l.set_top(2);
        boxed::fill(l, 2, Arc::new(builder.finish()));
        results(1)
    };

    /// `box(pointer)`: with a reference of its own
    box_ = boxed::adopt::<Document>;

    /// `share(box)` to a pointer with a reference
    share = boxed::share::<Document>;

    /// `pointer(box)`: the same without a reference, to compare
    pointer = boxed::address::<Document>;

    /// `release(pointer)`: gives the reference of `share` back
    release = boxed::release::<Document>;

    /// `empty(box)`: lets go of it now
    empty = boxed::empty::<Document>;

    /// `root(box)` to the number of its first table
    root = |l| {
        let root = document(l)?.root();
        l.push_int(root as i64);
        results(1)
    };

    /// `get(box, table, key)` to a value; or nil and the number of a table
    get = |l| {
        let d = document(l)?;
        let Some(key) = key_argument(l, 3)? else { return results(0) };
        let n = push_value(l, d, d.get(node_argument(l, 2), key));
        results(n)
    };

    /// `next(box, table, key)` to a key and a value; or a key, nil and the number of a table
    next = |l| {
        let d = document(l)?;
        let Some((key, value)) = d.next(node_argument(l, 2), key_argument(l, 3)?) else {
            return results(0);
        };
        push_key(l, key);
        let n = push_value(l, d, value);
        results(1 + n)
    };

    len = |l| {
        let n = document(l)?.len(node_argument(l, 2));
        l.push_int(n as i64);
        results(1)
    };

    /// `copy(box, table, key...)`: what is there, as an ordinary table; nothing if there is nothing. A path ends at a
    /// scalar.
    copy = |l| {
        let d = document(l)?;
        let mut value = Value::Table(node_argument(l, 2));
        for i in 3..=l.top() {
            let Value::Table(node) = value else { break };
            value = match key_argument(l, i)? {
                Some(key) => d.get(node, key),
                None => Value::Nil,
            };
        }
        match value {
            Value::Nil => return results(0),
            Value::Table(node) => push_copy(l, d, node)?,
            scalar => {
                push_value(l, d, scalar);
            }
        }
        results(1)
    };
}

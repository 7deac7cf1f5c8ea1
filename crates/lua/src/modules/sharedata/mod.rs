//! `skynet.sharedata.core`: documents between Lua states.
//!
//! Lua holds a document by a *box*, a userdata that counts as one reference. Between services a document travels as a
//! *pointer* (light userdata): `share` makes one together with a reference for its receiver, who makes a box of its own of it (`box`), and
//! has its sender give that reference back (`release`). The last reference frees the document.
//!
//! `get`, `next` and `len` are what the proxies of `skynet.sharedata.corelib` read with; a table is a number there.

mod document;

use std::ffi::{CStr, c_int};
use std::sync::Arc;

use mlua_sys::lua55::{self as ffi, lua_CFunction};

use super::push_functions;
use crate::vm::lua::{Lua, Number, Type};
use crate::vm::native::{Fault, native, results};
use document::{Builder, Document, Key, TooLarge, Value};

const FUNCTIONS: &[(&str, lua_CFunction)] = &[
    ("box", box_),
    ("copy", copy),
    ("get", get),
    ("len", len),
    ("new", new),
    ("next", next),
    ("pointer", pointer),
    ("release", release),
    ("root", root),
    ("share", share),
];

const BOX: &CStr = c"skynet.sharedata.box";
/// Tables inside tables. Keeps cycles off the machine stack.
const MAX_DEPTH: usize = 200;

/// Pushes a box for a document. *raises*
fn push_box(l: Lua, make: impl FnOnce() -> Arc<Document>) {
    let cell: *mut Option<Arc<Document>> =
        l.new_userdata(size_of::<Option<Arc<Document>>>(), 0).cast();
    // SAFETY: a new block of the right size, aligned for any type.
    unsafe { cell.write(None) };
    // SAFETY: a plain call of the auxiliary library.
    if unsafe { ffi::luaL_newmetatable(l.0, BOX.as_ptr()) } != 0 {
        l.push_function(collect);
        l.set_field(-2, c"__gc");
    }
    l.set_metatable(-2);
    // Nothing raises any more; an owned document may come into being.
    // SAFETY: the userdata on top of the stack is what was written above.
    unsafe { *cell = Some(make()) };
}

/// The box at `i`.
fn cell<'a>(l: Lua, i: c_int) -> Option<&'a mut Option<Arc<Document>>> {
    // SAFETY: a userdata with our metatable holds this type; natives keep no reference to it across calls of Lua that
    // could collect it.
    unsafe {
        ffi::luaL_testudata(l.0, i, BOX.as_ptr())
            .cast::<Option<Arc<Document>>>()
            .as_mut()
    }
}

/// The document in the box at `i`; it lives as long as the box.
fn document<'a>(l: Lua, i: c_int) -> Result<&'a Arc<Document>, Fault> {
    let cell: Option<&'a Option<Arc<Document>>> = cell(l, i).map(|cell| &*cell);
    cell.and_then(|cell| cell.as_ref())
        .ok_or(Fault::Argument(i, "sharedata box expected".into()))
}

/// A reference that `share` has made.
fn pointer_argument(l: Lua, i: c_int) -> Result<*const Document, Fault> {
    match l.kind(i) {
        Type::LightUserdata if !l.userdata(i).is_null() => Ok(l.userdata(i).cast_const().cast()),
        _ => Err(Fault::Argument(i, "sharedata pointer expected".into())),
    }
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
        _ => Err(Fault::Argument(
            i,
            format!("string expected, got {}", l.type_name(i)).into(),
        )),
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
            return Err(Fault::Argument(1, format!("table expected, got {}", l.type_name(1)).into()));
        }
        l.set_top(1);
        push_box(l, || Arc::new(Document::default()));
        let mut builder = Builder::default();
        let added = add_table(l, 1, &mut builder, 0);
        let made = added.map(|_| Arc::new(builder.finish()));
        l.set_top(2);
        match (made, cell(l, 2)) {
            (Ok(made), Some(cell)) => {
                *cell = Some(made);
                results(1)
            }
            (Err(fault), _) => Err(fault),
            _ => Err("no box".into()),
        }
    };

    /// `box(pointer)`: with a reference of its own
    box_ = |l| {
        let at = pointer_argument(l, 1)?;
        push_box(l, || {
            // SAFETY: the pointer comes from `share`, whose reference has not been given back yet; that is the contract.
            unsafe {
                Arc::increment_strong_count(at);
                Arc::from_raw(at)
            }
        });
        results(1)
    };

    /// `share(box)` to a pointer with a reference
    share = |l| {
        let reference = Arc::clone(document(l, 1)?);
        l.push_pointer(Arc::into_raw(reference).cast_mut().cast());
        results(1)
    };

    /// `pointer(box)`: the same without a reference, to compare
    pointer = |l| {
        let at = Arc::as_ptr(document(l, 1)?);
        l.push_pointer(at.cast_mut().cast());
        results(1)
    };

    /// `release(pointer)`: gives the reference of `share` back
    release = |l| {
        let at = pointer_argument(l, 1)?;
        // SAFETY: `share` has made the reference, and it is given back once; that is the contract.
        drop(unsafe { Arc::from_raw(at) });
        results(0)
    };

    /// `root(box)` to the number of its first table
    root = |l| {
        let root = document(l, 1)?.root();
        l.push_int(root as i64);
        results(1)
    };

    /// `get(box, table, key)` to a value; or nil and the number of a table
    get = |l| {
        let d = document(l, 1)?;
        let Some(key) = key_argument(l, 3)? else { return results(0) };
        let n = push_value(l, d, d.get(node_argument(l, 2), key));
        results(n)
    };

    /// `next(box, table, key)` to a key and a value; or a key, nil and the number of a table
    next = |l| {
        let d = document(l, 1)?;
        let Some((key, value)) = d.next(node_argument(l, 2), key_argument(l, 3)?) else {
            return results(0);
        };
        push_key(l, key);
        let n = push_value(l, d, value);
        results(1 + n)
    };

    len = |l| {
        let n = document(l, 1)?.len(node_argument(l, 2));
        l.push_int(n as i64);
        results(1)
    };

    /// `copy(box, table, key...)`: what is there, as an ordinary table; nothing if there is nothing. A path ends at a scalar.
    copy = |l| {
        let d = document(l, 1)?;
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

    collect = |l| {
        if let Some(cell) = cell(l, 1) {
            drop(cell.take());
        }
        results(0)
    };
}

/// Documents are used by many threads at once.
const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<Document>();
};

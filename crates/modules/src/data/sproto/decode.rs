//! Messages to Lua tables. Nothing is owned on the way, so that making tables and strings may raise.

use std::ffi::c_int;

use skynet_wire::sproto::{Error, Field, Integers, Items, Kind, MAX_DEPTH, Schema, Struct, Value};

use super::format_fault;
use skynet_vm::lua::{Lua, Type as LuaType};
use skynet_vm::native::Fault;

/// Pushes the table of a message, which is the one at `into` unless that is 0; returns how many bytes the message
/// has. *raises*
pub(super) fn push_decoded(
    l: Lua,
    schema: &Schema,
    index: usize,
    bytes: &[u8],
    into: c_int,
) -> Result<usize, Fault> {
    if into == 0 {
        return message(l, schema, index, bytes, 0);
    }
    l.push_value(into);
    fill(l, schema, index, bytes, 0, Lua::set_table)
}

fn message(
    l: Lua,
    schema: &Schema,
    index: usize,
    bytes: &[u8],
    depth: usize,
) -> Result<usize, Fault> {
    if depth > MAX_DEPTH {
        return Err("The table is too deep".into());
    }
    if !l.check_stack(12) {
        return Err("stack overflow".into());
    }
    l.new_table(0, schema.types()[index].fields.len());
    fill(l, schema, index, bytes, depth, Lua::raw_set)
}

/// Puts the fields of a message into the table on top, by `set`.
fn fill(
    l: Lua,
    schema: &Schema,
    index: usize,
    bytes: &[u8],
    depth: usize,
    set: fn(Lua, c_int),
) -> Result<usize, Fault> {
    let of = &schema.types()[index];
    let mut fields = Struct::new(bytes).map_err(format_fault)?;
    while let Some((tag, value)) = fields.next().map_err(format_fault)? {
        let Some(field) = of.field(tag) else { continue };
        l.push_bytes(&field.name);
        if field.array {
            array(l, schema, field, value.data().map_err(format_fault)?, depth)?;
        } else {
            scalar(l, schema, field, value, depth)?;
        }
        set(l, -3);
    }
    Ok(fields.used())
}

/// A message that has to fill its item.
fn whole(l: Lua, schema: &Schema, index: usize, item: &[u8], depth: usize) -> Result<(), Fault> {
    if message(l, schema, index, item, depth)? != item.len() {
        return Err(format_fault(Error::Decode));
    }
    Ok(())
}

fn push_integer(l: Lua, n: i64, decimals: u32) {
    match decimals {
        0 => l.push_int(n),
        decimals => l.push_float(n as f64 / 10f64.powi(decimals as i32)),
    }
}

fn scalar(l: Lua, schema: &Schema, f: &Field, value: Value<'_>, depth: usize) -> Result<(), Fault> {
    match f.kind {
        Kind::Integer(decimals) => {
            push_integer(l, value.integer().map_err(format_fault)?, decimals)
        }
        Kind::Boolean => l.push_bool(value.boolean().map_err(format_fault)?),
        Kind::Double => l.push_float(value.double().map_err(format_fault)?),
        Kind::Text { .. } => l.push_bytes(value.data().map_err(format_fault)?),
        Kind::Struct(index) => {
            let data = value.data().map_err(format_fault)?;
            whole(l, schema, index, data, depth + 1)?;
        }
    }
    Ok(())
}

fn array(l: Lua, schema: &Schema, f: &Field, data: &[u8], depth: usize) -> Result<(), Fault> {
    match f.kind {
        Kind::Integer(_) | Kind::Double => {
            let numbers = Integers::new(data).map_err(format_fault)?;
            l.new_table(data.len() / 8, 0);
            for (n, i) in numbers.zip(1..) {
                match f.kind {
                    Kind::Integer(decimals) => push_integer(l, n, decimals),
                    _ => l.push_float(f64::from_bits(n as u64)),
                }
                l.raw_seti(-2, i);
            }
        }
        Kind::Boolean => {
            l.new_table(data.len(), 0);
            for (&b, i) in data.iter().zip(1..) {
                l.push_bool(b != 0);
                l.raw_seti(-2, i);
            }
        }
        Kind::Text { .. } => {
            l.new_table(0, 0);
            for (item, i) in Items(data).zip(1..) {
                l.push_bytes(item.map_err(format_fault)?);
                l.raw_seti(-2, i);
            }
        }
        Kind::Struct(index) => {
            l.new_table(0, 0);
            for (item, i) in Items(data).zip(1..) {
                let item = item.map_err(format_fault)?;
                whole(l, schema, index, item, depth + 1)?;
                match f.key {
                    Some(_) if f.map => set_pair(l, schema, f, index)?,
                    Some(key) => set_by_key(l, schema, f, index, key)?,
                    None => l.raw_seti(-2, i),
                }
            }
        }
    }
    Ok(())
}

fn name(f: &Field) -> String {
    String::from_utf8_lossy(&f.name).into_owned()
}

/// Pushes a field of the element on top of the stack; false if it has none.
fn push_part(l: Lua, element: i32, field: Option<&Field>) -> bool {
    let Some(field) = field else { return false };
    let element = l.abs(element);
    l.push_bytes(&field.name);
    l.raw_get(element) != LuaType::Nil
}

/// Puts the element on top of the stack into the array below, by its key. *raises*
fn set_by_key(l: Lua, schema: &Schema, f: &Field, index: usize, key: u32) -> Result<(), Fault> {
    if !push_part(l, -1, schema.types()[index].field(key)) {
        return Err(Fault::from(format!(
            "Can't find main index (tag={key}) in [{}]",
            name(f)
        )));
    }
    l.insert(-2);
    l.raw_set(-3);
    Ok(())
}

/// Puts the two fields of the element on top of the stack into the map below. *raises*
fn set_pair(l: Lua, schema: &Schema, f: &Field, index: usize) -> Result<(), Fault> {
    let mut fields = schema.types()[index].fields.iter();
    if !push_part(l, -1, fields.next()) {
        return Err(Fault::from(format!(
            "Can't find key field in [{}]",
            name(f)
        )));
    }
    if !push_part(l, -2, fields.next()) {
        return Err(Fault::from(format!(
            "Can't find value field in [{}]",
            name(f)
        )));
    }
    l.remove(-3);
    l.raw_set(-3);
    Ok(())
}

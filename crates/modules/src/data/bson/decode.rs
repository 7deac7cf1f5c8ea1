//! Documents to Lua tables.

use skynet_vm::lua::Lua;
use skynet_vm::native::Fault;
use skynet_wire::bson::{Element, Error, Reader, kind};

use super::special;

/// How deep documents may lie in each other: more than any database stores.
const MAX_DEPTH: usize = 1000;

fn fault(error: Error) -> Fault {
    Fault::from(error.to_string())
}

/// Pushes the table of a document. *raises*
pub(crate) fn push(l: Lua, bytes: &[u8]) -> Result<(), Fault> {
    document(l, Reader::new(bytes).map_err(fault)?, 0)
}

fn enter(l: Lua, depth: usize) -> Result<(), Fault> {
    if depth >= MAX_DEPTH {
        return Err("Too depth while decoding bson".into());
    }
    if !l.check_stack(4) {
        return Err("stack overflow".into());
    }
    Ok(())
}

/// *raises*
fn document(l: Lua, mut elements: Reader, depth: usize) -> Result<(), Fault> {
    enter(l, depth)?;
    l.new_table(0, 0);
    while let Some(element) = elements.next().map_err(fault)? {
        l.push_bytes(element.key);
        value(l, &element, depth)?;
        l.raw_set(-3);
    }
    Ok(())
}

/// *raises*
fn array(l: Lua, mut elements: Reader, depth: usize) -> Result<(), Fault> {
    enter(l, depth)?;
    l.new_table(0, 0);
    while let Some(element) = elements.next().map_err(fault)? {
        value(l, &element, depth)?;
        l.raw_seti(-2, element.index().wrapping_add(1));
    }
    Ok(())
}

/// Pushes the value of an element. *raises*
fn value(l: Lua, element: &Element, depth: usize) -> Result<(), Fault> {
    match element.kind {
        kind::DOUBLE => l.push_float(element.double()),
        kind::STRING => l.push_bytes(element.string()),
        kind::DOCUMENT => return document(l, element.document().map_err(fault)?, depth + 1),
        kind::ARRAY => return array(l, element.document().map_err(fault)?, depth + 1),
        kind::BINARY => special::push_long(l, kind::BINARY, &[element.binary()]),
        kind::BOOLEAN => l.push_bool(element.boolean()),
        kind::DATE => {
            // Seconds, of which 32 bits are kept, as in skynet (C).
            let seconds = (element.int64() / 1000) as u32;
            special::push(l, kind::DATE, seconds.to_le_bytes());
        }
        kind::INT32 => l.push_int(element.int32().into()),
        kind::INT64 => l.push_int(element.int64()),
        other => special::push_long(l, other, &[element.value]),
    }
    Ok(())
}

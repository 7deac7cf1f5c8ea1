//! Unpacking: bytes to values on the Lua stack.
//!
//! It raises (making strings and tables takes memory), but owns nothing. The format does not say how many pairs a table
//! has; so what is in a table is first collected on the stack, and the table is then made in its final size. Of a large
//! one, the first batch of pairs is collected, and the others are counted.

use std::ffi::{c_int, c_void};

use skynet_wire::seri::{Error, Reader, Token};

use super::Message;
#[cfg(feature = "shared-code")]
use super::adopt::{self, Adopted};
use super::{lua_collectsome, lua_filltable, lua_maketable, lua_pushknown};
use crate::layout::Value;
use crate::lua::Lua;
use crate::native::Fault;

/// Elements, or pairs, that are collected on the stack before they go into their table.
const BATCH: usize = 128;
/// Nesting that `unpack` follows in any case, also with the large frames that a build with sanitizers has. Packing
/// never goes beyond 33.
const MAX_DEPTH: usize = 250;
/// Machine stack that deeper nesting may take: a quarter of a worker's. It keeps hostile bytes off the rest.
const MAX_STACK: usize = 4 << 20;

/// What is being unpacked.
struct Source<'a> {
    r: Reader<'a>,
    /// Where on the machine stack it began.
    base: usize,
    /// Bytes that may be read ahead in order to count pairs; so that nested tables don't make it endless.
    ahead: usize,
    /// The message that the bytes are.
    #[cfg(feature = "shared-code")]
    message: Option<&'a dyn Message>,
    #[cfg(feature = "shared-code")]
    adopted: Option<Adopted>,
    /// Where a string that owns the message is on the stack, besides its place among the values: a second value for the
    /// same key may take that, and what follows is still to be read. 0: the message is too short for that.
    #[cfg(feature = "shared-code")]
    anchor: c_int,
}

/// Pushes all values of a stream; returns how many. *raises*
pub fn unpack(l: Lua, bytes: &[u8]) -> Result<c_int, Fault> {
    push_all(l, bytes, None)
}

/// The same for a message that is being dispatched. Its payload may be gone afterwards. *raises*
pub fn unpack_message(l: Lua, m: &dyn Message) -> Result<c_int, Fault> {
    push_all(l, m.bytes(), Some(m))
}

#[cfg_attr(not(feature = "shared-code"), expect(unused_variables))]
fn push_all(l: Lua, bytes: &[u8], message: Option<&dyn Message>) -> Result<c_int, Fault> {
    let mut from = Source {
        r: Reader::new(bytes),
        base: stack_position(),
        ahead: 4 * bytes.len(),
        #[cfg(feature = "shared-code")]
        message,
        #[cfg(feature = "shared-code")]
        adopted: None,
        #[cfg(feature = "shared-code")]
        anchor: 0,
    };
    #[cfg(feature = "shared-code")]
    if message.is_some() && bytes.len() > adopt::FROM {
        room(l, 8, "too many values to unpack")?;
        l.push(Value::NIL);
        from.anchor = l.top();
    }
    let mut n = 0;
    loop {
        match from.r.next() {
            Ok(Some(token)) => {
                room(l, 8, "too many values to unpack")?;
                push_token(l, &mut from, token, 0)?;
                n += 1;
            }
            Ok(None) => break,
            Err(e) => return Err(fault(e)),
        }
    }
    #[cfg(feature = "shared-code")]
    if let Some(string) = from.adopted {
        string.finish();
    }
    #[cfg(feature = "shared-code")]
    if from.anchor != 0 {
        l.remove(from.anchor);
    }
    // SAFETY: the values are on the stack; nothing here has a destructor.
    unsafe { lua_collectsome(l.0) };
    Ok(n)
}

/// *raises*
#[inline(always)]
#[cfg_attr(not(feature = "shared-code"), expect(unused_variables))]
fn push_string(l: Lua, from: &mut Source<'_>, s: &[u8]) {
    #[cfg(feature = "shared-code")]
    if s.len() >= adopt::FROM
        && let Some(m) = from.message
        && let Some(string) = adopt::try_push(l, m, s)
    {
        from.adopted = Some(string);
        l.push_value(-1);
        l.replace(from.anchor);
        return;
    }
    // SAFETY: the callers have made room; nothing here has a destructor.
    unsafe { lua_pushknown(l.0, s.as_ptr(), s.len()) };
}

#[cold]
fn fault(e: Error) -> Fault {
    Fault::from(e.to_string())
}

/// Makes room for `n` values.
#[inline(always)]
fn room(l: Lua, n: usize, otherwise: &'static str) -> Result<(), Fault> {
    if l.has_room(n) || l.check_stack(n as c_int + 16) {
        return Ok(());
    }
    Err(Fault::from(otherwise))
}

/// About where the machine stack ends now.
#[inline(never)]
fn stack_position() -> usize {
    let here = 0u8;
    (&raw const here).addr()
}

const NESTED: &str = "tables are nested too deeply to unpack";

#[inline(always)]
fn push_token(l: Lua, from: &mut Source<'_>, token: Token<'_>, depth: usize) -> Result<(), Fault> {
    match token {
        Token::Nil => l.push(Value::NIL),
        Token::Bool(b) => l.push(Value::bool(b)),
        Token::Int(n) => l.push(Value::int(n)),
        Token::Float(n) => l.push(Value::float(n)),
        Token::Pointer(p) => l.push(Value::pointer(p as usize as *mut c_void)),
        Token::Str(s) => push_string(l, from, s),
        Token::Table { array_len } => return push_table(l, from, array_len, depth + 1),
    }
    Ok(())
}

#[inline(always)]
fn push_value(l: Lua, from: &mut Source<'_>, depth: usize) -> Result<(), Fault> {
    let token = from.r.value().map_err(fault)?;
    push_token(l, from, token, depth)
}

fn push_table(l: Lua, from: &mut Source<'_>, array_len: usize, depth: usize) -> Result<(), Fault> {
    if depth > MAX_DEPTH && from.base.abs_diff(stack_position()) > MAX_STACK {
        return Err(Fault::from(NESTED));
    }
    room(l, array_len.min(BATCH) + 4, NESTED)?;
    // The table will be here.
    l.push(Value::NIL);
    let mut made = array_len > BATCH;
    let mut elements = 0;
    if made {
        push_long_array(l, from, array_len, depth)?;
    } else {
        for _ in 0..array_len {
            push_value(l, from, depth)?;
        }
        elements = array_len;
    }
    // The array comes first: a pair with one of its indices overrides it.
    let mut pairs = 0;
    loop {
        let key = from.r.value().map_err(fault)?;
        if key == Token::Nil {
            break;
        }
        room(l, 4, NESTED)?;
        push_token(l, from, key, depth)?;
        push_value(l, from, depth)?;
        pairs += 1;
        if pairs == BATCH {
            put(l, made, elements, pairs, pairs + pairs_ahead(from));
            (made, elements, pairs) = (true, 0, 0);
        }
    }
    if !made || pairs > 0 {
        put(l, made, elements, pairs, pairs);
    }
    Ok(())
}

/// Puts what was collected into the table, which is made now if it is not. *raises*
#[inline(always)]
fn put(l: Lua, made: bool, elements: usize, pairs: usize, nodes: usize) {
    let (elements, pairs, nodes) = (elements as u32, pairs as u32, nodes as u32);
    // SAFETY: that many values were pushed above the place of the table; nothing here has a destructor.
    unsafe {
        if made {
            lua_filltable(l.0, 0, elements, pairs, nodes);
        } else {
            lua_maketable(l.0, elements, pairs, nodes);
        }
    }
}

/// The table and its elements, in the slot on top of the stack.
fn push_long_array(
    l: Lua,
    from: &mut Source<'_>,
    array_len: usize,
    depth: usize,
) -> Result<(), Fault> {
    l.drop_top(1);
    l.new_table(from.r.reserve(array_len), 0);
    let mut first = 0;
    while first < array_len {
        let n = BATCH.min(array_len - first);
        room(l, n + 2, NESTED)?;
        for _ in 0..n {
            push_value(l, from, depth)?;
        }
        // SAFETY: that many values were pushed above the table; nothing here has a destructor.
        unsafe { lua_filltable(l.0, first as u32, n as u32, 0, 0) };
        first += n;
    }
    Ok(())
}

/// How many pairs follow up to the end of the table that is being read, as far as may be told.
#[cold]
fn pairs_ahead(from: &mut Source<'_>) -> usize {
    let before = from.r.remaining();
    let mut r = from.r.clone();
    let mut pairs = 0;
    while before - r.remaining() < from.ahead && !r.at_table_end() {
        if r.skip().and_then(|()| r.skip()).is_err() {
            break;
        }
        pairs += 1;
    }
    from.ahead = from.ahead.saturating_sub(before - r.remaining());
    pairs
}

//! `skynet.pack` and `skynet.unpack`: the pack format, straight from and onto the Lua stack.
//!
//! Packing writes into a buffer of the thread and copies once into the message. Nothing on that way raises: metamethods
//! run in protected calls and errors come back as values, so the buffer is never lost to a jump.
//!
//! Unpacking does raise (making strings and tables takes memory), but owns nothing. The format does not say how many
//! pairs a table has; so the values of a small table are first collected on the stack, and the table is then made in its
//! final size.

use std::cell::Cell;
use std::ffi::{c_int, c_void};

use skynet_kernel::Payload;
use skynet_wire::seri::{Error, MAX_DEPTH, Reader, Token, Writer};

use super::lua::{Lua, Type};
use super::native::Fault;

/// Array elements and pairs that are collected on the stack before their table is made.
const SMALL: usize = 16;
/// Nesting that `unpack` follows. Packing never goes beyond 33; the bound keeps hostile bytes off the machine stack.
const MAX_UNPACK_DEPTH: usize = 2000;
/// A buffer that grew beyond this is given back after use.
const KEEP_BUFFER: usize = 4 << 20;

thread_local! {
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Why packing stopped.
enum Stop {
    Format(Error),
    /// A metamethod failed; its error object is on top of the stack.
    Raised,
    Stack,
}

impl From<Error> for Stop {
    fn from(e: Error) -> Stop {
        Stop::Format(e)
    }
}

fn fault(stop: Stop) -> Fault {
    match stop {
        Stop::Format(e) => Fault::from(e.to_string()),
        Stop::Raised => Fault::Raised,
        Stop::Stack => Fault::from("stack overflow (too many values to pack)"),
    }
}

/// Packs the values `first..=last` and passes the bytes to `use_bytes`, which must not call Lua.
pub(crate) fn pack_with<R>(
    l: Lua,
    first: c_int,
    last: c_int,
    use_bytes: impl FnOnce(&[u8]) -> R,
) -> Result<R, Fault> {
    let mut buffer = BUFFER.take();
    buffer.clear();
    let packed = (|| {
        let mut w = Writer::new(&mut buffer);
        for i in first..=last {
            pack_value(l, i, 0, &mut w)?;
        }
        Ok(())
    })();
    let result = match packed {
        Ok(()) => Ok(use_bytes(&buffer)),
        Err(stop) => Err(fault(stop)),
    };
    BUFFER.set(buffer);
    result
}

/// Gives a buffer back that one large message has blown up.
fn trim() {
    let buffer = BUFFER.take();
    if buffer.capacity() <= KEEP_BUFFER {
        BUFFER.set(buffer);
    }
}

/// Packs the values `first..=last` into a message.
pub(crate) fn pack(l: Lua, first: c_int, last: c_int) -> Result<Payload, Fault> {
    let payload = pack_with(l, first, last, Payload::from_slice)?;
    if payload.len() > KEEP_BUFFER {
        trim();
    }
    Ok(payload)
}

/// Packs the values `first..=last` into a Lua string on top of the stack. *raises*
pub(crate) fn pack_string(l: Lua, first: c_int, last: c_int) -> Result<(), Fault> {
    let (at, len) = pack_with(l, first, last, |bytes| (bytes.as_ptr(), bytes.len()))?;
    // SAFETY: the bytes are in the thread's buffer, which is back in its place and is not touched before the string is
    // made; should that raise, the buffer stays where it is.
    l.push_bytes(unsafe { std::slice::from_raw_parts(at, len) });
    if len > KEEP_BUFFER {
        trim();
    }
    Ok(())
}

fn pack_value(l: Lua, i: c_int, depth: usize, w: &mut Writer<'_>) -> Result<(), Stop> {
    if depth > MAX_DEPTH {
        return Err(Error::TooDeep.into());
    }
    match l.kind(i) {
        Type::None | Type::Nil => w.nil(),
        Type::Boolean => w.bool(l.bool(i)),
        Type::Number if l.is_integer(i) => w.int(l.int(i).unwrap_or(0)),
        Type::Number => w.float(l.float(i).unwrap_or(0.0)),
        Type::String => w.bytes(l.bytes(i).unwrap_or(b""))?,
        Type::LightUserdata => w.pointer(l.userdata(i) as u64),
        Type::Table => return pack_table(l, l.abs(i), depth + 1, w),
        Type::Function => return Err(Error::Unsupported("function").into()),
        Type::Userdata => return Err(Error::Unsupported("userdata").into()),
        Type::Thread => return Err(Error::Unsupported("thread").into()),
    }
    Ok(())
}

fn pack_table(l: Lua, t: c_int, depth: usize, w: &mut Writer<'_>) -> Result<(), Stop> {
    if !l.check_stack(12) {
        return Err(Stop::Stack);
    }
    if push_pairs_metamethod(l, t)? {
        return pack_pairs(l, t, depth, w);
    }
    let len = l.raw_len(t);
    w.begin_table(len);
    for n in 1..=len {
        l.raw_geti(t, n as i64);
        pack_value(l, -1, depth, w)?;
        l.pop(1);
    }
    l.push_nil();
    while l.next(t) {
        let in_array = len > 0
            && l.kind(-2) == Type::Number
            && l.is_integer(-2)
            && l.int(-2)
                .is_some_and(|k| (k as u64).wrapping_sub(1) < len as u64);
        if !in_array {
            pack_value(l, -2, depth, w)?;
            pack_value(l, -1, depth, w)?;
        }
        l.pop(1);
    }
    w.end_table();
    Ok(())
}

/// Pushes the table's `__pairs`, if it has one.
fn push_pairs_metamethod(l: Lua, t: c_int) -> Result<bool, Stop> {
    if !l.get_metatable(t) {
        return Ok(false);
    }
    l.pop(1);
    // Making the key's string may raise, so the look-up is protected. Tables with metatables are rare in messages.
    l.push_function(get_pairs);
    l.push_value(t);
    if l.pcall(1, 1, 0) != 0 {
        return Err(Stop::Raised);
    }
    if l.kind(-1) == Type::Nil {
        l.pop(1);
        return Ok(false);
    }
    Ok(true)
}

super::native::native! {
    get_pairs = |l| {
        if !l.get_metafield(1, c"__pairs") {
            l.push_nil();
        }
        super::native::results(1)
    };
}

/// The `__pairs` metamethod is on top.
fn pack_pairs(l: Lua, t: c_int, depth: usize, w: &mut Writer<'_>) -> Result<(), Stop> {
    let protected = |args, results| match l.pcall(args, results, 0) {
        0 => Ok(()),
        _ => Err(Stop::Raised),
    };
    w.begin_pairs_table();
    l.push_value(t);
    protected(1, 3)?;
    // iterator, state, control
    loop {
        for _ in 0..3 {
            l.push_value(-3);
        }
        protected(2, 2)?;
        // iterator, state, control, key, value
        if l.kind(-2) == Type::Nil {
            l.pop(5);
            break;
        }
        pack_value(l, -2, depth, w)?;
        pack_value(l, -1, depth, w)?;
        l.pop(1);
        l.replace(-2);
    }
    w.end_table();
    Ok(())
}

/// Pushes all values of a stream; returns how many. *raises*
pub(crate) fn unpack(l: Lua, bytes: &[u8]) -> Result<c_int, Fault> {
    let mut r = Reader::new(bytes);
    let mut n = 0;
    loop {
        match r.next() {
            Ok(Some(token)) => {
                if n % 8 == 7 && !l.check_stack(16) {
                    return Err(Fault::from("too many values to unpack"));
                }
                push_token(l, &mut r, token, 0)?;
                n += 1;
            }
            Ok(None) => return Ok(n),
            Err(e) => return Err(stream_fault(e)),
        }
    }
}

#[cold]
fn stream_fault(e: Error) -> Fault {
    Fault::from(e.to_string())
}

#[inline]
fn push_token(l: Lua, r: &mut Reader<'_>, token: Token<'_>, depth: usize) -> Result<(), Fault> {
    match token {
        Token::Nil => l.push_nil(),
        Token::Bool(b) => l.push_bool(b),
        Token::Int(n) => l.push_int(n),
        Token::Float(n) => l.push_float(n),
        Token::Pointer(p) => l.push_pointer(p as usize as *mut c_void),
        Token::Str(s) => l.push_bytes(s),
        Token::Table { array_len } => return push_table(l, r, array_len, depth + 1),
    }
    Ok(())
}

fn push_value(l: Lua, r: &mut Reader<'_>, depth: usize) -> Result<(), Fault> {
    let token = r.value().map_err(stream_fault)?;
    push_token(l, r, token, depth)
}

fn push_table(l: Lua, r: &mut Reader<'_>, array_len: usize, depth: usize) -> Result<(), Fault> {
    if depth > MAX_UNPACK_DEPTH || !l.check_stack(3 * SMALL as c_int + 8) {
        return Err(Fault::from("tables are nested too deeply to unpack"));
    }
    if array_len > SMALL {
        l.new_table(r.reserve(array_len), 0);
        let t = l.top();
        for n in 1..=array_len {
            push_value(l, r, depth)?;
            l.raw_seti(t, n as i64);
        }
        return push_pairs(l, r, t, depth);
    }
    l.push_nil();
    let t = l.top();
    for _ in 0..array_len {
        push_value(l, r, depth)?;
    }
    let mut pairs = 0;
    let complete = loop {
        let key = r.value().map_err(stream_fault)?;
        if key == Token::Nil {
            break true;
        }
        push_token(l, r, key, depth)?;
        push_value(l, r, depth)?;
        pairs += 1;
        if pairs == SMALL {
            break false;
        }
    };
    // A table that goes on beyond the collected pairs gets room for as many again; Lua doubles it from there.
    l.new_table(array_len, if complete { pairs } else { 2 * SMALL });
    l.replace(t);
    let first_pair = t + array_len as c_int + 1;
    for p in 0..pairs as c_int {
        l.push_value(first_pair + 2 * p);
        l.push_value(first_pair + 2 * p + 1);
        l.raw_set(t);
    }
    l.set_top(t + array_len as c_int);
    for n in (1..=array_len).rev() {
        l.raw_seti(t, n as i64);
    }
    if complete {
        Ok(())
    } else {
        push_pairs(l, r, t, depth)
    }
}

/// Reads the pairs of the table at `t` up to its end.
fn push_pairs(l: Lua, r: &mut Reader<'_>, t: c_int, depth: usize) -> Result<(), Fault> {
    loop {
        let key = r.value().map_err(stream_fault)?;
        if key == Token::Nil {
            return Ok(());
        }
        push_token(l, r, key, depth)?;
        push_value(l, r, depth)?;
        l.raw_set(t);
    }
}

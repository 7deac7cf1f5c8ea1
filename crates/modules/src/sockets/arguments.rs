//! What the functions of `skynet.socketdriver` are given.

use std::borrow::Cow;
use std::ffi::c_int;

use mlua_sys::lua55 as ffi;
use skynet_kernel::{Payload, block};
use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::Fault;
use skynet_wire::netaddr;

pub(super) fn integer(l: Lua, i: c_int) -> Result<i64, Fault> {
    match l.int(i) {
        Some(n) => Ok(n),
        None if l.kind(i) == Type::Number => Err(Fault::Argument(
            i,
            "number has no integer representation".into(),
        )),
        None => Err(l.expected(i, "number")),
    }
}

pub(super) fn socket_id(l: Lua) -> Result<i32, Fault> {
    Ok(integer(l, 1)? as i32)
}

pub(super) fn text<'a>(l: Lua, i: c_int) -> Result<Cow<'a, str>, Fault> {
    match l.kind(i) {
        Type::String | Type::Number => {
            Ok(String::from_utf8_lossy(l.coerce_bytes(i).unwrap_or(b"")))
        }
        _ => Err(l.expected(i, "string")),
    }
}

/// The port at `i`.
pub(super) fn port(l: Lua, i: c_int) -> Result<u16, Fault> {
    let port = integer(l, i)?;
    u16::try_from(port)
        .map_err(|_| format!("Invalid port {port}: ports are numbers from 0 to 65535").into())
}

/// `addr[, port]` at `i`: the port may be part of the address.
pub(super) fn address<'a>(l: Lua, i: c_int) -> Result<(Cow<'a, str>, u16), Fault> {
    let addr = text(l, i)?;
    if !l.is_none_or_nil(i + 1) {
        return Ok((addr, port(l, i + 1)?));
    }
    let (host, port) = netaddr::host_port(&addr).map_err(|error| Fault::from(error.to_string()))?;
    Ok((Cow::Owned(host.to_owned()), port))
}

/// The data argument of a send at `i`.
pub(super) enum Data<'a> {
    /// The socket's from now on.
    Owned(Payload),
    /// Copied as far as it can't be written at once.
    Borrowed(&'a [u8]),
}

pub(super) fn data_argument<'a>(l: Lua, i: c_int) -> Result<Data<'a>, Fault> {
    match l.kind(i) {
        Type::LightUserdata => {
            let data: *mut u8 = l.userdata(i).cast();
            let len = integer(l, i + 1)?;
            if len < 0 || data.is_null() {
                return Err(Fault::Argument(i + 1, "size of the block expected".into()));
            }
            // SAFETY: a pointer that is passed with its size is a block of the message allocator, given away by the
            // caller.
            Ok(Data::Owned(unsafe {
                Payload::from_raw(data, len as usize)
            }))
        }
        Type::Userdata => {
            let size = l.raw_len(i);
            let len = if l.is_none_or_nil(i + 1) {
                size
            } else {
                (integer(l, i + 1)?.max(0) as usize).min(size)
            };
            // SAFETY: a full userdata of at least `len` bytes, alive on the stack during the send.
            Ok(Data::Borrowed(unsafe {
                std::slice::from_raw_parts(l.userdata(i).cast(), len)
            }))
        }
        Type::Table => join_strings(l, i).map(Data::Owned),
        Type::String | Type::Number => Ok(Data::Borrowed(l.coerce_bytes(i).unwrap_or(b""))),
        _ => Err(l.expected(i, "string")),
    }
}

/// The strings of a table, up to the first nil, as one block.
fn join_strings(l: Lua, t: c_int) -> Result<Payload, Fault> {
    let mut size = 0;
    let mut count = 0;
    loop {
        match l.raw_geti(t, count + 1) {
            Type::Nil => {
                l.pop(1);
                break;
            }
            Type::String => size += l.known_bytes(-1).len(),
            Type::Number => size += number_text(l, -1).len(),
            _ => {
                return Err(l.expected_in(t, -1, "string"));
            }
        }
        l.pop(1);
        count += 1;
    }
    let data = block::alloc(size.max(1));
    let mut at = 0;
    for n in 1..=count {
        let kind = l.raw_geti(t, n);
        let number;
        let part = if kind == Type::String {
            l.known_bytes(-1)
        } else {
            number = number_text(l, -1);
            number.as_bytes()
        };
        // SAFETY: the sizes were added up from the same values; nothing ran in between.
        unsafe { std::ptr::copy_nonoverlapping(part.as_ptr(), data.add(at), part.len()) };
        at += part.len();
        l.pop(1);
    }
    // SAFETY: a new block with `size` initialised bytes.
    Ok(unsafe { Payload::from_raw(data, size) })
}

/// A number as Lua writes it, without a conversion that could raise.
fn number_text(l: Lua, i: c_int) -> String {
    let mut text = [0u8; 64];
    // SAFETY: the buffer is larger than any number's text (`LUA_N2SBUFFSZ` is 64).
    let len = unsafe { ffi::lua_numbertocstring(l.0, i, text.as_mut_ptr().cast()) } as usize;
    String::from_utf8_lossy(&text[..len.saturating_sub(1)]).into_owned()
}

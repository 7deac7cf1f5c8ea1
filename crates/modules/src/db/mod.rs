//! The native halves of the database drivers. They write requests, and read answers from the receive buffer of a socket
//! straight to the Lua stack; the formats are those of `skynet_wire`. Connections, logins and whoever waits are the
//! matter of `lualib/skynet/db`.
//!
//! `socket.decode` calls a decoder with its state and the buffer each time that more bytes have come. The decoder
//! returns nil and how many bytes the buffer has to hold before it is worth asking again; or true and what it has read.

pub mod mongo;
pub mod mysql;
mod number;
pub mod pgsql;
pub mod redis;
mod state;

use mlua_sys::lua55 as ffi;
use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::{Fault, Outcome, results};

use crate::sockets::buffer::Buffer;
use crate::sockets::received::buffer_at;

/// The receive buffer at 2, where decoders have it.
fn buffer<'a>(l: Lua) -> Result<&'a mut Buffer, Fault> {
    buffer_at(l, 2).ok_or_else(|| l.expected(2, "receive buffer"))
}

/// What a decoder returns that needs more bytes than there are.
fn wants(l: Lua, bytes: u64) -> Outcome {
    l.push_nil();
    l.push_int(i64::try_from(bytes).unwrap_or(i64::MAX));
    results(2)
}

/// Appends the text of a string, a number or a boolean, as `tostring` gives it. False for other values, whose text may
/// be a matter of metamethods.
fn append_plain(l: Lua, i: i32, out: &mut impl FnMut(&[u8])) -> bool {
    match l.kind(i) {
        Type::String => out(l.known_bytes(i)),
        Type::Boolean if l.bool(i) => out(b"true"),
        Type::Boolean => out(b"false"),
        Type::Number => {
            let mut text = [0u8; 64];
            // SAFETY: the buffer is larger than any number's text (`LUA_N2SBUFFSZ` is 64), which ends in a zero byte.
            let size = unsafe { ffi::lua_numbertocstring(l.0, i, text.as_mut_ptr().cast()) };
            out(&text[..(size as usize).saturating_sub(1)]);
        }
        _ => return false,
    }
    true
}

//! What comes from sockets: the blocks of data messages, and the buffers that they are collected in.

use std::ffi::{CStr, c_int};

use mlua_sys::lua55 as ffi;
use skynet_kernel::block;
use skynet_lua::{Svc, service};
use skynet_net::{EventKind, SocketEvent};
use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::{Fault, native, results};

use super::arguments::integer;
use super::buffer::Buffer;

const BUFFER: &CStr = c"skynet.socket.buffer";

/// The buffer at 1.
fn buffer_argument<'a>(l: Lua) -> Result<&'a mut Buffer, Fault> {
    buffer_at(l, 1).ok_or(Fault::from("need buffer object at param 1"))
}

/// The receive buffer at `i`, for decoders that read from there.
pub(crate) fn buffer_at<'a>(l: Lua, i: c_int) -> Option<&'a mut Buffer> {
    // SAFETY: `luaL_testudata` only compares metatables; the userdata that has ours holds a `Buffer`, and natives do
    // not keep references to it.
    unsafe {
        ffi::luaL_testudata(l.0, i, BUFFER.as_ptr())
            .cast::<Buffer>()
            .as_mut()
    }
}

/// Pushes the first `n` bytes as a string and removes them and `more`. *raises*
fn take(l: Lua, buffer: &mut Buffer, n: usize, more: usize) {
    let bytes: *const [u8] = buffer.peek(n).unwrap_or(b"");
    // SAFETY: the bytes stay where they are until `consume`; should the push raise, they are read again later.
    l.push_bytes(unsafe { &*bytes });
    buffer.consume(n + more);
}

native! {
    /// `unpack(msg, sz)`: type, id, ud, data[, udp address]
    unpack = |l| {
        let svc = service(l)?;
        let data: *mut u8 = l.userdata(1).cast();
        let len = integer(l, 2)?;
        if data.is_null() || len < 0 {
            return Err("invalid socket message".into());
        }
        // SAFETY: pointer and size of a message, as the dispatcher passes them.
        let bytes = unsafe { std::slice::from_raw_parts(data, len as usize) };
        let Some(event) = SocketEvent::parse(bytes) else {
            return Err("invalid socket message".into());
        };
        l.push_int(event.kind as i64);
        l.push_int(event.id as i64);
        l.push_int(event.ud as i64);
        match event.kind {
            EventKind::Data => {
                l.push_pointer(own_block(svc, data, event.data).cast());
                results(4)
            }
            EventKind::Udp => {
                l.push_bytes(&event.data[(event.ud as usize).min(event.data.len())..]);
                l.push_pointer(own_block(svc, data, event.data).cast());
                l.insert(-2);
                results(5)
            }
            _ => {
                l.push_bytes(event.data);
                results(4)
            }
        }
    };

    /// `buffer()`
    new_buffer = |l| {
        let data: *mut Buffer = l.new_userdata(size_of::<Buffer>(), 0).cast();
        // SAFETY: a new block of the right size, aligned for any type.
        unsafe { data.write(Buffer::default()) };
        // SAFETY: a plain call of the auxiliary library.
        if unsafe { ffi::luaL_newmetatable(l.0, BUFFER.as_ptr()) } != 0 {
            l.push_function(collect_buffer);
            l.set_field(-2, c"__gc");
        }
        l.set_metatable(-2);
        results(1)
    };

    collect_buffer = |l| {
        let buffer = buffer_argument(l)?;
        // Left empty, since a finalizer may run twice.
        drop(std::mem::take(buffer));
        results(0)
    };

    /// `push(buffer, pool, msg, sz)`: bytes in the buffer now
    push = |l| {
        let buffer = buffer_argument(l)?;
        let data: *mut u8 = l.userdata(3).cast();
        if l.kind(3) != Type::LightUserdata || data.is_null() {
            return Err("need message block at param 3".into());
        }
        let len = integer(l, 4)?.max(0) as usize;
        // SAFETY: a block that `unpack` or `str2p` gave away, with its size.
        unsafe { buffer.push(data, len) };
        l.push_int(buffer.size() as i64);
        results(1)
    };

    /// `pop(buffer, pool, n)`: the first n bytes or nil, and how many are left
    pop = |l| {
        let buffer = buffer_argument(l)?;
        let n = integer(l, 3)?;
        if n <= 0 || n as usize > buffer.size() {
            l.push_nil();
        } else {
            take(l, buffer, n as usize, 0);
        }
        l.push_int(buffer.size() as i64);
        results(2)
    };

    /// `readall(buffer, pool)`
    readall = |l| {
        if l.is_none_or_nil(1) {
            l.push_str("");
            return results(1);
        }
        let buffer = buffer_argument(l)?;
        let n = buffer.size();
        take(l, buffer, n, 0);
        results(1)
    };

    /// `clear(buffer, pool)`
    clear = |l| {
        if !l.is_none_or_nil(1) {
            buffer_argument(l)?.clear();
        }
        results(0)
    };

    /// `readline(buffer, pool, separator)`: a line without it; with a pool that is no table, only whether there is one
    readline = |l| {
        let buffer = buffer_argument(l)?;
        let Some(separator) = l.bytes(3) else {
            return Err(l.expected(3, "string"));
        };
        let Some(at) = buffer.find(separator) else { return results(0) };
        if l.kind(2) == Type::Table {
            take(l, buffer, at, separator.len());
        } else {
            l.push_bool(true);
        }
        results(1)
    };

    /// `drop(msg, sz)`
    drop_block = |l| {
        if l.kind(1) == Type::LightUserdata {
            // SAFETY: a block that `unpack` gave away.
            unsafe { block::free(l.userdata(1).cast()) };
        }
        results(0)
    };

    /// `str2p(s)`: a copy as a block
    str2p = |l| {
        let Some(bytes) = l.bytes(1) else {
            return Err(l.expected(1, "string"));
        };
        let data = block::alloc(bytes.len().max(1));
        // SAFETY: the new block has room for the bytes.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), data, bytes.len()) };
        l.push_pointer(data.cast());
        l.push_int(bytes.len() as i64);
        results(2)
    };

    /// `header(s)`: a big-endian number of 1 to 4 bytes
    header = |l| {
        let Some(bytes) = l.bytes(1) else {
            return Err(l.expected(1, "string"));
        };
        if !(1..=4).contains(&bytes.len()) {
            let text = String::from_utf8_lossy(bytes);
            return Err(Fault::from(format!("Invalid read {text}")));
        }
        l.push_int(bytes.iter().fold(0, |n, &b| n << 8 | b as i64));
        results(1)
    };
}

/// The data of a message as a block that Lua owns: the message's own block where possible.
fn own_block(svc: &Svc, message: *mut u8, data: &[u8]) -> *mut u8 {
    if svc.take_payload(message) {
        return message;
    }
    let copy = block::alloc(data.len().max(1));
    // SAFETY: the new block has room for the data.
    unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), copy, data.len()) };
    copy
}

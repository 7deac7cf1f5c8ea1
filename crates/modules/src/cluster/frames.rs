//! The frames of the protocol as Lua strings, for code that speaks it by itself. The runtime's own calls do not come
//! here.
//!
//! Frames that are made have their length in front, those that are read come without. A frame is made of two strings,
//! its head and its data, that Lua puts together: so nothing of Rust's is owned when Lua allocates.

use std::ffi::c_int;

use skynet_kernel::block;
use skynet_wire::cluster::{
    Body, Error, Parts, Request, Response, next_session, pack_call, pack_error, pack_ok, pack_push,
    pack_trace,
};

use super::calls::address;
use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::{Fault, Outcome, native, results};

/// The longest head: length, type, name, session, size.
const HEAD: usize = 2 + 2 + 255 + 4 + 4;

/// The bytes of a first frame that come before its payload.
struct Head {
    bytes: [u8; HEAD],
    len: usize,
}

impl Head {
    /// What is in front of the last `data` bytes of a frame.
    fn of(frame: &[u8], data: usize) -> Head {
        let len = frame.len() - data;
        let mut bytes = [0; HEAD];
        bytes[..len].copy_from_slice(&frame[..len]);
        Head { bytes, len }
    }

    /// *raises*
    fn push(&self, l: Lua, data: &[u8]) {
        l.push_bytes(&self.bytes[..self.len]);
        l.push_bytes(data);
        l.concat(2);
    }
}

fn integer(l: Lua, i: c_int) -> Result<i64, Fault> {
    l.int(i).ok_or_else(|| l.expected(i, "number"))
}

/// The bytes given at `i` as a pointer, with the size behind it.
fn block_at<'a>(l: Lua, i: c_int) -> Result<&'a [u8], Fault> {
    let data: *const u8 = l.userdata(i).cast();
    let size = usize::try_from(integer(l, i + 1)?).unwrap_or(0);
    if data.is_null() || size == 0 {
        return Ok(b"");
    }
    // SAFETY: the caller vouches for pointer and size, as everywhere in this interface.
    Ok(unsafe { std::slice::from_raw_parts(data, size) })
}

/// A string, or pointer and size.
fn bytes_at<'a>(l: Lua, i: c_int) -> Result<&'a [u8], Fault> {
    match l.kind(i) {
        Type::LightUserdata => block_at(l, i),
        _ => l.bytes_argument(i),
    }
}

/// Pushes a block with these bytes, and their number. Whoever gets it frees it, by hand or by passing it on as a
/// message.
fn push_block(l: Lua, bytes: &[u8]) {
    let data = block::alloc(bytes.len().max(1));
    // SAFETY: the block is new and long enough.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), data, bytes.len()) };
    l.push_pointer(data.cast());
    l.push_int(bytes.len() as i64);
}

/// A table of the frames of the parts. *raises*
fn push_parts(l: Lua, parts: Parts<'_>, before: i64) {
    for (index, part) in parts.enumerate() {
        l.push_bytes(&part.header);
        l.push_bytes(part.data);
        l.concat(2);
        l.raw_seti(-2, before + index as i64 + 1);
    }
}

/// `packrequest` and `packpush`: the first frame, the session after this one, and a table of the other frames if
/// there are any.
fn pack_request(l: Lua, push: bool) -> Outcome {
    if l.kind(3) != Type::LightUserdata || l.userdata(3).is_null() {
        return Err(Error::NoMessage.to_string().into());
    }
    let session = integer(l, 2)? as i32;
    let payload = block_at(l, 3)?;
    let outcome = pack_message(l, push, session, payload);
    // SAFETY: the message is the caller's gift, and its bytes are not used any more.
    unsafe { block::free(l.userdata(3).cast()) };
    outcome
}

fn pack_message(l: Lua, push: bool, session: i32, payload: &[u8]) -> Outcome {
    let (head, parts) = {
        let mut frame = Vec::new();
        let made = address(l, 1).and_then(|to| match push {
            true => pack_push(&mut frame, &to, session, payload),
            false => pack_call(&mut frame, &to, session, payload),
        });
        let parts = made.map_err(|error| Fault::from(error.to_string()))?;
        let data = if parts.len() == 0 { payload.len() } else { 0 };
        (Head::of(&frame, data), parts)
    };
    let large = parts.len() > 0;
    head.push(l, if large { b"" } else { payload });
    l.push_int(next_session(session).into());
    if !large {
        return results(2);
    }
    l.new_table(parts.len(), 0);
    push_parts(l, parts, 0);
    results(3)
}

/// Address, session and so on of a request. The pointer leads into the frame.
fn push_request(l: Lua, request: &Request<'_>) -> c_int {
    match *request {
        Request::Small {
            ref address,
            session,
            payload,
        } => {
            push_address(l, address);
            l.push_int(session.into());
            push_block(l, payload);
            if session != 0 {
                return 4;
            }
            l.push_nil();
            l.push_bool(true);
            6
        }
        Request::Large {
            ref address,
            session,
            size,
            push,
        } => {
            push_address(l, address);
            l.push_int(session.into());
            l.push_nil();
            l.push_int(size.into());
            l.push_bool(true);
            l.push_bool(push);
            6
        }
        Request::Part {
            session,
            data,
            last,
        } => {
            l.push_bool(false);
            l.push_int(session.into());
            push_block(l, data);
            l.push_bool(!last);
            5
        }
        Request::Trace(tag) => {
            l.push_bytes(tag);
            1
        }
    }
}

fn push_address(l: Lua, address: &skynet_wire::cluster::Address<'_>) {
    match address {
        skynet_wire::cluster::Address::Number(number) => l.push_int((*number).into()),
        skynet_wire::cluster::Address::Name(name) => l.push_bytes(name),
    }
}

native! {
    /// `packrequest(address, session, msg, sz)`
    packrequest = |l| pack_request(l, false);

    /// `packpush(address, session, msg, sz)`
    packpush = |l| pack_request(l, true);

    /// `packtrace(tag)`
    packtrace = |l| {
        let tag = bytes_at(l, 1)?;
        let head = {
            let mut frame = Vec::new();
            pack_trace(&mut frame, tag).map_err(|error| Fault::from(error.to_string()))?;
            Head::of(&frame, tag.len())
        };
        head.push(l, tag);
        results(1)
    };

    /// `unpackrequest(frame)` or `unpackrequest(pointer, size)`
    unpackrequest = |l| {
        let frame = bytes_at(l, 1)?;
        // Names and payloads of what is read borrow from the frame.
        match Request::unpack(frame) {
            Ok(request) => results(push_request(l, &request)),
            Err(error) => Err(error.to_string().into()),
        }
    };

    /// `packresponse(session, ok, msg [, sz])`: a frame, or a table of frames
    packresponse = |l| {
        let session = integer(l, 1)? as u32;
        let payload = bytes_at(l, 3)?;
        if !l.bool(2) {
            let (head, text) = {
                let mut frame = Vec::new();
                pack_error(&mut frame, session, payload);
                let text = frame.len() - 7;
                (Head::of(&frame, text), &payload[..text])
            };
            head.push(l, text);
            return results(1);
        }
        let (head, parts) = {
            let mut frame = Vec::new();
            let parts = pack_ok(&mut frame, session, payload).map_err(|error| Fault::from(error.to_string()))?;
            let data = if parts.len() == 0 { payload.len() } else { 0 };
            (Head::of(&frame, data), parts)
        };
        if parts.len() == 0 {
            head.push(l, payload);
            return results(1);
        }
        l.new_table(parts.len() + 1, 0);
        head.push(l, b"");
        l.raw_seti(-2, 1);
        push_parts(l, parts, 1);
        results(1)
    };

    /// `unpackresponse(frame)`: session, ok, data, more; nothing if it is malformed
    unpackresponse = |l| {
        let Ok(response) = Response::unpack(bytes_at(l, 1)?) else {
            return results(0);
        };
        l.push_int(response.session.into());
        l.push_bool(!matches!(response.body, Body::Error(_)));
        match response.body {
            Body::Error(data) | Body::Ok(data) | Body::End(data) => {
                l.push_bytes(data);
                return results(3);
            }
            Body::Begin(size) => l.push_int(size.into()),
            Body::Part(data) => l.push_bytes(data),
        }
        l.push_bool(true);
        results(4)
    };

    /// `append(t, nil, size)` begins a large message in a table; `append(t, pointer, size)` adds to it and frees the
    /// block.
    append = |l| {
        if l.kind(1) != Type::Table {
            return Err(l.expected(1, "table"));
        }
        let at = l.raw_len(1) as i64 + 1;
        if l.is_none_or_nil(2) {
            let size = integer(l, 3)?;
            l.push_int(size);
        } else {
            let part = bytes_at(l, 2)?;
            l.push_bytes(part);
            if l.kind(2) == Type::LightUserdata {
                // SAFETY: the block is the caller's gift, and its bytes are not used any more.
                unsafe { block::free(l.userdata(2).cast()) };
            }
        }
        l.raw_seti(1, at);
        results(0)
    };

    /// `concat(t)`: the message as pointer and size; nothing if the parts do not add up to the size
    concat = |l| {
        if l.kind(1) != Type::Table || l.raw_geti(1, 1) != Type::Number {
            return results(0);
        }
        let Some(total) = l.int(-1).and_then(|size| usize::try_from(size).ok()) else {
            return results(0);
        };
        // What follows something that is no string is not looked at.
        let mut end = 2;
        let mut sum = 0usize;
        while l.raw_geti(1, end) == Type::String {
            sum = sum.saturating_add(l.bytes(-1).unwrap_or(b"").len());
            l.pop(1);
            end += 1;
        }
        if sum != total {
            return results(0);
        }
        // Nothing below raises, so the block is not lost.
        let data = block::alloc(total.max(1));
        let mut at = 0;
        for i in 2..end {
            l.raw_geti(1, i);
            let part = l.bytes(-1).unwrap_or(b"");
            // SAFETY: the sizes were added up above, and nobody has changed the table since.
            unsafe { std::ptr::copy_nonoverlapping(part.as_ptr(), data.add(at), part.len()) };
            at += part.len();
            l.pop(1);
        }
        l.push_pointer(data.cast());
        l.push_int(total as i64);
        results(2)
    };

    /// `isname(address)`: true for a name of `cluster.register`
    isname = |l| {
        if l.kind(1) == Type::String && l.bytes(1).is_some_and(|name| name.first() == Some(&b'@')) {
            l.push_bool(true);
            return results(1);
        }
        results(0)
    };

    /// `nodename()`: the id of this node in trace tags
    nodename = |l| {
        l.push_owned(skynet_cluster::nodename());
        results(1)
    };
}

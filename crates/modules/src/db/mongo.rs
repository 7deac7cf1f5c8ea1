//! `skynet.mongo.driver`, the native half of the driver of skynet (C), and `skynet.db.mongo.core`, that of our own.

use std::ffi::c_int;

use mlua_sys::lua55::lua_CFunction;
use skynet_crypt::digest;
use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::{Fault, native, push_functions, results};
use skynet_wire::mongo::{Error, HEAD, Reply, message};

use super::{buffer, wants};
use crate::data::bson;

const DRIVER: &[(&str, lua_CFunction)] =
    &[("length", length), ("op_msg", op_msg), ("reply", reply)];

const CORE: &[(&str, lua_CFunction)] = &[
    ("message", op_msg),
    ("receive", receive),
    ("salted", salted),
];

/// Rounds of a password's hash that a server may ask for: they take a second or so.
const MAX_ROUNDS: u32 = 1_000_000;

fn fault(error: Error) -> Fault {
    Fault::Plain(error.to_string().into())
}

native! {
    open_driver = |l| {
        push_functions(l, DRIVER);
        results(1)
    };

    open_core = |l| {
        push_functions(l, CORE);
        results(1)
    };

    /// `length(bytes)`: of four bytes of length, how many follow
    length = |l| {
        let bytes = l.bytes(1).and_then(|bytes| bytes.first_chunk::<4>());
        let bytes = bytes.ok_or_else(|| l.expected(1, "string of four bytes"))?;
        l.push_int(i64::from(i32::from_le_bytes(*bytes)) - 4);
        results(1)
    };

    /// `op_msg(id, flags, document)`: the bytes of a message
    op_msg = |l| {
        let id = word(l, 1)?;
        let flags = word(l, 2)?;
        let document = bson::document::bytes(l, 3).ok_or_else(|| l.expected(3, "document"))?;
        l.push_owned(message(id as i32, flags, document).map_err(fault)?);
        results(1)
    };

    /// `reply(bytes)`: of a message without its length, true, the number of its request, and where its document is, as
    /// long as the string lives; false for what is too short
    reply = |l| {
        let bytes = l.bytes(1).ok_or_else(|| l.expected(1, "string"))?;
        if bytes.len() < HEAD {
            l.push_bool(false);
            return results(1);
        }
        let reply = Reply::read(bytes).map_err(fault)?;
        l.push_bool(true);
        l.push_int(reply.response_to.into());
        l.push_pointer(reply.document.as_ptr().cast_mut().cast());
        results(3)
    };

    /// `receive(limit, buffer)`, a decoder: the number of the request, true, and the table of the document; or false and
    /// why it is none; nil for a message that is too short
    receive = |l| {
        l.set_top(2);
        let limit = l.int(1).ok_or_else(|| l.expected(1, "number"))?.max(0) as u64;
        let buffer = buffer(l)?;
        let Some(head) = buffer.peek(4).and_then(|bytes| bytes.first_chunk::<4>()) else {
            return wants(l, 4);
        };
        let size = i32::from_le_bytes(*head);
        let Some(size) = usize::try_from(size).ok().filter(|size| *size >= HEAD + 4) else {
            l.push_bool(true);
            l.push_nil();
            return results(2);
        };
        if size as u64 > limit {
            return Err(Fault::Plain(
                format!("mongo: an answer of {size} bytes is above the limit of {limit} bytes (option maxreply)").into(),
            ));
        }
        if size > buffer.size() {
            return wants(l, size as u64);
        }
        let bytes: *const [u8] = buffer.peek(size).unwrap_or_default();
        // SAFETY: the bytes stay where they are until `consume`, which comes after their last use.
        let answer = Reply::read(unsafe { &(&*bytes)[4..] }).map_err(fault)?;
        l.push_bool(true);
        l.push_int(answer.response_to.into());
        l.push_bool(true);
        if let Err(fault) = bson::decode::push(l, answer.document) {
            let text = match fault {
                Fault::Text(text) | Fault::Plain(text) | Fault::Argument(_, text) => text.into_owned(),
                Fault::Raised => return Err(Fault::Raised),
            };
            l.set_top(4);
            l.push_bool(false);
            l.push_owned(text);
        }
        buffer.consume(size);
        results(4)
    };

    /// `salted(hash, password, salt, rounds)`: a password's hash by PBKDF2 with `sha1` or `sha256`
    salted = |l| {
        let hash = l.bytes(1).ok_or_else(|| l.expected(1, "string"))?;
        let password = l.bytes(2).ok_or_else(|| l.expected(2, "string"))?;
        let salt = l.bytes(3).ok_or_else(|| l.expected(3, "string"))?;
        let rounds = l.int(4).ok_or_else(|| l.expected(4, "number"))?;
        let rounds = u32::try_from(rounds).ok().filter(|n| (1..=MAX_ROUNDS).contains(n)).ok_or_else(|| {
            Fault::from(format!("mongo: the server asks for {rounds} rounds of hashing the password, of 1 to {MAX_ROUNDS}"))
        })?;
        match hash {
            b"sha1" => l.push_bytes(&digest::pbkdf2_sha1(password, salt, rounds)),
            b"sha256" => l.push_bytes(&digest::pbkdf2_sha256(password, salt, rounds)),
            _ => return Err(Fault::Argument(1, "sha1 or sha256 expected".into())),
        }
        results(1)
    };
}

/// The integer at `i`, of which 32 bits count.
fn word(l: Lua, i: c_int) -> Result<u32, Fault> {
    if l.kind(i) != Type::Number {
        return Err(l.expected(i, "number"));
    }
    l.int(i)
        .map(|n| n as u32)
        .ok_or_else(|| l.expected(i, "integer"))
}

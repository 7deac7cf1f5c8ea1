//! Frames of websockets.

use std::ffi::CStr;

use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::{Fault, native, results};
use skynet_wire::http::deflate;
use skynet_wire::http::frame::{Event, Reader, Rules, opcode, write};

use crate::owned::{self, Owned};

impl Owned for Reader {
    const NAME: &'static CStr = c"skynet.websocket.reader";
    const WHAT: &'static str = "websocket reader expected";
}

/// The mask that an argument stands for: none, a number, or true for a random one.
fn mask(l: Lua, i: i32) -> Result<Option<[u8; 4]>, Fault> {
    if l.is_none_or_nil(i) || l.kind(i) == Type::Boolean && !l.bool(i) {
        return Ok(None);
    }
    if l.kind(i) == Type::Boolean {
        let random =
            skynet_crypt::modern::random_bytes(4).map_err(|e| Fault::from(e.to_string()))?;
        return Ok(random.try_into().ok());
    }
    match l.int(i).map(u32::try_from) {
        Some(Ok(mask)) => Ok(Some(mask.to_be_bytes())),
        _ => Err(Fault::Argument(i, "a mask is an integer of 32 bits".into())),
    }
}

native! {
    /// `frame(opcode, payload[, mask[, compress]])`: the bytes of a frame
    frame = |l| {
        let kind = l.int(1).ok_or_else(|| l.expected(1, "integer"))? as u8;
        if l.kind(2) != Type::String {
            return Err(l.expected(2, "string"));
        }
        let payload = l.string_argument(2)?;
        let mask = mask(l, 3)?;
        let mut out = Vec::new();
        match l.bool(4) {
            true => write(&mut out, kind, true, mask, &deflate::message(payload)),
            false => write(&mut out, kind, false, mask, payload),
        }
        l.push_owned(out);
        results(1)
    };

    /// `reader(from_client, limit, strict, deflate)`: takes frames apart; `limit` is nil for none
    new_reader = |l| {
        let rules = Rules {
            from_client: l.bool(1),
            limit: l.int(2).map_or(u64::MAX, |limit| limit.max(0) as u64),
            strict: l.bool(3),
            deflate: l.bool(4),
        };
        owned::push(l, || Reader::new(rules));
        results(1)
    };

    /// `message(reader[, data])`: gives it data; returns the kind and the payload of the next message or control frame,
    /// nothing if there is none yet, or false, why it went wrong, and a code to close with
    message = |l| {
        let reader = owned::get::<Reader>(l, 1)?;
        if let Some(data) = l.bytes(2) {
            reader.push(data);
        }
        match reader.next_event() {
            Ok(None) => results(0),
            Ok(Some(Event::Message(kind, data) | Event::Control(kind, data))) => {
                l.push_str(match kind {
                    opcode::TEXT => "text",
                    opcode::BINARY => "binary",
                    opcode::CLOSE => "close",
                    opcode::PING => "ping",
                    opcode::PONG => "pong",
                    _ => "frame",
                });
                l.push_bytes(data);
                results(2)
            }
            Err(error) => {
                l.push_bool(false);
                l.push_owned(error.to_string());
                l.push_int(error.code().into());
                results(3)
            }
        }
    };

    /// `waiting(reader)`: bytes that wait for more
    waiting = |l| {
        l.push_int(owned::get::<Reader>(l, 1)?.waiting() as i64);
        results(1)
    };
}

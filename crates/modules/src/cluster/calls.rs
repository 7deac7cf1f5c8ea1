//! Requests to other nodes: packed here once, for the sender of the node (`skynet_cluster::request`), which answers as
//! any service does.

use std::ffi::c_int;

use skynet_cluster::request::{self, DETAIL, FORGET, PUSH, REQUEST};
use skynet_kernel::{Handle, Payload, block};
use skynet_wire::cluster::{Address, Error};

use skynet_lua::calls::{self, NO_DEADLINE, Tracing, check_yieldable};
use skynet_lua::service;
use skynet_lua::{Svc, Told};
use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::{Fault, Next, Outcome, continuation, native, results};
use skynet_vm::seri;

/// The remote address at stack index `i`.
pub(super) fn address<'a>(l: Lua, i: c_int) -> Result<Address<'a>, Error> {
    match l.kind(i) {
        Type::Number => Ok(match l.is_integer(i) {
            true => l.int(i).unwrap_or(0).into(),
            false => l.float(i).unwrap_or(0.0).into(),
        }),
        Type::String => {
            let name = l.bytes(i).unwrap_or(b"");
            match name.len() {
                1..=255 => Ok(name.into()),
                _ => Err(Error::NameLength(name.to_vec())),
            }
        }
        Type::None => Err(Error::NameType("nil")),
        _ => Err(Error::NameType(l.type_name(i))),
    }
}

/// The values from `first` on, behind the head of a request to the address at `to`.
fn pack(l: Lua, flags: u8, to: c_int, first: c_int) -> Result<Payload, Fault> {
    seri::pack_with(l, first, l.top(), |packed| {
        let mut head = [0; 2 + 255];
        let head = match address(l, to) {
            Ok(Address::Number(number)) => {
                head[0] = flags;
                head[2..6].copy_from_slice(&number.to_le_bytes());
                &head[..6]
            }
            Ok(Address::Name(name)) => {
                (head[0], head[1]) = (flags, name.len() as u8);
                head[2..2 + name.len()].copy_from_slice(&name);
                &head[..2 + name.len()]
            }
            Err(error) => {
                let mut invalid = Vec::new();
                request::begin(&mut invalid, flags, Err(&error));
                return Payload::from(invalid);
            }
        };
        let len = head.len() + packed.size();
        let data = block::alloc(len);
        // SAFETY: the new block has room for the head and what is packed; the strings are still on the stack.
        unsafe {
            std::ptr::copy_nonoverlapping(head.as_ptr(), data, head.len());
            packed.copy_to(data.add(head.len()));
            Payload::from_raw(data, len)
        }
    })
}

/// Sends the call of `(sender, address, ...)` and suspends the task.
fn start(l: Lua, flags: u8, deadline: i32) -> Outcome {
    let svc = service(l)?;
    check_yieldable(l, svc)?;
    let payload = pack(l, flags, 2, 3)?;
    let sender = l.int(1).unwrap_or(0) as u32;
    let session = calls::request(l, svc, REQUEST, payload, deadline, Tracing::Own)?;
    l.set_top(0);
    svc.suspended.set(l);
    Ok(Next::Yield {
        results: 0,
        ctx: ((u64::from(sender) << 32) | session as u64) as isize,
        then: if flags & DETAIL == 0 {
            call_done
        } else {
            pcall_done
        },
    })
}

fn deadline(l: Lua) -> Result<i32, Fault> {
    let Some(cs) = l.int(1) else {
        return Err(l.expected(1, "number"));
    };
    l.remove(1);
    Ok(cs.clamp(0, i32::MAX as i64) as i32)
}

/// Why a protected call has no results: `false`, a text, and the name of the reason.
fn failure(l: Lua, text: &'static str, reason: &'static str) -> Outcome {
    l.push_bool(false);
    l.push_str(text);
    l.push_str(reason);
    results(3)
}

/// Why the task goes on. The sender hears that nobody waits any more for a call that took too long; it answers that, so
/// that the session is free again.
fn take_wake(svc: &Svc, ctx: isize) -> Told<'_> {
    let wake = svc.take_wake();
    if let Told::TimedOut = wake {
        let (sender, session) = ((ctx as u64 >> 32) as u32, ctx as i32);
        // Without the sender there is nothing to forget.
        let _ = svc.cx.send(Handle(sender), FORGET, session, Payload::EMPTY);
    }
    wake
}

continuation! {
    call_done = |l: Lua, _, ctx| {
        let svc = service(l)?;
        match take_wake(svc, ctx) {
            Told::Answer(m) => {
                let n = seri::unpack_message(l, m)?;
                results(n)
            }
            Told::TimedOut => Err("call timeout".into()),
            _ => Err("call failed".into()),
        }
    };

    pcall_done = |l: Lua, _, ctx| {
        let svc = service(l)?;
        match take_wake(svc, ctx) {
            Told::Answer(m) => {
                let n = seri::unpack_message(l, m)?;
                results(n)
            }
            Told::TimedOut => failure(l, "call timeout", "timeout"),
            _ => failure(l, "the sender has ended", "lost"),
        }
    };
}

native! {
    /// `call(sender, address, ...)`: the results
    call = |l| start(l, 0, NO_DEADLINE);

    /// `timeoutcall(cs, sender, address, ...)`
    timeoutcall = |l| {
        let cs = deadline(l)?;
        start(l, 0, cs)
    };

    /// `pcall(cs or nil, sender, address, ...)`: `true` and the results; or `false`, a text, and the name of a reason
    pcall = |l| {
        if l.is_none_or_nil(1) {
            l.remove(1);
            return start(l, DETAIL, NO_DEADLINE);
        }
        let cs = deadline(l)?;
        start(l, DETAIL, cs)
    };

    /// `isalive(handle)`: is there a service with this handle?
    isalive = |l| {
        let svc = service(l)?;
        let alive = u32::try_from(l.int(1).unwrap_or(0)).is_ok_and(|handle| svc.cx.node().is_alive(Handle(handle)));
        l.push_bool(alive);
        results(1)
    };

    /// `push(sender, address, ...)`
    push = |l| {
        let svc = service(l)?;
        let to = calls::target(l, svc, 1)?;
        let payload = pack(l, PUSH, 2, 3)?;
        if let calls::Target::Handle(to) = to {
            svc.trace_call(l, to);
        }
        // The sender of a push is not told of failures.
        let _ = calls::transmit(svc, to, svc.handle(), REQUEST, 0, payload);
        results(0)
    };
}

//! `send`, `call` and their kin: messages out.
//!
//! A call packs its arguments, sends them with a new session, notes that the running task waits for it, and yields.
//! It goes on in `call_done`, in the same coroutine, when the dispatcher has the answer (`Svc::wake`), which is
//! unpacked there.

use std::ffi::c_int;

use skynet_kernel::{Delay, Handle, Payload, SendError, kind};

use super::service;
use super::target::{Target, address_text, push_sent, target, trace_request, transmit};
use crate::service::pack::{check_foreign, is_unpack};
use crate::service::pack::{is_pack, is_packstring, payload_argument};
use crate::service::sessions::{Kind, NO_DEADLINE, Pending};
use crate::service::tasks::NO_TASK;
use crate::service::{Incoming, Svc, Told};
use skynet_vm::lua::{Lua, MULTRET, Type};
use skynet_vm::native::{Fault, Next, Outcome, continuation, native, results};
use skynet_vm::seri;

/// Stands for the class table of the `lua` protocol as it was registered: native codec, nothing to look up.
const PLAIN_LUA: c_int = 0;

/// (message type, class table or `PLAIN_LUA`) of the protocol named at `i`.
pub(crate) fn protocol(l: Lua, svc: &Svc, i: c_int) -> Result<(u8, c_int), Fault> {
    if !svc.exposed.get() && l.string_address(i) == svc.lua_name.get() && svc.lua_name.get() != 0 {
        return Ok((kind::LUA, PLAIN_LUA));
    }
    if svc.exposed.get() {
        return protocol_by_table(l, svc, i);
    }
    let known = match l.kind(i) {
        Type::String => svc.with(|t| t.protocols.by_name(l.string_address(i))),
        Type::Number => l
            .int(i)
            .and_then(|n| u8::try_from(n).ok())
            .and_then(|id| Some((id, svc.with(|t| t.protocols.class(id))?))),
        _ => None,
    };
    known.map_or_else(|| protocol_by_table(l, svc, i), Ok)
}

/// The way round, through `_proto`: for names too long to be interned, and if the application may have put other
/// classes there.
#[cold]
fn protocol_by_table(l: Lua, svc: &Svc, i: c_int) -> Result<(u8, c_int), Fault> {
    let top = l.top();
    l.push_ref(svc.refs.protocols.get());
    l.push_value(i);
    if l.is_none_or_nil(-1) || l.raw_get(-2) != Type::Table {
        let name = address_text(l, i);
        return Err(Fault::from(format!(
            "attempt to index a nil value (protocol '{name}' is not registered; see skynet.register_protocol)"
        )));
    }
    l.get_field(-1, c"id");
    let id = l.int(-1).and_then(|id| u8::try_from(id).ok());
    let id = id.ok_or("the id of a protocol is a number from 0 to 255")?;
    l.pop(1);
    let class = match svc.with(|t| t.protocols.class(id)) {
        Some(class) => {
            l.push_ref(class);
            let same = l.pointer(-1) == l.pointer(-2);
            l.pop(1);
            if !same {
                l.set_ref(class);
            }
            class
        }
        None => {
            l.push_value(-1);
            let class = l.make_ref();
            svc.with(|t| t.protocols.register(id, class, 0, None));
            class
        }
    };
    l.set_top(top);
    Ok((id, class))
}

/// What is to be done with the arguments from `first` on.
pub(super) enum Packing {
    /// Packed by the native codec.
    Done(Payload),
    /// The protocol's own function is at `first` now, its arguments above.
    Call { args: c_int },
}

pub(super) fn pack_arguments(
    l: Lua,
    svc: &Svc,
    class: c_int,
    first: c_int,
) -> Result<Packing, Fault> {
    let last = l.top();
    if class == PLAIN_LUA {
        let payload = seri::pack(l, first, last)?;
        return Ok(Packing::Done(payload));
    }
    l.push_ref(class);
    l.push_ref(svc.refs.pack.get());
    let mut kind = l.raw_get(-2);
    if kind == Type::Nil {
        l.pop(1);
        kind = l.get_field(-1, c"pack");
    }
    if l.c_function(-1)
        .is_some_and(|f| is_pack(f) || is_packstring(f))
    {
        let payload = seri::pack(l, first, last)?;
        l.set_top(first - 1);
        return Ok(Packing::Done(payload));
    }
    if kind == Type::Nil {
        return Err("attempt to call a nil value (field 'pack')".into());
    }
    l.remove(-2);
    l.insert(first);
    Ok(Packing::Call {
        args: last - first + 1,
    })
}

/// A coroutine of the dispatcher is running and may be suspended.
pub fn check_yieldable(l: Lua, svc: &Svc) -> Result<(), Fault> {
    if svc.running.get() == NO_TASK || l.status() != 0 && !l.is_yieldable() {
        return Err("attempt to yield from outside a coroutine".into());
    }
    if !l.is_yieldable() || svc.barred.get() {
        return Err("attempt to yield across a C-call boundary".into());
    }
    Ok(())
}

/// Which trace tag goes ahead of a request.
#[derive(Clone, Copy)]
pub enum Tracing {
    /// The running task's, if it has one.
    Own,
    /// Another one was sent already.
    Forced,
}

/// Sends a request (address at 1) and notes that the running task waits for its answer.
pub fn request(
    l: Lua,
    svc: &Svc,
    kind: u8,
    payload: Payload,
    deadline: i32,
    tracing: Tracing,
) -> Result<i32, Fault> {
    let to = target(l, svc, 1)?;
    if let Tracing::Own = tracing {
        trace_request(l, svc, to);
    }
    let session = svc.new_session();
    post_request(l, svc, to, kind, session, payload)?;
    let task = svc.running.get();
    let callee = match to {
        Target::Handle(h) if l.kind(1) == Type::Number => h.0,
        _ => 0,
    };
    let name = (callee == 0).then(|| l.bytes(1).unwrap_or(b""));
    let since = svc.since();
    svc.with(|t| {
        t.sessions
            .insert(Pending::new(session, task, callee, Kind::Call, since));
        t.tasks.get_mut(task).waiting = session;
        if let Some(name) = name {
            t.callee_names.insert(session, name.into());
        }
    });
    let deadline = if deadline == NO_DEADLINE {
        svc.call_timeout.get()
    } else {
        deadline
    };
    if deadline != NO_DEADLINE {
        let key = svc.cx.timeout(session, Delay::Cs(deadline));
        svc.with(|t| t.deadlines.insert(session, key));
    }
    Ok(session)
}

/// A session for an answer that does not come from a service, such as a thread's that works for this one.
pub fn new_session(svc: &Svc) -> i32 {
    svc.new_session()
}

/// Notes that the running task waits for the answer of such a session; the caller suspends it.
pub fn wait(svc: &Svc, session: i32) {
    let (task, since) = (svc.running.get(), svc.since());
    svc.with(|t| {
        t.sessions.insert(Pending::new(
            session,
            task,
            svc.handle().0,
            Kind::Call,
            since,
        ));
        t.tasks.get_mut(task).waiting = session;
    });
}

/// Sends a request; what goes wrong at once is an error of the call.
fn post_request(
    l: Lua,
    svc: &Svc,
    to: Target<'_>,
    kind: u8,
    session: i32,
    payload: Payload,
) -> Result<(), Fault> {
    transmit(svc, to, svc.handle(), kind, session, payload).map_err(|e| {
        let to = address_text(l, 1);
        Fault::from(match e {
            SendError::NoService => format!("call to invalid address {to}"),
            SendError::Refused { limit } => {
                format!("call failed: mailbox of {to} is full (limit {limit})")
            }
            _ => format!("call failed: the message to {to} is too large"),
        })
    })
}

/// What a call's continuation needs, in one integer: the message type, and the deadline for the time before it is sent.
#[derive(Clone, Copy)]
struct Ctx {
    kind: u8,
    deadline: i32,
}

impl Ctx {
    fn pack(self) -> isize {
        (self.deadline as isize) << 8 | self.kind as isize
    }
    fn unpack(ctx: isize) -> Ctx {
        Ctx {
            kind: ctx as u8,
            deadline: (ctx >> 8) as i32,
        }
    }
}

fn start_call(l: Lua, deadline: i32) -> Outcome {
    let svc = service(l)?;
    check_yieldable(l, svc)?;
    let (kind, class) = protocol(l, svc, 2)?;
    let ctx = Ctx { kind, deadline };
    if class == PLAIN_LUA {
        return send_call(l, svc, ctx, seri::pack(l, 3, l.top())?);
    }
    match pack_arguments(l, svc, class, 3)? {
        Packing::Done(payload) => send_call(l, svc, ctx, payload),
        Packing::Call { args } => Ok(Next::Call {
            args,
            results: MULTRET,
            ctx: ctx.pack(),
            then: call_packed,
        }),
    }
}

fn send_call(l: Lua, svc: &Svc, ctx: Ctx, payload: Payload) -> Outcome {
    request(l, svc, ctx.kind, payload, ctx.deadline, Tracing::Own)?;
    l.clear();
    svc.suspended.set(l);
    Ok(Next::Yield {
        results: 0,
        ctx: ctx.kind as isize,
        then: call_done,
    })
}

/// Pushes the `unpack` of the class on top.
pub(super) fn push_unpack(l: Lua, svc: &Svc) {
    l.push_ref(svc.refs.unpack.get());
    if l.raw_get(-2) == Type::Nil {
        l.pop(1);
        l.get_field(-1, c"unpack");
    }
}

/// The answer, or why there is none.
fn answer(svc: &Svc) -> Result<&Incoming, Fault> {
    match svc.take_wake() {
        Told::Answer(m) => Ok(m),
        Told::TimedOut => Err("call timeout".into()),
        _ => Err("call failed".into()),
    }
}

continuation! {
    /// The protocol's own `pack` has run; its results are from 3 on.
    call_packed = |l: Lua, _, ctx| {
        let svc = service(l)?;
        let payload = payload_argument(l, 3)?;
        send_call(l, svc, Ctx::unpack(ctx), payload)
    };

    /// The call's task runs again.
    call_done = |l: Lua, _, ctx| {
        let svc = service(l)?;
        let m = answer(svc)?;
        if ctx as u8 == kind::LUA && !svc.exposed.get() {
            let n = seri::unpack_message(l, m)?;
            return results(n);
        }
        if !svc.push_class(l, ctx as u8) {
            return Err("unknown protocol".into());
        }
        push_unpack(l, svc);
        if l.c_function(-1).is_some_and(is_unpack) {
            l.set_top(0);
            check_foreign(svc, m)?;
            let n = seri::unpack_message(l, m)?;
            return results(n);
        }
        l.replace(1);
        l.set_top(1);
        l.push_pointer(m.data as *mut _);
        l.push_int(m.len as i64);
        Ok(Next::Call { args: 2, results: MULTRET, ctx: 0, then: return_all })
    };

    return_all = |l: Lua, _, _| results(l.top());

    /// Answer of a raw call: pointer and size, valid until the task is suspended again. `ctx`: end a forced trace.
    rawcall_done = |l: Lua, _, ctx| {
        let svc = service(l)?;
        let outcome = answer(svc);
        if ctx != 0
            && let Some(tag) = l.bytes(1)
        {
            svc.trace_log(tag, b"tracecall end", None);
        }
        let m = outcome?;
        l.push_pointer(m.data as *mut _);
        l.push_int(m.len as i64);
        results(2)
    };

    send_packed = |l: Lua, _, ctx| {
        let svc = service(l)?;
        let payload = payload_argument(l, 3)?;
        let to = target(l, svc, 1)?;
        push_sent(l, transmit(svc, to, svc.handle(), ctx as u8, 0, payload), 0)
    };
}

native! {
    /// `send(addr, type, ...)`
    hot send = |l| {
        let svc = service(l)?;
        let (kind, class) = protocol(l, svc, 2)?;
        if class == PLAIN_LUA {
            let payload = seri::pack(l, 3, l.top())?;
            let to = target(l, svc, 1)?;
            return push_sent(l, transmit(svc, to, svc.handle(), kind, 0, payload), 0);
        }
        match pack_arguments(l, svc, class, 3)? {
            Packing::Done(payload) => {
                let to = target(l, svc, 1)?;
                push_sent(l, transmit(svc, to, svc.handle(), kind, 0, payload), 0)
            }
            Packing::Call { args } => {
                Ok(Next::Call { args, results: MULTRET, ctx: kind as isize, then: send_packed })
            }
        }
    };

    /// `rawsend(addr, type, msg [, sz])`
    rawsend = |l| {
        let svc = service(l)?;
        let (kind, _) = protocol(l, svc, 2)?;
        let to = target(l, svc, 1)?;
        let payload = payload_argument(l, 3)?;
        push_sent(l, transmit(svc, to, svc.handle(), kind, 0, payload), 0)
    };

    /// `redirect(addr, source, type, session, msg [, sz])`
    redirect = |l| {
        let svc = service(l)?;
        let (kind, _) = protocol(l, svc, 3)?;
        redirect_message(l, svc, kind)
    };

    /// `call(addr, type, ...)`
    hot call = |l| start_call(l, NO_DEADLINE);

    /// `timeoutcall(cs, addr, type, ...)`
    timeoutcall = |l| {
        let Some(deadline) = l.int(1) else {
            return Err(l.expected(1, "number"));
        };
        l.remove(1);
        start_call(l, deadline.clamp(0, i32::MAX as i64) as i32)
    };

    /// `rawcall(addr, type, msg [, sz])`
    rawcall = |l| {
        let svc = service(l)?;
        check_yieldable(l, svc)?;
        let (kind, _) = protocol(l, svc, 2)?;
        let payload = payload_argument(l, 3)?;
        request(l, svc, kind, payload, NO_DEADLINE, Tracing::Own).map_err(|e| match e {
            Fault::Text(t) if t.starts_with("call to invalid address") => {
                Fault::from("call to invalid address")
            }
            other => other,
        })?;
        l.clear();
        svc.suspended.set(l);
        Ok(Next::Yield { results: 0, ctx: 0, then: rawcall_done })
    };

    /// `tracecall(tag, addr, type, msg [, sz])`
    tracecall = |l| {
        let svc = service(l)?;
        check_yieldable(l, svc)?;
        let Some(tag) = l.bytes(1) else {
            return Err(Fault::Argument(1, "string expected".into()));
        };
        let (kind, _) = protocol(l, svc, 3)?;
        let payload = payload_argument(l, 4)?;
        svc.trace_log(tag, b"tracecall begin", None);
        l.push_value(1);
        l.remove(1);
        // address, type, msg, sz, tag
        let to = target(l, svc, 1)?;
        let _ = transmit(svc, to, svc.handle(), kind::TRACE, 0, Payload::from_slice(tag));
        request(l, svc, kind, payload, NO_DEADLINE, Tracing::Forced)?;
        l.replace(1);
        l.set_top(1);
        svc.suspended.set(l);
        Ok(Next::Yield { results: 0, ctx: 1, then: rawcall_done })
    };
}

/// `(addr, source, type, session, msg, sz)` with the type already known. Handing a request on hands the duty to
/// answer on.
pub(crate) fn redirect_message(l: Lua, svc: &Svc, kind: u8) -> Outcome {
    let Some(source) = l.int(2) else {
        return Err(l.expected(2, "number"));
    };
    let session = match l.kind(4) {
        Type::None | Type::Nil => svc.new_session(),
        _ => match l.int(4) {
            Some(n) => n as i32,
            None => {
                return Err(l.expected(4, "number"));
            }
        },
    };
    // 0 is the sender itself, as everywhere in the core.
    let source = match source as u32 {
        0 => svc.handle(),
        source => Handle(source),
    };
    let to = target(l, svc, 1)?;
    let payload = payload_argument(l, 5)?;
    if session > 0 && kind != kind::RESPONSE && kind != kind::ERROR {
        svc.with(|t| t.owed.settle(session, source));
    }
    let sent = transmit(svc, to, source, kind, session, payload);
    if crate::service::is_request(kind, session) {
        passed_on(svc, source, session, sent.is_ok());
    }
    push_sent(l, sent, session)
}

/// A request was passed on, and taken or not. If not, its requester must not wait; but only one that the running task
/// got it from is known to be a requester: gates, for example, use both numbers in their own way.
fn passed_on(svc: &Svc, source: Handle, session: i32, taken: bool) {
    let running = svc.running.get();
    if running == NO_TASK {
        return;
    }
    let given_up = svc.with(|t| {
        let task = t.tasks.get_mut(running);
        if task.source != Some(source) {
            return false;
        }
        // While the task owes the answer, it may still give one; see `ignoreret`.
        let owed = task.request == Some(session);
        task.passed_in_vain = owed && !taken;
        !owed && !taken
    });
    if given_up {
        svc.fail_request(source, session);
    }
}

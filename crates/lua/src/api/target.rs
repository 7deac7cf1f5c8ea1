//! Where a message goes: a handle, a name of this node, or one of the whole network.

use std::ffi::c_int;

use skynet_kernel::{Handle, Payload, SendError, kind, text};

use crate::service::Svc;
use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::{Fault, Outcome, results};

/// Where a message goes.
#[derive(Clone, Copy)]
pub enum Target<'a> {
    /// To a service of this node or network.
    Handle(Handle),
    /// A `.name` or `:handle` that nobody has.
    Unknown,
    /// A name of the whole network; the message waits until somebody takes it.
    Global(&'a [u8]),
}

/// The address at stack index `i`.
pub fn target<'a>(l: Lua, svc: &Svc, i: c_int) -> Result<Target<'a>, Fault> {
    match l.kind(i) {
        Type::Number => match l.int(i) {
            Some(n) if n as u32 == 0 => Err("Invalid service address 0".into()),
            Some(n) => Ok(Target::Handle(Handle(n as u32))),
            None => Err("number has no integer representation".into()),
        },
        Type::String => {
            let name = l.bytes(i).unwrap_or(b"");
            if !name.starts_with(b".") && !name.starts_with(b":") {
                return Ok(Target::Global(name));
            }
            Ok(svc
                .cx
                .node()
                .resolve(&text::from_bytes(name))
                .map_or(Target::Unknown, Target::Handle))
        }
        _ => Err(Fault::from(format!(
            "dest address type ({}) must be a string or number.",
            l.type_name(i)
        ))),
    }
}

/// `skynet.address` of the value at `i`.
pub(crate) fn address_text(l: Lua, i: c_int) -> String {
    match l.kind(i) {
        Type::Number => Handle(l.int(i).unwrap_or(0) as u32).to_string(),
        Type::String => text::from_bytes(l.bytes(i).unwrap_or(b"")).into_owned(),
        _ => l.type_name(i).to_owned(),
    }
}

/// Sends; an answer or error by hand settles what the service owed.
pub fn transmit(
    svc: &Svc,
    to: Target<'_>,
    source: Handle,
    kind: u8,
    session: i32,
    payload: Payload,
) -> Result<(), SendError> {
    match to {
        Target::Handle(to) => {
            if kind == kind::RESPONSE || kind == kind::ERROR {
                svc.with(|t| t.owed.settle(session, to));
            }
            svc.cx.node().send(source, to, kind, session, payload)
        }
        Target::Unknown => Err(SendError::NoService),
        Target::Global(name) => {
            svc.cx
                .node()
                .send_global(source, &text::from_bytes(name), kind, session, payload)
        }
    }
}

/// Sends the running task's trace tag ahead of a request, if it has one, and logs it.
pub(super) fn trace_request(l: Lua, svc: &Svc, to: Target<'_>) {
    match to {
        Target::Handle(to) => svc.trace_call(l, to),
        Target::Unknown => {}
        Target::Global(_) => svc.trace_call_by(l, |tag| {
            let _ = transmit(svc, to, svc.handle(), kind::TRACE, 0, tag);
        }),
    }
}

/// Pushes what `core.send` returns.
pub(crate) fn push_sent(l: Lua, sent: Result<(), SendError>, session: i32) -> Outcome {
    match sent {
        Ok(()) => {
            l.push_int(session as i64);
            results(1)
        }
        Err(SendError::NoService) => results(0),
        Err(_) => {
            l.push_bool(false);
            results(1)
        }
    }
}

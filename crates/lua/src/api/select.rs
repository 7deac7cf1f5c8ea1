//! What `skynet.request` and its `select` are made of: requests whose answers a Lua function gets, not a task that
//! waits.

use std::ffi::c_int;

use super::send::{Packing, pack_arguments, protocol, push_unpack, return_all};
use super::service;
use super::target::{Target, target, trace_request, transmit};
use crate::service::pack::payload_argument;
use crate::service::sessions::{Kind, Pending};
use skynet_vm::lua::{MULTRET, Type};
use skynet_vm::native::{Fault, Next, native, results};

native! {
    /// `core.request_send(addr, type, ...)` for `skynet.request`: the session; nothing for an invalid address.
    request_send = |l| {
        let svc = service(l)?;
        let (kind, class) = protocol(l, svc, 2)?;
        let payload = match pack_arguments(l, svc, class, 3)? {
            Packing::Done(payload) => payload,
            Packing::Call { args } => {
                l.call(args, MULTRET);
                payload_argument(l, 3)?
            }
        };
        let to = target(l, svc, 1)?;
        trace_request(l, svc, to);
        let session = svc.new_session();
        if transmit(svc, to, svc.handle(), kind, session, payload).is_err() {
            return results(0);
        }
        let callee = match to {
            Target::Handle(h) if l.kind(1) == Type::Number => h.0,
            _ => 0,
        };
        let since = svc.since();
        svc.with(|t| t.sessions.insert(Pending::new(session, 0, callee, Kind::Handler, since)));
        l.push_int(session as i64);
        results(1)
    };

    /// `core.on_answer(session, f)`: `f(ok, msg, sz)` is called once; it may not yield.
    on_answer = |l| {
        let svc = service(l)?;
        let session = l.int(1).ok_or("session expected")? as i32;
        l.set_top(2);
        let reference = l.make_ref();
        let known = svc.with(|t| match t.sessions.get_mut(session) {
            Some(p) if p.kind() == Kind::Handler && p.task == 0 => {
                p.task = reference as u32;
                true
            }
            _ => false,
        });
        if known {
            return results(0);
        }
        l.free_ref(reference);
        Err(Fault::from(format!("no request of session {session}")))
    };

    /// `core.forget(session)`: a late answer is dropped.
    forget = |l| {
        let svc = service(l)?;
        let session = l.int(1).ok_or("session expected")? as i32;
        let reference = svc.with(|t| match t.sessions.get_mut(session) {
            Some(p) if p.kind() == Kind::Handler => {
                p.set_kind(Kind::DroppedCall);
                std::mem::take(&mut p.task)
            }
            _ => 0,
        });
        if reference != 0 {
            l.free_ref(reference as c_int);
        }
        results(0)
    };

    /// `core.unpack_as(type, msg, sz)`
    unpack_as = |l| {
        let svc = service(l)?;
        let (id, _) = protocol(l, svc, 1)?;
        if !svc.push_class(l, id) {
            return Err("unknown protocol".into());
        }
        push_unpack(l, svc);
        l.remove(-2);
        l.replace(1);
        l.set_top(3);
        Ok(Next::Call { args: 2, results: MULTRET, ctx: 0, then: return_all })
    };
}

//! `ret`, `retpack`, `response`, `context`, `ignoreret`: answers.

use std::ffi::c_int;

use mlua_sys::lua55 as ffi;

use skynet_kernel::{Handle, Payload, SendError};

use super::service;
use crate::service::Svc;
use crate::service::log::log_text;
use crate::service::pack::{is_pack, pack, payload_argument};
use crate::service::tasks::NO_TASK;
use skynet_vm::lua::{Lua, MULTRET, Type};
use skynet_vm::native::{Next, Outcome, continuation, native, results};
use skynet_vm::{place, seri};

/// Takes the session of the running request.
fn take_request(svc: &Svc) -> Option<(i32, Handle)> {
    let id = svc.running.get();
    if id == NO_TASK {
        return None;
    }
    svc.with(|t| {
        let task = t.tasks.get_mut(id);
        Some((task.request.take()?, task.source?))
    })
}

/// Sends an answer; true if it was delivered. An answer that can't be sent fails the request.
fn answer(svc: &Svc, source: Handle, session: i32, payload: Payload) -> bool {
    svc.trace_response();
    match svc.send_response(source, session, payload) {
        Ok(()) => true,
        Err(SendError::NoService) => false,
        Err(_) => {
            svc.fail_request(source, session);
            false
        }
    }
}

/// State of a `response()` closure, in a userdata so that the collector reports the end of an unused one.
#[repr(C)]
struct Response {
    /// Key in `Owed::responses`; 0 once used.
    id: u64,
    /// Where it was made, for whoever drops it.
    line: c_int,
    source: [u8; SHORT_SOURCE],
}

/// Lua's LUA_IDSIZE.
const SHORT_SOURCE: usize = 60;

impl Response {
    /// One that belongs to nobody yet, made by the caller of the running function, or of a library's function that
    /// has called that.
    fn new(l: Lua) -> Response {
        let mut new = Response {
            id: 0,
            line: -1,
            source: [0; SHORT_SOURCE],
        };
        // SAFETY: `ar` is filled in before it is read.
        unsafe {
            let mut ar: ffi::lua_Debug = std::mem::zeroed();
            if ffi::lua_getstack(l.0, place::level(l), &mut ar) != 0 {
                ffi::lua_getinfo(l.0, c"Sl".as_ptr(), &mut ar);
                new.line = ar.currentline;
                for (to, from) in new.source.iter_mut().zip(ar.short_src) {
                    *to = from as u8;
                }
            }
        }
        new
    }

    fn place(&self) -> String {
        let end = self.source.iter().position(|&b| b == 0).unwrap_or(0);
        format!(
            "{}:{}",
            String::from_utf8_lossy(&self.source[..end]),
            self.line
        )
    }
}

const RESPONSE: &std::ffi::CStr = c"skynet.response";

fn response_of<'a>(l: Lua, i: c_int) -> &'a mut Response {
    // SAFETY: upvalue 1 of the closure, or the argument of `__gc`, is the userdata that `response` made; no other
    // reference to it exists while this one is used.
    unsafe { &mut *l.userdata(i).cast::<Response>() }
}

const UPVALUE_RESPONSE: c_int = mlua_sys::lua55::lua_upvalueindex(1);
const UPVALUE_PACK: c_int = mlua_sys::lua55::lua_upvalueindex(2);

/// Sends the answer of a closure and pushes whether it went to a living service.
fn finish_response(l: Lua, svc: &Svc, payload: Option<Payload>) -> Outcome {
    let id = std::mem::take(&mut response_of(l, UPVALUE_RESPONSE).id);
    let sent = match svc.with(|t| t.owed.take_response(id)) {
        None => false,
        Some((session, source)) => match payload {
            Some(payload) => answer(svc, source, session, payload),
            None => svc
                .cx
                .send(source, skynet_kernel::kind::ERROR, session, Payload::EMPTY)
                .is_ok(),
        },
    };
    l.push_bool(sent);
    results(1)
}

native! {
    /// `ret([msg [, sz]])`
    hot ret = |l| {
        let svc = service(l)?;
        // If the arguments are bad, the request fails with its handler: it is taken last.
        let payload = if l.bool(1) { payload_argument(l, 1)? } else { Payload::EMPTY };
        let Some((session, source)) = take_request(svc) else {
            return Err("No session".into());
        };
        let sent = session > 0 && answer(svc, source, session, payload);
        l.push_bool(sent);
        results(1)
    };

    /// `retpack(...)`
    hot retpack = |l| {
        let svc = service(l)?;
        if svc.replaced.ret(ret) || svc.replaced.pack(pack) {
            return retpack_by_theirs(l, svc);
        }
        let payload = seri::pack(l, 1, l.top())?;
        let Some((session, source)) = take_request(svc) else {
            return Err("No session".into());
        };
        let sent = session > 0 && answer(svc, source, session, payload);
        l.push_bool(sent);
        results(1)
    };

    /// `context()`: session and source of the request
    context = |l| {
        let svc = service(l)?;
        let id = svc.running.get();
        let (session, source) = match id {
            NO_TASK => (None, None),
            _ => svc.with(|t| (t.tasks.get(id).request, t.tasks.get(id).source)),
        };
        match session {
            Some(n) => l.push_int(n as i64),
            None => l.push_nil(),
        }
        match source {
            Some(h) => l.push_int(h.0 as i64),
            None => l.push_nil(),
        }
        results(2)
    };

    /// `ignoreret()`: somebody else answers. If the request was passed on in vain, nobody will.
    ignoreret = |l| {
        let svc = service(l)?;
        if let Some((session, source)) = take_request(svc)
            && svc.with(|t| t.tasks.get(svc.running.get()).passed_in_vain)
        {
            svc.fail_request(source, session);
        }
        results(0)
    };

    /// `response([pack])`
    response = |l| {
        let svc = service(l)?;
        l.set_top(1);
        if !l.bool(1) && svc.replaced.pack(pack) {
            svc.push_function_of_skynet(l, "pack");
            l.replace(1);
        }
        // Everything that may raise comes before the session is taken.
        let data: *mut Response = l.new_userdata(std::mem::size_of::<Response>(), 0).cast();
        // SAFETY: a new block of the right size.
        unsafe { data.write(Response::new(l)) };
        push_metatable(l);
        l.set_metatable(-2);
        l.push_value(1);
        l.push_closure(respond, 2);
        match take_request(svc) {
            None => Err("no session".into()),
            Some((0, _)) => {
                l.push_function(respond_to_nobody);
                results(1)
            }
            Some((session, source)) => {
                let id = svc.with(|t| t.owed.open_response(session, source));
                // SAFETY: the userdata is alive, held by the closure on the stack.
                unsafe { (*data).id = id };
                results(1)
            }
        }
    };

    /// The closure that `response` returns.
    respond = |l| {
        let svc = service(l)?;
        let id = response_of(l, UPVALUE_RESPONSE).id;
        if l.bytes(1) == Some(b"TEST") {
            l.push_bool(id != 0 && svc.with(|t| t.owed.is_open(id)));
            return results(1);
        }
        if id == 0 {
            return Err("Can't response more than once".into());
        }
        if !l.bool(1) {
            return finish_response(l, svc, None);
        }
        let native_pack = !l.bool(UPVALUE_PACK) || l.c_function(UPVALUE_PACK).is_some_and(is_pack);
        if native_pack {
            let payload = seri::pack(l, 2, l.top())?;
            return finish_response(l, svc, Some(payload));
        }
        let args = l.top() - 1;
        l.push_value(UPVALUE_PACK);
        l.replace(1);
        Ok(Next::Call { args, results: MULTRET, ctx: 0, then: response_packed })
    };

    respond_to_nobody = |_| results(0);

    /// An unused closure has been collected: nobody will answer.
    collect_response = |l| {
        let svc = service(l)?;
        let response = response_of(l, 1);
        let id = std::mem::take(&mut response.id);
        if let Some((session, source)) = svc.with(|t| t.owed.take_response(id)) {
            svc.fail_request(source, session);
            let place = response.place();
            let text = format!(
                "Maybe forgot response session {session} from {source} : response() of {place} was dropped unused"
            );
            log_text(l, svc, text.into_bytes());
        }
        results(0)
    };
}

/// `skynet.ret(skynet.pack(...))`, by the functions of the application. *raises*
#[cold]
fn retpack_by_theirs(l: Lua, svc: &Svc) -> Outcome {
    let args = l.top();
    svc.push_function_of_skynet(l, "ret");
    l.insert(1);
    svc.push_function_of_skynet(l, "pack");
    l.insert(2);
    Ok(Next::Call {
        args,
        results: MULTRET,
        ctx: 0,
        then: packed_by_theirs,
    })
}

continuation! {
    packed_by_theirs = |l: Lua, _, _| {
        Ok(Next::Call { args: l.top() - 1, results: MULTRET, ctx: 0, then: returned_by_theirs })
    };

    returned_by_theirs = |l: Lua, _, _| results(l.top());

    response_packed = |l: Lua, _, _| {
        let payload = payload_argument(l, 1)?;
        finish_response(l, service(l)?, Some(payload))
    };
}

/// *raises*
fn push_metatable(l: Lua) {
    // SAFETY: a plain call of the auxiliary library.
    let new = unsafe { mlua_sys::lua55::luaL_newmetatable(l.0, RESPONSE.as_ptr()) } != 0;
    if new {
        l.push_function(collect_response);
        l.set_field(-2, c"__gc");
    }
    debug_assert_eq!(l.kind(-1), Type::Table);
}

//! The native functions that the dispatcher runs inside Lua: the first function of a request's coroutine, and what
//! else may raise and therefore needs a coroutine or a protected call around it.

use std::cell::Cell;
use std::ffi::{c_int, c_void};

use mlua_sys::lua55 as ffi;
use skynet_kernel::{Handle, kind};
use skynet_wire::foreign::Foreign;

use super::log::log_text;
use super::pack::{check_foreign, is_unpack};
use super::{Incoming, Svc, Told};
use skynet_vm::lua::{Lua, MULTRET, Type};
use skynet_vm::native::{Fault, Next, Outcome, continuation, native, results};
use skynet_vm::seri;

/// Values that the function of a `timeout` gets.
pub(super) const TIMER_ARGUMENTS: c_int = 4;

/// The function of a `timeout` gets what a callback of the core would get.
pub(super) fn push_timer_arguments(lua: Lua, m: &Incoming) {
    lua.push_bool(true);
    lua.push_pointer(m.data as *mut c_void);
    lua.push_int(m.len as i64);
    lua.push_int(m.session as i64);
}

native! {
    /// Marks the `error` protocol as handled by the dispatcher. Called only by applications that wrap it.
    error_dispatch = |l| {
        let svc = Svc::of(l).ok_or("no service")?;
        let m = Incoming {
            kind: kind::ERROR,
            session: l.int(1).unwrap_or(0) as i32,
            source: Handle(l.int(2).unwrap_or(0) as u32),
            data: std::ptr::null(),
            len: 0,
            owned: Cell::new(false),
            shared: false,
        };
        svc.on_error(&m);
        let id = svc.running.get();
        if id != super::tasks::NO_TASK {
            svc.with(|t| t.tasks.get_mut(id).request = None);
        }
        results(0)
    };

    /// Makes a thread for a task; returns the task's index.
    make_task = |l| {
        let svc = Svc::of(l).ok_or("no service")?;
        let thread = l.new_thread();
        let anchor = l.make_ref();
        let id = svc.with(|t| t.tasks.add(thread, anchor));
        l.push_int(id as i64);
        results(1)
    };

    /// As `serve_request`, for the `lua` protocol as it was registered: `serve_lua_request(handler)`.
    hot serve_lua_request = |l| {
        let svc = Svc::of(l).ok_or("no service")?;
        let Told::Answer(m) = svc.take_wake() else {
            return Err("no message".into());
        };
        l.push_value(1);
        l.push_int(m.session as i64);
        l.push_int(m.source.0 as i64);
        let n = seri::unpack_message(l, m)?;
        Ok(Next::Call { args: n + 2, results: 0, ctx: 1, then: request_done })
    };

    /// First function of a request's coroutine: `serve_request(class, handler)`. Unpacks the message and calls the
    /// handler. Here, in the coroutine, because making strings and tables may raise.
    serve_request = |l| {
        let svc = Svc::of(l).ok_or("no service")?;
        let Told::Answer(m) = svc.take_wake() else {
            return Err("no message".into());
        };
        if !l.bool(2) {
            l.get_field(1, c"dispatch");
            l.replace(2);
            if !l.bool(2) {
                return no_handler(l, svc, m);
            }
        }
        l.push_value(2);
        l.push_int(m.session as i64);
        l.push_int(m.source.0 as i64);
        l.push_ref(svc.refs.unpack.get());
        let mut unpack = l.raw_get(1);
        if unpack == Type::Nil {
            l.pop(1);
            unpack = l.get_field(1, c"unpack");
        }
        if l.c_function(-1).is_some_and(is_unpack) {
            l.pop(1);
            check_foreign(svc, m)?;
            let n = seri::unpack_message(l, m)?;
            return Ok(Next::Call { args: n + 2, results: 0, ctx: 2, then: request_done });
        }
        if unpack == Type::Nil {
            return Err("attempt to call a nil value (field 'unpack')".into());
        }
        l.push_pointer(m.data as *mut c_void);
        l.push_int(m.len as i64);
        Ok(Next::Call { args: 2, results: MULTRET, ctx: 0, then: unpacked })
    };

    /// `object_text(error object)`: its text.
    object_text = |l| {
        l.to_display(1);
        results(1)
    };

    /// `trace_of(thread as light userdata)`.
    trace_of = |l| {
        // SAFETY: `describe` passes a thread that is stopped and alive.
        let of = unsafe { Lua::new(l.userdata(1).cast()) };
        l.traceback(of, 0);
        results(1)
    };

    /// Message handler: the text of the error object and a traceback.
    add_traceback = |l| {
        l.to_display(1);
        l.push_str("\n");
        l.traceback(l, 1);
        l.concat(3);
        results(1)
    };

    call_unknown_request = |l| {
        let svc = Svc::of(l).ok_or("no service")?;
        // SAFETY: `unknown_request` passes the address of a message on its stack.
        let m = unsafe { &*l.userdata(1).cast::<Incoming>() };
        if l.kind(2) == Type::Table {
            l.get_field(2, c"name");
            l.replace(2);
        }
        match svc.refs.unknown_request.get() {
            0 => l.push_function(default_unknown_request),
            handler => {
                l.push_ref(handler);
            }
        }
        push_message(l, m);
        l.push_value(2);
        l.call(5, 0);
        results(0)
    };

    /// `(session, source, msg, sz, prototype)`: what happens to a request of an unknown type
    default_unknown_request = |l| {
        let svc = Svc::of(l).ok_or("no service")?;
        l.to_display(5);
        let name = l.bytes(-1).unwrap_or(b"");
        // It may be a peer's: neither its lines nor all its bytes belong into the log.
        let mut line = [b"Unknown request (", name, b"): "].concat();
        line.extend_from_slice(Foreign::new(message_bytes(l)).to_string().as_bytes());
        log_text(l, svc, line);
        Err(unknown_session(l))
    };

    /// `(session, source, msg, sz)`: what happens to an answer that nobody waits for
    default_unknown_response = |l| {
        let svc = Svc::of(l).ok_or("no service")?;
        log_text(l, svc, [b"Response message : ", message_bytes(l)].concat());
        Err(unknown_session(l))
    };

    call_unknown_response = |l| {
        let svc = Svc::of(l).ok_or("no service")?;
        // SAFETY: `unknown_response` passes the address of a message on its stack.
        let m = unsafe { &*l.userdata(1).cast::<Incoming>() };
        match svc.refs.unknown_response.get() {
            0 => l.push_function(default_unknown_response),
            handler => {
                l.push_ref(handler);
            }
        }
        push_message(l, m);
        l.call(4, 0);
        results(0)
    };
}

/// In the coroutine of a message whose class, at 1, has no handler, not by its metatable either.
fn no_handler(l: Lua, svc: &Svc, m: &Incoming) -> Outcome {
    if let Some((session, source)) = svc.task_of(l).and_then(|id| svc.take_request_of(id))
        && session != 0
    {
        svc.fail_request(source, session);
        return results(0);
    }
    l.set_top(1);
    l.push_function(call_unknown_request);
    l.push_pointer(std::ptr::from_ref(m).cast_mut().cast());
    l.push_value(1);
    l.call(2, 0);
    results(0)
}

/// Pushes session, source, pointer and size.
fn push_message(l: Lua, m: &Incoming) {
    l.push_int(m.session as i64);
    l.push_int(m.source.0 as i64);
    l.push_pointer(m.data as *mut c_void);
    l.push_int(m.len as i64);
}

/// The payload given by the arguments 3 and 4, if it is that of the message being dispatched; what else is there is
/// not looked at.
fn message_bytes<'a>(l: Lua) -> &'a [u8] {
    let data: *const u8 = l.userdata(3).cast_const().cast();
    let Some(svc) = Svc::of(l) else { return b"" };
    svc.current()
        .filter(|m| std::ptr::eq(m.data, data))
        .map_or(b"", |m| m.bytes())
}

fn unknown_session(l: Lua) -> Fault {
    let (session, source) = (l.int(1).unwrap_or(0), l.int(2).unwrap_or(0));
    Fault::Plain(format!("Unknown session : {session} from {source:x}").into())
}

continuation! {
    /// The protocol's own `unpack` has run: class, handler, handler, session, source, values…
    unpacked = |l: Lua, _, _| {
        Ok(Next::Call { args: l.top() - 3, results: 0, ctx: 2, then: request_done })
    };

    /// The handler, at index `ctx`, has returned.
    request_done = |l: Lua, _, ctx| {
        let svc = Svc::of(l).ok_or("no service")?;
        // Not the running task if the application has resumed this one by itself.
        let forgotten = svc.with_task_of(l, |t, id| {
            let task = t.tasks.get_mut(id);
            let session = task.request.take().filter(|&s| s > 0)?;
            let source = task.source?;
            // Somebody may still answer by hand; if not, the requester hears of this service's end.
            t.owed.remember(session, source);
            Some((session, source))
        });
        if let Some((session, source)) = forgotten.flatten() {
            let place = function_place(l, ctx as c_int);
            log_text(l, svc, format!("Maybe forgot response session {session} from {source} : {place}").into_bytes());
        }
        results(0)
    };
}

/// `source:line` of the function at a stack index.
fn function_place(l: Lua, index: c_int) -> String {
    l.push_value(index);
    // SAFETY: `ar` is filled by `lua_getinfo`, which pops the function; the texts belong to it.
    unsafe {
        let mut ar: ffi::lua_Debug = std::mem::zeroed();
        ffi::lua_getinfo(l.0, c">S".as_ptr(), &mut ar);
        let source = std::ffi::CStr::from_ptr(ar.short_src.as_ptr());
        format!("{}:{}", source.to_string_lossy(), ar.linedefined)
    }
}

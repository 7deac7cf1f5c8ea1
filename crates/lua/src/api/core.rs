//! `skynet.core`: the low-level interface that many applications use directly.

use std::borrow::Cow;
use std::cell::Cell;
use std::ffi::c_int;

use mlua_sys::lua55::lua_CFunction;
use skynet_kernel::{LogQuota, text};
use skynet_wire::foreign::Foreign;

use crate::api::{self, ends, reload, select, send, service, system, target, time};
use crate::service::pack::{self, payload_argument};
use crate::service::{Mode, Svc, log};
use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::push_functions;
use skynet_vm::native::{Fault, Outcome, native, results};
use skynet_vm::place;

const FUNCTIONS: &[(&str, lua_CFunction)] = &[
    ("addresscommand", addresscommand),
    ("admit", admit),
    ("bind", ends::bind),
    ("callback", callback),
    ("check", check),
    ("command", command),
    ("end_because", ends::end_because),
    ("error", log::error),
    ("exchange", reload::exchange),
    ("fatal", ends::fatal),
    ("forget", select::forget),
    ("genid", system::genid),
    ("hand_over", ends::hand_over),
    ("harbor", system::harbor),
    ("hpc", time::hpc),
    ("intcommand", intcommand),
    ("keep", ends::keep),
    ("link", ends::link),
    ("memory", ends::memory),
    ("notices", ends::notices),
    ("now", time::now),
    ("on_answer", select::on_answer),
    ("owing", ends::owing),
    ("pack", pack::pack),
    ("packstring", pack::packstring),
    ("raise", raise),
    ("redirect", redirect),
    ("request_send", select::request_send),
    ("revive", ends::revive),
    ("send", core_send),
    ("setsession", setsession),
    ("shown", shown),
    ("stdin", super::stdin::stdin),
    ("tostring", pack::tostring),
    ("trace", trace),
    ("trap", ends::trap),
    ("trash", pack::trash),
    ("unlink", ends::unlink),
    ("unpack", pack::unpack),
    ("unpack_as", select::unpack_as),
    ("unwatch", ends::unwatch),
    ("watch", ends::watch),
];

/// Runs a text command; the result is pushed by `push`.
fn run_command(l: Lua, param: Option<&str>, push: impl FnOnce(String) -> Outcome) -> Outcome {
    let svc = service(l)?;
    let name = l.bytes_argument(1)?;
    let name = std::str::from_utf8(name).unwrap_or("");
    if name == "TIMEOUT" {
        // Sessions in use are skipped here, which the kernel does not know.
        let cs = param
            .and_then(|p| p.trim().parse::<i64>().ok())
            .unwrap_or(0);
        let session = time::bare_timeout(svc, cs.clamp(i32::MIN as i64, i32::MAX as i64) as i32);
        return push(session.to_string());
    }
    match svc.cx.node().command(&svc.cx, name, param.unwrap_or("")) {
        Some(result) => push(result),
        None => results(0),
    }
}

fn text_param<'a>(l: Lua) -> Result<Option<Cow<'a, str>>, Fault> {
    if l.is_none_or_nil(2) {
        return Ok(None);
    }
    let Some(bytes) = l.coerce_bytes(2) else {
        return Err(l.expected(2, "string"));
    };
    Ok(Some(text::from_bytes(bytes)))
}

fn message_type(l: Lua, i: c_int) -> Result<u8, Fault> {
    // Flags above the low byte have no meaning here: pointers are always owned, sessions are given or not.
    match l.int(i) {
        Some(n) => Ok(n as u8),
        None => Err(l.expected(i, "number")),
    }
}

/// Puts a registry reference to the top value into `cell`, freeing the old one.
fn set_ref(l: Lua, cell: &Cell<i32>) {
    let new = l.make_ref();
    let old = cell.replace(new);
    if old != 0 {
        l.free_ref(old);
    }
}

/// The function at `i` gets the service's messages from now on. *raises*
pub(crate) fn install_callback(l: Lua, svc: &Svc, i: c_int, forward: bool) {
    if svc.refs.callback_thread.get() == 0 {
        l.new_thread();
        set_ref(l, &svc.refs.callback_thread);
    }
    l.push_value(i);
    set_ref(l, &svc.refs.callback);
    svc.mode.set(Mode::Callback { forward });
}

/// The text at `i` becomes the error, behind a position; other values as they are. *raises*
fn raise_text(l: Lua, i: c_int) -> Outcome {
    l.set_top(i);
    if l.kind(i) == Type::String {
        l.push_where(place::level(l));
        l.insert(-2);
        l.concat(2);
    }
    Err(Fault::Raised)
}

native! {
    /// `require "skynet.core"`.
    open = |l| {
        push_functions(l, FUNCTIONS);
        results(1)
    };

    /// `shown(text)`: text of a peer as it may be put into a line of the log.
    shown = |l| {
        l.set_top(1);
        l.to_display(1);
        let shown = Foreign::new(l.bytes(-1).unwrap_or(b"")).to_string();
        l.push_owned(shown.into_bytes());
        results(1)
    };

    /// `admit()`: how many lines were left out before one that a stranger causes; nothing if it is to be left out too
    admit = |l| {
        let svc = service(l)?;
        let now = svc.cx.node().now_cs();
        match svc.own_part(|quota: &mut LogQuota| quota.admit(now)) {
            Some(left_out) => {
                l.push_int(left_out as i64);
                results(1)
            }
            None => results(0),
        }
    };

    /// `send(addr, type, session, msg [, sz])`
    core_send = |l| {
        let svc = service(l)?;
        let kind = message_type(l, 2)?;
        let to = target::target(l, svc, 1)?;
        let session = match l.kind(3) {
            Type::None | Type::Nil => svc.new_session(),
            _ => match l.int(3) {
                Some(n) => n as i32,
                None => return Err(l.expected(3, "number")),
            },
        };
        let payload = payload_argument(l, 4)?;
        target::push_sent(l, target::transmit(svc, to, svc.handle(), kind, session, payload), session)
    };

    /// `redirect(addr, source, type, session, msg [, sz])`
    redirect = |l| {
        let svc = service(l)?;
        let kind = message_type(l, 3)?;
        send::redirect_message(l, svc, kind)
    };

    /// `command(cmd [, param])`
    command = |l| {
        let param = text_param(l)?;
        run_command(l, param.as_deref(), |result| {
            l.push_owned(text::into_bytes(result));
            results(1)
        })
    };

    /// `intcommand(cmd [, param])`: the result as a number
    intcommand = |l| {
        if l.float(2).is_some() && l.int(2).is_none() {
            return Err("number has no integer representation".into());
        }
        if let Some(n) = l.int(2) {
            l.push_int(n);
            l.replace(2);
        }
        let param = text_param(l)?;
        run_command(l, param.as_deref(), |result| {
            if let Ok(n) = result.parse::<i64>() {
                l.push_int(n);
            } else if let Ok(n) = result.parse::<f64>() {
                l.push_float(n);
            } else {
                return Err(Fault::from(format!("Invalid result {result}")));
            }
            results(1)
        })
    };

    /// `addresscommand(cmd [, param])`: the resulting `:handle` as an integer
    addresscommand = |l| {
        let param = text_param(l)?;
        run_command(l, param.as_deref(), |result| match skynet_kernel::Handle::parse(&result) {
            Some(handle) => {
                l.push_int(handle.0 as i64);
                results(1)
            }
            None => results(0),
        })
    };

    /// `callback(f [, forward])`: `f(type, msg, sz, session, source)` handles messages from the next one on
    callback = |l| {
        let svc = service(l)?;
        if l.kind(1) != Type::Function {
            return Err(l.expected(1, "function"));
        }
        let forward = l.bool(2);
        l.set_top(1);
        if svc.mode.get() == Mode::Leaving {
            return results(0);
        }
        if api::protocol::is_dispatcher(l, 1) && !forward {
            svc.mode.set(Mode::Dispatcher);
        } else {
            install_callback(l, svc, 1, forward);
        }
        results(0)
    };

    /// `trace(tag, text [, co] [, level])`: `skynet.tracelog` under its own name, which errors show.
    trace = |l| system::log_trace(l);

    /// `check(v, text)`: as `assert`, with the position of the code that uses the library (`vm::place`)
    check = |l| {
        if l.bool(1) {
            return results(l.top());
        }
        raise_text(l, 2)
    };

    /// `raise(text)`: as `error`, likewise
    raise = |l| raise_text(l, 1);

    /// `setsession(n)`: the next session is n + 1. For tests of the wrap-around.
    setsession = |l| {
        let svc = service(l)?;
        match l.int(1) {
            Some(n) if (0..=i32::MAX as i64).contains(&n) => svc.cx.set_session(n as i32),
            _ => return Err(Fault::Argument(1, "session expected".into())),
        }
        results(0)
    };
}

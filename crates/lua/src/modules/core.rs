//! `skynet.core`: the low-level interface that many applications use directly.

use std::cell::Cell;
use std::ffi::c_int;

use mlua_sys::lua55::lua_CFunction;

use super::push_functions;
use crate::api::pack::payload_argument;
use crate::api::{self, send, service, system, time};
use crate::service::{Mode, Svc};
use crate::vm::lua::{Lua, Type};
use crate::vm::native::{Fault, Outcome, native, results};
use crate::vm::place;

const FUNCTIONS: &[(&str, lua_CFunction)] = &[
    ("addresscommand", addresscommand),
    ("callback", callback),
    ("check", check),
    ("command", command),
    ("error", system::error),
    ("forget", send::forget),
    ("genid", system::genid),
    ("harbor", system::harbor),
    ("hpc", time::hpc),
    ("intcommand", intcommand),
    ("now", time::now),
    ("on_answer", send::on_answer),
    ("pack", api::pack::pack),
    ("packstring", api::pack::packstring),
    ("raise", raise),
    ("redirect", redirect),
    ("request_send", send::request_send),
    ("send", core_send),
    ("setsession", setsession),
    ("stdin", super::stdin::stdin),
    ("tostring", api::pack::tostring),
    ("trace", system::tracelog),
    ("trash", api::pack::trash),
    ("unpack", api::pack::unpack),
    ("unpack_as", send::unpack_as),
];

/// Runs a text command; the result is pushed by `push`.
fn run_command(l: Lua, param: Option<&str>, push: impl FnOnce(String) -> Outcome) -> Outcome {
    let svc = service(l)?;
    let name = l.bytes(1).ok_or(Fault::Argument(
        1,
        format!("string expected, got {}", l.type_name(1)).into(),
    ))?;
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

fn text_param<'a>(l: Lua) -> Result<Option<&'a str>, Fault> {
    if l.is_none_or_nil(2) {
        return Ok(None);
    }
    let Some(bytes) = l.coerce_bytes(2) else {
        return Err(Fault::Argument(
            2,
            format!("string expected, got {}", l.type_name(2)).into(),
        ));
    };
    std::str::from_utf8(bytes)
        .map(Some)
        .map_err(|_| Fault::Argument(2, "valid UTF-8 expected".into()))
}

fn message_type(l: Lua, i: c_int) -> Result<u8, Fault> {
    // Flags above the low byte have no meaning here: pointers are always owned, sessions are given or not.
    match l.int(i) {
        Some(n) => Ok(n as u8),
        None => Err(Fault::Argument(
            i,
            format!("number expected, got {}", l.type_name(i)).into(),
        )),
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
    open = |l| {
        push_functions(l, FUNCTIONS);
        results(1)
    };

    /// `send(addr, type, session, msg [, sz])`
    core_send = |l| {
        let svc = service(l)?;
        let kind = message_type(l, 2)?;
        let to = send::target(l, svc, 1)?;
        let session = match l.kind(3) {
            Type::None | Type::Nil => svc.new_session(),
            _ => match l.int(3) {
                Some(n) => n as i32,
                None => return Err(Fault::Argument(3, format!("number expected, got {}", l.type_name(3)).into())),
            },
        };
        let payload = payload_argument(l, 4)?;
        send::push_sent(l, send::transmit(svc, to, svc.handle(), kind, session, payload), session)
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
        run_command(l, param, |result| {
            l.push_owned(result);
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
        run_command(l, param, |result| {
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
        run_command(l, param, |result| match skynet_kernel::Handle::parse(&result) {
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
            return Err(Fault::Argument(1, format!("function expected, got {}", l.type_name(1)).into()));
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

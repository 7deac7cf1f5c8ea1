//! `skynet.consolefront`: what the service debug_console calls. One console a service.
//!
//! The service gets messages of the type SYSTEM, packed: `connection, "run", number, line` asks it to run a command, which it
//! answers by `reply`; `connection, "input", number, line` and `connection, "close", number` belong to a command that is a
//! conversation.

use std::ffi::c_int;

use mlua_sys::lua55::lua_CFunction;

use super::connection::Answer;
use super::{Front, Guard};
use crate::api::service;
use crate::modules::push_functions;
use crate::service::Svc;
use crate::vm::lua::{Lua, Type};
use crate::vm::native::{Fault, native, results};

const FUNCTIONS: &[(&str, lua_CFunction)] =
    &[("listen", listen), ("reply", reply), ("write", write)];

fn text<'a>(l: Lua, i: c_int) -> Result<&'a [u8], Fault> {
    l.bytes(i).ok_or_else(|| {
        Fault::Argument(i, format!("string expected, got {}", l.type_name(i)).into())
    })
}

/// The connection of the number at 1, if it is still there.
fn with_connection(svc: &Svc, l: Lua, f: impl FnOnce(&super::connection::Connection)) {
    let id = l.int(1).unwrap_or(0) as u64;
    let connection = svc.with(|t| t.console.as_ref().and_then(|guard| guard.0.connection(id)));
    if let Some(connection) = connection {
        f(&connection);
    }
}

native! {
    open = |l| {
        push_functions(l, FUNCTIONS);
        results(1)
    };

    /// `listen(ip, port, password?)`: the port
    listen = |l| {
        let svc = service(l)?;
        let ip = String::from_utf8_lossy(text(l, 1)?);
        let port = l.int(2).and_then(|n| u16::try_from(n).ok());
        let Some(port) = port else {
            return Err(Fault::Argument(2, "a port is a number from 0 to 65535".into()));
        };
        let password = match l.kind(3) {
            Type::String => Some(String::from_utf8_lossy(text(l, 3)?).into_owned()),
            _ => None,
        };
        if svc.with(|t| t.console.is_some()) {
            return Err("this service has a console".into());
        }
        match Front::listen(svc.cx.node(), svc.handle(), &ip, port, password) {
            Ok((front, address)) => {
                svc.with(|t| t.console = Some(Guard(front)));
                l.push_int(i64::from(address.port()));
                results(1)
            }
            Err(error) => Err(Fault::from(format!("Can't listen on {ip}:{port}: {error}"))),
        }
    };

    /// `reply(connection, number, ok, text)`
    reply = |l| {
        let svc = service(l)?;
        let (run, ok, text) = (l.int(2).unwrap_or(0) as u64, l.bool(3), text(l, 4)?.to_vec());
        with_connection(svc, l, |connection| connection.done(run, Answer { ok, text }));
        results(0)
    };

    /// `write(connection, text)`
    write = |l| {
        let svc = service(l)?;
        let text = text(l, 2)?.to_vec();
        with_connection(svc, l, |connection| connection.text(text));
        results(0)
    };
}

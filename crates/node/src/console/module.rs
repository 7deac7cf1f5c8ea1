//! `skynet.consolefront`: what the service debug_console calls. One console a service.
//!
//! The service gets messages of the type SYSTEM from itself, packed: `connection, "run", number, line` asks it to run a
//! command, which it answers by `reply` (`call` and `inject` have more values, see `prepare.rs`);
//! `connection, "forget", number` says that nobody waits for that any more; `connection, "input", number, line` and
//! `connection, "close", number` belong to a command that is a conversation.

use std::ffi::c_int;

use mlua_sys::lua55::lua_CFunction;
use rustc_hash::FxHashSet;

use super::connection::Answer;
use super::{Front, Guard};
use skynet_lua::{Svc, service};
use skynet_modules::Secrets;
use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::push_functions;
use skynet_vm::native::{Fault, native, results};

const FUNCTIONS: &[(&str, lua_CFunction)] =
    &[("listen", listen), ("reply", reply), ("write", write)];

/// The console that a service has opened.
#[derive(Default)]
struct Console(Option<Guard>);

fn text<'a>(l: Lua, i: c_int) -> Result<&'a [u8], Fault> {
    l.bytes_argument(i)
}

/// The connection of the number at 1, if it is still there.
fn with_connection(svc: &Svc, l: Lua, f: impl FnOnce(&super::connection::Connection)) {
    let id = l.int(1).unwrap_or(0) as u64;
    let connection =
        svc.own_part(|Console(guard)| guard.as_ref().and_then(|guard| guard.0.connection(id)));
    if let Some(connection) = connection {
        f(&connection);
    }
}

/// The strings among the keys of the table at `table`, which is on the top.
fn keys(l: Lua, table: c_int) -> FxHashSet<Vec<u8>> {
    let mut keys = FxHashSet::default();
    l.push_nil();
    while l.next(table) {
        if l.kind(table + 1) == Type::String {
            keys.extend(l.bytes(table + 1).map(<[u8]>::to_vec));
        }
        l.set_top(table + 1);
    }
    keys
}

native! {
    open = |l| {
        push_functions(l, FUNCTIONS);
        results(1)
    };

    /// `listen(ip, port, password, commands)`: the port. An empty password, or nil, is none; `true` is that of the
    /// config. The commands are the keys of a table; nil: every line is one.
    listen = |l| {
        let svc = service(l)?;
        let ip = String::from_utf8_lossy(text(l, 1)?);
        let port = l.int(2).and_then(|n| u16::try_from(n).ok());
        let Some(port) = port else {
            return Err(Fault::Argument(2, "a port is a number from 0 to 65535".into()));
        };
        let password = match l.kind(3) {
            Type::String => Some(text(l, 3)?.to_vec()).filter(|password| !password.is_empty()),
            Type::Boolean if l.bool(3) => {
                let secrets = svc.node_part::<Secrets>();
                let password = secrets.and_then(|secrets| secrets.get("consolepassword"));
                password.map(skynet_kernel::text::into_bytes)
            }
            _ => None,
        };
        l.set_top(4);
        let commands = match l.kind(4) {
            Type::Nil => None,
            Type::Table => Some(keys(l, 4)),
            _ => return Err(Fault::Argument(4, "a table of commands expected".into())),
        };
        if svc.own_part(|Console(guard)| guard.is_some()) {
            return Err("this service has a console".into());
        }
        match Front::listen(svc.cx.node(), svc.handle(), &ip, port, password, commands) {
            Ok((front, address)) => {
                svc.own_part(|Console(guard)| *guard = Some(Guard(front)));
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

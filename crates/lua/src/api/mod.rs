//! The `skynet` module: the functions that every service uses, native.
//!
//! One file per theme. What a typical service calls once or never is Lua (`lualib/skynet/lazy.lua`), loaded at the
//! first access.

#[cfg(feature = "shared-code")]
pub(crate) mod common;
pub(crate) mod core;
mod ends;
pub(crate) mod protocol;
mod reload;
pub(crate) mod reply;
mod select;
pub(crate) mod send;
mod stdin;
pub(crate) mod system;
pub(crate) mod target;
pub(crate) mod task;
pub(crate) mod time;

use mlua_sys::lua55::lua_CFunction;

use crate::code::{require, search};
pub(crate) use crate::service::service;
use crate::service::{log, pack};
use skynet_vm::lua::{Lua, REGISTRY, Type};
use skynet_vm::native::{Fault, Outcome, native, results};

/// Message types under the names that Lua code uses.
const TYPES: &[(&str, i64)] = &[
    ("PTYPE_TEXT", 0),
    ("PTYPE_RESPONSE", 1),
    ("PTYPE_MULTICAST", 2),
    ("PTYPE_CLIENT", 3),
    ("PTYPE_SYSTEM", 4),
    ("PTYPE_HARBOR", 5),
    ("PTYPE_SOCKET", 6),
    ("PTYPE_ERROR", 7),
    ("PTYPE_QUEUE", 8),
    ("PTYPE_DEBUG", 9),
    ("PTYPE_LUA", 10),
    ("PTYPE_SNAX", 11),
    ("PTYPE_TRACE", 12),
];

/// What most services use. It just fits a table of 32.
const COMMON: &[(&str, lua_CFunction)] = &[
    ("address", system::address),
    ("call", send::call),
    ("context", reply::context),
    ("dispatch", protocol::dispatch),
    ("error", log::error),
    ("exit", task::exit),
    ("fork", task::fork),
    ("getenv", system::getenv),
    ("ignoreret", reply::ignoreret),
    ("init", require::init),
    ("localname", system::localname),
    ("now", time::now),
    ("pack", pack::pack),
    ("rawcall", send::rawcall),
    ("redirect", send::redirect),
    ("register_protocol", protocol::register_protocol),
    ("response", reply::response),
    ("ret", reply::ret),
    ("retpack", reply::retpack),
    ("self", system::self_handle),
    ("send", send::send),
    ("sleep", time::sleep),
    ("start", task::start),
    ("time", time::time),
    ("timeout", time::timeout),
    ("unpack", pack::unpack),
    ("wait", time::wait),
    ("wakeup", time::wakeup),
    ("yield", time::yield_),
];

/// What comes in at the first access to a key that is not there.
const OTHERS: &[(&str, lua_CFunction)] = &[
    ("dispatch_message", protocol::dispatch_message),
    (
        "dispatch_unknown_request",
        protocol::dispatch_unknown_request,
    ),
    (
        "dispatch_unknown_response",
        protocol::dispatch_unknown_response,
    ),
    ("endless", system::endless),
    ("genid", system::genid),
    ("harbor", system::harbor),
    ("hpc", time::hpc),
    ("init_service", task::init_service),
    ("killthread", task::killthread),
    ("memlimit", system::memlimit),
    ("mqage", system::mqage),
    ("mqlen", system::mqlen),
    ("mqlimit", system::mqlimit),
    ("packstring", pack::packstring),
    ("rawsend", send::rawsend),
    ("setenv", system::setenv),
    ("sleepms", time::sleepms),
    ("starttime", time::starttime),
    ("stat", system::stat),
    ("task", task::task),
    ("term", task::term),
    ("timeoutcall", send::timeoutcall),
    ("timer", time::timer),
    ("tostring", pack::tostring),
    ("trace", system::trace),
    ("trace_timeout", system::trace_timeout),
    ("tracecall", send::tracecall),
    ("tracelog", system::tracelog),
    ("traceproto", protocol::traceproto),
    ("tracetag", system::tracetag),
    ("trash", pack::trash),
];

/// Names of the module's functions and constants.
#[cfg(feature = "shared-code")]
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    let functions = COMMON.iter().chain(OTHERS).map(|(name, _)| *name);
    functions.chain(TYPES.iter().map(|(name, _)| *name))
}

/// Tables that go with `skynet` and that few applications change: the class tables of `protocol::STANDARD`, and the
/// metatables of `skynet` and of `package.loaded`.
#[cfg(feature = "shared-code")]
pub(crate) const CLASSES: usize = protocol::STANDARD.len() + 2;
const METATABLE: usize = protocol::STANDARD.len();
const LOADED_METATABLE: usize = METATABLE + 1;

/// Modules that are there with `skynet`, and in `package.loaded` when somebody looks for them.
const WITH_SKYNET: [&str; 4] = [
    "skynet.codecache",
    "skynet.core",
    "skynet.profile",
    "skynet.require",
];

/// Makes one of them. *raises*
pub(crate) fn push_class(l: Lua, class: usize) {
    if class < protocol::STANDARD.len() {
        return protocol::push_standard(l, class);
    }
    l.new_table(0, 2);
    if class == LOADED_METATABLE {
        l.push_function(loaded_index);
        l.raw_set_str(-2, "__index");
        return;
    }
    l.push_function(index);
    l.raw_set_str(-2, "__index");
    l.push_function(pairs);
    l.raw_set_str(-2, "__pairs");
}

/// Pushes one of them, with a content that services have in common if possible. *raises*
fn push_common_class(l: Lua, class: usize) {
    #[cfg(feature = "shared-code")]
    if common::push_class(l, class) {
        return;
    }
    push_class(l, class);
}

native! {
    /// `require "skynet"`.
    open = |l| {
        let svc = service(l)?;
        if svc.refs.skynet.get() != 0 {
            l.push_ref(svc.refs.skynet.get());
            return results(1);
        }
        #[cfg(feature = "shared-code")]
        let pushed = common::push_skynet(l);
        #[cfg(not(feature = "shared-code"))]
        let pushed = false;
        if !pushed {
            push_common(l);
        }
        let skynet = l.top();
        push_common_class(l, METATABLE);
        l.set_metatable(skynet);
        l.get_field(REGISTRY, c"_LOADED");
        push_common_class(l, LOADED_METATABLE);
        l.set_metatable(-2);
        l.pop(1);
        protocol::register_standard(l, svc, skynet);
        l.push_value(skynet);
        svc.replaced.watch(l);
        svc.refs.skynet.set(l.make_ref());
        results(1)
    };

    /// A module that is not in `package.loaded`.
    loaded_index = |l| {
        let name = WITH_SKYNET.iter().find(|name| l.bytes(2) == Some(name.as_bytes()));
        let Some(open) = name.and_then(|name| service(l).ok()?.library().open(name)) else {
            return results(0);
        };
        l.set_top(2);
        l.push_function(open);
        l.push_value(2);
        l.call(1, 1);
        l.push_value(2);
        l.push_value(-2);
        l.raw_set(1);
        results(1)
    };

    /// First access to a key that is not there: the other native functions come in.
    index = |l| {
        l.set_top(2);
        if l.bytes(2) == Some(b"_proto") {
            return expose_protocols(l);
        }
        add_others(l);
        l.push_value(2);
        if l.raw_get(1) == Type::Nil {
            load_lazy(l)?;
            l.push_value(2);
            l.raw_get(1);
        }
        results(1)
    };

    /// And those written in Lua.
    lazy_index = |l| {
        l.set_top(2);
        if l.bytes(2) == Some(b"_proto") {
            return expose_protocols(l);
        }
        load_lazy(l)?;
        l.push_value(2);
        l.raw_get(1);
        results(1)
    };

    /// Everything else is in the table.
    protocols_index = |l| {
        if l.bytes(2) == Some(b"_proto") {
            return expose_protocols(l);
        }
        results(0)
    };

    /// Who walks over the table sees all of it.
    pairs = |l| {
        l.set_top(1);
        l.push_nil();
        if l.raw_get_str(1, "PTYPE_TEXT") == Type::Nil {
            add_others(l);
        }
        load_lazy(l)?;
        expose_protocols(l)?;
        l.raw_set_str(1, "_proto");
        l.get_global(c"next");
        l.push_value(1);
        l.push_nil();
        results(3)
    };
}

/// Pushes a table with what most services use. *raises*
pub(crate) fn push_common(l: Lua) {
    l.new_table(0, COMMON.len());
    for (name, f) in COMMON {
        l.push_function(*f);
        l.raw_set_str(-2, name);
    }
}

/// Pops a value for the table at 1, where what the application has put there itself stays. *raises*
fn set_missing(l: Lua, name: &'static str) {
    let missing = l.raw_get_str(1, name) == Type::Nil;
    l.pop(1);
    if missing {
        l.raw_set_str(1, name);
    } else {
        l.pop(1);
    }
}

/// Adds what `COMMON` leaves out to the table at 1. *raises*
fn add_others(l: Lua) {
    for (name, f) in OTHERS {
        l.push_function(*f);
        set_missing(l, name);
    }
    for (name, n) in TYPES {
        l.push_int(*n);
        set_missing(l, name);
    }
    l.get_global(c"pcall");
    set_missing(l, "pcall");
    l.get_field(REGISTRY, c"_LOADED");
    l.get_field(-1, c"skynet.codecache");
    l.remove(-2);
    set_missing(l, "cache");
    l.new_table(0, 2);
    l.push_function(lazy_index);
    l.raw_set_str(-2, "__index");
    l.push_function(pairs);
    l.raw_set_str(-2, "__pairs");
    l.set_metatable(1);
}

/// Pushes `_proto`. From now on the application may change the class tables. *raises*
fn expose_protocols(l: Lua) -> Outcome {
    let svc = service(l)?;
    svc.exposed.set(true);
    l.push_ref(svc.refs.protocols.get());
    results(1)
}

/// Copies the functions of `skynet.lazy` into the table at 1, once, but for those that the application has replaced;
/// only `_proto` is left to look up. *raises*
fn load_lazy(l: Lua) -> Result<(), Fault> {
    l.new_table(0, 1);
    l.push_function(protocols_index);
    l.raw_set_str(-2, "__index");
    l.set_metatable(1);
    search::load_module(l, "skynet.lazy")?;
    l.push_str("skynet.lazy");
    l.call(1, 1);
    if l.kind(-1) == Type::Table {
        let lazy = l.top();
        l.push_nil();
        while l.next(lazy) {
            l.push_value(-2);
            if l.raw_get(1) == Type::Nil {
                l.pop(1);
                l.push_value(-2);
                l.insert(-2);
                l.raw_set(1);
            } else {
                l.pop(2);
            }
        }
    }
    l.pop(1);
    Ok(())
}

//! The native Lua modules besides `skynet` itself, and what is prepared in every state.

pub(crate) mod boxed;
mod clientsocket;
pub(crate) mod cluster;
pub(crate) mod codecache;
pub(crate) mod core;
pub(crate) mod coroutine;
pub(crate) mod datasheet;
pub(crate) mod debugchannel;
pub(crate) mod memory;
pub(crate) mod multicast;
pub(crate) mod profile;
pub(crate) mod sharedata;
#[cfg(feature = "shared-code")]
pub(crate) mod sharetable;
#[cfg(not(feature = "shared-code"))]
mod sharetable {
    crate::vm::native::native! {
        open = |_| Err("this program is built without the feature shared-code".into());
    }
}
pub(crate) mod socket;
pub(crate) mod sproto;
mod stdin;
pub(crate) mod stm;

use mlua_sys::lua55::lua_CFunction;

use crate::api;
use crate::code::require;
use crate::service::Svc;
use crate::vm::lua::Lua;
use crate::vm::native::Fault;

/// Native modules by name.
const NATIVE: &[(&str, lua_CFunction)] = &[
    ("client.socket", clientsocket::open),
    ("skynet", api::open),
    ("skynet.cluster.core", cluster::open),
    ("skynet.core", core::open),
    ("skynet.consolefront", crate::console::module::open),
    ("skynet.coroutine", coroutine::open),
    ("skynet.datasheet.core", datasheet::open),
    ("skynet.memory", memory::open),
    ("skynet.multicast.core", multicast::open),
    ("skynet.debugchannel", debugchannel::open),
    ("skynet.netpack", socket::netpack::open),
    ("skynet.profile", profile::open),
    ("skynet.sharedata.core", sharedata::open),
    ("skynet.sharetable.core", sharetable::open),
    ("skynet.socketdriver", socket::driver::open),
    ("skynet.stm", stm::open),
    ("sproto.core", sproto::open),
    ("skynet.codecache", codecache::open),
    ("skynet.require", require::open),
];

/// The function that opens a native module.
pub(crate) fn native(name: &str) -> Option<lua_CFunction> {
    NATIVE
        .iter()
        .find(|(n, _)| *n == name)
        .map(|(_, open)| *open)
}

/// Names of the native modules.
pub fn native_names() -> impl Iterator<Item = &'static str> {
    NATIVE.iter().map(|(name, _)| *name)
}

/// Strings that start-up code puts into every state, or nearly every.
#[cfg(feature = "shared-code")]
pub(crate) fn common_strings() -> impl Iterator<Item = &'static str> {
    const OTHERS: &[&str] = &[
        "dispatch",
        "unpack",
        "pack",
        "name",
        "id",
        "lua",
        "text",
        "system",
        "response",
        "error",
        "snlua",
        "skynet_context",
        "memlimit",
        "LUA_NOENV",
        "SERVICE_NAME",
        "SERVICE_PATH",
        "skynet.inits",
        "skynet.plain_require",
        "skynet.loading",
        "_LOADED",
        "_PRELOAD",
        ":native:",
        ":preload:",
    ];
    native_names()
        .chain(api::names())
        .chain(OTHERS.iter().copied())
}

/// Sets a fresh state up for a service: the dispatcher's references. *raises*
pub(crate) fn prepare(l: Lua) -> Result<(), Fault> {
    let svc = Svc::of(l).ok_or("no service")?;
    for (cell, name) in [
        (&svc.refs.dispatch, "dispatch"),
        (&svc.refs.unpack, "unpack"),
        (&svc.refs.pack, "pack"),
    ] {
        l.push_str(name);
        cell.set(l.make_ref());
    }
    for cell in [&svc.refs.tokens, &svc.refs.protocols] {
        l.new_table(0, 0);
        cell.set(l.make_ref());
    }
    Ok(())
}

/// A module table of native functions. *raises*
pub(crate) fn push_functions(l: Lua, functions: &[(&'static str, lua_CFunction)]) {
    l.new_table(0, functions.len());
    for (name, f) in functions {
        l.push_function(*f);
        l.raw_set_str(-2, name);
    }
}

//! What Lua code of skynet-rs can require: native modules, a folder a theme, and the Lua files of the folders `lualib`
//! and `service`, which are inside the program.
//!
//! A module is a file in the folder of its theme, with a native function `open` that pushes the module, and a line in
//! [`NATIVE`]. What it keeps for a service or for a node it finds by [`Svc::own_part`](skynet_lua::Svc::own_part) and
//! [`Svc::node_part`](skynet_lua::Svc::node_part).

mod absent;
mod boxed;
mod cluster;
mod crypt;
mod data;
mod db;
mod debug;
mod embedded;
mod http;
mod owned;
mod secrets;
mod sharing;
mod sockets;
mod text;
mod tls;

use std::sync::Arc;

use skynet_lua::{Library, Native, Parts, open};
use skynet_net::LazyNet;

pub use embedded::{CORE_MODULES, CORE_SERVICES};
pub use secrets::Secrets;
pub use tls::{Tls, Verify};

/// Native modules by name.
pub const NATIVE: Native = &[
    ("bson", data::bson::open),
    ("client.crypt", crypt::open),
    ("client.socket", sockets::clientsocket::open),
    ("ltls.c", tls::ltls::open),
    ("ltls.init.c", tls::ltls::open_init),
    ("md5.core", crypt::md5::open),
    ("skynet", open::skynet),
    ("skynet.cluster.core", cluster::open),
    ("skynet.core", open::core),
    ("skynet.coroutine", open::coroutine),
    ("skynet.crypt", crypt::open),
    ("skynet.datasheet.core", sharing::datasheet::open),
    ("skynet.db.pgsql.core", db::pgsql::open),
    ("skynet.discovery.core", secrets::open),
    ("skynet.dns.core", sockets::dns::open),
    ("skynet.http.core", http::open),
    ("skynet.db.mongo.core", db::mongo::open_core),
    ("skynet.db.mysql.core", db::mysql::open),
    ("skynet.db.redis.core", db::redis::open),
    ("skynet.lpeg.core", text::lpeg::open),
    ("skynet.re.core", text::re::open),
    ("skynet.json.core", data::json::open),
    ("skynet.memory", debug::memory::open),
    ("skynet.mongo.driver", db::mongo::open_driver),
    ("skynet.multicast.core", sharing::multicast::open),
    ("skynet.debugchannel", debug::debugchannel::open),
    ("skynet.netpack", sockets::netpack::open),
    ("skynet.profile", open::profile),
    ("skynet.sharedata.core", sharing::sharedata::open),
    ("skynet.sharetable.core", sharing::sharetable::open),
    ("skynet.socketdriver", sockets::driver::open),
    ("skynet.stm", sharing::stm::open),
    ("skynet.tls.core", tls::ltls::open_core),
    ("sproto.core", data::sproto::open),
    ("skynet.codecache", open::codecache),
    ("skynet.require", open::require),
];

/// Everything above, and the Lua files inside the program.
pub const LIBRARY: Library = Library {
    native: &[NATIVE],
    modules: embedded::MODULES,
    services: embedded::SERVICES,
    core_modules: CORE_MODULES,
    core_services: CORE_SERVICES,
    is_module_file: embedded::is_module_file,
    hint: absent::hint,
};

/// What the modules need of the node, for [`LuaOptions`](skynet_lua::LuaOptions).
pub fn parts(
    net: Arc<LazyNet>,
    verify: Verify,
    secrets: Secrets,
    directory: Arc<skynet_cluster::Directory>,
) -> Parts {
    Parts::default()
        .with(net)
        .with(secrets)
        .with(directory)
        .with(data::sproto::Slots::default())
        .with(Tls::new(verify))
        .with(crypt::password::Passwords::default())
}

//! Lua services for skynet-rs: stock Lua 5.5, the native dispatcher, and the native Lua modules.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let builder = skynet_kernel::Node::builder().env("start", "main");
//! let node = skynet_lua::install(builder, skynet_lua::LuaOptions::default()).start()?;
//! node.launch(skynet_kernel::Handle::NONE, "snlua", "bootstrap");
//! node.run();
//! node.wait();
//! # Ok(())
//! # }
//! ```
//!
//! * `vm/`: the C API under Rust names, native functions, allocator, pack format.
//! * `service/`: one Lua service: dispatcher, tasks, sessions.
//! * `api/`: the `skynet` module. `modules/`: the other native modules.
//! * `console/`: the debug console's side that needs no worker.
//! * `code/`: embedded Lua files, code cache, search. `config/`: config files.

mod api;
mod code;
pub mod config;
mod console;
pub mod interpreter;
mod modules;
mod service;
mod vm;

use std::sync::Arc;

use skynet_kernel::NodeBuilder;
use skynet_net::LazyNet;

pub use code::embedded::{CORE_MODULES, CORE_SERVICES, has_service};
pub use modules::native_names;

/// The headers of the Lua that is inside, for C modules: name and text.
pub const HEADERS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/headers.rs"));

/// Settings of the Lua services of a node.
#[derive(Clone, Debug, Default)]
pub struct LuaOptions {
    /// Deadline of calls that name none, in centiseconds; none: they wait as long as it takes.
    pub call_timeout_cs: Option<u32>,
    /// The socket engine, which native services may share.
    pub net: Arc<LazyNet>,
}

/// What the Lua services of a node have in common.
pub(crate) struct Shared {
    pub(crate) options: LuaOptions,
    pub(crate) accounts: vm::alloc::Accounts,
    pub(crate) schemas: modules::sproto::Slots,
}

/// Registers the module `snlua`, which runs Lua services.
pub fn install(builder: NodeBuilder, options: LuaOptions) -> NodeBuilder {
    let shared = Arc::new(Shared {
        options,
        accounts: vm::alloc::Accounts::default(),
        schemas: modules::sproto::Slots::default(),
    });
    builder.module(
        "snlua",
        skynet_kernel::factory(move || service::LuaService::new(Arc::clone(&shared))),
    )
}

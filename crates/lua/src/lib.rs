//! Lua services for skynet-rs: the dispatcher, and the module `skynet`.
//!
//! * `service/`: one Lua service: dispatcher, tasks, sessions.
//! * `api/`: the `skynet` module, and those that are one with the dispatcher.
//! * `code/`: where code comes from: search, `require`, the code cache. `boot.rs`: from the first message to a running
//!   main script.
//!
//! What else Lua code can require is handed in as a [`Library`].

mod api;
mod boot;
mod code;
mod library;
mod service;

use std::sync::Arc;

use skynet_kernel::NodeBuilder;

pub use code::foreign;
pub use code::search::OLD_NAMES;
pub use library::{Embedded, Library, Native};
pub use service::options::LuaOptions;
pub use service::pack::{message_bytes, payload_argument};
pub use service::parts::Parts;
pub use service::signals::attend;
pub use service::{Incoming, Svc, Told, service};

/// What a native module needs to send and to wait as `skynet.call` does.
pub mod calls {
    pub use crate::api::send::{Tracing, check_yieldable, new_session, request, wait};
    pub use crate::api::target::{Target, target, transmit};
    pub use crate::service::sessions::NO_DEADLINE;
}

/// The modules that are one with the dispatcher: what `require` calls for each.
pub mod open {
    pub use crate::api::core::open as core;
    pub use crate::api::open as skynet;
    pub use crate::code::codecache::open as codecache;
    pub use crate::code::require::open as require;
    pub use crate::service::coroutine::open as coroutine;
    pub use crate::service::profile::open as profile;
}

/// Registers the module `snlua`, which runs Lua services.
pub fn install(builder: NodeBuilder, options: LuaOptions) -> NodeBuilder {
    skynet_vm::place::pass_over(options.library.is_module_file);
    let shared = Arc::new(service::options::Shared {
        options,
        accounts: skynet_vm::alloc::Accounts::default(),
        told_loops: service::told_loops::ToldLoops::default(),
        boot: Svc::boot,
    });
    builder.module(
        "snlua",
        skynet_kernel::factory(move || service::LuaService::new(Arc::clone(&shared))),
    )
}

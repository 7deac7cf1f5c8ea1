//! Services written in C, and the functions that they and C modules for Lua may call.
//!
//! A module that nobody has registered is looked for in shared libraries, by the patterns of `cpath` ([`install`]);
//! `library.rs` loads one and finds its functions. `service.rs` makes a kernel service of it. What the library calls
//! (`skynet_send` and the like, declared in `include/`) is in `shim.c`, which goes on to `host.rs` through one table of
//! functions. `sockets.c` and `sockets.rs` are the same for sockets.
//!
//! # Who owns what
//! `struct skynet_context *` is the address of the kernel's [`Context`](skynet_kernel::Context), which the service
//! holds until its library's `release` has returned; so it is valid for as long as C code may use it. A message is a
//! block of [`skynet_kernel::block`]: it goes to the callback without a copy, and is freed afterwards unless the
//! callback keeps it. With mimalloc's override, which the `skynet` program has, `malloc` and `free` of the whole
//! process are that allocator.
//!
//! # Threads
//! A service is entered by one thread at a time, as any service; only its signal function is called by others. The
//! functions of the table may be called by any thread.

mod extension;
mod host;
mod library;
mod service;
mod sockets;

use std::sync::Arc;

use skynet_kernel::{Factory, Node, NodeBuilder};
use skynet_net::LazyNet;

/// The headers for C code: name and text. They need those of Lua for nothing.
pub const HEADERS: &[(&str, &str)] = &[
    ("skynet.h", include_str!("../include/skynet.h")),
    (
        "skynet_malloc.h",
        include_str!("../include/skynet_malloc.h"),
    ),
    (
        "skynet_socket.h",
        include_str!("../include/skynet_socket.h"),
    ),
    (
        "socket_buffer.h",
        include_str!("../include/socket_buffer.h"),
    ),
];

/// Gives the C code of a node its sockets: the functions of `skynet_socket.h` work from here on.
pub fn use_sockets(node: &Arc<Node>, net: Arc<LazyNet>) {
    sockets::use_engine(node, net);
}

/// Looks for modules that are not registered in shared libraries. `patterns` are separated by `;`, and `?` stands for
/// the module's name.
///
/// The functions of the headers work from here on, also for C modules of Lua services.
pub fn install(builder: NodeBuilder, patterns: &str) -> NodeBuilder {
    host::install();
    sockets::install();
    let patterns = patterns.to_owned();
    builder.module_loader(Arc::new(move |name| {
        let library = library::Library::find(&patterns, name)?;
        Ok(library.map(|library| {
            let library = Arc::new(library);
            Arc::new(move || service::make(&library)) as Factory
        }))
    }))
}

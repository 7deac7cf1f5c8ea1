//! The socket engine of skynet-rs: TCP, UDP and foreign descriptors, whose events reach services as
//! messages.
//!
//! A [`Net`] belongs to one [`Node`](skynet_kernel::Node). Services name sockets by small integers
//! and never touch descriptors. Every event is a message of kind
//! [`SOCKET`](skynet_kernel::kind::SOCKET), source 0, session 0, to the service that owns the
//! socket; [`SocketEvent`] reads it.
//!
//! # How it works
//! * A **slot** per socket, 65536 of them, each with its own lock ([`slots`]). Whoever has something
//!   to do with a socket, worker or reactor, takes that lock; no other lock is on the way of data.
//! * **Reactors** ([`reactor`]) are threads that sleep in `mio` until something happens. They read,
//!   accept, finish connecting, and write what a worker could not. With nothing going on they never
//!   wake up.
//! * **Workers** act directly: `send` makes the system call itself, on the calling thread, and leaves
//!   to the reactor only what the kernel does not take at once. `start`, `pause`, `close` and so on
//!   change the state in place. An event that follows is pushed while the lock is held, so the
//!   order of a socket's events is the order of what happened to it.
//! * **Names** are resolved by a few threads of their own ([`resolver`]).
//!
//! The polling is edge-triggered. A descriptor is registered once for reading, and once more when
//! output has to wait for the first time; there is no system call for each change of interest.

mod accept;
pub mod address;
mod api;
mod engine;
mod error;
pub mod event;
mod io;
mod options;
mod queue;
mod reactor;
mod resolver;
mod slots;
mod socket;
mod udp;
mod write;

pub use api::{Net, SocketInfo, SocketType};
pub use error::Error;
pub use event::{EventKind, SocketEvent};
pub use options::{Keepalive, NetOptions};
pub use resolver::resolve;

/// Name of a socket on its node: positive, and not used again for a long time. An id of a socket
/// that has gone is inert.
pub type SocketId = i32;

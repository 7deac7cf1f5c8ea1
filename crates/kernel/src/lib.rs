//! The kernel of skynet-rs: services with handles and mailboxes, run by worker threads; timers,
//! names, environment, log and monitor.
//!
//! It knows nothing of Lua and nothing of sockets. A [`Node`] is made by [`Node::builder`]; a
//! [`Service`] is Rust code that handles one [`Message`] at a time.
//!
//! ```
//! use std::sync::Arc;
//! use skynet_kernel::{Context, Handle, Message, Node, Payload, Service, factory, kind};
//!
//! /// Answers every request with its own payload, and ends.
//! struct Echo;
//!
//! impl Service for Echo {
//!     fn handle(&mut self, cx: &Arc<Context>, mut message: Message) {
//!         let payload = message.take_payload();
//!         let _ = cx.send(message.source, kind::RESPONSE, message.session, payload);
//!         cx.node().shutdown();
//!     }
//! }
//!
//! # fn main() -> Result<(), skynet_kernel::Error> {
//! let node = Node::builder().threads(2).module("echo", factory(|| Echo)).start()?;
//! let echo = node.launch(Handle::NONE, "echo", "").expect("it has no reason to fail");
//! node.run();
//! node.send(Handle::NONE, echo, kind::TEXT, 1, Payload::from("hello")).expect("it is there");
//! node.wait();
//! # Ok(())
//! # }
//! ```

mod activity;
mod alarm;
mod attachment;
pub mod block;
pub mod blocking;
mod builder;
mod builtin;
mod callees;
mod census;
mod clock;
pub mod command;
mod context;
mod departure;
mod doorbell;
mod dropped;
mod environment;
mod error;
mod events;
mod expiry;
mod footprint;
mod gate;
mod globals;
mod growing;
mod handle;
pub mod huge;
mod inflow;
pub mod inspect;
mod keeping;
pub mod kind;
mod last_turn;
mod leaving;
mod lifecycle;
mod limit;
mod listeners;
mod local;
#[cfg(not(loom))]
mod lock;
mod log_start;
mod logon;
mod mailbox;
mod message;
mod modules;
mod monitor;
mod msglog;
mod names;
mod network;
mod node;
mod package;
pub mod panics;
mod parcel;
mod parking;
mod payload;
pub mod poison;
mod post;
mod progress;
mod quota;
mod registry;
mod reminder;
mod report;
mod scheduler;
mod sending;
mod service;
mod services;
mod start;
mod sync;
pub mod text;
mod timer;
mod timers;
mod usage;
mod watching;
mod wheel;
mod worker;

pub use attachment::Attachment;
pub use builder::NodeBuilder;
pub use callees::Callees;
pub use context::Context;
pub use departure::Departure;
#[cfg(not(loom))]
pub use doorbell::Doorbell;
pub use error::{EnvExists, Error, InitError, SendError};
pub use expiry::Delay;
pub use footprint::Touched;
pub use globals::GlobalBacklog;
pub use growing::GrowingPayload;
pub use inspect::{InspectError, Profile};
pub use limit::{Limit, Policy};
pub use local::{current, current_node, turn_is_over};
#[cfg(not(loom))]
pub use lock::{Guard, Lock};
pub use log_start::{LogStart, Stay};
pub use message::{Handle, Message, Payload};
pub use network::{Destination, Network};
pub use node::Node;
pub use parcel::Parcel;
pub use payload::Package;
pub use poison::lock;
pub use post::{Poller, Wait};
pub use quota::LogQuota;
pub use report::{Doing, Report, Samples, TaskReport};
pub use service::{Factory, Interrupt, ModuleLoader, Service, factory};
pub use services::{ServiceInfo, WorkerInfo};
pub use timers::TimerKey;

/// The mechanisms that the models in `tests/loom_*.rs` check; not part of the interface.
#[cfg(loom)]
#[doc(hidden)]
pub mod internals {
    pub use crate::doorbell::Doorbell;
    pub use crate::mailbox::{Body, Borrowed, Mailbox, Pushed, Refusal, Step};
    pub use crate::parking::Parking;
    pub use crate::post::Post;
    pub use crate::registry::Registry;
    pub use crate::scheduler::{Runner, Scheduler};
    pub use crate::timers::{NEVER, Timers};
}

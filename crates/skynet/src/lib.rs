//! skynet-rs for Rust users: services written in Rust, beside services written in Lua, on one node.
//!
//! * [`service`]: services as `async` code: the trait [`Actor`](service::Actor) and what a service can do,
//!   [`Cx`](service::Cx).
//! * [`supervisor`]: services that start others and start them again when they end.
//! * [`boot`]: a node with Lua services, from the settings of a configuration ([`config`]).
//! * [`kernel`], [`wire`]: the crates below, for what is not offered here.
//!
//! ```
//! use skynet::service::{Actor, Cx, Error, Handler, Node};
//!
//! /// Adds numbers.
//! struct Adder;
//!
//! impl Actor for Adder {}
//!
//! /// What it is asked.
//! struct Add(i64, i64);
//!
//! impl Handler<Add> for Adder {
//!     type Answer = i64;
//!
//!     async fn handle(&self, _: &Cx, Add(a, b): Add) -> Result<i64, Error> {
//!         Ok(a + b)
//!     }
//! }
//!
//! # fn main() -> Result<(), Error> {
//! let node = Node::builder().threads(2).start()?;
//! node.run();
//! let cx = Cx::outside(&node)?;
//! let adder = cx.start(Adder)?;
//! assert_eq!(cx.ask(adder, Add(1, 2)).wait()?, 3);
//! node.shutdown();
//! node.wait();
//! # Ok(())
//! # }
//! ```
//!
//! [docs/rust-services.md](https://github.com/skynet-rs/skynet-rs/blob/main/docs/rust-services.md) is the guide.

#![forbid(unsafe_code)]

pub mod service;
pub mod supervisor;

pub use skynet_kernel as kernel;
pub use skynet_node::{boot, config};
pub use skynet_wire as wire;

/// Runs the programs of the guide as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/rust-services.md")]
struct RustServices;

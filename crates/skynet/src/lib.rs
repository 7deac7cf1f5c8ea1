//! skynet-rs for Rust users: services written in Rust, beside services written in Lua, on one node.
//!
//! * [`service`]: services as `async` code: the trait [`Actor`](service::Actor) and what a service can do, [`Cx`](service::Cx).
//! * [`boot`]: a node with Lua services, from the settings of a configuration.
//! * [`stdin`]: lines of standard input as messages.
//! * [`kernel`], [`lua`], [`wire`]: the crates below, for what is not offered here.
//!
//! ```
//! use skynet::kernel::{Handle, Node};
//! use skynet::service::{Actor, Cx, Error, Request, Values, args, module};
//!
//! /// Adds two numbers.
//! struct Adder;
//!
//! impl Actor for Adder {
//!     async fn request(&self, _: &Cx, request: Request) -> Result<Values, Error> {
//!         let sum: i64 = request.values()?.iter().filter_map(|value| value.as_int()).sum();
//!         Ok(args![sum])
//!     }
//! }
//!
//! /// Asks it, and ends the node.
//! struct Asker;
//!
//! impl Actor for Asker {
//!     async fn started(&self, cx: &Cx, _: &str) -> Result<(), Error> {
//!         let adder = cx.launch("adder", "").ok_or("no adder")?;
//!         let answer = cx.call(adder, args![1, 2]).await?;
//!         cx.log(format!("1 + 2 = {:?}", answer[0].as_int()));
//!         assert_eq!(answer, args![3]);
//!         cx.node().shutdown();
//!         Ok(())
//!     }
//!
//!     async fn request(&self, _: &Cx, _: Request) -> Result<Values, Error> {
//!         Ok(args![])
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let node = Node::builder()
//!     .threads(2)
//!     .module("adder", module(|| Adder))
//!     .module("asker", module(|| Asker))
//!     .start()?;
//! node.launch(Handle::NONE, "asker", "").ok_or("no asker")?;
//! node.run();
//! node.wait();
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

pub mod boot;
pub mod service;
pub mod stdin;

pub use skynet_kernel as kernel;
pub use skynet_lua as lua;
pub use skynet_wire as wire;

/// Runs the programs of the guide as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/rust-services.md")]
struct RustServices;

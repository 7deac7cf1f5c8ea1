//! Services written in Rust as `async` code.
//!
//! A service is a value that implements [`Actor`]. Each request runs as a task of its own, so that a service may wait
//! for the answer of another and handle further requests meanwhile, as services in Lua do. All tasks of a service run
//! on one worker at a time, each until it waits; they never run at the same time, so what they share needs a lock for
//! the compiler only, and nobody ever waits for it.
//!
//! Waiting never holds a worker: a future that is not ready gives the worker back. Futures of other runtimes work as
//! well: whoever wakes a task, on whatever thread, sends a message to the service's own mailbox.
//!
//! Services in Rust send each other values of Rust types ([`Handler`], [`Cx::tell`], [`Cx::ask`]), which are never
//! packed. To and from Lua services, and services that know each other by name only, values travel in the pack format
//! ([`Actor::request`], [`Cx::send`], [`Cx::call`]); raw bytes can be sent and read, too.
//!
//! | file | |
//! |---|---|
//! | `actor.rs` | the trait [`Actor`] |
//! | `start.rs` | how actors start |
//! | `cx.rs` | what a service can do: send, call, sleep, … |
//! | `typed.rs` | messages of Rust types, and their addresses: tell, ask |
//! | `request.rs` | other messages, and the claim to an answer |
//! | `pack/` | Rust values to and from the pack format |
//! | `host.rs` | the kernel's side: messages in, tasks |
//! | `shared.rs` | what tasks, wakers and handles have in common, and who holds it |
//! | `future_pool.rs` | the memory of futures |
//! | `outside.rs`, `wait.rs` | code that is no service; blocking a thread until a future is ready |
//! | `calls.rs`, `sleep.rs`, `ends.rs` | the futures of calls, of times, and of the ends of other services |
//! | `sessions.rs` | the table of sessions that wait |
//! | `report.rs`, `about.rs` | what the debug console's `calls` and `stack` show of it; what a task is there for |

mod about;
mod actor;
mod calls;
mod cx;
mod ends;
mod error;
mod future_pool;
mod host;
mod outside;
mod pack;
mod panics;
mod report;
mod request;
mod sessions;
mod shared;
mod sleep;
mod start;
mod typed;
mod wait;

pub use actor::Actor;
pub use calls::{Call, RawCall, Read};
pub use cx::{Address, Cx};
pub use ends::Watch;
pub use error::Error;
pub(crate) use host::OnStart;
#[doc(hidden)]
pub use pack::pack_table;
pub use pack::{Pack, PackValue, Row, Unpack, UnpackValue, Values};
pub use request::{Request, Responder};
pub use skynet_kernel::{Departure, Handle, Node};
pub use skynet_wire::seri::{Table, Value, args, table};
pub use sleep::Sleep;
pub use start::{module, start};
pub use typed::{Addr, Ask, Handler};
pub use wait::wait;

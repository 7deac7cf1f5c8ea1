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
//! | `cx.rs` | what a service can do: tell, ask, send, call, sleep, … |
//! | `typed.rs` | messages of Rust types, and their addresses |
//! | `request.rs` | other messages, and the claim to an answer |
//! | `pack/` | Rust values to and from the pack format |
//! | `host.rs` | the kernel's side: messages in, tasks |
//! | `shared.rs` | what tasks, wakers and handles have in common |
//! | `future_pool.rs` | the memory of futures |
//! | `hold.rs` | who uses a service from outside of its tasks |
//! | `outside.rs` | code that is no service |
//! | `calls.rs`, `sleep.rs` | the futures of calls and of times |
//! | `sessions.rs` | the table of sessions that wait |
//! | `report.rs` | what the debug console's `calls` and `stack` show of it |

mod calls;
mod cx;
mod error;
mod future_pool;
mod hold;
mod host;
mod outside;
mod pack;
mod panics;
mod report;
mod request;
mod sessions;
mod shared;
mod sleep;
mod typed;

pub use calls::{Call, RawCall, Read};
pub use cx::{Address, Cx};
pub use error::Error;
pub use host::start;
pub use outside::wait;
#[doc(hidden)]
pub use pack::pack_table;
pub use pack::{Pack, PackValue, Row, Unpack, UnpackValue};
pub use request::{Request, Responder};
pub use skynet_kernel::{Handle, Node};
pub use skynet_wire::seri::{Table, Value, args, table};
pub use sleep::Sleep;
pub use typed::{Addr, Ask, Handler};

use skynet_kernel::Factory;
use std::future::Future;

/// A row of values, as a call's arguments or results.
pub type Values = Vec<Value>;

/// A service.
///
/// The methods may be written as `async fn`.
pub trait Actor: Send + Sync + 'static {
    /// Runs first, with the parameter of the launch. Requests that come meanwhile wait for its end. After an error the
    /// service exits; the error is logged.
    fn started(&self, cx: &Cx, args: &str) -> impl Future<Output = Result<(), Error>> + Send {
        let _ = (cx, args);
        async { Ok(()) }
    }

    /// Handles a message of the type `lua`, which may be a request or a plain send; the result of the latter is
    /// ignored.
    ///
    /// `Ok` answers the request with these values, unless it has been [deferred](Request::defer). An error is
    /// logged, and fails the caller's call. So does a panic, which ends this task only.
    ///
    /// The default fails: an actor for services in Rust alone has [`Handler`]s instead.
    fn request(
        &self,
        cx: &Cx,
        request: &Request,
    ) -> impl Future<Output = Result<Values, Error>> + Send {
        let _ = cx;
        async move {
            Err(Error::Unhandled {
                kind: request.kind(),
            })
        }
    }

    /// Handles a message of any other type, such as `text` or `client`. The default fails.
    fn message(
        &self,
        cx: &Cx,
        request: &Request,
    ) -> impl Future<Output = Result<Values, Error>> + Send {
        let _ = cx;
        async move {
            Err(Error::Unhandled {
                kind: request.kind(),
            })
        }
    }
}

/// A module for [`NodeBuilder::module`](skynet_kernel::NodeBuilder::module), each of whose services is made by `make`.
pub fn module<A: Actor>(make: impl Fn() -> A + Send + Sync + 'static) -> Factory {
    skynet_kernel::factory(move || host::Host::new(make()))
}

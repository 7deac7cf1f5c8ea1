//! The socket engine of skynet-rs: TCP, UDP and foreign descriptors, whose events reach services as
//! messages.
//!
//! A [`Net`] belongs to one [`Node`](skynet_kernel::Node). Services name sockets by small integers
//! and never touch descriptors. Every event is a message of kind
//! [`SOCKET`](skynet_kernel::kind::SOCKET), source 0, session 0, to the service that owns the
//! socket; [`SocketEvent`] reads it.
//!
//! # How it works
//! * A **slot** for each socket, with a lock of its own (`slots.rs`). Whoever has something to do with a socket, worker
//!   or reactor, takes that lock.
//! * **Reactors** (`reactor.rs`) wait in `mio` until something happens. Idle workers of the node wait in them; a thread
//!   of their own does so while all workers are busy. They read (`input.rs`), accept (`accept.rs`), finish connecting
//!   (`connect.rs`), and write what a worker could not (`write.rs`). What they have for the services is handed over in
//!   rounds (`outbox.rs`). With nothing going on they never wake up.
//! * **Workers** act directly: `send` makes the system call itself, on the calling thread, and leaves to the reactor
//!   only what the system does not take at once. `start`, `pause`, `close` and so on change the state in place. An
//!   event that follows is handed on while the lock is held, so the order of a socket's events is the order of what
//!   happened to it.
//! * **Names** are resolved by a few threads of their own (`resolver.rs`); so are handshakes of TLS worked out.
//!
//! The polling is edge-triggered (`watch.rs`). A descriptor is registered once for reading, and once more when output
//! has to wait for the first time; there is no system call for each change of interest.
//!
//! A connection can have TLS (`secure.rs`): whoever sends encrypts, the reactor that reads decrypts, and services see
//! plaintext only.
//!
//! # Nobody takes everything
//! * Input waits while the service that gets it does not keep up (`flow.rs`, `defer.rs`).
//! * Output has limits for each socket and for all of them; connections to other nodes make their senders wait instead
//!   (`overflow.rs`).
//! * Reading, writing and accepting end after a while, so that others get their turn.
//! * A socket ends with the service that owns it (`orphans.rs`), and a closed one although its peer does not read
//!   (`closing.rs`).
//!
//! [`gate`] is a service on top of it: the module `gate`.
//!
//! # Example
//! A service that sends back what it gets:
//! ```
//! use std::io::{Read, Write};
//! use std::net::TcpStream;
//! use std::sync::mpsc::{Sender, channel};
//! use std::sync::{Arc, OnceLock};
//!
//! use skynet_kernel::{Context, Handle, Message, Node, Service, factory};
//! use skynet_net::{EventKind, Net, NetOptions, SocketEvent};
//!
//! struct Echo {
//!     net: Arc<OnceLock<Arc<Net>>>,
//!     bound: Sender<u16>,
//! }
//!
//! impl Service for Echo {
//!     fn handle(&mut self, cx: &Arc<Context>, message: Message) {
//!         let (Some(net), Some(event)) = (self.net.get(), SocketEvent::parse(message.payload()))
//!         else {
//!             return;
//!         };
//!         match event.kind {
//!             EventKind::Connect if event.ud != 0 => {
//!                 net.start(cx.handle(), event.id);
//!                 let _ = self.bound.send(event.ud as u16);
//!             }
//!             EventKind::Accept => net.start(cx.handle(), event.ud),
//!             EventKind::Data => {
//!                 net.send_slice(event.id, event.data);
//!             }
//!             EventKind::Close => net.close(event.id),
//!             _ => {}
//!         }
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let net = Arc::new(OnceLock::new());
//! let (bound, port) = channel();
//! let service = {
//!     let net = net.clone();
//!     factory(move || Echo { net: net.clone(), bound: bound.clone() })
//! };
//! let node = Node::builder().threads(2).module("echo", service).start()?;
//! node.run();
//! let engine = net.get_or_init(|| Net::new(&node, NetOptions::default()).expect("a reactor"));
//!
//! let echo = node.launch(Handle::NONE, "echo", "").expect("it has no reason to fail");
//! engine.listen(echo, "127.0.0.1", 0, 32)?;
//! let mut stream = TcpStream::connect(("127.0.0.1", port.recv()?))?;
//! stream.write_all(b"hello")?;
//! let mut answer = [0; 5];
//! stream.read_exact(&mut answer)?;
//! assert_eq!(&answer, b"hello");
//!
//! node.shutdown();
//! node.wait();
//! # Ok(())
//! # }
//! ```

mod accept;
mod api;
mod budget;
mod closing;
mod connect;
mod deadlines;
mod defer;
mod descriptors;
mod eager;
mod engine;
mod error;
pub mod event;
mod fill;
mod flow;
pub mod gate;
mod gathered;
mod info;
mod input;
mod io;
mod largest;
mod lazy;
mod link_pool;
mod listen;
mod net;
mod options;
mod orphans;
mod outbox;
mod overflow;
mod owners;
mod passing;
mod queue;
mod reactor;
mod ready;
mod resolver;
mod sealed;
mod secure;
mod slots;
mod socket;
mod udp;
mod watch;
mod write;

pub use descriptors::raise_descriptor_limit;
pub use error::Error;
pub use event::{EventKind, SocketEvent};
pub use fill::Fill;
pub use gathered::Gathered;
pub use info::{SocketInfo, SocketType};
pub use lazy::LazyNet;
pub use link_pool::LinkPool;
pub use net::Net;
pub use options::{Keepalive, NetOptions};
pub use overflow::Room;
pub use passing::PassedOn;
pub use queue::Unit;
pub use resolver::resolve;
pub use sealed::Tls;
pub use skynet_tls as tls;

/// Name of a socket on its node: positive, and not used again for a long time. An id of a socket
/// that has gone is inert.
pub type SocketId = i32;

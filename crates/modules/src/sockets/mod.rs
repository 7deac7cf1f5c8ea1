//! Sockets as Lua sees them: `skynet.socketdriver` over the engine in `skynet-net`.
//!
//! A data message is one block: the bytes, then the engine's trailer. `unpack` takes the block out of the message, so
//! that the pointer that Lua gets is the block itself, which goes into a receive buffer without being copied.

mod arguments;
pub(crate) mod buffer;
pub mod clientsocket;
pub mod dns;
pub mod driver;
pub mod netpack;
pub(crate) mod received;

//! The byte formats of skynet, without I/O: bytes in, values out.
//!
//! Every format here is a state machine over byte slices. Nothing in this crate opens a socket, reads a clock
//! or knows what a service is, so each format is tested against recorded bytes, fuzzed, and used by the Lua
//! bindings and by Rust services alike.
//!
//! * [`bson`]: documents of MongoDB.
//! * [`seri`]: the format of `skynet.pack` and `skynet.unpack`.
//! * [`datasheet`]: tables as one block of bytes that is read in place.
//! * [`netpack`]: frames with their length in front, as gates and the cluster speak on a connection.
//! * [`cluster`]: requests and responses between nodes.
//! * [`harbor`]: packets between the nodes of a master/slave network.
//! * [`http`]: heads of HTTP, frames of websockets.
//! * [`json`]: documents of JSON.
//! * [`console`]: what is typed at a debug console.
//! * [`sproto`]: schemas and messages of sproto.
//! * [`foreign`]: text of a peer, made fit for a line of the log.
//! * [`mongo`]: messages of MongoDB.
//! * [`mysql`]: packets and rows of MySQL and MariaDB.
//! * [`redis`]: commands and answers of Redis.
//! * [`netaddr`]: socket addresses as text and as bytes, and the text of a service's handle.

#![forbid(unsafe_code)]

pub mod bson;
pub mod cluster;
pub mod console;
pub mod datasheet;
pub mod dns;
pub mod foreign;
mod grow;
pub mod harbor;
pub mod http;
pub mod json;
pub mod mongo;
pub mod mysql;
pub mod netaddr;
pub mod netpack;
pub mod pgsql;
pub mod redis;
pub mod seri;
pub mod sproto;

//! Hostile clients: what strangers can do to the ports of a node, with its memory, its descriptors and its log bounded
//! and checked.
//!
//! A node runs in a child process ([`Watched`]); the test plays the strangers. One file for each kind of port: add a
//! module here, and the Lua side, if it needs one, to `tests/lua/hostile/`. Each run takes some seconds:
//!
//! ```text
//! cargo test -p skynet-tests --test hostile
//! ```

#![cfg(target_os = "linux")]

mod console;
mod network;
mod sockets;
mod watched;

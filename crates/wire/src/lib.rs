//! The byte formats of skynet, without I/O: bytes in, values out.
//!
//! Every format here is a state machine over byte slices. Nothing in this crate opens a socket, reads a clock
//! or knows what a service is, so each format is tested against recorded bytes, fuzzed, and used by the Lua
//! bindings and by Rust services alike.
//!
//! * [`seri`]: the format of `skynet.pack` and `skynet.unpack`.

#![forbid(unsafe_code)]

pub mod seri;

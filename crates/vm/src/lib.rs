//! Lua for skynet-rs: stock Lua 5.5 with a small patch, under Rust names. It knows no service.
//!
//! * `lua.rs`: the C API; `native.rs`: native functions, their errors and suspensions; `place.rs`: where an error is
//!   said to have happened; `wanted.rs`: does a caller want results?
//! * `alloc.rs`: memory accounting; `footprint.rs`: where the parts of a state lie that every message needs.
//! * `seri/`: the pack format between Lua's stack and bytes; `layout.rs`: how Lua lays out what it reads there.
//! * `tables.rs`: tables as they lie, for other formats.
//! * `loops.rs`: sources of Lua 5.4.
//! * `cache.rs`, `code.rs`, `known.rs`: compiled files, and the sources that are shared; `shared/`: what states share.

pub mod alloc;
pub mod cache;
pub mod code;
pub mod exchange;
pub mod field;
pub mod footprint;
#[cfg(feature = "shared-code")]
mod known;
mod layout;
pub mod loops;
pub mod lua;
pub mod native;
pub mod place;
pub mod seri;
#[cfg(feature = "shared-code")]
pub mod shared;
pub mod tables;
pub mod wanted;

pub use layout::Value;
pub use mlua_sys::lua55 as ffi;

/// The headers of the Lua that is inside, for C modules: name and text.
pub const HEADERS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/headers.rs"));

//! What makes a node of the parts.
//!
//! * `config/`: config files. `boot.rs`: from settings to a node.
//! * `console/`: the debug console's side that needs no worker.
//! * `interpreter.rs`: `skynet lua`, with what clients of a node need.

pub mod boot;
pub mod config;
mod console;
pub mod interpreter;

use skynet_lua::{Library, Native};

/// Native modules of this crate.
pub const NATIVE: Native = &[("skynet.consolefront", console::module::open)];

/// What Lua code can require in a node, and the services that ship.
pub static LIBRARY: Library = Library {
    native: &[skynet_modules::NATIVE, NATIVE],
    ..skynet_modules::LIBRARY
};

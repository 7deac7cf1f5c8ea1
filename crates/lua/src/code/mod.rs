//! Lua code: what ships with the binary, the process-wide cache of compiled files, and the search for modules and services.

pub(crate) mod absent;
pub(crate) mod cache;
pub(crate) mod embedded;
pub(crate) mod require;
pub(crate) mod search;
#[cfg(feature = "shared-code")]
pub(crate) mod shared;

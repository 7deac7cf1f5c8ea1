//! The virtual machine: the C API under Rust names, native functions, the allocator, and the pack format on Lua's stack.

pub(crate) mod alloc;
pub(crate) mod footprint;
pub(crate) mod layout;
pub(crate) mod lua;
pub(crate) mod native;
pub(crate) mod place;
pub(crate) mod seri;
pub(crate) mod wanted;

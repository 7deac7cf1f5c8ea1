//! `skynet.pack` and `skynet.unpack`: the pack format, straight from and onto the Lua stack.
//!
//! The bytes are the business of `skynet_wire::seri`. What Lua's own API has no function for is in `patch/lseri.c`.

#[cfg(feature = "shared-code")]
mod adopt;
mod pack;
mod unpack;

use mlua_sys::lua55::lua_State;

use crate::alloc::MemoryAccount;
use crate::layout::{Table, Value};
use crate::lua::Lua;

pub use pack::{Packed, pack, pack_string, pack_with};
pub use unpack::{unpack, unpack_message};

/// A message whose block a string can take over.
pub trait Message {
    /// The payload.
    fn bytes(&self) -> &[u8];

    /// The account of the service whose state `l` is, if the block may be taken over.
    fn lender(&self, l: Lua) -> Option<&MemoryAccount>;

    /// The block belongs to the string from now on. Called after `lender`, if that gave something.
    fn take(&self, l: Lua);
}

unsafe extern "C-unwind" {
    /// The border that `#` gives, without metamethods. Raises nothing.
    fn lua_tableborder(l: *mut lua_State, t: *const Table) -> u64;
    /// `t[n]`, for an `n` that is not in the array. Raises nothing.
    pub(crate) fn lua_tableelement(t: *const Table, n: i64, result: *mut Value);
    /// Pushes a string, without a turn of the collector. *raises*
    pub(crate) fn lua_pushknown(l: *mut lua_State, s: *const u8, len: usize);
    /// The collector's turn. *raises*
    pub(crate) fn lua_collectsome(l: *mut lua_State);
    /// Makes a table of the top `elements` and `pairs`, in the slot below them, with room for `nodes` pairs. *raises*
    pub(crate) fn lua_maketable(l: *mut lua_State, elements: u32, pairs: u32, nodes: u32);
    /// Adds the top `elements`, which come behind the first `first`, and `pairs` to the table below them, and pops
    /// them; a table without pairs gets room for `nodes`. *raises*
    pub(crate) fn lua_filltable(
        l: *mut lua_State,
        first: u32,
        elements: u32,
        pairs: u32,
        nodes: u32,
    );
}

//! The format of `skynet.pack` and `skynet.unpack`.
//!
//! A stream is a concatenation of values, without header or count. A value begins with one byte: the low
//! three bits are its type, the high five bits (the *cookie*) a subtype or a small size. Numbers are
//! little-endian and unaligned.
//!
//! | type | | cookie | then |
//! |---|---|---|---|
//! | nil | 0 | 0 (ignored on reading) | |
//! | boolean | 1 | 0 false, else true | |
//! | number | 2 | 0 | nothing: the integer 0 |
//! | | | 1, 2, 4, 6 | u8, u16, i32, i64 |
//! | | | 8 | f64 |
//! | pointer | 3 | 0 | u64 |
//! | short string | 4 | length 0..=31 | the bytes |
//! | long string | 5 | 2, 4 | length as u16 or u32, the bytes |
//! | table | 6 | array length 0..=30 | the array's values, pairs of key and value, a nil |
//! | | | 31 | array length as a number value, then the same |
//!
//! The bytes are a contract: other nodes read them and databases keep them. So the [`Writer`] always picks
//! the same form as skynet (C) does, and the [`Reader`] accepts every form.
//!
//! [`Writer`] and [`Reader`] are the only code that knows the bytes. Both walk a flat sequence of tokens and
//! keep no stack, which lets the Lua binding go between the Lua stack and the bytes without a tree in
//! between, and makes a deeply nested stream harmless by itself. [`Value`] is the tree, for Rust code that
//! wants one, with [`pack`] and [`unpack`].

mod convert;
mod error;
mod kind;
mod pointers;
mod reader;
mod table;
mod value;
mod writer;

#[doc(inline)]
pub use crate::{__seri_args as args, __seri_table as table};
pub use error::Error;
pub use kind::Kind;
pub use pointers::holds_pointer;
pub use reader::{Reader, Token};
pub use table::{Key, Table};
pub use value::{Value, pack, unpack};
pub use writer::Writer;

/// How many tables may enclose a value that is packed.
///
/// Arguments are at depth 0, and entering a table adds one; a value at a depth above this is
/// [`Error::TooDeep`]. So 33 nested tables can be packed if the innermost is empty. A [`Reader`] has no limit.
pub const MAX_DEPTH: usize = 32;

/// How many tables may enclose a table that [`unpack`] reads into a [`Value`].
///
/// Far more than can be packed, and few enough that walking the tree cannot exhaust a thread's stack.
pub const MAX_NESTING: usize = 256;

/// The longest string that can be packed, in bytes: skynet (C) takes a string's length as a C `int`.
pub const MAX_STRING: usize = i32::MAX as usize;

/// Types: the low three bits of a header.
mod tag {
    pub const NIL: u8 = 0;
    pub const BOOL: u8 = 1;
    pub const NUMBER: u8 = 2;
    pub const POINTER: u8 = 3;
    pub const SHORT_STRING: u8 = 4;
    pub const LONG_STRING: u8 = 5;
    pub const TABLE: u8 = 6;
}

/// Cookies of a number: the high five bits of its header.
mod number {
    pub const ZERO: u8 = 0;
    pub const U8: u8 = 1;
    pub const U16: u8 = 2;
    pub const I32: u8 = 4;
    pub const I64: u8 = 6;
    pub const F64: u8 = 8;
}

/// The cookie of a table whose array length follows as a number.
const LONG_ARRAY: u8 = 31;

/// A string of this many bytes or more does not fit in a cookie.
const LONG_STRING_FROM: usize = 32;

#[inline(always)]
const fn header(tag: u8, cookie: u8) -> u8 {
    tag | cookie << 3
}

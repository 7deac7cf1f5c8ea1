//! The client/server protocol of MySQL and MariaDB, version 4.1
//! (<https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html>), as a client speaks it.
//!
//! Packets have a head of four bytes: their size in three, and a number. What is in them is read by a [`Fields`], and
//! rows of results value by value, in the text form (`text`) and in the binary form ([`binary`]) of prepared
//! statements. [`request`] writes what clients send.

pub mod binary;
mod fields;
mod packets;
pub mod request;

pub use fields::Fields;
pub use packets::{Column, ErrorPacket, Head, OkPacket, eof_status, is_eof};

/// The size of a packet's head.
pub const HEAD: usize = 4;
/// A packet of this size goes on in the next one.
pub const WHOLE: usize = 0xff_ffff;
/// The most columns that a result may have: what servers allow a table, with room for more.
pub const MAX_COLUMNS: u64 = 65_535;
/// In the status of the server: another result follows.
pub const MORE_RESULTS: u16 = 8;
/// In the flags of a column: an integer without a sign.
pub const UNSIGNED: u16 = 0x20;

/// Numbers of the types of columns.
pub mod kind {
    #![allow(missing_docs, reason = "the names of the protocol")]
    pub const DECIMAL: u8 = 0;
    pub const TINY: u8 = 1;
    pub const SHORT: u8 = 2;
    pub const LONG: u8 = 3;
    pub const FLOAT: u8 = 4;
    pub const DOUBLE: u8 = 5;
    pub const NULL: u8 = 6;
    pub const TIMESTAMP: u8 = 7;
    pub const LONGLONG: u8 = 8;
    pub const INT24: u8 = 9;
    pub const DATE: u8 = 10;
    pub const TIME: u8 = 11;
    pub const DATETIME: u8 = 12;
    pub const YEAR: u8 = 13;
    pub const VARCHAR: u8 = 15;
    pub const BIT: u8 = 16;
    pub const JSON: u8 = 245;
    pub const NEWDECIMAL: u8 = 246;
    pub const ENUM: u8 = 247;
    pub const SET: u8 = 248;
    pub const TINY_BLOB: u8 = 249;
    pub const GEOMETRY: u8 = 255;
}

/// Is a column of this type a number to Lua programs?
pub fn is_number(kind: u8) -> bool {
    use kind::*;
    matches!(
        kind,
        TINY | SHORT | LONG | FLOAT | DOUBLE | LONGLONG | INT24 | YEAR | NEWDECIMAL
    )
}

/// Why bytes are not what the protocol says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A packet ends before what it says to have.
    #[error("mysql: a packet of the server ends too early")]
    Truncated,
    /// A length has a first byte that none has.
    #[error("mysql: the server sent a length that begins with {0:#04x}")]
    Length(u8),
    /// A result has more columns than any table.
    #[error("mysql: the server announced a result of {0} columns")]
    Columns(u64),
    /// A value has a type that the protocol does not have.
    #[error("_parse_row_data_binary()error,unsupported field type {0}")]
    Type(u8),
    /// A date or time has a length that none has.
    #[error("_get_date()error,unsupported date format, len is {0}")]
    Date(u64),
}

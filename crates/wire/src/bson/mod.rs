//! BSON documents (<https://bsonspec.org/spec.html>), as far as skynet's module `bson` knows them.
//!
//! A [`Writer`] appends elements to a buffer; a [`Reader`] takes the elements of a document one after another and never
//! looks beyond its end. What the values mean to Lua is not this module's business.

mod reader;
mod writer;

pub use reader::{Element, Error, Reader};
pub use writer::{Open, Overflow, Writer};

/// Numbers of the element types.
pub mod kind {
    /// A double.
    pub const DOUBLE: u8 = 1;
    /// A string in UTF-8.
    pub const STRING: u8 = 2;
    /// A document inside the document.
    pub const DOCUMENT: u8 = 3;
    /// A document whose keys are the indices of an array, from 0.
    pub const ARRAY: u8 = 4;
    /// A sub-type and bytes.
    pub const BINARY: u8 = 5;
    /// 12 bytes.
    pub const OBJECT_ID: u8 = 7;
    /// A truth value.
    pub const BOOLEAN: u8 = 8;
    /// Milliseconds since 1970, in 64 bits.
    pub const DATE: u8 = 9;
    /// Null.
    pub const NULL: u8 = 10;
    /// A pattern and options.
    pub const REGEX: u8 = 11;
    /// A name and an object id; deprecated.
    pub const DB_POINTER: u8 = 12;
    /// JavaScript code.
    pub const CODE: u8 = 13;
    /// A string; deprecated.
    pub const SYMBOL: u8 = 14;
    /// JavaScript code and a document; deprecated.
    pub const CODE_WITH_SCOPE: u8 = 15;
    /// An integer of 32 bits.
    pub const INT32: u8 = 16;
    /// An increment and seconds, 32 bits each.
    pub const TIMESTAMP: u8 = 17;
    /// An integer of 64 bits.
    pub const INT64: u8 = 18;
    /// Above all other values.
    pub const MAX_KEY: u8 = 127;
    /// Below all other values.
    pub const MIN_KEY: u8 = 255;
}

/// The length of an empty document: its length in 4 bytes, and a zero byte.
pub const EMPTY: usize = 5;

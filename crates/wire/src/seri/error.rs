//! What can go wrong while packing or unpacking, with the texts that applications see.

use super::Kind;

/// Errors of the pack format.
///
/// `Display` gives exactly the text that a Lua caller of `skynet.pack` and `skynet.unpack` sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are not a valid stream, or end inside a value.
    #[error("Invalid serialize stream {remaining} (line:{at})")]
    Invalid {
        /// Bytes left unread. A header that was read counts as read even when its payload is missing.
        remaining: usize,
        /// The line of the reader's source whose check failed: a hint for people, not part of the format.
        at: u32,
    },
    /// A value lies deeper than [`MAX_DEPTH`](super::MAX_DEPTH) tables.
    #[error("serialize can't pack too depth table")]
    TooDeep,
    /// A value of a type that the format has no form for, by the name of the type.
    #[error("Unsupport type {0} to serialize")]
    Unsupported(&'static str),
    /// A string longer than [`MAX_STRING`](super::MAX_STRING) bytes.
    #[error("string of {0} bytes is too long to serialize")]
    TooLong(usize),
    /// A stream whose tables are nested deeper than [`MAX_NESTING`](super::MAX_NESTING), read into a tree.
    #[error("tables are nested too deep to unpack")]
    TooNested,
    /// A nil as the key of a [`Table`](super::Table).
    #[error("table index is nil")]
    NilKey,
    /// A NaN as the key of a [`Table`](super::Table).
    #[error("table index is NaN")]
    NanKey,
    /// A [`Value`](super::Value) is not of the type that it should become.
    #[error("{wanted} expected, got {got}")]
    WrongKind {
        /// The type asked for.
        wanted: Kind,
        /// The type found.
        got: Kind,
    },
    /// An integer or float that the Rust type asked for cannot hold.
    #[error("number has no exact representation as {0}")]
    OutOfRange(&'static str),
    /// A string that should become a Rust `String` is not UTF-8.
    #[error("string is not UTF-8")]
    NotUtf8,
}

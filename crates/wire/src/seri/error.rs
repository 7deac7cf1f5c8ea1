//! What can go wrong while packing or unpacking, with the texts that applications see.

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
    /// A value of a type that the format has no form for.
    #[error("Unsupport type {0} to serialize")]
    Unsupported(&'static str),
    /// A string longer than [`MAX_STRING`](super::MAX_STRING) bytes.
    #[error("string of {0} bytes is too long to serialize")]
    TooLong(usize),
}

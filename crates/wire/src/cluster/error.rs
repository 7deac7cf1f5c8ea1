//! What can go wrong, with the texts that applications and logs see.

/// Errors of the cluster's frames. `Display` gives exactly the text of skynet (C), where it has one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A request cannot have this session: it is not positive.
    #[error("Invalid request session {0}")]
    Session(i32),
    /// A Lua caller gave no message.
    #[error("Invalid request message")]
    NoMessage,
    /// A name to send to is empty or longer than 255 bytes.
    #[error(
        "name length is invalid, must be between 1 and 255 characters: {}",
        String::from_utf8_lossy(.0)
    )]
    NameLength(Vec<u8>),
    /// A Lua caller gave an address that is neither number nor string, but of this type.
    #[error("name is not a string, it's a {0}")]
    NameType(&'static str),
    /// A trace tag to send is longer than [`PART`](super::PART) bytes.
    #[error("trace tag is too long : {0}")]
    TraceTag(usize),
    /// A payload of this many bytes cannot be announced: the size is a number of 32 bits.
    #[error("message of {0} bytes is too long for the cluster")]
    TooLong(usize),

    /// A request's frame is empty.
    #[error("Invalid req package. size == 0")]
    Empty,
    /// A request of unknown type. The text has the byte as a signed number.
    #[error("Invalid req package type {}", *.0 as i8)]
    Type(u8),
    /// A request's frame of this many bytes is too short for what it begins with.
    #[error("Invalid cluster message (size={0})")]
    Short(usize),
    /// A large request to a number whose frame is not 13 bytes but this many.
    #[error("Invalid cluster message size {0} (multi req must be 13)")]
    LargeSize(usize),
    /// A part of a large request without the whole session.
    #[error("Invalid cluster multi part message")]
    Part,
    /// A response's frame of this many bytes is too short, or too long for the begin of a large one. Or it
    /// is of unknown kind.
    #[error("Invalid cluster response (size={size}, kind={kind:?})")]
    Response {
        /// Bytes of the frame.
        size: usize,
        /// The byte that tells the kind, if there is one.
        kind: Option<u8>,
    },
}

/// Why a server does not carry out a request. `Display` gives the text that it answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A name with `@` that nobody has registered, or the last part of a request that never began.
    #[error("Invalid name")]
    InvalidName,
    /// The parts of a large request do not add up to the size announced, or it began twice or not at all.
    #[error("Invalid large req")]
    InvalidLarge,
    /// A query for a name that nobody has registered.
    #[error("name not found")]
    NameNotFound,
    /// A large request that would have the connection buffer more than it may.
    #[error("large request exceeds the limit of {0} bytes")]
    Limit(usize),
}

//! RESP, the protocol of Redis (<https://redis.io/docs/latest/develop/reference/protocol-spec/>), as a client speaks
//! it.
//!
//! [`request`] appends commands to a buffer. For answers there are two parts, so that nothing is built in between: a
//! [`Scanner`] finds where an answer ends, in pieces as they come and looking at each byte once; [`Items`] then walks
//! over a whole answer. Types of RESP3 are known to a scanner that is told to expect them.

mod items;
pub mod request;
mod scan;
mod slot;

pub use items::{Item, Items};
pub use scan::Scanner;
pub use slot::{SLOTS, key_slot};

/// Why bytes are no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An item begins with a byte that no type has.
    #[error("redis: the server sent {0:#04x} where a type is expected")]
    Type(u8),
    /// A length or count is no number.
    #[error("redis: the server sent a length that is no number")]
    Length,
    /// The answer is longer than the limit.
    #[error(
        "redis: an answer of {size} bytes or more is above the limit of {limit} bytes (option maxreply)"
    )]
    TooLarge {
        /// Bytes of it that have come or are announced.
        size: u64,
        /// How many it may have.
        limit: u64,
    },
    /// Inside a whole answer something is missing. A scanner does not let that happen.
    #[error("redis: an answer ends too early")]
    Truncated,
}

/// The item that a line with this first byte begins.
fn is_kind(kind: u8, resp3: bool) -> bool {
    match kind {
        b'+' | b'-' | b':' | b'$' | b'*' => true,
        b'_' | b'#' | b',' | b'(' | b'!' | b'=' | b'%' | b'~' | b'>' | b'|' => resp3,
        _ => false,
    }
}

/// Has it as many bytes as its line says, and an end of line?
fn is_blob(kind: u8) -> bool {
    matches!(kind, b'$' | b'!' | b'=')
}

/// How many items belong to one whose line has this type and count: a map's keys and values are counted alone.
fn parts(kind: u8, count: i64) -> Option<u64> {
    let count = u64::try_from(count).unwrap_or(0);
    match kind {
        b'*' | b'~' | b'>' => Some(count),
        b'%' => count.checked_mul(2),
        // An attribute stands in front of the item that it is about.
        b'|' => count.checked_mul(2)?.checked_add(1),
        _ => Some(0),
    }
}

/// A decimal number with an optional sign, as lengths are.
fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

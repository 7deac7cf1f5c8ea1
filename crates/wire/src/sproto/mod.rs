//! Sproto: messages with numbered fields, as described by a schema.
//!
//! * [`parse`]: the text of a schema to its binary form, which is a message itself.
//! * [`Schema`]: the types and protocols of a binary schema.
//! * [`Writer`] and [`Struct`]: messages, written field by field and read field by field. What the fields mean is the
//!   schema's business; who has the values decides how to walk it.
//! * [`pack`] and [`unpack`]: the form in which zero bytes take little room.
//!
//! A message is a header, a part with a 16-bit word for each field, and the data that do not fit into a word:
//!
//! | word | meaning |
//! |---|---|
//! | 0 | the field's value is the next item of the data: 32 bits of length, and so many bytes |
//! | even | the value is half of it, minus 1 |
//! | odd | no field: skip (word + 1) / 2 numbers |
//!
//! The header is the number of words. All numbers are little endian.

mod message;
mod pack;
mod parse;
mod schema;

pub use message::{Integers, Items, Open, Struct, Value, Writer};
pub use pack::{pack, unpack};
pub use parse::parse;
pub use schema::{Field, Kind, Protocol, Schema, Type};

/// Messages inside messages.
pub const MAX_DEPTH: usize = 64;
/// Bytes of a message.
pub const MAX_SIZE: usize = 16 << 20;

/// Why something is not sproto.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A message that breaks the format.
    #[error("decode error")]
    Decode,
    /// Packed bytes that end too early.
    #[error("Invalid unpack stream")]
    Unpack,
    /// A message beyond [`MAX_SIZE`].
    #[error("object is too large (>{MAX_SIZE})")]
    TooLarge,
    /// Binary schema with numbers that lead nowhere.
    #[error("invalid sproto schema")]
    Schema,
    /// The text of a schema, by what is wrong with it.
    #[error("{0}")]
    Text(String),
}

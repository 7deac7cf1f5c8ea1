//! Messages of MongoDB: OP_MSG with one document
//! (<https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/>).

/// The number of OP_MSG.
pub const OP_MSG: i32 = 2013;
/// The size of a message's head: its length, its number, whom it answers, and what it is.
pub const HEAD: usize = 16;
/// In the flags: a checksum stands at the end.
const CHECKSUM: u32 = 1;
/// In the flags: more comes without being asked for; in a request, that nobody awaits an answer.
pub const MORE_TO_COME: u32 = 2;

/// Why bytes are no message that this side takes. The texts are those that programs see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another kind of message.
    #[error("Unsupported opcode:{0}")]
    Opcode(i32),
    /// A checksum is announced.
    #[error("Unsupported OP_MSG flag checksumPresent")]
    Checksum,
    /// Unknown flags.
    #[error("Unsupported OP_MSG flag:{0}")]
    Flags(u32),
    /// A section that is no document.
    #[error("Unsupported OP_MSG payload type: {0}")]
    Payload(u8),
    /// Something behind the document.
    #[error("Unsupported OP_MSG reply: >1 section")]
    Sections,
    /// The document ends before it says to.
    #[error("mongo: the server sent a message that ends too early")]
    Truncated,
    /// A message that is longer than a length can say.
    #[error("mongo: a message of {0} bytes")]
    TooLong(usize),
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply<'a> {
    /// The number of the request.
    pub response_to: i32,
    /// The document, its length in front.
    pub document: &'a [u8],
}

impl<'a> Reply<'a> {
    /// Of a message without its length.
    ///
    /// # Errors
    /// Any of [`Error`] but `TooLong`.
    pub fn read(message: &'a [u8]) -> Result<Reply<'a>, Error> {
        let word = |at: usize| -> Result<[u8; 4], Error> {
            let bytes = message.get(at..at + 4).ok_or(Error::Truncated)?;
            bytes.try_into().map_err(|_| Error::Truncated)
        };
        let opcode = i32::from_le_bytes(word(8)?);
        if opcode != OP_MSG {
            return Err(Error::Opcode(opcode));
        }
        match u32::from_le_bytes(word(12)?) {
            flags if flags & CHECKSUM != 0 => return Err(Error::Checksum),
            0 | MORE_TO_COME => {}
            flags => return Err(Error::Flags(flags)),
        }
        match message.get(16).ok_or(Error::Truncated)? {
            0 => {}
            &kind => return Err(Error::Payload(kind)),
        }
        let document = &message[17..];
        let size = i32::from_le_bytes(word(17)?);
        let size = usize::try_from(size).map_err(|_| Error::Truncated)?;
        if size < 5 || size > document.len() {
            return Err(Error::Truncated);
        }
        if size < document.len() {
            return Err(Error::Sections);
        }
        Ok(Reply {
            response_to: i32::from_le_bytes(word(4)?),
            document,
        })
    }
}

/// A request.
///
/// # Errors
/// [`Error::TooLong`].
pub fn message(id: i32, flags: u32, document: &[u8]) -> Result<Vec<u8>, Error> {
    let size = HEAD + 5 + document.len();
    let length = i32::try_from(size).map_err(|_| Error::TooLong(size))?;
    let mut out = Vec::with_capacity(size);
    for word in [length, id, 0, OP_MSG] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(&flags.to_le_bytes());
    out.push(0);
    out.extend_from_slice(document);
    Ok(out)
}

//! Packets between the nodes of a master/slave network.
//!
//! Two nodes have one connection. First each sends its own number as one byte; from then on packets go both ways. A
//! packet is a frame with four bytes of length in front, which counts what follows:
//!
//! | bytes | |
//! |---|---|
//! | any | the payload |
//! | 4 | the handle of the sender, big-endian |
//! | 4 | the message type in the highest byte, below it the number of the receiver on its node, big-endian |
//! | 4 | the session, big-endian |
//!
//! So a message header comes last, and a payload has at most 16 MiB less 13 bytes. [`Head`] is that header; [`Reader`]
//! takes what was read from a connection apart.
//!
//! ```
//! use skynet_wire::harbor::{Head, Reader};
//!
//! let head = Head { source: 0x0200_0007, kind: 10, dest: 0x10, session: 2 };
//! let packet = head.pack(b"question")?;
//! assert_eq!(packet, b"\0\0\0\x14question\x02\0\0\x07\x0a\0\0\x10\0\0\0\x02");
//!
//! let mut reader = Reader::default();
//! let (first, mut rest) = packet.split_at(9);
//! assert!(reader.next(&mut &first[..])?.is_none());
//! let packet = reader.next(&mut rest)?.expect("a whole packet");
//! assert_eq!((packet.head(), packet.payload()), (head, &b"question"[..]));
//! # Ok::<(), skynet_wire::harbor::Error>(())
//! ```

use std::borrow::Cow;

use crate::netpack::{self, Framing, Partial};

/// Bytes of a packet behind its payload.
pub const HEAD: usize = 12;

/// The longest payload, in bytes: the length of a packet is below 2^24.
pub const MAX_PAYLOAD: usize = (1 << 24) - 1 - HEAD;

/// What is wrong with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A length of 16 MiB or more: from a peer, or of a packet to be sent. Nothing can be read after it.
    #[error("a packet of {0} bytes is too long")]
    TooLong(usize),
    /// A peer's packet has no room for its header.
    #[error("a packet of {0} bytes is too short")]
    TooShort(usize),
}

/// The header of a message, which ends its packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Who sends it, with the number of its node.
    pub source: u32,
    /// The message type.
    pub kind: u8,
    /// Who gets it: the low 24 bits of the handle. Bits above them are not sent.
    pub dest: u32,
    /// The session; negative ones are possible on the wire.
    pub session: i32,
}

impl Head {
    /// The header's bytes.
    pub fn to_bytes(self) -> [u8; HEAD] {
        let dest = u32::from(self.kind) << 24 | self.dest & 0xff_ffff;
        let mut bytes = [0; HEAD];
        bytes[..4].copy_from_slice(&self.source.to_be_bytes());
        bytes[4..8].copy_from_slice(&dest.to_be_bytes());
        bytes[8..].copy_from_slice(&self.session.to_be_bytes());
        bytes
    }

    /// Reads a header.
    pub fn from_bytes(bytes: &[u8; HEAD]) -> Head {
        let word = |at: usize| {
            u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        Head {
            source: word(0),
            kind: bytes[4],
            dest: word(4) & 0xff_ffff,
            session: word(8) as i32,
        }
    }

    /// The whole packet of a payload.
    ///
    /// # Errors
    /// [`Error::TooLong`].
    pub fn pack(self, payload: &[u8]) -> Result<Vec<u8>, Error> {
        Ok([&length(payload.len())?[..], payload, &self.to_bytes()].concat())
    }
}

/// The four bytes in front of a packet whose payload has `payload` bytes.
///
/// # Errors
/// [`Error::TooLong`].
pub fn length(payload: usize) -> Result<[u8; 4], Error> {
    match payload {
        0..=MAX_PAYLOAD => Ok(((payload + HEAD) as u32).to_be_bytes()),
        _ => Err(Error::TooLong(payload)),
    }
}

/// A packet that has come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    payload: Cow<'a, [u8]>,
    head: Head,
}

impl Packet<'_> {
    /// Its header.
    pub fn head(&self) -> Head {
        self.head
    }

    /// Its payload, which lies in the read if the packet did.
    pub fn payload(&self) -> &[u8] {
        let end = self.payload.len() - HEAD;
        &self.payload[..end]
    }
}

/// What one connection keeps between two reads: the packet that the last one broke off in.
#[derive(Debug, Default)]
pub struct Reader(Partial);

impl Reader {
    /// Takes the next packet from the front of `read`. `None`: no packet is complete, and all of `read` was taken.
    ///
    /// # Errors
    /// There is no way to go on with this connection. After [`Error::TooLong`] every later call gives the same.
    pub fn next<'a>(&mut self, read: &mut &'a [u8]) -> Result<Option<Packet<'a>>, Error> {
        let frame = match Framing::LONG.take(&mut self.0, read) {
            Ok(Some(frame)) => frame,
            Ok(None) => return Ok(None),
            Err(netpack::Error::Limit { len, .. }) => return Err(Error::TooLong(len as usize)),
            Err(netpack::Error::TooLong(len)) => return Err(Error::TooLong(len)),
        };
        match frame.last_chunk() {
            Some(head) => {
                let head = Head::from_bytes(head);
                let payload = frame;
                Ok(Some(Packet { payload, head }))
            }
            None => Err(Error::TooShort(frame.len())),
        }
    }
}

//! A message on its way from its sender to the service `harbor`.
//!
//! It is a SYSTEM message in the name of the sender, whose payload is the packet as it goes on the wire, and behind it
//! where it goes:
//!
//! | bytes | |
//! |---|---|
//! | 4 + any + 12 | the packet (`skynet_wire::harbor`) |
//! | 16 | the name, filled up with zeros, if it goes to a name |
//! | 4 | the handle that it goes to, little-endian; 0: a name |
//!
//! The receiver of a packet to a name is put into its header once it is known.

use skynet_kernel::{Destination, Handle, Message, Payload, SendError, kind, text};
use skynet_wire::harbor::{HEAD, Head, length};

/// Bytes of a name; longer ones are cut.
pub(crate) const NAME: usize = 16;

/// A global name as it travels.
pub(crate) type Name = [u8; NAME];

/// A name filled up with zeros.
pub(crate) fn name(text: &[u8]) -> Name {
    let mut name = [0; NAME];
    let len = text.len().min(NAME);
    name[..len].copy_from_slice(&text[..len]);
    name
}

/// What a name looks like.
pub(crate) fn show(name: &Name) -> String {
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(NAME);
    text::from_bytes(&name[..end]).into_owned()
}

/// Puts a message into an envelope.
pub(crate) fn seal(to: Destination<'_>, message: &Message) -> Result<Payload, SendError> {
    let payload = message.payload();
    let length = length(payload.len()).map_err(|_| SendError::TooLarge)?;
    let (name, dest) = match to {
        Destination::Handle(handle) => (None, handle.0),
        Destination::Name(to) => (Some(name(&text::to_bytes(to))), 0),
    };
    let head = Head {
        source: message.source.0,
        kind: message.kind,
        dest,
        session: message.session,
    };
    let name = name.as_ref().map_or(&[][..], |name| &name[..]);
    let (head, dest) = (head.to_bytes(), dest.to_le_bytes());
    Ok(Payload::concat(&[&length, payload, &head, name, &dest]))
}

/// Where an envelope goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum To {
    Handle(Handle),
    Name(Name),
}

/// An opened envelope.
pub(crate) struct Outgoing {
    pub(crate) to: To,
    pub(crate) head: Head,
    /// What the sender gave.
    content: Payload,
    /// Length and payload of the packet, in bytes.
    front: usize,
}

impl Outgoing {
    /// Opens an envelope. `None`: it is none.
    pub(crate) fn open(content: Payload) -> Option<Outgoing> {
        let bytes = content.as_slice();
        let (rest, dest) = bytes.split_last_chunk()?;
        let (packet, to) = match u32::from_le_bytes(*dest) {
            0 => {
                let (packet, name) = rest.split_last_chunk()?;
                (packet, To::Name(*name))
            }
            handle => (rest, To::Handle(Handle(handle))),
        };
        let (front, head) = packet.split_last_chunk::<HEAD>()?;
        let (announced, payload) = front.split_first_chunk::<4>()?;
        if length(payload.len()) != Ok(*announced) {
            return None;
        }
        let (head, front) = (Head::from_bytes(head), front.len());
        Some(Outgoing {
            to,
            head,
            content,
            front,
        })
    }

    /// The same message, for whoever has the name that it went to.
    pub(crate) fn redirected(self, dest: Handle) -> Outgoing {
        let to = To::Handle(dest);
        Outgoing { to, ..self }
    }

    /// Length and payload, which go on the wire before the header.
    pub(crate) fn front(&self) -> &[u8] {
        &self.content.as_slice()[..self.front]
    }

    pub(crate) fn payload(&self) -> &[u8] {
        &self.front()[4..]
    }

    pub(crate) fn source(&self) -> Handle {
        Handle(self.head.source)
    }

    /// Does somebody wait for an answer?
    pub(crate) fn is_request(&self) -> bool {
        Message::new(
            self.head.kind,
            self.source(),
            self.head.session,
            Payload::EMPTY,
        )
        .is_request()
    }

    /// The session that tells its sender what has not arrived: 0 unless it is a request, since the session of an answer
    /// is the receiver's. `None`: an error that does not arrive is not worth another.
    pub(crate) fn failed_session(&self) -> Option<i32> {
        match self.head.kind {
            kind::ERROR => None,
            _ if self.is_request() => Some(self.head.session),
            _ => Some(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(payload: &[u8]) -> Message {
        Message::new(
            kind::LUA,
            Handle(0x0200_0007),
            3,
            Payload::from_slice(payload),
        )
    }

    #[test]
    fn what_is_sealed_can_be_opened() {
        for payload in [&b""[..], b"x", &[7; 100_000]] {
            for (dest, to) in [
                (
                    Destination::Handle(Handle(0x0300_0010)),
                    To::Handle(Handle(0x0300_0010)),
                ),
                (Destination::Name("STORE"), To::Name(name(b"STORE"))),
                (
                    Destination::Name("0123456789abcdefg"),
                    To::Name(*b"0123456789abcdef"),
                ),
            ] {
                let sealed = seal(dest, &message(payload)).unwrap();
                let open = Outgoing::open(sealed).unwrap();
                assert_eq!((open.to, open.payload()), (to, payload));
                let head = open.head;
                assert_eq!((head.source, head.kind, head.session), (0x0200_0007, 10, 3));
                assert_eq!(open.failed_session(), Some(3));
            }
        }
    }

    #[test]
    fn anything_else_is_none() {
        let sealed = seal(Destination::Handle(Handle(0x0300_0010)), &message(b"abc")).unwrap();
        let good = sealed.as_slice();
        let mut bad = good.to_vec();
        bad[3] ^= 1;
        for bytes in [
            &b""[..],
            b"abc",
            &[0; 40],
            &good[1..],
            &good[..good.len() - 1],
            &bad,
        ] {
            assert!(Outgoing::open(Payload::from_slice(bytes)).is_none());
        }
    }

    #[test]
    fn what_is_too_long_is_refused() {
        let longest = vec![0; skynet_wire::harbor::MAX_PAYLOAD];
        let to = Destination::Handle(Handle(0x0300_0010));
        assert!(seal(to, &message(&longest)).is_ok());
        let longer = [&longest[..], b"x"].concat();
        assert_eq!(seal(to, &message(&longer)).err(), Some(SendError::TooLarge));
    }
}

//! Events of sockets, as they lie in messages.
//!
//! The payload of a message is the data, followed by a trailer of four native-endian 32-bit integers:
//! type, id, `ud` and flags (0 so far). The data comes first, so that a receiver can take the
//! payload's block over as it is and hand its address on as the address of the data.

use skynet_kernel::{GrowingPayload, Handle, Message, Payload, kind};

use crate::SocketId;

/// Bytes behind the data.
pub const TRAILER: usize = 16;

/// What happened. The numbers are those that skynet's services know.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(i32)]
pub enum EventKind {
    /// Bytes of a stream. `ud`: how many.
    Data = 1,
    /// The socket is ready. Text: the peer's IP address; the local one of a listener, whose port is
    /// `ud`; `start`, `transfer` or `binding`.
    Connect = 2,
    /// The peer has closed, or the socket is closed. Once per socket. A text says that a connection with TLS has ended
    /// without a word: what came may be cut off.
    Close = 3,
    /// A connection came in: `ud` is its id, `id` the listener, text `ip:port` of the peer.
    Accept = 4,
    /// Something failed: text.
    Error = 5,
    /// A datagram of `ud` bytes, followed by the encoded address of its sender (see
    /// [`skynet_wire::netaddr`]).
    Udp = 6,
    /// `ud` KiB wait to be sent; 0 when all has been sent after a warning.
    Warning = 7,
    /// The block of a [`Fill`](crate::Fill), which ends here: `ud` bytes of the stream were read for it. Only who
    /// asked for that gets it.
    Filled = 8,
    /// A [link](crate::Net::set_link) that was full has room again. Only who asked for room gets it.
    Room = 9,
    /// `ud` 1: the handshake of [TLS](crate::Net::secure) has ended. 0: the connection is not read any more, as
    /// [`Net::hush`](crate::Net::hush) wanted it. Only who asked for that gets it.
    Tls = 10,
}

impl EventKind {
    fn from_number(number: i32) -> Option<EventKind> {
        Some(match number {
            1 => EventKind::Data,
            2 => EventKind::Connect,
            3 => EventKind::Close,
            4 => EventKind::Accept,
            5 => EventKind::Error,
            6 => EventKind::Udp,
            7 => EventKind::Warning,
            8 => EventKind::Filled,
            9 => EventKind::Room,
            10 => EventKind::Tls,
            _ => return None,
        })
    }
}

/// An event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct SocketEvent<'a> {
    /// What happened.
    pub kind: EventKind,
    /// To which socket.
    pub id: SocketId,
    /// A number that depends on the kind.
    pub ud: i32,
    /// Data or text.
    pub data: &'a [u8],
}

impl<'a> SocketEvent<'a> {
    /// Reads the payload of a message of kind SOCKET. `None` if it did not come from this engine.
    #[inline]
    pub fn parse(payload: &'a [u8]) -> Option<SocketEvent<'a>> {
        let (data, trailer) = payload.split_last_chunk::<TRAILER>()?;
        let [kind, id, ud, _flags] = unpack(trailer);
        Some(SocketEvent {
            kind: EventKind::from_number(kind)?,
            id,
            ud,
            data,
        })
    }
}

#[inline]
fn unpack(trailer: &[u8; TRAILER]) -> [i32; 4] {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(trailer.chunks_exact(4)) {
        *word = i32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    words
}

#[inline]
fn pack(words: [i32; 4]) -> [u8; TRAILER] {
    let mut trailer = [0; TRAILER];
    for (bytes, word) in trailer.chunks_exact_mut(4).zip(words) {
        bytes.copy_from_slice(&word.to_ne_bytes());
    }
    trailer
}

/// An event whose data consists of two pieces.
#[inline]
pub(crate) fn message(event: EventKind, id: SocketId, ud: i32, data: [&[u8]; 2]) -> Message {
    let trailer = pack([event as i32, id, ud, 0]);
    let payload = Payload::concat(&[data[0], data[1], &trailer]);
    Message::new(kind::SOCKET, Handle::NONE, 0, payload)
}

/// An event with data that is in its place already.
pub(crate) fn message_around(
    event: EventKind,
    id: SocketId,
    ud: usize,
    mut data: GrowingPayload,
) -> Message {
    data.extend_from_slice(&pack([event as i32, id, ud as i32, 0]));
    Message::new(kind::SOCKET, Handle::NONE, 0, data.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_an_event_is_refused() {
        for payload in [
            &[][..],
            b"short",
            &pack([0, 1, 0, 0]),
            &pack([11, 1, 0, 0]),
            &pack([-1, 1, 0, 0]),
        ] {
            assert_eq!(SocketEvent::parse(payload), None);
        }
        let mut payload = b"abc".to_vec();
        payload.extend(pack([1, 7, 3, 0]));
        let event = SocketEvent::parse(&payload).unwrap();
        assert_eq!(
            (event.kind, event.id, event.ud, event.data),
            (EventKind::Data, 7, 3, &b"abc"[..])
        );
    }
}

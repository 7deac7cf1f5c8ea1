//! Large messages, put together in the memory that they are passed on in.

use skynet_kernel::{GrowingPayload, Payload};
use skynet_net::event::TRAILER;
use skynet_net::{Fill, Net, SocketId};
use skynet_wire::cluster::{self, Requests};
use skynet_wire::netpack::Partial;

/// Memory that an announced size gets before its bytes have come, if the first part is as long as the parts of an honest peer. The system
/// provides what is used of it, page by page. Shorter parts get what they need: or else a peer could take megabytes of addresses and
/// pages of memory with a few bytes each.
const TRUSTED: usize = 2 << 20;

/// What the parts of a large message are appended to.
#[derive(Debug, Default)]
pub(crate) struct Assembled(GrowingPayload);

impl cluster::Store for Assembled {
    fn append(&mut self, bytes: &[u8], bound: usize) {
        let needed = self.0.as_slice().len() + bytes.len();
        if needed > self.0.capacity() {
            let trusted = if bytes.len() < cluster::PART {
                0
            } else {
                TRUSTED
            };
            let more = needed.max(self.0.capacity().saturating_mul(2)).max(trusted);
            self.0.reserve_total(more.min(bound + TRAILER));
        }
        self.0.extend_from_slice(bytes);
    }

    fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }
}

/// Bytes that are to come of a large message from which on they are read straight to it.
const DIRECT: usize = 2 * cluster::PART;

/// Bytes that are read so without the agent seeing any, at most: a number of 31 bits tells how many there were.
const LONGEST: usize = 1 << 28;

/// Lets what comes next on a connection be read straight to the large message that it belongs to, if `partial` ends in the middle of
/// one of its parts. `received`: the bytes that have come on the connection. The session of the message, if that is so.
pub(crate) fn fill(
    requests: &mut Requests<Assembled>,
    partial: &mut Partial,
    net: &Net,
    id: SocketId,
    received: u64,
) -> Option<u32> {
    let (frame, len) = partial.body()?;
    let mut lent = requests.lend(frame, len, DIRECT)?;
    let (session, before) = (lent.session, lent.before);
    let mut end = lent.store.0.as_slice().len() + lent.first;
    // As much as there is memory for already, or else twice of that. Behind it comes the event's trailer.
    let block = &mut lent.store.0;
    if end + TRAILER > block.capacity() {
        let twice = block.capacity().saturating_mul(2).min(lent.total + TRAILER);
        block.reserve_total(twice.max(end + TRAILER));
    }
    let bound = (block.capacity() - TRAILER).min(end + LONGEST);
    let coming = lent.coming.take_while(|(_, len)| {
        end += len;
        end <= bound
    });
    let fill = Fill::new(lent.store.0, lent.first, coming);
    match net.fill(id, received, fill) {
        Ok(()) => {
            *partial = Partial::default();
            Some(session)
        }
        Err(fill) => {
            // More has been read already. The part comes as usual.
            let mut block = fill.into_block();
            block.truncate(before);
            let complete = requests.give_back(session, Assembled(block));
            debug_assert!(complete.is_none());
            None
        }
    }
}

/// What such a fill has come to: the first `len` bytes of its payload.
pub(crate) fn filled(payload: Payload, len: usize) -> Assembled {
    Assembled(GrowingPayload::reopen(payload, len))
}

/// A received payload as one to send.
pub(crate) fn payload(received: cluster::Payload<'_, Assembled>) -> Payload {
    match received {
        cluster::Payload::Borrowed(bytes) => Payload::from_slice(bytes),
        cluster::Payload::Whole(assembled) => assembled.0.finish(),
    }
}

#[cfg(test)]
mod tests {
    use skynet_wire::cluster::{PART, Store};

    use super::*;

    #[test]
    fn who_sends_little_gets_little() {
        let mut short = Assembled::default();
        short.append(b"x", 1 << 30);
        assert!(short.0.capacity() < 4096);
        let mut full = Assembled::default();
        full.append(&[0; PART], 1 << 30);
        assert_eq!(full.0.capacity(), TRUSTED);
    }
}

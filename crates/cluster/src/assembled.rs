//! Large messages, put together in the memory that they are passed on in.

use skynet_kernel::{GrowingPayload, Payload};
use skynet_net::event::TRAILER;
use skynet_net::{Fill, Net, SocketId};
use skynet_wire::cluster::{self, Requests};
use skynet_wire::netpack::Partial;

/// What the parts of a large message are appended to. It has memory for twice the bytes that have come, at most, or for
/// as much as the peer has sent in one message before: what a peer announces costs nothing before it comes.
#[derive(Debug, Default)]
pub(crate) struct Assembled(GrowingPayload);

impl cluster::Store for Assembled {
    fn append(&mut self, bytes: &[u8], bound: usize) {
        let needed = self.0.as_slice().len() + bytes.len();
        if needed > self.0.capacity() {
            let more = needed.max(self.0.capacity().saturating_mul(2));
            self.0.reserve_total(more.min(bound + TRAILER));
        }
        self.0.extend_from_slice(bytes);
    }

    fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    fn held(&self) -> usize {
        self.0.capacity()
    }

    fn reserve(&mut self, bytes: usize) {
        if bytes > self.0.capacity() {
            self.0.reserve_total(bytes + TRAILER);
        }
    }
}

/// Bytes that are to come of a large message from which on they are read straight to it.
const DIRECT: usize = 2 * cluster::PART;

/// Bytes that are read so without the agent seeing any, at most: a number of 31 bits tells how many there were.
const LONGEST: usize = 1 << 28;

/// Lets what comes next on a connection be read straight to the large message that it belongs to, if `partial` ends in
/// the middle of one of its parts. `received`: the bytes that have come on the connection. The session of the message,
/// if that is so.
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
        for part in [1, 1000, PART] {
            let mut large = Assembled::default();
            for count in 1..=100 {
                large.append(&vec![0; part], 1 << 30);
                assert!(large.held() <= 2 * count * part + TRAILER);
            }
        }
    }
}

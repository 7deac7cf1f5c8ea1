//! Large messages, put together in the memory that they are passed on in.

use skynet_kernel::{GrowingPayload, Payload};
use skynet_wire::cluster;

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
            self.0.reserve_total(more.min(bound));
        }
        self.0.extend_from_slice(bytes);
    }

    fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }
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

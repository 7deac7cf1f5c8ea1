//! Large messages, put together in the memory that they are passed on in.

use skynet_kernel::{GrowingPayload, Payload};
use skynet_wire::cluster;

/// Memory that an announced size gets before its bytes have come. The system provides what is used of it, page by page, so that a
/// peer that announces and does not send costs addresses only.
const TRUSTED: usize = 2 << 20;

/// What the parts of a large message are appended to.
#[derive(Debug, Default)]
pub(crate) struct Assembled(GrowingPayload);

impl cluster::Store for Assembled {
    fn append(&mut self, bytes: &[u8], bound: usize) {
        let needed = self.0.as_slice().len() + bytes.len();
        if needed > self.0.capacity() {
            let more = needed.max(self.0.capacity().saturating_mul(2)).max(TRUSTED);
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

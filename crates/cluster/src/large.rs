//! Large messages: one frame, and parts that follow with low priority.

use skynet_kernel::Payload;
use skynet_net::{Net, SocketId, Unit};
use skynet_wire::cluster::Parts;

/// A large message that is to be written: its first frame, and the headers of its parts.
pub(crate) struct Large {
    head: Vec<u8>,
    headers: Vec<([u8; 7], usize)>,
}

impl Large {
    pub(crate) fn new(head: Vec<u8>, parts: Parts<'_>) -> Large {
        let headers = parts.map(|part| (part.header, part.data.len())).collect();
        Large { head, headers }
    }

    /// Writes it with low priority. The parts are the end of `payload`.
    pub(crate) fn send(self, net: &Net, id: SocketId, payload: Payload) {
        let total: usize = self.headers.iter().map(|(_, len)| len).sum();
        let mut at = payload.len() - total;
        let units = self.headers.iter().map(|(header, len)| {
            at += len;
            Unit::new(header, at - len..at)
        });
        let units: Vec<Unit> = units.collect();
        net.lsend_units(id, &self.head, payload, &units);
    }
}

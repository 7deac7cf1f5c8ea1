//! Frames that a service gathers while it handles messages, to write them by one system call when its turn ends.

use crate::{Net, SocketId};

/// See the module's description. Frames are appended to [`buffer`](Gathered::buffer).
#[derive(Default)]
pub struct Gathered(Vec<u8>);

impl Gathered {
    /// So many bytes are worth a system call before the turn ends.
    pub const FULL: usize = 64 << 10;

    /// Where frames are appended.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    /// Bytes that have been gathered.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Is there nothing to be written?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Are there enough bytes to write them before the turn ends?
    pub fn is_full(&self) -> bool {
        self.0.len() >= Self::FULL
    }

    /// Writes what has been gathered to a socket. If that has been closed, its owner gets an event of it.
    pub fn write(&mut self, net: &Net, id: SocketId) {
        if !self.0.is_empty() {
            net.send_slice(id, &self.0);
            self.clear();
        }
    }

    /// Forgets what has been gathered, and gives back the memory that a burst has left.
    pub fn clear(&mut self) {
        self.0.clear();
        if self.0.capacity() > 4 * Self::FULL {
            self.0 = Vec::new();
        }
    }
}

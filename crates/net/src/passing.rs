//! Input that the owner of a socket passes on to other services, as messages of [`Node::send_from_outside`].
//!
//! The owner gets on with its own mailbox however slow these are. So it looks now and then whether one of them is
//! behind; if so, the socket is not read until that one has caught up ([`Net::set_consumer`]).
//!
//! [`Node::send_from_outside`]: skynet_kernel::Node::send_from_outside

use skynet_kernel::Handle;

use crate::{Net, SocketId};

/// Bytes after which the receivers are looked at.
const LOOK: usize = 128 << 10;
/// Receivers that are remembered until then. Others have got little.
const RECEIVERS: usize = 32;
/// What a message counts beside its payload.
const OVERHEAD: usize = 64;

/// What has been passed on from one socket since the receivers were looked at.
#[derive(Debug)]
pub struct PassedOn {
    bytes: usize,
    receivers: Vec<Handle>,
    /// Who is known to be behind; else who is the socket's consumer as a rule.
    consumer: Handle,
    usual: Handle,
}

impl PassedOn {
    /// Nothing yet. `usual`: the socket's consumer while nobody is behind, which may be none.
    pub fn new(usual: Handle) -> PassedOn {
        PassedOn {
            bytes: 0,
            receivers: Vec::new(),
            consumer: usual,
            usual,
        }
    }

    /// A message with so many bytes has gone to a service.
    #[inline]
    pub fn add(&mut self, net: &Net, id: SocketId, to: Handle, bytes: usize) {
        self.bytes += bytes + OVERHEAD;
        if self.receivers.last() != Some(&to)
            && self.receivers.len() < RECEIVERS
            && !self.receivers.contains(&to)
        {
            self.receivers.push(to);
        }
        if self.bytes >= LOOK {
            self.look(net, id);
        }
    }

    #[cold]
    fn look(&mut self, net: &Net, id: SocketId) {
        self.bytes = 0;
        let behind = self.receivers.drain(..).find(|to| net.is_behind(*to));
        let consumer = behind.unwrap_or(self.usual);
        if self.consumer != consumer {
            self.consumer = consumer;
            net.set_consumer(id, consumer);
        }
    }
}

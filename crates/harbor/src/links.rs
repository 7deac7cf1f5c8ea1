//! The connections to other nodes, one for each.
//!
//! ```text
//!            S: we have connected            their number has come
//!   Waiting ----------------------> Greeting ---------------------> Up
//!      |  \------------------------------------------------------> /  |
//!      |              A: they have, and their number is known         |
//!      \----------------------> Down <--------------------------------/
//! ```
//! What is to be sent while there is no connection yet is kept, and goes out first once there is one. `Down` lasts
//! until the slave service brings a new connection, or says that another node has the number.

use skynet_kernel::{Handle, kind};
use skynet_net::{Gathered, Net, PassedOn, Room, SocketId};
use skynet_wire::harbor::{HEAD, Head, Reader};

use crate::envelope::Outgoing;

/// Bytes that may wait for a node that does not read. What it has asked for beyond that is answered by errors.
pub(crate) const UNREAD: usize = 64 << 20;

pub(crate) enum Link {
    Waiting(Vec<Outgoing>),
    Greeting(SocketId, Vec<Outgoing>),
    Up(Box<Connection>),
    Down,
}

impl Default for Link {
    fn default() -> Link {
        Link::Waiting(Vec::new())
    }
}

impl Link {
    pub(crate) fn id(&self) -> Option<SocketId> {
        match self {
            Link::Greeting(id, _) => Some(*id),
            Link::Up(connection) => Some(connection.id),
            Link::Waiting(_) | Link::Down => None,
        }
    }
}

pub(crate) struct Connection {
    pub(crate) id: SocketId,
    pub(crate) reader: Reader,
    /// Packets that are to be written when the turn ends.
    out: Gathered,
    /// As much waits to be sent as may.
    pub(crate) full: bool,
    pub(crate) passed_on: PassedOn,
}

impl Connection {
    pub(crate) fn new(id: SocketId) -> Connection {
        Connection {
            id,
            reader: Reader::default(),
            out: Gathered::default(),
            full: false,
            passed_on: PassedOn::new(Handle::NONE),
        }
    }

    /// Appends a packet to what is to be written. Large payloads are not copied once more.
    pub(crate) fn write(&mut self, net: &Net, message: &Outgoing, head: Head) {
        let front = message.front();
        if front.len() < Gathered::FULL {
            self.out.buffer().extend_from_slice(front);
        } else {
            self.flush(net);
            net.send_slice(self.id, front);
        }
        self.out.buffer().extend_from_slice(&head.to_bytes());
        if self.out.is_full() {
            self.flush(net);
        }
    }

    /// Appends an error in the place of an answer.
    pub(crate) fn write_error(&mut self, head: Head) {
        let kind = kind::ERROR;
        self.out
            .buffer()
            .extend_from_slice(&(HEAD as u32).to_be_bytes());
        self.out
            .buffer()
            .extend_from_slice(&Head { kind, ..head }.to_bytes());
    }

    /// True if there is something for the end of the turn.
    pub(crate) fn is_dirty(&self) -> bool {
        !self.out.is_empty()
    }

    pub(crate) fn flush(&mut self, net: &Net) {
        if self.out.is_empty() {
            return;
        }
        self.out.write(net, self.id);
        self.full = net.room(self.id, 0) == Room::Full;
    }
}

//! What is known about the sockets.

use std::net::SocketAddr;

use skynet_kernel::Handle;
use skynet_wire::netaddr::peer_text;

use crate::SocketId;
use crate::net::Net;
use crate::socket::State;

/// What a socket is to [`Net::info`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum SocketType {
    /// Listening, and accepting.
    Listen,
    /// A connection.
    Tcp,
    /// A UDP socket.
    Udp,
    /// A foreign descriptor.
    Bind,
    /// A connection that is closed in one direction.
    Closing,
}

/// What is known about a socket; see [`Net::info`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct SocketInfo {
    /// Its id.
    pub id: SocketId,
    /// Who gets its events.
    pub owner: Handle,
    /// What it is.
    pub kind: SocketType,
    /// Bytes read; for a listener, connections accepted.
    pub read: u64,
    /// Bytes written.
    pub written: u64,
    /// When it was last read from, in centiseconds of the node's clock; 0 for never.
    pub rtime: u64,
    /// When it was last written to, likewise.
    pub wtime: u64,
    /// Bytes that wait to be sent.
    pub pending: usize,
    /// Is input wanted?
    pub reading: bool,
    /// Is output waiting?
    pub writing: bool,
    /// `ip:port`: of the peer; of a listener itself. None if it is unknown.
    pub name: Option<String>,
}

impl Net {
    /// Number of sockets, in whatever state.
    pub fn count(&self) -> usize {
        self.engine.slots.live()
    }

    /// The address that a connection goes to.
    pub fn peer(&self, id: SocketId) -> Option<SocketAddr> {
        self.engine.slots.lock(id)?.address
    }

    /// What is known about all sockets that are in use, from the highest slot to the lowest. Those
    /// that are under way, or were never started, are left out.
    pub fn info(&self) -> Vec<SocketInfo> {
        let mut list = Vec::new();
        self.engine.slots.for_each(|socket| {
            let kind = match socket.state {
                State::Connecting | State::Plisten | State::Handshake | State::Paccept => return,
                State::Listen => SocketType::Listen,
                State::Connected if socket.is_udp() => SocketType::Udp,
                State::Connected => SocketType::Tcp,
                State::Bind => SocketType::Bind,
                State::HalfRead | State::HalfWrite => SocketType::Closing,
            };
            list.push(SocketInfo {
                id: socket.id,
                owner: socket.owner,
                kind,
                read: socket.read,
                written: socket.written,
                rtime: socket.rtime,
                wtime: socket.wtime,
                pending: socket.queue.pending(),
                reading: socket.reading,
                writing: !socket.queue.is_empty(),
                name: socket.address.map(|address| peer_text(address).to_string()),
            });
        });
        list
    }
}

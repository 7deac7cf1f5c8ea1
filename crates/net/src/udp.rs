//! Datagrams.
//!
//! A UDP socket is `Connected` from its creation. The default destination is a matter of this engine
//! only: the system's socket is never connected, and takes datagrams from anybody.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use skynet_kernel::Handle;
use skynet_wire::netaddr::{self, UdpAddress};
use socket2::{Domain, Protocol, Type};

use crate::budget::Wrote;
use crate::engine::Engine;
use crate::error::{Error, text};
use crate::event::{self, EventKind};
use crate::io::Io;
use crate::queue::Piece;
use crate::ready::Pass;
use crate::slots::Entry;
use crate::socket::{Socket, State};
use crate::write::Waits;
use crate::{SocketId, resolver};

/// Datagrams received, or sent, in one go, before other sockets have their turn.
const BURST: usize = 64;

impl Engine {
    /// A socket that is bound if there is a host or a port, else an unbound IPv4 one.
    pub(crate) fn udp(
        &self,
        owner: Handle,
        host: Option<&str>,
        port: u16,
    ) -> Result<SocketId, Error> {
        if host.is_none() && port == 0 {
            let any = SocketAddr::from(([0, 0, 0, 0], 0));
            return self.add_udp(owner, udp_socket(any)?, None);
        }
        let host = host.filter(|host| !host.is_empty()).unwrap_or("0.0.0.0");
        let address = resolver::first(host, port)?;
        let socket = udp_socket(address)?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        self.add_udp(owner, socket, None)
    }

    pub(crate) fn udp_dial(&self, owner: Handle, host: &str, port: u16) -> Result<SocketId, Error> {
        let address = resolver::first(host, port)?;
        self.add_udp(owner, udp_socket(address)?, Some(address))
    }

    fn add_udp(
        &self,
        owner: Handle,
        socket: socket2::Socket,
        to: Option<SocketAddr>,
    ) -> Result<SocketId, Error> {
        let mut entry = self.allocate(owner, State::Connected)?;
        entry.io = Io::Udp(UdpSocket::from(socket));
        entry.address = to;
        entry.reading = true;
        if let Err(error) = self.register(&mut entry, false) {
            self.destroy(entry);
            return Err(Error::Io(error));
        }
        Ok(entry.id)
    }

    /// Sets the default destination.
    pub(crate) fn udp_connect(&self, id: SocketId, host: &str, port: u16) -> Result<(), Error> {
        let address = resolver::first(host, port)?;
        let mut socket = self.slots.lock(id).ok_or(Error::InvalidSocket)?;
        if !socket.is_udp() {
            return Err(Error::InvalidSocket);
        }
        if !same_family(&socket, address) {
            let text = Error::ProtocolMismatch.to_string();
            self.tell(&socket, EventKind::Error, 0, &text);
            return Ok(());
        }
        socket.address = Some(address);
        Ok(())
    }

    /// Sends to an encoded address.
    pub(crate) fn udp_send(&self, id: SocketId, to: &[u8], data: &[u8]) -> bool {
        let (Some(to), Some(socket)) = (netaddr::parse_udp(to).ok(), self.slots.lock(id)) else {
            return false;
        };
        if !socket.is_udp() || socket.closing.is_some() {
            return false;
        }
        if !same_family(&socket, to) {
            drop(socket);
            self.log(&format!(
                "socket-server : udp ({id}) sendto error protocol mismatch."
            ));
            return false;
        }
        self.send_datagram(socket, to, data, false)
    }

    /// Sends to the default destination.
    pub(crate) fn send_to_peer(&self, socket: Entry<'_>, data: &[u8], low: bool) -> bool {
        let Some(to) = socket.address else {
            let id = socket.id;
            drop(socket);
            self.log(&format!(
                "socket-server : set udp ({id}) error: address first."
            ));
            return false;
        };
        self.send_datagram(socket, to, data, low)
    }

    fn send_datagram(&self, mut socket: Entry<'_>, to: SocketAddr, data: &[u8], low: bool) -> bool {
        if socket.queue.is_empty() {
            match send_to(&socket, data, to) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(()) => {
                    socket.written += data.len() as u64;
                    socket.wtime = self.now_cs();
                    return true;
                }
                Err(error) => {
                    let id = socket.id;
                    drop(socket);
                    self.datagram_lost(id, &error);
                    return true;
                }
            }
        }
        self.enqueue(socket, [Piece::datagram(data, to)], low, Waits::Full, true)
    }

    #[cold]
    fn datagram_lost(&self, id: SocketId, error: &io::Error) {
        self.log(&format!(
            "socket-server : udp ({id}) sendto error {}.",
            text(error)
        ));
    }

    /// Sends what waits. An error costs the datagram only.
    pub(crate) fn flush_datagrams(&self, socket: &mut Socket) -> io::Result<Wrote> {
        for _ in 0..BURST {
            let Some(piece) = socket.queue.front() else {
                return Ok(Wrote::All);
            };
            if let Some(to) = &piece.to {
                match send_to(socket, piece.rest(), **to) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        return Ok(Wrote::Full);
                    }
                    Ok(()) => socket.written += piece.rest().len() as u64,
                    Err(error) => self.datagram_lost(socket.id, &error),
                }
            }
            socket.queue.pop();
        }
        match socket.queue.is_empty() {
            true => Ok(Wrote::All),
            false => Ok(Wrote::Enough),
        }
    }

    /// Receives what has come in. The socket has gone afterwards, or it has been read empty, or it
    /// needs another go.
    pub(crate) fn receive(&self, mut socket: Entry<'_>, buffer: &mut [u8]) -> Pass {
        for _ in 0..BURST {
            let Io::Udp(io) = &socket.io else {
                return Pass::Done;
            };
            match io.recv_from(buffer) {
                Ok((n, from)) => {
                    socket.read += n as u64;
                    socket.rtime = self.now_cs();
                    let from = UdpAddress::from(from);
                    let data = [&buffer[..n], &*from];
                    let message = event::message(EventKind::Udp, socket.id, n as i32, data);
                    self.emit(socket.owner, socket.id, message);
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => {
                        self.flush(socket);
                        return Pass::Done;
                    }
                    io::ErrorKind::Interrupted => {}
                    _ => {
                        self.fail(socket, &text(&error));
                        return Pass::Done;
                    }
                },
            }
        }
        self.flush(socket);
        Pass::Again
    }
}

fn udp_socket(address: SocketAddr) -> io::Result<socket2::Socket> {
    socket2::Socket::new(
        Domain::for_address(address),
        Type::DGRAM.nonblocking(),
        Some(Protocol::UDP),
    )
}

/// An IPv4 socket can't reach IPv6 addresses, and the other way round.
fn same_family(socket: &Socket, to: SocketAddr) -> bool {
    match &socket.io {
        Io::Udp(io) => io
            .local_addr()
            .is_ok_and(|own| own.is_ipv4() == to.is_ipv4()),
        _ => false,
    }
}

fn send_to(socket: &Socket, data: &[u8], to: SocketAddr) -> io::Result<()> {
    let Io::Udp(io) = &socket.io else {
        return Err(io::ErrorKind::NotConnected.into());
    };
    loop {
        match io.send_to(data, to) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other.map(drop),
        }
    }
}

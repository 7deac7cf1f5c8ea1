//! Connecting to others.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use skynet_kernel::Handle;
use skynet_wire::netaddr::ip_text;
use socket2::{Domain, Protocol, Type};

use crate::SocketId;
use crate::engine::Engine;
use crate::error::{self, Error};
use crate::event::EventKind;
use crate::io::Io;
use crate::resolver;
use crate::slots::Entry;
use crate::socket::State;

impl Engine {
    /// Connects, possibly after resolving the host on another thread.
    pub(crate) fn connect(
        self: &Arc<Self>,
        owner: Handle,
        host: &str,
        port: u16,
    ) -> Result<SocketId, Error> {
        // The limit of the original, whose commands have 256 bytes.
        if host.len() > 230 {
            self.log(&format!("socket-server error: Invalid addr {host}."));
            return Err(Error::InvalidAddress(host.to_owned()));
        }
        let mut entry = self.allocate(owner, State::Connecting)?;
        entry.reading = true;
        let id = entry.id;
        drop(entry);
        if let Some(ip) = resolver::literal(host) {
            self.dial(id, &[SocketAddr::new(ip, port)]);
            return Ok(id);
        }
        let (engine, host) = (Arc::downgrade(self), host.to_owned());
        let submitted = self.resolver.submit(move || {
            let found = resolver::addresses(&host, port);
            // Nobody waits for it if the engine has gone, or the socket.
            let Some(engine) = engine.upgrade() else {
                return;
            };
            match found {
                Ok(addresses) => engine.dial(id, &addresses),
                Err(error) => {
                    if let Some(entry) = engine.slots.lock(id) {
                        engine.fail(entry, &error.to_string());
                    }
                }
            }
        });
        if let (Err(error), Some(entry)) = (submitted, self.slots.lock(id)) {
            self.fail(entry, &error.to_string());
        }
        Ok(id)
    }

    /// Tries the addresses until one is connected or under way.
    fn dial(&self, id: SocketId, addresses: &[SocketAddr]) {
        let mut problem = "Unknown error".to_owned();
        for &address in addresses {
            let (socket, done) = match self.begin(address) {
                Ok(begun) => begun,
                Err(error) => {
                    problem = error::text(&error);
                    continue;
                }
            };
            let Some(mut entry) = self.slots.lock(id) else {
                return;
            };
            entry.io = Io::Tcp(socket);
            entry.address = Some(address);
            if let Err(error) = self.register(&mut entry, true) {
                return self.fail(entry, &error::text(&error));
            }
            if done {
                self.connected(entry, address.ip());
            }
            return;
        }
        if let Some(entry) = self.slots.lock(id) {
            self.fail(entry, &problem);
        }
    }

    /// Begins to connect; true if that was all.
    fn begin(&self, address: SocketAddr) -> io::Result<(socket2::Socket, bool)> {
        let socket = socket2::Socket::new(
            Domain::for_address(address),
            Type::STREAM.nonblocking(),
            Some(Protocol::TCP),
        )?;
        self.configure(&socket);
        match socket.connect(&address.into()) {
            Ok(()) => Ok((socket, true)),
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok((socket, false)),
            Err(error) => Err(error),
        }
    }

    /// Settings of every TCP connection. A system that refuses one of them is no reason to do
    /// without the connection.
    pub(crate) fn configure(&self, socket: &socket2::Socket) {
        let _ = match self.options.keepalive {
            Some(keepalive) => socket.set_tcp_keepalive(&keepalive.params()),
            None => socket.set_keepalive(true),
        };
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if self.options.user_timeout.is_some() {
            let _ = socket.set_tcp_user_timeout(self.options.user_timeout);
        }
    }

    /// A socket that is under way has become writable: has it arrived? False if it has gone.
    pub(crate) fn finish_connect(&self, entry: Entry<'_>) {
        if let Some(error) = entry.io.take_error() {
            return self.fail(entry, &error::text(&error));
        }
        let Io::Tcp(socket) = &entry.io else {
            return;
        };
        // As long as the socket has no peer, it is still connecting.
        if let Ok(peer) = socket.peer_addr()
            && let Some(peer) = peer.as_socket()
        {
            self.connected(entry, peer.ip());
        }
    }

    fn connected(&self, mut entry: Entry<'_>, peer: IpAddr) {
        if entry.closing.is_some() {
            // Closed meanwhile, with output that is to be sent first.
            entry.state = State::HalfRead;
        } else {
            entry.state = State::Connected;
            self.tell(&entry, EventKind::Connect, 0, &ip_text(peer).to_string());
        }
        self.flush(entry);
    }
}

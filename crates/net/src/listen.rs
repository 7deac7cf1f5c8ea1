//! Listening, and letting input come: `start` and `pause`.

use std::sync::Arc;

use skynet_kernel::Handle;
use skynet_wire::netaddr::ip_text;
use socket2::{Domain, Protocol, Type};

use crate::SocketId;
use crate::engine::Engine;
use crate::error::Error;
use crate::event::EventKind;
use crate::io::Io;
use crate::resolver;
use crate::sealed::{Listening, Tls};
use crate::socket::State;

/// As many connections may wait to be accepted as the system allows: it takes a larger number for its own.
const SYSTEM: i32 = i32::MAX;

impl Engine {
    /// Listens, but does not accept yet.
    pub(crate) fn listen(
        &self,
        owner: Handle,
        host: &str,
        port: u16,
        backlog: Option<i32>,
        tls: Option<Tls>,
    ) -> Result<SocketId, Error> {
        let host = if host.is_empty() { "0.0.0.0" } else { host };
        let address = resolver::first(host, port)?;
        let socket = socket2::Socket::new(
            Domain::for_address(address),
            Type::STREAM.nonblocking(),
            Some(Protocol::TCP),
        )?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(backlog.or(self.options.backlog).unwrap_or(SYSTEM))?;
        let listener = std::net::TcpListener::from(socket);
        let bound = listener.local_addr()?;
        let mut entry = self.allocate(owner, State::Plisten)?;
        entry.io = Io::Listener(mio::net::TcpListener::from_std(listener));
        entry.address = Some(bound);
        entry.lingering = Some(Arc::default());
        entry.listening = tls.map(|tls| Box::new(Listening::new(tls, entry.id)));
        let ip = ip_text(bound.ip()).to_string();
        self.tell(&entry, EventKind::Connect, bound.port().into(), &ip);
        Ok(entry.id)
    }

    pub(crate) fn start(&self, owner: Handle, id: SocketId) {
        let Some(mut socket) = self.slots.lock(id) else {
            return self.tell_error(owner, id, "invalid socket");
        };
        if socket.state == State::HalfRead {
            return self.tell_error(owner, id, "socket closed");
        }
        let (state, text) = match socket.state {
            State::Plisten => (State::Listen, "start"),
            State::Paccept => (State::Connected, "start"),
            State::Connected => (State::Connected, "transfer"),
            other => (other, ""),
        };
        if !text.is_empty() {
            if socket.owner != owner {
                // The relief that it waited for was that of its former owner.
                socket.missed |= socket.deferred.take().is_some();
                self.owners.remove(socket.owner, id);
                self.owners.add(owner, id);
            }
            socket.state = state;
            socket.owner = owner;
            socket.abandoned = false;
            self.tell(&socket, EventKind::Connect, 0, text);
            self.tell_early(&mut socket);
            if socket.state == State::HalfRead {
                return;
            }
        }
        if self.want_input(&mut socket).is_err() {
            self.tell(&socket, EventKind::Error, 0, "enable read failed");
        }
    }

    pub(crate) fn pause(&self, id: SocketId) {
        if let Some(mut socket) = self.slots.lock(id) {
            socket.reading = false;
        }
    }
}

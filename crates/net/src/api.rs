//! What services can do with sockets.

use std::any::Any;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use skynet_kernel::{Handle, Payload};

use crate::SocketId;
use crate::error::Error;
use crate::event::EventKind;
use crate::fill::Fill;
use crate::io::{Foreign, Io};
use crate::link_pool::LinkPool;
use crate::net::Net;
use crate::overflow::Room;
use crate::queue::Unit;
use crate::sealed::Tls;
use crate::socket::State;
use crate::write::Outgoing;

impl Net {
    // ---- connections

    /// Connects to a host and port. CONNECT follows, or ERROR. Reading begins at once; what is sent
    /// before it is connected waits.
    pub fn connect(&self, owner: Handle, host: &str, port: u16) -> Result<SocketId, Error> {
        self.engine.connect(owner, host, port)
    }

    /// Listens on a host (empty: all IPv4 addresses) and port (0: any), which is bound on return.
    /// CONNECT follows, with the bound address. Connections are accepted after
    /// [`start`](Net::start). So many may wait for that as `backlog` says, or the
    /// [settings](crate::NetOptions::backlog).
    pub fn listen(
        &self,
        owner: Handle,
        host: &str,
        port: u16,
        backlog: impl Into<Option<i32>>,
    ) -> Result<SocketId, Error> {
        self.engine.listen(owner, host, port, backlog.into(), None)
    }

    /// As [`listen`](Net::listen), for connections with TLS: ACCEPT follows when the handshake has ended. One that does
    /// not end well is a line in the log.
    ///
    /// # Errors
    /// [`Error::Tls`]: there is no certificate, or a file cannot be used.
    pub fn listen_tls(
        &self,
        owner: Handle,
        host: &str,
        port: u16,
        backlog: impl Into<Option<i32>>,
        tls: Tls,
    ) -> Result<SocketId, Error> {
        let tls = Tls {
            server: true,
            ..tls
        };
        self.engine.check_tls(&tls)?;
        self.engine
            .listen(owner, host, port, backlog.into(), Some(tls))
    }

    // ---- TLS

    /// Stops reading a connection on which TLS is to begin, after a look at its options and files.
    /// [`EventKind::Tls`] with 0 follows what has been read.
    ///
    /// # Errors
    /// There is no such connection of this owner without TLS, or [`Error::Tls`].
    pub fn hush(&self, owner: Handle, id: SocketId, tls: &Tls) -> Result<(), Error> {
        self.engine.check_tls(tls)?;
        self.engine.hush(owner, id)
    }

    /// Begins TLS on a connection, of which `first` has been read already. [`EventKind::Tls`] with 1 follows, or ERROR
    /// that says why not. What is sent meanwhile waits.
    ///
    /// # Errors
    /// As [`hush`](Net::hush), or the name is none.
    pub fn secure(
        &self,
        owner: Handle,
        id: SocketId,
        tls: &Tls,
        first: &[u8],
    ) -> Result<(), Error> {
        self.engine.secure(owner, id, tls, first)
    }

    /// What is known about a connection with TLS whose handshake has ended.
    pub fn tls_info(&self, id: SocketId) -> Option<skynet_tls::Info> {
        match &self.engine.slots.lock(id)?.io {
            Io::Secure(secure) => secure.info(),
            _ => None,
        }
    }

    /// What binds something else to this connection with TLS, and to no other; see [`skynet_tls::Session::binding`].
    pub fn tls_binding(&self, id: SocketId) -> Option<[u8; 32]> {
        match &self.engine.slots.lock(id)?.io {
            Io::Secure(secure) => secure.session.binding(),
            _ => None,
        }
    }

    /// Bytes of the stream that have come and gone on a connection.
    pub fn traffic(&self, id: SocketId) -> Option<(u64, u64)> {
        let socket = self.engine.slots.lock(id)?;
        Some((socket.read, socket.written))
    }

    /// Lets a listener accept, an accepted connection read, a paused socket go on; and makes `owner`
    /// the owner of a connection. CONNECT with `start` or `transfer` follows.
    pub fn start(&self, owner: Handle, id: SocketId) {
        self.engine.start(owner, id);
    }

    /// No input for the time being. What the peer sends stays in the kernel.
    pub fn pause(&self, id: SocketId) {
        self.engine.pause(id);
    }

    /// Closes a socket after what waits has been sent. CLOSE follows at once, unless it has been
    /// sent already.
    pub fn close(&self, id: SocketId) {
        self.engine.close(id, false);
    }

    /// When this connection is closed, it is closed for writing only at first, and what still comes is forgotten until
    /// the peer has finished, for a second at most: an answer that is under way does not cost the peer what it was sent
    /// last. Nobody hears of that; CLOSE comes as ever.
    pub fn linger(&self, id: SocketId) {
        if let Some(mut socket) = self.engine.slots.lock(id) {
            socket.patient = true;
        }
    }

    /// Closes a socket now; what waits is lost. CLOSE follows, unless it has been sent already.
    pub fn shutdown(&self, id: SocketId) {
        self.engine.close(id, true);
    }

    /// Adopts a descriptor: a pipe, a terminal, a socket made elsewhere. It is never closed. CONNECT
    /// with `binding` follows, and reading begins at once. A descriptor that can't be watched (a
    /// file) gives ERROR.
    pub fn bind(&self, owner: Handle, fd: RawFd) -> Result<SocketId, Error> {
        let engine = &self.engine;
        let mut entry = engine.allocate(owner, State::Bind)?;
        let id = entry.id;
        entry.reading = true;
        let adopted = Foreign::adopt(fd).and_then(|foreign| {
            entry.io = Io::Foreign(foreign);
            engine.register(&mut entry, false)
        });
        match adopted {
            Ok(()) => engine.tell(&entry, EventKind::Connect, 0, "binding"),
            Err(error) => engine.fail(entry, &crate::error::text(&error)),
        }
        Ok(id)
    }

    /// Sends small pieces without waiting for acknowledgements (TCP_NODELAY).
    pub fn nodelay(&self, id: SocketId) {
        if let Some(socket) = self.engine.slots.lock(id)
            && let Some(io) = socket.io.connection()
        {
            let _ = io.set_tcp_nodelay(true);
        }
    }

    // ---- sending

    /// Sends with high priority, on the calling thread as far as the kernel takes it. False if there
    /// is no such socket, if it is being closed, or if too much waits.
    pub fn send(&self, id: SocketId, data: Payload) -> bool {
        self.engine.send(id, Outgoing::Owned(data), false)
    }

    /// Sends with low priority: after everything that waits, and behind later
    /// [`send`](Net::send)s.
    pub fn lsend(&self, id: SocketId, data: Payload) -> bool {
        self.engine.send(id, Outgoing::Owned(data), true)
    }

    /// As [`send`](Net::send); copies only what has to wait.
    pub fn send_slice(&self, id: SocketId, data: &[u8]) -> bool {
        self.engine.send(id, Outgoing::Borrowed(data), false)
    }

    /// As [`lsend`](Net::lsend); copies only what has to wait.
    pub fn lsend_slice(&self, id: SocketId, data: &[u8]) -> bool {
        self.engine.send(id, Outgoing::Borrowed(data), true)
    }

    /// Sends `head`, and then [units](Unit) of `body`, to a stream as [`lsend`](Net::lsend) does, without copying the
    /// body and with few system calls. A unit stays together; what others [`send`](Net::send) may come between units.
    /// The body lives until its last unit has gone. A range of a unit that is not in the body panics.
    pub fn lsend_units(&self, id: SocketId, head: &[u8], body: Payload, units: &[Unit]) -> bool {
        self.engine.send_units(id, head, body, units)
    }

    /// Bytes that wait to be sent.
    pub fn pending(&self, id: SocketId) -> Option<usize> {
        Some(self.engine.slots.lock(id)?.queue.pending())
    }

    /// Limits the bytes that may wait for a socket; for a listener, those of each socket that it
    /// accepts from now on. A socket over its limit is destroyed: ERROR that says so, then CLOSE.
    /// Replaces [`NetOptions::max_pending`](crate::NetOptions::max_pending).
    pub fn set_cap(&self, id: SocketId, bytes: Option<usize>) {
        if let Some(mut socket) = self.engine.slots.lock(id) {
            socket.cap = bytes;
        }
    }

    /// The connection to another node: no cap destroys it. `most` bytes may wait on it before [`room`](Net::room) says
    /// that it is full; `None` makes it a usual socket again.
    ///
    /// ```text
    /// net.set_link(id, Some(most));              // once, when the connection is made
    /// match net.room(id, request.len()) {        // before each request
    ///     Room::Free => net.send(id, request),
    ///     Room::Full => keep it until EventKind::Room comes for this id, or let the caller fail
    ///     Room::Gone => the connection is over
    /// }
    /// ```
    /// Whoever answers on a link, and finds it full, reads no more requests until then ([`pause`](Net::pause), and
    /// [`start`](Net::start) when there is room).
    pub fn set_link(&self, id: SocketId, most: Option<usize>) {
        self.engine.set_link(id, most, None);
    }

    /// [`set_link`](Net::set_link) for one of several that have a limit together: while more waits on all of them, each
    /// has room for its share only.
    pub fn set_link_in(&self, id: SocketId, most: usize, pool: &Arc<LinkPool>) {
        self.engine.set_link(id, Some(most), Some(pool));
    }

    /// May so many bytes be sent on a link? If nothing waits, a request of any size may. After [`Room::Full`] the owner
    /// gets [`EventKind::Room`] as soon as no more than half of the limit waits. A socket that is no link has always
    /// room.
    pub fn room(&self, id: SocketId, bytes: usize) -> Room {
        self.engine.room(id, bytes)
    }

    /// The owner gives a socket away, to a service that will [`start`](Net::start) it: should the owner end before
    /// that, the socket is not closed with its others, but only if nobody has started it half a minute later.
    pub fn abandon(&self, owner: Handle, id: SocketId) {
        self.engine.abandon(owner, id);
    }

    /// How many connections that a listener has accepted are closed by their owners, but still there, since output
    /// waits for their peers.
    pub fn lingering(&self, listener: SocketId) -> usize {
        let socket = self.engine.slots.lock(listener);
        let lingering = socket.as_ref().and_then(|socket| socket.lingering.as_ref());
        lingering.map_or(0, |count| count.load(Relaxed))
    }

    /// The input of a socket ends up at another service than its owner, as messages of kind CLIENT: it is not
    /// read while too many bytes of these wait there; see [`NetOptions::max_inbox`]. [`Handle::NONE`] ends
    /// that.
    ///
    /// [`NetOptions::max_inbox`]: crate::NetOptions::max_inbox
    pub fn set_consumer(&self, id: SocketId, service: Handle) {
        self.engine.set_consumer(id, service);
    }

    /// Do too many bytes from outside wait in the mailbox of a service now? See [`NetOptions::max_inbox`].
    ///
    /// [`NetOptions::max_inbox`]: crate::NetOptions::max_inbox
    pub fn is_behind(&self, service: Handle) -> bool {
        let node = self.engine.node.upgrade();
        node.is_some_and(|node| self.engine.flow.congests(&node, service))
    }

    /// The owner of a connection knows how its stream goes on after the first `at` bytes, and where the next ones
    /// belong: they are read into the block of `fill`. [`EventKind::Filled`] brings it back when it is full or the
    /// stream goes on otherwise; until then there are no other bytes. If more than `at` bytes have been read already,
    /// or if there is no such connection, or if nothing is to come, `fill` is given back.
    pub fn fill(&self, id: SocketId, at: u64, fill: Fill) -> Result<(), Fill> {
        match self.engine.slots.lock(id) {
            Some(mut socket)
                if socket.read == at
                    && socket.fill.is_none()
                    && !fill.is_empty()
                    && matches!(socket.io, Io::Tcp(_)) =>
            {
                socket.fill = Some(Box::new(fill));
                Ok(())
            }
            _ => Err(fill),
        }
    }

    /// Keeps something until the socket has gone, which may be later than its CLOSE: what waits is sent
    /// first. It is dropped at once if there is no such socket. One thing per socket.
    pub fn keep(&self, id: SocketId, thing: Box<dyn Any + Send>) {
        if let Some(mut socket) = self.engine.slots.lock(id) {
            socket.kept = Some(thing);
        }
    }

    // ---- UDP

    /// A UDP socket, bound if there is a host or a port other than 0.
    pub fn udp(&self, owner: Handle, host: Option<&str>, port: u16) -> Result<SocketId, Error> {
        self.engine.udp(owner, host, port)
    }

    /// A UDP socket bound to a port, which must not be 0.
    pub fn udp_listen(&self, owner: Handle, host: &str, port: u16) -> Result<SocketId, Error> {
        if port == 0 {
            return Err(Error::InvalidPort);
        }
        self.engine.udp(owner, Some(host), port)
    }

    /// A UDP socket with a default destination.
    pub fn udp_dial(&self, owner: Handle, host: &str, port: u16) -> Result<SocketId, Error> {
        self.engine.udp_dial(owner, host, port)
    }

    /// Sets where [`send`](Net::send) of a UDP socket goes. An address of the other family gives
    /// ERROR.
    pub fn udp_connect(&self, id: SocketId, host: &str, port: u16) -> Result<(), Error> {
        self.engine.udp_connect(id, host, port)
    }

    /// Sends a datagram to an [encoded](skynet_wire::netaddr) address. False if the address is none, or
    /// there is no such UDP socket. A datagram that the system refuses is lost, which is logged.
    pub fn udp_send(&self, id: SocketId, to: &[u8], data: &[u8]) -> bool {
        self.engine.udp_send(id, to, data)
    }
}

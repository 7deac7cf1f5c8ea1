//! What workers, reactors and resolver threads share, and the steps in a socket's life that all of
//! them may take.

use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Instant;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token, Waker};
use skynet_kernel::{Handle, Message, Node};
use socket2::{Domain, Protocol, Type};

use crate::error::{self, Error};
use crate::event::{self, EventKind};
use crate::flow::Flow;
use crate::io::Io;
use crate::options::NetOptions;
use crate::outbox::Outbox;
use crate::resolver::{self, Resolver};
use crate::slots::{Entry, Slots};
use crate::socket::{Socket, State};
use crate::{SocketId, address};

pub(crate) struct Engine {
    /// Weak: the node may own the engine.
    pub(crate) node: Weak<Node>,
    pub(crate) options: NetOptions,
    pub(crate) slots: Slots,
    /// Of each reactor.
    pub(crate) registries: Box<[Registry]>,
    pub(crate) wakers: Box<[Waker]>,
    /// … and what it has for the services.
    pub(crate) outboxes: Box<[Outbox]>,
    pub(crate) flow: Flow,
    pub(crate) resolver: Resolver,
    /// Bytes that wait in all queues.
    pub(crate) pending: AtomicUsize,
    pub(crate) stopped: AtomicBool,
    /// The node's time is `began_cs` at `began`.
    pub(crate) began: Instant,
    pub(crate) began_cs: u64,
}

impl Engine {
    /// Centiseconds of the node's clock, without asking the node.
    pub(crate) fn now_cs(&self) -> u64 {
        self.began_cs + (self.began.elapsed().as_millis() / 10) as u64
    }

    /// Sends an event to a service, in order with the others of that socket.
    #[inline]
    pub(crate) fn emit(&self, dest: Handle, id: SocketId, message: Message) {
        let outbox = &self.outboxes[self.reactor(id)];
        if let Some(message) = outbox.put(dest, message)
            && let Some(node) = self.node.upgrade()
        {
            // If the service has gone, so has the event: its sockets stay as they are.
            node.push_all(dest, std::iter::once(message));
        }
    }

    /// Sends an event about a socket to its owner.
    pub(crate) fn tell(&self, socket: &Socket, event: EventKind, ud: i32, text: &str) {
        let message = event::message(event, socket.id, ud, [text.as_bytes(), &[]]);
        self.emit(socket.owner, socket.id, message);
    }

    /// Are sockets that feed this service not to be read now?
    pub(crate) fn is_fed_up(&self, service: Handle) -> bool {
        if self.flow.is_congested(service) {
            return true;
        }
        let Some(node) = self.node.upgrade() else {
            return false;
        };
        if !self.flow.congests(&node, service) {
            return false;
        }
        let over = self.flow.note(&node, service);
        if over {
            self.wake();
        }
        !over
    }

    /// The input of a socket ends up at this service.
    pub(crate) fn feed(&self, id: SocketId, service: Handle) {
        let Some(mut socket) = self.slots.lock(id) else {
            return;
        };
        if std::mem::replace(&mut socket.feeds, service) != service && socket.held.take().is_some()
        {
            // It may wait for another one.
            socket.missed = true;
            if socket.reading && self.want_input(&mut socket).is_err() {
                self.tell(&socket, EventKind::Error, 0, "enable read failed");
            }
        }
    }

    /// Makes each reactor look around.
    pub(crate) fn wake(&self) {
        for waker in &self.wakers {
            // A reactor that can't be woken has failed and left.
            let _ = waker.wake();
        }
    }

    /// Which reactor a socket belongs to.
    #[inline]
    pub(crate) fn reactor(&self, id: SocketId) -> usize {
        id as usize % self.registries.len()
    }

    pub(crate) fn log(&self, text: &str) {
        if let Some(node) = self.node.upgrade() {
            node.log(Handle::NONE, text.as_bytes());
        }
    }

    /// Puts a new socket into a slot.
    pub(crate) fn allocate(&self, owner: Handle, state: State) -> Result<Entry<'_>, Error> {
        if self.stopped.load(Relaxed) {
            return Err(Error::Stopped);
        }
        let cap = self.options.max_pending;
        self.slots
            .allocate(|id| Socket::new(id, owner, state, cap))
            .ok_or(Error::Full)
    }

    // ---- watching

    /// Lets a reactor watch a socket.
    pub(crate) fn register(&self, socket: &mut Socket, output: bool) -> io::Result<()> {
        let Some(fd) = socket.io.fd() else {
            return Ok(());
        };
        let registry = &self.registries[self.reactor(socket.id)];
        let interest = if output {
            Interest::READABLE | Interest::WRITABLE
        } else {
            Interest::READABLE
        };
        let token = Token(socket.id as usize);
        if socket.registered {
            registry.reregister(&mut SourceFd(&fd), token, interest)?;
        } else {
            registry.register(&mut SourceFd(&fd), token, interest)?;
        }
        socket.registered = true;
        socket.watch_output = output;
        Ok(())
    }

    /// Input is wanted from now on.
    pub(crate) fn want_input(&self, socket: &mut Socket) -> io::Result<()> {
        socket.reading = true;
        if socket.missed || !socket.registered {
            socket.missed = false;
            // Registering again brings the edge back.
            self.register(socket, socket.watch_output)?;
        }
        Ok(())
    }

    /// Output waits. From the first time on the socket stays watched for both directions: as edges
    /// come once, that costs nothing while there is no output.
    pub(crate) fn want_output(&self, socket: &mut Socket) -> io::Result<()> {
        if socket.watch_output {
            return Ok(());
        }
        // Registering anew may bring an edge of input as well.
        socket.missed = false;
        self.register(socket, true)
    }

    // ---- the end

    /// Destroys a socket: closes the descriptor (unless it is foreign), forgets what waits.
    pub(crate) fn destroy(&self, mut entry: Entry<'_>) {
        // A foreign descriptor is given back before anybody can hear of it, and adopt it again.
        if let (Io::Foreign(_), Some(fd), true) = (&entry.io, entry.io.fd(), entry.registered) {
            let registry = &self.registries[self.reactor(entry.id)];
            let _ = registry.deregister(&mut SourceFd(&fd));
            entry.io = Io::None;
        }
        let socket = entry.remove();
        self.pending.fetch_sub(socket.queue.pending(), Relaxed);
        if socket.missed || socket.held.is_some() {
            self.discard_input(&socket);
        }
    }

    /// A connection that is closed with input unread is reset, and the peer may lose output that is
    /// still on its way. A modest amount of input should not do that.
    fn discard_input(&self, socket: &Socket) {
        if let Io::Tcp(_) = socket.io {
            let mut scratch = [0; 4096];
            for _ in 0..64 {
                match socket.io.read(&mut scratch) {
                    Ok(1..) => {}
                    _ => return,
                }
            }
        }
    }

    /// Destroys a socket, and tells its owner unless it knows.
    pub(crate) fn destroy_and_tell(&self, entry: Entry<'_>) {
        let (id, owner, known) = (entry.id, entry.owner, entry.close_sent);
        self.destroy(entry);
        if !known {
            self.tell_closed(id, owner);
        }
    }

    fn tell_closed(&self, id: SocketId, owner: Handle) {
        let message = event::message(EventKind::Close, id, 0, [&[], &[]]);
        self.emit(owner, id, message);
    }

    /// Tells the owner that the peer has finished, or that the socket is closed; once.
    pub(crate) fn tell_close(&self, socket: &mut Socket) {
        if !socket.close_sent {
            socket.close_sent = true;
            self.tell_closed(socket.id, socket.owner);
        }
    }

    /// A socket that never came to be, or that can't go on: destroyed, with an ERROR. The owner has
    /// no interest in one that it has closed.
    pub(crate) fn fail(&self, entry: Entry<'_>, text: &str) {
        let (id, owner, closing) = (entry.id, entry.owner, entry.closing);
        self.destroy(entry);
        if !closing {
            self.tell_error(owner, id, text);
        }
    }

    /// An ERROR about a socket that is not there, or to somebody who does not own it.
    fn tell_error(&self, owner: Handle, id: SocketId, text: &str) {
        let message = event::message(EventKind::Error, id, 0, [text.as_bytes(), &[]]);
        self.emit(owner, id, message);
    }

    /// `close`, or `shutdown` with `now`.
    pub(crate) fn close(&self, id: SocketId, now: bool) {
        let Some(mut socket) = self.slots.lock(id) else {
            return;
        };
        if now || socket.queue.is_empty() || socket.state == State::HalfWrite {
            return self.destroy_and_tell(socket);
        }
        if socket.closing {
            return;
        }
        socket.closing = true;
        socket.reading = false;
        // What arrives from now on is not read; see `destroy`.
        socket.missed = true;
        if socket.is_open() {
            socket.io.shutdown(Shutdown::Read);
            socket.state = State::HalfRead;
        }
        self.tell_close(&mut socket);
    }

    // ---- connecting

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
        let submitted = self.resolver.submit(Box::new(move || {
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
        }));
        if let (Err(error), Some(entry)) = (submitted, self.slots.lock(id)) {
            self.fail(entry, &error::text(&error));
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
        // Without a peer it is still under way.
        if let Ok(peer) = socket.peer_addr()
            && let Some(peer) = peer.as_socket()
        {
            self.connected(entry, peer.ip());
        }
    }

    fn connected(&self, mut entry: Entry<'_>, peer: IpAddr) {
        if entry.closing {
            // Closed meanwhile, with output that is to be sent first.
            entry.state = State::HalfRead;
        } else {
            entry.state = State::Connected;
            self.tell(&entry, EventKind::Connect, 0, &address::ip_text(peer));
        }
        self.flush(entry);
    }

    // ---- start and pause

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
            if socket.owner != owner && socket.held.take().is_some() {
                // It waits for the owner that it had.
                socket.missed = true;
            }
            socket.state = state;
            socket.owner = owner;
            self.tell(&socket, EventKind::Connect, 0, text);
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

    // ---- listening

    /// Listens, but does not accept yet.
    pub(crate) fn listen(
        &self,
        owner: Handle,
        host: &str,
        port: u16,
        backlog: i32,
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
        socket.listen(backlog)?;
        let listener = std::net::TcpListener::from(socket);
        let bound = listener.local_addr()?;
        let mut entry = self.allocate(owner, State::Plisten)?;
        entry.io = Io::Listener(mio::net::TcpListener::from_std(listener));
        entry.address = Some(bound);
        let ip = address::ip_text(bound.ip());
        self.tell(&entry, EventKind::Connect, bound.port().into(), &ip);
        Ok(entry.id)
    }

    /// A connection has come in on a listener.
    pub(crate) fn accepted(
        &self,
        listener: &Socket,
        stream: std::net::TcpStream,
        peer: SocketAddr,
    ) -> Result<(), Error> {
        let mut entry = self.allocate(listener.owner, State::Paccept)?;
        let socket = socket2::Socket::from(stream);
        self.configure(&socket);
        entry.io = Io::Tcp(socket);
        entry.address = Some(peer);
        entry.cap = listener.cap;
        if let Err(error) = self.register(&mut entry, false) {
            self.destroy(entry);
            return Err(Error::Io(error));
        }
        self.tell(listener, EventKind::Accept, entry.id, &address::text(peer));
        Ok(())
    }
}

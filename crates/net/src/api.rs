//! The public face: [`Net`].

use std::any::Any;
use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use mio::{Poll, Waker};
use skynet_kernel::{Attachment, Handle, Node, Payload};

use crate::engine::Engine;
use crate::error::Error;
use crate::event::EventKind;
use crate::fill::Fill;
use crate::flow::Flow;
use crate::io::{Foreign, Io};
use crate::options::NetOptions;
use crate::outbox::Outbox;
use crate::queue::Unit;
use crate::reactor::{Reactor, WAKE};
use crate::resolver::Resolver;
use crate::slots::Slots;
use crate::socket::State;
use crate::write::Outgoing;
use crate::{SocketId, address};

/// The sockets of one node.
///
/// All methods may be called from any thread, services included. None blocks, except for those UDP
/// and listening functions that are given a host *name*. `owner` is the service that gets a socket's
/// events.
///
/// It holds the node weakly, and stops when it is dropped.
pub struct Net {
    engine: Arc<Engine>,
    /// Where workers, and these threads, wait in the reactors.
    posts: Mutex<Vec<(Attachment, JoinHandle<()>)>>,
}

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
    /// Starts the reactors.
    pub fn new(node: &Arc<Node>, options: NetOptions) -> io::Result<Arc<Net>> {
        let polls = (0..options.reactors.max(1))
            .map(|_| Poll::new())
            .collect::<io::Result<Vec<_>>>()?;
        let engine = Arc::new(Engine {
            node: Arc::downgrade(node),
            slots: Slots::new(options.max_sockets),
            registries: polls
                .iter()
                .map(|poll| poll.registry().try_clone())
                .collect::<io::Result<_>>()?,
            wakers: polls
                .iter()
                .map(|poll| Waker::new(poll.registry(), WAKE))
                .collect::<io::Result<_>>()?,
            outboxes: polls.iter().map(|_| Outbox::default()).collect(),
            flow: Flow::new(options.max_inbox, polls.len()),
            resolver: Resolver::new(options.resolvers),
            options,
            pending: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
            began: Instant::now(),
            began_cs: node.now_cs(),
        });
        let weak = Arc::downgrade(&engine);
        node.on_relief(move |owner| {
            if let Some(engine) = weak.upgrade()
                && engine.flow.relieve(owner)
            {
                engine.wake();
            }
        });
        let net = Arc::new(Net {
            engine,
            posts: Mutex::default(),
        });
        for (index, poll) in polls.into_iter().enumerate() {
            let reactor = Reactor::new(net.engine.clone(), index, poll);
            let post = node.attach(Box::new(reactor));
            let thread = thread::Builder::new()
                .name(format!("socket-{index}"))
                .spawn({
                    let post = post.clone();
                    move || post.stand_in()
                });
            match thread {
                Ok(thread) => net.posts().push((post, thread)),
                Err(error) => {
                    // Dropping `net` stops those that have started.
                    post.close(false);
                    return Err(error);
                }
            }
        }
        Ok(net)
    }

    fn posts(&self) -> std::sync::MutexGuard<'_, Vec<(Attachment, JoinHandle<()>)>> {
        self.posts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the reactors and destroys all sockets; output that waits is lost, and no events are
    /// sent. Calling it again does nothing.
    pub fn stop(&self) {
        if self.engine.stopped.swap(true, Relaxed) {
            return;
        }
        self.engine.resolver.stop();
        let own = thread::current().id();
        for (post, thread) in self.posts().drain(..) {
            // The last owner of the node, and with it of this, may be such a thread itself.
            let inside = thread.thread().id() == own;
            post.close(inside);
            if !inside {
                let _ = thread.join();
            }
        }
        self.engine
            .slots
            .for_each(|entry| self.engine.destroy(entry));
    }

    // ---- connections

    /// Connects to a host and port. CONNECT follows, or ERROR. Reading begins at once; what is sent
    /// before it is connected waits.
    pub fn connect(&self, owner: Handle, host: &str, port: u16) -> Result<SocketId, Error> {
        self.engine.connect(owner, host, port)
    }

    /// Listens on a host (empty: all IPv4 addresses) and port (0: any), which is bound on return.
    /// CONNECT follows, with the bound address. Connections are accepted after
    /// [`start`](Net::start).
    pub fn listen(
        &self,
        owner: Handle,
        host: &str,
        port: u16,
        backlog: i32,
    ) -> Result<SocketId, Error> {
        self.engine.listen(owner, host, port, backlog)
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
            && let Io::Tcp(io) = &socket.io
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

    /// Sends `head`, and then [units](Unit) of `body`, to a stream as [`lsend`](Net::lsend) does, without copying the body and with few system
    /// calls. A unit stays together; what others [`send`](Net::send) may come between units. The body lives until its last
    /// unit has gone. A range of a unit that is not in the body panics.
    pub fn lsend_units(&self, id: SocketId, head: &[u8], body: Payload, units: &[Unit]) -> bool {
        self.engine.send_units(id, head, body, units)
    }

    /// Bytes that wait to be sent.
    pub fn pending(&self, id: SocketId) -> Option<usize> {
        Some(self.engine.slots.lock(id)?.queue.pending())
    }

    /// Limits the bytes that may wait for a socket; for a listener, those of each socket that it
    /// accepts from now on. A socket over its limit is destroyed: ERROR that says so, then CLOSE.
    /// Replaces [`NetOptions::max_pending`].
    pub fn set_cap(&self, id: SocketId, bytes: Option<usize>) {
        if let Some(mut socket) = self.engine.slots.lock(id) {
            socket.cap = bytes;
        }
    }

    /// The input of a socket ends up at another service than its owner, as messages of kind CLIENT: it is not
    /// read while too many bytes of these wait there; see [`NetOptions::max_inbox`]. [`Handle::NONE`] ends
    /// that.
    pub fn feed(&self, id: SocketId, service: Handle) {
        self.engine.feed(id, service);
    }

    /// The owner of a connection knows how its stream goes on after the first `at` bytes, and where the next ones belong: they are
    /// read into the block of `fill`. [`EventKind::Filled`] brings it back when it is full or the stream goes on otherwise; until then there are no
    /// other bytes. If more than `at` bytes have been read already, or if there is no such connection, or if nothing is to come, `fill` is given back.
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

    /// Sends a datagram to an [encoded](crate::address) address. False if the address is none, or
    /// there is no such UDP socket. A datagram that the system refuses is lost, which is logged.
    pub fn udp_send(&self, id: SocketId, to: &[u8], data: &[u8]) -> bool {
        self.engine.udp_send(id, to, data)
    }

    // ---- facts

    /// Number of sockets, in whatever state.
    pub fn count(&self) -> usize {
        self.engine.slots.live()
    }

    /// What is known about all sockets that are in use, from the highest slot to the lowest. Those
    /// that are under way, or were never started, are left out.
    pub fn info(&self) -> Vec<SocketInfo> {
        let mut list = Vec::new();
        self.engine.slots.for_each(|socket| {
            let kind = match socket.state {
                State::Connecting | State::Plisten | State::Paccept => return,
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
                name: socket.address.map(address::text),
            });
        });
        list
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        self.stop();
    }
}

impl std::fmt::Debug for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Net")
            .field("sockets", &self.count())
            .field("reactors", &self.engine.registries.len())
            .finish_non_exhaustive()
    }
}

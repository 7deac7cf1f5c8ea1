//! One socket: its state and its counters.
//!
//! ```text
//!   connect ─▶ Connecting ──────────┐              read()==0, or close with output waiting
//!   listen ──▶ Plisten ─start▶ Listen│           ┌──▶ HalfRead ──▶ (destroyed)
//!   accepted ▶ (Handshake ▶) Paccept ─start──▶ Connected ───────┤
//!   bind ────▶ Bind ────────────────┘             └──▶ HalfWrite ─▶ (destroyed)
//!   udp ─────▶ Connected                              write error
//! ```

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use skynet_kernel::Handle;

use crate::SocketId;
use crate::fill::Fill;
use crate::io::Io;
use crate::link_pool::LinkPool;
use crate::queue::Queue;
use crate::ready::Ready;
use crate::sealed::Listening;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// The name is being resolved, or the connection is under way.
    Connecting,
    /// Listening, and not accepting yet.
    Plisten,
    Listen,
    /// Accepted by a listener with TLS, and its handshake has not ended: nobody knows of it.
    Handshake,
    /// Accepted, and not started yet.
    Paccept,
    Connected,
    /// A foreign descriptor.
    Bind,
    /// The peer has finished, or we have (`closing`) and some output is left.
    HalfRead,
    /// Writing has failed.
    HalfWrite,
}

pub(crate) struct Socket {
    pub(crate) id: SocketId,
    /// Who gets the events.
    pub(crate) owner: Handle,
    pub(crate) state: State,
    pub(crate) io: Io,
    /// The reactor watches it.
    pub(crate) registered: bool,
    /// The reactor is told when it becomes writable.
    pub(crate) watch_output: bool,
    /// Input is wanted.
    pub(crate) reading: bool,
    /// There was input while none was wanted. Edges come once: it has to be asked for again.
    pub(crate) missed: bool,
    /// Another service that its input ends up at; see [`crate::flow`].
    pub(crate) consumer: Handle,
    /// What there is to be read when the owner, or the consumer, has caught up; see [`crate::flow`].
    pub(crate) deferred: Option<Ready>,
    /// Closed by its owner; destroyed as soon as its output has gone.
    pub(crate) closing: Option<Closing>,
    /// When it is closed, it waits for the end of its peer, for a while.
    pub(crate) patient: bool,
    /// It is closed, and waits for the end of its peer.
    pub(crate) lingers: bool,
    /// Connections of a listener that are closed and not destroyed yet: it and its connections count them together.
    pub(crate) lingering: Option<Arc<AtomicUsize>>,
    /// Its owner has given it away, and nobody has started it since; see [`crate::owners`].
    pub(crate) abandoned: bool,
    /// … and has ended: how long it waits for the next one.
    pub(crate) orphaned: Option<Instant>,
    /// CLOSE has been sent.
    pub(crate) close_sent: bool,
    pub(crate) queue: Queue,
    /// Where the next bytes are read to, unless each read is a message.
    pub(crate) fill: Option<Box<Fill>>,
    /// The next WARNING is due at so many bytes; 0 before the first one.
    pub(crate) warn_at: usize,
    /// Bytes that may wait. For a listener: of the sockets that it accepts.
    pub(crate) cap: Option<usize>,
    /// The connection to another node; see [`crate::overflow`].
    pub(crate) link: Option<Link>,
    /// Bytes read; connections accepted.
    pub(crate) read: u64,
    /// Bytes written.
    pub(crate) written: u64,
    /// Centiseconds of the node's clock at the last read.
    pub(crate) rtime: u64,
    /// … and at the last write.
    pub(crate) wtime: u64,
    /// The peer of a connection; the own address of a listener; where datagrams go.
    pub(crate) address: Option<SocketAddr>,
    /// Dropped when the socket has gone.
    pub(crate) kept: Option<Box<dyn Any + Send>>,
    /// A listener that has run out of descriptors: when to try again.
    pub(crate) starved: Option<Starved>,
    /// A listener whose connections have TLS.
    pub(crate) listening: Option<Box<Listening>>,
}

/// See [`crate::closing`].
pub(crate) struct Closing {
    /// What had been written when it was last looked at.
    pub(crate) written: u64,
}

/// See [`crate::overflow`].
pub(crate) struct Link {
    /// Bytes that may wait before others do not send.
    pub(crate) most: usize,
    /// Somebody waits for room.
    pub(crate) full: bool,
    /// The limit that it shares with others.
    pub(crate) pool: Option<Arc<LinkPool>>,
}

/// See [`crate::accept`].
#[derive(Clone, Copy)]
pub(crate) struct Starved {
    pub(crate) delay: Duration,
    pub(crate) until: Instant,
}

impl Socket {
    pub(crate) fn new(id: SocketId, owner: Handle, state: State, cap: Option<usize>) -> Socket {
        Socket {
            id,
            owner,
            state,
            io: Io::None,
            registered: false,
            watch_output: false,
            reading: false,
            missed: false,
            consumer: Handle::NONE,
            deferred: None,
            closing: None,
            patient: false,
            lingers: false,
            lingering: None,
            abandoned: false,
            orphaned: None,
            close_sent: false,
            queue: Queue::default(),
            fill: None,
            warn_at: 0,
            cap,
            link: None,
            read: 0,
            written: 0,
            rtime: 0,
            wtime: 0,
            address: None,
            kept: None,
            starved: None,
            listening: None,
        }
    }

    /// Has it got this far that bytes can be written?
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Connected | State::Bind | State::HalfRead)
    }

    /// Does it have TLS, and nobody has started it yet?
    pub(crate) fn is_greeted(&self) -> bool {
        matches!(self.state, State::Handshake | State::Paccept)
    }

    /// Has it to wait for the end of its peer when it is closed now? See [`crate::closing`].
    pub(crate) fn is_to_linger(&self) -> bool {
        self.state == State::Connected
            && match &self.io {
                Io::Tcp(_) => self.patient,
                Io::Secure(secure) => secure.is_to_linger(self.patient),
                _ => false,
            }
    }

    /// Is there anything to be written?
    pub(crate) fn has_output(&self) -> bool {
        !self.queue.is_empty() || self.io.has_records()
    }

    pub(crate) fn is_udp(&self) -> bool {
        matches!(self.io, Io::Udp(_))
    }
}

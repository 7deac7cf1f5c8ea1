//! What a connection with TLS, and a listener with TLS, have beside other sockets; see [`crate::secure`].

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use skynet_kernel::LogQuota;
use skynet_tls::{Info, Options, Session};

use crate::SocketId;
use crate::budget::{self, BUDGET, Wrote};
use crate::queue::{GATHER, Queue};

/// Plaintext that is encrypted in one go.
const CHUNK: usize = 48 << 10;
/// Memory for records that a socket keeps when it has none.
const KEPT: usize = 4 << 10;
/// A line of the log each time so many centiseconds have passed, and so many at once.
const LOG_PACE: u64 = 100;
const LOG_BURST: u64 = 10;

/// What is to be done with a connection, or with those that come in on a listener.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Tls {
    /// Certificates and the like.
    pub options: Options,
    /// Which side this is.
    pub server: bool,
    /// What a server's certificate has to be made out to; if not set, the address of the connection.
    pub name: Option<String>,
    /// How long the handshake may take.
    pub timeout: Duration,
    /// Why a server is not verified, for the log.
    pub unverified: Option<&'static str>,
}

impl Tls {
    /// A client or server with these options, and ten seconds for the handshake.
    pub fn new(options: Options, server: bool) -> Tls {
        Tls {
            options,
            server,
            name: None,
            timeout: Duration::from_secs(10),
            unverified: None,
        }
    }
}

/// A connection with TLS.
pub(crate) struct Secure {
    pub(crate) socket: socket2::Socket,
    pub(crate) session: Session,
    /// Records for the peer, and how much of them has been written.
    pub(crate) sealed: Vec<u8>,
    pub(crate) sent: usize,
    /// Until it has ended.
    pub(crate) handshake: Option<Handshake>,
    /// Plaintext that came before the owner has started the socket.
    pub(crate) early: Vec<u8>,
    /// The owner has closed it, and the peer has been told so.
    pub(crate) finishing: bool,
    pub(crate) finished: bool,
    /// A step of its handshake is being worked out; nothing is read until then.
    pub(crate) working: bool,
}

pub(crate) struct Handshake {
    pub(crate) until: Instant,
    pub(crate) timeout: Duration,
    /// The listener that it came in on.
    pub(crate) door: Option<Arc<Door>>,
}

/// What a listener with TLS and its connections share.
pub(crate) struct Door {
    pub(crate) listener: SocketId,
    pub(crate) half_open: AtomicUsize,
    pub(crate) quota: Mutex<LogQuota>,
}

/// What a listener has for TLS.
pub(crate) struct Listening {
    pub(crate) tls: Tls,
    pub(crate) door: Arc<Door>,
    /// Connections in the order in which they came; most have ended their handshake.
    pub(crate) queue: VecDeque<SocketId>,
}

impl Drop for Handshake {
    fn drop(&mut self) {
        if let Some(door) = &self.door {
            door.half_open.fetch_sub(1, Relaxed);
        }
    }
}

impl Listening {
    pub(crate) fn new(tls: Tls, listener: SocketId) -> Listening {
        Listening {
            tls,
            door: Arc::new(Door {
                listener,
                half_open: AtomicUsize::new(0),
                quota: Mutex::new(LogQuota::of(LOG_BURST, LOG_PACE)),
            }),
            queue: VecDeque::new(),
        }
    }
}

impl Secure {
    pub(crate) fn new(socket: socket2::Socket, session: Session, handshake: Handshake) -> Secure {
        // Small records are answers to each other: none may wait until the one before is acknowledged.
        let _ = socket.set_tcp_nodelay(true);
        Secure {
            socket,
            session,
            sealed: Vec::new(),
            sent: 0,
            handshake: Some(handshake),
            early: Vec::new(),
            finishing: false,
            finished: false,
            working: false,
        }
    }

    pub(crate) fn is_to_linger(&self, patient: bool) -> bool {
        (patient || self.session.is_client())
            && self.handshake.is_none()
            && !self.session.has_ended()
    }

    pub(crate) fn has_output(&self) -> bool {
        self.sent < self.sealed.len() || self.session.has_output()
    }

    pub(crate) fn info(&self) -> Option<Info> {
        self.session.info()
    }

    /// Nothing is written any more.
    pub(crate) fn forget_output(&mut self) {
        (self.sealed, self.sent) = (Vec::new(), 0);
        (self.finishing, self.finished) = (false, true);
    }

    /// Writes records, and then what waits in the queue, as far as the system takes it and the budget allows.
    pub(crate) fn write(&mut self, queue: &mut Queue, written: &mut u64) -> io::Result<Wrote> {
        let mut sum = 0;
        loop {
            while self.sent < self.sealed.len() {
                match budget::send(&self.socket, &self.sealed[self.sent..]) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(n) => {
                        self.sent += n;
                        sum += n;
                    }
                    Err(error) => match error.kind() {
                        io::ErrorKind::WouldBlock => return Ok(Wrote::Full),
                        io::ErrorKind::Interrupted => {}
                        _ => return Err(error),
                    },
                }
            }
            self.sent = 0;
            self.sealed.clear();
            queue.sealed_has_gone();
            if self.session.output(&mut self.sealed) > 0 {
                continue;
            }
            if queue.is_empty() {
                if self.finishing && !self.finished {
                    self.finished = true;
                    self.session.close();
                    continue;
                }
                self.sealed.shrink_to(KEPT);
                return Ok(Wrote::All);
            }
            if self.handshake.is_some() {
                return Ok(Wrote::Full);
            }
            if sum >= BUDGET {
                return Ok(Wrote::Enough);
            }
            let mut slices = [io::IoSlice::new(&[]); GATHER];
            let count = queue.gather(&mut slices, CHUNK);
            let n = self.session.seal(&slices[..count]);
            if n == 0 && slices[..count].iter().any(|slice| !slice.is_empty()) {
                // The session has failed; whoever reads says why.
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            queue.seal(n);
            *written += n as u64;
        }
    }
}

//! The end of a socket.
//!
//! A socket with output that waits is closed when the peer has taken it. A peer that takes nothing must not keep it for
//! ever, with its descriptor and its memory: it has to take [`LEAST`] bytes, or all, in each
//! [`NetOptions::close_timeout`]. If it does not, the connection is reset, and so it is whenever output is thrown away
//! without the owner's will: the peer must not take what it has got for the whole.
//!
//! The system resets a connection, too, that is closed before the other side has finished: with input that nobody has
//! read, or with input that still comes. The peer may then lose what it was sent last. Where an answer is sure to come,
//! as to the close frame of a websocket, the owner asks for patience ([`Net::linger`]): its socket is closed for
//! writing only, and what comes is read and forgotten until the peer has finished, for [`LINGER`] at most. Clients with
//! TLS do so always, see [`crate::secure`].
//!
//! [`Net::linger`]: crate::Net::linger
//! [`NetOptions::close_timeout`]: crate::NetOptions::close_timeout

use std::io;
use std::net::Shutdown;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use skynet_kernel::Handle;

use crate::SocketId;
use crate::engine::Engine;
use crate::event::{self, EventKind};
use crate::input::READS;
use crate::io::Io;
use crate::ready::{Pass, Ready};
use crate::slots::Entry;
use crate::socket::{Closing, Socket, State};

/// Bytes that the peer of a closed socket has to take in the time that is given.
const LEAST: u64 = 16 << 10;
/// How long a closed socket waits for its peer to finish.
const LINGER: Duration = Duration::from_secs(1);
/// How long output may take when the engine stops, in all and without any progress.
const LAST_OUTPUT: Duration = Duration::from_secs(2);
const LAST_STALL: Duration = Duration::from_millis(250);
/// Time between two attempts then.
const LAST_PAUSE: Duration = Duration::from_millis(2);

impl Engine {
    /// Destroys a socket: closes the descriptor (unless it is foreign), forgets what waits.
    pub(crate) fn destroy(&self, mut entry: Entry<'_>) {
        // A foreign descriptor is given back before anybody can hear of it, and adopt it again.
        if let (Io::Foreign(_), Some(fd), true) = (&entry.io, entry.io.fd(), entry.registered) {
            let registry = &self.registries[self.reactor(entry.id)];
            let _ = registry.deregister(&mut SourceFd(&fd));
            entry.io = Io::None;
        }
        self.owners.remove(entry.owner, entry.id);
        let socket = entry.remove();
        self.no_longer_pending(&socket, socket.queue.pending());
        if socket.closing.is_some()
            && let Some(lingering) = &socket.lingering
        {
            lingering.fetch_sub(1, Relaxed);
        }
        if socket.missed || socket.deferred.is_some() || matches!(socket.io, Io::Secure(_)) {
            self.discard_input(&socket);
        }
    }

    /// A connection that is closed with input unread is reset, and the peer may lose output that is
    /// still on its way. A modest amount of input should not do that.
    fn discard_input(&self, socket: &Socket) {
        if socket.io.connection().is_some() {
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
            self.tell_closed(id, owner, "");
        }
    }

    fn tell_closed(&self, id: SocketId, owner: Handle, why: &str) {
        let message = event::message(EventKind::Close, id, 0, [why.as_bytes(), &[]]);
        self.emit(owner, id, message);
    }

    /// Tells the owner that the peer has finished, or that the socket is closed; once.
    pub(crate) fn tell_close(&self, socket: &mut Socket) {
        self.tell_close_why(socket, "");
    }

    pub(crate) fn tell_close_why(&self, socket: &mut Socket, why: &str) {
        if !socket.close_sent {
            socket.close_sent = true;
            self.tell_closed(socket.id, socket.owner, why);
        }
    }

    /// A socket that never came to be, or that can't go on: destroyed, with an ERROR. The owner has
    /// no interest in one that it has closed.
    pub(crate) fn fail(&self, entry: Entry<'_>, text: &str) {
        let (id, owner, known) = (entry.id, entry.owner, entry.closing.is_some());
        self.destroy(entry);
        if !known {
            self.tell_error(owner, id, text);
        }
    }

    /// An ERROR about a socket that is not there, or to somebody who does not own it.
    pub(crate) fn tell_error(&self, owner: Handle, id: SocketId, text: &str) {
        let message = event::message(EventKind::Error, id, 0, [text.as_bytes(), &[]]);
        self.emit(owner, id, message);
    }

    /// `close`, or `shutdown` with `now`.
    pub(crate) fn close(&self, id: SocketId, now: bool) {
        if let Some(socket) = self.slots.lock(id) {
            self.close_entry(socket, now);
        }
    }

    pub(crate) fn close_entry(&self, mut socket: Entry<'_>, now: bool) {
        if !now {
            self.say_goodbye(&mut socket);
        }
        let lingers = !now && socket.is_to_linger();
        if now || !(lingers || socket.has_output()) || socket.state == State::HalfWrite {
            return self.destroy_and_tell(socket);
        }
        if socket.closing.is_some() {
            return;
        }
        socket.closing = Some(Closing {
            written: socket.written,
        });
        if let Some(lingering) = &socket.lingering {
            lingering.fetch_add(1, Relaxed);
        }
        if lingers {
            return self.linger(socket);
        }
        socket.reading = false;
        // Input that arrives from now on is not read; see `destroy`.
        socket.missed = true;
        if socket.is_open() {
            socket.io.shutdown(Shutdown::Read);
            socket.state = State::HalfRead;
        }
        self.tell_close(&mut socket);
        self.look_later(socket.id, Instant::now() + self.options.close_timeout);
    }

    /// A socket is closed, and waits for the end of its peer.
    fn linger(&self, mut socket: Entry<'_>) {
        socket.lingers = true;
        socket.state = State::HalfRead;
        self.tell_close(&mut socket);
        // Without an edge there is the deadline.
        let _ = self.want_input(&mut socket);
        if socket.has_output() {
            self.look_later(socket.id, Instant::now() + self.options.close_timeout);
        } else {
            self.said_goodbye(&mut socket);
        }
    }

    /// All has been written on a connection that waits for the end of its peer.
    pub(crate) fn said_goodbye(&self, socket: &mut Socket) {
        socket.io.shutdown(Shutdown::Write);
        self.look_later(socket.id, Instant::now() + LINGER);
    }

    /// What comes on a closed connection is of no use.
    pub(crate) fn forget_input(&self, socket: Entry<'_>, ready: &Ready, into: &mut [u8]) -> Pass {
        for _ in 0..READS {
            match socket.io.read(into) {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if ready.hangup {
                        self.destroy(socket);
                    } else {
                        self.flush(socket);
                    }
                    return Pass::Done;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) if socket.has_output() && !ready.hangup => {
                    self.flush(socket);
                    return Pass::Done;
                }
                _ => {
                    self.destroy(socket);
                    return Pass::Done;
                }
            }
        }
        Pass::Again
    }

    /// A reactor is to look at a socket then.
    pub(crate) fn look_later(&self, id: SocketId, at: Instant) {
        let reactor = self.reactor(id);
        if self.deadlines[reactor].add(at, id) {
            // If a reactor cannot be woken, its thread has failed and ended.
            let _ = self.wakers[reactor].wake();
        }
    }

    /// The time has come to look at a socket that does not listen.
    pub(crate) fn deadline(&self, socket: Entry<'_>) {
        let now = Instant::now();
        let Some(mut socket) = self.handshake_late(socket, now) else {
            return;
        };
        if socket.orphaned.is_some_and(|until| until <= now) {
            return self.close_entry(socket, false);
        }
        if socket.lingers && !socket.has_output() {
            return self.destroy(socket);
        }
        let (id, written) = (socket.id, socket.written);
        let Some(closing) = &mut socket.closing else {
            return;
        };
        if written - closing.written < LEAST {
            socket.io.reset_at_close();
            return self.destroy_and_tell(socket);
        }
        closing.written = written;
        drop(socket);
        self.look_later(id, now + self.options.close_timeout);
    }

    /// The engine has stopped: gives output that waits a last chance, and then destroys everything.
    pub(crate) fn finish(&self) {
        let began = Instant::now();
        let mut waiting = Vec::new();
        self.slots.for_each(|mut socket| {
            self.say_goodbye(&mut socket);
            if socket.has_output() && socket.is_open() {
                waiting.push(socket.id);
            }
        });
        let mut progress = began;
        while !waiting.is_empty()
            && began.elapsed() < LAST_OUTPUT
            && progress.elapsed() < LAST_STALL
        {
            waiting.retain(|&id| {
                let Some(mut socket) = self.slots.lock(id) else {
                    return false;
                };
                let before = socket.written;
                let more = self.flush_once(&mut socket);
                if socket.written > before {
                    progress = Instant::now();
                }
                more
            });
            if !waiting.is_empty() {
                std::thread::sleep(LAST_PAUSE);
            }
        }
        self.slots.for_each(|socket| {
            if socket.has_output() {
                socket.io.reset_at_close();
            }
            self.destroy(socket);
        });
    }
}

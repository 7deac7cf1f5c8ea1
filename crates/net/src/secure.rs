//! TLS on a connection.
//!
//! A connection with TLS is a socket like any other, whose [`Io`] has a session in it. What services send waits as
//! plaintext in the queue, with its priorities and limits, and is encrypted just before it is written: by the worker
//! that sends, or by the reactor that goes on when the system takes more. What comes in is decrypted by the reactor
//! that reads it. Both hold the lock of that one socket only, so the clients of a gate are served by as many threads as
//! send and read; no service sees a record, and no record goes through a mailbox. Plain sockets know nothing of it.
//!
//! # The handshake
//! * A connection that a service has asks for it by [`Net::secure`](crate::Net::secure). What the service sends
//!   meanwhile waits.
//! * One that comes in on a listener with TLS is told to nobody until its handshake has ended
//!   ([`State::Handshake`]). What fails before that is a line in the log, of which a listener has so many only. No more
//!   than [`HALF_OPEN`] of them are there at once: the next one takes the place of the oldest.
//!
//! Either has a deadline. A handshake takes a fraction of a millisecond of computing, or more than one with RSA. A crowd
//! that comes at once must not keep the reactor from other sockets for that long, so its steps are worked out on threads
//! of their own.
//!
//! # The end
//! Who closes a connection says so (close_notify) behind what waits. A peer that ends the connection without saying so
//! may have been cut off: CLOSE has a text then.
//!
//! Servers send tickets for the next handshake when the first one has ended. A client that closes at once has not read
//! them, and the system would reset the connection for that: what the client sent last could be lost. So a closed
//! client waits for the end of its server ([`crate::closing`]).

use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use skynet_kernel::Handle;
use skynet_tls::{Error as TlsError, Session};
use skynet_wire::netaddr::{ip_text, peer_text};

use crate::SocketId;
use crate::engine::Engine;
use crate::error::{Error, text};
use crate::event::{self, EventKind};
use crate::input::{Buffers, READ, READS};
use crate::io::Io;
use crate::queue::Queue;
use crate::ready::{Pass, Ready};
use crate::sealed::{Handshake, Listening, Secure, Tls};
use crate::slots::Entry;
use crate::socket::{Socket, State};

/// Connections of one listener whose handshake has not ended.
pub(crate) const HALF_OPEN: usize = 1024;
/// Bytes of a handshake that are read at once.
const STEP: usize = 16 << 10;

/// What reading came to.
enum Input {
    /// The system has nothing more for now.
    Empty,
    /// Others should have their turn.
    More,
    /// The peer has finished, and has said so, or not.
    End(&'static str),
    Failed(io::Error),
    Broken(TlsError),
}

/// What is said of a connection that ends without close_notify.
const CUT_OFF: &str = "TLS: the connection ended without close_notify: what came may be cut off";

/// As `input::stream`, for a connection with TLS.
pub(crate) fn stream(
    engine: &Engine,
    mut socket: Entry<'_>,
    ready: &mut Ready,
    buffers: &mut Buffers,
) -> Pass {
    let mut told = false;
    if socket.lingers {
        return engine.forget_input(socket, ready, &mut buffers.other);
    }
    if socket.reading && (ready.input || ready.finished) {
        match read(engine, &mut socket, ready, buffers) {
            Input::Empty => {}
            Input::More => {
                // What was said before the handshake had ended can go now.
                ready.output = false;
                engine.flush(socket);
                return Pass::Again;
            }
            Input::End(cut) => {
                engine.secure_end(socket, cut);
                return Pass::Done;
            }
            Input::Failed(error) if socket.state == State::Handshake => {
                engine.handshake_failed(socket, &text(&error));
                return Pass::Done;
            }
            Input::Failed(error) => {
                engine.tell(&socket, EventKind::Error, 0, &text(&error));
                told = true;
            }
            Input::Broken(error) => {
                engine.broken(socket, &error.to_string());
                return Pass::Done;
            }
        }
    }
    if ready.error
        && !told
        && socket.state != State::Handshake
        && let Some(error) = socket.io.take_error()
    {
        engine.tell(&socket, EventKind::Error, 0, &text(&error));
    }
    if ready.hangup {
        engine.destroy_and_tell(socket);
    } else {
        engine.flush(socket);
    }
    Pass::Done
}

fn read(engine: &Engine, socket: &mut Socket, ready: &Ready, buffers: &mut Buffers) -> Input {
    let mut reads = 0;
    loop {
        let Io::Secure(secure) = &mut socket.io else {
            return Input::Empty;
        };
        if secure.working {
            socket.missed = true;
            return Input::Empty;
        }
        let most = match secure.handshake {
            Some(_) => STEP,
            None => READ,
        };
        let n = match (&mut &secure.socket).read(&mut buffers.other[..most]) {
            Ok(0) => {
                return match secure.session.cut_off() {
                    error @ TlsError::EndedInHandshake => Input::Broken(error),
                    _ => Input::End(CUT_OFF),
                };
            }
            Ok(n) => n,
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => return Input::Empty,
                io::ErrorKind::Interrupted => continue,
                _ => return Input::Failed(error),
            },
        };
        if secure.handshake.is_some() && engine.work_out(socket, &buffers.other[..n]) {
            return Input::Empty;
        }
        if let Some(end) = engine.take_records(socket, &buffers.other[..n], &mut buffers.plain) {
            return end;
        }
        if !socket.reading {
            // Its handshake has ended, and its owner has not started it yet.
            socket.missed = true;
            return Input::Empty;
        }
        reads += 1;
        if n < most && !ready.finished {
            return Input::Empty;
        }
        if reads >= READS {
            return Input::More;
        }
    }
}

impl Engine {
    /// Takes records, and what follows from them. How that ends the input, if it does.
    fn take_records(
        &self,
        socket: &mut Socket,
        cipher: &[u8],
        plain: &mut Vec<u8>,
    ) -> Option<Input> {
        let Io::Secure(secure) = &mut socket.io else {
            return None;
        };
        plain.clear();
        let outcome = secure.session.feed(cipher, plain);
        if !secure.session.is_handshaking()
            && let Some(handshake) = secure.handshake.take()
        {
            self.handshake_ended(socket, &handshake);
        }
        let Io::Secure(secure) = &mut socket.io else {
            return None;
        };
        if !plain.is_empty() {
            socket.read += plain.len() as u64;
            socket.rtime = self.now_cs();
            if socket.state == State::Paccept {
                secure.early.extend_from_slice(plain);
            } else {
                let data = [&plain[..], &[]];
                let message = event::message(EventKind::Data, socket.id, plain.len() as i32, data);
                self.emit(socket.owner, socket.id, message);
            }
        }
        match outcome {
            Err(error) => Some(Input::Broken(error)),
            // An owner that has not started it yet hears of the end when it does.
            Ok(()) if secure.session.has_ended() && socket.state != State::Paccept => {
                Some(Input::End(""))
            }
            Ok(()) => None,
        }
    }

    /// Has a step of a handshake worked out elsewhere. False: there is no thread for that.
    fn work_out(&self, socket: &mut Socket, cipher: &[u8]) -> bool {
        let Io::Secure(secure) = &mut socket.io else {
            return false;
        };
        let (id, own, cipher) = (socket.id, self.own.clone(), cipher.to_vec());
        let submitted = self.handshakes.submit(move || {
            if let Some(engine) = own.upgrade() {
                engine.worked_out(id, &cipher);
            }
        });
        secure.working = submitted.is_ok();
        socket.missed |= secure.working;
        secure.working
    }

    /// Works a step of a handshake out, and lets the connection go on.
    fn worked_out(&self, id: SocketId, cipher: &[u8]) {
        let Some(mut socket) = self.slots.lock(id) else {
            return;
        };
        match &mut socket.io {
            Io::Secure(secure) if secure.handshake.is_some() => secure.working = false,
            _ => return,
        }
        if socket.closing.is_none() {
            match self.take_records(&mut socket, cipher, &mut Vec::new()) {
                Some(Input::Broken(error)) => return self.broken(socket, &error.to_string()),
                Some(Input::End(cut)) => return self.secure_end(socket, cut),
                _ => {}
            }
            if socket.reading && self.want_input(&mut socket).is_err() {
                self.tell(&socket, EventKind::Error, 0, "enable read failed");
            }
        }
        self.flush(socket);
    }

    /// Tells who waits for that.
    fn handshake_ended(&self, socket: &mut Socket, handshake: &Handshake) {
        let Some(door) = &handshake.door else {
            return self.tell(socket, EventKind::Tls, 1, "");
        };
        socket.state = State::Paccept;
        socket.reading = false;
        socket.close_sent = false;
        let peer = socket.address.map(|peer| peer_text(peer).to_string());
        let peer = peer.unwrap_or_default();
        let message = event::message(
            EventKind::Accept,
            door.listener,
            socket.id,
            [peer.as_bytes(), &[]],
        );
        self.emit(socket.owner, socket.id, message);
    }

    /// The peer has finished. `cut`: what is said if it has not said so.
    fn secure_end(&self, mut socket: Entry<'_>, cut: &str) {
        socket.reading = false;
        if socket.state == State::HalfWrite {
            return self.destroy_and_tell(socket);
        }
        socket.state = State::HalfRead;
        self.tell_close_why(&mut socket, cut);
        self.flush(socket);
    }

    /// What has come cannot be what the peer has sent, or there is no handshake. The peer is told, as far as it takes
    /// that at once.
    fn broken(&self, mut socket: Entry<'_>, why: &str) {
        self.last_words(&mut socket);
        if socket.closing.is_some() {
            return self.destroy_and_tell(socket);
        }
        if socket.state == State::Handshake {
            return self.handshake_failed(socket, why);
        }
        if let Io::Secure(secure) = &mut socket.io {
            // A step of it that is being worked out is of no interest any more.
            secure.handshake = None;
        }
        socket.reading = false;
        socket.missed = true;
        socket.state = State::HalfWrite;
        self.no_longer_pending(&socket, socket.queue.pending());
        socket.queue = Queue::default();
        self.tell(&socket, EventKind::Error, 0, why);
    }

    /// Writes the records that there are, without what waits in the queue.
    fn last_words(&self, socket: &mut Socket) {
        if let Io::Secure(secure) = &mut socket.io {
            let _ = secure.write(&mut Queue::default(), &mut 0);
            secure.forget_output();
        }
    }

    /// A connection of a listener goes before anybody has heard of it.
    pub(crate) fn handshake_failed(&self, mut socket: Entry<'_>, why: &str) {
        if let Io::Secure(secure) = &socket.io
            && let Some(door) = secure
                .handshake
                .as_ref()
                .and_then(|handshake| handshake.door.as_ref())
        {
            let mut quota = door.quota.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(left_out) = quota.admit(self.now_cs()) {
                let peer = socket.address.map(|peer| peer_text(peer).to_string());
                let peer = peer.unwrap_or_default();
                let more = match left_out {
                    0 => String::new(),
                    count => format!(" ({count} lines before it were left out)"),
                };
                self.log(&format!("socket: no handshake with {peer}: {why}{more}"));
            }
        }
        // The peer is to get what it is told, and not a reset.
        socket.missed = true;
        self.destroy(socket);
    }

    /// A handshake may have taken too long.
    pub(crate) fn handshake_late<'a>(&self, socket: Entry<'a>, now: Instant) -> Option<Entry<'a>> {
        let Io::Secure(secure) = &socket.io else {
            return Some(socket);
        };
        let Some(handshake) = secure.handshake.as_ref().filter(|h| h.until <= now) else {
            return Some(socket);
        };
        let seconds = handshake.timeout.as_secs_f32();
        self.broken(
            socket,
            &format!("TLS: the handshake has not ended within {seconds} s"),
        );
        None
    }

    /// What is new on a connection that its owner has just started: what came before that.
    pub(crate) fn tell_early(&self, socket: &mut Socket) {
        let Io::Secure(secure) = &mut socket.io else {
            return;
        };
        let early = std::mem::take(&mut secure.early);
        let ended = secure.session.has_ended();
        if !early.is_empty() {
            let data = [&early[..], &[]];
            let message = event::message(EventKind::Data, socket.id, early.len() as i32, data);
            self.emit(socket.owner, socket.id, message);
        }
        if ended && socket.state == State::Connected {
            socket.reading = false;
            socket.state = State::HalfRead;
            self.tell_close(socket);
        }
    }

    /// The owner closes it: the peer is told, behind what waits.
    pub(crate) fn say_goodbye(&self, socket: &mut Socket) {
        let open = socket.is_open();
        if let Io::Secure(secure) = &mut socket.io
            && open
            && secure.handshake.is_none()
            && !secure.finishing
        {
            secure.finishing = true;
            if socket.queue.is_empty() {
                let written = secure.write(&mut socket.queue, &mut socket.written);
                if written.is_err() {
                    secure.forget_output();
                }
            }
        }
    }

    // ---- the beginning

    /// A session for a connection to this address.
    fn session(&self, tls: &Tls, peer: Option<SocketAddr>) -> Result<Session, TlsError> {
        let told = |problem: Option<TlsError>| {
            if let Some(problem) = problem {
                self.log(&format!("error: {problem}; the old one is still used"));
            }
        };
        if tls.server {
            let loaded = self.tls.server(&tls.options)?;
            told(loaded.problem);
            return Session::server(&loaded.setup);
        }
        let loaded = self.tls.client(&tls.options)?;
        told(loaded.problem);
        let address = peer.map(|peer| ip_text(peer.ip()).to_string());
        let name = tls.name.clone().or(address).unwrap_or_default();
        if let Some(why) = tls.unverified
            && let Some(line) = self.unverified.line(&name, why)
        {
            self.log(&line);
        }
        Session::client(&loaded.setup, Some(&name))
    }

    /// Are there options and files for a session?
    pub(crate) fn check_tls(&self, tls: &Tls) -> Result<(), Error> {
        if tls.server {
            self.tls.server(&tls.options)?;
        } else {
            self.tls.client(&tls.options)?;
        }
        Ok(())
    }

    /// Stops reading a connection; TLS with 0 follows what has been read.
    pub(crate) fn hush(&self, owner: Handle, id: SocketId) -> Result<(), Error> {
        let mut socket = self.slots.lock(id).ok_or(Error::InvalidSocket)?;
        let fits = socket.owner == owner
            && socket.state == State::Connected
            && matches!(socket.io, Io::Tcp(_))
            && socket.fill.is_none();
        if !fits {
            return Err(Error::InvalidSocket);
        }
        socket.reading = false;
        // Input that is left is reported again when reading goes on.
        socket.missed = true;
        self.tell(&socket, EventKind::Tls, 0, "");
        Ok(())
    }

    /// Begins TLS on a connection, of which `first` has been read already.
    pub(crate) fn secure(
        &self,
        owner: Handle,
        id: SocketId,
        tls: &Tls,
        first: &[u8],
    ) -> Result<(), Error> {
        let peer = self.slots.lock(id).and_then(|socket| socket.address);
        // Files are read without the lock.
        let session = self.session(tls, peer)?;
        let mut socket = self.slots.lock(id).ok_or(Error::InvalidSocket)?;
        if socket.owner != owner || socket.state != State::Connected {
            return Err(Error::InvalidSocket);
        }
        let plain = match std::mem::replace(&mut socket.io, Io::None) {
            Io::Tcp(plain) => plain,
            other => {
                socket.io = other;
                return Err(Error::InvalidSocket);
            }
        };
        let until = Instant::now() + tls.timeout;
        let handshake = Handshake {
            until,
            timeout: tls.timeout,
            door: None,
        };
        let mut secure = Secure::new(plain, session, handshake);
        // What was sent before stays in the clear.
        socket.queue.take_all(&mut secure.sealed);
        socket.io = Io::Secure(Box::new(secure));
        self.look_later(id, until);
        if !first.is_empty() {
            let end = self.take_records(&mut socket, first, &mut Vec::new());
            match end {
                Some(Input::Broken(error)) => {
                    self.broken(socket, &error.to_string());
                    return Ok(());
                }
                Some(_) => {
                    self.secure_end(socket, "");
                    return Ok(());
                }
                None => {}
            }
        }
        if self.want_input(&mut socket).is_err() {
            self.tell(&socket, EventKind::Error, 0, "enable read failed");
        }
        self.flush(socket);
        Ok(())
    }

    /// A connection has come in on a listener with TLS. The listener is locked; `entry` is new.
    pub(crate) fn greet(
        &self,
        listening: &mut Listening,
        mut entry: Entry<'_>,
        socket: socket2::Socket,
    ) -> Result<(), Error> {
        let session = match self.session(&listening.tls, entry.address) {
            Ok(session) => session,
            Err(error) => {
                // The certificate has gone since the listener was made, and nobody has it any more.
                self.log(&format!("error: {error}; a connection is closed"));
                self.destroy(entry);
                return Err(error.into());
            }
        };
        listening.door.half_open.fetch_add(1, Relaxed);
        let timeout = listening.tls.timeout;
        let until = Instant::now() + timeout;
        let handshake = Handshake {
            until,
            timeout,
            door: Some(Arc::clone(&listening.door)),
        };
        entry.io = Io::Secure(Box::new(Secure::new(socket, session, handshake)));
        entry.state = State::Handshake;
        entry.reading = true;
        // No service has the id yet.
        entry.close_sent = true;
        let id = entry.id;
        if let Err(error) = self.register(&mut entry, false) {
            self.destroy(entry);
            return Err(Error::Io(error));
        }
        drop(entry);
        self.look_later(id, until);
        listening.queue.push_back(id);
        self.make_room(listening);
        Ok(())
    }

    /// Forgets the oldest connections whose handshake has ended; if too many have not, the oldest goes.
    fn make_room(&self, listening: &mut Listening) {
        let mut looks = 2;
        loop {
            let full = listening.door.half_open.load(Relaxed) > HALF_OPEN;
            if !full && looks == 0 {
                return;
            }
            looks = usize::saturating_sub(looks, 1);
            let Some(&oldest) = listening.queue.front() else {
                return;
            };
            match self.slots.lock(oldest) {
                Some(socket) if socket.state == State::Handshake => {
                    if !full {
                        return;
                    }
                    let why = format!("{HALF_OPEN} others have begun one after it");
                    self.handshake_failed(socket, &why);
                }
                _ => {}
            }
            listening.queue.pop_front();
        }
    }
}

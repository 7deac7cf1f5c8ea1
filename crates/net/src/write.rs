//! The way of bytes out.
//!
//! `send` writes on the calling thread if nothing waits already; what the kernel does not take goes
//! to the socket's queue, and the reactor continues when there is room. Errors and limits are acted
//! upon by whoever meets them, under the socket's lock.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use skynet_kernel::Payload;

use crate::SocketId;
use crate::engine::Engine;
use crate::error::text;
use crate::event::EventKind;
use crate::queue::{GATHER, Piece, Unit};
use crate::slots::Entry;
use crate::socket::{Socket, State};

/// Waiting bytes from which on WARNINGs are given.
const WARN: usize = 1 << 20;

/// What is to be sent: given away, or to be copied if it has to wait.
pub(crate) enum Outgoing<'a> {
    Owned(Payload),
    Borrowed(&'a [u8]),
}

impl Outgoing<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Outgoing::Owned(payload) => payload.as_slice(),
            Outgoing::Borrowed(bytes) => bytes,
        }
    }

    fn into_piece(self, sent: usize) -> Piece {
        match self {
            Outgoing::Owned(payload) => Piece::new(payload, sent),
            Outgoing::Borrowed(bytes) => Piece::new(Payload::from_slice(&bytes[sent..]), 0),
        }
    }
}

impl Engine {
    /// `send` and `lsend`. False if the socket does not exist or (`send`) is being closed, or if it
    /// has just been destroyed because too much waits.
    pub(crate) fn send(&self, id: SocketId, data: Outgoing<'_>, low: bool) -> bool {
        let Some(mut socket) = self.slots.lock(id) else {
            return false;
        };
        if socket.closing {
            return low;
        }
        match socket.state {
            State::Plisten | State::Listen => {
                drop(socket);
                self.log(&format!("socket-server error: write to listen fd {id}."));
                return true;
            }
            State::Paccept | State::HalfWrite => return true,
            State::Connecting | State::Connected | State::Bind | State::HalfRead => {}
        }
        if socket.is_udp() {
            return self.send_to_peer(socket, data.bytes(), low);
        }
        let mut sent = 0;
        let direct = socket.is_open() && socket.queue.is_empty();
        if direct {
            match write_through(&mut socket, data.bytes()) {
                (all, Ok(())) => {
                    debug_assert_eq!(all, data.bytes().len());
                    socket.wtime = self.now_cs();
                    return true;
                }
                (some, Err(error)) if error.kind() == io::ErrorKind::WouldBlock => sent = some,
                (_, Err(error)) => {
                    self.write_failed(socket, &error);
                    return true;
                }
            }
        }
        if data.bytes().is_empty() {
            return true;
        }
        self.enqueue(socket, [data.into_piece(sent)], low, direct && !low)
    }

    /// Sends `head`, and then units of `body`, with low priority. What has to wait refers to `body`, which is not copied.
    pub(crate) fn send_units(
        &self,
        id: SocketId,
        head: &[u8],
        body: Payload,
        units: &[Unit],
    ) -> bool {
        let Some(mut socket) = self.slots.lock(id) else {
            return false;
        };
        let open = socket.is_open() || socket.state == State::Connecting;
        if socket.closing || !open || socket.is_udp() {
            drop(socket);
            // That says what becomes of it.
            return self.send(id, Outgoing::Borrowed(head), true);
        }
        let all = Units { head, body, units };
        let mut sent = 0;
        if socket.is_open() && socket.queue.is_empty() {
            let outcome = all.write(&mut socket, &mut sent);
            socket.wtime = self.now_cs();
            match outcome {
                Ok(()) => return true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    self.write_failed(socket, &error);
                    return true;
                }
            }
        }
        self.enqueue(socket, all.into_pieces(sent), true, false)
    }

    /// Lets pieces wait. `rest`: they are what is left of a direct write, of which no warning is given.
    pub(crate) fn enqueue(
        &self,
        mut socket: Entry<'_>,
        pieces: impl IntoIterator<Item = Piece>,
        low: bool,
        rest: bool,
    ) -> bool {
        let before = socket.queue.pending();
        for piece in pieces {
            socket.queue.push(piece, low);
        }
        let bytes = socket.queue.pending() - before;
        let total = self.pending.fetch_add(bytes, Relaxed) + bytes;
        let pending = socket.queue.pending();
        if let Some(cap) = socket.cap.filter(|&cap| pending > cap) {
            return self.overflow(socket, "send queue over its limit", cap);
        }
        if let Some(cap) = self.options.max_pending_total.filter(|&cap| total > cap) {
            return self.overflow(socket, "send queues of the node over their limit", cap);
        }
        if !rest && pending >= WARN && pending >= socket.warn_at {
            socket.warn_at = if socket.warn_at == 0 {
                2 * WARN
            } else {
                2 * socket.warn_at
            };
            self.warn(&socket, pending);
        }
        if socket.is_open() && self.want_output(&mut socket).is_err() {
            self.tell(&socket, EventKind::Error, 0, "enable write failed");
        }
        true
    }

    fn warn(&self, socket: &Socket, pending: usize) {
        let kib = i32::try_from(pending.div_ceil(1024)).unwrap_or(i32::MAX);
        self.tell(socket, EventKind::Warning, kib, "");
    }

    #[cold]
    fn overflow(&self, socket: Entry<'_>, what: &str, cap: usize) -> bool {
        self.tell(
            &socket,
            EventKind::Error,
            0,
            &format!("{what} ({cap} bytes)"),
        );
        self.destroy_and_tell(socket);
        false
    }

    /// Writes what waits, as far as the kernel takes it.
    pub(crate) fn flush(&self, mut socket: Entry<'_>) {
        if socket.queue.is_empty() || !socket.is_open() {
            return;
        }
        let before = socket.queue.pending();
        let outcome = if socket.is_udp() {
            self.flush_datagrams(&mut socket)
        } else {
            flush_stream(&mut socket)
        };
        let sent = before - socket.queue.pending();
        self.pending.fetch_sub(sent, Relaxed);
        socket.wtime = self.now_cs();
        match outcome {
            Ok(()) if socket.closing => self.destroy(socket),
            Ok(()) => {
                if socket.warn_at > 0 {
                    socket.warn_at = 0;
                    self.warn(&socket, 0);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if self.want_output(&mut socket).is_err() {
                    self.tell(&socket, EventKind::Error, 0, "enable write failed");
                }
            }
            Err(error) => self.write_failed(socket, &error),
        }
    }

    /// The peer does not take any more. If it does not send any more either, that is the end.
    #[cold]
    fn write_failed(&self, mut socket: Entry<'_>, error: &io::Error) {
        if socket.state == State::HalfRead {
            return self.destroy_and_tell(socket);
        }
        socket.state = State::HalfWrite;
        self.pending.fetch_sub(socket.queue.pending(), Relaxed);
        socket.queue = Default::default();
        socket.io.shutdown(Shutdown::Write);
        self.tell(&socket, EventKind::Error, 0, &text(error));
    }
}

/// What [`Engine::send_units`] has to send.
struct Units<'a> {
    head: &'a [u8],
    body: Payload,
    units: &'a [Unit],
}

impl Units<'_> {
    /// Writes as far as the kernel takes it, and counts that in `sent`.
    fn write(&self, socket: &mut Socket, sent: &mut usize) -> io::Result<()> {
        loop {
            let (slices, count) = self.unsent(*sent);
            if count == 0 {
                return Ok(());
            }
            match socket.io.write_vectored(&slices[..count]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    socket.written += n as u64;
                    *sent += n;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The next slices, when so much has gone, and how many they are.
    fn unsent(&self, sent: usize) -> ([IoSlice<'_>; GATHER], usize) {
        let bytes = self.body.as_slice();
        let units = self.units.iter();
        let parts = units.flat_map(|unit| [unit.header(), &bytes[unit.range()]]);
        let mut slices = [IoSlice::new(&[]); GATHER];
        let mut skip = sent;
        let mut count = 0;
        for part in [self.head].into_iter().chain(parts) {
            let rest = &part[skip.min(part.len())..];
            skip -= part.len() - rest.len();
            if !rest.is_empty() {
                slices[count] = IoSlice::new(rest);
                count += 1;
            }
            if count == GATHER {
                break;
            }
        }
        (slices, count)
    }

    /// What waits, when so much has gone.
    fn into_pieces(self, sent: usize) -> impl Iterator<Item = Piece> {
        let head = self.head.get(sent..).filter(|rest| !rest.is_empty());
        let head = head.map(|rest| Piece::new(Payload::from_slice(rest), 0));
        let mut sent = sent.saturating_sub(self.head.len());
        let body = Arc::new(self.body);
        let units = self.units.iter().filter_map(move |unit| {
            let gone = sent.min(unit.len());
            sent -= gone;
            (gone < unit.len()).then(|| Piece::unit(Arc::clone(&body), unit.clone(), gone))
        });
        head.into_iter().chain(units)
    }
}

/// Writes until all is written or something prevents it. An edge of output comes only after the
/// kernel has said that it is full, so a short write is followed by another one.
#[inline]
fn write_through(socket: &mut Socket, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut sent = 0;
    while sent < bytes.len() {
        match socket.io.write(&bytes[sent..]) {
            Ok(0) => return (sent, Err(io::ErrorKind::WriteZero.into())),
            Ok(n) => {
                sent += n;
                socket.written += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (sent, Err(error)),
        }
    }
    (sent, Ok(()))
}

/// Writes the high list, then the low list. `Ok` when nothing is left.
fn flush_stream(socket: &mut Socket) -> io::Result<()> {
    loop {
        let mut slices = [IoSlice::new(&[]); GATHER];
        let count = socket.queue.gather(&mut slices);
        if count == 0 {
            return Ok(());
        }
        match socket.io.write_vectored(&slices[..count]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => {
                socket.queue.advance(n);
                socket.written += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

//! The way of bytes out.
//!
//! `send` writes on the calling thread if nothing waits already; what the kernel does not take goes
//! to the socket's queue, and the reactor continues when there is room. Errors and limits are acted
//! upon by whoever meets them, under the socket's lock.
//!
//! A peer that reads as fast as we write could keep a thread busy for as long as there is output. So no more than
//! [`BUDGET`] is written at once. What is left goes to the queue, the system is asked for a new edge, and the reactor
//! gets to it after the others.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use skynet_kernel::Payload;

use crate::SocketId;
use crate::budget::{BUDGET, Wrote};
use crate::engine::Engine;
use crate::error::text;
use crate::event::EventKind;
use crate::io::Io;
use crate::queue::{GATHER, Piece, Queue, Unit};
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

/// How pieces come to wait.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waits {
    /// Behind others, or until the socket is connected.
    Behind,
    /// The system takes no more.
    Full,
    /// The system may take more; the budget is spent.
    Enough,
}

impl Engine {
    /// `send` and `lsend`. False if the socket does not exist or (`send`) is being closed, or if it
    /// has just been destroyed because too much waits.
    pub(crate) fn send(&self, id: SocketId, data: Outgoing<'_>, low: bool) -> bool {
        let Some(mut socket) = self.slots.lock(id) else {
            return false;
        };
        if socket.closing.is_some() {
            return low;
        }
        match socket.state {
            State::Plisten | State::Listen => {
                drop(socket);
                self.log(&format!("socket-server error: write to listen fd {id}."));
                return true;
            }
            State::Handshake | State::Paccept | State::HalfWrite => return true,
            State::Connecting | State::Connected | State::Bind | State::HalfRead => {}
        }
        match socket.io {
            Io::Udp(_) => return self.send_to_peer(socket, data.bytes(), low),
            Io::Secure(_) => return self.send_sealed(socket, data, low),
            _ => {}
        }
        let mut direct = Slice {
            bytes: data.bytes(),
            sent: 0,
        };
        let Some(waits) = self.write_directly(&mut socket, &mut direct) else {
            return true;
        };
        let sent = direct.sent;
        match waits {
            Ok(_) if data.bytes().is_empty() => true,
            Ok(waits) => {
                // Of what is left of a direct write no warning is given.
                let warns = low || waits == Waits::Behind;
                self.enqueue(socket, [data.into_piece(sent)], low, waits, warns)
            }
            Err(error) => {
                self.write_failed(socket, &error);
                true
            }
        }
    }

    /// Sends `head`, and then units of `body`, with low priority. What has to wait refers to `body`, which is not
    /// copied.
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
        if socket.closing.is_some() || !open || socket.is_udp() {
            drop(socket);
            // The outcome of the handshake decides.
            return self.send(id, Outgoing::Borrowed(head), true);
        }
        let mut all = Units {
            head,
            body,
            units,
            sent: 0,
        };
        if let Io::Secure(_) = socket.io {
            return self.send_pieces_sealed(socket, all.into_pieces(), true);
        }
        match self.write_directly(&mut socket, &mut all) {
            None => true,
            Some(Ok(waits)) => self.enqueue(socket, all.into_pieces(), true, waits, true),
            Some(Err(error)) => {
                self.write_failed(socket, &error);
                true
            }
        }
    }

    /// Writes what nothing waits before. `None`: all of it has been written.
    #[inline]
    fn write_directly(
        &self,
        socket: &mut Socket,
        source: &mut impl Source,
    ) -> Option<io::Result<Waits>> {
        if !socket.is_open() || !socket.queue.is_empty() {
            return Some(Ok(Waits::Behind));
        }
        let outcome = write_out(&socket.io, &mut socket.written, source);
        match outcome {
            Ok(Wrote::All) => {
                socket.wtime = self.now_cs();
                None
            }
            Ok(Wrote::Full) => Some(Ok(Waits::Full)),
            Ok(Wrote::Enough) => Some(Ok(Waits::Enough)),
            Err(error) => Some(Err(error)),
        }
    }

    /// Lets pieces wait. False if that has cost the socket.
    pub(crate) fn enqueue(
        &self,
        mut socket: Entry<'_>,
        pieces: impl IntoIterator<Item = Piece>,
        low: bool,
        waits: Waits,
        warns: bool,
    ) -> bool {
        let before = socket.queue.pending();
        for piece in pieces {
            socket.queue.push(piece, low);
        }
        self.queued(socket, before, waits, warns)
    }

    /// More waits than `before`.
    #[inline]
    fn queued(&self, mut socket: Entry<'_>, before: usize, waits: Waits, warns: bool) -> bool {
        let pending = socket.queue.pending();
        if warns && pending >= WARN && pending >= socket.warn_at {
            socket.warn_at = if socket.warn_at == 0 {
                2 * WARN
            } else {
                2 * socket.warn_at
            };
            self.warn(&socket, pending);
        }
        if socket.is_open() {
            let watched = match waits {
                Waits::Enough => self.continue_output(&mut socket),
                Waits::Behind | Waits::Full => self.want_output(&mut socket),
            };
            if watched.is_err() {
                self.tell(&socket, EventKind::Error, 0, "enable write failed");
            }
        }
        self.check_caps(socket, pending - before)
    }

    /// As `send`, on a connection with TLS.
    fn send_sealed(&self, socket: Entry<'_>, data: Outgoing<'_>, low: bool) -> bool {
        if data.bytes().is_empty() {
            return true;
        }
        self.send_pieces_sealed(socket, [data.into_piece(0)], low)
    }

    fn send_pieces_sealed(
        &self,
        mut socket: Entry<'_>,
        pieces: impl IntoIterator<Item = Piece>,
        low: bool,
    ) -> bool {
        let direct = !socket.has_output() && socket.is_open();
        let before = socket.queue.pending();
        for piece in pieces {
            socket.queue.push(piece, low);
        }
        if !direct {
            return self.queued(socket, before, Waits::Behind, true);
        }
        match self.write_queue(&mut socket) {
            Ok(Wrote::All) => {
                socket.wtime = self.now_cs();
                true
            }
            Ok(Wrote::Full) => self.queued(socket, before, Waits::Full, low),
            Ok(Wrote::Enough) => self.queued(socket, before, Waits::Enough, low),
            Err(error) => {
                // None of it has been counted.
                let pending = socket.queue.pending() - before;
                self.pending.fetch_add(pending, Relaxed);
                self.write_failed(socket, &error);
                true
            }
        }
    }

    fn warn(&self, socket: &Socket, pending: usize) {
        let kib = i32::try_from(pending.div_ceil(1024)).unwrap_or(i32::MAX);
        self.tell(socket, EventKind::Warning, kib, "");
    }

    /// Writes what waits, as far as the kernel takes it and the budget allows.
    pub(crate) fn flush(&self, mut socket: Entry<'_>) {
        if !socket.has_output() || !(socket.is_open() || socket.is_greeted()) {
            return;
        }
        let before = socket.queue.pending();
        let outcome = self.write_queue(&mut socket);
        self.no_longer_pending(&socket, before - socket.queue.pending());
        socket.wtime = self.now_cs();
        self.tell_room(&mut socket);
        let watched = match outcome {
            Ok(Wrote::All) if socket.lingers => return self.said_goodbye(&mut socket),
            Ok(Wrote::All) if socket.closing.is_some() => return self.destroy(socket),
            Ok(Wrote::All) => {
                if socket.warn_at > 0 {
                    socket.warn_at = 0;
                    self.warn(&socket, 0);
                }
                return;
            }
            Ok(Wrote::Full) => self.want_output(&mut socket),
            Ok(Wrote::Enough) => self.continue_output(&mut socket),
            Err(error) => return self.write_failed(socket, &error),
        };
        if watched.is_err() {
            self.tell(&socket, EventKind::Error, 0, "enable write failed");
        }
    }

    fn write_queue(&self, socket: &mut Socket) -> io::Result<Wrote> {
        match &mut socket.io {
            Io::Udp(_) => self.flush_datagrams(socket),
            Io::Secure(secure) => secure.write(&mut socket.queue, &mut socket.written),
            io => write_out(io, &mut socket.written, &mut socket.queue),
        }
    }

    /// Writes what waits, without any consequence but that. Does something wait still?
    pub(crate) fn flush_once(&self, socket: &mut Socket) -> bool {
        let before = socket.queue.pending();
        let outcome = self.write_queue(socket);
        self.no_longer_pending(socket, before - socket.queue.pending());
        matches!(outcome, Ok(Wrote::Full | Wrote::Enough))
    }

    /// The peer does not take any more. If it does not send any more either, that is the end.
    #[cold]
    fn write_failed(&self, mut socket: Entry<'_>, error: &io::Error) {
        if socket.state == State::HalfRead {
            return self.destroy_and_tell(socket);
        }
        if socket.state == State::Handshake {
            return self.handshake_failed(socket, &text(error));
        }
        socket.state = State::HalfWrite;
        self.no_longer_pending(&socket, socket.queue.pending());
        socket.queue = Default::default();
        if let Io::Secure(secure) = &mut socket.io {
            secure.forget_output();
        }
        socket.io.shutdown(Shutdown::Write);
        self.tell(&socket, EventKind::Error, 0, &text(error));
    }
}

/// Where bytes to be written come from.
trait Source {
    /// Makes one system call. `None`: there is nothing more.
    fn write_once(&self, io: &Io) -> Option<io::Result<usize>>;
    /// So many bytes have been written.
    fn advance(&mut self, bytes: usize);
    /// Is there more?
    fn is_left(&self) -> bool;
}

/// Writes until all is written or something prevents it. An edge of output comes only after the
/// kernel has said that it is full, so a short write is followed by another one.
#[inline]
fn write_out(io: &Io, written: &mut u64, source: &mut impl Source) -> io::Result<Wrote> {
    let mut sum = 0;
    loop {
        match source.write_once(io) {
            None => return Ok(Wrote::All),
            Some(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Some(Ok(n)) => {
                source.advance(n);
                *written += n as u64;
                sum += n;
            }
            Some(Err(error)) => match error.kind() {
                io::ErrorKind::WouldBlock => return Ok(Wrote::Full),
                io::ErrorKind::Interrupted => {}
                _ => return Err(error),
            },
        }
        if sum >= BUDGET && source.is_left() {
            return Ok(Wrote::Enough);
        }
    }
}

/// One piece of memory.
struct Slice<'a> {
    bytes: &'a [u8],
    sent: usize,
}

impl Source for Slice<'_> {
    #[inline]
    fn write_once(&self, io: &Io) -> Option<io::Result<usize>> {
        let rest = &self.bytes[self.sent..];
        let rest = &rest[..rest.len().min(BUDGET)];
        (!rest.is_empty()).then(|| io.write(rest))
    }

    #[inline]
    fn advance(&mut self, bytes: usize) {
        self.sent += bytes;
    }

    #[inline]
    fn is_left(&self) -> bool {
        self.sent < self.bytes.len()
    }
}

/// The high list, then the low list.
impl Source for Queue {
    fn write_once(&self, io: &Io) -> Option<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); GATHER];
        let count = self.gather(&mut slices, BUDGET);
        (count > 0).then(|| io.write_vectored(&slices[..count]))
    }

    fn advance(&mut self, bytes: usize) {
        Queue::advance(self, bytes);
    }

    fn is_left(&self) -> bool {
        !self.is_empty()
    }
}

/// What [`Engine::send_units`] has to send.
struct Units<'a> {
    head: &'a [u8],
    body: Payload,
    units: &'a [Unit],
    sent: usize,
}

impl Units<'_> {
    /// The next slices, and how many they are.
    fn unsent(&self) -> ([IoSlice<'_>; GATHER], usize) {
        let bytes = self.body.as_slice();
        let units = self.units.iter();
        let parts = units.flat_map(|unit| [unit.header(), &bytes[unit.range()]]);
        let mut slices = [IoSlice::new(&[]); GATHER];
        let mut skip = self.sent;
        let mut count = 0;
        let mut room = BUDGET;
        for part in [self.head].into_iter().chain(parts) {
            let rest = &part[skip.min(part.len())..];
            skip -= part.len() - rest.len();
            let rest = &rest[..rest.len().min(room)];
            room -= rest.len();
            if !rest.is_empty() {
                slices[count] = IoSlice::new(rest);
                count += 1;
            }
            if count == GATHER || room == 0 {
                break;
            }
        }
        (slices, count)
    }

    /// What has not been written.
    fn into_pieces(self) -> impl Iterator<Item = Piece> {
        let head = self.head.get(self.sent..).filter(|rest| !rest.is_empty());
        let head = head.map(|rest| Piece::new(Payload::from_slice(rest), 0));
        let mut sent = self.sent.saturating_sub(self.head.len());
        let body = Arc::new(self.body);
        let units = self.units.iter().filter_map(move |unit| {
            let gone = sent.min(unit.len());
            sent -= gone;
            (gone < unit.len()).then(|| Piece::unit(Arc::clone(&body), unit.clone(), gone))
        });
        head.into_iter().chain(units)
    }
}

impl Source for Units<'_> {
    fn write_once(&self, io: &Io) -> Option<io::Result<usize>> {
        let (slices, count) = self.unsent();
        (count > 0).then(|| io.write_vectored(&slices[..count]))
    }

    fn advance(&mut self, bytes: usize) {
        self.sent += bytes;
    }

    fn is_left(&self) -> bool {
        self.unsent().1 > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A peer that takes `step` bytes at once, however much there is.
    struct Fast {
        step: usize,
        left: usize,
    }

    impl Source for Fast {
        fn write_once(&self, _: &Io) -> Option<io::Result<usize>> {
            (self.left > 0).then_some(Ok(self.step.min(self.left)))
        }

        fn advance(&mut self, bytes: usize) {
            self.left -= bytes;
        }

        fn is_left(&self) -> bool {
            self.left > 0
        }
    }

    #[test]
    fn a_peer_that_reads_for_ever_gets_its_share_only() {
        for step in [1000, BUDGET / 4, BUDGET] {
            let (mut written, mut peer) = (
                0,
                Fast {
                    step,
                    left: 1 << 30,
                },
            );
            let outcome = write_out(&Io::None, &mut written, &mut peer).unwrap();
            assert!(matches!(outcome, Wrote::Enough));
            let written = written as usize;
            assert!((BUDGET..BUDGET + step).contains(&written), "{written}");
        }
    }

    #[test]
    fn what_is_exactly_the_share_is_all() {
        let (mut written, left) = (0, BUDGET);
        let mut peer = Fast { step: 4096, left };
        let outcome = write_out(&Io::None, &mut written, &mut peer).unwrap();
        assert!(matches!(outcome, Wrote::All));
        assert_eq!(written as usize, BUDGET);
    }
}

//! The way of bytes out.
//!
//! `send` writes on the calling thread if nothing waits already; what the kernel does not take goes
//! to the socket's queue, and the reactor continues when there is room. Errors and limits are acted
//! upon by whoever meets them, under the socket's lock.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::sync::atomic::Ordering::Relaxed;

use skynet_kernel::Payload;

use crate::SocketId;
use crate::engine::Engine;
use crate::error::text;
use crate::event::EventKind;
use crate::queue::{GATHER, Piece};
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
        self.enqueue(socket, data.into_piece(sent), low, direct && !low)
    }

    /// Sends units of two pieces each with low priority. A unit stays together; others may come between units.
    pub(crate) fn send_units(&self, id: SocketId, units: &[[&[u8]; 2]]) -> bool {
        let Some(mut socket) = self.slots.lock(id) else {
            return false;
        };
        let mut units = units;
        let mut sent = 0;
        if socket.is_open() && !socket.closing && !socket.is_udp() && socket.queue.is_empty() {
            while let [first, ..] = units {
                let slices = unsent(units, sent);
                match socket.io.write_vectored(&slices.0[..slices.1]) {
                    Ok(0) => {
                        self.write_failed(socket, &io::ErrorKind::WriteZero.into());
                        return true;
                    }
                    Ok(n) => {
                        socket.written += n as u64;
                        sent += n;
                        let mut length = first[0].len() + first[1].len();
                        while sent >= length && !units.is_empty() {
                            sent -= length;
                            units = &units[1..];
                            length = units
                                .first()
                                .map_or(0, |unit| unit[0].len() + unit[1].len());
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => {
                        self.write_failed(socket, &error);
                        return true;
                    }
                }
            }
            socket.wtime = self.now_cs();
        }
        if sent > 0
            && let [[head, data], rest @ ..] = units
        {
            let (head, data) = match sent.checked_sub(head.len()) {
                Some(over) => (&[][..], &data[over..]),
                None => (&head[sent..], *data),
            };
            units = rest;
            let piece = Piece::new(Payload::concat(&[head, data]), 0);
            if !self.enqueue(socket, piece, true, false) {
                return false;
            }
        } else {
            drop(socket);
        }
        units
            .iter()
            .all(|unit| self.send(id, Outgoing::Owned(Payload::concat(unit)), true))
    }

    /// Lets a piece wait. `rest`: it is what is left of a direct write, of which no warning is given.
    pub(crate) fn enqueue(
        &self,
        mut socket: Entry<'_>,
        piece: Piece,
        low: bool,
        rest: bool,
    ) -> bool {
        let bytes = piece.rest().len();
        socket.queue.push(piece, low);
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

/// The next pieces of `units`, of which `sent` bytes have gone, and how many they are.
fn unsent<'a>(units: &[[&'a [u8]; 2]], sent: usize) -> ([IoSlice<'a>; GATHER], usize) {
    let mut slices = [IoSlice::new(&[]); GATHER];
    let mut skip = sent;
    let mut count = 0;
    for piece in units.iter().flatten() {
        let part = &piece[skip.min(piece.len())..];
        skip -= piece.len() - part.len();
        if !part.is_empty() {
            slices[count] = IoSlice::new(part);
            count += 1;
        }
        if count == GATHER {
            break;
        }
    }
    (slices, count)
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

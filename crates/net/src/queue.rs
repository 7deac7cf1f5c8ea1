//! What waits to be sent on one socket: two lists of pieces.
//!
//! The high list is sent first. The low list is sent when the high one is empty. A piece of it that has been sent in
//! part moves to the high list, which is empty then, so that nothing is ever sent in the middle of it. A low piece that
//! finds both lists empty goes to the high list, because it is next anyway.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

use skynet_kernel::Payload;

/// Slices that go into one system call.
pub(crate) const GATHER: usize = 64;

/// A range of a payload with a header of its own in front: what has to stay together when a large payload is sent in
/// units, between which others may come. See [`Net::lsend_units`](crate::Net::lsend_units).
#[derive(Clone, Debug)]
pub struct Unit {
    header: [u8; Unit::HEADER],
    header_len: u8,
    range: Range<usize>,
}

impl Unit {
    /// Bytes of the longest header.
    pub const HEADER: usize = 15;

    /// A unit of these bytes of the payload. Panics if the header is longer than [`HEADER`](Unit::HEADER).
    pub fn new(header: &[u8], range: Range<usize>) -> Unit {
        let mut own = [0; Unit::HEADER];
        own[..header.len()].copy_from_slice(header);
        Unit {
            header: own,
            header_len: header.len() as u8,
            range,
        }
    }

    pub(crate) fn header(&self) -> &[u8] {
        &self.header[..usize::from(self.header_len)]
    }

    pub(crate) fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(self.header_len) + self.range.len()
    }
}

/// Where the bytes of a piece are.
enum Bytes {
    Own(Payload),
    /// Part of a payload that other pieces need, too.
    Unit(Arc<Payload>, Unit),
}

/// Bytes in the order of one call of `send`.
pub(crate) struct Piece {
    bytes: Bytes,
    /// How much of it has been sent.
    sent: usize,
    /// For datagrams: where to.
    pub(crate) to: Option<Box<SocketAddr>>,
}

impl Piece {
    pub(crate) fn new(payload: Payload, sent: usize) -> Piece {
        Piece {
            bytes: Bytes::Own(payload),
            sent,
            to: None,
        }
    }

    pub(crate) fn unit(payload: Arc<Payload>, unit: Unit, sent: usize) -> Piece {
        Piece {
            bytes: Bytes::Unit(payload, unit),
            sent,
            to: None,
        }
    }

    pub(crate) fn datagram(data: &[u8], to: SocketAddr) -> Piece {
        Piece {
            bytes: Bytes::Own(Payload::from_slice(data)),
            sent: 0,
            to: Some(Box::new(to)),
        }
    }

    /// What is left of it: of its header, and of the rest.
    fn slices(&self) -> [&[u8]; 2] {
        let [header, data] = match &self.bytes {
            Bytes::Own(payload) => [&[][..], payload.as_slice()],
            Bytes::Unit(payload, unit) => [unit.header(), &payload.as_slice()[unit.range()]],
        };
        match self.sent.checked_sub(header.len()) {
            Some(over) => [&[], &data[over..]],
            None => [&header[self.sent..], data],
        }
    }

    /// What is left of a datagram.
    pub(crate) fn rest(&self) -> &[u8] {
        self.slices()[1]
    }

    /// How much is left.
    pub(crate) fn len(&self) -> usize {
        let [header, data] = self.slices();
        header.len() + data.len()
    }
}

/// The two lists.
#[derive(Default)]
pub(crate) struct Queue {
    high: VecDeque<Piece>,
    low: VecDeque<Piece>,
    pending: usize,
    /// How many of these are not in the lists any more, but encrypted.
    sealed: usize,
}

impl Queue {
    pub(crate) fn is_empty(&self) -> bool {
        self.high.is_empty() && self.low.is_empty()
    }

    /// Bytes in both lists.
    pub(crate) fn pending(&self) -> usize {
        self.pending
    }

    pub(crate) fn push(&mut self, piece: Piece, low: bool) {
        self.pending += piece.len();
        if low && !self.is_empty() {
            self.low.push_back(piece);
        } else {
            self.high.push_back(piece);
        }
    }

    /// The list that is sent from now, and whether it is the low one.
    fn current(&mut self) -> (&mut VecDeque<Piece>, bool) {
        if self.high.is_empty() {
            (&mut self.low, true)
        } else {
            (&mut self.high, false)
        }
    }

    /// The next pieces to be sent, as far as they fit `slices` and are no more than `room` bytes; how many slices that
    /// are.
    pub(crate) fn gather<'a>(
        &'a self,
        slices: &mut [IoSlice<'a>; GATHER],
        mut room: usize,
    ) -> usize {
        let list = if self.high.is_empty() {
            &self.low
        } else {
            &self.high
        };
        // A piece without bytes is given, too, since a gathering of nothing means that nothing waits.
        let parts = list.iter().flat_map(|piece| {
            let [header, data] = piece.slices();
            let header = (!header.is_empty()).then_some(header);
            header.into_iter().chain([data])
        });
        let mut count = 0;
        for (slice, part) in slices.iter_mut().zip(parts) {
            let part = &part[..part.len().min(room)];
            room -= part.len();
            *slice = IoSlice::new(part);
            count += 1;
            if room == 0 {
                break;
            }
        }
        count
    }

    /// The first `bytes` bytes of what [`gather`](Queue::gather) gave have been sent.
    pub(crate) fn advance(&mut self, mut bytes: usize) {
        self.pending -= bytes;
        let (list, low) = self.current();
        while let Some(piece) = list.front_mut() {
            let rest = piece.len();
            if bytes < rest {
                piece.sent += bytes;
                if low && bytes > 0 {
                    let piece = list.pop_front();
                    self.high.extend(piece);
                }
                return;
            }
            bytes -= rest;
            list.pop_front();
        }
    }

    /// The first `bytes` bytes of what [`gather`](Queue::gather) gave are encrypted. They wait still.
    pub(crate) fn seal(&mut self, bytes: usize) {
        self.advance(bytes);
        self.pending += bytes;
        self.sealed += bytes;
    }

    /// All that was encrypted has been sent.
    pub(crate) fn sealed_has_gone(&mut self) {
        self.pending -= std::mem::take(&mut self.sealed);
    }

    /// Moves everything out, as if it were encrypted.
    pub(crate) fn take_all(&mut self, into: &mut Vec<u8>) {
        for piece in self.high.drain(..).chain(self.low.drain(..)) {
            into.extend(piece.slices().concat());
        }
        self.sealed = self.pending;
    }

    /// The next piece, for datagrams, which are sent whole.
    pub(crate) fn front(&self) -> Option<&Piece> {
        self.high.front().or_else(|| self.low.front())
    }

    /// Drops the piece that [`front`](Queue::front) gave.
    pub(crate) fn pop(&mut self) {
        if let Some(piece) = self.current().0.pop_front() {
            self.pending -= piece.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(text: &str) -> Piece {
        Piece::new(Payload::from(text), 0)
    }

    /// Sends `step` bytes at a time; what a peer would receive.
    fn drain(queue: &mut Queue, step: usize, into: &mut String, limit: usize) {
        for _ in 0..limit {
            let mut slices = [IoSlice::new(&[]); GATHER];
            let count = queue.gather(&mut slices, usize::MAX);
            let bytes: Vec<u8> = slices[..count].iter().flat_map(|s| s.to_vec()).collect();
            if count == 0 {
                return;
            }
            let sent = bytes.len().min(step);
            into.push_str(std::str::from_utf8(&bytes[..sent]).unwrap());
            queue.advance(sent);
        }
    }

    #[test]
    fn a_high_piece_overtakes_between_low_pieces_only() {
        let mut queue = Queue::default();
        let mut out = String::new();
        for text in ["low1 ", "low2 ", "low3 "] {
            queue.push(piece(text), true);
        }
        // low1 found nothing before it; it is under way.
        drain(&mut queue, 2, &mut out, 1);
        queue.push(piece("high1 "), false);
        drain(&mut queue, 2, &mut out, 7);
        // low2 has been begun by now.
        queue.push(piece("high2 "), false);
        assert_eq!(queue.pending(), "low2 low3 high2 ".len() - 4);
        drain(&mut queue, 2, &mut out, 100);
        assert_eq!(out, "low1 high1 low2 high2 low3 ");
        assert!(queue.is_empty());
        assert_eq!(queue.pending(), 0);
    }

    #[test]
    fn units_of_one_payload_stay_together() {
        let body = Arc::new(Payload::from("abcdefgh"));
        for step in 1..20 {
            let mut queue = Queue::default();
            let mut out = String::new();
            for (header, range) in [("<1>", 0..3), ("<2>", 3..3), ("<3>", 3..8)] {
                let unit = Unit::new(header.as_bytes(), range);
                queue.push(Piece::unit(Arc::clone(&body), unit, 0), true);
            }
            drain(&mut queue, step, &mut out, 1);
            queue.push(piece("!"), false);
            drain(&mut queue, step, &mut out, 100);
            assert_eq!(out.replace('!', ""), "<1>abc<2><3>defgh", "{step}");
            let whole = ["<1>abc!", "<2>!", "<3>defgh!"];
            assert!(whole.iter().any(|whole| out.contains(whole)), "{out}");
            assert_eq!(queue.pending(), 0);
        }
        assert_eq!(Arc::strong_count(&body), 1);
    }

    #[test]
    fn empty_pieces_do_not_get_stuck() {
        let mut queue = Queue::default();
        let mut out = String::new();
        for low in [false, true] {
            for text in ["", "a", "", ""] {
                queue.push(piece(text), low);
            }
        }
        drain(&mut queue, 100, &mut out, 100);
        assert_eq!(out, "aa");
        assert!(queue.is_empty());
    }
}

//! What waits to be sent on one socket: two lists of pieces.
//!
//! The high list is sent first. A piece of the low list that has been sent in part moves to the head
//! of the high list, so that nothing is ever sent in the middle of it; and a low piece that finds
//! both lists empty goes to the high list, because it is next anyway.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::net::SocketAddr;

use skynet_kernel::Payload;

/// Pieces that go into one system call.
pub(crate) const GATHER: usize = 64;

/// Bytes in the order of one call of `send`.
pub(crate) struct Piece {
    payload: Payload,
    /// How much of it has been sent.
    sent: usize,
    /// For datagrams: where to.
    pub(crate) to: Option<Box<SocketAddr>>,
}

impl Piece {
    pub(crate) fn new(payload: Payload, sent: usize) -> Piece {
        Piece {
            payload,
            sent,
            to: None,
        }
    }

    pub(crate) fn datagram(data: &[u8], to: SocketAddr) -> Piece {
        Piece {
            payload: Payload::from_slice(data),
            sent: 0,
            to: Some(Box::new(to)),
        }
    }

    /// What is left of it.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.payload.as_slice()[self.sent..]
    }
}

/// The two lists.
#[derive(Default)]
pub(crate) struct Queue {
    high: VecDeque<Piece>,
    low: VecDeque<Piece>,
    pending: usize,
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
        self.pending += piece.rest().len();
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

    /// The next pieces to be sent, as far as they fit `slices`; how many.
    pub(crate) fn gather<'a>(&'a self, slices: &mut [IoSlice<'a>; GATHER]) -> usize {
        let list = if self.high.is_empty() {
            &self.low
        } else {
            &self.high
        };
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(list) {
            *slice = IoSlice::new(piece.rest());
            count += 1;
        }
        count
    }

    /// The first `bytes` bytes of what [`gather`](Queue::gather) gave have been sent.
    pub(crate) fn advance(&mut self, mut bytes: usize) {
        self.pending -= bytes;
        let (list, low) = self.current();
        while let Some(piece) = list.front_mut() {
            let rest = piece.rest().len();
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

    /// Takes the next piece out whole, for datagrams.
    pub(crate) fn front(&self) -> Option<&Piece> {
        self.high.front().or_else(|| self.low.front())
    }

    /// Drops the piece that [`front`](Queue::front) gave.
    pub(crate) fn pop(&mut self) {
        if let Some(piece) = self.current().0.pop_front() {
            self.pending -= piece.rest().len();
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
            let count = queue.gather(&mut slices);
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

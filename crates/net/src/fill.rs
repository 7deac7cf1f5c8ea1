//! Reading a large payload to where it belongs.
//!
//! What is read from a connection is a message to its owner, who takes it apart. The parts of a large payload are then
//! copied once more, to where they are put together. An owner who knows what comes next can spare that: it gives the
//! block that the payload is put together in, and says how the stream goes on ([`Fill`]): some bytes of payload, then
//! units of a header and bytes of payload. The reactor reads headers and payload to different places in one system
//! call, until the block is as full as was said, or a header is another one. Then the owner gets the block back
//! ([`EventKind::Filled`](crate::EventKind::Filled)), and behind it, as usual, what was read beyond.
//!
//! So a guess that is wrong costs nothing but the copy that would have been made anyway, and the format of the stream
//! is the owner's business.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;

use skynet_kernel::GrowingPayload;

use crate::event;

/// Units that are read in one go.
const UNITS: usize = 8;
/// Bytes of the longest header.
const HEADER: usize = 7;

type Header = [u8; HEADER];

/// A block, and how the stream goes on. See [`Net::fill`](crate::Net::fill).
#[derive(Debug)]
pub struct Fill {
    block: GrowingPayload,
    /// Bytes of payload that come first.
    first: usize,
    /// What comes then.
    units: VecDeque<(Header, usize)>,
    /// The beginning of the next unit's header.
    head: Vec<u8>,
    /// Bytes that have been read to where they belong, headers included.
    taken: usize,
}

/// What was read.
pub(crate) struct Got {
    /// How many bytes; 0: the peer has finished.
    pub(crate) n: usize,
    /// The system had less than was asked for.
    pub(crate) short: bool,
    /// The end, with the bytes that do not belong to the block.
    pub(crate) rest: Option<Vec<u8>>,
}

/// Where a read goes to: the room for a header, and the number of bytes of payload behind it.
pub(crate) type Piece<'a> = (&'a mut [u8], usize);

impl Fill {
    /// The stream goes on with `first` bytes that belong behind what is in the block, and then with units: a header of
    /// 7 bytes, and so many bytes for the block.
    pub fn new(
        mut block: GrowingPayload,
        first: usize,
        units: impl IntoIterator<Item = (Header, usize)>,
    ) -> Fill {
        let units: VecDeque<_> = units.into_iter().collect();
        let payload: usize = first + units.iter().map(|(_, len)| len).sum::<usize>();
        // The event's trailer comes behind it; the block is not to move then.
        block.reserve_total(block.as_slice().len() + payload + event::TRAILER);
        Fill {
            block,
            first,
            units,
            head: Vec::new(),
            taken: 0,
        }
    }

    /// Is nothing to come?
    pub(crate) fn is_empty(&self) -> bool {
        self.first == 0 && self.units.is_empty()
    }

    /// The block, as it is.
    pub fn into_block(self) -> GrowingPayload {
        self.block
    }

    /// The block with what has been filled in, and how many bytes of the stream that took.
    pub(crate) fn finish(self) -> (GrowingPayload, usize) {
        (self.block, self.taken)
    }

    /// Reads once, by `read`: it puts bytes into the pieces, that of the payload behind what is in the block, and
    /// returns how many there were in all.
    pub(crate) fn read(
        &mut self,
        read: impl FnOnce(&mut GrowingPayload, &mut [Piece<'_>]) -> io::Result<usize>,
    ) -> io::Result<Got> {
        let mut headers = [[0; HEADER]; UNITS];
        let mut pieces: Vec<Piece<'_>> = Vec::with_capacity(1 + UNITS);
        pieces.push((&mut [], self.first));
        for (index, (header, (_, len))) in headers.iter_mut().zip(&self.units).enumerate() {
            let have = if index == 0 { self.head.len() } else { 0 };
            pieces.push((&mut header[have..], *len));
        }
        let asked: usize = pieces.iter().map(|(header, len)| header.len() + len).sum();
        let begin = self.block.as_slice().len();
        let n = read(&mut self.block, &mut pieces)?;
        let rest = self.check(&headers, begin, n);
        Ok(Got {
            n,
            short: n < asked,
            rest,
        })
    }

    /// Looks at the headers among `left` bytes that were read, the payload to the block from `good` on. The rest, if
    /// that was the end.
    fn check(
        &mut self,
        headers: &[Header; UNITS],
        mut good: usize,
        mut left: usize,
    ) -> Option<Vec<u8>> {
        self.take(self.first.min(left), &mut good, &mut left);
        let mut index = 0;
        while left > 0 {
            let (expected, len) = *self.units.front()?;
            let have = self.head.len();
            let end = HEADER.min(have + left);
            self.head.extend_from_slice(&headers[index][have..end]);
            left -= end - have;
            if self.head != expected[..end] {
                let rest = self.rest(headers, index, good, left);
                self.block.truncate(good);
                return Some(rest);
            }
            if end < HEADER {
                return None;
            }
            self.head.clear();
            self.taken += HEADER;
            self.units.pop_front();
            self.first = len;
            self.take(len.min(left), &mut good, &mut left);
            index += 1;
        }
        self.is_empty().then(Vec::new)
    }

    /// So many bytes of payload have come.
    fn take(&mut self, n: usize, good: &mut usize, left: &mut usize) {
        self.first -= n;
        self.taken += n;
        *good += n;
        *left -= n;
    }

    /// The bytes of the stream from the header of unit `index` of this read on: what is in `head`, and `left` more, the
    /// payload among them in the block from `at` on.
    fn rest(
        &mut self,
        headers: &[Header; UNITS],
        index: usize,
        mut at: usize,
        mut left: usize,
    ) -> Vec<u8> {
        let mut rest = std::mem::take(&mut self.head);
        let bytes = self.block.as_slice();
        for (offset, (_, len)) in self.units.iter().enumerate() {
            if offset > 0 {
                let n = left.min(HEADER);
                rest.extend_from_slice(&headers[index + offset][..n]);
                left -= n;
            }
            let payload: Range<usize> = at..at + left.min(*len);
            rest.extend_from_slice(&bytes[payload.clone()]);
            at = payload.end;
            left -= payload.len();
            if left == 0 {
                break;
            }
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads from `stream` in steps, and returns the block, what was taken, and what was read beyond. None if it never
    /// ended.
    fn run(mut fill: Fill, stream: &[u8], step: usize) -> Option<(Vec<u8>, usize, Vec<u8>)> {
        let mut at = 0;
        loop {
            let got = fill.read(|block, pieces| {
                let mut left = &stream[at..stream.len().min(at + step)];
                let available = left.len();
                for (header, len) in pieces {
                    let n = header.len().min(left.len());
                    header[..n].copy_from_slice(&left[..n]);
                    left = &left[n..];
                    let n = left.len().min(*len);
                    block.extend_from_slice(&left[..n]);
                    left = &left[n..];
                }
                Ok(available - left.len())
            });
            let got = got.unwrap();
            at += got.n;
            if let Some(rest) = got.rest {
                let (block, taken) = fill.finish();
                return Some((block.as_slice().to_vec(), taken, rest));
            }
            if got.n == 0 {
                return None;
            }
        }
    }

    fn fill(first: usize, lens: &[usize]) -> Fill {
        let mut block = GrowingPayload::new();
        block.extend_from_slice(b"begun");
        let units = lens.iter().enumerate();
        Fill::new(block, first, units.map(|(i, &len)| (header(i), len)))
    }

    fn header(index: usize) -> Header {
        let mut header = *b"<head0>";
        header[5] += index as u8;
        header
    }

    /// The stream that such a fill expects, and the payload in it.
    fn stream(first: usize, lens: &[usize]) -> (Vec<u8>, Vec<u8>) {
        let mut payload: Vec<u8> = (0..first).map(|n| n as u8).collect();
        let mut stream = payload.clone();
        for (index, &len) in lens.iter().enumerate() {
            let data: Vec<u8> = (0..len).map(|n| (n * 7 + index) as u8).collect();
            stream.extend(header(index));
            stream.extend(&data);
            payload.extend(data);
        }
        (stream, payload)
    }

    const SHAPES: &[(usize, &[usize])] = &[
        (0, &[]),
        (5, &[]),
        (0, &[3]),
        (10, &[20, 0, 1]),
        (1, &[9; 30]),
        (0, &[1; 8]),
    ];
    const STEPS: [usize; 8] = [1, 2, 3, 5, 7, 16, 64, 1000];

    #[test]
    fn what_is_expected_ends_up_in_the_block() {
        for &(first, lens) in &SHAPES[1..] {
            let (stream, payload) = stream(first, lens);
            for step in STEPS {
                let more = [&stream[..], b"beyond"].concat();
                let (block, taken, rest) = run(fill(first, lens), &more, step).unwrap();
                assert_eq!(block, [b"begun", &payload[..]].concat(), "{step}");
                assert_eq!(taken, stream.len());
                // No further bytes are read.
                assert!(rest.is_empty());
            }
        }
    }

    /// Whatever comes instead of a header: no byte is lost, none is taken for payload.
    #[test]
    fn another_header_ends_it() {
        for &(first, lens) in SHAPES {
            let (stream, payload) = stream(first, lens);
            let mut at = first;
            for (wrong, &len) in lens.iter().enumerate() {
                for byte in 0..HEADER {
                    let mut other = stream.clone();
                    other[at + byte] ^= 1;
                    let good = at - wrong * HEADER;
                    for step in STEPS {
                        let (block, taken, rest) = run(fill(first, lens), &other, step).unwrap();
                        assert_eq!(block, [b"begun", &payload[..good]].concat());
                        assert_eq!(taken, at);
                        assert!(!rest.is_empty() && other[at..].starts_with(&rest), "{step}");
                    }
                }
                at += HEADER + len;
            }
        }
    }

    #[test]
    fn the_end_of_the_stream_is_no_end() {
        let (stream, _) = stream(10, &[20, 30]);
        for len in 0..stream.len() {
            assert!(run(fill(10, &[20, 30]), &stream[..len], 8).is_none());
        }
        let block = fill(10, &[20]).into_block();
        assert_eq!(block.as_slice(), b"begun");
    }
}

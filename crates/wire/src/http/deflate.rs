//! Compressed messages of websockets: raw deflate (RFC 1951), each message by itself (RFC 7692 with
//! `no_context_takeover` on both sides), so that a connection needs no memory for it while nothing is on its way.

use std::cell::RefCell;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// What a flushed block ends with, which is not sent.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// How much is made at once.
const STEP: usize = 16 << 10;

/// What is wrong with compressed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No deflated bytes.
    #[error("compressed data is damaged")]
    Damaged,
    /// More comes out than is allowed.
    #[error("compressed data has more than {0} bytes")]
    TooLong(usize),
}

thread_local! {
    // Some 300 KB and 40 KB: kept for the thread, not for the connection.
    static COMPRESS: RefCell<Compress> = RefCell::new(Compress::new(Compression::new(3), false));
    static EXPAND: RefCell<Decompress> = RefCell::new(Decompress::new(false));
}

/// The compressed form of a message.
pub fn message(data: &[u8]) -> Vec<u8> {
    COMPRESS.with_borrow_mut(|state| {
        state.reset();
        let mut out = Vec::with_capacity(data.len() / 2 + 64);
        loop {
            let used = state.total_in() as usize;
            out.reserve(STEP.min(data.len() / 2 + 64));
            // This cannot fail: a vector grows as needed.
            let _ = state.compress_vec(&data[used..], &mut out, FlushCompress::Sync);
            if state.total_in() as usize == data.len() && out.len() < out.capacity() {
                break;
            }
        }
        if out.ends_with(&TAIL) {
            out.truncate(out.len() - TAIL.len());
        }
        out
    })
}

/// The message in its compressed form.
///
/// # Errors
/// It is damaged, or has more than `limit` bytes; no more than these are made.
pub fn expand(data: &[u8], limit: usize) -> Result<Vec<u8>, Error> {
    EXPAND.with_borrow_mut(|state| {
        state.reset(false);
        let mut out = Vec::new();
        feed(state, data, &mut out, limit)?;
        feed(state, &TAIL, &mut out, limit)?;
        Ok(out)
    })
}

/// Expands all of `data`.
fn feed(
    state: &mut Decompress,
    mut data: &[u8],
    out: &mut Vec<u8>,
    limit: usize,
) -> Result<(), Error> {
    loop {
        // One byte more than is allowed shows that there is more.
        let room = STEP
            .max(data.len())
            .min(limit.saturating_add(1) - out.len());
        out.reserve(room);
        let mut part = std::mem::take(out);
        let before = (state.total_in(), part.len());
        let status = state.decompress_vec(data, &mut part, FlushDecompress::Sync);
        *out = part;
        if out.len() > limit {
            out.truncate(limit);
            return Err(Error::TooLong(limit));
        }
        let used = (state.total_in() - before.0) as usize;
        data = &data[used..];
        let stuck = used == 0 && out.len() == before.1;
        match status {
            // Bytes behind the last block are ignored.
            Ok(Status::StreamEnd) => return Ok(()),
            Ok(_) if data.is_empty() && out.len() < out.capacity() => return Ok(()),
            Ok(_) if !stuck => {}
            _ => return Err(Error::Damaged),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for size in [0, 1, 5, 1000, STEP, STEP + 1, 1 << 20] {
            let data: Vec<u8> = (0..size).map(|i| ((i * i) >> 7) as u8).collect();
            let small = message(&data);
            assert_eq!(expand(&small, size).unwrap(), data, "{size}");
            if size > 0 {
                assert_eq!(expand(&small, size - 1), Err(Error::TooLong(size - 1)));
            }
        }
        // The example of RFC 7692, 7.2.3.1
        assert_eq!(
            expand(&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], 5).unwrap(),
            b"Hello"
        );
    }

    #[test]
    fn damaged() {
        assert_eq!(expand(&[0xff; 20], 100), Err(Error::Damaged));
    }

    #[test]
    fn bombs_stop_at_the_limit() {
        let small = message(&vec![0; 50 << 20]);
        assert!(small.len() < 1 << 20);
        assert_eq!(expand(&small, 1 << 20), Err(Error::TooLong(1 << 20)));
    }
}

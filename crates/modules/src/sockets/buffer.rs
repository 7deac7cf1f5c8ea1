//! The receive buffer of a socket: blocks as they came from the engine, read as lines or by count.
//!
//! What lies inside one block becomes a Lua string straight from there. Only what spans blocks is put together first.

use std::collections::VecDeque;

use skynet_kernel::block;

/// A block of the message allocator, of which a part has been read.
struct Chunk {
    data: *mut u8,
    len: usize,
    read: usize,
}

impl Chunk {
    fn rest(&self) -> &[u8] {
        // SAFETY: `data` is a block of at least `len` initialised bytes that this chunk owns; `read` is at most `len`.
        unsafe { std::slice::from_raw_parts(self.data.add(self.read), self.len - self.read) }
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        // SAFETY: the block is owned and not used any more.
        unsafe { block::free(self.data) }
    }
}

/// Bytes received and not read yet.
#[derive(Default)]
pub struct Buffer {
    chunks: VecDeque<Chunk>,
    size: usize,
    /// Bytes at the front in which a separator was looked for in vain; so a long line is not searched again at every
    /// push.
    searched: usize,
    /// What was read across blocks; kept so that the reader can raise while Lua copies it.
    joined: Vec<u8>,
}

/// A capacity of `joined` beyond this is given back.
const KEEP_JOINED: usize = 64 << 10;

impl Buffer {
    /// Bytes in the buffer.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Appends a block.
    ///
    /// # Safety
    /// `data` is a block of the message allocator with `len` initialised bytes, which the caller gives away.
    pub unsafe fn push(&mut self, data: *mut u8, len: usize) {
        let chunk = Chunk { data, len, read: 0 };
        if len > 0 {
            self.size += len;
            self.chunks.push_back(chunk);
        }
    }

    /// The bytes from `start` on, as they lie in the blocks.
    pub fn pieces(&self, start: usize) -> impl Iterator<Item = &[u8]> {
        let mut skip = start;
        self.chunks.iter().filter_map(move |chunk| {
            let rest = chunk.rest();
            let skipped = skip.min(rest.len());
            skip -= skipped;
            Some(&rest[skipped..]).filter(|piece| !piece.is_empty())
        })
    }

    /// The first `n` bytes, if there are as many. They are valid until the buffer is used again; `consume` removes
    /// them.
    pub fn peek(&mut self, n: usize) -> Option<&[u8]> {
        if n > self.size {
            return None;
        }
        if n == 0 {
            return Some(b"");
        }
        if self.chunks.front().is_some_and(|c| c.rest().len() >= n) {
            return self.chunks.front().map(|c| &c.rest()[..n]);
        }
        self.joined.clear();
        self.joined.reserve(n);
        for chunk in &self.chunks {
            let part = chunk.rest();
            let part = &part[..part.len().min(n - self.joined.len())];
            self.joined.extend_from_slice(part);
            if self.joined.len() == n {
                break;
            }
        }
        Some(&self.joined)
    }

    /// Removes the first `n` bytes.
    pub fn consume(&mut self, mut n: usize) {
        n = n.min(self.size);
        self.size -= n;
        self.searched = self.searched.saturating_sub(n);
        while n > 0 {
            let Some(chunk) = self.chunks.front_mut() else {
                break;
            };
            let part = chunk.rest().len().min(n);
            chunk.read += part;
            n -= part;
            if chunk.read == chunk.len {
                self.chunks.pop_front();
            }
        }
        if self.chunks.is_empty() {
            if self.chunks.capacity() > 64 {
                self.chunks = VecDeque::new();
            }
            if self.joined.capacity() > KEEP_JOINED {
                self.joined = Vec::new();
            }
        }
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        let size = self.size;
        self.consume(size);
    }

    /// Where the first `separator` begins.
    pub fn find(&mut self, separator: &[u8]) -> Option<usize> {
        let Some((&first, others)) = separator.split_first() else {
            return Some(0);
        };
        // A separator may begin in what was searched before and end in what has come since.
        let mut from = self.searched.saturating_sub(others.len());
        loop {
            let at = self.position(first, from)?;
            if at + separator.len() > self.size {
                self.searched = at;
                return None;
            }
            if others
                .iter()
                .enumerate()
                .all(|(i, &b)| self.byte(at + 1 + i) == Some(b))
            {
                self.searched = at;
                return Some(at);
            }
            from = at + 1;
        }
    }

    /// The first place of a byte, from an offset on.
    fn position(&mut self, byte: u8, from: usize) -> Option<usize> {
        let mut before = 0;
        for chunk in &self.chunks {
            let part = chunk.rest();
            if before + part.len() > from {
                let skip = from.saturating_sub(before);
                if let Some(i) = memchr(byte, &part[skip..]) {
                    return Some(before + skip + i);
                }
            }
            before += part.len();
        }
        self.searched = self.size;
        None
    }

    fn byte(&self, mut at: usize) -> Option<u8> {
        for chunk in &self.chunks {
            let part = chunk.rest();
            if at < part.len() {
                return Some(part[at]);
            }
            at -= part.len();
        }
        None
    }
}

fn memchr(byte: u8, bytes: &[u8]) -> Option<usize> {
    // SAFETY: the pointer and length are those of a slice; the result points into it.
    unsafe {
        let found = libc::memchr(bytes.as_ptr().cast(), byte as i32, bytes.len()).cast::<u8>();
        (!found.is_null()).then(|| found.offset_from(bytes.as_ptr()) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(b: &mut Buffer, bytes: &[u8]) {
        let data = block::alloc(bytes.len().max(1));
        // SAFETY: the new block has room, and is given away.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), data, bytes.len());
            b.push(data, bytes.len());
        }
    }

    #[test]
    fn lines_inside_and_across_blocks() {
        let mut b = Buffer::default();
        push(&mut b, b"one\ntw");
        assert_eq!(b.find(b"\n"), Some(3));
        assert_eq!(b.peek(3), Some(&b"one"[..]));
        b.consume(4);
        assert_eq!(b.find(b"\n"), None);
        push(&mut b, b"o");
        assert_eq!(b.find(b"\n"), None);
        push(&mut b, b"\nthree\n");
        assert_eq!(b.find(b"\n"), Some(3));
        assert_eq!(b.peek(3), Some(&b"two"[..]));
        b.consume(4);
        assert_eq!(b.find(b"\n"), Some(5));
        b.consume(6);
        assert_eq!(b.size(), 0);
    }

    #[test]
    fn long_separators_may_span_blocks() {
        let whole = b"ab\r\r\n\r\r\n\r\ncd";
        for cut in 0..whole.len() {
            for cut2 in cut..whole.len() {
                let mut b = Buffer::default();
                for part in [&whole[..cut], &whole[cut..cut2], &whole[cut2..]] {
                    push(&mut b, part);
                    let so_far = whole.len() - (whole.len() - b.size());
                    let expected = whole[..so_far].windows(4).position(|w| w == b"\r\n\r\n");
                    assert_eq!(b.find(b"\r\n\r\n"), expected, "{cut} {cut2}");
                }
            }
        }
    }

    #[test]
    fn counted_reads() {
        let mut b = Buffer::default();
        for part in [&b"abc"[..], b"", b"defg", b"h"] {
            push(&mut b, part);
        }
        assert_eq!(b.peek(9), None);
        let from = |start| b.pieces(start).collect::<Vec<_>>();
        assert_eq!(from(0), [&b"abc"[..], b"defg", b"h"]);
        assert_eq!(from(4), [&b"efg"[..], b"h"]);
        assert_eq!((from(7), from(8).len()), (vec![&b"h"[..]], 0));
        assert_eq!(b.peek(5), Some(&b"abcde"[..]));
        b.consume(5);
        assert_eq!(b.peek(3), Some(&b"fgh"[..]));
        b.clear();
        assert_eq!((b.size(), b.peek(0)), (0, Some(&b""[..])));
    }
}

//! A payload that is put together from pieces, whose number nobody knows before.

use std::mem::MaybeUninit;
use std::{ptr, slice};

use crate::block;
use crate::message::Payload;

/// A block that grows, and becomes a payload without being copied.
#[derive(Debug)]
pub struct GrowingPayload {
    /// Null as long as there is no capacity.
    block: *mut u8,
    len: usize,
    capacity: usize,
}

// SAFETY: it owns its block exclusively.
unsafe impl Send for GrowingPayload {}
// SAFETY: as above; no interior mutability.
unsafe impl Sync for GrowingPayload {}

impl GrowingPayload {
    /// Nothing yet, and no memory.
    pub const fn new() -> GrowingPayload {
        GrowingPayload {
            block: ptr::null_mut(),
            len: 0,
            capacity: 0,
        }
    }

    /// How many bytes there is memory for.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Sees to it that there is memory for `capacity` bytes in all. What is not used is not touched, so that the system
    /// need not provide it.
    pub fn reserve_total(&mut self, capacity: usize) {
        if capacity > self.capacity {
            // One more, as payloads have it.
            let size = capacity.checked_add(1).expect("it fits the address space");
            // SAFETY: null, or the block that this owns.
            self.block = unsafe { block::realloc(self.block, size) };
            self.capacity = capacity;
        }
    }

    /// Appends bytes. Memory is doubled if there is not enough.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        let needed = self
            .len
            .checked_add(bytes.len())
            .expect("it fits the address space");
        if needed > self.capacity {
            self.reserve_total(needed.max(self.capacity.saturating_mul(2)));
        }
        if !bytes.is_empty() {
            // SAFETY: there is room behind the first `len` bytes, in a block of its own.
            unsafe {
                ptr::copy_nonoverlapping(bytes.as_ptr(), self.block.add(self.len), bytes.len())
            };
            self.len = needed;
        }
    }

    /// Room for `len` bytes behind those that are there, for somebody who writes them in place and then calls
    /// [`advance`](Self::advance).
    pub fn room(&mut self, len: usize) -> &mut [MaybeUninit<u8>] {
        let needed = self
            .len
            .checked_add(len)
            .expect("it fits the address space");
        self.reserve_total(needed);
        if len == 0 {
            return &mut [];
        }
        // SAFETY: the block has room for so much behind the first `len` bytes; whether it is initialised does not
        // matter.
        unsafe { slice::from_raw_parts_mut(self.block.add(self.len).cast(), len) }
    }

    /// So many bytes of the [`room`](Self::room) have been written.
    ///
    /// # Safety
    /// They have been: the first `len` bytes of the last `room`, which was as long, are initialised.
    pub unsafe fn advance(&mut self, len: usize) {
        debug_assert!(len <= self.capacity - self.len);
        self.len += len;
    }

    /// Forgets what is behind the first `len` bytes, and keeps the memory.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// The first `len` bytes of a payload, to be continued. Those of a block stay where they are.
    pub fn reopen(payload: Payload, len: usize) -> GrowingPayload {
        let (block, had) = payload.into_raw();
        if block.is_null() {
            return GrowingPayload::new();
        }
        // SAFETY: the block has been given away by the payload.
        let capacity = unsafe { block::capacity(block) }.saturating_sub(1).max(had);
        GrowingPayload {
            block,
            len: len.min(had),
            capacity,
        }
    }

    /// What is there.
    pub fn as_slice(&self) -> &[u8] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: the first `len` bytes have been written.
        unsafe { slice::from_raw_parts(self.block, self.len) }
    }

    /// The payload.
    pub fn finish(mut self) -> Payload {
        let block = std::mem::replace(&mut self.block, ptr::null_mut());
        // SAFETY: the block is given away, with as many bytes as have been written.
        unsafe { Payload::from_raw(block, self.len) }
    }
}

impl Default for GrowingPayload {
    fn default() -> Self {
        GrowingPayload::new()
    }
}

impl Drop for GrowingPayload {
    fn drop(&mut self) {
        // SAFETY: null, or the block that this owns.
        unsafe { block::free(self.block) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_in_place_counts_as_far_as_it_is_told() {
        let mut growing = GrowingPayload::new();
        growing.extend_from_slice(b"lost");
        growing.truncate(0);
        growing.extend_from_slice(b"begin ");
        for (byte, room) in growing.room(10).iter_mut().zip(*b"0123456789") {
            byte.write(room);
        }
        // SAFETY: ten bytes have just been written.
        unsafe { growing.advance(4) };
        assert!(growing.room(0).is_empty());
        growing.extend_from_slice(b" end");
        assert_eq!(growing.finish().as_slice(), b"begin 0123 end");
    }

    #[test]
    fn a_payload_is_continued() {
        for len in [0, 3, 16, 17, 1000, 100_000] {
            let text = vec![b'x'; len];
            let mut growing = GrowingPayload::reopen(Payload::from_slice(&text), len / 2);
            assert_eq!(growing.as_slice(), &text[..len / 2]);
            growing.extend_from_slice(&[b'y'; 200]);
            let expected = [&text[..len / 2], &[b'y'; 200]].concat();
            assert_eq!(growing.finish().as_slice(), expected);
        }
        let mut all = GrowingPayload::reopen(Payload::from("abc"), usize::MAX);
        all.truncate(9);
        assert_eq!(all.finish().as_slice(), b"abc");
    }

    #[test]
    fn pieces_become_one_payload() {
        for reserved in [0, 1, 100, 1 << 20] {
            let mut growing = GrowingPayload::new();
            growing.reserve_total(reserved);
            let mut expected = Vec::new();
            for n in 0..200usize {
                let piece = vec![n as u8; n * 7 % 50];
                growing.extend_from_slice(&piece);
                expected.extend_from_slice(&piece);
                assert_eq!(growing.as_slice(), expected);
            }
            assert_eq!(growing.finish().as_slice(), expected);
        }
        assert!(GrowingPayload::new().finish().is_empty());
        let mut unused = GrowingPayload::default();
        unused.reserve_total(10);
        assert!(unused.capacity() >= 10 && unused.finish().is_empty());
    }
}

//! Payloads: the bytes of a message, or a Rust value in their place.
//!
//! Up to 16 bytes lie inside the payload itself, and so inside its message: most answers and small commands never touch
//! the allocator. Longer ones are one block of [`crate::block`], owned by exactly one party: by the sender until the
//! message is accepted, then by the mailbox, then by the receiver.

use std::any::Any;
use std::fmt;
use std::mem::ManuallyDrop;
use std::{ptr, slice};

use crate::block;
use crate::package;
use crate::parcel::{Carried, Parcel};

/// A payload that many receivers share; see [`Payload::shared`].
pub type Package = package::Package<Payload>;

impl Package {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.payload().as_slice()
    }
}

/// Longest payload that is stored inside a message.
pub(crate) const INLINE: usize = 16;

#[derive(Clone, Copy)]
pub(crate) union Data {
    pub(crate) inline: [u8; INLINE],
    heap: Heap,
    pub(crate) carried: Carried,
}

#[derive(Clone, Copy)]
pub(crate) struct Heap {
    ptr: *mut u8,
    len: usize,
}

/// Which variant of [`Data`] is live: `HEAP`, or the inline length. `SHARED`: the 8 inline bytes are the address of a
/// package, to which this payload owns a reference. `VALUE`: a Rust value, and no bytes.
///
/// Not an enum or a non-zero number: the spare values would make the compiler treat this byte of an
/// `Option<Message>` apart from its neighbours, and copy messages in overlapping pieces.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag(u8);

impl Tag {
    const HEAP: Tag = Tag(u8::MAX);
    pub(crate) const EMPTY: Tag = Tag(0);
    /// Above all inline lengths; its low bits are the length of an address.
    pub(crate) const SHARED: Tag = Tag(0x80 | size_of::<usize>() as u8);
    /// Above all inline lengths; its low bits are a length of 0.
    pub(crate) const VALUE: Tag = Tag(0xa0);

    #[inline]
    fn inline(len: usize) -> Tag {
        debug_assert!(len <= INLINE);
        Tag(len as u8)
    }

    #[inline]
    fn inline_len(self) -> usize {
        (self.0 & 0x1f) as usize
    }

    /// Does the payload own something that has to be released?
    #[inline]
    pub(crate) fn owns(self) -> bool {
        self.0 >= 0x80
    }
}

/// Owned bytes of a message: inline up to 16 bytes, else one block.
pub struct Payload {
    pub(crate) data: Data,
    pub(crate) tag: Tag,
}

// SAFETY: a payload owns its block exclusively and hands out only shared slices of it.
unsafe impl Send for Payload {}
// SAFETY: as above; no interior mutability.
unsafe impl Sync for Payload {}

impl Payload {
    /// Payloads up to this many bytes may lie inside their message; longer ones are blocks of their own.
    pub const INLINE: usize = INLINE;

    /// No bytes.
    pub const EMPTY: Payload = Payload {
        data: Data {
            inline: [0; INLINE],
        },
        tag: Tag::EMPTY,
    };

    /// Copies `bytes`. The block has a byte to spare, for [`into_raw_terminated`](Self::into_raw_terminated).
    #[inline]
    pub fn from_slice(bytes: &[u8]) -> Payload {
        let len = bytes.len();
        if len <= INLINE {
            let mut inline = [0; INLINE];
            inline[..len].copy_from_slice(bytes);
            return Payload {
                data: Data { inline },
                tag: Tag::inline(len),
            };
        }
        let p = block::alloc(len + 1);
        // SAFETY: `p` is a fresh block of more than `len` bytes, so it cannot overlap `bytes`.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), p, len) };
        Payload {
            data: Data {
                heap: Heap { ptr: p, len },
            },
            tag: Tag::HEAP,
        }
    }

    /// Copies several pieces, one behind the other, into one block.
    pub fn concat(parts: &[&[u8]]) -> Payload {
        let sum = |len: usize, part: &&[u8]| len.checked_add(part.len());
        let len = parts
            .iter()
            .try_fold(0, sum)
            .expect("the sum fits the address space");
        if len <= INLINE {
            let mut inline = [0; INLINE];
            let mut at = 0;
            for part in parts {
                inline[at..at + part.len()].copy_from_slice(part);
                at += part.len();
            }
            return Payload {
                data: Data { inline },
                tag: Tag::inline(len),
            };
        }
        let p = block::alloc(len + 1);
        let mut at = 0;
        for part in parts {
            // SAFETY: a fresh block of the sum of the lengths, so every piece has its place.
            unsafe { ptr::copy_nonoverlapping(part.as_ptr(), p.add(at), part.len()) };
            at += part.len();
        }
        Payload {
            data: Data {
                heap: Heap { ptr: p, len },
            },
            tag: Tag::HEAP,
        }
    }

    /// Takes over a block. Null, or a length of 0, gives an empty payload; the block is freed in
    /// the latter case.
    ///
    /// # Safety
    /// `ptr` is null, or a block of [`crate::block::alloc`] whose first `len` bytes are initialised
    /// and which nobody else owns.
    #[inline]
    pub unsafe fn from_raw(ptr: *mut u8, len: usize) -> Payload {
        if ptr.is_null() || len == 0 {
            // SAFETY: null or an owned block, by contract.
            unsafe { block::free(ptr) };
            return Payload::EMPTY;
        }
        Payload {
            data: Data {
                heap: Heap { ptr, len },
            },
            tag: Tag::HEAP,
        }
    }

    /// A payload that carries a Rust value in the place of bytes.
    #[inline]
    pub fn value<T: Parcel>(value: T) -> Payload {
        Payload {
            data: Data {
                carried: Carried::new(value),
            },
            tag: Tag::VALUE,
        }
    }

    /// The value that [`value`](Self::value) was given.
    ///
    /// # Errors
    /// The payload, if it carries no value of this type.
    #[inline]
    pub fn into_value<T: Parcel>(self) -> Result<T, Payload> {
        match self.carried() {
            Some(carried) if carried.is::<T>() => {
                std::mem::forget(self);
                // SAFETY: the type is right, and the payload that owned the value is forgotten.
                Ok(unsafe { carried.take() })
            }
            _ => Err(self),
        }
    }

    /// The [label](Parcel::LABEL) of the value's type, if it carries a value.
    #[inline]
    pub fn label(&self) -> Option<&'static (dyn Any + Send + Sync)> {
        self.carried().map(|carried| carried.label())
    }

    #[inline]
    fn carried(&self) -> Option<Carried> {
        match self.tag {
            // SAFETY: the tag says that this variant is live.
            Tag::VALUE => Some(unsafe { self.data.carried }),
            _ => None,
        }
    }

    /// Gives the bytes away as a block that the caller frees with [`crate::block::free`]. An empty
    /// payload gives (null, 0); a value is dropped.
    #[inline]
    pub fn into_raw(self) -> (*mut u8, usize) {
        if self.tag == Tag::VALUE {
            return (ptr::null_mut(), 0);
        }
        let this = ManuallyDrop::new(self);
        if this.tag == Tag::HEAP {
            // SAFETY: the tag says that the heap variant is live.
            let heap = unsafe { this.data.heap };
            return (heap.ptr, heap.len);
        }
        let bytes = this.as_slice();
        if bytes.is_empty() {
            return (ptr::null_mut(), 0);
        }
        let p = block::alloc(bytes.len());
        // SAFETY: a fresh block of that length.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), p, bytes.len()) };
        (p, bytes.len())
    }

    /// A payload that carries a package: its bytes are the package's address.
    ///
    /// # Safety
    /// `package` is live, and the caller gives one of its references away.
    pub unsafe fn shared(package: *mut Package) -> Payload {
        let mut inline = [0; INLINE];
        inline[..size_of::<usize>()].copy_from_slice(&(package as usize).to_ne_bytes());
        Payload {
            data: Data { inline },
            tag: Tag::SHARED,
        }
    }

    /// The bytes of the package that this payload carries, if it carries one: what a subscriber of a multicast channel
    /// gets.
    pub fn shared_bytes(&self) -> Option<&[u8]> {
        // SAFETY: the payload owns a reference, so the package lives at least as long.
        (self.tag == Tag::SHARED).then(|| unsafe { &*address(&self.data) }.bytes())
    }

    /// As [`into_raw`](Self::into_raw), for code that reads C strings: behind the bytes follows a NUL, which does not
    /// count. Blocks that were handed in by [`from_raw`](Self::from_raw) get one only if they happen to have room; they
    /// stay where they are.
    pub fn into_raw_terminated(self) -> (*mut u8, usize) {
        if self.tag == Tag::VALUE {
            return (ptr::null_mut(), 0);
        }
        let this = ManuallyDrop::new(self);
        if this.tag == Tag::HEAP {
            // SAFETY: the tag says that the heap variant is live; its block is owned, so that its spare room is too.
            unsafe {
                let heap = this.data.heap;
                if block::capacity(heap.ptr) > heap.len {
                    heap.ptr.add(heap.len).write(0);
                }
                return (heap.ptr, heap.len);
            }
        }
        let bytes = this.as_slice();
        if bytes.is_empty() {
            return (ptr::null_mut(), 0);
        }
        let p = block::alloc(bytes.len() + 1);
        // SAFETY: a fresh block of one byte more.
        unsafe {
            ptr::copy_nonoverlapping(bytes.as_ptr(), p, bytes.len());
            p.add(bytes.len()).write(0);
        }
        (p, bytes.len())
    }

    /// The bytes.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: `data` and `tag` belong together by construction.
        unsafe { as_slice(&self.data, self.tag) }
    }

    /// Number of bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Is the length 0?
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// # Safety
/// `tag` describes `data`.
#[inline]
pub(crate) unsafe fn as_slice(data: &Data, tag: Tag) -> &[u8] {
    if tag == Tag::HEAP {
        // SAFETY: the heap variant is live, and its block holds `len` initialised bytes for as long
        // as the owner lives.
        unsafe { slice::from_raw_parts(data.heap.ptr, data.heap.len) }
    } else {
        let inline = (&raw const data.inline).cast();
        // SAFETY: the inline variant is live, fully initialised, and the length is at most INLINE; or the length is 0.
        unsafe { slice::from_raw_parts(inline, tag.inline_len()) }
    }
}

/// The package whose address is in `data`.
fn address(data: &Data) -> *mut Package {
    // SAFETY: the payload is a shared one, whose bytes are initialised.
    let inline = unsafe { data.inline };
    let mut address = [0; size_of::<usize>()];
    address.copy_from_slice(&inline[..size_of::<usize>()]);
    usize::from_ne_bytes(address) as *mut Package
}

/// Releases what a payload owns.
///
/// # Safety
/// `tag` describes `data`, which is not used afterwards.
pub(crate) unsafe fn release(data: &Data, tag: Tag) {
    if tag == Tag::HEAP {
        // SAFETY: the heap variant is live and owned.
        unsafe { block::free(data.heap.ptr) };
    } else if tag == Tag::VALUE {
        // SAFETY: the variant is live, and not used any more.
        unsafe { data.carried.release() };
    } else {
        // SAFETY: the payload owns a reference.
        let released = unsafe { Package::release(address(data)) };
        debug_assert_eq!(released, Ok(()));
    }
}

impl Drop for Payload {
    #[inline]
    fn drop(&mut self) {
        if self.tag.owns() {
            // SAFETY: `data` and `tag` belong together, and are not used any more.
            unsafe { release(&self.data, self.tag) };
        }
    }
}

impl Default for Payload {
    fn default() -> Self {
        Payload::EMPTY
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Payload").field(&self.as_slice()).finish()
    }
}

impl From<&[u8]> for Payload {
    fn from(bytes: &[u8]) -> Self {
        Payload::from_slice(bytes)
    }
}

impl From<&str> for Payload {
    fn from(text: &str) -> Self {
        Payload::from_slice(text.as_bytes())
    }
}

impl From<String> for Payload {
    fn from(text: String) -> Self {
        Payload::from_slice(text.as_bytes())
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Payload::from_slice(&bytes)
    }
}

//! Blocks of memory that carry message payloads.
//!
//! A payload travels through code in several languages, and whoever holds it last frees it without
//! knowing its size. So blocks are malloc-shaped: the size is the allocator's business. With the
//! feature `mimalloc` (on by default) they come from mimalloc, which is quick when one thread
//! allocates and another one frees; otherwise from the C library.

use std::alloc::{Layout, handle_alloc_error};

#[cfg(not(feature = "mimalloc"))]
use libc::{free as raw_free, malloc as raw_malloc, realloc as raw_realloc};
#[cfg(feature = "mimalloc")]
use libmimalloc_sys::{mi_free as raw_free, mi_malloc as raw_malloc, mi_realloc as raw_realloc};

/// Allocates `len` bytes, uninitialised and aligned for any primitive type. Never returns null:
/// running out of memory aborts the process, as it does for Rust's own containers. The block is
/// released with [`free`].
#[inline]
pub fn alloc(len: usize) -> *mut u8 {
    // SAFETY: malloc has no preconditions; a size of 0 is replaced so that the result is never null
    // by convention.
    let p = unsafe { raw_malloc(len.max(1)) }.cast::<u8>();
    if p.is_null() {
        out_of_memory(len);
    }
    p
}

/// Releases a block. Null is allowed and does nothing.
///
/// # Safety
/// `block` is null or came from [`alloc`] or [`realloc`], and is not used afterwards.
#[inline]
pub unsafe fn free(block: *mut u8) {
    // SAFETY: the caller vouches that the block came from the same allocator and is still live;
    // free(NULL) is allowed.
    unsafe { raw_free(block.cast()) }
}

/// Grows or shrinks a block to `len` bytes, keeping the contents up to the smaller size. Null acts
/// like [`alloc`].
///
/// # Safety
/// As for [`free`]; the old pointer is no longer valid.
#[inline]
pub unsafe fn realloc(block: *mut u8, len: usize) -> *mut u8 {
    // SAFETY: the caller vouches for the block; realloc(NULL, n) is malloc(n).
    let p = unsafe { raw_realloc(block.cast(), len.max(1)) }.cast::<u8>();
    if p.is_null() {
        out_of_memory(len);
    }
    p
}

/// As [`realloc`], but null when there is no memory for it; the old block is untouched then.
///
/// # Safety
/// As for [`realloc`].
#[inline]
pub unsafe fn try_realloc(block: *mut u8, len: usize) -> *mut u8 {
    // SAFETY: as in `realloc`.
    unsafe { raw_realloc(block.cast(), len.max(1)) }.cast()
}

#[cold]
fn out_of_memory(len: usize) -> ! {
    handle_alloc_error(Layout::from_size_align(len, 16).unwrap_or(Layout::new::<u128>()))
}

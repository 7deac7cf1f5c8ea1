//! Blocks of memory that carry message payloads.
//!
//! A payload travels through code in several languages, and whoever holds it last frees it without
//! knowing its size. So blocks are malloc-shaped: the size is the allocator's business. With the
//! feature `mimalloc` (on by default) they come from mimalloc, which is quick when one thread
//! allocates and another one frees; otherwise from the C library.

use std::alloc::{Layout, handle_alloc_error};

pub use crate::usage::{Usage, print_report, usage};

#[cfg(not(feature = "mimalloc"))]
use libc::{
    free as raw_free, malloc as raw_malloc, malloc_usable_size as raw_usable_size,
    realloc as raw_realloc,
};
#[cfg(feature = "mimalloc")]
use libmimalloc_sys::{mi_free as raw_free, mi_malloc as raw_malloc, mi_realloc as raw_realloc};

#[cfg(feature = "mimalloc")]
unsafe extern "C" {
    // The bindings have it behind a feature that brings much else.
    #[link_name = "mi_usable_size"]
    fn raw_usable_size(block: *mut std::ffi::c_void) -> usize;
}

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

/// A block of `len` bytes at a multiple of `align`, a power of two; null if there is no memory for it. It is
/// released with [`free`].
#[inline]
pub fn try_alloc_aligned(align: usize, len: usize) -> *mut u8 {
    let align = align.next_power_of_two().max(size_of::<usize>());
    // SAFETY: no preconditions beyond those on the alignment, which has been made valid.
    #[cfg(feature = "mimalloc")]
    return unsafe { libmimalloc_sys::mi_malloc_aligned(len.max(1), align) }.cast();
    // SAFETY: as above.
    #[cfg(not(feature = "mimalloc"))]
    return unsafe { libc::memalign(align, len.max(1)) }.cast();
}

/// How many bytes fit into a block: at least what was asked for.
///
/// # Safety
/// As for [`free`], but the block stays.
#[inline]
pub unsafe fn capacity(block: *mut u8) -> usize {
    // SAFETY: the caller vouches for the block.
    unsafe { raw_usable_size(block.cast()) }
}

/// As [`alloc`], but null when there is no memory for it.
#[inline]
pub fn try_alloc(len: usize) -> *mut u8 {
    // SAFETY: as in `alloc`.
    unsafe { raw_malloc(len.max(1)) }.cast()
}

#[cold]
fn out_of_memory(len: usize) -> ! {
    handle_alloc_error(Layout::from_size_align(len, 16).unwrap_or(Layout::new::<u128>()))
}

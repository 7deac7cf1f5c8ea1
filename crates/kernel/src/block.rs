//! Blocks of memory that carry message payloads.
//!
//! A payload travels through code in several languages, and whoever holds it last frees it without
//! knowing its size. So blocks are malloc-shaped: the size is the allocator's business. With the
//! feature `mimalloc` (on by default) they come from mimalloc, which is quick when one thread
//! allocates and another one frees; otherwise from the C library.

use std::alloc::{Layout, handle_alloc_error};

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

/// What the process has from the system, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// In physical memory.
    pub resident: usize,
    /// The largest `resident` so far.
    pub peak: usize,
    /// Reserved by the allocator for its blocks, resident or not. The same as `resident` where the allocator does not tell.
    pub committed: usize,
}

#[cfg(feature = "mimalloc")]
unsafe extern "C" {
    // Not in the bindings without a further dependency.
    fn mi_process_info(
        elapsed_ms: *mut usize,
        user_ms: *mut usize,
        system_ms: *mut usize,
        current_rss: *mut usize,
        peak_rss: *mut usize,
        current_commit: *mut usize,
        peak_commit: *mut usize,
        page_faults: *mut usize,
    );
    fn mi_stats_print_out(
        out: Option<unsafe extern "C" fn(*const std::ffi::c_char, *mut std::ffi::c_void)>,
        arg: *mut std::ffi::c_void,
    );
}

/// How much memory the process uses.
#[cfg(feature = "mimalloc")]
pub fn usage() -> Usage {
    let mut figures = [0usize; 8];
    let [
        elapsed,
        user,
        system,
        rss,
        peak,
        commit,
        peak_commit,
        faults,
    ] = &mut figures;
    // SAFETY: eight out-parameters, all valid.
    unsafe {
        mi_process_info(
            elapsed,
            user,
            system,
            rss,
            peak,
            commit,
            peak_commit,
            faults,
        );
    }
    let resident = resident().unwrap_or(*rss);
    Usage {
        resident,
        peak: (*peak).max(resident),
        committed: *commit,
    }
}

/// How much memory the process uses.
#[cfg(not(feature = "mimalloc"))]
pub fn usage() -> Usage {
    let resident = resident().unwrap_or(0);
    Usage {
        resident,
        peak: resident,
        committed: resident,
    }
}

/// The allocator's own report, on standard error; nothing where it has none.
pub fn print_report() {
    // SAFETY: no function means standard error.
    #[cfg(feature = "mimalloc")]
    unsafe {
        mi_stats_print_out(None, std::ptr::null_mut());
    }
}

/// Resident bytes, as Linux tells them.
fn resident() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: usize = text.split(' ').nth(1)?.parse().ok()?;
    // SAFETY: a plain question.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    Some(pages * usize::try_from(page).ok()?)
}

#[cold]
fn out_of_memory(len: usize) -> ! {
    handle_alloc_error(Layout::from_size_align(len, 16).unwrap_or(Layout::new::<u128>()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn usage_is_told() {
        let usage = super::usage();
        assert!(usage.resident > 1 << 20, "{usage:?}");
        assert!(
            usage.peak >= usage.resident && usage.committed > 0,
            "{usage:?}"
        );
    }
}

//! The allocator of a Lua state: counts the bytes of one service, warns when it grows large, and enforces `memlimit`.
//!
//! Growing beyond the limit fails, which Lua turns into a "not enough memory" error in the code that asked; shrinking
//! always succeeds. Only the worker that runs the service writes the counters; anyone may read them.

use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};

use rustc_hash::FxHashMap;
use skynet_kernel::{Handle, block, lock};

/// First size that is reported; then every doubling.
const FIRST_WARNING: usize = 32 << 20;
/// Sizes that one message can pass without a report being lost: 32 MiB to 1 GiB.
const WARNINGS: usize = 6;

/// What Lua passes as the old size for a new block that the limit does not apply to: a function of a module that is
/// made when it is read (`patch/llazy.c`), which must not fail.
const UNLIMITED: usize = 255;

/// What a service's Lua state has allocated. Lives as long as the state.
pub struct MemoryAccount {
    /// Bytes in use.
    used: AtomicUsize,
    /// Blocks in use.
    blocks: AtomicUsize,
    /// Bytes allowed; 0 = no limit.
    limit: AtomicUsize,
    /// Next size to report.
    warn_at: AtomicUsize,
    /// Sizes that were passed and have not been reported yet, in hundredths of a MiB; 0 = none. The dispatcher logs
    /// them.
    crossed: [AtomicU32; WARNINGS],
    /// One bit for each of them that is not 0.
    pending: AtomicU32,
    /// The last size to report that was passed, and the size that passed it.
    last: [AtomicUsize; 2],
}

impl Default for MemoryAccount {
    fn default() -> MemoryAccount {
        MemoryAccount::new()
    }
}

impl MemoryAccount {
    /// An account of nothing, without a limit.
    pub fn new() -> MemoryAccount {
        MemoryAccount {
            used: AtomicUsize::new(0),
            blocks: AtomicUsize::new(0),
            limit: AtomicUsize::new(0),
            warn_at: AtomicUsize::new(FIRST_WARNING),
            crossed: Default::default(),
            pending: AtomicU32::new(0),
            last: Default::default(),
        }
    }

    /// Bytes in use.
    pub fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    /// Blocks in use.
    pub fn blocks(&self) -> usize {
        self.blocks.load(Relaxed)
    }

    /// Sets the limit in bytes, 0 for none.
    pub fn set_limit(&self, bytes: usize) {
        self.limit.store(bytes, Relaxed);
    }

    /// A size to warn about in MiB, once per crossing, the smallest first.
    pub fn take_warning(&self) -> Option<f64> {
        let pending = self.pending.load(Relaxed);
        if pending == 0 {
            return None;
        }
        self.pending.store(pending & (pending - 1), Relaxed);
        let hundredths = &self.crossed[pending.trailing_zeros() as usize];
        Some(f64::from(hundredths.load(Relaxed)) / 100.0)
    }

    /// Notes that the size `warn` was passed.
    #[cold]
    fn cross(&self, warn: usize, after: usize) {
        let mut next = warn;
        while next < after {
            next *= 2;
        }
        self.warn_at.store(next, Relaxed);
        self.last[0].store(warn, Relaxed);
        self.last[1].store(after, Relaxed);
        let level = ((warn / FIRST_WARNING).trailing_zeros() as usize).min(WARNINGS - 1);
        let hundredths = (after as f64 / f64::from(1 << 20) * 100.0).round();
        self.crossed[level].store(hundredths as u32, Relaxed);
        self.pending
            .store(self.pending.load(Relaxed) | 1 << level, Relaxed);
    }

    /// Takes back what `resize` has accounted for: there is no such block. The size that it would have passed is
    /// still to be reported.
    #[cold]
    fn undo(&self, old: usize, new: usize) {
        let [warn, after] = [0, 1].map(|i| self.last[i].load(Relaxed));
        if new > old && after == self.used() {
            self.warn_at.store(warn, Relaxed);
            let level = ((warn / FIRST_WARNING).trailing_zeros() as usize).min(WARNINGS - 1);
            self.pending
                .store(self.pending.load(Relaxed) & !(1 << level), Relaxed);
        }
        self.resize(new, old);
    }

    /// Accounts for a new block, whatever the limit.
    #[cold]
    fn exceed(&self, new: usize) {
        self.used.store(self.used().wrapping_add(new), Relaxed);
        self.blocks.store(self.blocks().wrapping_add(1), Relaxed);
    }

    /// Accounts for a block that goes from `old` to `new` bytes; false if the limit forbids it.
    pub fn resize(&self, old: usize, new: usize) -> bool {
        let used = self.used.load(Relaxed);
        let after = used.wrapping_sub(old).wrapping_add(new);
        if new > old {
            let limit = self.limit.load(Relaxed);
            if limit != 0 && after > limit {
                return false;
            }
            let warn = self.warn_at.load(Relaxed);
            if after > warn {
                self.cross(warn, after);
            }
        }
        self.used.store(after, Relaxed);
        if old == 0 || new == 0 {
            let more = usize::from(old == 0).wrapping_sub(usize::from(new == 0));
            let blocks = self.blocks.load(Relaxed).wrapping_add(more);
            self.blocks.store(blocks, Relaxed);
        }
        true
    }
}

/// The accounts of all services of a node.
#[derive(Default)]
pub struct Accounts(Mutex<FxHashMap<Handle, Arc<MemoryAccount>>>);

impl Accounts {
    fn lock(&self) -> MutexGuard<'_, FxHashMap<Handle, Arc<MemoryAccount>>> {
        lock(&self.0)
    }

    /// A service has this account from now on.
    pub fn open(&self, of: Handle, account: Arc<MemoryAccount>) {
        self.lock().insert(of, account);
    }

    /// The service has ended.
    pub fn close(&self, of: Handle) {
        self.lock().remove(&of);
    }

    /// (service, bytes, blocks), in the order of the handles.
    pub fn list(&self) -> Vec<(Handle, usize, usize)> {
        let mut all: Vec<_> = self
            .lock()
            .iter()
            .map(|(&of, account)| (of, account.used(), account.blocks()))
            .collect();
        all.sort_unstable();
        all
    }
}

/// The `lua_Alloc` of every service's state; `ud` is its `MemoryAccount`.
///
/// # Safety
/// As `lua_newstate` demands; the account outlives the state.
pub unsafe extern "C" fn lua_alloc(
    ud: *mut c_void,
    old: *mut c_void,
    old_size: usize,
    new_size: usize,
) -> *mut c_void {
    // SAFETY: `ud` is the account that was given to `lua_newstate`, which outlives the state.
    let account = unsafe { &*ud.cast::<MemoryAccount>() };
    // For a new block Lua passes the kind of object as the old size.
    let held = if old.is_null() { 0 } else { old_size };
    if new_size == 0 {
        account.resize(held, 0);
        // SAFETY: `old` is null or a block of ours.
        unsafe { block::free(old.cast()) };
        return std::ptr::null_mut();
    }
    if !account.resize(held, new_size) {
        if !old.is_null() || old_size != UNLIMITED {
            return std::ptr::null_mut();
        }
        account.exceed(new_size);
    }
    // Nearly all requests are for new blocks, and those have a shorter way.
    let new = if old.is_null() {
        block::try_alloc(new_size)
    } else {
        // SAFETY: a block of ours.
        unsafe { block::try_realloc(old.cast(), new_size) }
    };
    if new.is_null() {
        account.undo(held, new_size);
    }
    new.cast()
}

/// The `lua_Alloc` of states that belong to no service; uncounted.
///
/// # Safety
/// As `lua_newstate` demands.
pub unsafe extern "C" fn plain_alloc(
    _: *mut c_void,
    old: *mut c_void,
    _: usize,
    new_size: usize,
) -> *mut c_void {
    if new_size == 0 {
        // SAFETY: `old` is null or a block of ours.
        unsafe { block::free(old.cast()) };
        return std::ptr::null_mut();
    }
    // SAFETY: `old` is null or a block of ours.
    unsafe { block::try_realloc(old.cast(), new_size).cast() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_stops_growth_but_not_shrinking() {
        let a = MemoryAccount::new();
        assert!(a.resize(0, 1000));
        a.set_limit(500);
        assert!(!a.resize(0, 1));
        assert!(a.resize(1000, 900));
        assert_eq!((a.used(), a.blocks()), (900, 1));
        assert!(a.resize(900, 0));
        assert_eq!((a.used(), a.blocks()), (0, 0));
    }

    #[test]
    fn warnings_double() {
        let a = MemoryAccount::new();
        assert!(a.resize(0, 33 << 20));
        assert_eq!(a.take_warning(), Some(33.0));
        assert!(a.resize(0, 20 << 20));
        assert_eq!(a.take_warning(), None);
        for _ in 0..4 {
            assert!(a.resize(0, 20 << 20));
        }
        assert_eq!(a.take_warning(), Some(73.0));
        assert_eq!(a.take_warning(), Some(133.0));
        assert_eq!(a.take_warning(), None);
        assert!(a.resize(0, 5 << 30));
        assert_eq!(a.take_warning(), Some(5253.0));
        assert!(a.resize(0, 16 << 30));
        assert_eq!(a.take_warning(), Some(21637.0));
    }
}

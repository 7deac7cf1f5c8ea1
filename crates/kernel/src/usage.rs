//! How much memory the process has from the system.

/// What the process has from the system, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// In physical memory.
    pub resident: usize,
    /// The largest `resident` so far.
    pub peak: usize,
    /// Reserved by the allocator for its blocks, resident or not. The same as `resident` where the allocator does not
    /// tell.
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

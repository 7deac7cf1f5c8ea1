//! Huge pages: not before the node is large.
//!
//! The allocator asks Linux for huge pages. One is 2 MB, which Linux clears as soon as a byte of it is used, so a small
//! node would have twice the memory it needs, and most of its start would be clearing. What is large gains by them:
//! a heap that is read at random is a third faster. So the process begins without, and allows them once when a state or
//! the number of services has become large; Linux then gives them for new memory, and makes them of old memory by and
//! by.
//!
//! Linux keeps the switch for the process, and hands it to the programs that it starts. Who has set
//! `MIMALLOC_ALLOW_THP`, the allocator's own switch, has decided.

use std::sync::atomic::{AtomicBool, Ordering};

/// From so many services on, they are allowed.
pub(crate) const MANY_SERVICES: usize = 1_000;

/// They wait for [`allow`].
static WAITING: AtomicBool = AtomicBool::new(false);

/// No huge pages from here on, until [`allow`]. To be called once, by a program that is about to start a node, and
/// before its first allocation: it needs nothing of the standard library.
pub fn wait() {
    #[cfg(target_os = "linux")]
    // SAFETY: a constant string, and plain questions and orders.
    unsafe {
        // Somebody who started this process may have switched them off for good.
        if libc::getenv(c"MIMALLOC_ALLOW_THP".as_ptr()).is_null()
            && libc::prctl(libc::PR_GET_THP_DISABLE, 0, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0
        {
            WAITING.store(true, Ordering::Relaxed);
        }
    }
}

/// The node has become large. Costs nothing after the first time.
pub fn allow() {
    if WAITING.load(Ordering::Relaxed) && WAITING.swap(false, Ordering::Relaxed) {
        #[cfg(target_os = "linux")]
        // SAFETY: a plain order, without pointers.
        unsafe {
            libc::prctl(libc::PR_SET_THP_DISABLE, 0, 0, 0, 0);
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    /// One test, since the switch belongs to the process.
    #[test]
    fn they_are_allowed_once() {
        if std::env::var_os("MIMALLOC_ALLOW_THP").is_some() {
            return;
        }
        // SAFETY: a plain question.
        let off = || unsafe { libc::prctl(libc::PR_GET_THP_DISABLE, 0, 0, 0, 0) };
        let before = off();
        super::wait();
        assert_eq!(off(), 1);
        super::allow();
        assert_eq!(off(), before);
        super::allow();
        assert_eq!(off(), before);
    }
}

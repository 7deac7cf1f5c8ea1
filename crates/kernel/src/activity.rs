//! What a worker is doing, for other threads to see: plain stores to a cache line of its own, no lock.

use std::sync::atomic::{
    AtomicI32, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::Release,
};

use crate::message::Handle;

/// What one worker is doing.
#[derive(Default)]
pub(crate) struct Activity {
    /// Service that handles a message now; 0 for none.
    pub(crate) dest: AtomicU32,
    pub(crate) source: AtomicU32,
    pub(crate) session: AtomicI32,
    pub(crate) kind: AtomicU8,
    /// Number of messages that this worker has begun.
    pub(crate) version: AtomicU32,
    /// Ticks when the message was begun (with profiling), or its turn (without).
    pub(crate) began: AtomicU64,
}

impl Activity {
    /// A message is begun.
    #[inline]
    pub(crate) fn begin(&self, dest: Handle, source: Handle, session: i32, kind: u8, began: u64) {
        self.source.store(source.0, Relaxed);
        self.session.store(session, Relaxed);
        self.kind.store(kind, Relaxed);
        self.began.store(began, Relaxed);
        self.dest.store(dest.0, Relaxed);
        // Last, so that whoever sees the new version sees the rest.
        self.version
            .store(self.version.load(Relaxed).wrapping_add(1), Release);
    }

    /// The worker handles nothing now.
    #[inline]
    pub(crate) fn clear(&self) {
        self.dest.store(0, Relaxed);
    }
}

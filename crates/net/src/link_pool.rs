//! A limit for what waits on several links together.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What may wait on several [links](crate::Net::set_link) together. While more does, each has room for its share only.
#[derive(Debug)]
pub struct LinkPool {
    pending: AtomicUsize,
    most: usize,
    share: usize,
}

impl LinkPool {
    /// So many bytes for all; `share` of them for each link once they are used up. So no more than `most` bytes and the
    /// shares of all links wait, and for each link one message that is larger than its share.
    pub fn new(most: usize, share: usize) -> LinkPool {
        LinkPool {
            pending: AtomicUsize::new(0),
            most,
            share,
        }
    }

    pub(crate) fn add(&self, bytes: usize) {
        self.pending.fetch_add(bytes, Relaxed);
    }

    pub(crate) fn remove(&self, bytes: usize) {
        self.pending.fetch_sub(bytes, Relaxed);
    }

    /// What one link may have if so many bytes more are too many.
    pub(crate) fn share(&self, bytes: usize) -> Option<usize> {
        (self.pending().saturating_add(bytes) > self.most).then_some(self.share)
    }

    /// Bytes that wait on all its links.
    pub fn pending(&self) -> usize {
        self.pending.load(Relaxed)
    }
}

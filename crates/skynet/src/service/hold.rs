//! Who uses a service from outside of its tasks.

use super::shared::Shared;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A reference to what a service's handles, calls and tasks have in common. If the service is there for them only (see
/// [`Cx::outside`](super::Cx::outside)), they are counted, and it ends after the last.
pub(super) struct Hold(Arc<Shared>);

impl Hold {
    #[inline]
    pub(super) fn new(shared: &Arc<Shared>) -> Hold {
        if let Some(holds) = &shared.holds {
            holds.fetch_add(1, Ordering::Relaxed);
        }
        Hold(shared.clone())
    }
}

impl Clone for Hold {
    #[inline]
    fn clone(&self) -> Hold {
        Hold::new(&self.0)
    }
}

impl Deref for Hold {
    type Target = Shared;

    #[inline]
    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Drop for Hold {
    #[inline]
    fn drop(&mut self) {
        if let Some(holds) = &self.0.holds
            && holds.fetch_sub(1, Ordering::AcqRel) == 1
        {
            // It finds out by itself that nobody is left.
            self.0.notify();
        }
    }
}

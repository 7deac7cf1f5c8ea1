//! How threads tell a service that there is work for it that does not come by its mailbox, such as a task that was
//! woken.
//!
//! Who has put work where the service looks for it *rings*. If a worker is in the service, it looks once more before it
//! leaves. If none is, the ringer sends the service a message, one at a time, which makes a worker come.
//!
//! Nothing is lost between the two, since both exchange `work`: if the ringer does so first, the worker finds the work;
//! if the worker does so first, the ringer knows all that the worker did before, and that it has left. A model checks
//! it.

use crate::sync::{AtomicBool, Ordering::AcqRel, Ordering::Relaxed};

/// See the module's description.
pub struct Doorbell {
    /// There is something to do, or has just been.
    work: AtomicBool,
    /// A worker is in the service, and looks before it leaves.
    inside: AtomicBool,
    /// A message is on its way.
    called: AtomicBool,
}

impl Default for Doorbell {
    fn default() -> Doorbell {
        Doorbell {
            work: AtomicBool::new(false),
            inside: AtomicBool::new(false),
            called: AtomicBool::new(false),
        }
    }
}

impl Doorbell {
    /// There is work now. True: the caller sends the service the message that makes a worker come.
    #[must_use]
    pub fn ring(&self) -> bool {
        self.work.swap(true, AcqRel);
        !self.inside.load(Relaxed) && !self.called.swap(true, AcqRel)
    }

    /// A worker comes in. Who does not see it yet rings for nothing, and no harm is done.
    #[inline]
    pub fn enter(&self) {
        self.inside.store(true, Relaxed);
    }

    /// The message has come.
    pub fn answer(&self) {
        self.called.store(false, Relaxed);
    }

    /// Is there work, which the worker looks for now? If not, it has left: who adds work from now on rings.
    #[inline]
    pub fn work_or_leave(&self) -> bool {
        if self.work.load(Relaxed) && self.work.swap(false, AcqRel) {
            return true;
        }
        if !self.leave() {
            return false;
        }
        self.enter();
        true
    }

    /// The worker leaves. True if there is work all the same, for which it has to ring by itself if it does not look
    /// for it.
    #[inline]
    #[must_use]
    pub fn leave(&self) -> bool {
        self.inside.store(false, Relaxed);
        self.work.swap(false, AcqRel)
    }
}

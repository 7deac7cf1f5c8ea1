//! What a service's tasks, wakers and handles have in common, also on threads that do not run it.

use super::about::About;
use super::sessions::Calls;
use skynet_kernel::{Context, Doorbell, Lock, Payload, kind, lock};
use std::collections::VecDeque;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::task::{Wake, Waker};

pub(super) type Spawned = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A claim to an answer that has left its handler.
pub(super) trait Deferred: Send + Sync {
    /// Fails the request, unless it has been answered.
    fn fail(&self);
}

/// What a service's tasks, wakers and handles have in common.
pub(super) struct Shared {
    pub(super) context: Arc<Context>,
    /// It is there for those who [hold](Hold) it only: how many these are. No number for other services.
    pub(super) holds: Option<AtomicUsize>,
    /// If it is there for code that is no service: the same for further threads; see `outside.rs`.
    pub(super) shards: OnceLock<Shards>,
    pub(super) calls: Lock<Calls>,
    /// Claims that left their handlers, to be failed when the service ends.
    pub(super) deferred: Mutex<Vec<Weak<dyn Deferred>>>,
    pub(super) inbox: Mutex<Inbox>,
    /// Makes a worker look at the inbox.
    pub(super) bell: Doorbell,
    /// `started` has returned.
    pub(super) ready: AtomicBool,
    /// Which poll of which task is going on.
    pub(super) current: AtomicU64,
    /// The data of that task's own waker.
    pub(super) waker: AtomicUsize,
}

/// Services for the calls of several threads. Each is made by the first thread that needs it; none if that was
/// impossible.
pub(super) struct Shards {
    /// The number of the thread that uses the first service, beside which these are.
    pub(super) first: usize,
    pub(super) others: Box<[OnceLock<Option<Hold>>]>,
}

/// A poll of a task: in the low bits the task's slot, above them the number of the poll.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct PollId(pub(super) u64);

impl PollId {
    const SLOT_BITS: u32 = 24;
    /// None, ever.
    pub(super) const NONE: PollId = PollId(PollId::NO_SLOT as u64);
    /// No task.
    pub(super) const NO_SLOT: usize = (1 << PollId::SLOT_BITS) - 1;

    pub(super) fn slot(self) -> usize {
        self.0 as usize & PollId::NO_SLOT
    }

    pub(super) fn next(self, slot: usize) -> PollId {
        // A slot beyond the bits has no number of its own; its tasks are woken by their wakers.
        let number = (self.0 >> PollId::SLOT_BITS) + 1;
        PollId(number << PollId::SLOT_BITS | slot.min(PollId::NO_SLOT) as u64)
    }
}

#[derive(Default)]
pub(super) struct Inbox {
    pub(super) ready: VecDeque<Arc<TaskWaker>>,
    pub(super) spawned: VecDeque<(Spawned, About)>,
    /// The service is gone.
    pub(super) closed: bool,
}

impl Shared {
    pub(super) fn new(context: &Arc<Context>, lent: bool) -> Arc<Shared> {
        Arc::new(Shared {
            context: context.clone(),
            holds: lent.then(AtomicUsize::default),
            shards: OnceLock::new(),
            calls: Lock::default(),
            deferred: Mutex::default(),
            inbox: Mutex::default(),
            bell: Doorbell::default(),
            ready: AtomicBool::new(false),
            current: AtomicU64::new(PollId(0).next(PollId::NO_SLOT).0),
            waker: AtomicUsize::new(0),
        })
    }

    /// What is being polled. Only the thread that polls knows for sure.
    #[inline]
    pub(super) fn current(&self) -> PollId {
        PollId(self.current.load(Ordering::Relaxed))
    }

    /// Is `waker` the own one of the task that is being polled?
    #[inline]
    pub(super) fn is_own(&self, waker: &Waker) -> bool {
        // Nobody else's data are at that address, since the task's slot holds the waker.
        waker.data() as usize == self.waker.load(Ordering::Relaxed)
    }

    pub(super) fn spawn(&self, task: Spawned, about: About) {
        {
            let mut inbox = lock(&self.inbox);
            if inbox.closed {
                // The task's destructors may come back here, so it is dropped without the lock.
                drop(inbox);
                return;
            }
            inbox.spawned.push_back((task, about));
        }
        self.notify();
    }

    /// Makes a worker look at the inbox.
    pub(super) fn notify(&self) {
        if self.bell.ring() {
            // If this fails, the service has ended and needs no waking.
            let _ = self
                .context
                .send(self.context.handle(), kind::RESPONSE, 0, Payload::EMPTY);
        }
    }
}

/// Wakes the task in a slot.
pub(super) struct TaskWaker {
    /// Weak, since wakers may be kept by foreign code for longer than the service lives.
    pub(super) shared: Weak<Shared>,
    pub(super) slot: usize,
    /// It is in the list of ready tasks.
    pub(super) queued: AtomicBool,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        if self.queued.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some(shared) = self.shared.upgrade() {
            {
                let mut inbox = lock(&shared.inbox);
                if inbox.closed {
                    return;
                }
                inbox.ready.push_back(self);
            }
            shared.notify();
        }
    }
}

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
            // The service looks by itself whether anybody holds it.
            self.0.notify();
        }
    }
}

//! Where the mechanisms that are model-checked take their primitives from: the standard library, or
//! `loom` under `cfg(loom)`.
//!
//! Only [`crate::doorbell`], [`crate::mailbox`], [`crate::parking`], [`crate::registry`], [`crate::scheduler`] and
//! [`crate::timers`] use this; everything else uses `std` directly.

#[cfg(loom)]
pub(crate) use loom::sync::{
    Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard,
    atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
};

#[cfg(not(loom))]
pub(crate) use crate::lock::{Guard, Lock};
#[cfg(loom)]
pub(crate) use modelled::{Guard, Lock};

#[cfg(not(loom))]
pub(crate) use std::sync::{
    Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard,
    atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
};

/// The lock of mailboxes, as the model knows locks.
#[cfg(loom)]
mod modelled {
    pub(crate) use loom::sync::MutexGuard as Guard;

    /// `made` is what the constructor writes. No lock protects it, so that whoever locks has to have seen it by other
    /// means; Loom finds those that have not.
    pub(crate) struct Lock<T> {
        made: loom::cell::UnsafeCell<u8>,
        value: loom::sync::Mutex<T>,
    }

    // SAFETY: `made` is only read once the constructor has returned; the value has its mutex.
    unsafe impl<T: Send> Sync for Lock<T> {}

    impl<T> Lock<T> {
        pub(crate) fn new(value: T) -> Lock<T> {
            let made = loom::cell::UnsafeCell::new(0);
            // SAFETY: nobody else has it yet.
            made.with_mut(|made| unsafe { *made = 1 });
            Lock {
                made,
                value: loom::sync::Mutex::new(value),
            }
        }

        pub(crate) fn lock(&self) -> Guard<'_, T> {
            // SAFETY: written by the constructor only.
            assert_eq!(self.made.with(|made| unsafe { *made }), 1);
            self.value.lock().unwrap()
        }
    }
}

/// Work queues: a FIFO deque per worker with handles to steal from it, and an injector for
/// everybody else.
#[cfg(not(loom))]
pub(crate) mod deque {
    pub(crate) use crossbeam_deque::{Injector, Steal, Stealer, Worker};
}

/// The same shape over a locked queue: the model checks how the scheduler uses the queues, not the
/// queues themselves.
#[cfg(loom)]
pub(crate) mod deque {
    use std::collections::VecDeque;

    use loom::sync::{Arc, Mutex};

    pub(crate) enum Steal<T> {
        Empty,
        Success(T),
        // Part of the interface of the real queue.
        #[allow(dead_code)]
        Retry,
    }

    type Queue<T> = Arc<Mutex<VecDeque<T>>>;

    pub(crate) struct Worker<T>(Queue<T>);
    pub(crate) struct Stealer<T>(Queue<T>);
    pub(crate) struct Injector<T>(Queue<T>);

    fn pop<T>(queue: &Queue<T>) -> Option<T> {
        queue.lock().unwrap().pop_front()
    }

    impl<T> Worker<T> {
        pub(crate) fn new_fifo() -> Self {
            Worker(Arc::new(Mutex::new(VecDeque::new())))
        }
        pub(crate) fn stealer(&self) -> Stealer<T> {
            Stealer(self.0.clone())
        }
        pub(crate) fn push(&self, task: T) {
            self.0.lock().unwrap().push_back(task);
        }
        pub(crate) fn pop(&self) -> Option<T> {
            pop(&self.0)
        }
        pub(crate) fn is_empty(&self) -> bool {
            self.0.lock().unwrap().is_empty()
        }
    }

    impl<T> Stealer<T> {
        pub(crate) fn steal(&self) -> Steal<T> {
            pop(&self.0).map_or(Steal::Empty, Steal::Success)
        }
        pub(crate) fn len(&self) -> usize {
            self.0.lock().unwrap().len()
        }
        pub(crate) fn is_empty(&self) -> bool {
            self.0.lock().unwrap().is_empty()
        }
    }

    impl<T> Injector<T> {
        pub(crate) fn new() -> Self {
            Injector(Arc::new(Mutex::new(VecDeque::new())))
        }
        pub(crate) fn push(&self, task: T) {
            self.0.lock().unwrap().push_back(task);
        }
        pub(crate) fn steal(&self) -> Steal<T> {
            pop(&self.0).map_or(Steal::Empty, Steal::Success)
        }
        pub(crate) fn len(&self) -> usize {
            self.0.lock().unwrap().len()
        }
        pub(crate) fn is_empty(&self) -> bool {
            self.0.lock().unwrap().is_empty()
        }
    }
}

//! What the code that a worker runs can ask about its thread.

use std::cell::Cell;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::activity::Activity;
use crate::clock::{self, STAMP_SHIFT};
use crate::context::Context;
use crate::message::Handle;
use crate::node::Node;
use crate::scheduler::Runner;
use crate::service::Mailbox;

/// Ticks after which a turn ends whatever its budget: about a millisecond. So a service with slow
/// handlers gives way after each message.
pub(crate) const SLICE: u64 = 1 << 21;

/// A worker's own data, reachable from the code that it runs.
pub(crate) struct Local {
    pub(crate) node: Arc<Node>,
    pub(crate) runner: Runner<Mailbox>,
    /// The latest reading of the tick counter; good enough for the age of messages.
    pub(crate) ticks: Cell<u64>,
    /// When the current turn began, in ticks.
    pub(crate) began: Cell<u64>,
}

thread_local! {
    static LOCAL: Cell<*const Local> = const { Cell::new(ptr::null()) };
}

impl Local {
    /// The data of this thread, if it is a worker of `node`.
    #[inline]
    pub(crate) fn of(node: &Node) -> Option<&'_ Local> {
        // SAFETY: the pointer is null, or it leads to the value that `during` below has borrowed, for as long as
        // `during` runs. The result cannot leave the thread (Local is not Sync), nor survive `during`: all that is
        // called on this thread meanwhile is called by it.
        let local = unsafe { LOCAL.get().as_ref() }?;
        ptr::eq(&*local.node, node).then_some(local)
    }

    /// Makes this the data of this thread while `body` runs.
    pub(crate) fn during<R>(&self, body: impl FnOnce() -> R) -> R {
        struct Reset;
        impl Drop for Reset {
            fn drop(&mut self) {
                LOCAL.set(ptr::null());
            }
        }
        LOCAL.set(ptr::from_ref(self));
        let _reset = Reset;
        body()
    }

    /// The time for a message sent now. The worker's own reading is as old as the message that it
    /// handles; in long ones the timer thread's tick knows better.
    #[inline]
    pub(crate) fn stamp(&self) -> u32 {
        let own = (self.ticks.get() >> STAMP_SHIFT) as u32;
        let tick = self.node.tick_stamp.load(Relaxed);
        if (tick.wrapping_sub(own) as i32) > 0 {
            tick
        } else {
            own
        }
    }

    pub(crate) fn activity(&self) -> &Activity {
        &self.node.activities[self.runner.index()]
    }
}

/// The service whose message this thread is handling. [`Handle::NONE`] outside of a turn.
pub fn current() -> Handle {
    // SAFETY: as in `Local::of`.
    match unsafe { LOCAL.get().as_ref() } {
        Some(local) => Handle(local.activity().dest.load(Relaxed)),
        None => Handle::NONE,
    }
}

/// The node that this thread is a worker of.
pub fn current_node() -> Option<Arc<Node>> {
    // SAFETY: as in `Local::of`.
    unsafe { LOCAL.get().as_ref() }.map(|local| local.node.clone())
}

/// Has the turn that this thread is in lasted long enough, so that other services should have theirs? For services that
/// do more in one go than to handle messages.
pub fn turn_is_over() -> bool {
    // SAFETY: as in `Local::of`.
    unsafe { LOCAL.get().as_ref() }
        .is_some_and(|local| clock::ticks().wrapping_sub(local.began.get()) > SLICE)
}

impl Context {
    /// Seconds spent in handling messages; for the service itself, with its current message. 0 if the node runs without
    /// profiling.
    pub fn cpu_seconds(&self) -> f64 {
        match current() == self.handle() {
            true => self.cpu_seconds_so_far(),
            false => self.cpu_seconds_before(),
        }
    }

    /// The time for the beginning of something whose age may be asked for, in units of half a
    /// millisecond or so ([`inspect::stamps_to_ms`](crate::inspect::stamps_to_ms)). As old as the current message, or a
    /// few milliseconds.
    #[inline]
    pub fn stamp(&self) -> u32 {
        Local::of(self.node()).map_or_else(clock::stamp, Local::stamp)
    }
}

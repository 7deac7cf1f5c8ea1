//! Who looks out for what comes from outside: sockets, in practice.
//!
//! The node knows nothing of sockets. It offers *posts* ([`Post`]), one for each [`Poller`] that
//! somebody attaches ([`Node::attach`](crate::Node::attach)). Whoever holds a post waits in its
//! poller, deals with what has come, and lets it go: one thread at a time.
//!
//! # Workers first
//! A worker that has nothing to do takes a free post instead of parking. What arrives goes
//! into its own next slot, and it runs that itself: from the system to the service no other thread
//! is woken. For work from elsewhere it is woken like any worker, only that its poller is
//! interrupted instead ([`crate::parking`]); a parked sibling is preferred.
//!
//! A worker that goes off to run something leaves the post, and mostly nobody holds it then. It
//! comes back in microseconds, and waking another one costs more than that. These see to it that
//! nothing waits for long:
//! 1. A worker that has run out of work takes the post.
//! 2. A worker that sees between two turns that nobody has looked at a poller for [`GLANCE`] wakes a parked sibling for
//!    it. If none is, it looks at the poller itself.
//! 3. If a poller knows of more than it has given, or there is more than one service to run, a
//!    parked sibling is woken, as for any other work; it takes the post when it finds nothing else.
//! 4. The timer thread, at its tick, looks for posts that nobody has held since the last one. It
//!    wakes a worker, and if all are busy, the post's *stand-in*.
//!
//! A poller is told whether any service of the node is running ([`Wait::Quiet`]); if none is, it may
//! look a few times before it sleeps. A worker that parks elsewhere never spins.
//!
//! # The stand-in
//! A thread that the poller's owner brings along ([`crate::attachment`]). It serves while all workers are busy, and
//! withdraws as soon as a worker is idle, which then finds the post free. It also serves after the last worker has
//! left, and for good if there are more posts than workers or processors.
//!
//! # Nothing is slept through
//! With all workers idle every post is held. A worker announces itself as idle *before* it looks at
//! the posts; the stand-in lets go *before* it looks whether somebody is idle, and wakes one. A
//! worker that lets go is awake, and looks again before it sleeps.

use std::sync::atomic::AtomicU64;

use crate::alarm::Alarm;
use crate::clock;
use crate::sync::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst};

/// Ticks of the processor's counter after which a busy worker looks at the poller: some 200 µs.
pub(crate) const GLANCE: i64 = 1 << 19;

/// How a poller is to wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// Not at all: one look.
    Glance,
    /// Asleep.
    Sleep,
    /// Asleep, but to look a few times first hinders nobody: no service of the node is running.
    Quiet,
}

/// A source of news from outside. Its methods are called by one thread at a time, which holds the
/// post, except for [`interrupt`](Poller::interrupt).
pub trait Poller: Send + Sync {
    /// Looks for news, and waits until there are some or until somebody interrupts.
    /// An interruption that came before ends the wait, too. It may end without a reason.
    /// True: there is something to be dealt with.
    fn wait(&self, wait: Wait) -> bool;

    /// Deals with what `wait` has found, by sending messages. True: there is more.
    fn deal(&self) -> bool;

    /// Ends the current or the next wait, from any thread.
    fn interrupt(&self);
}

/// The place in front of a poller.
pub struct Post {
    poller: Box<dyn Poller>,
    /// Somebody holds it.
    held: AtomicBool,
    closed: AtomicBool,
    /// Workers serve here; else the stand-in does for good.
    shared: AtomicBool,
    /// How often it was taken, and how often at the timer thread's last tick.
    turns: AtomicU64,
    seen: AtomicU64,
    /// Where the stand-in sleeps.
    call: Alarm,
}

impl Post {
    /// A post that nobody holds.
    pub fn new(poller: Box<dyn Poller>) -> Post {
        Post {
            poller,
            held: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            shared: AtomicBool::new(false),
            turns: AtomicU64::new(0),
            seen: AtomicU64::new(u64::MAX),
            call: Alarm::default(),
        }
    }

    /// Workers serve here from now on.
    pub(crate) fn share(&self) {
        self.shared.store(true, Relaxed);
    }

    /// Takes the post if it is free, and of use.
    pub fn take(&self) -> bool {
        !self.is_closed() && self.claim()
    }

    /// Takes the post if it is free, although it may be closed.
    pub(crate) fn claim(&self) -> bool {
        let free = !self.held.load(SeqCst);
        let claimed = free
            && self
                .held
                .compare_exchange(false, true, SeqCst, SeqCst)
                .is_ok();
        if claimed {
            self.turns
                .store(self.turns.load(Relaxed).wrapping_add(1), Relaxed);
        }
        claimed
    }

    /// The holder goes.
    pub fn leave(&self) {
        self.held.store(false, SeqCst);
    }

    /// What is looked out for. For the holder, but for interruptions.
    pub fn poller(&self) -> &dyn Poller {
        &*self.poller
    }

    /// Has nobody held it since this was asked last? For the timer thread.
    pub(crate) fn is_neglected(&self) -> bool {
        let turns = self.turns.load(Relaxed);
        self.seen.swap(turns, Relaxed) == turns && !self.held.load(Relaxed)
    }

    /// The stand-in is to serve.
    pub(crate) fn call(&self) {
        self.call.ring();
    }

    /// Is it of no use any more?
    pub fn is_closed(&self) -> bool {
        self.closed.load(SeqCst)
    }

    /// Do workers serve here?
    pub(crate) fn is_shared(&self) -> bool {
        self.shared.load(Relaxed)
    }

    /// The stand-in sleeps until it is called.
    pub(crate) fn await_call(&self) {
        self.call.wait(None);
    }

    /// Calls everybody away. `detach` takes the post away from the workers.
    pub fn shut(&self, detach: impl FnOnce(&Post)) {
        self.closed.store(true, SeqCst);
        detach(self);
        self.poller.interrupt();
        self.call.ring();
    }
}

/// Now, in ticks, for [`GLANCE`].
pub(crate) fn now() -> u64 {
    clock::ticks()
}

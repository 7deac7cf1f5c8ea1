//! Mailboxes: where a service waits for messages, and where it lies between its turns.
//!
//! # States
//! ```text
//!            open            start                 push                 begin
//!   Free ───────────▶ Starting ────▶ Idle ◀─────────────▶ Scheduled ───────────▶ Running
//!    ▲                                 ▲           (in a run queue)                 │
//!    │ clear                           └────────── end_turn ◀───────────────────────┘
//!    └──────────────────────────────── Finish (retired)
//! ```
//! A body can be *lent* between turns, to be looked at (see [`crate::inspect`]): an idle service is
//! Running then, without a worker; a scheduled one is Lent, until a worker takes the mailbox from
//! its queue, which makes it Running too.
//!
//! One lock covers the state, the queue, and the handle that the mailbox currently answers to. A
//! sender finds the mailbox through the handle table, locks, *compares the handle*, and pushes.
//! Because of that comparison a mailbox can be recycled for the next service as soon as the old one
//! has gone: a sender that holds a stale pointer is refused, and no reference count is needed on
//! the way. Mailboxes are never freed while their node lives (see [`crate::registry`]).
//!
//! A scheduled mailbox is in a run queue. That queue may give it to two workers at a time (see [`crate::scheduler`]),
//! or later, when the turn that it was meant for is long over; so it is the state that decides: whoever finds it
//! Scheduled has the turn.
//!
//! The worker that begins a turn takes the service out (its *body*) and the whole queue with it, so
//! that senders and the worker touch the lock twice per turn and not twice per message.
//!
//! Retiring sets the handle to 0, which refuses new messages at once, and makes sure that a worker
//! comes by: that worker gets `Finish`, drops the service, and answers what is left in the queue.

use std::collections::VecDeque;
use std::mem;
use std::sync::atomic::Ordering::Relaxed;

use crate::footprint::Footprint;
use crate::inflow;
use crate::limit::{Limit, Policy, Told};
use crate::message::{Handle, Message};
use crate::progress::Progress;
use crate::sync::{Guard, Lock};

/// Queue length at which the first overload warning is given.
const OVERLOAD: usize = 1024;
/// Messages that the two buffers of an idle service have room for at most, each. Larger ones, which a burst has left
/// behind, are given back: most services never see the next one, and making a buffer anew costs three nanoseconds a
/// message of a burst.
const KEEP: usize = 64;

/// What lies in a mailbox between turns.
pub trait Body {
    /// What others may look at while the body is out on a worker.
    type Card: Clone;
    /// Messages that were taken from the queue but not handled yet.
    fn batch(&mut self) -> &mut VecDeque<Message>;
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Free,
    Starting,
    Idle,
    Scheduled,
    /// In a run queue, while its body is lent to somebody who looks at it.
    Lent,
    Running,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Alive,
    /// Retired, but what was queued before is still handled (the log service at the end).
    Draining,
    Retired,
}

/// In this order in memory: what a push needs lies in the first cache line, with the lock.
#[repr(C)]
struct Inner<B: Body> {
    /// Whose mailbox this is; 0 while it accepts nothing.
    handle: u32,
    state: State,
    fate: Fate,
    policy: Policy,
    inbox: VecDeque<Message>,
    /// `usize::MAX`: no limit.
    max: usize,
    /// Present in the states Idle and Scheduled.
    body: Option<Box<B>>,
    // The second line: turns that end, and mailboxes with a limit or with events of sockets.
    /// Length at which the next overload line is due, and the length at the last one.
    overload: usize,
    report: usize,
    /// Weight of the events that were accepted, and what may wait of them before relief is given; see
    /// [`crate::inflow`].
    accepted: u64,
    relief_at: u64,
    /// What has been said about the limit.
    told: Told,
    card: Option<B::Card>,
}

/// A mailbox. See the module's description.
#[repr(C, align(64))]
pub struct Mailbox<B: Body> {
    inner: Lock<Inner<B>>,
    progress: Progress,
    footprint: Footprint,
}

/// A message was accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub struct Pushed {
    /// The caller must put the mailbox into a run queue.
    pub schedule: bool,
    /// The caller should log that the mailbox holds so many messages; 0 for nothing.
    pub warn: usize,
}

/// A message was not accepted, and has been freed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The handle has gone.
    Gone,
    /// The mailbox is full.
    Full {
        /// Messages that it may hold.
        limit: usize,
        /// How many it has refused, if that is to be logged, or 0.
        refused: usize,
    },
}

/// What a worker gets for a turn. Two words, so that it comes back in registers.
pub enum Step<B> {
    /// Messages to handle.
    Run(Box<B>),
    /// The same, and a line about overload is due; see [`Mailbox::report`].
    Overloaded(Box<B>),
    /// The service was retired: drop it, answer what [`Mailbox::remains`], then [`Mailbox::clear`].
    Finish(Box<B>),
    /// Nothing left: the service lies idle in the mailbox.
    Idle,
    /// Nothing left, but the batch is larger than an idle service should keep: to be emptied of its memory, without the
    /// lock, and given back by [`Mailbox::end_turn`].
    Shrink(Box<B>),
    /// The turn was long enough, and messages remain: put the mailbox at the end of a run queue.
    Requeue,
}

/// What somebody gets who wants to look at a body.
pub enum Borrowed<B> {
    /// The body, to be given back by [`Mailbox::give_back`].
    Lent(Box<B>),
    /// Somebody else has it.
    Busy,
    /// The handle has gone.
    Gone,
}

impl<B: Body> Default for Mailbox<B> {
    fn default() -> Self {
        Mailbox {
            inner: Lock::new(Inner {
                handle: 0,
                state: State::Free,
                fate: Fate::Alive,
                inbox: VecDeque::new(),
                body: None,
                card: None,
                max: usize::MAX,
                policy: Policy::Warn,
                told: Told::default(),
                overload: OVERLOAD,
                report: 0,
                accepted: 0,
                relief_at: 0,
            }),
            progress: Progress::default(),
            footprint: Footprint::default(),
        }
    }
}

impl<B: Body> Mailbox<B> {
    /// Bytes from the start of a mailbox, the lock among them, that a push to a mailbox without a limit touches.
    #[cfg(not(loom))]
    pub(crate) const PUSHED: usize = std::mem::offset_of!(Mailbox<B>, inner)
        + Lock::<Inner<B>>::VALUE
        + std::mem::offset_of!(Inner<B>, overload);

    #[inline]
    fn lock(&self) -> Guard<'_, Inner<B>> {
        self.inner.lock()
    }

    /// What the service touches in every turn.
    pub(crate) fn footprint(&self) -> &Footprint {
        &self.footprint
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Free → Starting: messages are accepted from now on, none is dispatched.
    pub fn open(&self, handle: Handle, card: B::Card, limit: Option<Limit>) {
        let mut inner = self.lock();
        debug_assert_eq!(inner.state, State::Free);
        inner.state = State::Starting;
        inner.fate = Fate::Alive;
        inner.handle = handle.0;
        inner.card = Some(card);
        inner.overload = OVERLOAD;
        inner.set_limit(limit);
    }

    /// Starting → Idle or Scheduled. Returns whether the caller must schedule the mailbox.
    pub fn start(&self, body: Box<B>) -> bool {
        let mut inner = self.lock();
        debug_assert_eq!(inner.state, State::Starting);
        inner.body = Some(body);
        let work = inner.fate != Fate::Alive || !inner.inbox.is_empty();
        inner.state = if work { State::Scheduled } else { State::Idle };
        work
    }

    /// Adds a message, which `fill` puts into its place: a message that is moved right after its parts have been
    /// written stalls the processor. `exempt` is asked only if there is a limit: such messages are not subject to it.
    // Once for each way of sending, which are few: a call costs more than what it would share.
    #[inline(always)]
    pub fn push(
        &self,
        to: Handle,
        fill: impl FnOnce(&mut Message),
        exempt: impl FnOnce() -> bool,
    ) -> Result<Pushed, Refusal> {
        let mut inner = self.lock();
        if inner.handle != to.0 {
            return Err(Refusal::Gone);
        }
        let mut warn = 0;
        if inner.max != usize::MAX && !exempt() {
            let length = inner.inbox.len() + self.progress.taken();
            let (policy, limit) = (inner.policy, inner.max);
            match inner.told.check(policy, limit, length) {
                Ok(due) => warn = due,
                Err(refused) => return Err(Refusal::Full { limit, refused }),
            }
        }
        inner.inbox.push_back(Message::BLANK);
        if let Some(place) = inner.inbox.back_mut() {
            fill(place);
            let weight = inflow::weight(place);
            if weight > 0 {
                inner.accepted = inner.accepted.wrapping_add(weight);
            }
        }
        Ok(Pushed {
            schedule: inner.wake(),
            warn,
        })
    }

    /// Adds a message in front of all others. Returns whether the caller must schedule the mailbox; `None` if the
    /// handle has gone.
    pub fn push_first(&self, to: Handle, message: Message) -> Option<bool> {
        let mut inner = self.lock();
        if inner.handle != to.0 {
            return None;
        }
        inner.inbox.push_front(message);
        Some(inner.wake())
    }

    /// Adds several messages under one lock, so that their iterator must be the kernel's own; they are not subject to a
    /// limit. Beyond a weight of `mark` of waiting events the mailbox is congested. Returns whether the caller must
    /// schedule the mailbox, and whether it is congested now; `None` if the handle has gone.
    pub fn push_all(
        &self,
        to: Handle,
        messages: impl Iterator<Item = Message>,
        mark: u64,
    ) -> Option<(bool, bool)> {
        let mut inner = self.lock();
        if inner.handle != to.0 {
            return None;
        }
        let mut weight = 0;
        inner
            .inbox
            .extend(messages.inspect(|message| weight += inflow::weight(message)));
        inner.accepted = inner.accepted.wrapping_add(weight);
        let handled = &self.progress.handled;
        let congested = weight > 0 && handled.rest(inner.accepted) > mark;
        if congested {
            inner.relief_at = mark / 2;
            handled.congested.store(true, Relaxed);
        }
        Some((inner.wake(), congested))
    }

    /// Is the mailbox congested now, with this mark?
    pub(crate) fn congest(&self, handle: Handle, mark: u64) -> bool {
        let mut inner = self.lock();
        let handled = &self.progress.handled;
        let congested = inner.handle == handle.0 && handled.rest(inner.accepted) > mark;
        if congested {
            // What waits is still to be handled, and the worker looks behind it.
            inner.relief_at = mark / 2;
            handled.congested.store(true, Relaxed);
        }
        congested
    }

    /// Does a relief lie ahead?
    pub(crate) fn is_congested(&self, handle: Handle) -> bool {
        let inner = self.lock();
        inner.handle == handle.0 && self.progress.handled.congested.load(Relaxed)
    }

    /// Ends congestion if little enough waits; true if it was ended.
    pub(crate) fn relieve(&self) -> bool {
        let inner = self.lock();
        let handled = &self.progress.handled;
        handled.rest(inner.accepted) <= inner.relief_at && handled.congested.swap(false, Relaxed)
    }

    /// Scheduled → Running. Only for whoever took the mailbox from a run queue; of two who took it at the same moment
    /// from a slot, one comes too late, and has nothing to do.
    #[inline]
    pub fn begin(&self) -> Step<B> {
        let mut inner = self.lock();
        if inner.state != State::Scheduled {
            if inner.state == State::Lent {
                // The borrower has it, and sees to its next turn.
                inner.state = State::Running;
            }
            return Step::Idle;
        }
        inner.state = State::Running;
        let body = inner
            .body
            .take()
            .expect("a scheduled mailbox holds its service");
        inner.proceed(body, true)
    }

    /// Ends a turn, or part of it: with `more` the worker is ready to go on with what has come in
    /// meanwhile.
    #[inline]
    pub fn end_turn(&self, body: Box<B>, more: bool) -> Step<B> {
        self.lock().proceed(body, more)
    }

    /// The queue's length that `Overloaded` is about.
    pub fn report(&self) -> usize {
        self.lock().report
    }

    /// Takes the body out, to look at it, unless somebody else has it. Meanwhile nothing is
    /// dispatched.
    pub fn borrow(&self, handle: Handle) -> Borrowed<B> {
        let mut inner = self.lock();
        if inner.handle != handle.0 || handle.is_none() {
            return Borrowed::Gone;
        }
        inner.state = match inner.state {
            State::Idle => State::Running,
            State::Scheduled => State::Lent,
            _ => return Borrowed::Busy,
        };
        let body = inner.body.take();
        Borrowed::Lent(body.expect("it holds its service"))
    }

    /// Puts a borrowed body back. Returns whether the caller must schedule the mailbox.
    pub fn give_back(&self, mut body: Box<B>) -> bool {
        let mut inner = self.lock();
        let queued = inner.state == State::Lent;
        let work = inner.fate != Fate::Alive || !inner.inbox.is_empty() || !body.batch().is_empty();
        inner.body = Some(body);
        inner.state = if queued || work {
            State::Scheduled
        } else {
            State::Idle
        };
        work && !queued
    }

    /// Refuses messages from now on. `drain`: those queued before are still handled. Returns
    /// whether the caller must schedule the mailbox; `None` if the handle has gone already.
    pub fn retire(&self, handle: Handle, drain: bool) -> Option<bool> {
        let mut inner = self.lock();
        if inner.handle != handle.0 || handle.is_none() {
            return None;
        }
        inner.handle = 0;
        inner.fate = if drain { Fate::Draining } else { Fate::Retired };
        Some(inner.wake())
    }

    /// Takes what was never handled; for whoever got `Finish`, or whose service never started.
    pub fn remains(&self) -> VecDeque<Message> {
        mem::take(&mut self.lock().inbox)
    }

    /// → Free. The mailbox may be opened again. True if it was congested.
    pub fn clear(&self) -> bool {
        let card = {
            let mut inner = self.lock();
            debug_assert!(inner.handle == 0 && inner.body.is_none() && inner.inbox.is_empty());
            inner.state = State::Free;
            self.progress.handled.settle(inner.accepted);
            self.progress.kept.store(0, Relaxed);
            self.footprint.clear();
            inner.card.take()
        };
        // Dropped outside the lock: freeing it may take long.
        drop(card);
        self.progress.handled.congested.swap(false, Relaxed)
    }

    /// The card of the service that answers to `handle` now.
    pub fn card(&self, handle: Handle) -> Option<B::Card> {
        let inner = self.lock();
        if inner.handle == handle.0 {
            inner.card.clone()
        } else {
            None
        }
    }

    /// Messages that wait.
    pub fn waiting(&self) -> usize {
        self.lock().inbox.len() + self.progress.taken()
    }

    /// Stamp of the oldest message that waits.
    pub(crate) fn oldest(&self) -> Option<u32> {
        let inner = self.lock();
        if self.progress.waiting.load(Relaxed) > 0 {
            return Some(self.progress.oldest.load(Relaxed));
        }
        inner.inbox.front().map(|m| m.stamp)
    }

    /// Sets or removes the limit.
    pub fn set_limit(&self, handle: Handle, limit: Option<Limit>) {
        let mut inner = self.lock();
        if inner.handle == handle.0 {
            inner.set_limit(limit);
        }
    }
}

impl<B: Body> Inner<B> {
    /// Idle → Scheduled.
    #[inline]
    fn wake(&mut self) -> bool {
        let idle = self.state == State::Idle;
        if idle {
            self.state = State::Scheduled;
        }
        idle
    }

    /// What comes next for a running body.
    #[inline]
    fn proceed(&mut self, mut body: Box<B>, more: bool) -> Step<B> {
        if self.fate == Fate::Retired {
            return Step::Finish(body);
        }
        let batch = body.batch();
        if batch.is_empty() && self.inbox.is_empty() {
            if self.fate == Fate::Draining {
                return Step::Finish(body);
            }
            self.overload = OVERLOAD;
            if self.inbox.capacity() > KEEP {
                mem::swap(batch, &mut self.inbox);
            }
            if batch.capacity() > KEEP {
                return Step::Shrink(body);
            }
            self.state = State::Idle;
            self.body = Some(body);
            return Step::Idle;
        }
        if !more {
            self.state = State::Scheduled;
            self.body = Some(body);
            return Step::Requeue;
        }
        if batch.is_empty() {
            mem::swap(batch, &mut self.inbox);
        }
        let behind = batch.len() + self.inbox.len() - 1;
        if behind <= self.overload {
            return Step::Run(body);
        }
        while behind > self.overload {
            self.overload *= 2;
        }
        self.report = behind;
        Step::Overloaded(body)
    }

    fn set_limit(&mut self, limit: Option<Limit>) {
        self.max = limit.map_or(usize::MAX, |l| l.max);
        self.policy = limit.map_or(Policy::Warn, |l| l.policy);
        self.told = Told::new(self.max);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::message::{Payload, kind};

    struct Worked(VecDeque<Message>);

    impl Body for Worked {
        type Card = ();
        fn batch(&mut self) -> &mut VecDeque<Message> {
            &mut self.0
        }
    }

    fn push(mailbox: &Mailbox<Worked>, messages: usize) {
        for _ in 0..messages {
            let message = Message::new(kind::LUA, Handle::NONE, 0, Payload::EMPTY);
            let _ = mailbox
                .push(Handle(1), |place| *place = message, || true)
                .unwrap();
        }
    }

    /// Handles what waits; in the middle of it, as many messages come once more. Returns how often a buffer was given
    /// back.
    fn work(mailbox: &Mailbox<Worked>, mut more: usize) -> usize {
        let mut given_back = 0;
        let mut step = mailbox.begin();
        loop {
            step = match step {
                Step::Run(mut body) | Step::Overloaded(mut body) => {
                    push(mailbox, mem::take(&mut more));
                    body.0.clear();
                    mailbox.end_turn(body, true)
                }
                Step::Shrink(mut body) => {
                    given_back += 1;
                    assert!(body.0.is_empty());
                    body.0 = VecDeque::new();
                    mailbox.end_turn(body, true)
                }
                Step::Idle => return given_back,
                Step::Finish(_) | Step::Requeue => unreachable!(),
            };
        }
    }

    #[test]
    fn a_burst_leaves_no_memory_in_an_idle_mailbox() {
        let mailbox = Mailbox::default();
        mailbox.open(Handle(1), (), None);
        assert!(!mailbox.start(Box::new(Worked(VecDeque::new()))));
        for (messages, buffers) in [(2049, 1), (1, 0), (100_000, 1), (KEEP, 0)] {
            push(&mailbox, messages);
            assert_eq!(work(&mailbox, 0), buffers, "{messages} messages");
            push(&mailbox, messages);
            assert_eq!(
                work(&mailbox, messages),
                buffers * 2,
                "{messages} messages twice"
            );
            let mut inner = mailbox.lock();
            let batch = inner.body.as_mut().unwrap().0.capacity();
            assert!(inner.inbox.capacity() <= KEEP && batch <= KEEP);
        }
    }
}

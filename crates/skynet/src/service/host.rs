//! The kernel's side of an [`Actor`]: messages become tasks, and tasks are polled by whoever runs the service.
//!
//! ## What a message costs
//! Most handlers end at their first poll. So a message takes what it needs from what is there: a task gets a slot with
//! a waker that has served before; the handler's references to the actor and its [`Cx`], its [`Refs`], come back when
//! it ends, and so does the memory that its future lay in ([`FuturePool`]). Nothing is allocated, and no reference
//! counted. What a task waits for is noted with the slot's number ([`Calls`]), not with a waker, unless others wake it.
//!
//! ## Waking
//! A waker puts its task into the service's list of ready tasks, and rings its [`Doorbell`]. The worker that runs the
//! service empties the list at the end of the turn. If no worker runs it, the waker sends a message to the service's
//! own mailbox, one at a time, which makes a worker run it.
//!
//! The message is a RESPONSE with session 0 from the service itself, which nothing else uses; responses are never
//! refused by a full mailbox.
//!
//! A waker belongs to a slot, not to a task. One that is kept for longer than its task wakes the next one in the slot
//! for nothing, which tasks have to bear anyway.

use super::about::About;
use super::future_pool::{FuturePool, Method};
use super::panics::{self, discard};
use super::request::Request;
use super::sessions::Woken;
use super::shared::{Hold, Inbox, PollId, Shared, Spawned, TaskWaker};
use super::{Actor, Cx, Error};
use skynet_kernel::{Context, Departure, InitError, Message, Payload, Report, Service, kind, lock};
use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context as TaskContext, Poll, Waker};

/// Polls in one turn, after which other services are let before the rest.
const POLLS: usize = 128;

/// Free slots for tasks, and what handlers have given back, that a service keeps for the next burst.
const SPARE: usize = 64;

/// What a handler needs of its service while it runs.
pub(super) struct Refs<A> {
    pub(super) actor: Arc<A>,
    pub(super) cx: Cx,
}

enum Task<A> {
    /// A method of the actor.
    Method(Pin<Box<dyn Method<Refs<A>>>>),
    Spawned(Spawned),
}

/// A place for a task.
struct Slot<A> {
    task: Option<Task<A>>,
    about: About,
    waker: Waker,
}

/// A service of the kernel that runs an actor.
pub(super) struct Host<A> {
    actor: Arc<A>,
    /// Set by `init`.
    core: Option<Core<A>>,
    /// It ends when nobody holds its `Cx` any more.
    lent: bool,
    on_start: Option<OnStart>,
}

/// What is done once the actor's `started` has returned without an error.
pub(crate) type OnStart = Box<dyn FnOnce() + Send>;

/// The same, as soon as it has an address.
pub(super) struct Core<A> {
    actor: Arc<A>,
    pub(super) shared: Arc<Shared>,
    phase: Phase,
    on_start: Option<OnStart>,
    tasks: Vec<Slot<A>>,
    free: Vec<usize>,
    /// What has come back from handlers.
    idle_refs: Vec<Refs<A>>,
    pool: FuturePool,
    turn: PollId,
    /// Messages that came before `started` had returned. The kernel counts them as waiting.
    pub(super) held: VecDeque<Message>,
    /// What was taken from the inbox, and is polled next.
    spawned: VecDeque<(Spawned, About)>,
    woken: VecDeque<Arc<TaskWaker>>,
    /// The most that was taken at once since the service had nothing to do.
    taken: usize,
    /// The worker has come in by the bell's account.
    running: bool,
}

#[derive(PartialEq)]
enum Phase {
    /// With the arguments for `started`.
    New(String),
    Starting,
    Ready,
}

/// Ends an actor whose `started` does not come to its end: it has panicked, for what is caught there does no harm to
/// its task only, as elsewhere, but leaves an actor that nobody can use.
struct Start<'a> {
    cx: &'a Cx,
    complete: bool,
}

impl Drop for Start<'_> {
    fn drop(&mut self) {
        // If the service has been retired, it ends anyway.
        if !self.complete && !self.cx.context().retired() {
            let name = self.cx.context().description();
            self.cx.log(format!("error: {name} did not start"));
            self.cx.exit();
        }
    }
}

/// How an actor takes a message: what the label of its type is.
pub(super) struct Entry<A>(pub(super) fn(&mut Core<A>, Message));

impl<A> Entry<A> {
    fn run(&self, core: &mut Core<A>, message: Message) {
        (self.0)(core, message);
    }
}

impl<A: Actor> Host<A> {
    pub(super) fn new(actor: A) -> Host<A> {
        Host {
            actor: Arc::new(actor),
            core: None,
            lent: false,
            on_start: None,
        }
    }

    /// One that somebody waits for.
    pub(super) fn awaited(actor: A, on_start: OnStart) -> Host<A> {
        Host {
            on_start: Some(on_start),
            ..Host::new(actor)
        }
    }

    /// One that only lends its `Cx`, and ends when nobody holds it any more, nor a task runs.
    pub(super) fn lender(actor: A) -> Host<A> {
        Host {
            lent: true,
            ..Host::new(actor)
        }
    }

    /// Its hand on the node, once it has an address.
    pub(super) fn cx(&self) -> Option<Cx> {
        let shared = Hold::new(&self.core.as_ref()?.shared);
        Some(Cx { shared })
    }
}

impl<A: Actor> Core<A> {
    fn new(actor: &Arc<A>, context: &Arc<Context>, args: &str, lent: bool) -> Core<A> {
        let shared = Shared::new(context, lent);
        Core {
            actor: actor.clone(),
            phase: Phase::New(args.to_owned()),
            on_start: None,
            tasks: Vec::new(),
            free: Vec::new(),
            idle_refs: Vec::new(),
            pool: FuturePool::default(),
            turn: shared.current(),
            held: VecDeque::new(),
            spawned: VecDeque::new(),
            woken: VecDeque::new(),
            taken: 0,
            running: false,
            shared,
        }
    }

    /// What is needed to run a method.
    pub(super) fn refs(&mut self) -> Refs<A> {
        self.idle_refs.pop().unwrap_or_else(|| Refs {
            actor: self.actor.clone(),
            cx: Cx {
                shared: Hold::new(&self.shared),
            },
        })
    }

    /// Calls the actor's `started`, unless that has been done.
    fn begin(&mut self) {
        let Phase::New(args) = &mut self.phase else {
            return;
        };
        let args = std::mem::take(args);
        self.phase = Phase::Starting;
        let refs = self.refs();
        let on_start = self.on_start.take();
        let started = async move {
            let mut start = Start {
                cx: &refs.cx,
                complete: false,
            };
            let result = refs.actor.started(&refs.cx, &args).await;
            start.complete = true;
            drop(start);
            match result {
                Ok(()) => {
                    refs.cx.shared.ready.store(true, Ordering::Release);
                    if let Some(on_start) = on_start {
                        on_start();
                    }
                }
                Err(error) => {
                    let name = refs.cx.context().description();
                    refs.cx.log(format!("error: {name} did not start: {error}"));
                    let why = Departure::Init(error.to_string());
                    refs.cx.context().set_departure(why);
                    refs.cx.exit();
                }
            }
            refs
        };
        self.start(started, || About::of::<A>("started"));
    }

    /// Makes a task of a message.
    fn dispatch(&mut self, message: Message) {
        if let Some(label) = message.label() {
            return match label.downcast_ref::<Entry<A>>() {
                Some(entry) => entry.run(self, message),
                None => self.misdirected(message),
            };
        }
        if message.kind == kind::TRACE {
            // The tag of a request to come; there are no events to write for it.
            return;
        }
        let (source, session, kind) = (message.source, message.session, message.kind);
        let Refs { actor, cx } = self.refs();
        let request = Request::new(cx, message);
        let task = async move {
            let claim = request.claim();
            let result = if kind == kind::LUA {
                actor.request(request.cx(), &request).await
            } else {
                actor.message(request.cx(), &request).await
            };
            claim.conclude(result, |claim, values| claim.answer(&values));
            let cx = request.into_cx();
            Refs { actor, cx }
        };
        self.start(task, || {
            let method = match kind {
                kind::LUA => "request",
                _ => "message",
            };
            About::of::<A>(method).working_on(source, session)
        });
    }

    /// A value for an actor of another type.
    #[cold]
    fn misdirected(&self, message: Message) {
        let (context, source) = (&self.shared.context, message.source);
        context.log(format!(
            "error: a message from {source} is not one of {}",
            std::any::type_name::<A>()
        ));
        fail(context, &message);
        discard(context, "a message", message);
    }

    /// Polls a new task, and keeps it if it waits.
    #[inline]
    pub(super) fn start(
        &mut self,
        task: impl Future<Output = Refs<A>> + Send + 'static,
        about: impl FnOnce() -> About,
    ) {
        let slot = self.slot();
        let mut allocation = self.pool.take();
        allocation.set(Some(task));
        if self.poll(slot, Task::Method(allocation)) {
            self.tasks[slot].about = about();
        }
    }

    /// A free slot.
    fn slot(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            let slot = self.tasks.len();
            let state = Arc::new(TaskWaker {
                shared: Arc::downgrade(&self.shared),
                slot,
                queued: AtomicBool::new(false),
            });
            self.tasks.push(Slot {
                task: None,
                about: About::default(),
                waker: Waker::from(state),
            });
            slot
        })
    }

    /// Polls a task, and puts it into its slot if it waits; else the slot is free.
    fn poll(&mut self, slot: usize, task: Task<A>) -> bool {
        let place = &mut self.tasks[slot];
        let shared = &*self.shared;
        let mut cx = TaskContext::from_waker(&place.waker);
        self.turn = self.turn.next(slot);
        shared.current.store(self.turn.0, Ordering::Relaxed);
        shared
            .waker
            .store(place.waker.data() as usize, Ordering::Relaxed);
        // The destructors of a task are the application's code, and may panic, too.
        let (idle_refs, pool) = (&mut self.idle_refs, &mut self.pool);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            match task {
                Task::Method(mut method) => match method.as_mut().poll(&mut cx) {
                    Poll::Pending => return Some(Task::Method(method)),
                    Poll::Ready(refs) => {
                        if idle_refs.len() < SPARE {
                            idle_refs.push(refs);
                        }
                        method.recycle(pool);
                    }
                },
                Task::Spawned(mut future) => match future.as_mut().poll(&mut cx) {
                    Poll::Pending => return Some(Task::Spawned(future)),
                    Poll::Ready(()) => drop(future),
                },
            }
            None
        }));
        self.turn = self.turn.next(PollId::NO_SLOT);
        shared.current.store(self.turn.0, Ordering::Relaxed);
        shared.waker.store(0, Ordering::Relaxed);
        match outcome {
            Ok(Some(task)) => {
                place.task = Some(task);
                true
            }
            Ok(None) => {
                self.free.push(slot);
                false
            }
            Err(panic) => {
                self.free.push(slot);
                panics::of_task(&self.shared.context, panic);
                false
            }
        }
    }

    /// Polls the task in a slot, if there is one.
    fn resume(&mut self, slot: usize) {
        let task = self.tasks.get_mut(slot).and_then(|slot| slot.task.take());
        if let Some(task) = task {
            self.poll(slot, task);
        }
    }

    /// An answer, or the expiry of a timer.
    fn settle(&mut self, session: i32, result: Result<Payload, Error>) {
        match self.shared.settle(session, result) {
            Woken::Nobody(late) => discard(&self.shared.context, "an answer", late),
            Woken::Task(slot) => self.resume(slot),
            // Waking may run code of another runtime.
            Woken::Waker(waker) => waker.wake(),
        }
    }

    fn handle(&mut self, mut message: Message) {
        if !self.running {
            self.running = true;
            self.shared.bell.enter();
        }
        match message.kind {
            kind::RESPONSE | kind::ERROR if message.session == 0 => {
                if message.kind == kind::ERROR {
                    for session in self.shared.owed_by(message.source) {
                        self.settle(session, Err(Error::CallFailed));
                    }
                } else if message.source == self.shared.context.handle() {
                    self.shared.bell.answer();
                    self.begin();
                }
            }
            kind::RESPONSE => self.settle(message.session, Ok(message.take_payload())),
            kind::ERROR => self.settle(message.session, Err(Error::CallFailed)),
            _ if self.phase == Phase::Ready => self.dispatch(message),
            _ => {
                self.begin();
                self.held.push_back(message);
                self.shared.context.set_kept(self.held.len());
            }
        }
    }

    /// Polls what is ready until nothing is, or it is others' turn: after so many polls, or so much time.
    fn drain(&mut self) {
        let mut polls = 0;
        while !self.shared.context.retired() {
            if !self.poll_next() {
                self.running = false;
                self.tidy();
                return;
            }
            polls += 1;
            if polls >= POLLS || skynet_kernel::turn_is_over() {
                break;
            }
        }
        self.running = false;
        let work = self.shared.bell.leave();
        let left = !self.held.is_empty() && self.shared.ready.load(Ordering::Acquire)
            || !(self.spawned.is_empty() && self.woken.is_empty());
        if left || work {
            self.shared.notify();
        }
    }

    /// Polls one task: of a message that was held, a new one, or one that was woken. False: there is none, and whoever
    /// adds one from now on wakes the service.
    fn poll_next(&mut self) -> bool {
        loop {
            if self.phase == Phase::Starting && self.shared.ready.load(Ordering::Acquire) {
                // As long as messages are held, newer ones go behind them.
                if let Some(message) = self.held.pop_front() {
                    self.shared.context.set_kept(self.held.len());
                    self.dispatch(message);
                    return true;
                }
                self.held = VecDeque::new();
                self.phase = Phase::Ready;
            }
            if let Some((task, about)) = self.spawned.pop_front() {
                let slot = self.slot();
                if self.poll(slot, Task::Spawned(task)) {
                    self.tasks[slot].about = about;
                }
                return true;
            }
            if let Some(waker) = self.woken.pop_front() {
                // A waker that finds it set has stored its data before; this read sees them.
                waker.queued.swap(false, Ordering::AcqRel);
                self.resume(waker.slot);
                return true;
            }
            if !self.shared.bell.work_or_leave() {
                return false;
            }
            let mut inbox = lock(&self.shared.inbox);
            std::mem::swap(&mut inbox.ready, &mut self.woken);
            std::mem::swap(&mut inbox.spawned, &mut self.spawned);
            drop(inbox);
            self.taken = self.taken.max(self.woken.len() + self.spawned.len());
        }
    }

    /// Nothing is to be done now: gives back what a burst has left behind, and ends a service that nobody needs.
    #[inline]
    fn tidy(&mut self) {
        if self.tasks.len() > SPARE && self.free.len() > self.tasks.len() / 8 * 7 {
            self.drop_slots();
        }
        if self.taken > SPARE {
            self.drop_lists();
        }
        if let Some(holds) = &self.shared.holds {
            // These references hold the service, too.
            self.idle_refs.clear();
            let idle = self.free.len() == self.tasks.len();
            if idle && holds.load(Ordering::Acquire) == 0 && self.phase == Phase::Ready {
                self.shared.context.exit();
            }
        }
    }

    /// Drops the lists that were long; they are empty now, unless somebody adds to one of them.
    #[cold]
    fn drop_lists(&mut self) {
        (self.taken, self.woken, self.spawned) = Default::default();
        let mut inbox = lock(&self.shared.inbox);
        inbox.ready.shrink_to_fit();
        inbox.spawned.shrink_to_fit();
    }

    /// Most slots are free: drops those at the end.
    #[cold]
    fn drop_slots(&mut self) {
        let last = self.tasks.iter().rposition(|slot| slot.task.is_some());
        let keep = last.map_or(0, |last| last + 1).max(SPARE);
        if keep <= self.tasks.len() / 2 {
            self.tasks.truncate(keep);
            self.tasks.shrink_to_fit();
            self.free.retain(|&slot| slot < keep);
            self.free.shrink_to_fit();
        }
    }

    /// The tasks that wait, with their slots.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (usize, About)> {
        let all = self.tasks.iter().enumerate();
        all.filter(|(_, slot)| slot.task.is_some())
            .map(|(index, slot)| (index, slot.about))
    }
}

impl<A: Actor> Service for Host<A> {
    fn init(&mut self, cx: &Arc<Context>, param: &str) -> Result<(), InitError> {
        let core = self
            .core
            .insert(Core::new(&self.actor, cx, param, self.lent));
        core.on_start = self.on_start.take();
        // Makes a worker run the service, which calls `started`.
        core.shared.notify();
        Ok(())
    }

    fn handle(&mut self, _: &Arc<Context>, message: Message) {
        if let Some(core) = &mut self.core {
            core.handle(message);
        }
    }

    fn turn_end(&mut self, _: &Arc<Context>) {
        if let Some(core) = &mut self.core {
            core.drain();
        }
    }

    fn report(&mut self, stacks: bool) -> Option<Report> {
        Some(self.core.as_ref()?.look_in(stacks))
    }
}

impl<A> Drop for Core<A> {
    fn drop(&mut self) {
        let context = &self.shared.context;
        // Tasks go first: they may still send, and their claims fail with them.
        for slot in &mut self.tasks {
            discard(context, "a task", slot.task.take());
        }
        for message in self.held.drain(..) {
            fail(context, &message);
            discard(context, "a message", message);
        }
        let rest = std::mem::replace(
            &mut *lock(&self.shared.inbox),
            Inbox {
                closed: true,
                ..Inbox::default()
            },
        );
        // Without the lock, since tasks may come back to it while they are dropped.
        for (task, _) in self.spawned.drain(..).chain(rest.spawned) {
            discard(context, "a task", task);
        }
        let deferred = std::mem::take(&mut *lock(&self.shared.deferred));
        deferred
            .iter()
            .filter_map(Weak::upgrade)
            .for_each(|claim| claim.fail());
        self.shared.close();
    }
}

/// Answers a message, which nobody handles, with an error, if it is a request.
fn fail(context: &Context, message: &Message) {
    if message.is_request() {
        let _: Result<_, _> =
            context.send(message.source, kind::ERROR, message.session, Payload::EMPTY);
    }
}

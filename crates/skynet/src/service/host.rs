//! The kernel's side of an [`Actor`]: messages become tasks, and tasks are polled by whoever runs the service.
//!
//! ## What a message costs
//! Most handlers end at their first poll. So a message takes what it needs from what is there: a task gets a slot with a waker that
//! has served before; the handler's references to the actor and its [`Cx`], a [`Seat`], come back when it ends, and so does the room
//! that its future lay in ([`Spares`]). Nothing is allocated, and no reference counted. What a task waits for is noted with the slot's number ([`Calls`]), not with a waker, unless others wake it.
//!
//! ## Waking
//! A waker puts its task into the service's list of ready tasks. The worker that runs the service empties the list at the end of the
//! turn. If no worker runs it (`running` is false), the waker sends a message to the service's own mailbox, one
//! at a time (`notified`), which makes a worker run it. Nothing is lost between the two: a waker pushes, then reads `running`; a
//! worker clears `running`, then looks at the list, which is locked by both, so one of the two sees the other.
//!
//! The message is a RESPONSE with session 0 from the service itself, which nothing else uses; responses are never refused by
//! a full mailbox.
//!
//! A waker belongs to a slot, not to a task. One that is kept for longer than its task wakes the next one in the slot for nothing, which
//! tasks have to bear anyway.

use super::calls::{Calls, Woken, lock};
use super::panics::{self, discard};
use super::report::About;
use super::request::{Later, Request};
use super::rooms::{Method, Spares};
use super::typed::Entry;
use super::{Actor, Addr, Cx, Error};
use skynet_kernel::{
    Context, Handle, InitError, Lock, Message, Node, Payload, Report, Service, kind,
};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context as TaskContext, Poll, Wake, Waker};

/// Polls in one turn, after which other services are let before the rest.
const POLLS: usize = 128;

type Spawned = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a service's tasks, wakers and handles have in common.
pub(super) struct Shared {
    pub(super) context: Arc<Context>,
    pub(super) calls: Lock<Calls>,
    /// Claims that left their handlers, to be failed when the service ends.
    pub(super) deferred: Mutex<Vec<Weak<Later>>>,
    inbox: Mutex<Inbox>,
    /// There is something in the inbox, or has just been.
    work: AtomicBool,
    /// A worker is in the service and will look at the inbox.
    running: AtomicBool,
    /// A message to the own mailbox is on its way.
    notified: AtomicBool,
    /// `started` has returned.
    ready: AtomicBool,
    /// Which poll of which task is going on.
    current: AtomicU64,
    /// The data of that task's own waker.
    waker: AtomicUsize,
}

/// A poll of a task: in the low bits the task's slot, above them the number of the poll.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn(u64);

impl Turn {
    const SLOT_BITS: u32 = 24;
    /// No task.
    pub(super) const NOBODY: usize = (1 << Turn::SLOT_BITS) - 1;

    pub(super) fn slot(self) -> usize {
        self.0 as usize & Turn::NOBODY
    }

    fn next(self, slot: usize) -> Turn {
        // A slot beyond the bits has no number of its own; its tasks are woken by their wakers.
        let number = (self.0 >> Turn::SLOT_BITS) + 1;
        Turn(number << Turn::SLOT_BITS | slot.min(Turn::NOBODY) as u64)
    }
}

#[derive(Default)]
struct Inbox {
    ready: Vec<Arc<TaskWaker>>,
    spawned: Vec<(Spawned, About)>,
    /// The service is gone.
    closed: bool,
}

impl Shared {
    fn new(context: &Arc<Context>) -> Arc<Shared> {
        Arc::new(Shared {
            context: context.clone(),
            calls: Lock::default(),
            deferred: Mutex::default(),
            inbox: Mutex::default(),
            work: AtomicBool::new(false),
            running: AtomicBool::new(false),
            notified: AtomicBool::new(false),
            ready: AtomicBool::new(false),
            current: AtomicU64::new(Turn(0).next(Turn::NOBODY).0),
            waker: AtomicUsize::new(0),
        })
    }

    /// What is being polled. Only the thread that polls knows for sure.
    #[inline]
    pub(super) fn current(&self) -> Turn {
        Turn(self.current.load(Ordering::Relaxed))
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
            inbox.spawned.push((task, about));
        }
        self.notify();
    }

    /// Makes a worker look at the inbox.
    fn notify(&self) {
        self.work.store(true, Ordering::SeqCst);
        if !self.running.load(Ordering::SeqCst) && !self.notified.swap(true, Ordering::SeqCst) {
            // A service that is gone needs no waking.
            let _ = self
                .context
                .send(self.context.handle(), kind::RESPONSE, 0, Payload::EMPTY);
        }
    }
}

/// Wakes the task in a slot.
struct TaskWaker {
    /// Weak, since wakers may be kept by foreign code for longer than the service lives.
    shared: Weak<Shared>,
    slot: usize,
    /// It is in the list of ready tasks.
    queued: AtomicBool,
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
                inbox.ready.push(self);
            }
            shared.notify();
        }
    }
}

/// What a handler needs of its service while it runs.
pub(super) struct Seat<A> {
    pub(super) actor: Arc<A>,
    pub(super) cx: Cx,
}

enum Task<A> {
    /// A method of the actor.
    Method(Pin<Box<dyn Method<A>>>),
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
}

/// The same, as soon as it has an address.
pub(super) struct Core<A> {
    actor: Arc<A>,
    pub(super) shared: Arc<Shared>,
    phase: Phase,
    tasks: Vec<Slot<A>>,
    free: Vec<usize>,
    /// What has come back from handlers.
    seats: Vec<Seat<A>>,
    spares: Spares,
    turn: Turn,
    /// Messages that came before `started` had returned.
    pub(super) held: Vec<Message>,
    /// `Shared::running` has been set in this turn.
    running: bool,
}

#[derive(PartialEq)]
enum Phase {
    New,
    Starting,
    Ready,
}

impl<A: Actor> Host<A> {
    pub(super) fn new(actor: A) -> Host<A> {
        Host {
            actor: Arc::new(actor),
            core: None,
        }
    }

    /// Its hand on the node, once it has an address.
    pub(super) fn cx(&self) -> Option<Cx> {
        let shared = self.core.as_ref()?.shared.clone();
        Some(Cx { shared })
    }
}

impl<A: Actor> Core<A> {
    fn new(actor: &Arc<A>, context: &Arc<Context>) -> Core<A> {
        let shared = Shared::new(context);
        Core {
            actor: actor.clone(),
            phase: Phase::New,
            tasks: Vec::new(),
            free: Vec::new(),
            seats: Vec::new(),
            spares: Spares::default(),
            turn: shared.current(),
            held: Vec::new(),
            running: false,
            shared,
        }
    }

    /// What is needed to run a method.
    pub(super) fn seat(&mut self) -> Seat<A> {
        self.seats.pop().unwrap_or_else(|| Seat {
            actor: self.actor.clone(),
            cx: Cx {
                shared: self.shared.clone(),
            },
        })
    }

    /// Calls the actor's `started`.
    fn begin(&mut self, args: &[u8]) {
        self.phase = Phase::Starting;
        let args = String::from_utf8_lossy(args).into_owned();
        let seat = self.seat();
        let started = async move {
            match seat.actor.started(&seat.cx, &args).await {
                Ok(()) => seat.cx.shared.ready.store(true, Ordering::Release),
                Err(error) => {
                    let name = seat.cx.context().description();
                    seat.cx.log(format!("error: {name} did not start: {error}"));
                    seat.cx.exit();
                }
            }
            seat
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
        let Seat { actor, cx } = self.seat();
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
            Seat { actor, cx }
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
        task: impl Future<Output = Seat<A>> + Send + 'static,
        about: impl FnOnce() -> About,
    ) {
        let slot = self.slot();
        let mut room = self.spares.take();
        room.set(Some(task));
        if self.poll(slot, Task::Method(room)) {
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
        // The end of a task runs its destructors, which are its own code as well.
        let (seats, spares) = (&mut self.seats, &mut self.spares);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            match task {
                Task::Method(mut method) => match method.as_mut().poll(&mut cx) {
                    Poll::Pending => return Some(Task::Method(method)),
                    Poll::Ready(seat) => {
                        seats.push(seat);
                        method.recycle(spares);
                    }
                },
                Task::Spawned(mut future) => match future.as_mut().poll(&mut cx) {
                    Poll::Pending => return Some(Task::Spawned(future)),
                    Poll::Ready(()) => drop(future),
                },
            }
            None
        }));
        self.turn = self.turn.next(Turn::NOBODY);
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
                panics::of_task(&self.shared.context, &*panic);
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
            // Foreign code, perhaps.
            Woken::Waker(waker) => waker.wake(),
        }
    }

    fn handle(&mut self, mut message: Message) {
        if !self.running {
            self.running = true;
            // Who does not see it yet wakes for nothing, and no harm is done.
            self.shared.running.store(true, Ordering::Relaxed);
        }
        match message.kind {
            kind::RESPONSE | kind::ERROR if message.session == 0 => {
                if message.kind == kind::ERROR {
                    for session in self.shared.owed_by(message.source) {
                        self.settle(session, Err(Error::CallFailed));
                    }
                } else if message.source == self.shared.context.handle() {
                    self.shared.notified.store(false, Ordering::SeqCst);
                }
            }
            kind::RESPONSE => self.settle(message.session, Ok(message.take_payload())),
            kind::ERROR => self.settle(message.session, Err(Error::CallFailed)),
            _ => match self.phase {
                Phase::Ready => self.dispatch(message),
                Phase::Starting => self.held.push(message),
                Phase::New => self.begin(message.payload()),
            },
        }
    }

    /// Polls what is ready until nothing is, or it is others' turn.
    fn drain(&mut self) {
        let mut polls = 0;
        while !self.shared.context.retired() {
            if self.phase == Phase::Starting && self.shared.ready.load(Ordering::Acquire) {
                self.phase = Phase::Ready;
                for message in std::mem::take(&mut self.held) {
                    self.dispatch(message);
                }
            }
            if !self.shared.work.load(Ordering::SeqCst) {
                self.shared.running.store(false, Ordering::SeqCst);
                if !self.shared.work.load(Ordering::SeqCst) {
                    self.running = false;
                    return;
                }
                self.shared.running.store(true, Ordering::SeqCst);
            }
            self.shared.work.store(false, Ordering::SeqCst);
            let (ready, spawned) = {
                let mut inbox = lock(&self.shared.inbox);
                (
                    std::mem::take(&mut inbox.ready),
                    std::mem::take(&mut inbox.spawned),
                )
            };
            polls += ready.len() + spawned.len();
            for (task, about) in spawned {
                let slot = self.slot();
                if self.poll(slot, Task::Spawned(task)) {
                    self.tasks[slot].about = about;
                }
            }
            for waker in ready {
                // Who finds it set before has told what there is to see, and this reads it.
                waker.queued.swap(false, Ordering::AcqRel);
                self.resume(waker.slot);
            }
            if polls >= POLLS {
                break;
            }
        }
        self.running = false;
        self.shared.running.store(false, Ordering::SeqCst);
        if self.shared.work.load(Ordering::SeqCst) {
            self.shared.notify();
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
        self.core = Some(Core::new(&self.actor, cx));
        // Nobody else knows the handle yet, so this is the first message that is handled.
        cx.send(cx.handle(), kind::TEXT, 0, Payload::from(param))
            .map_err(|error| InitError::new(error.to_string()))
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
        for (task, _) in rest.spawned {
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

/// Starts an actor on a node, without a module: [`Cx::start`] for code that has no `Cx`.
///
/// # Errors
/// If there are too many services, or the node is about to stop; the log says why.
pub fn start<A: Actor>(node: &Node, actor: A) -> Result<Addr<A>, Error> {
    let name = std::any::type_name::<A>();
    let handle = node.launch_service(name, "", Box::new(Host::new(actor)));
    handle
        .map(Addr::new)
        .ok_or_else(|| format!("{name} did not start").into())
}

/// Answers a message, which nobody handles, with an error, if it is a request.
fn fail(context: &Context, message: &Message) {
    if message.is_request() {
        let _: Result<_, _> =
            context.send(message.source, kind::ERROR, message.session, Payload::EMPTY);
    }
}

/// Who has sent a message, and which answer they wait for; no session if none.
pub(super) fn origin(message: &Message) -> (Handle, i32) {
    match message.is_request() {
        true => (message.source, message.session),
        false => (message.source, 0),
    }
}

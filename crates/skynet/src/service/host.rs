//! The kernel's side of an [`Actor`]: messages become tasks, and tasks are polled by whoever runs the service.
//!
//! ## Waking
//! A waker puts its task into the service's list of ready tasks. The worker that runs the service empties the list before it gives
//! the service back. If no worker runs it (`running` is false), the waker sends a message to the service's own mailbox, one
//! at a time (`notified`), which makes a worker run it. Nothing is lost between the two: a waker pushes, then reads `running`; a
//! worker clears `running`, then looks at the list, which is locked by both, so one of the two sees the other.
//!
//! The message is a RESPONSE with session 0 from the service itself, which nothing else uses; responses are never refused by
//! a full mailbox.

use super::calls::{Calls, lock};
use super::report::About;
use super::request::{Claim, Request};
use super::{Actor, Cx, Error};
use skynet_kernel::{Context, InitError, Message, Payload, Report, Service, kind};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context as TaskContext, Poll, Wake, Waker};

/// Polls in one turn, after which other services are let before the rest.
const POLLS: usize = 128;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a service's tasks, wakers and handles have in common.
pub(super) struct Shared {
    pub(super) context: Arc<Context>,
    pub(super) calls: Mutex<Calls>,
    /// Claims that left their handlers, to be failed when the service ends.
    pub(super) deferred: Mutex<Vec<Weak<Claim>>>,
    inbox: Mutex<Inbox>,
    /// There is something in the inbox, or has just been.
    work: AtomicBool,
    /// A worker is in the service and will look at the inbox.
    running: AtomicBool,
    /// A message to the own mailbox is on its way.
    notified: AtomicBool,
    /// `started` has returned.
    ready: AtomicBool,
    /// Index of the task that is being polled, or [`NOBODY`].
    pub(super) current: AtomicUsize,
}

/// No task.
pub(super) const NOBODY: usize = usize::MAX;

#[derive(Default)]
struct Inbox {
    ready: Vec<Arc<TaskWaker>>,
    spawned: Vec<(Task, About)>,
    /// The service is gone.
    closed: bool,
}

impl Shared {
    pub(super) fn spawn(&self, task: Task, about: About) {
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

/// Wakes one task.
struct TaskWaker {
    /// Weak, since wakers may be kept by foreign code for longer than the service lives.
    shared: Weak<Shared>,
    /// Index of the task.
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

pub(super) struct Running {
    task: Task,
    waker: Arc<TaskWaker>,
    pub(super) about: About,
}

/// A service of the kernel that runs an actor.
pub(super) struct Host<A> {
    actor: Arc<A>,
    /// Set by `init`.
    pub(super) shared: Option<Arc<Shared>>,
    phase: Phase,
    pub(super) tasks: Vec<Option<Running>>,
    free: Vec<usize>,
    /// Requests that came before `started` had returned.
    pub(super) held: Vec<Request>,
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
            shared: None,
            phase: Phase::New,
            tasks: Vec::new(),
            free: Vec::new(),
            held: Vec::new(),
        }
    }

    /// Calls the actor's `started`.
    fn begin(&mut self, shared: &Arc<Shared>, args: &[u8]) {
        self.phase = Phase::Starting;
        let args = String::from_utf8_lossy(args).into_owned();
        let (actor, cx) = (
            self.actor.clone(),
            Cx {
                shared: shared.clone(),
            },
        );
        self.start(
            shared,
            Box::pin(async move {
                match actor.started(&cx, &args).await {
                    Ok(()) => cx.shared.ready.store(true, Ordering::Release),
                    Err(error) => {
                        cx.log(format!(
                            "error: {} did not start: {error}",
                            cx.context().description()
                        ));
                        cx.exit();
                    }
                }
            }),
            About::of::<A>("started"),
        );
    }

    /// Makes a task of a request.
    fn handle_request(&mut self, shared: &Arc<Shared>, request: Request) {
        let (actor, cx) = (
            self.actor.clone(),
            Cx {
                shared: shared.clone(),
            },
        );
        let about = match request.kind() {
            kind::LUA => About::of::<A>("request"),
            _ => About::of::<A>("message"),
        };
        let about = about.working_on(&request);
        self.start(
            shared,
            Box::pin(async move {
                let claim = request.claim();
                let (source, session) = (request.source(), request.session());
                let result = if request.kind() == kind::LUA {
                    actor.request(&cx, request).await
                } else {
                    actor.message(&cx, request).await
                };
                let result = match result {
                    Ok(values) if !claim.is_deferred() => claim.answer(&values),
                    Ok(_) => Ok(()),
                    Err(error) => {
                        claim.fail();
                        Err(error)
                    }
                };
                if let Err(error) = result
                    && !matches!(error, Error::NoService)
                {
                    cx.log(format!(
                        "error: request {session} from {source} failed: {error}"
                    ));
                }
            }),
            about,
        );
    }

    /// Polls a new task, and keeps it if it waits.
    fn start(&mut self, shared: &Arc<Shared>, task: Task, about: About) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.tasks.push(None);
            self.tasks.len() - 1
        });
        let queued = AtomicBool::new(false);
        let waker = Arc::new(TaskWaker {
            shared: Arc::downgrade(shared),
            slot,
            queued,
        });
        self.poll(shared, Running { task, waker, about });
    }

    fn poll(&mut self, shared: &Arc<Shared>, mut running: Running) {
        let slot = running.waker.slot;
        running.waker.queued.store(false, Ordering::Release);
        let waker = Waker::from(running.waker.clone());
        let mut cx = TaskContext::from_waker(&waker);
        shared.current.store(slot, Ordering::Relaxed);
        // The end of a task runs its destructors, which are its own code as well.
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            match running.task.as_mut().poll(&mut cx) {
                Poll::Pending => Some(running),
                Poll::Ready(()) => None,
            }
        }));
        shared.current.store(NOBODY, Ordering::Relaxed);
        match outcome {
            Ok(Some(running)) => self.tasks[slot] = Some(running),
            Ok(None) => self.free.push(slot),
            Err(panic) => {
                self.free.push(slot);
                let text = panic
                    .downcast_ref::<&str>()
                    .copied()
                    .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
                    .unwrap_or("no text");
                shared
                    .context
                    .log(format!(
                        "error: a task panicked: {text} (its request fails, the service goes on; RUST_BACKTRACE=1 shows where)"
                    ));
            }
        }
    }

    /// Polls what is ready until nothing is, or it is others' turn.
    fn drain(&mut self, shared: &Arc<Shared>) {
        let mut polls = 0;
        while !shared.context.retired() {
            if self.phase == Phase::Starting && shared.ready.load(Ordering::Acquire) {
                self.phase = Phase::Ready;
                for request in std::mem::take(&mut self.held) {
                    self.handle_request(shared, request);
                }
            }
            if !shared.work.swap(false, Ordering::SeqCst) {
                shared.running.store(false, Ordering::SeqCst);
                if !shared.work.load(Ordering::SeqCst) {
                    return;
                }
                shared.running.store(true, Ordering::SeqCst);
                continue;
            }
            let (ready, spawned) = {
                let mut inbox = lock(&shared.inbox);
                (
                    std::mem::take(&mut inbox.ready),
                    std::mem::take(&mut inbox.spawned),
                )
            };
            polls += ready.len() + spawned.len();
            for (task, about) in spawned {
                self.start(shared, task, about);
            }
            for waker in ready {
                let task = &mut self.tasks[waker.slot];
                // The slot may have another task by now.
                if task
                    .as_ref()
                    .is_some_and(|running| Arc::ptr_eq(&running.waker, &waker))
                    && let Some(running) = task.take()
                {
                    self.poll(shared, running);
                }
            }
            if polls >= POLLS {
                break;
            }
        }
        shared.running.store(false, Ordering::SeqCst);
        if shared.work.load(Ordering::SeqCst) {
            shared.notify();
        }
    }
}

impl<A: Actor> Service for Host<A> {
    fn init(&mut self, cx: &Arc<Context>, param: &str) -> Result<(), InitError> {
        self.shared = Some(Arc::new(Shared {
            context: cx.clone(),
            calls: Mutex::default(),
            deferred: Mutex::default(),
            inbox: Mutex::default(),
            work: AtomicBool::new(false),
            running: AtomicBool::new(false),
            notified: AtomicBool::new(false),
            ready: AtomicBool::new(false),
            current: AtomicUsize::new(NOBODY),
        }));
        // Nobody else knows the handle yet, so this is the first message that is handled.
        cx.send(cx.handle(), kind::TEXT, 0, Payload::from(param))
            .map_err(|error| InitError::new(error.to_string()))
    }

    fn handle(&mut self, _: &Arc<Context>, mut message: Message) {
        let Some(shared) = self.shared.clone() else {
            return;
        };
        shared.running.store(true, Ordering::SeqCst);
        match message.kind {
            kind::RESPONSE | kind::ERROR if message.session == 0 => {
                if message.kind == kind::ERROR {
                    shared.gone(message.source);
                } else if message.source == shared.context.handle() {
                    shared.notified.store(false, Ordering::SeqCst);
                }
            }
            kind::RESPONSE => shared.settle(message.session, Ok(message.take_payload())),
            kind::ERROR => shared.settle(message.session, Err(Error::CallFailed)),
            _ if self.phase == Phase::New => self.begin(&shared, message.payload()),
            _ => {
                let request = Request::new(&shared, message);
                match self.phase {
                    Phase::Ready => self.handle_request(&shared, request),
                    _ => self.held.push(request),
                }
            }
        }
        self.drain(&shared);
    }

    fn report(&mut self, stacks: bool) -> Option<Report> {
        Some(self.look_in(stacks))
    }
}

impl<A> Drop for Host<A> {
    fn drop(&mut self) {
        let Some(shared) = self.shared.take() else {
            return;
        };
        // Tasks go first: they may still send, and their claims fail with them.
        self.tasks.clear();
        self.held.clear();
        let rest = std::mem::replace(
            &mut *lock(&shared.inbox),
            Inbox {
                closed: true,
                ..Inbox::default()
            },
        );
        // Without the lock, since tasks may come back to it while they are dropped.
        drop(rest);
        let deferred = std::mem::take(&mut *lock(&shared.deferred));
        deferred
            .iter()
            .filter_map(Weak::upgrade)
            .for_each(|claim| claim.fail());
        shared.close();
    }
}

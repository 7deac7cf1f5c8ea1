//! A node: services, workers, timers, names and environment, with everything that ties them
//! together.
//!
//! Nothing here is global, so several nodes can live in one process. Threads and contexts hold the
//! node; it goes on until its last service has gone, whether or not anybody else keeps an `Arc` of
//! it.
//!
//! # Stopping
//! A node stops when no live service is left, or on request ([`Node::shutdown`]). Services are
//! retired in the order of their handles and dropped by workers; the log service comes last and
//! handles what was sent to it before. Then the workers and the timer thread leave.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_utils::CachePadded;

use crate::builder::Settings;
use crate::clock::{self, Clock};
use crate::context::{Context, RETIRED};
use crate::error::{EnvExists, Error, SendError};
use crate::globals::Globals;
use crate::mailbox::{Limit, Pushed, Refusal};
use crate::message::{Handle, Message, Payload, kind};
use crate::monitor::Desk;
use crate::registry::Registry;
use crate::scheduler::{Runner, Scheduler};
use crate::service::{Factory, Mailbox, Resident};
use crate::timer::{self, Timers};
use crate::wheel::TimerKey;
use crate::worker::{self, Local, panic_text};

/// Name of the service that gets log lines.
const LOGGER: &str = "logger";

/// A running node. Made by [`Node::builder`]. See the module's description.
///
/// It must be stopped by [`shutdown`](Node::shutdown) and [`wait`](Node::wait) (or by the exit of
/// all its services) before it is dropped for good: its own threads and services keep it alive.
pub struct Node {
    this: Weak<Node>,
    registry: Registry<Resident>,
    pub(crate) scheduler: Scheduler<Mailbox>,
    pub(crate) timers: Timers,
    pub(crate) clock: Clock,
    /// What each worker is doing.
    pub(crate) desks: Box<[CachePadded<Desk>]>,
    pub(crate) monitor_interval: Duration,
    /// Time of the timer thread's last tick, as a message stamp. Alone on its cache line, which all
    /// senders read.
    pub(crate) tick_stamp: CachePadded<AtomicU32>,
    profile: bool,
    harbor: u8,
    limit: Option<Limit>,
    modules: RwLock<HashMap<String, Factory>>,
    env: RwLock<HashMap<String, String>>,
    /// The service named `logger`, or 0: log lines should not cost a search by name.
    logger: AtomicU32,
    /// The service that is told about exits, or 0.
    exit_monitor: AtomicU32,
    census: Mutex<Census>,
    pub(crate) globals: Globals,
    gate: Gate,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// How many services there are.
#[derive(Default)]
struct Census {
    /// Those that keep the node running.
    live: usize,
    /// All that have not been dropped yet.
    contexts: usize,
    stopping: bool,
}

/// What threads wait for: the start before they begin, and the end in `wait`.
#[derive(Default)]
struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Default)]
struct GateState {
    open: bool,
    done: bool,
}

impl Gate {
    fn set(&self, change: impl FnOnce(&mut GateState)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    fn wait(&self, reached: impl Fn(&GateState) -> bool) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        drop(
            self.changed
                .wait_while(state, |state| !reached(state))
                .unwrap_or_else(PoisonError::into_inner),
        );
    }
}

/// What is known about one service; see [`Node::services`].
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct ServiceInfo {
    /// Its address.
    pub handle: Handle,
    /// The module that it was launched from.
    pub module: String,
    /// How it describes itself.
    pub description: String,
    /// Messages that wait.
    pub mqlen: usize,
    /// Messages handled.
    pub messages: u64,
    /// Seconds spent; 0 without profiling.
    pub cpu_seconds: f64,
}

/// What is known about one worker; see [`Node::workers`].
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct WorkerInfo {
    /// Turns begun.
    pub turns: u64,
    /// How often it ran out of work.
    pub parks: u64,
    /// Is it asleep now?
    pub parked: bool,
    /// Whose message it handles now, if any.
    pub current: Handle,
}

impl Node {
    /// Assembles a node from settings; see [`NodeBuilder::start`](crate::NodeBuilder::start).
    pub(crate) fn start(settings: Settings) -> Result<Arc<Node>, Error> {
        let threads = settings.threads;
        if !(1..=1024).contains(&threads) {
            return Err(Error::Threads(threads));
        }
        let (scheduler, runners) = Scheduler::new(threads);
        let node = Arc::new_cyclic(|this| Node {
            this: this.clone(),
            registry: Registry::new(settings.harbor),
            scheduler,
            timers: Timers::new(),
            clock: Clock::new(),
            desks: (0..threads).map(|_| CachePadded::default()).collect(),
            monitor_interval: settings.monitor_interval,
            tick_stamp: CachePadded::new(AtomicU32::new(clock::stamp())),
            profile: settings.profile,
            harbor: settings.harbor,
            limit: settings.limit,
            modules: RwLock::new(settings.modules),
            env: RwLock::new(settings.env),
            logger: AtomicU32::new(0),
            exit_monitor: AtomicU32::new(0),
            census: Mutex::default(),
            globals: Globals::default(),
            gate: Gate::default(),
            threads: Mutex::default(),
        });
        let (module, param) = &settings.log_service;
        let Some(logger) = node.launch(Handle::NONE, module, param.as_deref().unwrap_or("")) else {
            return Err(Error::LogService(module.clone()));
        };
        node.register_name(LOGGER, logger);
        if let Err(error) = node.spawn(runners) {
            // Those that were started must leave, and the logger must let go of the node.
            node.shutdown();
            node.scheduler.stop();
            node.wait();
            return Err(Error::Spawn(error));
        }
        Ok(node)
    }

    fn spawn(self: &Arc<Node>, runners: Vec<Runner<Mailbox>>) -> std::io::Result<()> {
        let mut threads = lock(&self.threads);
        let mut start = |name: String, body: Box<dyn FnOnce(Arc<Node>) + Send>| {
            let node = self.clone();
            let thread = thread::Builder::new().name(name).spawn(move || {
                node.gate.wait(|gate| gate.open);
                body(node);
            });
            thread.map(|thread| threads.push(thread))
        };
        start("timer".into(), Box::new(|node| timer::run(&node)))?;
        for runner in runners {
            start(
                format!("worker-{}", runner.index()),
                Box::new(move |node| worker::run(node, runner)),
            )?;
        }
        Ok(())
    }

    /// Lets the workers and the timer begin. Before that services can be launched and messages
    /// sent, but nothing is dispatched.
    pub fn run(&self) {
        self.gate.set(|gate| gate.open = true);
    }

    /// Blocks until no service is left and all threads of the node have left. Not to be called from
    /// a service.
    pub fn wait(&self) {
        self.gate.wait(|gate| gate.done);
        let mut threads = lock(&self.threads);
        for thread in threads.drain(..) {
            // A worker catches panics of services; should one die of its own, the node has nothing
            // to add.
            let _ = thread.join();
        }
    }

    /// Stops the node in good order; see the module's description. Returns at once: use
    /// [`wait`](Node::wait) for the end.
    pub fn shutdown(&self) {
        self.begin_stop();
        self.run();
    }

    /// The command `ABORT`: the same as [`shutdown`](Node::shutdown).
    pub fn abort(&self) {
        self.shutdown();
    }

    // ---- messages

    /// Sends a message.
    #[inline]
    pub fn send(
        &self,
        source: Handle,
        dest: Handle,
        kind: u8,
        session: i32,
        payload: Payload,
    ) -> Result<(), SendError> {
        let mut message = Message::new(kind, source, session, payload);
        let Some(mailbox) = self.registry.find(dest) else {
            return Err(SendError::NoService);
        };
        let local = Local::of(self);
        message.stamp = local.map_or_else(clock::stamp, Local::stamp);
        match mailbox.push(dest, message, || self.exempt(dest, kind)) {
            Ok(Pushed { schedule, warn }) => {
                if schedule {
                    self.schedule(local, mailbox);
                }
                if let Some(local) = local {
                    self.scheduler.sent(&local.runner);
                }
                if warn != 0 {
                    self.warn_full(dest, warn);
                }
                Ok(())
            }
            Err(Refusal::Gone) => Err(SendError::NoService),
            Err(Refusal::Full(limit)) => Err(SendError::Refused { limit }),
        }
    }

    #[inline]
    fn schedule(&self, local: Option<&Local>, mailbox: &Mailbox) {
        let task = NonNull::from(mailbox);
        match local {
            Some(local) => self.scheduler.schedule(&local.runner, task),
            None => self.scheduler.submit(task),
        }
    }

    /// Sends messages of the runtime itself; they are not subject to limits. False if the receiver
    /// does not exist.
    pub(crate) fn push_all(&self, dest: Handle, messages: impl Iterator<Item = Message>) -> bool {
        let Some(mailbox) = self.registry.find(dest) else {
            return false;
        };
        let local = Local::of(self);
        let stamp = local.map_or_else(clock::stamp, Local::stamp);
        let stamped = messages.map(|mut message| {
            message.stamp = stamp;
            message
        });
        match mailbox.push_all(dest, stamped) {
            Some(true) => self.schedule(local, mailbox),
            Some(false) => {}
            None => return false,
        }
        true
    }

    /// Messages that no limit applies to: answers, and what the runtime depends on.
    fn exempt(&self, dest: Handle, kind: u8) -> bool {
        matches!(kind, kind::RESPONSE | kind::ERROR | kind::SYSTEM)
            || kind == kind::TEXT && dest.0 == self.logger.load(Relaxed)
    }

    #[cold]
    fn warn_full(&self, dest: Handle, length: usize) {
        self.log(
            dest,
            format!("error: Mailbox over its limit, message queue length = {length}").as_bytes(),
        );
    }

    /// Sends a line to the service named `logger`; dropped if there is none.
    pub fn log(&self, source: Handle, text: &[u8]) {
        let logger = Handle(self.logger.load(Relaxed));
        let message = Message::new(kind::TEXT, source, 0, Payload::from_slice(text));
        self.push_all(logger, std::iter::once(message));
    }

    /// Asks the log service to open its file anew, after somebody has moved it away.
    pub fn reopen_log(&self) {
        let logger = Handle(self.logger.load(Relaxed));
        self.push_all(
            logger,
            std::iter::once(Message::new(kind::SYSTEM, Handle::NONE, 0, Payload::EMPTY)),
        );
    }

    // ---- services

    /// Makes a module known, or replaces it.
    pub fn add_module(&self, name: &str, factory: Factory) {
        write(&self.modules).insert(name.to_owned(), factory);
    }

    /// Starts a service. Problems are logged; those that do not concern the new service itself with
    /// `source`.
    pub fn launch(&self, source: Handle, module: &str, param: &str) -> Option<Handle> {
        let factory = read(&self.modules).get(module).cloned();
        let Some(factory) = factory else {
            self.log(
                source,
                format!("error: launch {module} FAILED: there is no such module").as_bytes(),
            );
            return None;
        };
        let mut service = match catch_unwind(AssertUnwindSafe(|| factory())) {
            Ok(service) => service,
            Err(panic) => {
                let line = format!("error: launch {module} FAILED: {}", panic_text(&*panic));
                self.log(source, line.as_bytes());
                return None;
            }
        };
        let mut context = None;
        let allocated = self.registry.allocate(|handle, mailbox| {
            let node = self.this.upgrade().expect("a node that is used is alive");
            let new = Arc::new(Context::new(
                node,
                handle,
                NonNull::from(mailbox),
                module,
                param,
            ));
            mailbox.open(handle, new.clone(), self.limit);
            let mut census = lock(&self.census);
            census.live += 1;
            census.contexts += 1;
            context = Some(new);
        });
        let ((handle, mailbox), Some(context)) = (allocated?, context) else {
            return None;
        };
        // SAFETY: mailboxes live as long as the registry.
        let mailbox = unsafe { mailbox.as_ref() };
        if let Some(interrupt) = service.interrupts() {
            context.set_interrupt(interrupt);
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| service.init(&context, param)));
        let failure = match outcome {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(panic) => Some(format!("panicked: {}", panic_text(&*panic))),
        };
        let resident = Box::new(Resident {
            service,
            context,
            batch: Default::default(),
        });
        if let Some(reason) = failure {
            if !reason.is_empty() {
                resident.context.log(format!("error: {reason}"));
            }
            resident
                .context
                .log(format!("error: launch {module} FAILED"));
            self.retire(handle, false);
            // Somebody else may be about to retire it, and not have come to the mailbox yet.
            mailbox.retire(handle, false);
            self.finish(*resident, mailbox);
            return None;
        }
        let killed = resident.context.retired();
        if !killed {
            resident.context.log(format!("LAUNCH {module} {param}"));
        }
        if mailbox.start(resident) {
            self.schedule(Local::of(self), mailbox);
        }
        (!killed).then_some(handle)
    }

    /// The command `KILL`: logs it in the name of `by`, tells the exit monitor, and retires the
    /// service.
    pub fn kill(&self, by: Handle, target: Handle) {
        self.log(by, format!("KILL :{:x}", target.0).as_bytes());
        self.dismiss(target);
    }

    /// Retires a service after telling the exit monitor.
    pub(crate) fn dismiss(&self, handle: Handle) {
        let monitor = Handle(self.exit_monitor.load(Relaxed));
        if !monitor.is_none() && self.registry.find(handle).is_some() {
            self.push_all(
                monitor,
                std::iter::once(Message::new(kind::CLIENT, handle, 0, Payload::EMPTY)),
            );
        }
        self.retire(handle, false);
    }

    /// Makes a service unreachable and sees to it that a worker drops it.
    fn retire(&self, handle: Handle, drain: bool) {
        let Some(mailbox) = self.registry.remove(handle) else {
            return;
        };
        let _ = self.logger.compare_exchange(handle.0, 0, Relaxed, Relaxed);
        let _ = self
            .exit_monitor
            .compare_exchange(handle.0, 0, Relaxed, Relaxed);
        let context = mailbox.card(handle);
        let schedule = mailbox.retire(handle, drain);
        if let Some(context) = context
            && !drain
        {
            context.set_flag(RETIRED, true);
        }
        if schedule == Some(true) {
            self.schedule(Local::of(self), mailbox);
        }
    }

    /// Drops a retired service and answers what it never handled. Only for whoever holds the
    /// service.
    pub(crate) fn finish(&self, resident: Resident, mailbox: &Mailbox) {
        let Resident {
            service,
            context,
            batch,
        } = resident;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(service))) {
            context.log(format!(
                "error: {} panicked while it was dropped: {}",
                context.description(),
                panic_text(&*panic)
            ));
        }
        context.set_flag(RETIRED, true);
        crate::msglog::finish(&context);
        for message in batch.into_iter().chain(mailbox.remains()) {
            self.answer_dropped(context.handle(), &message);
        }
        mailbox.progress().waiting.store(0, Relaxed);
        mailbox.clear();
        self.registry.recycle(NonNull::from(mailbox));
        self.left(context.counted());
    }

    /// Tells the sender of a message that it was never handled. A request fails; for anything else
    /// the sender learns that the service has gone (session 0): the session of an answer is the
    /// receiver's, and would be mistaken for one of the sender's own.
    fn answer_dropped(&self, dead: Handle, message: &Message) {
        if !message.source.is_none() {
            let session = if message.is_request() {
                message.session
            } else {
                0
            };
            self.push_all(
                message.source,
                std::iter::once(Message::new(kind::ERROR, dead, session, Payload::EMPTY)),
            );
        }
    }

    /// All handles, in ascending order.
    pub fn handles(&self) -> Vec<Handle> {
        self.registry.handles()
    }

    /// The context of a service.
    pub fn context(&self, handle: Handle) -> Option<Arc<Context>> {
        self.registry.find(handle)?.card(handle)
    }

    /// What is known about all services, in the order of their handles.
    pub fn services(&self) -> Vec<ServiceInfo> {
        let contexts = self
            .handles()
            .into_iter()
            .filter_map(|handle| self.context(handle));
        contexts
            .map(|context| ServiceInfo {
                handle: context.handle(),
                module: context.module().to_owned(),
                description: context.description(),
                mqlen: context.mqlen(),
                messages: context.messages(),
                cpu_seconds: context.cpu_seconds(),
            })
            .collect()
    }

    /// The command `SIGNAL`. False if there is no such service, or it does not listen.
    pub fn signal(&self, handle: Handle, number: i32) -> bool {
        let Some(context) = self.context(handle) else {
            return false;
        };
        let Some(interrupt) = context.interrupt() else {
            return false;
        };
        interrupt.signal(number);
        true
    }

    /// Makes a service the exit monitor: it gets an empty CLIENT message from every service that
    /// exits or is killed.
    pub fn set_monitor(&self, handle: Handle) {
        self.exit_monitor.store(handle.0, Relaxed);
    }

    /// The exit monitor.
    pub fn monitor(&self) -> Option<Handle> {
        Some(Handle(self.exit_monitor.load(Relaxed))).filter(|handle| !handle.is_none())
    }

    // ---- names and environment

    /// Finds `.name` or reads `:hex`. Any other form is a name that only other nodes could know:
    /// `None`.
    pub fn resolve(&self, address: &str) -> Option<Handle> {
        match address.strip_prefix('.') {
            Some(name) => self.find_name(name),
            None => Handle::parse(address),
        }
    }

    /// Gives a service a name (without dot). False if the name is taken, or there is no such
    /// service.
    pub fn register_name(&self, name: &str, handle: Handle) -> bool {
        let bound = self.registry.bind(name, handle);
        if bound && name == LOGGER {
            self.logger.store(handle.0, Relaxed);
        }
        bound
    }

    /// Who has a name (without dot).
    pub fn find_name(&self, name: &str) -> Option<Handle> {
        self.registry.named(name)
    }

    /// All names (without dots), sorted, with their owners.
    pub fn names(&self) -> Vec<(String, Handle)> {
        self.registry.names()
    }

    /// A value of the node's environment.
    pub fn getenv(&self, key: &str) -> Option<String> {
        read(&self.env).get(key).cloned()
    }

    /// Sets a value that does not exist yet.
    pub fn setenv(&self, key: &str, value: &str) -> Result<(), EnvExists> {
        use std::collections::hash_map::Entry;
        match write(&self.env).entry(key.to_owned()) {
            Entry::Occupied(entry) => Err(EnvExists(entry.key().clone())),
            Entry::Vacant(entry) => {
                entry.insert(value.to_owned());
                Ok(())
            }
        }
    }

    /// Runs a text command in the name of a service; see [`crate::command`].
    pub fn command(&self, cx: &Context, command: &str, param: &str) -> Option<String> {
        crate::command::Command::parse(command, param)?.run(self, cx)
    }

    // ---- time

    /// Centiseconds since the start, beginning with the centisecond fraction of the wall clock at
    /// that moment.
    pub fn now_cs(&self) -> u64 {
        self.clock.now_cs()
    }

    /// When the node was started, in whole UTC seconds since 1970.
    pub fn starttime(&self) -> u32 {
        self.clock.starttime()
    }

    /// Nanoseconds of the monotonic clock.
    pub fn hpc_ns(&self) -> u64 {
        clock::monotonic_ns()
    }

    /// Cancels a timer of [`Context::timeout`]. True: its message will never arrive.
    pub fn cancel_timer(&self, key: TimerKey) -> bool {
        self.timers.cancel(key)
    }

    // ---- facts

    /// The node's number; 0 for a single node.
    pub fn harbor(&self) -> u8 {
        self.harbor
    }

    /// Does a handle belong to another node?
    pub fn is_remote(&self, handle: Handle) -> bool {
        handle.harbor() != 0 && handle.harbor() != self.harbor
    }

    /// Number of workers.
    pub fn threads(&self) -> usize {
        self.desks.len()
    }

    /// Is the time that services take accounted for?
    #[inline]
    pub fn profile(&self) -> bool {
        self.profile
    }

    /// What the workers are doing.
    pub fn workers(&self) -> Vec<WorkerInfo> {
        let worker = |(index, desk): (usize, &CachePadded<Desk>)| {
            let (turns, parks) = self.scheduler.counters(index);
            let parked = self.scheduler.parking().is_parked(index);
            WorkerInfo {
                turns,
                parks,
                parked,
                current: Handle(desk.dest.load(Relaxed)),
            }
        };
        self.desks.iter().enumerate().map(worker).collect()
    }

    // ---- stopping

    /// A service does not count as live any more, though it stays.
    pub(crate) fn uncount(&self) {
        let last = {
            let mut census = lock(&self.census);
            census.live -= 1;
            census.live == 0
        };
        if last {
            self.begin_stop();
        }
    }

    /// A service has been dropped.
    fn left(&self, counted: bool) {
        let last = {
            let mut census = lock(&self.census);
            census.contexts -= 1;
            census.live -= usize::from(counted);
            census.live == 0
        };
        if last {
            self.begin_stop();
        }
        self.go_on_stopping();
    }

    fn begin_stop(&self) {
        if std::mem::replace(&mut lock(&self.census).stopping, true) {
            return;
        }
        let handles = self.registry.close();
        let logger = self.logger.load(Relaxed);
        for handle in handles.into_iter().filter(|handle| handle.0 != logger) {
            self.retire(handle, false);
        }
        self.go_on_stopping();
    }

    /// The next step, when a service has left: the logger goes when it is the only one, the threads
    /// go when nobody is left.
    fn go_on_stopping(&self) {
        let left = {
            let census = lock(&self.census);
            if !census.stopping {
                return;
            }
            census.contexts
        };
        match left {
            0 => {
                self.scheduler.stop();
                self.gate.set(|gate| (gate.open, gate.done) = (true, true));
            }
            1 => self.retire(Handle(self.logger.load(Relaxed)), true),
            _ => {}
        }
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("harbor", &self.harbor)
            .field("threads", &self.threads())
            .finish_non_exhaustive()
    }
}

// Nothing leaves these locks' content half changed, so a panic while one was held does not matter.

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

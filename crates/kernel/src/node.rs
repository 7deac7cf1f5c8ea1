//! A node: services, workers, timers, names and environment, with everything that ties them
//! together.
//!
//! Nothing here is global, so several nodes can live in one process. Threads and contexts hold the
//! node; it goes on until its last service has gone, whether or not anybody else keeps an `Arc` of
//! it.

use std::collections::HashMap;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, RwLock, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_utils::CachePadded;

use crate::builder::Settings;
use crate::clock::{self, Clock};
use crate::context::Context;
use crate::error::{EnvExists, Error, SendError};
use crate::globals::Globals;
use crate::inflow;
use crate::leaving::Leaving;
use crate::lifecycle::{Census, Gate};
use crate::mailbox::{Limit, Pushed, Refusal};
use crate::message::{Handle, Message, Payload, kind};
use crate::monitor::Activity;
use crate::network::Network;
use crate::poison::{lock, read, write};
use crate::registry::Registry;
use crate::scheduler::{Runner, Scheduler};
use crate::service::{Factory, Mailbox, ModuleLoader, Resident};
use crate::timer::{self, Expiry};
use crate::timers::{TimerKey, Timers};
use crate::worker::{self, Local};

/// Stack of a worker. What a service's language needs on the machine stack is laid out for that of
/// a main thread (8 MB); debug builds need more. Only what is touched takes memory.
const STACK: usize = 16 << 20;

/// Name of the service that gets log lines.
const LOGGER: &str = "logger";

// What is written while services run is padded, so that it shares no cache line with what every message reads.
/// A running node. Made by [`Node::builder`]. See the module's description.
///
/// It must be stopped by [`shutdown`](Node::shutdown) and [`wait`](Node::wait) (or by the exit of
/// all its services) before it is dropped for good: its own threads and services keep it alive.
pub struct Node {
    pub(crate) this: Weak<Node>,
    pub(crate) registry: CachePadded<Registry<Resident>>,
    pub(crate) scheduler: CachePadded<Scheduler<Mailbox>>,
    pub(crate) timers: Timers<Expiry>,
    pub(crate) clock: Clock,
    /// What each worker is doing.
    pub(crate) activities: Box<[CachePadded<Activity>]>,
    pub(crate) monitor_interval: Duration,
    /// Time of the timer thread's last tick, as a message stamp. Alone on its cache line, which all
    /// senders read.
    pub(crate) tick_stamp: CachePadded<AtomicU32>,
    profile: bool,
    harbor: u8,
    pub(crate) network: Option<Arc<dyn Network>>,
    pub(crate) limit: Option<Limit>,
    modules: CachePadded<RwLock<HashMap<String, Factory>>>,
    loader: Option<ModuleLoader>,
    env: CachePadded<RwLock<HashMap<String, String>>>,
    /// The service named `logger`, or 0: log lines should not cost a search by name.
    pub(crate) logger: AtomicU32,
    /// The service that is told about exits, or 0.
    pub(crate) exit_monitor: AtomicU32,
    pub(crate) relief: inflow::Listeners,
    pub(crate) ends: inflow::Listeners,
    pub(crate) census: CachePadded<Mutex<Census>>,
    pub(crate) leaving: Leaving,
    pub(crate) globals: CachePadded<Globals>,
    pub(crate) gate: Gate,
    pub(crate) threads: Mutex<Vec<JoinHandle<()>>>,
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
    /// Seconds spent, with the current message; 0 without profiling.
    pub cpu_seconds: f64,
    /// Bytes of memory, if it is known.
    pub memory: Option<usize>,
    /// It has ended, and cannot be reached any more, but has not come back from its last message, or no worker has come
    /// for it yet.
    pub leaving: bool,
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
    /// For how long it has handled that message (without profiling: since its turn began).
    pub busy: Duration,
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
            registry: CachePadded::new(Registry::new(settings.harbor)),
            scheduler: CachePadded::new(scheduler),
            timers: Timers::new(threads),
            clock: Clock::new(),
            activities: (0..threads).map(|_| CachePadded::default()).collect(),
            monitor_interval: settings.monitor_interval,
            tick_stamp: CachePadded::new(AtomicU32::new(clock::stamp())),
            profile: settings.profile,
            harbor: settings.harbor,
            network: settings.network,
            limit: settings.limit,
            modules: CachePadded::new(RwLock::new(settings.modules)),
            loader: settings.loader,
            env: CachePadded::new(RwLock::new(settings.env)),
            logger: AtomicU32::new(0),
            exit_monitor: AtomicU32::new(0),
            relief: inflow::Listeners::default(),
            ends: inflow::Listeners::default(),
            census: CachePadded::default(),
            leaving: Leaving::default(),
            globals: CachePadded::default(),
            gate: Gate::default(),
            threads: Mutex::default(),
        });
        // Threads first: they wait until `run`, and if one of them cannot be had, no service exists
        // yet that only a worker could drop.
        let started = node.spawn(runners).map_err(Error::Spawn).and_then(|()| {
            let (module, param) = &settings.log_service;
            node.try_launch(Handle::NONE, module, param.as_deref().unwrap_or(""))
                .map_err(|reason| Error::LogService {
                    module: module.clone(),
                    reason,
                })
        });
        match started {
            Ok(logger) => {
                node.register_name(LOGGER, logger);
                Ok(node)
            }
            Err(error) => {
                node.halt();
                node.wait();
                Err(error)
            }
        }
    }

    fn spawn(self: &Arc<Node>, runners: Vec<Runner<Mailbox>>) -> std::io::Result<()> {
        let mut threads = lock(&self.threads);
        let mut start = |name: String, body: Box<dyn FnOnce(Arc<Node>) + Send>| {
            let node = self.clone();
            let thread = thread::Builder::new()
                .name(name)
                .stack_size(STACK)
                .spawn(move || {
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

    // ---- messages

    /// Sends a message.
    #[inline(never)]
    pub fn send(
        &self,
        source: Handle,
        dest: Handle,
        kind: u8,
        session: i32,
        payload: Payload,
    ) -> Result<(), SendError> {
        self.send_marked(source, dest, kind, session, payload, false)
    }

    /// As [`send`](Self::send), for somebody outside of the node: what waits for the receiver counts as what comes from
    /// sockets does, and whoever reads for that somebody is to stop while there is too much of it
    /// ([`congest`](Self::congest)).
    pub fn send_from_outside(
        &self,
        source: Handle,
        dest: Handle,
        kind: u8,
        session: i32,
        payload: Payload,
    ) -> Result<(), SendError> {
        self.send_marked(source, dest, kind, session, payload, true)
    }

    #[inline(always)]
    fn send_marked(
        &self,
        source: Handle,
        dest: Handle,
        kind: u8,
        session: i32,
        payload: Payload,
        outside: bool,
    ) -> Result<(), SendError> {
        let Some(mailbox) = self.registry.find(dest) else {
            let message = Message::new(kind, source, session, payload);
            return self.send_away(dest, message);
        };
        let local = Local::of(self);
        let stamp = local.map_or_else(clock::stamp, Local::stamp);
        let fill = |place: &mut Message| {
            place.become_new(kind, source, session, payload, stamp);
            if outside {
                place.outside = true;
            }
        };
        match mailbox.push(dest, fill, || self.exempt(dest, kind)) {
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
            Err(Refusal::Full { limit, refused }) => {
                if refused != 0 {
                    self.warn_refused(dest, limit, refused);
                }
                Err(SendError::Refused { limit })
            }
        }
    }

    #[inline(always)]
    pub(crate) fn schedule(&self, local: Option<&Local>, mailbox: &Mailbox) {
        let task = NonNull::from(mailbox);
        match local {
            Some(local) => {
                let runner = &local.runner;
                let ran = &mailbox.progress().ran;
                if !ran.is_warm(runner.index(), runner.turn()) {
                    mailbox.footprint().fetch();
                }
                self.scheduler.schedule(runner, task);
            }
            None => self.scheduler.submit(task),
        }
    }

    /// Sends several messages of the runtime itself to one service, as if one by one but under one lock, once all of
    /// them are there; they are not subject to limits. False if the receiver does not exist. One on another node gets
    /// them one by one.
    pub fn push_all(&self, dest: Handle, messages: impl Iterator<Item = Message>) -> bool {
        self.push_counted(dest, messages, u64::MAX).is_some()
    }

    /// A message of the runtime itself, which no limit applies to, to a service of this node.
    pub(crate) fn deliver(&self, dest: Handle, kind: u8, session: i32) {
        let Some(mailbox) = self.registry.find(dest) else {
            return;
        };
        let local = Local::of(self);
        let stamp = local.map_or_else(clock::stamp, Local::stamp);
        let fill = |place: &mut Message| {
            place.become_new(kind, Handle::NONE, session, Payload::EMPTY, stamp);
        };
        if let Ok(Pushed { schedule: true, .. }) = mailbox.push(dest, fill, || true) {
            self.schedule(local, mailbox);
        }
    }

    /// [`push_all`](Node::push_all); is the mailbox congested now, with this mark? `None` if the receiver does not
    /// exist.
    pub(crate) fn push_counted(
        &self,
        dest: Handle,
        messages: impl Iterator<Item = Message>,
        mark: u64,
    ) -> Option<bool> {
        let Some(mailbox) = self.registry.find(dest) else {
            let away = messages.map(|message| self.send_away(dest, message));
            let failed = away.filter(Result::is_err).count();
            return (failed == 0).then_some(false);
        };
        let local = Local::of(self);
        let stamp = local.map_or_else(clock::stamp, Local::stamp);
        let mut stamped = messages.map(|mut message| {
            message.stamp = stamp;
            message
        });
        // Whatever makes the messages is not for running under the lock. One is what there mostly is.
        let first = stamped.next();
        let (schedule, congested) = match stamped.next() {
            None => mailbox.push_all(dest, first.into_iter(), mark),
            second => {
                let all: Vec<Message> = first.into_iter().chain(second).chain(stamped).collect();
                mailbox.push_all(dest, all.into_iter(), mark)
            }
        }?;
        if schedule {
            self.schedule(local, mailbox);
        }
        Some(congested)
    }

    /// Messages that no limit applies to: answers, and what the runtime depends on. An event of a
    /// socket has a sender that could not react to a refusal: a byte would be missing from a
    /// stream. See [`crate::inflow`] for what limits those.
    fn exempt(&self, dest: Handle, kind: u8) -> bool {
        matches!(
            kind,
            kind::RESPONSE | kind::ERROR | kind::SYSTEM | kind::SOCKET
        ) || kind == kind::TEXT && dest.0 == self.logger.load(Relaxed)
    }

    #[cold]
    fn warn_full(&self, dest: Handle, length: usize) {
        self.log(
            dest,
            format!("error: Mailbox over its limit, message queue length = {length}").as_bytes(),
        );
    }

    #[cold]
    fn warn_refused(&self, dest: Handle, limit: usize, refused: usize) {
        self.log(
            dest,
            format!("error: Mailbox full (limit {limit}), messages refused = {refused}").as_bytes(),
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

    /// The module of this name, from wherever it comes.
    pub(crate) fn module(&self, name: &str) -> Result<Factory, String> {
        if let Some(factory) = read(&self.modules).get(name) {
            return Ok(factory.clone());
        }
        let found = self.loader.as_ref().map_or(Ok(None), |load| load(name))?;
        let factory = found.ok_or("there is no such module")?;
        let mut modules = write(&self.modules);
        Ok(modules.entry(name.to_owned()).or_insert(factory).clone())
    }

    /// What makes a service: its own entry `module name`, else its module.
    pub(crate) fn factory(&self, module: &str, param: &str) -> Result<Factory, String> {
        let name = param.split(' ').next().unwrap_or_default();
        let own = format!("{module} {name}");
        if let Some(factory) = read(&self.modules).get(&own) {
            return Ok(factory.clone());
        }
        self.module(module)
    }

    /// All handles, in ascending order.
    pub fn handles(&self) -> Vec<Handle> {
        self.registry.handles()
    }

    /// The context of a service.
    pub fn context(&self, handle: Handle) -> Option<Arc<Context>> {
        self.registry.find(handle)?.card(handle)
    }

    /// Is there a service with this handle? It may be gone by the time the caller knows.
    pub fn is_alive(&self, handle: Handle) -> bool {
        self.registry.find(handle).is_some()
    }

    /// The context of a service, also of one that is [leaving](ServiceInfo::leaving).
    pub fn context_or_leaving(&self, handle: Handle) -> Option<Arc<Context>> {
        self.context(handle).or_else(|| self.leaving.get(handle))
    }

    /// What is known about all services, in the order of their handles, with those that are
    /// [leaving](ServiceInfo::leaving).
    pub fn services(&self) -> Vec<ServiceInfo> {
        let leaving = self.leaving.all();
        let alive = self.handles().into_iter();
        let alive = alive.filter_map(|handle| self.context(handle));
        let mut contexts: Vec<(Arc<Context>, bool)> = alive
            .map(|context| (context, false))
            .chain(leaving.into_iter().map(|context| (context, true)))
            .collect();
        contexts.sort_by_key(|(context, leaving)| (context.handle(), !leaving));
        // One may have left in between.
        contexts.dedup_by_key(|(context, _)| context.handle());
        contexts
            .into_iter()
            .map(|(context, leaving)| ServiceInfo {
                handle: context.handle(),
                module: context.module().to_owned(),
                description: context.description(),
                mqlen: context.mqlen(),
                messages: context.messages(),
                cpu_seconds: context.cpu_seconds_so_far(),
                memory: context.interrupt().and_then(|i| i.memory()),
                leaving,
            })
            .collect()
    }

    /// The command `SIGNAL`, also for a service that is [leaving](ServiceInfo::leaving). False if there is no such
    /// service, or it does not listen.
    pub fn signal(&self, handle: Handle, number: i32) -> bool {
        self.context_or_leaving(handle)
            .is_some_and(|context| context.signal(number))
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

    /// Gives a service a name (without dot). False if the name is taken or empty, or there is no such
    /// service.
    pub fn register_name(&self, name: &str, handle: Handle) -> bool {
        let bound = !name.is_empty() && self.registry.bind(name, handle);
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
        self.timers.cancel(key).is_some()
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
        self.activities.len()
    }

    /// Is the time that services take accounted for?
    #[inline]
    pub fn profile(&self) -> bool {
        self.profile
    }

    /// What the workers are doing.
    pub fn workers(&self) -> Vec<WorkerInfo> {
        let worker = |(index, activity): (usize, &CachePadded<Activity>)| {
            let (turns, parks) = self.scheduler.counters(index);
            let parked = self.scheduler.parking().is_parked(index);
            let current = Handle(activity.dest.load(Relaxed));
            let ticks = match current.is_none() {
                true => 0,
                false => clock::ticks().saturating_sub(activity.began.load(Relaxed)),
            };
            WorkerInfo {
                turns,
                parks,
                parked,
                current,
                busy: Duration::from_secs_f64(clock::seconds(ticks)),
            }
        };
        self.activities.iter().enumerate().map(worker).collect()
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

//! How a node comes to be: its parts, its threads, its log service.

use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, RwLock};
use std::thread;

use crossbeam_utils::CachePadded;

use crate::builder::Settings;
use crate::clock::{self, Clock};
use crate::error::Error;
use crate::gate::Gate;
use crate::leaving::Leaving;
use crate::listeners::Listeners;
use crate::message::Handle;
use crate::names::LOGGER;
use crate::node::Node;
use crate::poison::lock;
use crate::registry::Registry;
use crate::scheduler::{Runner, Scheduler};
use crate::service::Mailbox;
use crate::timers::Timers;
use crate::{timer, worker};

/// Stack of a worker. What a service's language needs on the machine stack is laid out for that of
/// a main thread (8 MB); debug builds need more. Only what is touched takes memory.
const STACK: usize = 16 << 20;

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
            relief: Listeners::default(),
            ends: Listeners::default(),
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
}

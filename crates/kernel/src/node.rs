//! A node: what services, workers and timers have in common.
//!
//! Here are its parts and a few facts. What it does is in the files of their themes, which add methods to [`Node`]:
//! `start.rs`, `sending.rs`, `modules.rs`, `services.rs`, `lifecycle.rs`, `names.rs`, `environment.rs`, `events.rs`,
//! `attachment.rs`, `inspect.rs` and `command.rs`. So that they can, this file imports none of them.
//!
//! Nothing here is global, so several nodes can live in one process. Threads and contexts hold the
//! node; it goes on until its last service has gone, whether or not anybody else keeps an `Arc` of
//! it.

use std::collections::HashMap;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, RwLock, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_utils::CachePadded;

use crate::activity::Activity;
use crate::census::Census;
use crate::clock::{self, Clock};
use crate::expiry::Expiry;
use crate::gate::Gate;
use crate::globals::Globals;
use crate::leaving::Leaving;
use crate::limit::Limit;
use crate::listeners::Listeners;
use crate::message::Handle;
use crate::network::Network;
use crate::registry::Registry;
use crate::scheduler::Scheduler;
use crate::service::{Factory, Mailbox, ModuleLoader, Resident};
use crate::timers::{TimerKey, Timers};

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
    pub(crate) profile: bool,
    pub(crate) harbor: u8,
    pub(crate) network: Option<Arc<dyn Network>>,
    pub(crate) limit: Option<Limit>,
    pub(crate) modules: CachePadded<RwLock<HashMap<String, Factory>>>,
    pub(crate) loader: Option<ModuleLoader>,
    pub(crate) env: CachePadded<RwLock<HashMap<String, String>>>,
    /// The service named `logger`, or 0: log lines should not cost a search by name.
    pub(crate) logger: AtomicU32,
    /// The service that is told about exits, or 0.
    pub(crate) exit_monitor: AtomicU32,
    pub(crate) relief: Listeners,
    pub(crate) ends: Listeners,
    pub(crate) census: CachePadded<Census>,
    pub(crate) leaving: Leaving,
    pub(crate) globals: CachePadded<Globals>,
    pub(crate) gate: Gate,
    pub(crate) threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Node {
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

    /// Cancels a timer of [`Context::timeout`](crate::Context::timeout). True: its message will never arrive.
    pub fn cancel_timer(&self, key: TimerKey) -> bool {
        self.timers.cancel(key).is_some()
    }

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
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("harbor", &self.harbor)
            .field("threads", &self.threads())
            .finish_non_exhaustive()
    }
}

//! What is known about the services and workers of a node.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crossbeam_utils::CachePadded;

use crate::activity::Activity;
use crate::clock;
use crate::context::Context;
use crate::message::Handle;
use crate::node::Node;

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
    /// All handles, in ascending order.
    pub fn handles(&self) -> Vec<Handle> {
        self.registry.handles()
    }

    /// The context of a service.
    pub fn context(&self, handle: Handle) -> Option<Arc<Context>> {
        self.registry.find(handle)?.card(handle)
    }

    /// Bytes of memory that a service has allocated, if that is known.
    pub fn memory_of(&self, handle: Handle) -> Option<usize> {
        self.context(handle)?.interrupt()?.memory()
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
        // A service may have ended between the two lists.
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

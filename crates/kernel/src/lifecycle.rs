//! How services and the node itself come and go.
//!
//! # Services
//! A launch makes the object, opens a mailbox under a new handle, and runs `init`; only then may a
//! worker touch it. Retiring makes a service unreachable at once and leaves the rest to a worker,
//! which drops the object and answers what was never handled: nothing of that happens on the
//! killer's thread.
//!
//! # Stopping
//! A node stops when no live service is left, or on request ([`Node::shutdown`]). Services are
//! retired in the order of their handles and dropped by workers; the log service comes last and
//! handles what was sent to it before. Then the workers and the timer thread leave.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::context::{Context, RETIRED};
use crate::departure::Departure;
use crate::dropped::Dropped;
use crate::logon;
use crate::message::{Handle, Message, Payload, kind};
use crate::node::Node;
use crate::panics;
use crate::poison::lock;
use crate::service::{Mailbox, Resident, Service};
use crate::text;

impl Node {
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

    /// Blocks until the node stops, for whatever reason, and then until no service is left, but not for longer than
    /// `limit` after the stop began. True if no service is left; then [`wait`](Node::wait) has little to wait for. Not
    /// to be called from a service.
    pub fn wait_at_most(&self, limit: Duration) -> bool {
        self.gate.wait(|gate| gate.stopping || gate.done);
        self.gate
            .wait_until(Instant::now() + limit, |gate| gate.done)
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

    // ---- services

    /// Starts a service. Problems are logged; those that do not concern the new service itself with
    /// `source`.
    pub fn launch(&self, source: Handle, module: &str, param: &str) -> Option<Handle> {
        self.try_launch(source, module, param).ok()
    }

    /// [`launch`](Node::launch), which also returns what the log has been told. No text: the service said nothing, or
    /// has been killed.
    pub(crate) fn try_launch(
        &self,
        source: Handle,
        module: &str,
        param: &str,
    ) -> Result<Handle, String> {
        let factory = match self.factory(module, param) {
            Ok(factory) => factory,
            Err(reason) => {
                let line = format!("error: launch {module} FAILED: {reason}");
                self.log(source, line.as_bytes());
                return Err(reason);
            }
        };
        let service = match catch_unwind(AssertUnwindSafe(|| factory())) {
            Ok(service) => service,
            Err(panic) => {
                let reason = panics::text(&*panic).to_owned();
                panics::dispose(panic);
                let line = format!("error: launch {module} FAILED: {reason}");
                self.log(source, line.as_bytes());
                return Err(reason);
            }
        };
        self.install(module, param, service)
    }

    /// Starts a service that has been made already, without a module: `name` stands for it in the log. Problems are
    /// logged.
    pub fn launch_service(
        &self,
        name: &str,
        param: &str,
        service: Box<dyn Service>,
    ) -> Option<Handle> {
        self.install(name, param, service).ok()
    }

    fn install(
        &self,
        module: &str,
        param: &str,
        mut service: Box<dyn Service>,
    ) -> Result<Handle, String> {
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
            self.census.add();
            context = Some(new);
        });
        let (Some((handle, mailbox)), Some(context)) = (allocated, context) else {
            return Err("there are too many services".into());
        };
        if let Some(interrupt) = service.interrupts() {
            context.set_interrupt(interrupt);
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| service.init(&context, param)));
        let failure = match outcome {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(panic) => {
                let reason = format!("panicked: {}", panics::text(&*panic));
                panics::dispose(panic);
                Some(reason)
            }
        };
        let resident = Box::new(Resident {
            service,
            context,
            batch: Default::default(),
            turns: 0,
        });
        if let Some(reason) = failure {
            if !reason.is_empty() {
                resident.context.log(format!("error: {reason}"));
            }
            resident
                .context
                .log(format!("error: launch {module} FAILED"));
            self.dismiss(handle, Departure::Init(reason.clone()));
            // Somebody else may be about to retire it, and not have come to the mailbox yet.
            mailbox.retire(handle, false);
            self.finish(*resident, mailbox);
            return Err(reason);
        }
        let killed = resident.context.retired();
        if !killed {
            let line = format!("LAUNCH {module} {param}");
            resident.context.log(text::to_bytes(&line));
        }
        if mailbox.start(resident) {
            self.wake(mailbox);
        }
        if killed {
            return Err(String::new());
        }
        Ok(handle)
    }

    /// The command `KILL`: logs it in the name of `by`, tells the exit monitor, and retires the
    /// service.
    pub fn kill(&self, by: Handle, target: Handle) {
        self.kill_because(by, target, Departure::Killed(by));
    }

    /// Retires a service and tells the exit monitor.
    pub(crate) fn dismiss(&self, handle: Handle, departure: Departure) {
        if self.let_fall(handle, &departure) {
            return;
        }
        // Only who takes the handle out of the registry tells: a service may exit while somebody kills it.
        self.retire_and(handle, false, departure, || {
            let monitor = Handle(self.exit_monitor.load(Relaxed));
            if !monitor.is_none() {
                self.push_all(
                    monitor,
                    std::iter::once(Message::new(kind::CLIENT, handle, 0, Payload::EMPTY)),
                );
            }
        });
    }

    /// Makes a service unreachable and sees to it that a worker drops it.
    fn retire(&self, handle: Handle, drain: bool) {
        self.retire_and(handle, drain, Departure::Stop, || {});
    }

    /// [`retire`](Self::retire), with something to do once nobody can reach the service any more, before its callers
    /// hear of its end.
    fn retire_and(&self, handle: Handle, drain: bool, departure: Departure, gone: impl FnOnce()) {
        let Some(mailbox) = self.registry.remove(handle) else {
            return;
        };
        gone();
        let log = self.logger.compare_exchange(handle.0, 0, Relaxed, Relaxed);
        if log.is_ok() {
            // Somebody may wait for its start.
            self.gate.set(|_| {});
        }
        let _ = self
            .exit_monitor
            .compare_exchange(handle.0, 0, Relaxed, Relaxed);
        self.globals.forget(handle);
        let context = mailbox.card(handle);
        if let Some(context) = &context
            && !drain
        {
            context.set_departure(departure);
            self.leaving.add(context);
        }
        let schedule = mailbox.retire(handle, drain);
        if let Some(context) = context
            && !drain
        {
            context.set_flag(RETIRED, true);
        }
        if schedule == Some(true) {
            self.wake(mailbox);
        }
    }

    /// Drops a retired service and answers what it never handled. Only for whoever holds the
    /// service.
    pub(crate) fn finish(&self, resident: Resident, mailbox: &Mailbox) {
        let Resident {
            service,
            context,
            batch,
            ..
        } = resident;
        if let Err(panic) = panics::discard(service) {
            context.log(format!(
                "error: {} panicked while it was dropped: {}",
                context.description(),
                panics::text(&*panic)
            ));
            panics::dispose(panic);
        }
        context.set_flag(RETIRED, true);
        self.ends.tell(context.handle());
        logon::finish(&context);
        let mut dropped = Dropped::default();
        for message in batch.into_iter().chain(mailbox.remains()) {
            dropped.note(&message);
            discard(&context, message);
        }
        dropped.tell(self, context.handle());
        mailbox.progress().waiting.store(0, Relaxed);
        if mailbox.clear() {
            self.relief.tell(context.handle());
        }
        self.tell_watchers(&context);
        self.registry.recycle(NonNull::from(mailbox));
        self.leaving.remove(&context);
        // From now on `reserve` does not change the number of live services.
        let counted = context.stop_counting();
        self.timers.forget(context.timers());
        self.left(counted);
    }

    /// Calls `listener` with the handle of each service that has been dropped, before anybody can get the same handle.
    /// It runs on workers, on several at the same time, and must not block. What it keeps for that service is to be let
    /// go.
    pub fn on_end(&self, listener: impl Fn(Handle) + Send + Sync + 'static) {
        self.ends.add(Box::new(listener));
    }

    // ---- stopping

    /// Somebody keeps the node alive as a service would; to be undone by [`uncount`](Self::uncount).
    pub(crate) fn count(&self) {
        self.census.count();
    }

    /// A service does not count as live any more, though it stays.
    pub(crate) fn uncount(&self) {
        if self.census.uncount() {
            self.begin_stop();
        }
    }

    /// A service has been dropped.
    fn left(&self, counted: bool) {
        if self.census.remove(counted) {
            self.begin_stop();
        }
        self.go_on_stopping();
    }

    fn begin_stop(&self) {
        if !self.census.begin_stop() {
            return;
        }
        self.gate.set(|gate| gate.stopping = true);
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
        match self.census.left_to_stop() {
            Some(0) => self.halt(),
            Some(1) => self.retire(Handle(self.logger.load(Relaxed)), true),
            _ => {}
        }
    }

    /// Sends the threads away; no service is left.
    pub(crate) fn halt(&self) {
        self.scheduler.stop();
        self.gate.set(|gate| (gate.open, gate.done) = (true, true));
    }
}

/// Drops a message that `context` never got. A value that it carries is the application's, and so is how it is dropped.
fn discard(context: &Context, message: Message) {
    if message.label().is_none() {
        return;
    }
    if let Err(panic) = panics::discard(message) {
        context.log(format!(
            "error: a value sent to {} panicked while it was dropped: {}",
            context.description(),
            panics::text(&*panic)
        ));
        panics::dispose(panic);
    }
}

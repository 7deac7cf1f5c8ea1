//! The worker threads: turns of services.
//!
//! A turn handles up to [`BUDGET`] messages of one service, and lasts for about a millisecond at most
//! unless a single message takes longer. In between, the worker takes over what
//! has come in meanwhile; only a service that has used up its budget goes to the tail of the run
//! queue. What is needed for every message is kept to plain loads and stores on cache lines that
//! nobody else writes.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::clock::{self, STAMP_SHIFT};
use crate::context::{Context, FALLEN, LOGGING, RETIRED};
use crate::departure::Departure;
use crate::footprint::Touched;
use crate::inflow;
use crate::keeping;
use crate::local::{Local, SLICE};
use crate::logon;
use crate::mailbox::Step;
use crate::message::{Handle, Message, Payload, kind};
use crate::node::Node;
use crate::panics::{self, Caught};
use crate::scheduler::Runner;
use crate::service::{Mailbox, Resident, Service};

/// Messages of one turn. Large enough that the run queue does not matter, small enough that
/// neighbours do not wait for long.
const BUDGET: u32 = 128;
/// Ticks of a turn after which a service from the next slot goes behind others: about a tenth of a millisecond.
const LONG: u64 = SLICE / 8;
/// Turns after which a service is asked for its footprint: it has found its shape by then.
const FIRST_LOOK: u32 = 8;
/// Turns after which it is asked again.
const LOOK_AGAIN: u32 = 1 << 12;
/// Without profiling, the clock is read once for so many messages.
const LOOK_EVERY: u32 = 16;

/// How a turn ended early.
struct Crash {
    panic: Caught,
    /// In `turn_end`: no message was being handled.
    behind: bool,
}

/// Body of a worker thread; returns when the node stops.
pub(crate) fn run(node: Arc<Node>, runner: Runner<Mailbox>) {
    let local = Local {
        node: node.clone(),
        runner,
        ticks: Cell::new(clock::ticks()),
        began: Cell::new(0),
    };
    local.during(|| {
        let parking = node.scheduler.parking();
        while let Some(mailbox) = node
            .scheduler
            .next(&local.runner, || local.look_at_the_clock())
        {
            // SAFETY: run queues hold mailboxes of this node only, which live as long as it does.
            local.turn(unsafe { mailbox.as_ref() });
            let ticks = local.ticks.get();
            if parking.is_time_to_glance(ticks) {
                parking.glance(ticks);
            }
        }
    });
}

impl Local {
    fn look_at_the_clock(&self) {
        self.ticks.set(clock::ticks());
    }

    fn turn(&self, mailbox: &Mailbox) {
        let mut budget = BUDGET;
        let began = self.ticks.get();
        self.began.set(began);
        mailbox
            .progress()
            .ran
            .set(self.runner.index(), self.runner.turn());
        let mut step = mailbox.begin();
        loop {
            match step {
                Step::Overloaded(body) => {
                    warn_overload(&body, mailbox.report());
                    step = Step::Run(body);
                }
                Step::Run(mut body) => {
                    if let Err(panic) = self.batch(&mut body, mailbox, &mut budget, began) {
                        self.crashed(&body, panic);
                    }
                    if mailbox.progress().handled.congested.load(Relaxed) {
                        self.relieve(&body, mailbox);
                    }
                    step = mailbox.end_turn(body, budget > 0);
                }
                Step::Shrink(mut body) => {
                    body.batch = Default::default();
                    step = mailbox.end_turn(body, budget > 0);
                }
                Step::Idle => break,
                Step::Requeue => {
                    self.node
                        .scheduler
                        .requeue(&self.runner, NonNull::from(mailbox));
                    break;
                }
                Step::Finish(body) => {
                    self.node.finish(*body, mailbox);
                    break;
                }
            }
        }
        if self.ticks.get().wrapping_sub(began) > LONG {
            self.runner.turn_was_long();
        }
    }

    /// Handles the messages of a batch, as far as the budget allows. The turn began at `began`.
    fn batch(
        &self,
        body: &mut Resident,
        mailbox: &Mailbox,
        budget: &mut u32,
        began: u64,
    ) -> Result<(), Crash> {
        let activity = self.activity();
        let profile = self.node.profile();
        let Resident {
            service,
            context,
            batch,
            turns,
        } = body;
        let mut behind = false;
        let handled = catch_unwind(AssertUnwindSafe(|| {
            let mut ticks = self.ticks.get();
            // The tick's time from which on the turn may have lasted for a slice.
            let late = ((began + SLICE) >> STAMP_SHIFT) as u32;
            let progress = mailbox.progress();
            while let Some(message) = batch.pop_front() {
                progress.waiting.store(batch.len(), Relaxed);
                if let Some(next) = batch.front() {
                    progress.oldest.store(next.stamp, Relaxed);
                }
                activity.begin(
                    context.handle(),
                    message.source,
                    message.session,
                    message.kind,
                    ticks,
                );
                context.begin_message(if profile { ticks } else { 0 });
                if context.flags() & (LOGGING | FALLEN) != 0 {
                    before(&mut **service, context, &message);
                }
                let weight = inflow::weight(&message);
                service.handle(context, message);
                if weight > 0 {
                    progress.handled.add(weight);
                }
                *budget -= 1;
                // Between two looks at the clock, the timer thread's tick shows whether the slice may be over.
                if profile
                    || budget.is_multiple_of(LOOK_EVERY)
                    || self.node.tick_stamp.load(Relaxed).wrapping_sub(late) as i32 >= 0
                {
                    let now = clock::ticks();
                    if profile {
                        context.end_message(now.wrapping_sub(ticks));
                    }
                    ticks = now;
                    self.ticks.set(now);
                    if now.wrapping_sub(began) > SLICE {
                        *budget = 0;
                    }
                }
                if *budget == 0 || context.flags() & (RETIRED | FALLEN) != 0 {
                    if context.flags() & FALLEN != 0 {
                        keeping::fall(&mut **service, context);
                    }
                    if *budget == 0 || context.retired() {
                        break;
                    }
                }
            }
            behind = true;
            service.turn_end(context);
            *turns = turns.wrapping_add(1);
            if *turns == FIRST_LOOK || turns.is_multiple_of(LOOK_AGAIN) {
                look(&**service, context, mailbox);
            }
        }));
        if !profile {
            self.look_at_the_clock();
        }
        context.end_turn();
        activity.clear();
        handled.map_err(|panic| Crash { panic, behind })
    }

    /// Sockets of the service may be read again, if it has caught up.
    #[cold]
    fn relieve(&self, body: &Resident, mailbox: &Mailbox) {
        if mailbox.relieve() {
            self.node.relief.tell(body.context.handle());
        }
    }

    /// The service has panicked: answer the request that it worked on, and retire it.
    #[cold]
    fn crashed(&self, body: &Resident, Crash { panic, behind }: Crash) {
        let context = &body.context;
        let what = panics::text(&*panic).to_owned();
        let line = format!(
            "error: {} panicked: {what} (it is ended; RUST_BACKTRACE=1 shows where)",
            context.description(),
        );
        context.log(line);
        panics::dispose(panic);
        let activity = self.activity();
        let (source, session, kind) = (
            Handle(activity.source.load(Relaxed)),
            activity.session.load(Relaxed),
            activity.kind.load(Relaxed),
        );
        let request =
            session > 0 && !matches!(kind, kind::RESPONSE | kind::ERROR | kind::MULTICAST);
        if request && !behind {
            // If the caller has ended meanwhile, it needs no answer.
            let _ = context.send(source, kind::ERROR, session, Payload::EMPTY);
        }
        self.node.dismiss(context.handle(), Departure::Panic(what));
    }
}

/// Notes what the service touches in every turn.
#[cold]
fn look(service: &dyn Service, context: &Arc<Context>, mailbox: &Mailbox) {
    let mut touched = Touched::default();
    touched.add_value(service);
    touched.add_value(&**context);
    service.footprint(&mut touched);
    mailbox.footprint().set(&touched);
}

/// What is seldom to be done before a message.
#[cold]
fn before(service: &mut dyn Service, context: &Arc<Context>, message: &Message) {
    if context.flags() & FALLEN != 0 {
        keeping::fall(service, context);
    }
    if context.flags() & LOGGING != 0 {
        logon::record(context, message);
    }
}

#[cold]
fn warn_overload(body: &Resident, length: usize) {
    body.context.log(format!(
        "error: May overload, message queue length = {length}"
    ));
}

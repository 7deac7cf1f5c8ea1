//! Tells services that have ended, and do not come back from their last message, to give up
//! ([`Interrupt::end`](crate::Interrupt::end)), as often as it takes.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::context::Context;
use crate::message::Handle;
use crate::node::Node;

/// How often they are told.
const AGAIN: Duration = Duration::from_millis(100);

/// When the timer thread looks next.
pub(crate) struct Reminder {
    next: Instant,
}

impl Reminder {
    pub(crate) fn new() -> Reminder {
        Reminder {
            next: Instant::now(),
        }
    }

    /// Tells those that run for too long after their end; to be called every few milliseconds.
    pub(crate) fn check(&mut self, node: &Node, now: Instant) {
        if !node.leaving.any() || now < self.next {
            return;
        }
        self.next = now + AGAIN;
        for activity in &node.activities {
            let handle = Handle(activity.dest.load(Relaxed));
            if !handle.is_none()
                && let Some((context, first)) = node.leaving.overdue(handle, now)
            {
                tell(&context, first);
            }
        }
    }
}

fn tell(context: &Context, first: bool) {
    let interrupt = context.interrupt();
    if first {
        let remedy = match interrupt {
            Some(_) => "it is interrupted",
            None => "it cannot be interrupted",
        };
        context.log(format!(
            "error: {} has ended and does not come back from its last message: {remedy}",
            context.description()
        ));
    }
    if let Some(interrupt) = interrupt {
        interrupt.end();
    }
}

//! What a service tells those who look into it: its tasks, what they wait for, and whom they work for.
//!
//! There are no stacks of suspended tasks to show. What stands in their place is the name of the task: the actor's
//! method, or the type of the spawned future, which the compiler makes of the function that it is written in.

use super::Actor;
use super::host::Core;
use super::sessions::Wait;
use skynet_kernel::inspect::stamps_to_ms;
use skynet_kernel::{Doing, Handle, Report, TaskReport};

impl<A: Actor> Core<A> {
    /// The tasks, and the sessions that wait without one of them.
    pub(super) fn look_in(&self, stacks: bool) -> Report {
        let shared = &self.shared;
        let now = shared.context.stamp();
        let mut waits = shared.calls.lock().waits();
        let mut tasks = Vec::new();
        for (slot, about) in self.waiting() {
            let stack = || if stacks { about.stack() } else { Vec::new() };
            let of_task: Vec<Wait> = waits.extract_if(.., |wait| wait.task == slot).collect();
            let calls = of_task.iter().filter(|wait| !wait.callee.is_none());
            let mut shown: Vec<TaskReport> = calls
                .map(|wait| task(wait, now, about.request, stack()))
                .collect();
            // The timer of a call's deadline is not shown beside the call.
            if shown.is_empty() {
                shown.extend(
                    of_task
                        .first()
                        .map(|wait| task(wait, now, about.request, stack())),
                );
            }
            if shown.is_empty() {
                // It waits for something that does not come as a message.
                shown.push(TaskReport {
                    doing: Doing::Wait,
                    session: 0,
                    age_ms: None,
                    request: about.request,
                    stack: stack(),
                });
            }
            tasks.append(&mut shown);
        }
        tasks.extend(waits.iter().map(|wait| task(wait, now, None, Vec::new())));
        tasks.extend(self.held.iter().map(|message| TaskReport {
            doing: Doing::Ready,
            session: 0,
            age_ms: None,
            request: Some((message.source, message.session)),
            stack: Vec::new(),
        }));
        Report { tasks }
    }
}

fn task(wait: &Wait, now: u32, request: Option<(Handle, i32)>, stack: Vec<String>) -> TaskReport {
    // A stamp that another core has taken may be one unit ahead.
    let span = (now.wrapping_sub(wait.since) as i32).max(0);
    TaskReport {
        doing: match wait.callee.is_none() {
            true => Doing::Sleep,
            false => Doing::Call(wait.callee),
        },
        session: wait.session,
        age_ms: Some(stamps_to_ms(span as u64)),
        request,
        stack,
    }
}

//! Coroutines of the dispatcher that the application handles by itself.
//!
//! `fork`, `timeout` and `coroutine.running` give a task's coroutine to the application, which may resume or close it
//! like any other. The tables know nothing of that: they have the task waiting, while Lua has its coroutine running,
//! at another place, or dead. So whoever is about to resume or close a coroutine asks Lua for its state first
//! ([`Phase`]), and a task whose coroutine ends without the dispatcher is taken out of the tables here.

use skynet_kernel::Handle;

use super::sessions::Kind;
use super::tasks::{NO_TASK, State, TaskId};
use super::tokens::forget_token;
use super::{Svc, Tables};
use skynet_vm::lua::{Lua, Phase};

impl Svc {
    /// The task whose coroutine is `l`, which runs. That is not the one that the dispatcher runs if the application
    /// has resumed it.
    pub(crate) fn task_of(&self, l: Lua) -> Option<TaskId> {
        self.with_task_of(l, |_, id| id)
    }

    /// Borrows the tables for that task, if there is one. `f` must not call into Lua.
    #[inline]
    pub(crate) fn with_task_of<R>(
        &self,
        l: Lua,
        f: impl FnOnce(&mut Tables, TaskId) -> R,
    ) -> Option<R> {
        let running = self.running.get();
        self.with(|t| {
            let is_running = t.tasks.try_get(running).is_some_and(|task| task.lua == l);
            let id = if is_running {
                running
            } else {
                t.tasks.of_thread(l)?
            };
            Some(f(t, id))
        })
    }

    /// Tasks that wait or have not begun, and may be closed: Lua does not run them.
    pub(crate) fn stopped_tasks(&self) -> Vec<TaskId> {
        self.with(|t| {
            t.tasks
                .busy()
                .filter(|(_, task)| is_stopped(task.state, task.lua))
                .map(|(id, _)| id)
                .collect()
        })
    }

    /// The same for one task, which nobody else takes for stopped from now on: its coroutine.
    pub(crate) fn take_stopped(&self, id: TaskId) -> Option<Lua> {
        self.with(|t| {
            let task = t.tasks.get_mut(id);
            let stopped = is_stopped(task.state, task.lua);
            if stopped {
                task.state = State::Running;
            }
            stopped.then_some(task.lua)
        })
    }

    /// What the task waits for is not for it any more, and it waits for nothing. What comes of that is dropped.
    pub(crate) fn stop_waiting(&self, l: Lua, id: TaskId) {
        let waiting = self.with(|t| std::mem::take(&mut t.tasks.get_mut(id).waiting));
        forget_token(l, self, waiting);
        self.with(|t| {
            t.callee_names.remove(&waiting);
            t.timer_origins.remove(&waiting);
            t.forks.retain(|f| !f.is_of(id));
            t.wakeups.retain(|w| *w != id);
            match t.sessions.get_mut(waiting) {
                // No message will come for it.
                Some(p) if p.kind() == Kind::Wait => {
                    t.sessions.remove(waiting);
                }
                Some(p) if p.kind() == Kind::Call => p.set_kind(Kind::DroppedCall),
                Some(p) => p.set_kind(Kind::DroppedTimer),
                None => {}
            }
        });
        if self.cancel_deadline(waiting) {
            self.with(|t| t.unlikely.add(waiting));
        }
    }

    /// The application has brought the coroutine `co` to its end. If it was a task's, the task ends with it; whoever
    /// waits for an answer of it hears that none will come. The thread is the application's now.
    pub(crate) fn ended_by_hand(&self, l: Lua, co: Lua) {
        let Some(id) = self.with(|t| {
            let id = t.tasks.of_thread(co)?;
            matches!(t.tasks.get(id).state, State::Waiting | State::Ready).then_some(id)
        }) else {
            return;
        };
        self.stop_waiting(l, id);
        if let Some((session, source)) = self.take_request_of(id) {
            self.fail_request(source, session);
        }
        self.trace_end(id);
        self.discard(l, id);
    }

    /// The request that a task still has to answer.
    pub(crate) fn take_request_of(&self, id: TaskId) -> Option<(i32, Handle)> {
        self.with(|t| {
            let task = t.tasks.get_mut(id);
            task.request.take().zip(task.source)
        })
    }

    /// Forgets a task; its thread belongs to whoever still refers to it.
    pub(crate) fn discard(&self, l: Lua, id: TaskId) {
        if self.init_task.get() == id {
            self.init_task.set(NO_TASK);
        }
        self.profile_end(id);
        let (_, anchor) = self.with(|t| t.tasks.discard(id));
        l.free_ref(anchor);
    }
}

fn is_stopped(state: State, lua: Lua) -> bool {
    matches!(state, State::Waiting | State::Ready) && lua.phase() != Phase::Active
}

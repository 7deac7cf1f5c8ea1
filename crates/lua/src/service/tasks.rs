//! Tasks of a service: the coroutines that the dispatcher runs, and their pool.
//!
//! A task is one Lua thread, anchored in the registry, with what the dispatcher has to know about it. Finished tasks
//! are started again for later messages. How many idle ones are kept follows the need: every `EPOCH` returns the pool
//! is cut to the largest number that was in use since, so that a burst of 100,000 coroutines does not stay in memory.

use rustc_hash::FxHashMap;
use skynet_kernel::{Handle, Touched};

use skynet_vm::lua::Lua;

/// Index of a task; `NO_TASK` = none.
pub(crate) type TaskId = u32;
pub(crate) const NO_TASK: TaskId = u32::MAX;

/// Returns to the pool between two looks at its size.
const EPOCH: u32 = 1024;
/// Idle tasks that are always kept.
const KEEP: usize = 4;

/// What a task does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// In the pool.
    Idle,
    /// In the fork queue, or about to run.
    Ready,
    Running,
    /// Waits for the session in `Task::waiting`.
    Waiting,
}

/// One coroutine of the dispatcher.
pub(crate) struct Task {
    pub(crate) lua: Lua,
    /// Registry reference that keeps the thread alive.
    pub(crate) anchor: i32,
    pub(crate) state: State,
    /// Session of the request that it handles: 0 for a send, `None` when there is none (any more).
    pub(crate) request: Option<i32>,
    /// Who sent that request; kept after the answer.
    pub(crate) source: Option<Handle>,
    /// The session it waits for; 0 = none.
    pub(crate) waiting: i32,
    /// It sleeps or waits under a token: its own thread (true) or another value (see `tokens`).
    pub(crate) own_token: bool,
    /// Woken, and in the wakeup queue.
    pub(crate) woken: bool,
    /// It has passed its request on to somebody who did not take it.
    pub(crate) passed_in_vain: bool,
}

/// All tasks of a service.
#[derive(Default)]
pub(crate) struct Tasks {
    all: Vec<Task>,
    /// Indices of idle tasks; the warmest is last.
    pool: Vec<TaskId>,
    /// Indices whose thread was given back.
    vacant: Vec<TaskId>,
    by_thread: FxHashMap<usize, TaskId>,
    returns: u32,
    peak: usize,
}

impl Tasks {
    pub(crate) fn get(&self, id: TaskId) -> &Task {
        &self.all[id as usize]
    }

    pub(crate) fn get_mut(&mut self, id: TaskId) -> &mut Task {
        &mut self.all[id as usize]
    }

    pub(crate) fn try_get(&self, id: TaskId) -> Option<&Task> {
        self.all.get(id as usize)
    }

    /// The task whose thread `lua` is.
    pub(crate) fn of_thread(&self, lua: Lua) -> Option<TaskId> {
        self.by_thread.get(&(lua.0 as usize)).copied()
    }

    /// An idle task, made ready; none if the pool is empty.
    pub(crate) fn take_idle(&mut self) -> Option<TaskId> {
        let id = self.pool.pop()?;
        self.all[id as usize].state = State::Ready;
        self.note_use();
        Some(id)
    }

    /// The thread of the task that `take_idle` would give, and where all that is.
    pub(crate) fn next_idle(&self, touched: &mut Touched) -> Option<Lua> {
        let id = self.pool.last()?;
        touched.add_value(id);
        let task = self.get(*id);
        touched.add_value(task);
        Some(task.lua)
    }

    /// Adds a new thread as a ready task.
    pub(crate) fn add(&mut self, lua: Lua, anchor: i32) -> TaskId {
        let task = Task {
            lua,
            anchor,
            state: State::Ready,
            request: None,
            source: None,
            waiting: 0,
            own_token: false,
            woken: false,
            passed_in_vain: false,
        };
        let id = match self.vacant.pop() {
            Some(id) => {
                self.all[id as usize] = task;
                id
            }
            None => {
                self.all.push(task);
                (self.all.len() - 1) as TaskId
            }
        };
        self.by_thread.insert(lua.0 as usize, id);
        self.note_use();
        id
    }

    fn note_use(&mut self) {
        self.peak = self.peak.max(self.in_use());
    }

    /// Tasks that are not idle.
    pub(crate) fn in_use(&self) -> usize {
        self.all.len() - self.pool.len() - self.vacant.len()
    }

    /// Puts a finished task back. Once in a while returns a thread to let go of: (thread, anchor).
    pub(crate) fn put_back(&mut self, id: TaskId) -> Option<(Lua, i32)> {
        let task = &mut self.all[id as usize];
        task.state = State::Idle;
        task.request = None;
        task.source = None;
        task.waiting = 0;
        task.own_token = false;
        task.woken = false;
        task.passed_in_vain = false;
        self.pool.push(id);
        self.returns += 1;
        if self.returns < EPOCH {
            return None;
        }
        if self.pool.len() > KEEP && self.in_use() + self.pool.len() > self.peak {
            // Stays due: one thread goes at each return until the pool fits.
            return Some(self.release_coldest());
        }
        self.returns = 0;
        self.peak = self.in_use();
        None
    }

    fn release_coldest(&mut self) -> (Lua, i32) {
        let id = self.pool.swap_remove(0);
        self.forget(id)
    }

    /// Drops a task that can't be used again; its thread and anchor are the caller's to release.
    pub(crate) fn discard(&mut self, id: TaskId) -> (Lua, i32) {
        self.forget(id)
    }

    fn forget(&mut self, id: TaskId) -> (Lua, i32) {
        let task = &mut self.all[id as usize];
        task.state = State::Idle;
        task.request = None;
        task.waiting = 0;
        let (lua, anchor) = (task.lua, task.anchor);
        self.by_thread.remove(&(lua.0 as usize));
        self.vacant.push(id);
        (lua, anchor)
    }

    /// Tasks in use with their indices.
    pub(crate) fn busy(&self) -> impl Iterator<Item = (TaskId, &Task)> {
        self.all
            .iter()
            .enumerate()
            .filter(|(_, t)| t.state != State::Idle)
            .map(|(i, t)| (i as TaskId, t))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread(n: usize) -> Lua {
        Lua(n as *mut _)
    }

    #[test]
    fn a_burst_is_given_back() {
        let mut t = Tasks::default();
        let ids: Vec<_> = (0..100_000)
            .map(|n| t.add(thread(n * 16 + 16), n as i32))
            .collect();
        let mut released = 0;
        for id in ids {
            released += t.put_back(id).is_some() as usize;
        }
        // From here on few coroutines are needed.
        for _ in 0..200_000 {
            let id = t.take_idle().expect("an idle task");
            released += t.put_back(id).is_some() as usize;
        }
        assert!(released > 99_000, "{released}");
        assert_eq!(t.by_thread.len(), 100_000 - released);
    }

    #[test]
    fn a_steady_need_keeps_its_threads() {
        let mut t = Tasks::default();
        let mut made = 0;
        for _ in 0..50 {
            let ids: Vec<_> = (0..1000)
                .map(|_| {
                    t.take_idle().unwrap_or_else(|| {
                        made += 1;
                        t.add(thread(made * 16), made as i32)
                    })
                })
                .collect();
            for id in ids {
                t.put_back(id);
            }
        }
        assert!(made <= 1100, "{made}");
    }
}

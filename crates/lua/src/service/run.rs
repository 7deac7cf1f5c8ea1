//! Running tasks: from a thread of the pool to its end, however it ends.
//!
//! A task is resumed from the thread that hosts the dispatcher. It stops because a native function has suspended it,
//! because it is done, because of an error, or by a yield of the application's own; each has its way here.

use std::ffi::c_int;

use super::coroutine::is_mark;
use super::entry::{TIMER_ARGUMENTS, make_task, object_text, push_timer_arguments, trace_of};
use super::sessions::{Kind, LateAnswer};
use super::tasks::{NO_TASK, State, TaskId};
use super::tokens::forget_token;
use super::{Incoming, Mode, NO_THREAD, Svc, Wake};
use mlua_sys::lua55 as ffi;
use skynet_vm::lua::{Lua, Phase, Type};

impl Svc {
    /// A task that a hook has suspended goes on after the present one; false if the thread is not that of such a task.
    pub fn wake_stopped(&self, thread: Lua) -> bool {
        self.enqueue(|t| {
            let Some(id) = t.tasks.of_thread(thread) else {
                return false;
            };
            let task = t.tasks.get_mut(id);
            let stopped = task.state == State::Waiting && task.waiting == 0 && !task.woken;
            if stopped {
                task.woken = true;
                t.wakeups.push_back(id);
            }
            stopped
        })
    }

    /// An idle task, or a new one; none when there is no memory for it.
    pub(super) fn take_task(&self) -> Option<TaskId> {
        if let Some(id) = self.with(|t| t.tasks.take_idle()) {
            return Some(id);
        }
        let main = self.main.get();
        main.push_function(make_task);
        let id = (main.pcall(0, 1, 0) == ffi::LUA_OK)
            .then(|| main.int(-1))
            .flatten();
        main.pop(1);
        id.map(|id| id as TaskId)
    }

    /// A ready task for native functions. *raises*
    pub(crate) fn new_task(&self, l: Lua) -> TaskId {
        if let Some(id) = self.with(|t| t.tasks.take_idle()) {
            return id;
        }
        let thread = l.new_thread();
        let anchor = l.make_ref();
        self.with(|t| t.tasks.add(thread, anchor))
    }

    /// Runs a function by its registry reference, in a task, with what a timer passes if there is one.
    pub(super) fn run_function(&self, reference: c_int, timer: Option<&Incoming>) {
        let main = self.main.get();
        main.push_ref(reference);
        main.free_ref(reference);
        let Some(id) = self.take_task() else {
            main.pop(1);
            return self.note_error(b"not enough memory for a coroutine".to_vec());
        };
        let lua = self.with(|t| t.tasks.get(id).lua);
        main.move_to(lua, 1);
        match timer {
            Some(m) => {
                push_timer_arguments(lua, m);
                self.run(id, TIMER_ARGUMENTS);
            }
            None => self.run(id, 0),
        }
    }

    /// Resumes a task that waits for `session`. If it no longer does (an error, such as a lack of memory, met the
    /// suspension on its way out), what the task does now must not be disturbed.
    pub(super) fn resume(&self, id: TaskId, session: i32, wake: Wake) {
        self.resume_inline(id, session, wake);
    }

    #[inline(always)]
    pub(super) fn resume_inline(&self, id: TaskId, session: i32, wake: Wake) {
        let (waits, has_token) = self.with(|t| {
            let task = t.tasks.get_mut(id);
            let waits = task.waiting == session && task.state == State::Waiting;
            if waits {
                task.waiting = 0;
            }
            (waits, t.tokens.contains(&session))
        });
        if !waits {
            return;
        }
        self.wake.set(wake);
        self.trace_resume(id);
        self.run_inline(id, 0);
        if has_token && self.main.get() != NO_THREAD {
            // The application has closed the coroutine that slept.
            forget_token(self.main.get(), self, session);
        }
    }

    pub(super) fn resume_woken(&self, id: TaskId) {
        let (alive, session) = self.with(|t| {
            let task = t.tasks.get_mut(id);
            let woken = std::mem::take(&mut task.woken) && task.state == State::Waiting;
            let session = task.waiting;
            if woken && task.waiting != 0 {
                match t.sessions.get_mut(task.waiting) {
                    // The message of its timer is still to come.
                    Some(p) if p.kind() == Kind::Sleep => p.set_kind(Kind::WokenEarly),
                    Some(p) if p.kind() == Kind::Wait => {
                        let session = p.session;
                        t.sessions.remove(session);
                    }
                    _ => {}
                }
            }
            (woken, session)
        });
        if alive {
            self.resume(id, session, Wake::Woken);
        }
    }

    pub(super) fn resume_failed(&self, session: i32, late: LateAnswer) {
        let Some(p) = self.with(|t| {
            t.callee_names.remove(&session);
            t.sessions.remove(session)
        }) else {
            return;
        };
        match p.kind() {
            Kind::Call => {
                let due = self.cancel_deadline(session);
                if due && late != LateAnswer::Never {
                    // Two messages may come: one finds the abandoned session.
                    self.with(|t| t.unlikely.add(session));
                }
                match late {
                    LateAnswer::Expected => self.abandon(p),
                    _ if due => self.expire(p),
                    LateAnswer::Unlikely => self.with(|t| t.unlikely.add(session)),
                    LateAnswer::Never => {}
                }
                self.resume(p.task, session, Wake::Failed);
            }
            Kind::Handler => {
                match late {
                    LateAnswer::Expected => self.abandon(p),
                    LateAnswer::Unlikely => self.with(|t| t.unlikely.add(session)),
                    LateAnswer::Never => {}
                }
                self.run_answer_handler(p.task as c_int, None);
            }
            Kind::WokenEarly | Kind::DroppedCall | Kind::DroppedTimer => {}
            // Not calls: an error for them makes no sense; they go on waiting.
            Kind::Sleep | Kind::Wait | Kind::Timer | Kind::Function | Kind::Notices => {
                self.with(|t| t.sessions.insert(p));
            }
        }
    }

    /// Runs a task until it suspends, ends or fails.
    pub(super) fn run(&self, id: TaskId, args: c_int) {
        self.run_inline(id, args);
    }

    /// The same, inlined: see `dispatch_inline`.
    #[inline(always)]
    pub(super) fn run_inline(&self, id: TaskId, args: c_int) {
        let (lua, state) = self.with(|t| {
            let task = t.tasks.get_mut(id);
            (task.lua, std::mem::replace(&mut task.state, State::Running))
        });
        let suspended = lua.status() == ffi::LUA_YIELD;
        if suspended != (state == State::Waiting)
            || !suspended && (lua.has_frame() || lua.top() <= args)
        {
            return self.run_unexpected(id, lua, state);
        }
        let before = self.running.replace(id);
        let barred = self.barred.replace(false);
        let active = self.interrupts.set_active(lua.0);
        self.interrupts.arm(lua);
        self.suspended.set(NO_THREAD);
        self.profile_resume(lua);
        let (status, values) = lua.resume(self.main.get(), args);
        self.profile_suspend(lua);
        self.interrupts.set_active(active);
        self.running.set(before);
        self.barred.set(barred);
        // What the task was to be told refers to the message, so it is forgotten with it.
        self.wake.set(Wake::Nothing);
        match status {
            ffi::LUA_OK => {
                lua.clear();
                self.trace_end(id);
                self.put_back(self.main.get(), id);
            }
            ffi::LUA_YIELD => {
                if self.mode.get() == Mode::Leaving {
                    return self.leave(id, lua);
                }
                if self.suspended.replace(NO_THREAD) == lua {
                    lua.pop(values);
                    self.with(|t| t.tasks.get_mut(id).state = State::Waiting);
                } else {
                    self.odd_yield(id, lua, values);
                }
            }
            _ => self.task_failed(id, lua),
        }
    }

    /// The application has handled the task's coroutine by itself: it is not where the dispatcher has left it.
    #[cold]
    fn run_unexpected(&self, id: TaskId, lua: Lua, state: State) {
        let set_state = |state| self.with(|t| t.tasks.get_mut(id).state = state);
        match lua.phase() {
            Phase::Dead => self.end_closed(id, lua),
            Phase::Active => {
                set_state(state);
                self.note_error(b"cannot resume non-suspended coroutine".to_vec());
            }
            Phase::Suspended => {
                set_state(State::Waiting);
                self.run(id, 0);
            }
            Phase::Fresh => {
                set_state(State::Ready);
                self.run(id, lua.top() - 1);
            }
        }
    }

    /// Puts a finished task back into the pool.
    pub(crate) fn put_back(&self, l: Lua, id: TaskId) {
        if self.init_task.get() == id {
            self.init_task.set(NO_TASK);
        }
        self.profile_end(id);
        if let Some((_, anchor)) = self.with(|t| t.tasks.put_back(id)) {
            l.free_ref(anchor);
        }
    }

    /// Closes a thread that is not active from `l`, and empties it. If it ends with an error, that error's text.
    pub(crate) fn close_thread(&self, l: Lua, lua: Lua) -> Option<Vec<u8>> {
        debug_assert_ne!(lua.phase(), Phase::Active);
        let failed = lua.close_thread(l) != ffi::LUA_OK;
        let text = failed.then(|| object_text_of(l, lua));
        lua.set_top(0);
        text
    }

    /// A task whose thread is dead already: nobody will answer its request.
    pub(super) fn end_closed(&self, id: TaskId, lua: Lua) {
        if let Some((session, source)) = self.take_request_of(id) {
            self.fail_request(source, session);
        }
        lua.set_top(0);
        self.trace_end(id);
        self.discard(self.main.get(), id);
    }

    /// `skynet.exit` has been called by this task: it is closed last, when the service is already gone. Tasks that
    /// the application runs on top of it, by resuming them, could not be closed before it.
    pub(super) fn leave(&self, id: TaskId, lua: Lua) {
        if let Some(text) = self.close_thread(self.main.get(), lua) {
            self.note_error(text);
        }
        self.with(|t| t.tasks.discard(id));
        self.close_stopped_tasks(self.main.get());
    }

    /// A task has yielded by itself, with values that mean nothing to the dispatcher.
    pub(super) fn odd_yield(&self, id: TaskId, lua: Lua, values: c_int) {
        self.with(|t| t.tasks.get_mut(id).state = State::Waiting);
        if values == 0 || lua.kind(-values) == Type::Nil {
            // A hook of a debugger, which resumes the thread itself.
            return;
        }
        const OUTSIDE: &[u8] = b"Call skynet.coroutine.yield out of skynet.coroutine.resume";
        let mut text = match lua.bytes(-values) {
            Some(b"SUSPEND") => {
                lua.pop(values);
                return;
            }
            Some(b"USER") => OUTSIDE.to_vec(),
            None if is_mark(lua, -values) => OUTSIDE.to_vec(),
            Some(other) => [b"Unknown command : ", other].concat(),
            None => match lua.int(-values) {
                Some(n) => format!("Unknown command : {n}"),
                None => format!("Unknown command : {}", lua.type_name(-values)),
            }
            .into_bytes(),
        };
        lua.pop(values);
        self.describe(lua, &mut text);
        self.end_failed(id, lua, text);
    }

    pub(super) fn task_failed(&self, id: TaskId, lua: Lua) {
        let text = self.error_text(lua);
        self.end_failed(id, lua, text);
    }

    /// The request fails, pending to-be-closed variables run. The thread is not used again: it keeps the application's
    /// hook, and Lua leaves hooks off in a thread that an error of a hook has ended.
    pub(super) fn end_failed(&self, id: TaskId, lua: Lua, text: Vec<u8>) {
        if let Some((session, source)) = self.take_request_of(id) {
            self.fail_request(source, session);
        }
        self.trace_error(id);
        // A to-be-closed variable may fail too, with an error of its own.
        let another = self
            .close_thread(self.main.get(), lua)
            .filter(|t| !text.starts_with(t));
        self.note_error(text);
        if let Some(another) = another {
            self.note_error(another);
        }
        if self.with(|t| t.tasks.get(id).state != State::Idle) {
            self.discard(self.main.get(), id);
        }
    }

    /// The error object on top of a failed thread, as text with the thread's traceback.
    pub(crate) fn error_text(&self, lua: Lua) -> Vec<u8> {
        let mut text = object_text_of(self.main.get(), lua);
        self.describe(lua, &mut text);
        text
    }

    /// Appends a traceback of `lua`.
    pub(super) fn describe(&self, lua: Lua, text: &mut Vec<u8>) {
        let main = self.main.get();
        main.push_function(trace_of);
        main.push_pointer(lua.0.cast());
        if main.pcall(1, 1, 0) == ffi::LUA_OK {
            text.push(b'\n');
            text.extend(main.bytes(-1).unwrap_or(b""));
        }
        main.pop(1);
    }
}

/// The error object on top of `lua`, as text made on the stack of `l`. To-be-closed variables get it too, so it
/// stays there if there is room for a copy.
fn object_text_of(l: Lua, lua: Lua) -> Vec<u8> {
    l.push_function(object_text);
    if lua.check_stack(1) {
        lua.push_value(-1);
    }
    lua.move_to(l, 1);
    let text = match l.pcall(1, 1, 0) {
        ffi::LUA_OK => l.bytes(-1).unwrap_or(b"").to_vec(),
        ffi::LUA_ERRMEM => b"not enough memory".to_vec(),
        _ => b"error in __tostring metamethod of the error object".to_vec(),
    };
    l.pop(1);
    text
}

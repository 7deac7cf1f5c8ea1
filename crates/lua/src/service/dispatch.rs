//! What happens to a message: the dispatcher.
//!
//! It is flat. Every task is resumed from here, from the thread that hosts the dispatcher (the main thread of the
//! state), never from inside another task: native functions that wake, fail or fork tasks only put them into queues.
//! One message is:
//!
//! 1. find or start the task that the message is for, and run it until it suspends or ends;
//! 2. `settle`: run the woken tasks, one after another, then those whose calls have failed, until there are none;
//! 3. run the forked tasks in order, each followed by 2;
//! 4. log what went wrong, as one entry.
//!
//! Everything here runs unprotected, so it uses only calls of the C API that can't raise; the rest goes through
//! `protected` or happens inside a task.

use std::cell::Cell;
use std::ffi::{c_int, c_void};

use mlua_sys::lua55 as ffi;
use skynet_kernel::{Departure, Handle, Message, Payload, kind};

use super::entry::{
    TIMER_ARGUMENTS, add_traceback, call_unknown_request, call_unknown_response,
    push_timer_arguments, serve_lua_request, serve_request,
};
use super::sessions::{Kind, LateAnswer, Pending};
use super::tasks::{NO_TASK, State, TaskId};
use super::{Fork, Incoming, Mode, Svc, Taken, Wake, is_request};
use skynet_vm::lua::{Lua, Phase};

impl Svc {
    /// Handles one message of the mailbox.
    #[inline(always)]
    pub(crate) fn deliver(&self, mut msg: Message) {
        let m = Incoming {
            kind: msg.kind,
            session: msg.session,
            source: msg.source,
            data: msg.payload().as_ptr(),
            len: msg.payload().len(),
            owned: Cell::new(false),
            shared: msg.is_shared(),
        };
        match self.mode.get() {
            Mode::Deaf => {
                if is_request(m.kind, m.session) {
                    self.fail_request(m.source, m.session);
                }
            }
            Mode::Leaving => self.answer_dropped(&m),
            Mode::Dispatcher => {
                self.dispatch_inline(&m);
                self.report(&m);
                self.release_taken(&mut msg);
            }
            Mode::Callback { forward } => self.deliver_to_callback(&mut msg, m, forward),
        }
    }

    /// A message that comes too late: its sender hears what it would have heard if it had still been in the mailbox.
    fn answer_dropped(&self, m: &Incoming) {
        if m.source == Handle::NONE {
            return;
        }
        let session = if is_request(m.kind, m.session) {
            m.session
        } else {
            0
        };
        let _ = self.cx.send(m.source, kind::ERROR, session, Payload::EMPTY);
    }

    /// A payload that somebody has taken over is not freed with its message.
    pub(super) fn release_taken(&self, msg: &mut Message) {
        if self.taken.replace(Taken::No) == Taken::Yes {
            // The code that took the payload frees it.
            let _ = msg.take_payload().into_raw();
        }
    }

    /// Dispatches with `m` as the current message.
    // A task that yields below a call of C leaves by a jump, after which the processor mispredicts every return until
    // the loop of the worker: there should be few. So what every message passes on its way to `lua_resume` is inlined
    // here.
    #[inline(always)]
    pub(super) fn dispatch_inline(&self, m: &Incoming) {
        self.dispatching(Some(m), || self.dispatch(m));
    }

    /// Steps 1 to 3.
    #[inline(always)]
    fn dispatch(&self, m: &Incoming) {
        match m.kind {
            kind::RESPONSE => self.on_response(m),
            kind::ERROR if self.errors_are_ours() => self.on_error(m),
            kind::TRACE if !self.takes_traces() => self.on_trace(m),
            _ => self.on_request(m),
        }
        if self.busy.get() {
            self.empty_queues();
        }
    }

    /// Steps 2 and 3.
    fn empty_queues(&self) {
        self.settle();
        while let Some(fork) = self.with(|t| t.forks.pop_front()) {
            if self.mode.get() == Mode::Leaving {
                // Forked by a to-be-closed variable while the service was leaving.
                break;
            }
            match fork {
                Fork::Task(task, args) => self.run(task, args),
                Fork::Function(reference) => self.run_function(reference, None),
                Fork::HeldLines => self.dispatch_held(),
            }
            self.settle();
        }
    }

    /// Step 2.
    pub(super) fn settle(&self) {
        loop {
            if let Some(task) = self.with(|t| t.wakeups.pop_front()) {
                self.resume_woken(task);
            } else if let Some((session, late)) = self.with(|t| t.failures.pop_front()) {
                self.resume_failed(session, late);
            } else {
                return;
            }
        }
    }

    /// Step 4.
    pub(super) fn report(&self, m: &Incoming) {
        if !self.busy.get() {
            return;
        }
        // A Lua callback may have woken or forked tasks that only the next dispatch comes to.
        let (waiting, failed) = self.with(|t| {
            let empty = t.wakeups.is_empty() && t.failures.is_empty() && t.forks.is_empty();
            (!empty, !t.errors.is_empty())
        });
        self.busy.set(waiting);
        if !failed {
            return;
        }
        let errors = self.with(|t| std::mem::take(&mut t.errors));
        let mut line = format!(
            "lua call [{:x} to :{:x} : {} msgsz = {}] error : \x1b[31m",
            m.source.0,
            self.handle().0,
            m.session,
            m.len
        )
        .into_bytes();
        let errors = errors.join(&b'\n');
        line.extend(&errors);
        line.extend(b"\x1b[0m");
        self.cx.log(line);
        if self.cx.is_fatal() && !self.cx.retired() {
            let text = String::from_utf8_lossy(&errors).into_owned();
            self.cx.set_departure(Departure::Error(text));
            self.cx.exit();
        }
    }

    pub(crate) fn note_error(&self, text: Vec<u8>) {
        self.enqueue(|t| t.errors.push(text));
    }

    // ---- the kinds of messages ----

    #[inline(always)]
    fn on_response(&self, m: &Incoming) {
        let Some(p) = self.with(|t| {
            let p = t.sessions.remove(m.session)?;
            if !t.callee_names.is_empty() {
                t.callee_names.remove(&m.session);
            }
            Some(p)
        }) else {
            return self.unknown_response(m);
        };
        let mut wake = Wake::Nothing;
        match p.kind() {
            // The deadline of a call whose task was killed: the answer may still come.
            Kind::DroppedCall if m.source == Handle::NONE => return self.abandon(p),
            Kind::WokenEarly | Kind::DroppedCall | Kind::DroppedTimer => return,
            Kind::Call if m.source == Handle::NONE && self.deadline_passed(m.session) => {
                // The answer may still come; remember the session so that it is dropped quietly.
                self.abandon(p);
                wake = Wake::TimedOut;
            }
            Kind::Call => {
                if self.cancel_deadline(m.session) {
                    self.expire(p);
                }
                wake = Wake::answer(m);
            }
            Kind::Sleep | Kind::Wait => {}
            Kind::Timer => {
                self.with(|t| {
                    if !t.timer_origins.is_empty() {
                        t.timer_origins.remove(&m.session);
                    }
                });
                return self.run_timer(p.task, m);
            }
            Kind::Function => return self.run_function(p.task as c_int, Some(m)),
            Kind::Handler => return self.run_answer_handler(p.task as c_int, Some(m)),
            Kind::Notices => return self.run_notice(p, m),
        }
        self.resume_inline(p.task, m.session, wake);
    }

    /// The task of a `timeout` whose coroutine the application has.
    fn run_timer(&self, id: TaskId, m: &Incoming) {
        let lua = self.with(|t| {
            let task = t.tasks.get_mut(id);
            let waits = task.waiting == m.session && task.state == State::Waiting;
            if waits {
                task.waiting = 0;
                task.state = State::Ready;
            }
            waits.then_some(task.lua)
        });
        let Some(lua) = lua else { return };
        let mut args = 0;
        if lua.phase() == Phase::Fresh {
            push_timer_arguments(lua, m);
            args = TIMER_ARGUMENTS;
        }
        self.run(id, args);
    }

    /// A late answer to this session is dropped quietly.
    pub(super) fn abandon(&self, p: Pending) {
        self.give_up(p, Kind::DroppedCall);
    }

    /// The message of this session's deadline, which is on its way, is dropped quietly.
    pub(super) fn expire(&self, p: Pending) {
        self.give_up(p, Kind::DroppedTimer);
    }

    fn give_up(&self, p: Pending, kind: Kind) {
        let given_up = Pending::new(p.session, NO_TASK, p.callee, kind, p.since());
        self.with(|t| t.sessions.insert(given_up));
    }

    /// A timer of ours answers with source 0; true if it was the deadline of a call.
    pub(super) fn deadline_passed(&self, session: i32) -> bool {
        self.with(|t| t.deadlines.remove(&session).is_some())
    }

    /// True if the deadline has passed already, so that its message is still to come.
    pub(crate) fn cancel_deadline(&self, session: i32) -> bool {
        let key = self.with(|t| match t.deadlines.is_empty() {
            true => None,
            false => t.deadlines.remove(&session),
        });
        match key {
            None => false,
            Some(None) => true,
            Some(Some(key)) => !self.cx.node().cancel_timer(key),
        }
    }

    /// True unless the application has put its own handler on the `error` protocol.
    pub(super) fn errors_are_ours(&self) -> bool {
        let main = self.main.get();
        if !self.push_class(main, kind::ERROR) {
            return true;
        }
        main.push_ref(self.refs.dispatch.get());
        main.raw_get(-2);
        let ours = main
            .c_function(-1)
            .is_some_and(|f| f as usize == super::entry::error_dispatch as *const () as usize);
        main.pop(2);
        ours
    }

    /// Session 0: the source is gone, and with it everything that was asked of it or by it. Else one request has
    /// failed.
    pub(crate) fn on_error(&self, m: &Incoming) {
        if m.session == 0 {
            self.trace_unused(m.source);
        }
        self.enqueue(|t| {
            if m.session == 0 {
                t.owed.drop_requester(m.source);
                let (sessions, last) = (&t.sessions, self.cx.last_session());
                let failed = t.callees.waiting_for(
                    m.source,
                    last,
                    sessions.len(),
                    || sessions.iter().map(|p| p.session),
                    |session| sessions.get(session).and_then(Pending::owed_by),
                );
                // A request that the ended service has passed on may still be answered by another one.
                let failed = failed
                    .into_iter()
                    .map(|session| (session, LateAnswer::Unlikely));
                t.failures.extend(failed);
            } else if t.sessions.contains(m.session) {
                t.failures.push_back((m.session, LateAnswer::Never));
            }
        });
    }

    #[inline(always)]
    fn on_request(&self, m: &Incoming) {
        if m.kind == kind::LUA && self.lua_handler.get() != 0 && !self.exposed.get() {
            let Some((id, lua)) = self.begin_request(m) else {
                return self.no_memory_for(m);
            };
            lua.push_function(serve_lua_request);
            lua.push(self.lua_function.get());
            return self.run_inline(id, 1);
        }
        self.on_other_request(m);
    }

    fn on_other_request(&self, m: &Incoming) {
        if self.holding.get() && self.hold(m) {
            return;
        }
        let main = self.main.get();
        if !self.push_class(main, m.kind) {
            return self.unknown_request(m, false);
        }
        main.push_ref(self.refs.dispatch.get());
        main.raw_get(-2);
        // A handler may come from elsewhere by a metatable: that is for the coroutine to find out.
        if !main.bool(-1) && !main.has_metatable(-2) {
            main.pop(1);
            return self.unknown_request(m, true);
        }
        let Some((id, lua)) = self.begin_request(m) else {
            main.pop(2);
            return self.no_memory_for(m);
        };
        lua.push_function(serve_request);
        main.move_to(lua, 2);
        self.run_inline(id, 2);
    }

    /// A new task that knows whose request it handles, and its thread.
    #[inline(always)]
    fn begin_request(&self, m: &Incoming) -> Option<(TaskId, Lua)> {
        let id = self.take_task()?;
        let lua = self.with(|t| {
            let task = t.tasks.get_mut(id);
            // The session of a multicast message is its channel: there is nobody to answer.
            task.request = (m.kind != kind::MULTICAST).then_some(m.session);
            task.source = Some(m.source);
            task.lua
        });
        self.trace_request(id, m);
        self.wake.set(Wake::answer(m));
        Some((id, lua))
    }

    #[cold]
    fn no_memory_for(&self, m: &Incoming) {
        self.trace_unused(m.source);
        self.fail_request(m.source, m.session);
        self.cx.log(format!(
            "lua memory error : [{:x} to :{:x} : {}]",
            m.source.0,
            self.handle().0,
            m.session
        ));
    }

    /// Nobody handles this type; `known`: its class is on top of the main thread's stack, and is popped.
    fn unknown_request(&self, m: &Incoming, known: bool) {
        self.trace_unused(m.source);
        let main = self.main.get();
        if m.session != 0 {
            if known {
                main.pop(1);
            }
            return self.fail_request(m.source, m.session);
        }
        if !known {
            main.push_int(m.kind as i64);
        }
        main.push_pointer(std::ptr::from_ref(m).cast_mut().cast());
        main.insert(-2);
        main.push_function(call_unknown_request);
        main.insert(-3);
        self.protected(2);
    }

    pub(super) fn unknown_response(&self, m: &Incoming) {
        let before = self.call_before.get();
        if before != 0 && m.session <= before || self.with(|t| t.unlikely.take(m.session)) {
            return;
        }
        let main = self.main.get();
        main.push_function(call_unknown_response);
        main.push_pointer(std::ptr::from_ref(m).cast_mut().cast());
        self.protected(1);
    }

    /// Calls the function below the top `args` values of the main thread; a failure is noted.
    pub(super) fn protected(&self, args: c_int) {
        let main = self.main.get();
        let base = main.top() - args;
        main.push_function(add_traceback);
        main.insert(base);
        let before = self.interrupts.set_active(main.0);
        if main.pcall(args, 0, base) != ffi::LUA_OK {
            self.note_error(
                main.bytes(-1)
                    .unwrap_or(b"error object is not a string")
                    .to_vec(),
            );
        }
        self.interrupts.set_active(before);
        main.set_top(base - 1);
    }

    /// `f(ok, msg, sz)` of `core.on_answer`.
    pub(super) fn run_answer_handler(&self, reference: c_int, m: Option<&Incoming>) {
        if reference == 0 {
            // An error kept `on_answer` from being called.
            return;
        }
        let main = self.main.get();
        main.push_ref(reference);
        main.free_ref(reference);
        main.push_bool(m.is_some());
        match m {
            Some(m) => {
                main.push_pointer(m.data as *mut c_void);
                main.push_int(m.len as i64);
                self.protected(3);
            }
            None => self.protected(1),
        }
    }

    /// Somebody who is watched has ended.
    #[cold]
    fn run_notice(&self, p: Pending, m: &Incoming) {
        self.with(|t| t.sessions.insert(p));
        let main = self.main.get();
        main.push_ref(p.task as c_int);
        main.push_int(m.source.0.into());
        main.push_pointer(m.data as *mut c_void);
        main.push_int(m.len as i64);
        self.protected(3);
    }

    /// Sends an answer.
    pub(crate) fn send_response(
        &self,
        to: Handle,
        session: i32,
        payload: Payload,
    ) -> Result<(), skynet_kernel::SendError> {
        self.cx.send(to, kind::RESPONSE, session, payload)
    }
}

//! What happens to a message: the dispatcher.
//!
//! It is flat. Every task is resumed from here, from the thread that hosts the dispatcher (the main thread of the state), never from
//! inside another task: native functions that wake, fail or fork tasks only put them into queues. One message is:
//!
//! 1. find or start the task that the message is for, and run it until it suspends or ends;
//! 2. `settle`: run the woken tasks, one after another, then those whose calls have failed, until there are none;
//! 3. run the forked tasks in order, each followed by 2;
//! 4. log what went wrong, as one entry.
//!
//! Everything here runs unprotected, so it uses only calls of the C API that can't raise; the rest goes through
//! `protected` or happens inside a task.

use std::ffi::{c_int, c_void};

use mlua_sys::lua55 as ffi;
use skynet_kernel::{Handle, Message, Payload, kind};

use super::sessions::{Kind, Late, Pending};
use super::tasks::{NO_TASK, State, TaskId};
use super::{Fork, Incoming, Mode, NO_THREAD, Svc, Taken, Wake, is_request};
use crate::api;
use crate::vm::lua::{Lua, MULTRET, Type};
use crate::vm::native::{Fault, Next, Outcome, continuation, native, results};
use crate::vm::seri;

impl Svc {
    /// Handles one message of the mailbox.
    pub(crate) fn deliver(&self, mut msg: Message) {
        let m = Incoming {
            kind: msg.kind,
            session: msg.session,
            source: msg.source,
            data: msg.payload().as_ptr(),
            len: msg.payload().len(),
            owned: false,
        };
        match self.mode.get() {
            Mode::Deaf | Mode::Leaving => {
                if is_request(m.kind, m.session) {
                    self.fail_request(m.source, m.session);
                }
            }
            Mode::Dispatcher => {
                self.dispatch_here(m);
                self.report(m);
                self.release_taken(&mut msg);
            }
            Mode::Callback { forward } => self.deliver_to_callback(&mut msg, m, forward),
        }
    }

    /// A payload that somebody has taken over is not freed with its message.
    fn release_taken(&self, msg: &mut Message) {
        if self.taken.replace(Taken::No) == Taken::Yes {
            // Whoever took it frees it.
            let _ = msg.take_payload().into_raw();
        }
    }

    /// Dispatches with `m` as the current message.
    fn dispatch_here(&self, m: Incoming) {
        let before = self.current.replace(Some(m));
        self.dispatch(m);
        self.current.set(before);
    }

    /// Steps 1 to 3.
    pub(crate) fn dispatch(&self, m: Incoming) {
        match m.kind {
            kind::RESPONSE => self.on_response(m),
            kind::ERROR if self.errors_are_ours() => self.on_error(m),
            kind::TRACE if !self.with(|t| t.protocols.contains(kind::TRACE)) => self.on_trace(m),
            _ => self.on_request(m),
        }
        if !self.busy.get() {
            return;
        }
        self.settle();
        while let Some(fork) = self.with(|t| t.forks.pop_front()) {
            if self.mode.get() == Mode::Leaving {
                // Forked by a to-be-closed variable while the service was leaving.
                break;
            }
            match fork {
                Fork::Task(task, args) => self.run(task, args),
                Fork::Function(reference) => self.run_function(reference, None),
            }
            self.settle();
        }
    }

    /// Step 2.
    fn settle(&self) {
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
    fn report(&self, m: Incoming) {
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
        line.extend(errors.join(&b'\n'));
        line.extend(b"\x1b[0m");
        self.cx.log(line);
    }

    pub(crate) fn note_error(&self, text: Vec<u8>) {
        self.enqueue(|t| t.errors.push(text));
    }

    // ---- the kinds of messages ----

    fn on_response(&self, m: Incoming) {
        let Some(p) = self.with(|t| {
            let p = t.sessions.remove(m.session)?;
            if !t.callee_names.is_empty() {
                t.callee_names.remove(&m.session);
            }
            Some(p)
        }) else {
            return self.unknown_response(m);
        };
        match p.kind {
            // The deadline of a call whose task was killed: the answer may still come.
            Kind::Abandoned if m.source == Handle::NONE && p.callee != 0 => self.abandon(p),
            Kind::Break | Kind::Abandoned => {}
            Kind::Call if m.source == Handle::NONE && self.deadline_passed(m.session) => {
                // The answer may still come; remember the session so that it is dropped quietly.
                self.abandon(p);
                self.resume(p.task, m.session, Wake::TimedOut, 0);
            }
            Kind::Call => {
                if self.cancel_deadline(m.session) {
                    self.abandon(Pending { callee: 0, ..p });
                }
                self.resume(p.task, m.session, Wake::Answer(m), 0);
            }
            Kind::Sleep | Kind::Wait => self.resume(p.task, m.session, Wake::Nothing, 0),
            Kind::Timer => {
                self.with(|t| {
                    if !t.timer_origins.is_empty() {
                        t.timer_origins.remove(&m.session);
                    }
                });
                let lua = self.with(|t| t.tasks.get(p.task).lua);
                push_timer_arguments(lua, m);
                self.resume(p.task, m.session, Wake::Nothing, TIMER_ARGUMENTS);
            }
            Kind::Function => self.run_function(p.task as c_int, Some(m)),
            Kind::Handler => self.run_answer_handler(p.task as c_int, Some(m)),
        }
    }

    /// A late answer to this session is dropped quietly.
    fn abandon(&self, p: Pending) {
        self.with(|t| {
            t.sessions.insert(Pending {
                kind: Kind::Abandoned,
                task: NO_TASK,
                ..p
            })
        });
    }

    /// A timer of ours answers with source 0; true if it was the deadline of a call.
    fn deadline_passed(&self, session: i32) -> bool {
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
    fn errors_are_ours(&self) -> bool {
        let Some(class) = self.with(|t| t.protocols.class(kind::ERROR)) else {
            return true;
        };
        let main = self.main.get();
        main.push_ref(class);
        main.push_ref(self.refs.dispatch.get());
        main.raw_get(-2);
        let ours = main
            .c_function(-1)
            .is_some_and(|f| f as usize == api::protocol::error_dispatch as *const () as usize);
        main.pop(2);
        ours
    }

    /// Session 0: the source is gone, and with it everything that was asked of it or by it. Else one request has failed.
    pub(crate) fn on_error(&self, m: Incoming) {
        self.enqueue(|t| {
            if m.session == 0 {
                t.owed.drop_requester(m.source);
                let failed = t
                    .sessions
                    .iter()
                    .filter(|p| {
                        p.callee == m.source.0 && p.callee != 0 && p.kind != Kind::Abandoned
                    })
                    // A request that the dead had passed on is answered by somebody else.
                    .map(|p| (p.session, Late::Unlikely));
                t.failures.extend(failed);
            } else if t.sessions.contains(m.session) {
                t.failures.push_back((m.session, Late::No));
            }
        });
    }

    fn on_request(&self, m: Incoming) {
        let main = self.main.get();
        let handler = self.lua_handler.get();
        if m.kind == kind::LUA && handler != 0 && !self.exposed.get() {
            main.push_ref(handler);
            return self.start_request(m, serve_lua_request, 1);
        }
        let Some(class) = self.with(|t| t.protocols.class(m.kind)) else {
            return self.unknown_request(m, None);
        };
        main.push_ref(class);
        main.push_ref(self.refs.dispatch.get());
        if main.raw_get(-2) == Type::Nil {
            main.pop(2);
            return self.unknown_request(m, Some(class));
        }
        self.start_request(m, serve_request, 2);
    }

    /// Runs `entry` in a new task with the top `args` values of the main thread.
    fn start_request(&self, m: Incoming, entry: ffi::lua_CFunction, args: c_int) {
        let main = self.main.get();
        let Some(id) = self.take_task() else {
            main.pop(args);
            self.fail_request(m.source, m.session);
            self.cx.log(format!(
                "lua memory error : [{:x} to :{:x} : {}]",
                m.source.0,
                self.handle().0,
                m.session
            ));
            return;
        };
        let lua = self.with(|t| {
            let task = t.tasks.get_mut(id);
            task.request = Some(m.session);
            task.source = Some(m.source);
            task.lua
        });
        self.trace_request(id, m);
        lua.push_function(entry);
        main.move_to(lua, args);
        self.wake.set(Wake::Answer(m));
        self.run(id, args);
    }

    fn unknown_request(&self, m: Incoming, class: Option<i32>) {
        if m.session != 0 {
            return self.fail_request(m.source, m.session);
        }
        let main = self.main.get();
        main.push_function(call_unknown_request);
        main.push_pointer((&raw const m).cast_mut().cast());
        match class {
            Some(class) => {
                main.push_ref(class);
            }
            None => main.push_int(m.kind as i64),
        }
        self.protected(2);
    }

    fn unknown_response(&self, m: Incoming) {
        if self.with(|t| t.ended.take(m.session)) {
            return;
        }
        let main = self.main.get();
        main.push_function(call_unknown_response);
        main.push_pointer((&raw const m).cast_mut().cast());
        self.protected(1);
    }

    /// Calls the function below the top `args` values of the main thread; a failure is noted.
    fn protected(&self, args: c_int) {
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
    fn run_answer_handler(&self, reference: c_int, m: Option<Incoming>) {
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

    // ---- tasks ----

    /// An idle task, or a new one; none when there is no memory for it.
    fn take_task(&self) -> Option<TaskId> {
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
    fn run_function(&self, reference: c_int, timer: Option<Incoming>) {
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

    /// Resumes a task that waits for `session`. If it no longer does (an error, such as a lack of memory, met the suspension on
    /// its way out), what the task does now must not be disturbed.
    fn resume(&self, id: TaskId, session: i32, wake: Wake, args: c_int) {
        let waits = self.with(|t| {
            let task = t.tasks.get_mut(id);
            let waits = task.waiting == session && task.state == State::Waiting;
            if waits {
                task.waiting = 0;
            }
            waits
        });
        if !waits {
            return;
        }
        self.wake.set(wake);
        self.trace_resume(id);
        self.run(id, args);
    }

    fn resume_woken(&self, id: TaskId) {
        let (alive, session) = self.with(|t| {
            let task = t.tasks.get_mut(id);
            let woken = std::mem::take(&mut task.woken) && task.state == State::Waiting;
            let session = task.waiting;
            if woken && task.waiting != 0 {
                match t.sessions.get_mut(task.waiting) {
                    // Its timer is still to come.
                    Some(p) if p.kind == Kind::Sleep => p.kind = Kind::Break,
                    Some(p) if p.kind == Kind::Wait => {
                        let session = p.session;
                        t.sessions.remove(session);
                    }
                    _ => {}
                }
            }
            (woken, session)
        });
        if alive {
            self.resume(id, session, Wake::Woken, 0);
        }
    }

    fn resume_failed(&self, session: i32, late: Late) {
        let Some(p) = self.with(|t| {
            t.callee_names.remove(&session);
            t.sessions.remove(session)
        }) else {
            return;
        };
        match p.kind {
            Kind::Call => {
                let due = self.cancel_deadline(session);
                if due && late != Late::No {
                    // Two messages may come: one finds the abandoned session.
                    self.with(|t| t.ended.add(session));
                }
                match late {
                    Late::Expected => self.abandon(p),
                    _ if due => self.abandon(Pending { callee: 0, ..p }),
                    Late::Unlikely => self.with(|t| t.ended.add(session)),
                    Late::No => {}
                }
                self.resume(p.task, session, Wake::Failed, 0);
            }
            Kind::Handler => {
                match late {
                    Late::Expected => self.abandon(p),
                    Late::Unlikely => self.with(|t| t.ended.add(session)),
                    Late::No => {}
                }
                self.run_answer_handler(p.task as c_int, None);
            }
            Kind::Break | Kind::Abandoned => {}
            // Not calls: an error for them makes no sense; they go on waiting.
            Kind::Sleep | Kind::Wait | Kind::Timer | Kind::Function => {
                self.with(|t| t.sessions.insert(p));
            }
        }
    }

    /// Runs a task until it suspends, ends or fails.
    fn run(&self, id: TaskId, args: c_int) {
        let lua = self.with(|t| {
            let task = t.tasks.get_mut(id);
            task.state = State::Running;
            task.lua
        });
        if lua.status() != ffi::LUA_YIELD && lua.top() <= args {
            // The application has closed this coroutine by itself.
            return self.end_closed(id, lua);
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
        // What was to be told lives no longer than the message.
        self.wake.set(Wake::Nothing);
        match status {
            ffi::LUA_OK => {
                lua.set_top(0);
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

    /// Puts a finished task back into the pool.
    pub(crate) fn put_back(&self, l: Lua, id: TaskId) {
        if self.init_task.get() == id {
            self.init_task.set(NO_TASK);
        }
        if let Some((_, anchor)) = self.with(|t| t.tasks.put_back(id)) {
            l.free_ref(anchor);
        }
    }

    /// Closes a stopped thread from `l`, and empties it. If it ends with an error, that error's text.
    pub(crate) fn close_thread(&self, l: Lua, lua: Lua) -> Option<Vec<u8>> {
        let failed = lua.close_thread(l) != ffi::LUA_OK;
        let text = failed.then(|| object_text_of(l, lua));
        lua.set_top(0);
        text
    }

    /// A task whose thread is dead already: nobody will answer its request.
    fn end_closed(&self, id: TaskId, lua: Lua) {
        let request = self.with(|t| {
            let task = t.tasks.get_mut(id);
            task.request.take().zip(task.source)
        });
        if let Some((session, source)) = request {
            self.fail_request(source, session);
        }
        lua.set_top(0);
        self.trace_end(id);
        self.put_back(self.main.get(), id);
    }

    /// `skynet.exit` has been called by this task: it is closed last, when the service is already gone.
    fn leave(&self, id: TaskId, lua: Lua) {
        if let Some(text) = self.close_thread(self.main.get(), lua) {
            self.note_error(text);
        }
        self.with(|t| t.tasks.discard(id));
    }

    /// A task has yielded by itself, with values that mean nothing to the dispatcher.
    fn odd_yield(&self, id: TaskId, lua: Lua, values: c_int) {
        self.with(|t| t.tasks.get_mut(id).state = State::Waiting);
        if values == 0 || lua.kind(-values) == Type::Nil {
            // A hook of a debugger, which resumes the thread itself.
            return;
        }
        let mut text = match lua.bytes(-values) {
            Some(b"SUSPEND") => {
                lua.pop(values);
                return;
            }
            Some(b"USER") => b"Call skynet.coroutine.yield out of skynet.coroutine.resume".to_vec(),
            Some(other) => [b"Unknown command : ", other].concat(),
            None => format!("Unknown command : {}", lua.type_name(-values)).into_bytes(),
        };
        lua.pop(values);
        self.describe(lua, &mut text);
        self.end_failed(id, lua, text);
    }

    fn task_failed(&self, id: TaskId, lua: Lua) {
        let text = self.error_text(lua);
        self.end_failed(id, lua, text);
    }

    /// The request fails, pending to-be-closed variables run, the thread can be used again.
    fn end_failed(&self, id: TaskId, lua: Lua, text: Vec<u8>) {
        let request = self.with(|t| {
            let task = t.tasks.get_mut(id);
            Some((task.request.take()?, task.source?))
        });
        if let Some((session, source)) = request {
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
        if self.hook_raised.take() {
            let (_, anchor) = self.with(|t| t.tasks.discard(id));
            self.main.get().free_ref(anchor);
        } else if self.with(|t| t.tasks.get(id).state != State::Idle) {
            self.put_back(self.main.get(), id);
        }
    }

    /// The error object on top of a failed thread, as text with the thread's traceback.
    pub(crate) fn error_text(&self, lua: Lua) -> Vec<u8> {
        let mut text = object_text_of(self.main.get(), lua);
        self.describe(lua, &mut text);
        text
    }

    /// Appends a traceback of `lua`.
    fn describe(&self, lua: Lua, text: &mut Vec<u8>) {
        let main = self.main.get();
        main.push_function(trace_of);
        main.push_pointer(lua.0.cast());
        if main.pcall(1, 1, 0) == ffi::LUA_OK {
            text.push(b'\n');
            text.extend(main.bytes(-1).unwrap_or(b""));
        }
        main.pop(1);
    }

    // ---- Lua callbacks ----

    /// The message goes to the function given to `core.callback`.
    fn deliver_to_callback(&self, msg: &mut Message, mut m: Incoming, forward: bool) {
        if is_request(m.kind, m.session) {
            self.with(|t| t.owed.remember(m.session, m.source));
        }
        if forward {
            let (data, len) = msg.take_payload().into_raw();
            (m.data, m.len) = (data, len);
        }
        let before = self.current.replace(if forward { None } else { Some(m) });
        let main = self.main.get();
        let base = main.top();
        main.push_ref(self.refs.callback_thread.get());
        let thread = main.thread(-1).unwrap_or(main);
        main.pop(1);
        if thread != main {
            thread.set_top(0);
        }
        let handler = thread.top() + 1;
        thread.push_function(add_traceback);
        thread.push_ref(self.refs.callback.get());
        thread.push_int(m.kind as i64);
        if m.len == 0 {
            thread.push_pointer(std::ptr::null_mut());
        } else {
            thread.push_pointer(m.data as *mut c_void);
        }
        thread.push_int(m.len as i64);
        thread.push_int(m.session as i64);
        thread.push_int(m.source.0 as i64);
        let active = self.interrupts.set_active(thread.0);
        self.interrupts.arm(thread);
        let status = thread.pcall(5, 0, handler);
        self.interrupts.set_active(active);
        match status {
            ffi::LUA_OK => {}
            ffi::LUA_ERRMEM => {
                self.cx.log(format!(
                    "lua memory error : [{:x} to :{:x} : {}]",
                    m.source.0,
                    self.handle().0,
                    m.session
                ));
            }
            ffi::LUA_ERRERR => {
                self.cx.log(format!(
                    "lua error in error : [{:x} to :{:x} : {}]",
                    m.source.0,
                    self.handle().0,
                    m.session
                ));
            }
            _ => {
                let text = thread
                    .bytes(-1)
                    .unwrap_or(b"error object is not a string")
                    .to_vec();
                self.note_error(text);
            }
        }
        thread.set_top(handler - 1);
        main.set_top(base);
        self.current.set(before);
        self.report(m);
        self.release_taken(msg);
    }

    /// `skynet.dispatch_message`, called by a Lua callback: errors are raised there. *raises*
    pub(crate) fn dispatch_from_lua(&self, l: Lua, m: Incoming) -> Outcome {
        self.with(|t| t.owed.settle(m.session, m.source));
        let host = self.main.replace(l);
        let taken = self.taken.replace(Taken::Forbidden);
        self.dispatch_here(m);
        self.taken.set(taken);
        self.main.set(host);
        let errors = self.with(|t| std::mem::take(&mut t.errors));
        if errors.is_empty() {
            return results(0);
        }
        Err(Fault::Plain(
            String::from_utf8_lossy(&errors.join(&b'\n'))
                .into_owned()
                .into(),
        ))
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

/// Values that the function of a `timeout` gets.
const TIMER_ARGUMENTS: c_int = 4;

/// The function of a `timeout` gets what a callback of the core would get.
fn push_timer_arguments(lua: Lua, m: Incoming) {
    lua.push_bool(true);
    lua.push_pointer(m.data as *mut c_void);
    lua.push_int(m.len as i64);
    lua.push_int(m.session as i64);
}

native! {
    /// Makes a thread for a task; returns the task's index.
    make_task = |l| {
        let svc = Svc::of(l).ok_or("no service")?;
        let thread = l.new_thread();
        let anchor = l.make_ref();
        let id = svc.with(|t| t.tasks.add(thread, anchor));
        l.push_int(id as i64);
        results(1)
    };

    /// As `serve_request`, for the `lua` protocol as it was registered: `serve_lua_request(handler)`.
    serve_lua_request = |l| {
        let svc = Svc::of(l).ok_or("no service")?;
        let Wake::Answer(m) = svc.wake.replace(Wake::Nothing) else {
            return Err("no message".into());
        };
        l.push_value(1);
        l.push_int(m.session as i64);
        l.push_int(m.source.0 as i64);
        let n = seri::unpack(l, m.bytes())?;
        Ok(Next::Call { args: n + 2, results: 0, ctx: 1, then: request_done })
    };

    /// First function of a request's coroutine: `serve_request(class, handler)`. Unpacks the message and calls the
    /// handler. Here, in the coroutine, because making strings and tables may raise.
    serve_request = |l| {
        let svc = Svc::of(l).ok_or("no service")?;
        let Wake::Answer(m) = svc.wake.replace(Wake::Nothing) else {
            return Err("no message".into());
        };
        l.push_value(2);
        l.push_int(m.session as i64);
        l.push_int(m.source.0 as i64);
        l.push_ref(svc.refs.unpack.get());
        let unpack = l.raw_get(1);
        if l.c_function(-1).is_some_and(is_unpack) {
            l.pop(1);
            let n = seri::unpack(l, m.bytes())?;
            return Ok(Next::Call { args: n + 2, results: 0, ctx: 2, then: request_done });
        }
        if unpack == Type::Nil {
            return Err("attempt to call a nil value (field 'unpack')".into());
        }
        l.push_pointer(m.data as *mut c_void);
        l.push_int(m.len as i64);
        Ok(Next::Call { args: 2, results: MULTRET, ctx: 0, then: unpacked })
    };

    /// `object_text(error object)`: its text.
    object_text = |l| {
        l.to_display(1);
        results(1)
    };

    /// `trace_of(thread as light userdata)`.
    trace_of = |l| {
        // SAFETY: `describe` passes a thread that is stopped and alive.
        let of = unsafe { Lua::new(l.userdata(1).cast()) };
        l.traceback(of, 0);
        results(1)
    };

    /// Message handler: the text of the error object and a traceback.
    add_traceback = |l| {
        l.to_display(1);
        l.push_str("\n");
        l.traceback(l, 1);
        l.concat(3);
        results(1)
    };

    call_unknown_request = |l| {
        let svc = Svc::of(l).ok_or("no service")?;
        // SAFETY: `unknown_request` passes the address of a message on its stack.
        let m = unsafe { *l.userdata(1).cast::<Incoming>() };
        if l.kind(2) == Type::Table {
            l.push_str("name");
            l.raw_get(2);
            l.replace(2);
        }
        match svc.refs.unknown_request.get() {
            0 => l.push_function(default_unknown_request),
            handler => {
                l.push_ref(handler);
            }
        }
        push_message(l, m);
        l.push_value(2);
        l.call(5, 0);
        results(0)
    };

    /// `(session, source, msg, sz, prototype)`: what happens to a request of an unknown type
    default_unknown_request = |l| {
        let svc = Svc::of(l).ok_or("no service")?;
        l.to_display(5);
        let name = l.bytes(-1).unwrap_or(b"");
        svc.cx.log([b"Unknown request (", name, b"): ", message_bytes(l)].concat());
        Err(unknown_session(l))
    };

    /// `(session, source, msg, sz)`: what happens to an answer that nobody waits for
    default_unknown_response = |l| {
        let svc = Svc::of(l).ok_or("no service")?;
        svc.cx.log([b"Response message : ", message_bytes(l)].concat());
        Err(unknown_session(l))
    };

    call_unknown_response = |l| {
        let svc = Svc::of(l).ok_or("no service")?;
        // SAFETY: `unknown_response` passes the address of a message on its stack.
        let m = unsafe { *l.userdata(1).cast::<Incoming>() };
        match svc.refs.unknown_response.get() {
            0 => l.push_function(default_unknown_response),
            handler => {
                l.push_ref(handler);
            }
        }
        push_message(l, m);
        l.call(4, 0);
        results(0)
    };
}

/// Pushes session, source, pointer and size.
fn push_message(l: Lua, m: Incoming) {
    l.push_int(m.session as i64);
    l.push_int(m.source.0 as i64);
    l.push_pointer(m.data as *mut c_void);
    l.push_int(m.len as i64);
}

/// The payload given by the arguments 3 and 4, if it is that of the message being dispatched; what else is there is not looked at.
fn message_bytes<'a>(l: Lua) -> &'a [u8] {
    let data: *const u8 = l.userdata(3).cast_const().cast();
    let Some(svc) = Svc::of(l) else { return b"" };
    svc.current
        .get()
        .filter(|m| std::ptr::eq(m.data, data))
        .map_or(b"", |m| m.bytes())
}

fn unknown_session(l: Lua) -> Fault {
    let (session, source) = (l.int(1).unwrap_or(0), l.int(2).unwrap_or(0));
    Fault::Plain(format!("Unknown session : {session} from {source:x}").into())
}

/// Is this the native `skynet.unpack`?
pub(crate) fn is_unpack(f: ffi::lua_CFunction) -> bool {
    f as usize == api::pack::unpack as *const () as usize
}

continuation! {
    /// The protocol's own `unpack` has run: class, handler, handler, session, source, values…
    unpacked = |l: Lua, _, _| {
        Ok(Next::Call { args: l.top() - 3, results: 0, ctx: 2, then: request_done })
    };

    /// The handler, at index `ctx`, has returned.
    request_done = |l: Lua, _, ctx| {
        let svc = Svc::of(l).ok_or("no service")?;
        let forgotten = svc.with(|t| {
            let task = t.tasks.get_mut(svc.running.get());
            let session = task.request.take().filter(|&s| s > 0)?;
            let source = task.source?;
            // Somebody may still answer by hand; if not, the requester hears of this service's end.
            t.owed.remember(session, source);
            Some((session, source))
        });
        if let Some((session, source)) = forgotten {
            let place = function_place(l, ctx as c_int);
            svc.cx.log(format!("Maybe forgot response session {session} from {source} : {place}"));
        }
        results(0)
    };
}

/// `source:line` of the function at a stack index.
fn function_place(l: Lua, index: c_int) -> String {
    l.push_value(index);
    // SAFETY: `ar` is filled by `lua_getinfo`, which pops the function; the texts belong to it.
    unsafe {
        let mut ar: ffi::lua_Debug = std::mem::zeroed();
        ffi::lua_getinfo(l.0, c">S".as_ptr(), &mut ar);
        let source = std::ffi::CStr::from_ptr(ar.short_src.as_ptr());
        format!("{}:{}", source.to_string_lossy(), ar.linedefined)
    }
}

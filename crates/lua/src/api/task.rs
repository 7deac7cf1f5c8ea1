//! `fork`, `start`, `exit`, `killthread`, `task`, `term`: the life of tasks and of the service.

use std::ffi::c_int;

use mlua_sys::lua55::{self as ffi, lua_CFunction};
use skynet_kernel::{Delay, Departure, Payload, kind};
use skynet_wire::seri::Writer;

use super::core::install_callback;
use super::protocol::dispatch_message;
use super::service;
use super::time::start_timer;
use super::time::timeout;
use crate::code::require;
use crate::service::coroutine::close_self;
use crate::service::coroutine::push_thread;
use crate::service::entry::add_traceback;
use crate::service::log::log_text;
use crate::service::sessions::{Kind, LateAnswer};
use crate::service::tasks::{NO_TASK, State, TaskId};
use crate::service::{Fork, Mode, Svc};
use skynet_vm::lua::{Lua, Phase, REGISTRY, Type};
use skynet_vm::native::{Fault, Next, Outcome, continuation, native, results};
use skynet_vm::wanted::results_wanted;

impl Svc {
    /// Sends a command word and values of the `lua` protocol to the launcher, if there is one.
    fn tell_launcher(&self, write: impl FnOnce(&mut Writer<'_>)) {
        self.reported.set(true);
        let Some(launcher) = self.cx.node().find_name("launcher") else {
            return;
        };
        let mut bytes = Vec::new();
        write(&mut Writer::new(&mut bytes));
        let _ = self
            .cx
            .send(launcher, kind::LUA, 0, Payload::from_slice(&bytes));
    }

    /// The launcher forgets this service; whoever waits for its start gets nothing, or an error if it was `killed`.
    fn tell_removed(&self, killed: bool) {
        let handle = self.handle();
        self.tell_launcher(|w| {
            // The word is short: it can't be too long for the format.
            let _ = w.bytes(b"REMOVE");
            w.int(handle.0 as i64);
            w.bool(killed);
        });
    }

    /// The launcher knows this service, which has started anew, whatever it was told.
    pub(crate) fn tell_adopted(&self, param: &str) {
        self.tell_launcher(|w| {
            let _ = w.bytes(b"ADOPT");
            let _ = w.bytes(&skynet_kernel::text::to_bytes(&format!("snlua {param}")));
        });
    }

    /// A service that dies before its start function has ended is not waited for any longer. One that another has
    /// ended is forgotten, whoever that was.
    pub(crate) fn report_death(&self, departure: Option<Departure>) {
        let by_itself = matches!(departure, Some(Departure::Exit | Departure::Init(_)));
        let stops = matches!(departure, Some(Departure::Stop));
        if !self.reported.get() || !by_itself && !stops {
            self.tell_removed(true);
        }
    }

    /// Ends a task that waits or has not begun, whose coroutine is not active; its to-be-closed variables run.
    fn close_task(&self, l: Lua, id: TaskId) {
        let lua = self.with(|t| {
            let task = t.tasks.get_mut(id);
            // The variables that it closes must not kill it a second time.
            task.state = State::Running;
            task.waiting = 0;
            task.lua
        });
        if let Some((session, source)) = self.take_request_of(id) {
            self.fail_request(source, session);
        }
        if let Some(text) = self.close_thread(l, lua) {
            self.note_error(text);
        }
        self.trace_forget(id);
    }

    /// Gives back a task that has not begun, and of which the application has no coroutine.
    pub(crate) fn end_unstarted(&self, l: Lua, id: TaskId) {
        self.close_task(l, id);
        self.put_back(l, id);
    }

    /// Closes all tasks that wait or have not begun; the service is leaving.
    pub(crate) fn close_stopped_tasks(&self, l: Lua) {
        for id in self.stopped_tasks() {
            // A to-be-closed variable of another coroutine may have closed it.
            if let Some(lua) = self.take_stopped(id) {
                if let Some(text) = self.close_thread(l, lua) {
                    self.note_error(text);
                }
                self.with(|t| t.tasks.discard(id));
            }
        }
    }

    /// `skynet.exit`, up to the point where the caller has to be suspended for ever.
    fn depart(&self, l: Lua) {
        self.with(|t| t.forks.clear());
        self.tell_removed(false);
        self.fail_task_requests();
        self.close_stopped_tasks(l);
        self.fail_open_responses();
        self.tell_callees();
        self.mode.set(Mode::Leaving);
        self.with(|t| {
            t.wakeups.clear();
            t.failures.clear();
            t.forks.clear();
        });
        self.cx.exit();
    }
}

fn leave(l: Lua, svc: &Svc) -> Outcome {
    svc.depart(l);
    if svc.running.get() == NO_TASK || !l.is_yieldable() || svc.barred.get() {
        return Err("attempt to yield from outside a coroutine".into());
    }
    l.set_top(0);
    svc.suspended.set(l);
    Ok(Next::Yield {
        results: 0,
        ctx: 0,
        then: gone,
    })
}

native! {
    /// `fork(f, ...)`
    fork = |l| {
        let svc = service(l)?;
        let n = l.top();
        if n == 0 || l.is_none_or_nil(1) {
            return Err(Fault::Argument(1, "function expected".into()));
        }
        if n == 1 && !results_wanted(l) {
            let reference = l.make_ref();
            svc.enqueue(|t| t.forks.push_back(Fork::Function(reference)));
            return results(0);
        }
        let id = svc.new_task(l);
        let lua = svc.with(|t| t.tasks.get(id).lua);
        if !lua.check_stack(n + 4) {
            svc.end_unstarted(l, id);
            return Err("stack overflow (too many arguments to fork)".into());
        }
        l.move_to(lua, n);
        svc.enqueue(|t| t.forks.push_back(Fork::Task(id, n - 1)));
        push_thread(l, svc, id);
        results(1)
    };

    /// `start(f)`
    start = |l| {
        let svc = service(l)?;
        l.set_top(1);
        l.push_closure(start_function, 1);
        if push_replaced(l, svc, "dispatch_message", dispatch_message) {
            install_callback(l, svc, -1, false);
            l.pop(1);
        } else {
            svc.mode.set(Mode::Dispatcher);
        }
        if push_replaced(l, svc, "timeout", timeout) {
            l.push_int(0);
            l.push_value(1);
            return Ok(Next::Call { args: 2, results: 0, ctx: 0, then: start_done });
        }
        start_timer(l, svc, 1, Delay::Cs(0))?;
        results(0)
    };

    /// The coroutine of the start function; upvalue: the function.
    start_function = |l| {
        l.set_top(0);
        if push_replaced(l, service(l)?, "init_service", init_service) {
            l.push_value(ffi::lua_upvalueindex(1));
            return Ok(Next::Call { args: 1, results: 0, ctx: 0, then: start_done });
        }
        l.push_value(ffi::lua_upvalueindex(1));
        begin_init(l)
    };

    /// `init_service(f)`: in a coroutine
    init_service = |l| {
        l.set_top(1);
        begin_init(l)
    };

    /// Runs what `skynet.init` has collected, then `f`.
    run_inits = |l| {
        l.set_top(1);
        l.push_function(require::init_all);
        Ok(Next::Call { args: 0, results: 0, ctx: 0, then: inits_done })
    };

    /// `exit()`
    exit = |l| leave(l, service(l)?);

    /// `killthread(thread or pattern)`
    killthread = |l| {
        let svc = service(l)?;
        l.set_top(1);
        let running = svc.running.get();
        let mut found = None;
        if let Some(thread) = l.thread(1) {
            found = svc.with(|t| t.tasks.of_thread(thread)).filter(|&id| may_be_killed(svc, id));
        } else if l.kind(1) == Type::String {
            give_tasks_to_functions(l, svc);
            let mut id = 0;
            while svc.with(|t| t.tasks.try_get(id).is_some()) {
                // Matching may run code of the application, which may kill it too.
                if may_be_killed(svc, id) && matches_pattern(l, svc, id) && may_be_killed(svc, id) {
                    found = Some(id);
                    break;
                }
                id += 1;
            }
        }
        let Some(id) = found.filter(|&id| id != running) else { return results(0) };
        let thread = svc.with(|t| t.tasks.get(id).lua);
        if thread == l {
            // The application has resumed it by itself. It ends here, and so for `run`.
            return close_self(l, svc);
        }
        if thread.phase() == Phase::Active {
            return Err("cannot close a normal coroutine".into());
        }
        svc.stop_waiting(l, id);
        push_thread(l, svc, id);
        svc.close_task(l, id);
        // Whoever has killed it refers to it, and may resume it.
        svc.discard(l, id);
        results(1)
    };

    /// `task([x])`
    task = |l| {
        let svc = service(l)?;
        l.set_top(1);
        match l.kind(1) {
            Type::Table => {
                give_tasks_to_functions(l, svc);
                let mut sessions: Vec<(i32, Option<TaskId>)> = svc.with(|t| {
                    t.sessions
                        .iter()
                        .filter_map(|p| match p.kind() {
                            Kind::WokenEarly => Some((p.session, None)),
                            Kind::DroppedCall | Kind::DroppedTimer | Kind::Handler | Kind::Notices => None,
                            _ => Some((p.session, Some(p.task))),
                        })
                        .collect()
                });
                sessions.sort_unstable();
                let count = sessions.len();
                // The list must not be owned here while Lua may raise.
                svc.with(|t| t.listing = sessions);
                for n in 0..count {
                    // A finalizer may have listed or killed tasks meanwhile.
                    let listed = svc.with(|t| {
                        let (session, task) = *t.listing.get(n)?;
                        let p = t.sessions.get(session)?;
                        task.is_none_or(|id| p.task == id).then_some((session, task))
                    });
                    let Some((session, task)) = listed else { continue };
                    match task {
                        Some(id) => {
                            push_task_title(l, svc, session, id);
                            push_task_text(l, svc, session, id);
                        }
                        None => {
                            l.push_owned(format!("BREAK session: {session}"));
                            l.push_str("BREAK");
                        }
                    }
                    l.raw_set(1);
                }
                svc.with(|t| t.listing = Vec::new());
                results(0)
            }
            Type::Number => {
                let session = l.int(1).unwrap_or(0) as i32;
                give_tasks_to_functions(l, svc);
                match svc.with(|t| t.sessions.get(session).copied()) {
                    Some(p)
                        if !matches!(
                            p.kind(),
                            Kind::WokenEarly | Kind::DroppedCall | Kind::DroppedTimer | Kind::Handler | Kind::Notices
                        ) =>
                    {
                        push_task_text(l, svc, session, p.task);
                    }
                    Some(p) if p.kind() == Kind::WokenEarly => l.push_str("BREAK"),
                    _ => l.push_str("No session"),
                }
                results(1)
            }
            Type::Thread => {
                let waiting = l.thread(1).and_then(|thread| {
                    svc.with(|t| t.tasks.of_thread(thread).map(|id| t.tasks.get(id).waiting))
                });
                match waiting {
                    Some(session) if session != 0 => {
                        l.push_int(session as i64);
                        results(1)
                    }
                    _ => results(0),
                }
            }
            Type::String if l.bytes(1) == Some(b"init") => {
                let id = svc.init_task.get();
                if id == NO_TASK {
                    return results(0);
                }
                let lua = svc.with(|t| t.tasks.get(id).lua);
                l.traceback(lua, 0);
                results(1)
            }
            Type::None | Type::Nil => {
                let n = svc.with(|t| {
                    t.sessions
                        .iter()
                        .filter(|p| {
                            !matches!(
                                p.kind(),
                                Kind::WokenEarly | Kind::DroppedCall | Kind::DroppedTimer | Kind::Notices
                            )
                        })
                        .count()
                });
                l.push_int(n as i64);
                results(1)
            }
            _ => results(0),
        }
    };

    /// `term(addr)`
    term = |l| {
        let svc = service(l)?;
        let running = svc.running.get();
        if running != NO_TASK {
            svc.with(|t| {
                let task = t.tasks.get_mut(running);
                if let (Some(session), Some(source)) = (task.request.take(), task.source)
                    && session > 0
                {
                    t.owed.remember(session, source);
                }
            });
        }
        match l.kind(1) {
            Type::Number => {
                let callee = l.int(1).unwrap_or(0) as u32;
                svc.enqueue(|t| {
                    let failed = t
                        .sessions
                        .iter()
                        .filter(|p| p.owed_by() == Some(skynet_kernel::Handle(callee)));
                    t.failures.extend(failed.map(|p| (p.session, LateAnswer::Expected)));
                });
            }
            Type::String => {
                let name = l.bytes(1).unwrap_or(b"");
                svc.enqueue(|t| {
                    let failed = t.callee_names.iter().filter(|(_, n)| ***n == *name);
                    t.failures.extend(failed.map(|(s, _)| (*s, LateAnswer::Expected)));
                });
            }
            _ => {}
        }
        results(0)
    };
}

/// Does the task wait, or is about to begin, as far as the dispatcher knows?
fn may_be_killed(svc: &Svc, id: TaskId) -> bool {
    svc.with(|t| matches!(t.tasks.get(id).state, State::Ready | State::Waiting))
}

/// Pushes the function of this name in `skynet` if the application has put its own in the place of `native`. *raises*
fn push_replaced(l: Lua, svc: &Svc, name: &'static str, native: lua_CFunction) -> bool {
    let top = l.top();
    l.push_ref(svc.refs.skynet.get());
    let replaced = l.kind(-1) == Type::Table
        && l.raw_get_str(-1, name) == Type::Function
        && l.c_function(-1)
            .is_none_or(|f| f as usize != native as usize);
    if replaced {
        l.replace(top + 1);
    }
    l.set_top(top + c_int::from(replaced));
    replaced
}

/// The start function at 1 gets its handler and runs under protection.
fn begin_init(l: Lua) -> Outcome {
    let svc = service(l)?;
    svc.init_task.set(svc.running.get());
    l.push_function(add_traceback);
    l.push_function(run_inits);
    l.push_value(1);
    Ok(Next::PCall {
        args: 1,
        results: 0,
        handler: 2,
        ctx: 0,
        then: init_done,
    })
}

continuation! {
    inits_done = |l: Lua, _, _| {
        l.set_top(1);
        l.push_value(1);
        Ok(Next::Call { args: 0, results: 0, ctx: 0, then: start_done })
    };

    start_done = |_: Lua, _, _| results(0);

    /// The start function has ended: tell the launcher.
    init_done = |l: Lua, status, _| {
        let svc = service(l)?;
        svc.init_task.set(NO_TASK);
        // With YIELD it has waited for something in between and has ended without an error.
        if status == ffi::LUA_OK || status == ffi::LUA_YIELD {
            svc.log_has_started();
            svc.tell_launcher(|w| {
                let _ = w.bytes(b"LAUNCHOK");
            });
            return results(0);
        }
        let text = l.bytes(-1).unwrap_or(b"error object is not a string");
        let why = String::from_utf8_lossy(text).into_owned();
        svc.cx.set_departure(Departure::Init(why));
        if svc.is_log_service() {
            svc.log_failure(&[b"init service failed: ", text].concat());
        } else {
            let text = [b"init service failed: ", text].concat();
            log_text(l, svc, text);
        }
        svc.tell_launcher(|w| {
            let _ = w.bytes(b"ERROR");
        });
        if push_replaced(l, svc, "exit", exit) {
            return Ok(Next::Call { args: 0, results: 0, ctx: 0, then: start_done });
        }
        leave(l, svc)
    };

    /// Nothing comes after `exit`.
    gone = |_: Lua, _, _| Err(Fault::from("the service has exited"));
}

/// Timers and forks whose coroutine nobody has asked for get it now, since somebody looks at tasks. *raises*
fn give_tasks_to_functions(l: Lua, svc: &Svc) {
    // Kept in the service, as everything owned, while Lua may raise.
    let count = svc.with(|t| {
        let timers = t
            .sessions
            .iter()
            .filter(|p| p.kind() == Kind::Function)
            .map(|p| (p.session, p.task));
        let forks = t.forks.iter().filter_map(|f| match f {
            Fork::Function(reference) => Some((0, *reference as u32)),
            Fork::Task(..) | Fork::HeldLines => None,
        });
        t.listing = timers
            .chain(forks)
            .map(|(session, task)| (session, Some(task)))
            .collect();
        t.listing.len()
    });
    for n in 0..count {
        let Some((session, Some(reference))) = svc.with(|t| t.listing.get(n).copied()) else {
            return;
        };
        let id = svc.new_task(l);
        // Making the task may have run a finalizer that did the same.
        let given = svc.with(|t| {
            let lua = t.tasks.get(id).lua;
            let is_it = |f: &&mut Fork| **f == Fork::Function(reference as i32);
            if session == 0 {
                *t.forks.iter_mut().find(is_it)? = Fork::Task(id, 0);
            } else {
                let p = t.sessions.get_mut(session)?;
                if p.kind() != Kind::Function || p.task != reference {
                    return None;
                }
                p.set_kind(Kind::Timer);
                p.task = id;
                let task = t.tasks.get_mut(id);
                task.state = State::Waiting;
                task.waiting = session;
            }
            Some(lua)
        });
        match given {
            Some(lua) => {
                l.push_ref(reference as c_int);
                l.move_to(lua, 1);
                l.free_ref(reference as c_int);
            }
            None => svc.end_unstarted(l, id),
        }
    }
}

/// `"<tostring(co)> session: <n>"` *raises*
fn push_task_title(l: Lua, svc: &Svc, session: i32, id: TaskId) {
    push_thread(l, svc, id);
    l.to_display(-1);
    l.remove(-2);
    l.push_str(" session: ");
    l.push_int(session as i64);
    l.concat(3);
}

/// Where a task waits, or where its timer was made. *raises*
fn push_task_text(l: Lua, svc: &Svc, session: i32, id: TaskId) {
    let (lua, origin) = svc.with(|t| {
        let origin = t.timer_origins.get(&session).map(|o| (o.as_ptr(), o.len()));
        (t.tasks.get(id).lua, origin)
    });
    match origin {
        // SAFETY: the text stays in its table while it is copied; nothing runs in between.
        Some((at, len)) => l.push_bytes(unsafe { std::slice::from_raw_parts(at, len) }),
        None => l.traceback(lua, 0),
    }
}

/// Does the pattern at 1 match `tostring(thread)`? *raises*
fn matches_pattern(l: Lua, svc: &Svc, id: TaskId) -> bool {
    let top: c_int = l.top();
    l.get_field(REGISTRY, c"_LOADED");
    l.get_field(-1, c"string");
    l.get_field(-1, c"find");
    push_thread(l, svc, id);
    l.to_display(-1);
    l.remove(-2);
    l.push_value(1);
    l.call(2, 1);
    let found = !l.is_none_or_nil(-1);
    l.set_top(top);
    found
}

//! `timeout`, `sleep`, `wait`, `wakeup` and the clocks.
//!
//! A sleeping task is found by its token. Nearly always that is the task's own thread, which needs no table
//! (`Task::own_token`); other tokens are kept in a Lua table, token to session, and taken out when the sleeper runs
//! again.

use std::ffi::{CStr, c_int};

use skynet_kernel::{Delay, TimerKey};

use super::send::check_yieldable;
use super::service;
use crate::service::coroutine::push_thread;
use crate::service::sessions::{Kind, Pending};
use crate::service::tasks::{State, TaskId};
use crate::service::tokens::{sleeper_in_table, token_in_use};
use crate::service::{Svc, Wake};
use skynet_vm::lua::{Lua, MULTRET, Type};
use skynet_vm::native::{Fault, Next, Outcome, continuation, native, results};
use skynet_vm::wanted::results_wanted;

/// A time in centiseconds: integral numbers and numeric strings; other text counts as 0.
fn centiseconds(l: Lua, i: c_int) -> Result<i32, Fault> {
    match l.kind(i) {
        Type::Number | Type::String => match l.int(i) {
            Some(n) => Ok(n.clamp(i32::MIN as i64, i32::MAX as i64) as i32),
            None if l.float(i).is_some() => Err("number has no integer representation".into()),
            None => Ok(0),
        },
        _ => Err(l.expected(i, "number")),
    }
}

fn milliseconds(l: Lua, i: c_int) -> Result<u64, Fault> {
    match l.int(i) {
        Some(n) => Ok(n.max(0) as u64),
        None if l.kind(i) == Type::Number => Err("number has no integer representation".into()),
        None => Err(l.expected(i, "number")),
    }
}

/// A task that runs the function at `f` when the timer fires: (session, task, key). *raises*
pub(crate) fn start_timer(
    l: Lua,
    svc: &Svc,
    f: c_int,
    delay: Delay,
) -> Result<(i32, TaskId, Option<TimerKey>), Fault> {
    if l.is_none_or_nil(f) {
        return Err(Fault::Argument(f, "function expected".into()));
    }
    let id = svc.new_task(l);
    let session = svc.new_session();
    let since = svc.since();
    let lua = svc.with(|t| {
        let task = t.tasks.get_mut(id);
        task.state = State::Waiting;
        task.waiting = session;
        t.sessions
            .insert(Pending::new(session, id, 0, Kind::Timer, since));
        t.tasks.get(id).lua
    });
    l.push_value(f);
    l.move_to(lua, 1);
    let key = svc.cx.timeout(session, delay);
    Ok((session, id, key))
}

/// What `core.intcommand("TIMEOUT")` needs: a bare timer.
pub(crate) fn bare_timeout(svc: &Svc, cs: i32) -> i32 {
    let session = svc.new_session();
    svc.cx.timeout(session, Delay::Cs(cs));
    session
}

/// Suspends the running task under the token at `token` (0: its thread), with a timer or for ever.
fn suspend(l: Lua, svc: &Svc, token: c_int, delay: Option<Delay>) -> Outcome {
    check_yieldable(l, svc)?;
    let id = svc.running.get();
    let own = match token {
        0 => svc.with(|t| t.tasks.get(id).lua == l),
        _ => match l.thread(token) {
            Some(thread) => svc.with(|t| t.tasks.get(id).lua == thread),
            None => false,
        },
    };
    if token == 0 && !own {
        // In a user's coroutine, that coroutine is the token.
        l.push_self();
    } else if token != 0 {
        l.push_value(token);
    } else {
        l.push_nil();
    }
    replace_bottom(l);
    if token_in_use(l, svc, own) {
        return Err("token duplicative".into());
    }
    let session = svc.new_session();
    if !own {
        l.push_ref(svc.refs.tokens.get());
        l.push_value(1);
        l.push_int(session as i64);
        l.raw_set(-3);
        l.set_top(1);
    }
    let kind = if delay.is_some() {
        Kind::Sleep
    } else {
        Kind::Wait
    };
    let since = svc.since();
    svc.with(|t| {
        t.sessions.insert(Pending::new(session, id, 0, kind, since));
        let task = t.tasks.get_mut(id);
        task.waiting = session;
        task.own_token = own;
        if !own {
            t.tokens.insert(session);
        }
    });
    if let Some(delay) = delay {
        svc.trace_place(l, "sleep");
        svc.cx.timeout(session, delay);
    }
    svc.wake.set(Wake::Nothing);
    svc.suspended.set(l);
    Ok(Next::Yield {
        results: 0,
        ctx: own as isize,
        then: awake,
    })
}

/// `skynet.sleep(0)`, by the application's function. *raises*
#[cold]
fn yield_by_theirs(l: Lua, svc: &Svc) -> Outcome {
    l.set_top(0);
    svc.push_function_of_skynet(l, "sleep");
    l.push_int(0);
    Ok(Next::Call {
        args: 1,
        results: MULTRET,
        ctx: 0,
        then: slept_by_theirs,
    })
}

/// The time by the application's `now`. *raises*
#[cold]
fn time_by_theirs(l: Lua, svc: &Svc) -> Outcome {
    l.set_top(0);
    svc.push_function_of_skynet(l, "now");
    Ok(Next::Call {
        args: 0,
        results: 1,
        ctx: 0,
        then: now_by_theirs,
    })
}

/// Makes the top value the only one.
fn replace_bottom(l: Lua) {
    if l.top() > 1 {
        l.replace(1);
    }
    l.set_top(1);
}

/// Puts a sleeping task into the wakeup queue; a second time does nothing.
fn wake(svc: &Svc, id: TaskId) {
    svc.enqueue(|t| {
        let task = t.tasks.get_mut(id);
        if !task.woken {
            task.woken = true;
            t.wakeups.push_back(id);
        }
    });
}

continuation! {
    /// The sleeper runs again; its token is at 1. `ctx`: the token is its own thread.
    awake = |l: Lua, _, ctx| {
        if let Wake::Woken = wake_up(l, ctx)? {
            l.push_str("BREAK");
            return results(1);
        }
        results(0)
    };

    /// The function of a timer has ended.
    timer_done = |_: Lua, _, _| results(0);

    slept_by_theirs = |l: Lua, _, _| results(l.top());

    now_by_theirs = |l: Lua, _, _| {
        let Some(now) = l.float(-1) else {
            return Err(format!("attempt to perform arithmetic on a {} value (what skynet.now \
                returns)", l.type_name(-1)).into());
        };
        let start = service(l)?.cx.node().starttime() as f64;
        l.push_float(now / 100.0 + start);
        results(1)
    };

    /// As `awake`, for `wait`, which returns nothing.
    awake_silently = |l: Lua, _, ctx| {
        wake_up(l, ctx)?;
        results(0)
    };
}

/// Gives the token of a sleeper free; says why it runs again.
fn wake_up(l: Lua, own: isize) -> Result<Wake, Fault> {
    let svc = service(l)?;
    let why = svc.wake.replace(Wake::Nothing);
    if own == 0 {
        l.push_ref(svc.refs.tokens.get());
        l.push_value(1);
        l.raw_get(-2);
        let session = l.int(-1).unwrap_or(0) as i32;
        l.pop(1);
        l.push_value(1);
        l.push_nil();
        l.raw_set(-3);
        svc.with(|t| t.tokens.remove(&session));
    } else {
        svc.with_task_of(l, |t, id| t.tasks.get_mut(id).own_token = false);
    }
    Ok(why)
}

const TIMER: &CStr = c"skynet.timer";

/// A cancellable timer, as a userdata.
struct TimerObject {
    /// 0 once it has fired or was cancelled.
    session: i32,
    key: Option<TimerKey>,
}

native! {
    /// `timeout(cs, f)`
    timeout = |l| {
        let svc = service(l)?;
        let cs = centiseconds(l, 1)?;
        if !results_wanted(l) && l.kind(2) == Type::Function && !svc.trace_timeout.get() {
            l.set_top(2);
            let reference = l.make_ref();
            let session = svc.new_session();
            let since = svc.since();
            svc.with(|t| {
                t.sessions.insert(Pending::new(session, reference as u32, 0, Kind::Function, since));
            });
            svc.cx.timeout(session, Delay::Cs(cs));
            return results(0);
        }
        let (session, id, _) = start_timer(l, svc, 2, Delay::Cs(cs))?;
        if svc.trace_timeout.get() {
            l.traceback(l, 1);
            let now = svc.cx.node().now_cs();
            let text = [format!("TIMER {now}+{cs} : \n").as_bytes(), l.bytes(-1).unwrap_or(b"")].concat();
            svc.with(|t| t.timer_origins.insert(session, text));
        }
        push_thread(l, svc, id);
        results(1)
    };

    /// `timer(ms, f)`: an object with `cancel()`
    timer = |l| {
        let svc = service(l)?;
        let ms = milliseconds(l, 1)?;
        l.set_top(2);
        if l.kind(2) == Type::Nil {
            return Err(Fault::Argument(2, "function expected".into()));
        }
        let object: *mut TimerObject = l.new_userdata(std::mem::size_of::<TimerObject>(), 0).cast();
        // SAFETY: a new block of the right size.
        unsafe { object.write(TimerObject { session: 0, key: None }) };
        // SAFETY: a plain call of the auxiliary library.
        if unsafe { mlua_sys::lua55::luaL_newmetatable(l.0, TIMER.as_ptr()) } != 0 {
            l.new_table(0, 1);
            l.push_function(cancel);
            l.set_field(-2, c"cancel");
            l.set_field(-2, c"__index");
        }
        l.set_metatable(-2);
        l.push_value(3);
        l.push_value(2);
        l.push_closure(run_timer, 2);
        l.replace(2);
        let (session, _, key) = start_timer(l, svc, 2, Delay::Ms(ms))?;
        // SAFETY: the userdata is at the top of the stack, alive.
        unsafe { object.write(TimerObject { session, key }) };
        results(1)
    };

    /// What a timer runs; upvalues: the object and the function.
    run_timer = |l| {
        let object: *mut TimerObject = l.userdata(mlua_sys::lua55::lua_upvalueindex(1)).cast();
        // SAFETY: the closure keeps the object alive; nobody else refers to it now.
        unsafe { (*object).session = 0 };
        let args = l.top();
        l.push_value(mlua_sys::lua55::lua_upvalueindex(2));
        l.insert(1);
        Ok(Next::Call { args, results: 0, ctx: 0, then: timer_done })
    };

    /// `timer:cancel()`: true if the function has not run and never will
    cancel = |l| {
        let svc = service(l)?;
        // SAFETY: raises unless the argument is a timer of this state.
        let object = unsafe {
            &mut *mlua_sys::lua55::luaL_checkudata(l.0, 1, TIMER.as_ptr()).cast::<TimerObject>()
        };
        let session = std::mem::take(&mut object.session);
        if session == 0 {
            l.push_bool(false);
            return results(1);
        }
        let Some(task) = svc.with(|t| {
            let p = t.sessions.get_mut(session).filter(|p| p.kind() == Kind::Timer)?;
            let task = p.task;
            p.set_kind(Kind::DroppedTimer);
            Some(task)
        }) else {
            // `killthread` was there first.
            l.push_bool(true);
            return results(1);
        };
        // Unless its message is on the way already, nothing will come for the session.
        if object.key.take().is_some_and(|key| svc.cx.node().cancel_timer(key)) {
            svc.with(|t| t.sessions.remove(session));
        }
        svc.end_unstarted(l, task);
        l.push_bool(true);
        results(1)
    };

    /// `sleep(cs [, token])`
    sleep = |l| {
        let svc = service(l)?;
        let cs = centiseconds(l, 1)?;
        let token = if l.bool(2) { 2 } else { 0 };
        suspend(l, svc, token, Some(Delay::Cs(cs)))
    };

    /// `sleepms(ms [, token])`
    sleepms = |l| {
        let svc = service(l)?;
        let ms = milliseconds(l, 1)?;
        let token = if l.bool(2) { 2 } else { 0 };
        suspend(l, svc, token, Some(Delay::Ms(ms)))
    };

    /// `yield()`
    yield_ = |l| {
        let svc = service(l)?;
        if svc.replaced.sleep(sleep) {
            return yield_by_theirs(l, svc);
        }
        suspend(l, svc, 0, Some(Delay::Cs(0)))
    };

    /// `wait([token])`
    wait = |l| {
        let svc = service(l)?;
        let token = if l.bool(1) { 1 } else { 0 };
        match suspend(l, svc, token, None)? {
            Next::Yield { results, ctx, .. } => Ok(Next::Yield { results, ctx, then: awake_silently }),
            other => Ok(other),
        }
    };

    /// `wakeup(token)`: true if somebody sleeps under it
    wakeup = |l| {
        let svc = service(l)?;
        l.set_top(1);
        let own = l.thread(1).and_then(|thread| {
            svc.with(|t| {
                let id = t.tasks.of_thread(thread)?;
                let task = t.tasks.get(id);
                (task.own_token && task.waiting != 0).then_some(id)
            })
        });
        let id = match own {
            Some(id) => Some(id),
            None if svc.with(|t| t.tokens.is_empty()) => None,
            None => sleeper_in_table(l, svc).and_then(|s| svc.with(|t| t.sessions.get(s).map(|p| p.task))),
        };
        let Some(id) = id else { return results(0) };
        wake(svc, id);
        l.push_bool(true);
        results(1)
    };

    now = |l| {
        l.push_int(service(l)?.cx.node().now_cs() as i64);
        results(1)
    };

    starttime = |l| {
        l.push_int(service(l)?.cx.node().starttime() as i64);
        results(1)
    };

    time = |l| {
        let svc = service(l)?;
        let node = svc.cx.node();
        if svc.replaced.now(now) {
            return time_by_theirs(l, svc);
        }
        l.push_float(node.starttime() as f64 + node.now_cs() as f64 / 100.0);
        results(1)
    };

    hpc = |l| {
        l.push_int(service(l)?.cx.node().hpc_ns() as i64);
        results(1)
    };
}

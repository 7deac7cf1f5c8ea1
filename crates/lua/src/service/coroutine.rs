//! `skynet.coroutine`, and the `coroutine.resume` and `coroutine.wrap` of every service.
//!
//! A coroutine that an application made may call `skynet.call`, `sleep` and the like. These suspend the whole chain:
//! the innermost coroutine yields and `Svc::suspended` names it; the `resume` that ran it sees that, names its own
//! coroutine instead, and yields on, until the dispatcher is reached. When the task runs again, each `resume` of the
//! chain continues the coroutine below it. A yield of the application's own ends at the `resume` as in plain Lua.
//!
//! `skynet.coroutine.yield` marks its values with a pointer that nobody else has, so that a yield without a `resume`
//! around it is noticed.

use std::ffi::{c_int, c_void};

use mlua_sys::lua55::{self as ffi, lua_CFunction, lua_upvalueindex};

use super::tasks::{NO_TASK, TaskId};
use super::{NO_THREAD, Svc, service};
use skynet_vm::lua::{Lua, Phase, REGISTRY, Type};
use skynet_vm::native::{Fault, Next, Outcome, continuation, native, push_functions, results};

const FUNCTIONS: &[(&str, lua_CFunction)] = &[
    ("create", create),
    ("resume", skynet_resume),
    ("status", status),
    ("thread", thread),
    ("wrap", skynet_wrap),
    ("yield", yield_),
];

/// Weak table in the registry: coroutine of `skynet.coroutine` to its task's thread, or false before its first run.
const ROOTS: &std::ffi::CStr = c"skynet.coroutine.roots";
/// Weak table in the registry: coroutines that the dispatcher has suspended.
const BLOCKED: &std::ffi::CStr = c"skynet.coroutine.blocked";

/// Pushes a weak-keyed table of the registry. *raises*
fn push_weak_table(l: Lua, name: &std::ffi::CStr) {
    if l.get_field(REGISTRY, name) == Type::Table {
        return;
    }
    l.pop(1);
    l.new_table(0, 0);
    l.new_table(0, 1);
    l.push_str("k");
    l.set_field(-2, c"__mode");
    l.set_metatable(-2);
    l.push_value(-1);
    l.set_field(REGISTRY, name);
}

/// Replaces functions of the standard library by those that know about the dispatcher. *raises*
pub(crate) fn install(l: Lua) {
    l.get_global(c"coroutine");
    l.push_function(resume);
    l.set_field(-2, c"resume");
    l.push_function(wrap);
    l.set_field(-2, c"wrap");
    l.push_function(close);
    l.set_field(-2, c"close");
    l.pop(1);
}

/// `table[coroutine at i] = top`, pops it. *raises*
pub(super) fn set_in(l: Lua, name: &std::ffi::CStr, i: c_int) {
    let i = l.abs(i);
    push_weak_table(l, name);
    l.push_value(i);
    l.rotate(-3, -1);
    l.raw_set(-3);
    l.pop(1);
}

/// Pushes `table[coroutine at i]`. *raises*
pub(super) fn get_in(l: Lua, name: &std::ffi::CStr, i: c_int) -> Type {
    let i = l.abs(i);
    push_weak_table(l, name);
    l.push_value(i);
    l.raw_get(-2);
    l.remove(-2);
    l.kind(-1)
}

/// How the results of a resumed coroutine are handed out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// `resume`: true and the values, or false and the error.
    Status,
    /// `wrap`: the values, or the error raised.
    Raise,
}

impl Style {
    fn from_ctx(ctx: isize) -> Style {
        if ctx & 1 == 0 {
            Style::Status
        } else {
            Style::Raise
        }
    }
}

/// Runs the coroutine `co` (kept at stack index 1 or in upvalue 1) with the top `args` values.
fn run(l: Lua, co: Lua, args: c_int, style: Style) -> Outcome {
    let svc = service(l)?;
    if let Some(why) = cannot_resume(co) {
        return give_error(l, style, why);
    }
    if !co.check_stack(args + 4) {
        return give_error(l, style, "too many arguments to resume");
    }
    l.move_to(co, args);
    // A coroutine that has not begun may already have the arguments of `fork` on its stack.
    let args = match co.status() {
        ffi::LUA_OK => co.top() - 1,
        _ => args,
    };
    let before = svc.interrupts.set_active(co.0);
    svc.suspended.set(NO_THREAD);
    let barred = svc.barred.get();
    svc.barred.set(barred || !l.is_yieldable());
    svc.profile_resume(co);
    let (status, values) = co.resume(l, args);
    svc.profile_suspend(co);
    svc.barred.set(barred);
    svc.interrupts.set_active(before);
    if status != ffi::LUA_YIELD && style == Style::Status {
        svc.ended_by_hand(l, co);
    }
    match status {
        ffi::LUA_OK | ffi::LUA_YIELD => {
            if status == ffi::LUA_YIELD && svc.suspended.get() == co && l.is_yieldable() {
                co.pop(values);
                l.push_bool(true);
                set_blocked(l, co)?;
                svc.suspended.set(l);
                return Ok(Next::Yield {
                    results: 0,
                    ctx: style as isize,
                    then: go_on,
                });
            }
            if !l.check_stack(values + 2) {
                co.pop(values);
                return give_error(l, style, "too many results to resume");
            }
            let marked = status == ffi::LUA_YIELD && values > 0 && is_mark(co, -values);
            if style == Style::Status {
                l.push_bool(true);
            }
            co.move_to(l, values);
            let mut n = values;
            if marked {
                l.remove(-values);
                n -= 1;
            }
            results(n + (style == Style::Status) as c_int)
        }
        _ => {
            if style == Style::Status {
                l.push_bool(false);
                co.move_to(l, 1);
                return results(2);
            }
            // As in Lua: the coroutine of `wrap` is closed, a text gets the position of the caller.
            let failed = co.status();
            if failed != ffi::LUA_OK && failed != ffi::LUA_YIELD {
                co.close_thread(l);
            }
            co.move_to(l, 1);
            if l.kind(-1) == Type::String {
                l.push_where(1);
                l.insert(-2);
                l.concat(2);
            }
            Err(Fault::Raised)
        }
    }
}

/// Why a coroutine that is not suspended can't be resumed.
fn cannot_resume(co: Lua) -> Option<&'static str> {
    match co.phase() {
        Phase::Suspended | Phase::Fresh => None,
        Phase::Active => Some("cannot resume non-suspended coroutine"),
        Phase::Dead => Some("cannot resume dead coroutine"),
    }
}

/// Closes the running coroutine. It ends where it was resumed, without any native function in between getting control
/// again: so there may be none but those that could be suspended.
pub(crate) fn close_self(l: Lua, svc: &Svc) -> Outcome {
    if !l.is_yieldable() {
        return Err("attempt to close a coroutine across a C-call boundary".into());
    }
    if let Some((session, source)) = svc.task_of(l).and_then(|id| svc.take_request_of(id)) {
        svc.fail_request(source, session);
    }
    l.close_thread(l);
    unreachable!("a coroutine that closes itself goes on")
}

fn give_error(l: Lua, style: Style, text: &'static str) -> Outcome {
    if style == Style::Raise {
        return Err(text.into());
    }
    l.push_bool(false);
    l.push_str(text);
    results(2)
}

/// `blocked[co] = top`, pops it. *raises*
fn set_blocked(l: Lua, co: Lua) -> Result<(), Fault> {
    if !co.check_stack(1) {
        return Err("stack overflow".into());
    }
    co.push_self();
    co.move_to(l, 1);
    l.insert(-2);
    set_in(l, BLOCKED, -2);
    l.pop(1);
    Ok(())
}

/// The coroutine argument at 1.
fn coroutine_argument(l: Lua) -> Result<Lua, Fault> {
    l.thread(1).ok_or_else(|| l.expected(1, "coroutine"))
}

/// What `skynet.coroutine.yield` puts in front of its values.
fn mark() -> *mut c_void {
    static MARK: u64 = u64::from_ne_bytes(*b"a yield ");
    (&raw const MARK).cast_mut().cast()
}

/// Is the value at `i` of `co` that mark?
pub(crate) fn is_mark(co: Lua, i: c_int) -> bool {
    co.kind(i) == Type::LightUserdata && std::ptr::eq(co.userdata(i), mark())
}

/// The state's main thread. *raises*
fn main_thread(l: Lua) -> Lua {
    l.push_int(ffi::LUA_RIDX_MAINTHREAD);
    l.raw_get(REGISTRY);
    let main = l.thread(-1);
    l.pop(1);
    main.unwrap_or(NO_THREAD)
}

/// Is the coroutine at `i` in the framework's hands? *raises*
fn is_blocked(l: Lua, i: c_int) -> bool {
    let blocked = get_in(l, BLOCKED, i) == Type::Boolean;
    l.pop(1);
    blocked
}

/// Notes which task runs the coroutine at `i`. *raises*
fn note_root(l: Lua, svc: &Svc, i: c_int) {
    let i = l.abs(i);
    match svc.running.get() {
        NO_TASK => l.push_bool(false),
        id => push_thread(l, svc, id),
    }
    set_in(l, ROOTS, i);
}

continuation! {
    /// The task runs again: continue the coroutine that the dispatcher had suspended.
    go_on = |l: Lua, _, ctx| {
        let style = Style::from_ctx(ctx);
        let co = match style {
            Style::Status => l.thread(1),
            Style::Raise => l.thread(lua_upvalueindex(1)),
        };
        let Some(co) = co else { return Err("coroutine expected".into()) };
        l.push_nil();
        set_blocked(l, co)?;
        run(l, co, 0, style)
    };
}

native! {
    /// `require "skynet.coroutine"`.
    open = |l| {
        push_functions(l, FUNCTIONS);
        l.get_field(REGISTRY, c"_LOADED");
        l.get_field(-1, c"coroutine");
        for name in [c"running", c"isyieldable", c"close"] {
            l.get_field(-1, name);
            l.set_field(-4, name);
        }
        l.pop(2);
        results(1)
    };

    /// `coroutine.resume(co, ...)` of every service
    resume = |l| {
        let co = coroutine_argument(l)?;
        run(l, co, l.top() - 1, Style::Status)
    };

    /// `coroutine.close([co])` of every service
    close = |l| {
        let svc = service(l)?;
        let co = match l.kind(1) {
            Type::None => l,
            _ => coroutine_argument(l)?,
        };
        if co == l && l == main_thread(l) {
            return Err("cannot close main thread".into());
        }
        if co == l {
            return close_self(l, svc);
        }
        if co.phase() == Phase::Active {
            return Err("cannot close a normal coroutine".into());
        }
        let closed = co.close_thread(l) == ffi::LUA_OK;
        l.push_bool(closed);
        if !closed {
            co.move_to(l, 1);
        }
        svc.ended_by_hand(l, co);
        results(2 - closed as c_int)
    };

    /// `coroutine.wrap(f)` of every service
    wrap = |l| {
        if l.kind(1) != Type::Function {
            return Err(l.expected(1, "function"));
        }
        let co = l.new_thread();
        l.push_value(1);
        l.move_to(co, 1);
        l.push_closure(run_wrapped, 1);
        results(1)
    };

    run_wrapped = |l| {
        let co = l.thread(lua_upvalueindex(1)).ok_or("coroutine expected")?;
        run(l, co, l.top(), Style::Raise)
    };

    /// `skynet.coroutine.create(f)`
    create = |l| {
        if l.kind(1) != Type::Function {
            return Err(l.expected(1, "function"));
        }
        let co = l.new_thread();
        l.push_value(1);
        l.move_to(co, 1);
        l.push_bool(false);
        set_in(l, ROOTS, -2);
        results(1)
    };

    /// `skynet.coroutine.resume(co, ...)`
    skynet_resume = |l| {
        let svc = service(l)?;
        let known = l.kind(1) == Type::Thread && get_in(l, ROOTS, 1) != Type::Nil;
        if !known {
            return give_error(l, Style::Status, "cannot resume none skynet coroutine");
        }
        l.pop(1);
        let co = coroutine_argument(l)?;
        if is_blocked(l, 1) {
            return give_error(l, Style::Status, "cannot resume a skynet coroutine suspend by skynet framework");
        }
        note_root(l, svc, 1);
        run(l, co, l.top() - 1, Style::Status)
    };

    /// `skynet.coroutine.wrap(f)`
    skynet_wrap = |l| {
        // SAFETY: `create` is a native function called with this function's own thread and argument.
        unsafe { create(l.0) };
        l.push_closure(run_skynet_wrapped, 1);
        results(1)
    };

    run_skynet_wrapped = |l| {
        let svc = service(l)?;
        let co = l.thread(lua_upvalueindex(1)).ok_or("coroutine expected")?;
        if is_blocked(l, lua_upvalueindex(1)) {
            return Err("cannot resume a skynet coroutine suspend by skynet framework".into());
        }
        note_root(l, svc, lua_upvalueindex(1));
        run(l, co, l.top(), Style::Raise)
    };

    /// `skynet.coroutine.yield(...)`
    yield_ = |l| {
        if !l.is_yieldable() {
            return Err("attempt to yield from outside a coroutine".into());
        }
        l.push_pointer(mark());
        l.insert(1);
        Ok(Next::Yield { results: l.top(), ctx: 0, then: yielded })
    };

    /// `skynet.coroutine.status(co)`
    status = |l| {
        coroutine_argument(l)?;
        l.set_top(1);
        if is_blocked(l, 1) {
            l.push_str("blocked");
            return results(1);
        }
        l.get_field(REGISTRY, c"_LOADED");
        l.get_field(-1, c"coroutine");
        l.get_field(-1, c"status");
        l.push_value(1);
        l.call(1, 1);
        results(1)
    };

    /// `skynet.coroutine.thread([co])`
    thread = |l| {
        if !l.bool(1) {
            l.set_top(0);
            l.push_self();
        }
        coroutine_argument(l)?;
        l.set_top(1);
        match get_in(l, ROOTS, 1) {
            Type::Nil => {
                l.pop(1);
                l.push_bool(true);
            }
            Type::Thread => l.push_bool(false),
            // Made, but never run: no task has it yet.
            _ => {
                l.pop(1);
                l.push_nil();
                l.push_bool(false);
            }
        }
        results(2)
    };
}

continuation! {
    /// What `resume` passes is what `yield` returns.
    yielded = |l: Lua, _, _| results(l.top());
}

/// Pushes the thread of a task onto `l`.
pub(crate) fn push_thread(l: Lua, svc: &Svc, id: TaskId) {
    let lua = svc.with(|t| t.tasks.get(id).lua);
    if lua == l {
        l.push_self();
    } else {
        lua.push_self();
        lua.move_to(l, 1);
    }
}

//! `skynet.profile`: CPU time of single coroutines.
//!
//! Counts while the coroutine, or one that it runs, is executing; time spent suspended does not count. Reading the
//! clock of the thread costs half a microsecond, so it is read only while something is being profiled.
//!
//! A coroutine may end or be collected without `stop`. Its clock goes with it: a task's when the task ends, another's
//! by a guard, a userdata that a weak table ties to the coroutine.

use mlua_sys::lua55::{self as ffi, lua_CFunction};
use rustc_hash::FxHashMap;

use super::coroutine;
use super::coroutine::{get_in, set_in};
use super::tasks::TaskId;
use super::{Svc, service};
use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::push_functions;
use skynet_vm::native::{Fault, native, results};

/// Coroutines being profiled, by the address of their thread.
#[derive(Default)]
pub(crate) struct Profile {
    clocks: FxHashMap<usize, Clock>,
    /// Number of the last clock.
    last: u64,
}

/// Weak table in the registry: coroutine being profiled to its guard, a userdata with the clock's key and number.
const GUARDS: &std::ffi::CStr = c"skynet.profile.guards";
/// Name of the guards' metatable.
const GUARD: &std::ffi::CStr = c"skynet.profile.guard";
/// Key of a clock and its number, since a new coroutine may have the address of an old one.
type Guard = (usize, u64);

struct Clock {
    number: u64,
    /// CPU time of earlier runs, in nanoseconds.
    total: u64,
    /// Start of the present run.
    since: Option<u64>,
}

const FUNCTIONS: &[(&str, lua_CFunction)] = &[
    ("resume", coroutine::resume),
    ("start", start),
    ("stop", stop),
    ("wrap", coroutine::wrap),
];

/// CPU time of the calling thread in nanoseconds.
fn thread_cpu_ns() -> u64 {
    let mut t = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `t` is a valid out-parameter.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut t) };
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}

impl Svc {
    /// The coroutine begins to run.
    #[inline]
    pub(crate) fn profile_resume(&self, lua: Lua) {
        if !self.profiling.get() {
            return;
        }
        self.with(|t| {
            if let Some(clock) = t.profile.clocks.get_mut(&(lua.0 as usize)) {
                clock.since = Some(thread_cpu_ns());
            }
        });
    }

    /// A task has ended: its coroutine will do something else next.
    #[inline]
    pub(crate) fn profile_end(&self, id: TaskId) {
        if self.profiling.get() {
            let lua = self.with(|t| t.tasks.get(id).lua);
            take_clock(self, lua.0 as usize, None);
        }
    }

    /// The coroutine has stopped running.
    #[inline]
    pub(crate) fn profile_suspend(&self, lua: Lua) {
        if !self.profiling.get() {
            return;
        }
        self.with(|t| {
            if let Some(clock) = t.profile.clocks.get_mut(&(lua.0 as usize))
                && let Some(since) = clock.since.take()
            {
                clock.total += thread_cpu_ns() - since;
            }
        });
    }
}

/// The coroutine at 1, or the running one, which is put there; it is the only value.
fn thread_argument(l: Lua) -> Result<Lua, Fault> {
    l.set_top(1);
    if l.is_none_or_nil(1) {
        l.push_self();
        l.replace(1);
    }
    l.thread(1).ok_or_else(|| l.expected(1, "thread"))
}

/// Ties a guard to the coroutine at 1. *raises*
fn set_guard(l: Lua, guard: Guard) {
    let new: *mut Guard = l.new_userdata(size_of::<Guard>(), 0).cast();
    // SAFETY: a new block of the right size.
    unsafe { new.write(guard) };
    // SAFETY: a plain call of the auxiliary library.
    if unsafe { ffi::luaL_newmetatable(l.0, GUARD.as_ptr()) } != 0 {
        l.push_function(collect_guard);
        l.set_field(-2, c"__gc");
    }
    l.set_metatable(-2);
    set_in(l, GUARDS, 1);
}

/// Takes a clock away: that of this number, or whatever there is.
fn take_clock(svc: &Svc, key: usize, number: Option<u64>) -> Option<Clock> {
    let (clock, none_left) = svc.with(|t| {
        let clocks = &mut t.profile.clocks;
        let is_it = clocks
            .get(&key)
            .is_some_and(|c| number.is_none_or(|n| n == c.number));
        let clock = if is_it { clocks.remove(&key) } else { None };
        (clock, clocks.is_empty())
    });
    if none_left {
        svc.profiling.set(false);
    }
    clock
}

native! {
    /// `require "skynet.profile"`.
    open = |l| {
        push_functions(l, FUNCTIONS);
        results(1)
    };

    /// `start([co])`
    start = |l| {
        let svc = service(l)?;
        let thread = thread_argument(l)?;
        let key = thread.0 as usize;
        let (number, known, is_task) = svc.with(|t| {
            t.profile.last += 1;
            let known = t.profile.clocks.contains_key(&key);
            (t.profile.last, known, t.tasks.of_thread(thread).is_some())
        });
        // A clock without a guard was that of a collected coroutine at the same address.
        if known && (is_task || get_in(l, GUARDS, 1) != Type::Nil) {
            return Err(Fault::from(format!("Thread {key:#x} start profile more than once")));
        }
        if !is_task {
            set_guard(l, (key, number));
        }
        let runs = thread == l || thread.status() == 0;
        let since = runs.then(thread_cpu_ns);
        svc.with(|t| t.profile.clocks.insert(key, Clock { number, total: 0, since }));
        svc.profiling.set(true);
        results(0)
    };

    /// `stop([co])`: CPU seconds since `start`
    stop = |l| {
        let svc = service(l)?;
        let key = thread_argument(l)?.0 as usize;
        let Some(clock) = take_clock(svc, key, None) else {
            return Err("Call profile.start() before profile.stop()".into());
        };
        let running = clock.since.map_or(0, |since| thread_cpu_ns().saturating_sub(since));
        l.push_float((clock.total + running) as f64 / 1e9);
        results(1)
    };

    /// A coroutine has been collected that was still being profiled, or not any more.
    collect_guard = |l| {
        // SAFETY: `__gc` gets the userdata that `start` made.
        let (key, number) = unsafe { l.userdata(1).cast::<Guard>().read() };
        take_clock(service(l)?, key, Some(number));
        results(0)
    };
}

//! `skynet.profile`: CPU time of single coroutines.
//!
//! Counts while the coroutine, or one that it runs, is executing; time spent suspended does not count. Reading the clock of the
//! thread costs half a microsecond, so it is read only while something is being profiled.

use mlua_sys::lua55::lua_CFunction;
use rustc_hash::FxHashMap;

use super::{coroutine, push_functions};
use crate::api::service;
use crate::service::Svc;
use crate::vm::lua::Lua;
use crate::vm::native::{Fault, native, results};

/// Coroutines being profiled, by the address of their thread.
#[derive(Default)]
pub(crate) struct Profile {
    clocks: FxHashMap<usize, Clock>,
}

struct Clock {
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

/// The coroutine at 1, or the running one.
fn thread_argument(l: Lua) -> Result<Lua, Fault> {
    match l.kind(1) {
        crate::vm::lua::Type::None | crate::vm::lua::Type::Nil => Ok(l),
        _ => l.thread(1).ok_or(Fault::Argument(
            1,
            format!("thread expected, got {}", l.type_name(1)).into(),
        )),
    }
}

native! {
    open = |l| {
        push_functions(l, FUNCTIONS);
        results(1)
    };

    /// `start([co])`
    start = |l| {
        let svc = service(l)?;
        let thread = thread_argument(l)?;
        let key = thread.0 as usize;
        if svc.with(|t| t.profile.clocks.contains_key(&key)) {
            return Err(Fault::from(format!("Thread {key:#x} start profile more than once")));
        }
        let runs = thread == l || thread.status() == 0;
        let since = runs.then(thread_cpu_ns);
        svc.with(|t| t.profile.clocks.insert(key, Clock { total: 0, since }));
        svc.profiling.set(true);
        results(0)
    };

    /// `stop([co])`: CPU seconds since `start`
    stop = |l| {
        let svc = service(l)?;
        let key = thread_argument(l)?.0 as usize;
        let (clock, last) = svc.with(|t| {
            let clock = t.profile.clocks.remove(&key);
            (clock, t.profile.clocks.is_empty())
        });
        if last {
            svc.profiling.set(false);
        }
        let Some(clock) = clock else {
            return Err("Call profile.start() before profile.stop()".into());
        };
        let running = clock.since.map_or(0, |since| thread_cpu_ns().saturating_sub(since));
        l.push_float((clock.total + running) as f64 / 1e9);
        results(1)
    };
}

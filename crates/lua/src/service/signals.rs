//! Interrupting running Lua code: `signal 0`, and the traceback of code that is stuck.
//!
//! Lua can be interrupted from outside only through a hook, and `lua_sethook` is safe only on the thread that runs the
//! state (it may be called from a signal handler there, as the standalone interpreter does on ^C). So a request is a
//! flag of the service plus, if the service is running, a SIGURG to exactly the worker that runs it. The handler looks
//! whether the service that this thread runs *now* has a flag, and sets the hook; a signal that comes too late finds
//! nothing to do.
//!
//! A sample of the profiler is the same with less ceremony: a flag that only the signal handler looks at, and a hook
//! that also sees returns, so that time in a C function is noted as that function's. A sample that comes too late is
//! dropped or noted a little later; it need not be exact.
//!
//! SIGURG is ignored by default and by everything that we know of, and interrupted system calls are restarted.
//!
//! A hook of the application's own (`debug.sethook`) makes way for ours and is put back when ours has run.

use std::cell::Cell;
use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, Once, OnceLock, Weak};

use mlua_sys::lua55::{self as ffi, lua_Debug, lua_State};
use skynet_kernel::{Context, Interrupt, Report, Samples, lock};

use super::hooks::Hooks;
use super::{Svc, inspect};
use skynet_vm::alloc::MemoryAccount;
use skynet_vm::lua::Lua;

/// Raise the error `signal 0`.
const BREAK: u32 = 1;
/// Log a traceback.
const TRACE: u32 = 2;
/// Send a report to those who have asked for one.
const REPORT: u32 = 4;

/// The part of a service that other threads may touch.
pub(crate) struct Interrupts {
    /// Requests that the service has not seen yet.
    wanted: AtomicU32,
    /// How often the service has been told to end: once, it gets the error `signal 0`; from then on, each instruction
    /// raises it, until nothing is left that could catch it.
    ends: AtomicU32,
    /// Kernel thread id of the worker that runs the service; 0 = none.
    runner: AtomicI32,
    /// The Lua thread that runs. Written and read (in the signal handler) by the running worker only.
    active: AtomicPtr<lua_State>,
    /// Hooks that ours has displaced. Only for the running worker, its signal handler included.
    displaced: Hooks,
    memory: Arc<MemoryAccount>,
    /// Who waits for a report, and whether it is to have stacks.
    askers: Mutex<Vec<(bool, Sender<Report>)>>,
    /// Where samples go while the service is profiled.
    samples: Mutex<Option<Arc<Samples>>>,
    /// A sample is wanted now.
    sample: AtomicBool,
    /// Samples for which no Lua code ran. Apart, since a signal handler can't take a lock.
    native: AtomicU64,
    /// Whose log lines to write; set once the service has a context.
    pub(crate) cx: OnceLock<Weak<Context>>,
}

// SAFETY: everything is atomic or locked but `displaced`, which only the thread that runs the service touches; the
// kernel hands a service over with a lock in between.
unsafe impl Send for Interrupts {}
// SAFETY: as above.
unsafe impl Sync for Interrupts {}

thread_local! {
    /// What this worker runs now. Plain data without a destructor, so that the signal handler may read it.
    static RUNNING: Cell<*const Interrupts> = const { Cell::new(std::ptr::null()) };
    static THREAD_ID: Cell<i32> = const { Cell::new(0) };
}

fn thread_id() -> i32 {
    let known = THREAD_ID.get();
    if known != 0 {
        return known;
    }
    // SAFETY: a system call without arguments.
    let id = unsafe { libc::syscall(libc::SYS_gettid) } as i32;
    THREAD_ID.set(id);
    id
}

impl Interrupts {
    pub(crate) fn new(memory: Arc<MemoryAccount>) -> Interrupts {
        install_handler();
        Interrupts {
            wanted: AtomicU32::new(0),
            ends: AtomicU32::new(0),
            runner: AtomicI32::new(0),
            active: AtomicPtr::new(std::ptr::null_mut()),
            displaced: Hooks::default(),
            memory,
            askers: Mutex::default(),
            samples: Mutex::default(),
            sample: AtomicBool::new(false),
            native: AtomicU64::new(0),
            cx: OnceLock::new(),
        }
    }

    /// The calling worker runs the service from now on.
    pub(crate) fn enter(&self) {
        RUNNING.set(self);
        // Relaxed: the rare side, `want`, pays for the ordering with a process-wide barrier.
        self.runner.store(thread_id(), Ordering::Relaxed);
    }

    /// The calling worker has stopped running the service.
    pub(crate) fn leave(&self) {
        self.runner.store(0, Ordering::Relaxed);
        RUNNING.set(std::ptr::null());
    }

    /// `lua` runs now, null for none; returns what ran before.
    pub(crate) fn set_active(&self, lua: *mut lua_State) -> *mut lua_State {
        let before = self.active.load(Ordering::Relaxed);
        self.active.store(lua, Ordering::Relaxed);
        before
    }

    /// Arms the hook on a thread that is about to run, if something is wanted.
    pub(crate) fn arm(&self, lua: Lua) {
        if self.wanted.load(Ordering::Relaxed) != 0 || self.has_to_end() {
            self.set_hook(lua.0, ffi::LUA_MASKCOUNT);
        }
    }

    /// Is nothing to run any more?
    fn has_to_end(&self) -> bool {
        self.ends.load(Ordering::Relaxed) > 1
    }

    /// Sets our hook on the thread that runs on this worker, or is about to.
    fn set_hook(&self, l: *mut lua_State, mask: c_int) {
        // SAFETY: see the top of this file for when.
        unsafe { self.displaced.displace(l, hook, mask) };
    }

    fn log(&self, line: &str) {
        if let Some(cx) = self.cx.get().and_then(Weak::upgrade) {
            cx.log(line);
        }
    }

    fn want(&self, what: u32) {
        self.wanted.fetch_or(what, Ordering::SeqCst);
        // Either the worker's `enter` is visible here, or the worker sees the flag in `arm`.
        // SAFETY: a system call without memory arguments; where it is missing the flag is seen a little later.
        unsafe { libc::syscall(libc::SYS_membarrier, libc::MEMBARRIER_CMD_GLOBAL, 0, 0) };
        self.poke();
    }

    /// Sends the signal to the worker that runs the service. False if none does.
    fn poke(&self) -> bool {
        let runner = self.runner.load(Ordering::SeqCst);
        if runner == 0 {
            return false;
        }
        // SAFETY: sends a signal with an installed handler to a thread of this process; a thread that has ended
        // meanwhile makes the call fail and nothing more.
        unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), runner, libc::SIGURG) == 0 }
    }

    /// The running thread `l` is where a sample is wanted.
    fn note_sample(&self, l: Lua) {
        let samples = lock(&self.samples).clone();
        if let Some(samples) = samples {
            samples.add(inspect::folded(l));
        }
    }
}

impl Interrupt for Interrupts {
    fn signal(&self, n: i32) {
        self.log(&format!("recv a signal {n}"));
        match n {
            0 => self.want(BREAK),
            1 => {
                let kb = self.memory.used() as f64 / 1024.0;
                self.log(&format!("Current Memory {kb:.3}K"));
            }
            _ => {}
        }
    }

    fn end(&self) {
        let before = self.ends.load(Ordering::Relaxed);
        self.ends.store(before.saturating_add(1), Ordering::Relaxed);
        self.want(BREAK);
    }

    fn stuck(&self) {
        self.want(TRACE);
    }

    fn memory(&self) -> Option<usize> {
        Some(self.memory.used())
    }

    fn report(&self, stacks: bool, reply: Sender<Report>) {
        lock(&self.askers).push((stacks, reply));
        self.want(REPORT);
    }

    fn profile(&self, samples: Option<&Arc<Samples>>) -> bool {
        let native = self.native.swap(0, Ordering::Relaxed);
        self.sample.store(false, Ordering::Relaxed);
        let mut slot = lock(&self.samples);
        match (samples, &*slot) {
            (Some(_), Some(_)) => return false, // somebody else profiles it
            (None, Some(old)) => old.add_native(native),
            _ => {}
        }
        *slot = samples.cloned();
        true
    }

    fn sample(&self) -> bool {
        self.sample.store(true, Ordering::Relaxed);
        self.poke()
    }
}

fn install_handler() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: a zeroed sigaction is a valid value; the handler only reads thread-local plain data, atomics, and
        // calls `lua_sethook`, which Lua allows in signal handlers.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_signal as *const () as usize;
            action.sa_flags = libc::SA_RESTART;
            libc::sigaction(libc::SIGURG, &action, std::ptr::null_mut());
        }
    });
}

extern "C" fn on_signal(_: c_int) {
    let running = RUNNING.get();
    if running.is_null() {
        return;
    }
    // SAFETY: set by `enter`, cleared by `leave`, both on this thread, while the service is alive.
    let interrupts = unsafe { &*running };
    let active = interrupts.active.load(Ordering::Relaxed);
    let mut mask = 0;
    if interrupts.wanted.load(Ordering::Relaxed) != 0 {
        mask |= ffi::LUA_MASKCOUNT;
    }
    if interrupts.sample.load(Ordering::Relaxed) {
        if active.is_null() {
            interrupts.sample.store(false, Ordering::Relaxed);
            interrupts.native.fetch_add(1, Ordering::Relaxed);
        }
        mask |= ffi::LUA_MASKCOUNT | ffi::LUA_MASKRET;
    }
    if mask != 0 && !active.is_null() {
        interrupts.set_hook(active, mask);
    }
}

unsafe extern "C-unwind" fn hook(l: *mut lua_State, _: *mut lua_Debug) {
    // SAFETY: Lua calls a hook with its running thread.
    let lua = unsafe { Lua::new(l) };
    let Some(svc) = Svc::of(lua) else { return };
    // SAFETY: called by the hook, on the running thread.
    unsafe { svc.interrupts.displaced.put_back(l) };
    if svc.interrupts.sample.swap(false, Ordering::Relaxed) {
        svc.interrupts.note_sample(lua);
    }
    let mut wanted = svc.interrupts.wanted.swap(0, Ordering::SeqCst);
    if svc.interrupts.has_to_end() {
        wanted |= BREAK;
        svc.interrupts.set_hook(l, ffi::LUA_MASKCOUNT);
    }
    if wanted & REPORT != 0 {
        svc.answer_askers(lua);
    }
    if wanted & TRACE != 0 {
        svc.log_stack(lua);
    }
    if wanted & BREAK != 0 {
        // SAFETY: nothing owned is alive; raising in a count hook is what Lua's own ^C handling does.
        unsafe { ffi::luaL_error(l, c"signal 0".as_ptr()) };
    }
}

/// Sees to what is wanted of the service from outside: what a native function that computes for long calls now and
/// then, since only Lua code comes by hooks. *raises* `signal 0`, so nothing owned may be alive.
pub fn attend(lua: Lua) {
    // SAFETY: reads a plain field of the running thread.
    let armed = unsafe { ffi::lua_gethook(lua.0) };
    if armed.is_some_and(|f| f as usize == hook as *const () as usize) {
        // SAFETY: on the running thread. Our hook does not look at what it is told about the place.
        unsafe { hook(lua.0, std::ptr::null_mut()) };
    }
}

impl Svc {
    fn answer_askers(&self, lua: Lua) {
        for (stacks, asker) in std::mem::take(&mut *lock(&self.interrupts.askers)) {
            // If this fails, the asker has stopped waiting.
            let _ = asker.send(self.inspect(Some(lua), stacks));
        }
    }

    fn log_stack(&self, lua: Lua) {
        if !lua.check_stack(4) {
            return;
        }
        let top = lua.top();
        lua.push_function(stack_of_caller);
        let ok = lua.pcall(0, 1, 0) == 0;
        match lua.bytes(-1) {
            Some(text) if ok => self.cx.log([b"error: stuck at ", text].concat()),
            _ => self.cx.log("error: stuck (no memory for a traceback)"),
        }
        lua.set_top(top);
    }
}

skynet_vm::native::native! {
    stack_of_caller = |l| {
        l.traceback(l, 1);
        skynet_vm::native::results(1)
    };
}

//! A Lua service: its state, its tables, and how the kernel drives it.
//!
//! `LuaService` is what the kernel owns. Its state and tables live in a boxed [`Svc`] at a fixed address; every Lua
//! thread of the state carries that address in its extra space, so a native function finds its service with one load.
//!
//! One thread at a time runs a service (the kernel sees to that), so the tables need no locks. They are in `Cell`s and
//! one `RefCell` because native functions, called from Lua, called from the dispatcher, all reach them: `Svc::with`
//! borrows them for a few instructions, never across a call into Lua.
//!
//! * `sessions.rs`, `tasks.rs`: the tables. `dispatch.rs`: what happens to a message; `run.rs`: how a task runs; `entry.rs`: the
//!   functions that start inside Lua; `callback.rs`: services with a message function of their own. `signals.rs`: interrupts.
//! * `boot.rs`: from the first message to a running main script. `owed.rs`: requests that still expect an answer.

pub(crate) mod boot;
pub(crate) mod callback;
pub(crate) mod dispatch;
pub(crate) mod entry;
mod inspect;
pub(crate) mod owed;
pub(crate) mod protocols;
pub(crate) mod run;
pub(crate) mod sessions;
pub(crate) mod signals;
pub(crate) mod tasks;
pub(crate) mod trace;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ffi::c_int;
use std::ptr::NonNull;
use std::sync::Arc;

use mlua_sys::lua55 as ffi;
use rustc_hash::{FxHashMap, FxHashSet};
use skynet_kernel::{
    Context, Handle, InitError, Interrupt, Message, Payload, Report, Service, TimerKey, Trail, kind,
};
use skynet_net::Net;

use crate::Shared;
use crate::api::send::NO_DEADLINE;
use crate::code::cache::{CacheMode, Image};
use crate::vm::alloc::MemoryAccount;
use crate::vm::footprint;
use crate::vm::layout::Value;
use crate::vm::lua::Lua;
use owed::Owed;
use protocols::Protocols;
use sessions::{Ended, Late, Sessions, Since};
use signals::Interrupts;
use tasks::{NO_TASK, TaskId, Tasks};
use trace::Traces;

/// A message as the dispatcher sees it; the bytes belong to whoever called the dispatcher, unless `owned`. It stays in one place
/// while it is dispatched, and is handed on by its address: a copy of what has just been written in pieces stalls the processor.
pub(crate) struct Incoming {
    pub(crate) kind: u8,
    pub(crate) session: i32,
    pub(crate) source: Handle,
    pub(crate) data: *const u8,
    pub(crate) len: usize,
    /// The handler owns the payload: it passes the block itself on, or frees it.
    pub(crate) owned: Cell<bool>,
    /// The payload is the address of a package to which the message owns a reference.
    pub(crate) shared: bool,
}

impl Incoming {
    /// The payload, valid while the message is dispatched.
    pub(crate) fn bytes<'a>(&self) -> &'a [u8] {
        if self.len == 0 {
            return b"";
        }
        // SAFETY: `data` and `len` describe a block that lives until the dispatch of this message is over.
        unsafe { std::slice::from_raw_parts(self.data, self.len) }
    }
}

/// What `fork` has queued.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fork {
    /// A task with its function and this many arguments on its stack.
    Task(TaskId, i32),
    /// A function without arguments (registry reference), which gets its task when its turn comes.
    Function(i32),
}

/// Why a waiting task runs again; set just before it is resumed, read by the function that suspended it.
#[derive(Clone, Copy)]
pub(crate) enum Wake {
    Nothing,
    /// The answer or the request, which is being dispatched; see [`Wake::message`].
    Answer(NonNull<Incoming>),
    Failed,
    TimedOut,
    Woken,
}

impl Wake {
    pub(crate) fn answer(m: &Incoming) -> Wake {
        Wake::Answer(NonNull::from(m))
    }
}

/// What a task finds when it runs again.
pub(crate) enum Told<'a> {
    Answer(&'a Incoming),
    TimedOut,
    /// It was woken, or what it waits for has failed.
    Nothing,
}

/// Whose the payload of the message being dispatched is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Taken {
    /// The dispatcher's.
    No,
    /// Somebody took it over.
    Yes,
    /// A Lua callback's, which passed the message to the dispatcher.
    Forbidden,
}

/// What handles messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// `start` was not called: messages are refused.
    Deaf,
    /// The native dispatcher.
    Dispatcher,
    /// A Lua function given to `core.callback`; `forward`: it owns the payload.
    Callback { forward: bool },
    /// `skynet.exit` ran.
    Leaving,
}

/// Tables that are touched for a few instructions at a time. In this order in memory: what every message needs comes first,
/// so that it shares cache lines.
#[derive(Default)]
#[repr(C)]
pub(crate) struct Tables {
    pub(crate) tasks: Tasks,
    pub(crate) sessions: Sessions,
    pub(crate) protocols: Protocols,
    /// Calls whose callee was given as text: session to address.
    pub(crate) callee_names: FxHashMap<i32, Box<[u8]>>,
    /// Calls with a deadline: session to timer.
    pub(crate) deadlines: FxHashMap<i32, Option<TimerKey>>,
    /// `skynet.trace_timeout`: session to when and where the timer was made.
    pub(crate) timer_origins: FxHashMap<i32, Vec<u8>>,
    /// Sessions with an entry in the Lua table of tokens.
    pub(crate) tokens: FxHashSet<i32>,
    /// Woken tasks, in order.
    pub(crate) wakeups: VecDeque<TaskId>,
    /// Sessions that have failed and whose tasks are to be told.
    pub(crate) failures: VecDeque<(i32, Late)>,
    pub(crate) ended: Ended,
    pub(crate) forks: VecDeque<Fork>,
    pub(crate) owed: Owed,
    pub(crate) traces: Traces,
    /// Pieces of a warning of Lua.
    pub(crate) warning: Vec<u8>,
    /// What `skynet.task` is listing.
    pub(crate) listing: Vec<(i32, Option<TaskId>)>,
    /// Errors of the message being dispatched.
    pub(crate) errors: Vec<Vec<u8>>,
    /// Bytecode that this state's functions point into.
    pub(crate) code: Vec<Arc<Image>>,
    /// The same for shared code.
    #[cfg(feature = "shared-code")]
    pub(crate) functions: Vec<Arc<crate::code::shared::SharedFunction>>,
    /// Shared tables that this state may refer to.
    #[cfg(feature = "shared-code")]
    pub(crate) versions: crate::modules::sharetable::Opened,
    pub(crate) profile: crate::modules::profile::Profile,
    pub(crate) packages: crate::modules::multicast::Held,
    /// The debug console that this service has opened.
    pub(crate) console: Option<crate::console::Guard>,
}

/// Registry references that the dispatcher uses all the time.
#[derive(Default)]
pub(crate) struct Refs {
    pub(crate) dispatch: Cell<i32>,
    pub(crate) unpack: Cell<i32>,
    pub(crate) pack: Cell<i32>,
    /// Table: token to session.
    pub(crate) tokens: Cell<i32>,
    /// The `_proto` table.
    pub(crate) protocols: Cell<i32>,
    /// The `skynet` table.
    pub(crate) skynet: Cell<i32>,
    pub(crate) unknown_request: Cell<i32>,
    pub(crate) unknown_response: Cell<i32>,
    /// The function given to `core.callback`, and the thread that it runs on.
    pub(crate) callback: Cell<i32>,
    pub(crate) callback_thread: Cell<i32>,
    pub(crate) debug_handler: Cell<i32>,
}

/// One Lua service. In this order in memory: what every message needs comes first (`HOT_PART`).
#[repr(C)]
pub(crate) struct Svc {
    /// The main thread of the state; null before the first and after the last message.
    pub(crate) main: Cell<Lua>,
    /// The handler of the `lua` protocol (registry reference, 0 = none), kept beside its class table. It and the native
    /// codec are taken for granted until the application gets hold of that table (`exposed`).
    pub(crate) lua_handler: Cell<i32>,
    /// The function itself, which that reference keeps alive.
    pub(crate) lua_function: Cell<Value>,
    /// The task that runs.
    pub(crate) running: Cell<TaskId>,
    pub(crate) mode: Cell<Mode>,
    /// Something is in the queues that a message's dispatch empties (wakeups, failures, forks, errors): most messages leave
    /// them alone, and then they need not be looked at.
    pub(crate) busy: Cell<bool>,
    /// A task, a source or a protocol may have a trace tag.
    pub(crate) tracing: Cell<bool>,
    /// A `resume` that can't yield itself, under a C function such as `table.sort`, is on the way to the running coroutine.
    pub(crate) barred: Cell<bool>,
    /// Somebody has seen `skynet._proto` and may change what is in it: look there at every message.
    pub(crate) exposed: Cell<bool>,
    /// Whose the payload of that message is.
    pub(crate) taken: Cell<Taken>,
    /// Something is being profiled.
    pub(crate) profiling: Cell<bool>,
    /// The Lua thread that a native function has just suspended, to tell that from a stray `coroutine.yield`.
    pub(crate) suspended: Cell<Lua>,
    pub(crate) cx: Arc<Context>,
    pub(crate) interrupts: Arc<Interrupts>,
    pub(crate) wake: Cell<Wake>,
    /// The message being dispatched; null: none, or somebody has taken its payload over. See [`Svc::current`].
    current: Cell<*const Incoming>,
    pub(crate) tables: RefCell<Tables>,
    shared: Arc<Shared>,
    pub(crate) memory: Arc<MemoryAccount>,
    /// The launcher has heard how the start ended.
    pub(crate) reported: Cell<bool>,
    /// The task of the start function while it runs.
    pub(crate) init_task: Cell<TaskId>,
    /// `skynet.trace_timeout`.
    pub(crate) trace_timeout: Cell<bool>,
    /// A hook has raised an error: Lua leaves hooks off in a thread that such an error ends.
    pub(crate) hook_raised: Cell<bool>,
    /// Deadline for calls that name none, in cs, or `NO_DEADLINE`.
    pub(crate) call_timeout: Cell<i32>,
    pub(crate) cache_mode: Cell<CacheMode>,
    /// Address of the interned string "lua".
    pub(crate) lua_name: Cell<usize>,
    pub(crate) refs: Refs,
}

/// Bytes of `Svc` that every message needs: up to the first fields of its tables.
const HOT_PART: usize = std::mem::offset_of!(Svc, tables) + 192;

pub(crate) const NO_THREAD: Lua = Lua(std::ptr::null_mut());

impl Svc {
    /// The service that a Lua thread belongs to; none in the plain interpreter.
    pub(crate) fn of<'a>(l: Lua) -> Option<&'a Svc> {
        // SAFETY: the extra space holds null or the address of the service, which outlives its state (see `LuaService`).
        unsafe { (*ffi::lua_getextraspace(l.0).cast::<*const Svc>()).as_ref() }
    }

    /// Borrows the tables. `f` must not call into Lua.
    #[inline]
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut Tables) -> R) -> R {
        f(&mut self.tables.borrow_mut())
    }

    /// Borrows the tables to put something into one of the dispatcher's queues. `f` must not call into Lua.
    pub(crate) fn enqueue<R>(&self, f: impl FnOnce(&mut Tables) -> R) -> R {
        self.busy.set(true);
        self.with(f)
    }

    /// The sproto schemas that all services of the node share.
    pub(crate) fn schemas(&self) -> &crate::modules::sproto::Slots {
        &self.shared.schemas
    }

    /// The memory accounts of all services of the node.
    pub(crate) fn accounts(&self) -> &crate::vm::alloc::Accounts {
        &self.shared.accounts
    }

    pub(crate) fn handle(&self) -> Handle {
        self.cx.handle()
    }

    /// A session that is not pending.
    pub(crate) fn new_session(&self) -> i32 {
        loop {
            let session = self.cx.next_session();
            if !self.with(|t| t.sessions.contains(session)) {
                return session;
            }
        }
    }

    /// The time, for a wait that begins now.
    #[inline]
    pub(crate) fn since(&self) -> Since {
        Since::at(self.cx.stamp())
    }

    /// Would `take_payload` succeed?
    pub(crate) fn may_take_payload(&self, data: *const u8) -> bool {
        self.current().is_some_and(|m| {
            std::ptr::eq(m.data, data)
                && (m.owned.get() || self.taken.get() == Taken::No && m.len > Payload::INLINE)
        })
    }

    /// The message being dispatched, unless somebody has taken its payload over.
    pub(crate) fn current(&self) -> Option<&Incoming> {
        // SAFETY: set by `dispatching` to a message that outlives the dispatch, and put back at its end. Nobody keeps the
        // reference for longer than the native function that has asked for it.
        unsafe { self.current.get().as_ref() }
    }

    /// Runs `f` with `m` as the current message.
    #[inline(always)]
    pub(crate) fn dispatching<R>(&self, m: Option<&Incoming>, f: impl FnOnce() -> R) -> R {
        let before = self
            .current
            .replace(m.map_or(std::ptr::null(), std::ptr::from_ref));
        let result = f();
        self.current.set(before);
        result
    }

    /// Takes what the running task is to be told.
    #[inline]
    pub(crate) fn take_wake(&self) -> Told<'_> {
        match self.wake.replace(Wake::Nothing) {
            // SAFETY: the message is being dispatched while the task runs that is told of it; see `run`, which
            // forgets it when the task stops.
            Wake::Answer(m) => Told::Answer(unsafe { m.as_ref() }),
            Wake::TimedOut => Told::TimedOut,
            _ => Told::Nothing,
        }
    }

    /// The payload of the message being dispatched, at `data`, belongs to the caller from now on. False if that can't be: it
    /// is another message, or lies inside the message itself, or belongs to a Lua callback. Then it has to be copied.
    pub(crate) fn take_payload(&self, data: *const u8) -> bool {
        let Some(m) = self.current().filter(|_| self.may_take_payload(data)) else {
            return false;
        };
        if m.owned.get() {
            // Once: the next one that asks gets a copy.
            m.owned.set(false);
            self.taken.set(Taken::Forbidden);
            return true;
        }
        self.current.set(std::ptr::null());
        self.taken.set(Taken::Yes);
        true
    }

    /// The node's socket engine; it starts when it is asked for first.
    pub(crate) fn net(&self) -> std::io::Result<&Net> {
        Ok(self.shared.options.net.get(self.cx.node())?)
    }

    /// Answers a request with an error; a send (session 0) needs none.
    pub(crate) fn fail_request(&self, source: Handle, session: i32) {
        if session > 0 && source != Handle::NONE {
            let _ = self.cx.send(source, kind::ERROR, session, Payload::EMPTY);
        }
    }
}

/// A request is what expects an answer: a session, and not an answer itself. The session of a multicast message is its channel.
pub(crate) fn is_request(kind: u8, session: i32) -> bool {
    session > 0 && !matches!(kind, kind::RESPONSE | kind::ERROR | kind::MULTICAST)
}

/// How much a state of up to `SMALL_HEAP` bytes may grow before a minor collection, in percent. Lua's own 20 % is 5 KB for a typical
/// service, two or three messages: pack and unpack are a sixth faster with 50 %.
pub(crate) const SMALL_MINOR: c_int = 50;
/// Larger states collect as Lua would by itself.
const LARGE_MINOR: c_int = 20;
const SMALL_HEAP: usize = 8 << 20;

/// What the kernel owns of a Lua service.
pub(crate) struct LuaService {
    shared: Arc<Shared>,
    memory: Arc<MemoryAccount>,
    interrupts: Arc<Interrupts>,
    /// Boxed: Lua threads hold its address.
    svc: Option<Box<Svc>>,
    entered: bool,
    /// The state has not outgrown `SMALL_HEAP` yet.
    small: bool,
}

// SAFETY: the kernel runs a service on one thread at a time and hands it over with a lock in between. The Lua state and
// the cells are only touched by that thread; `Interrupts` and `MemoryAccount` are made for sharing.
unsafe impl Send for LuaService {}

impl LuaService {
    pub(crate) fn new(shared: Arc<Shared>) -> LuaService {
        let memory = Arc::new(MemoryAccount::new());
        LuaService {
            shared,
            interrupts: Arc::new(Interrupts::new(Arc::clone(&memory))),
            memory,
            svc: None,
            entered: false,
            small: true,
        }
    }
}

impl Service for LuaService {
    /// Only queues the script's name and arguments as the first message, so that the script runs as a service does.
    fn init(&mut self, cx: &Arc<Context>, param: &str) -> Result<(), InitError> {
        cx.describe(format!("snlua {param}"));
        let _ = self.interrupts.cx.set(Arc::downgrade(cx));
        self.shared
            .accounts
            .open(cx.handle(), Arc::clone(&self.memory));
        self.svc = Some(Box::new(Svc {
            cx: Arc::clone(cx),
            shared: Arc::clone(&self.shared),
            memory: Arc::clone(&self.memory),
            interrupts: Arc::clone(&self.interrupts),
            main: Cell::new(NO_THREAD),
            mode: Cell::new(Mode::Deaf),
            busy: Cell::new(false),
            tracing: Cell::new(false),
            running: Cell::new(NO_TASK),
            barred: Cell::new(false),
            suspended: Cell::new(NO_THREAD),
            wake: Cell::new(Wake::Nothing),
            current: Cell::new(std::ptr::null()),
            taken: Cell::new(Taken::No),
            reported: Cell::new(false),
            init_task: Cell::new(NO_TASK),
            trace_timeout: Cell::new(false),
            hook_raised: Cell::new(false),
            profiling: Cell::new(false),
            call_timeout: Cell::new(
                self.shared
                    .options
                    .call_timeout_cs
                    .map_or(NO_DEADLINE, |cs| cs.min(i32::MAX as u32) as i32),
            ),
            cache_mode: Cell::new(CacheMode::On),
            lua_handler: Cell::new(0),
            lua_function: Cell::new(Value::NIL),
            lua_name: Cell::new(0),
            exposed: Cell::new(false),
            refs: Refs::default(),
            tables: RefCell::default(),
        }));
        cx.send(
            cx.handle(),
            kind::TEXT,
            0,
            Payload::from_slice(param.as_bytes()),
        )
        .map_err(|e| InitError::new(e.to_string()))
    }

    fn handle(&mut self, _: &Arc<Context>, msg: Message) {
        let Some(svc) = &self.svc else { return };
        if !self.entered {
            svc.interrupts.enter();
            self.entered = true;
        }
        if svc.main.get() == NO_THREAD && svc.mode.get() != Mode::Leaving {
            svc.boot(msg);
        } else {
            svc.deliver(msg);
        }
        if self.small && svc.memory.used() > SMALL_HEAP && svc.main.get() != NO_THREAD {
            self.small = false;
            svc.main.get().set_minor_growth(LARGE_MINOR);
        }
        while let Some(mib) = svc.memory.take_warning() {
            svc.cx.log(format!("Memory warning {mib:.2} M"));
        }
    }

    fn turn_end(&mut self, _: &Arc<Context>) {
        if let Some(svc) = &self.svc
            && self.entered
        {
            svc.interrupts.leave();
            self.entered = false;
        }
    }

    fn footprint(&self, trail: &mut Trail) {
        let Some(svc) = self.svc.as_deref() else {
            return;
        };
        trail.add(&raw const *svc, HOT_PART);
        trail.add_value(&*self.memory);
        trail.add_value(&*self.interrupts);
        let task = svc.with(|t| t.tasks.next_idle(trail));
        let main = svc.main.get();
        if main != NO_THREAD {
            // 0 is not a function, which is what is looked for.
            main.push_ref(svc.lua_handler.get());
            footprint::add_state(trail, main, task);
            main.pop(1);
        }
    }

    fn report(&mut self, stacks: bool) -> Option<Report> {
        self.svc.as_ref().map(|svc| svc.inspect(None, stacks))
    }

    fn interrupts(&self) -> Option<Arc<dyn Interrupt>> {
        Some(Arc::clone(&self.interrupts) as Arc<dyn Interrupt>)
    }
}

impl Drop for LuaService {
    fn drop(&mut self) {
        let Some(svc) = &self.svc else { return };
        if self.entered {
            svc.interrupts.leave();
        }
        svc.mode.set(Mode::Leaving);
        svc.fail_all_requests();
        svc.report_death();
        let main = svc.main.get();
        if main != NO_THREAD {
            svc.interrupts.enter();
            // SAFETY: the state was made by `boot` and is not running; finalizers may call native functions, which
            // find the service alive.
            unsafe { ffi::lua_close(main.0) };
            svc.interrupts.leave();
            svc.main.set(NO_THREAD);
        }
        self.shared.accounts.close(svc.handle());
    }
}

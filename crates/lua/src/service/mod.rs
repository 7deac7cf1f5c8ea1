//! A Lua service: its state, its tables, and how the kernel drives it.
//!
//! `LuaService` is what the kernel owns (`host.rs`). Its state and tables live in a boxed [`Svc`] at a fixed address;
//! every Lua thread of the state carries that address in its extra space, so a native function finds its service with
//! one load.
//!
//! One thread at a time runs a service (the kernel sees to that), so the tables need no locks. They are in `Cell`s and
//! one `RefCell` because native functions, called from Lua, called from the dispatcher, all reach them: `Svc::with`
//! borrows them for a few instructions, never across a call into Lua.
//!
//! * `sessions.rs`, `tasks.rs`: the tables. `dispatch.rs`: what happens to a message; `run.rs`: how a task runs;
//!   `entry.rs`: the functions that start inside Lua; `callback.rs`: services with a message function of their own;
//!   `by_hand.rs`: coroutines that the application handles by itself; `collector.rs`: who has set the garbage
//!   collector; `log.rs`: log lines; `held.rs`: those that come before a log service has
//!   started. `signals.rs`: interrupts.
//! * `owed.rs`: requests that still expect an answer.

mod by_hand;
pub(crate) mod callback;
pub(crate) mod collector;
pub(crate) mod coroutine;
pub(crate) mod dispatch;
pub(crate) mod entry;
mod held;
mod hooks;
pub(crate) mod host;
pub(crate) mod incoming;
mod inspect;
pub(crate) mod log;
pub(crate) mod options;
pub(crate) mod owed;
pub(crate) mod pack;
pub(crate) mod parts;
mod place;
pub(crate) mod profile;
pub(crate) mod protocols;
pub(crate) mod replaced;
pub(crate) mod run;
pub(crate) mod sessions;
pub(crate) mod signals;
pub(crate) mod tasks;
pub(crate) mod tokens;
pub(crate) mod told_loops;
pub(crate) mod trace;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;

use mlua_sys::lua55 as ffi;
use rustc_hash::{FxHashMap, FxHashSet};
use skynet_kernel::{Callees, Context, Handle, Payload, TimerKey, kind};

use crate::library::Library;
pub(crate) use host::LuaService;
pub use incoming::{Incoming, Told};
pub(crate) use incoming::{Taken, Wake, is_request};
use options::Shared;
use owed::Owed;
use protocols::Protocols;
use sessions::{LateAnswer, Sessions, Since, UnlikelyAnswers};
use signals::Interrupts;
use skynet_vm::Value;
use skynet_vm::alloc::MemoryAccount;
use skynet_vm::cache::CacheMode;
use skynet_vm::code::Image;
use skynet_vm::lua::Lua;
use skynet_vm::native::Fault;
use tasks::{TaskId, Tasks};
use trace::Traces;

/// What `fork` has queued.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fork {
    /// A task with its function and this many arguments on its stack.
    Task(TaskId, i32),
    /// A function without arguments (registry reference), which gets its task when its turn comes.
    Function(i32),
    /// The lines that came before the log service had started.
    HeldLines,
}

impl Fork {
    pub(crate) fn is_of(&self, id: TaskId) -> bool {
        matches!(self, Fork::Task(task, _) if *task == id)
    }
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

/// Tables that are touched for a few instructions at a time. In this order in memory: what every message needs comes
/// first, so that it shares cache lines.
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
    pub(crate) failures: VecDeque<(i32, LateAnswer)>,
    pub(crate) unlikely: UnlikelyAnswers,
    /// Whom the calls in `sessions` wait for, as far as somebody has asked.
    pub(crate) callees: Callees,
    pub(crate) forks: VecDeque<Fork>,
    pub(crate) owed: Owed,
    pub(crate) traces: Traces,
    /// Pieces of a warning of Lua.
    pub(crate) warning: Vec<u8>,
    /// What came before the log service, if this is one, had started.
    pub(crate) held: held::HeldLines,
    /// What `skynet.task` is listing.
    pub(crate) listing: Vec<(i32, Option<TaskId>)>,
    /// Errors of the message being dispatched.
    pub(crate) errors: Vec<Vec<u8>>,
    /// Bytecode that this state's functions point into.
    pub(crate) code: Vec<Arc<Image>>,
    /// The same for shared code.
    #[cfg(feature = "shared-code")]
    pub(crate) functions: Vec<Arc<skynet_vm::shared::SharedFunction>>,
    pub(crate) profile: profile::Profile,
    /// What other native modules keep.
    pub(crate) parts: parts::OwnParts,
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
pub struct Svc {
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
    /// Something is in the queues that a message's dispatch empties (wakeups, failures, forks, errors): most messages
    /// leave them alone, and then they need not be looked at.
    pub(crate) busy: Cell<bool>,
    /// A task, a source or a protocol may have a trace tag.
    pub(crate) tracing: Cell<bool>,
    /// A `resume` that can't yield itself, under a C function such as `table.sort`, is on the way to the running
    /// coroutine.
    pub(crate) barred: Cell<bool>,
    /// Somebody has seen `skynet._proto` and may change what is in it: look there at every message.
    pub(crate) exposed: Cell<bool>,
    /// Whose the payload of that message is.
    pub(crate) taken: Cell<Taken>,
    /// Something is being profiled.
    pub(crate) profiling: Cell<bool>,
    /// The Lua thread that a native function has just suspended, to tell that from a stray `coroutine.yield`.
    pub suspended: Cell<Lua>,
    /// The service in the kernel's eyes.
    pub cx: Arc<Context>,
    pub(crate) interrupts: Arc<Interrupts>,
    pub(crate) wake: Cell<Wake>,
    /// The message being dispatched; null: none, or somebody has taken its payload over. See [`Svc::current`].
    current: Cell<*const Incoming>,
    pub(crate) tables: RefCell<Tables>,
    pub(crate) shared: Arc<Shared>,
    /// What the state takes.
    pub memory: Arc<MemoryAccount>,
    /// The launcher has heard how the start ended.
    pub(crate) reported: Cell<bool>,
    /// Sessions up to this one were of another service, which has fallen here; 0: there was none.
    pub(crate) call_before: Cell<i32>,
    /// This is the log service, and it has not started yet.
    pub(crate) holding: Cell<bool>,
    /// The task of the start function while it runs.
    pub(crate) init_task: Cell<TaskId>,
    /// `skynet.trace_timeout`.
    pub(crate) trace_timeout: Cell<bool>,
    /// Who has set the collector.
    pub(crate) collector: collector::Settings,
    /// Deadline for calls that name none, in cs, or `NO_DEADLINE`.
    pub(crate) call_timeout: Cell<i32>,
    pub(crate) cache_mode: Cell<CacheMode>,
    /// What the application may have put into `skynet` in the place of native functions.
    pub(crate) replaced: replaced::Replaced,
    /// Address of the interned string "lua".
    pub(crate) lua_name: Cell<usize>,
    pub(crate) refs: Refs,
}

/// Bytes of `Svc` that every message needs: up to the first fields of its tables.
const HOT_PART: usize = std::mem::offset_of!(Svc, tables) + 192;

pub(crate) const NO_THREAD: Lua = Lua(std::ptr::null_mut());

impl Svc {
    /// The service that a Lua thread belongs to; none in the plain interpreter.
    pub fn of<'a>(l: Lua) -> Option<&'a Svc> {
        // SAFETY: the extra space holds null or the address of the service, which outlives its state (see
        // `LuaService`).
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

    /// The memory accounts of all services of the node.
    pub fn accounts(&self) -> &skynet_vm::alloc::Accounts {
        &self.shared.accounts
    }

    /// The service's handle.
    pub fn handle(&self) -> Handle {
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
    pub fn current(&self) -> Option<&Incoming> {
        // SAFETY: set by `dispatching` to a message that outlives the dispatch, and put back at its end. Nobody keeps
        // the reference for longer than the native function that has asked for it.
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
    pub fn take_wake(&self) -> Told<'_> {
        match self.wake.replace(Wake::Nothing) {
            // SAFETY: the message is being dispatched while the task runs that is told of it; see `run`, which
            // forgets it when the task stops.
            Wake::Answer(m) => Told::Answer(unsafe { m.as_ref() }),
            Wake::TimedOut => Told::TimedOut,
            _ => Told::Nothing,
        }
    }

    /// The payload of the message being dispatched, at `data`, belongs to the caller from now on. False if that can't
    /// be: it is another message, or lies inside the message itself, or belongs to a Lua callback. Then it has to be
    /// copied.
    pub fn take_payload(&self, data: *const u8) -> bool {
        let Some(m) = self.current().filter(|_| self.may_take_payload(data)) else {
            return false;
        };
        if m.owned.get() {
            // Only once: a second caller gets a copy.
            m.owned.set(false);
            self.taken.set(Taken::Forbidden);
            return true;
        }
        self.current.set(std::ptr::null());
        self.taken.set(Taken::Yes);
        true
    }

    /// What Lua code can require.
    pub(crate) fn library(&self) -> &'static Library {
        self.shared.options.library
    }

    /// Answers a request with an error; a send (session 0) needs none.
    pub(crate) fn fail_request(&self, source: Handle, session: i32) {
        if session > 0 && source != Handle::NONE {
            let _ = self.cx.send(source, kind::ERROR, session, Payload::EMPTY);
        }
    }
}

/// The service of a native function's caller.
pub fn service<'a>(l: Lua) -> Result<&'a Svc, Fault> {
    Svc::of(l).ok_or(Fault::Text("this function works in a service only".into()))
}

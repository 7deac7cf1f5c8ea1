//! What the kernel owns of a Lua service, and how it drives it.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use mlua_sys::lua55 as ffi;
use skynet_kernel::{
    Context, InitError, Interrupt, Message, Payload, Report, Service, Touched, kind,
};
use skynet_vm::Value;
use skynet_vm::alloc::MemoryAccount;
use skynet_vm::cache::CacheMode;
use skynet_vm::footprint;

use super::collector;
use super::options::Shared;
use super::place::{self, Place};
use super::replaced::Replaced;
use super::sessions::NO_DEADLINE;
use super::signals::Interrupts;
use super::tasks::NO_TASK;
use super::{HOT_PART, Mode, NO_THREAD, Refs, Svc, Taken, Wake};

/// What the kernel owns of a Lua service.
pub(crate) struct LuaService {
    shared: Arc<Shared>,
    memory: Arc<MemoryAccount>,
    interrupts: Arc<Interrupts>,
    /// Boxed: Lua threads hold its address.
    svc: Option<Box<Svc>>,
    /// What it starts with.
    param: String,
    /// After a fall, until its start function has ended: see `place.rs`.
    pub(super) place: Place,
    entered: bool,
    /// The state has not outgrown `collector::SMALL_HEAP` yet.
    small: bool,
}

// SAFETY: the kernel runs a service on one thread at a time and hands it over with a lock in between. The Lua state and
// the cells are only touched by that thread; `Interrupts` and `MemoryAccount` are made for sharing.
unsafe impl Send for LuaService {}

impl LuaService {
    fn new_svc(&self, cx: &Arc<Context>) -> Box<Svc> {
        Box::new(Svc {
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
            call_before: Cell::new(0),
            holding: Cell::new(false),
            init_task: Cell::new(NO_TASK),
            trace_timeout: Cell::new(false),
            collector: collector::Settings::default(),
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
            replaced: Replaced::default(),
            exposed: Cell::new(false),
            refs: Refs::default(),
            tables: RefCell::default(),
        })
    }

    pub(crate) fn new(shared: Arc<Shared>) -> LuaService {
        let memory = Arc::new(MemoryAccount::new());
        LuaService {
            shared,
            interrupts: Arc::new(Interrupts::new(Arc::clone(&memory))),
            memory,
            svc: None,
            param: String::new(),
            place: Place::default(),
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
        param.clone_into(&mut self.param);
        self.svc = Some(self.new_svc(cx));
        cx.send_first(
            kind::TEXT,
            Payload::from_slice(&skynet_kernel::text::to_bytes(param)),
        )
        .map_err(|e| InitError::new(e.to_string()))
    }

    fn handle(&mut self, cx: &Arc<Context>, msg: Message) {
        let Some(svc) = &self.svc else {
            return self.while_down(cx, msg);
        };
        if !self.entered {
            svc.interrupts.enter();
            self.entered = true;
        }
        if svc.main.get() == NO_THREAD && svc.mode.get() != Mode::Leaving {
            (self.shared.boot)(svc, msg);
        } else {
            svc.deliver(msg);
        }
        if self.small && svc.memory.used() > collector::SMALL_HEAP && svc.main.get() != NO_THREAD {
            self.small = false;
            svc.collect_as_large(svc.main.get());
            skynet_kernel::huge::allow();
        }
        while let Some(mib) = svc.memory.take_warning() {
            svc.cx.log(format!("Memory warning {mib:.2} M"));
        }
    }

    fn turn_end(&mut self, _: &Arc<Context>) {
        self.leave();
    }

    fn fall(&mut self, cx: &Arc<Context>) -> bool {
        let svc = self.svc.as_ref().or(self.place.rising.as_ref());
        if svc.is_some_and(|svc| matches!(svc.mode.get(), Mode::Callback { .. })) {
            cx.log("error: a service with core.callback cannot be kept: it is ended, and another one takes its place");
            return false;
        }
        self.leave();
        if let Some(svc) = self.svc.take().or_else(|| self.place.rising.take()) {
            svc.close();
        }
        true
    }

    fn footprint(&self, touched: &mut Touched) {
        let Some(svc) = self.svc.as_deref() else {
            return;
        };
        touched.add(&raw const *svc, HOT_PART);
        touched.add_value(&*self.memory);
        touched.add_value(&*self.interrupts);
        let task = svc.with(|t| t.tasks.next_idle(touched));
        let main = svc.main.get();
        if main != NO_THREAD {
            // 0 stands for no function.
            main.push_ref(svc.lua_handler.get());
            footprint::add_state(touched, main, task);
            main.pop(1);
        }
    }

    fn report(&mut self, stacks: bool) -> Option<Report> {
        let svc = self.svc.as_ref().or(self.place.rising.as_ref());
        svc.map(|svc| svc.inspect(None, stacks))
    }

    fn interrupts(&self) -> Option<Arc<dyn Interrupt>> {
        Some(Arc::clone(&self.interrupts) as Arc<dyn Interrupt>)
    }
}

impl LuaService {
    fn enter(&mut self) {
        if !self.entered {
            self.interrupts.enter();
            self.entered = true;
        }
    }

    fn leave(&mut self) {
        if self.entered {
            self.interrupts.leave();
            self.entered = false;
        }
    }

    /// The service has fallen: a message waits for the next one, or makes it start.
    #[cold]
    fn while_down(&mut self, cx: &Arc<Context>, msg: Message) {
        let poke = cx.is_poke(&msg);
        if self.place.rising.is_some() && place::is_for_start(&msg) {
            self.enter();
            if let Some(svc) = &self.place.rising {
                svc.deliver(msg);
            }
        } else if !poke {
            self.place.hold(cx, msg);
        }
        if self.place.rising.is_none() && cx.take_revival() {
            let svc = self.new_svc(cx);
            svc.call_before.set(cx.new_session());
            self.enter();
            let param = Payload::from_slice(&skynet_kernel::text::to_bytes(&self.param));
            let svc = self.place.rising.insert(svc);
            (self.shared.boot)(svc, Message::new(kind::TEXT, cx.handle(), 0, param));
        }
        self.up(cx);
    }

    /// Once its start function has ended, it gets what has waited.
    fn up(&mut self, cx: &Arc<Context>) {
        let started = |svc: &Svc| svc.reported.get() && svc.mode.get() != Mode::Leaving;
        if cx.is_ending() || !self.place.rising.as_deref().is_some_and(started) {
            return;
        }
        let Some(svc) = self.place.rising.take() else {
            return;
        };
        svc.tell_adopted(&self.param);
        cx.risen();
        self.small = true;
        let svc = self.svc.insert(svc);
        while !cx.is_ending()
            && let Some(msg) = self.place.held.pop_front()
        {
            svc.deliver(msg);
        }
    }
}

impl Svc {
    /// Fails what it owes, and closes the state.
    fn close(&self) {
        self.mode.set(Mode::Leaving);
        self.fail_all_requests();
        self.close_state();
    }

    fn close_state(&self) {
        let main = self.main.get();
        if main != NO_THREAD {
            self.interrupts.enter();
            // SAFETY: the state was made by `boot` and is not running; finalizers may call native functions, which
            // find the service alive.
            unsafe { ffi::lua_close(main.0) };
            self.interrupts.leave();
            self.main.set(NO_THREAD);
        }
    }
}

impl Drop for LuaService {
    fn drop(&mut self) {
        self.leave();
        if let Some(context) = self.interrupts.cx.get().and_then(std::sync::Weak::upgrade) {
            self.place.fail_all(&context);
            self.shared.accounts.close(context.handle());
        }
        let Some(svc) = self.svc.as_ref().or(self.place.rising.as_ref()) else {
            return;
        };
        svc.mode.set(Mode::Leaving);
        svc.fail_all_requests();
        svc.report_death(svc.cx.departure());
        svc.close_state();
    }
}

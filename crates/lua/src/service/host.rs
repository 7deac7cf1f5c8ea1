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
    entered: bool,
    /// The state has not outgrown `collector::SMALL_HEAP` yet.
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
        }));
        cx.send_first(
            kind::TEXT,
            Payload::from_slice(&skynet_kernel::text::to_bytes(param)),
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
        if let Some(svc) = &self.svc
            && self.entered
        {
            svc.interrupts.leave();
            self.entered = false;
        }
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
        svc.report_death(svc.cx.departure());
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

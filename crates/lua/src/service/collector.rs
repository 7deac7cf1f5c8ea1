//! How a state's garbage is collected: generationally, and small states less often, unless the application says
//! otherwise.
//!
//! What it has said by `collectgarbage` stays, also in the main chunk, before which nothing is set: a collector that
//! is set when the chunk has run takes all that is there for old, in one go.

use std::cell::Cell;
use std::ffi::c_int;
use std::sync::OnceLock;

use mlua_sys::lua55::{self as ffi, lua_CFunction};

use super::Svc;
use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::{native, results};

/// How much a state of up to `SMALL_HEAP` bytes may grow before a minor collection, in percent. Lua's own 20 % is 5
/// KB for a typical service, two or three messages: pack and unpack are a sixth faster with 50 %.
const SMALL_MINOR: c_int = 50;
/// Larger states collect as Lua would by itself.
const LARGE_MINOR: c_int = 20;
pub(crate) const SMALL_HEAP: usize = 8 << 20;

/// What the application has set.
#[derive(Default)]
pub(crate) struct Settings {
    mode: Cell<bool>,
    minor_growth: Cell<bool>,
    /// The main chunk has run.
    started: Cell<bool>,
}

impl Svc {
    /// The main chunk has run: the collector begins.
    pub(crate) fn start_collector(&self, l: Lua) {
        self.collector.started.set(true);
        if !self.collector.mode.get() {
            l.set_gc_mode(ffi::LUA_GCGEN);
        }
        self.set_minor_growth(l, SMALL_MINOR);
    }

    /// The state has outgrown `SMALL_HEAP`.
    pub(super) fn collect_as_large(&self, l: Lua) {
        self.set_minor_growth(l, LARGE_MINOR);
    }

    fn set_minor_growth(&self, l: Lua, percent: c_int) {
        if !self.collector.minor_growth.get() {
            l.set_minor_growth(percent);
        }
    }
}

/// `collectgarbage` of the standard library, the same in every state.
static PLAIN: OnceLock<lua_CFunction> = OnceLock::new();

/// Replaces `collectgarbage` of the standard library by one that takes notes. *raises*
pub(crate) fn install(l: Lua) {
    l.get_global(c"collectgarbage");
    let plain = l.c_function(-1);
    l.pop(1);
    if let Some(plain) = plain {
        PLAIN.get_or_init(|| plain);
        l.push_function(collectgarbage);
        l.set_global(c"collectgarbage");
    }
}

native! {
    /// `collectgarbage([option [, ...]])`
    collectgarbage = |l| {
        let plain = *PLAIN.get().ok_or("no garbage collector")?;
        if let Some(svc) = Svc::of(l) {
            let settings = &svc.collector;
            match l.bytes(1) {
                Some(b"generational" | b"incremental") => {
                    let first = !settings.mode.replace(true);
                    if first && !settings.started.get() {
                        // Changes are noted, and reported to the application, as if they had been carried out.
                        l.set_gc_mode(ffi::LUA_GCGEN);
                    }
                }
                Some(b"param") if l.bytes(2) == Some(b"minormul") && !matches!(l.kind(3), Type::None | Type::Nil) => {
                    settings.minor_growth.set(true);
                }
                _ => {}
            }
        }
        // SAFETY: a native function called with this function's own thread and arguments.
        results(unsafe { plain(l.0) })
    };
}

//! How a state's garbage is collected, unless the application says otherwise: generationally while the state is small,
//! in small steps when it has become large.
//!
//! A generational collector is quick where most of what is new is soon garbage and nothing old is written to, as in a
//! service that handles messages. A large service is mostly state, and writes to it all the time; each minor collection
//! then looks at much of it, and each major one at all of it, in one go. Measured with a tick that writes to 3,000 of
//! its objects (two cores, busy; seconds of processor time, and the time of a tick that 99 of 100 do not exceed):
//!
//! | live | generational, 20 % | generational, 100 % | incremental, pause 200 % |
//! |---|---|---|---|
//! | 30 MB | 3.86 s, 41 ms, peak 43 MB | 3.02 s, 66 ms, 54 MB | 2.82 s, 26 ms, 37 MB |
//! | 100 MB | 16.5 s, 101 ms, 145 MB | 11.7 s, 179 ms, 182 MB | 9.9 s, 28 ms, 124 MB |
//!
//! Where nothing old is written to, the three are equal in time.
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
/// Larger states of which the application has said that they be generational collect as Lua would by itself.
const LARGE_MINOR: c_int = 20;
/// A larger state begins a collection when it is twice as large, in percent, as after the last one. Lua's own 250 % is
/// not quicker, and needs more memory.
const LARGE_PAUSE: c_int = 200;
pub(crate) const SMALL_HEAP: usize = 8 << 20;

/// What the application has set.
#[derive(Default)]
pub(crate) struct Settings {
    mode: Cell<bool>,
    minor_growth: Cell<bool>,
    pause: Cell<bool>,
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
        if self.collector.mode.get() {
            self.set_minor_growth(l, LARGE_MINOR);
            return;
        }
        if !self.collector.pause.get() {
            l.set_gc_pause(LARGE_PAUSE);
        }
        l.set_gc_mode(ffi::LUA_GCINC);
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
                Some(b"param") if l.bytes(2) == Some(b"pause") && !matches!(l.kind(3), Type::None | Type::Nil) => {
                    settings.pause.set(true);
                }
                _ => {}
            }
        }
        // SAFETY: a native function called with this function's own thread and arguments.
        results(unsafe { plain(l.0) })
    };
}

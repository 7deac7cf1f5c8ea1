//! Hooks of the application (`debug.sethook`) that one of ours has displaced, until it is put back.

use std::cell::Cell;
use std::ffi::c_int;

use mlua_sys::lua55::{self as ffi, lua_State};

/// Hooks of the application that are kept at a time; more threads than that are hardly interrupted before they run on.
const DISPLACED: usize = 4;

/// A hook that the application had set on a thread.
#[derive(Clone, Copy)]
struct Displaced {
    /// Null: none.
    thread: *mut lua_State,
    hook: Option<ffi::lua_Hook>,
    mask: c_int,
    count: c_int,
    /// Instructions that are left of `count`.
    left: c_int,
}

unsafe extern "C" {
    /// See `patch/lhooks.c`.
    fn lua_gethookleft(l: *mut lua_State) -> c_int;
    fn lua_sethookleft(l: *mut lua_State, left: c_int);
}

const NOTHING: Displaced = Displaced {
    thread: std::ptr::null_mut(),
    hook: None,
    mask: 0,
    count: 0,
    left: 0,
};

/// The displaced hooks of one service.
pub(super) struct Hooks([Cell<Displaced>; DISPLACED]);

impl Default for Hooks {
    fn default() -> Hooks {
        Hooks([const { Cell::new(NOTHING) }; DISPLACED])
    }
}

impl Hooks {
    /// Sets `ours` on a thread, and keeps the hook that it has.
    ///
    /// # Safety
    /// The thread is alive, and runs on this worker, is about to, or has been stopped by a signal here.
    pub(super) unsafe fn displace(&self, l: *mut lua_State, ours: ffi::lua_Hook, mask: c_int) {
        // SAFETY: reads and writes plain fields of the thread.
        unsafe {
            let before = ffi::lua_gethook(l);
            if before.is_some_and(|f| f as usize == ours as usize) {
                return;
            }
            let kept = Displaced {
                thread: l,
                hook: before,
                mask: ffi::lua_gethookmask(l),
                count: ffi::lua_gethookcount(l),
                left: lua_gethookleft(l),
            };
            let of_thread = |d: &&Cell<Displaced>| d.get().thread == l;
            let free = |d: &&Cell<Displaced>| d.get().thread.is_null();
            // One that is left behind by a thread that never ran on is given up when there is no room.
            let slot = self.0.iter().find(of_thread).or(self.0.iter().find(free));
            slot.unwrap_or(&self.0[0]).set(kept);
            ffi::lua_sethook(l, Some(ours), mask, 1);
        }
    }

    /// Gives the thread its own hook, or none.
    ///
    /// # Safety
    /// As [`displace`](Hooks::displace).
    pub(super) unsafe fn put_back(&self, l: *mut lua_State) {
        let of_thread = |d: &&Cell<Displaced>| d.get().thread == l;
        let kept = self.0.iter().find(of_thread);
        let kept = kept.map_or(NOTHING, |d| d.replace(NOTHING));
        // SAFETY: writes plain fields of the thread.
        unsafe {
            ffi::lua_sethook(l, kept.hook, kept.mask, kept.count);
            if kept.mask & ffi::LUA_MASKCOUNT != 0 {
                // It goes on counting where it was, but not from nothing: one instruction was ours.
                lua_sethookleft(l, kept.left.max(1));
            }
        }
    }
}

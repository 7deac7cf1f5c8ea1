//! Tables that all Lua states of the process can read, and what becomes of references to one when another takes its
//! place.

use std::ffi::{CStr, c_char, c_int};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use mlua_sys::lua55::lua_State;

use skynet_kernel::lock;

use crate::lua::Lua;

unsafe extern "C-unwind" {
    /// Shares a copy of the table at the top of the stack. Null if that is impossible; `error` is why, with `%s` for
    /// `kind`.
    fn lua_sharetable(
        l: *mut lua_State,
        error: *mut *const c_char,
        kind: *mut *const c_char,
    ) -> *mut RawTable;
    fn lua_freesharedtable(table: *mut RawTable);
    fn lua_sharedtablesize(table: *const RawTable) -> usize;
    /// Pushes the table; 0 if this state has another seed, 2: out of memory.
    fn lua_opensharedtable(l: *mut lua_State, table: *const RawTable) -> c_int;
    /// What becomes of one table, and of what is inside, in another; null: out of memory.
    fn lua_matchsharedtables(from: *const RawTable, to: *const RawTable) -> *mut RawMatch;
    fn lua_freesharedmatch(map: *mut RawMatch);
    /// Exchanges all references accordingly. 0: out of memory; 2: the state refers to nothing in `from` any more.
    fn lua_exchangesharedtable(
        l: *mut lua_State,
        map: *const RawMatch,
        from: *const RawTable,
    ) -> c_int;
}

/// A table that can be read by any state as long as it lives.
pub struct SharedTable(*mut RawTable);

// SAFETY: what it points to does not change until it is dropped.
unsafe impl Send for SharedTable {}
// SAFETY: as above.
unsafe impl Sync for SharedTable {}

#[repr(C)]
struct RawTable {
    _opaque: [u8; 0],
}

impl SharedTable {
    /// Shares a copy of the table on top of the stack, or says why not.
    pub fn new(l: Lua) -> Result<SharedTable, String> {
        let (mut error, mut kind) = (c"".as_ptr(), c"".as_ptr());
        // SAFETY: the state is this thread's; nothing is raised.
        let table = unsafe { lua_sharetable(l.0, &mut error, &mut kind) };
        if table.is_null() {
            // SAFETY: both are static texts.
            let text = |p| unsafe { CStr::from_ptr(p) }.to_string_lossy();
            return Err(text(error).replace("%s", &text(kind)));
        }
        Ok(SharedTable(table))
    }

    /// Pushes the table. Needs one place on the stack. The table has to outlive the state.
    pub fn push(&self, l: Lua) -> Result<(), &'static str> {
        // SAFETY: alive as long as `self`, and held by the service from then on.
        match unsafe { lua_opensharedtable(l.0, self.0) } {
            0 => Err("this state can't share tables"),
            1 => Ok(()),
            _ => Err("not enough memory"),
        }
    }

    /// Exchanges all references of the state to this table, and to what is inside, for another. None if memory ran out;
    /// true if the state refers to nothing in here any more, not even to a string.
    pub fn exchange(&self, l: Lua, new: &SharedTable) -> Option<bool> {
        let found = Match::find(self, new);
        let raw = found.raw();
        if raw.is_null() {
            return None;
        }
        // SAFETY: both tables are alive, since the caller has them, and so the addresses in the match are.
        match unsafe { lua_exchangesharedtable(l.0, raw, self.0) } {
            0 => None,
            result => Some(result == 2),
        }
    }

    /// Bytes.
    pub fn size(&self) -> usize {
        // SAFETY: alive as long as `self`.
        unsafe { lua_sharedtablesize(self.0) }
    }
}

impl Drop for SharedTable {
    fn drop(&mut self) {
        // Another table may get its address.
        let of = |found: &mut Arc<Match>| [found.from, found.to].contains(&self.0.cast_const());
        // They are freed when the lock is not held any more.
        let _gone: Vec<_> = matches().extract_if(.., of).collect();
        // SAFETY: states that have opened it hold a reference until they are closed.
        unsafe { lua_freesharedtable(self.0) }
    }
}

#[repr(C)]
struct RawMatch {
    _opaque: [u8; 0],
}

/// What becomes of the tables of one version in another. To find it out takes a walk over both, so services that update
/// one after another use the same.
struct Match {
    from: *const RawTable,
    to: *const RawTable,
    /// Made by the first one that wants it; others who want the same wait for it. Null if there was no memory.
    raw: OnceLock<Map>,
}

/// What `lua_matchsharedtables` has made.
struct Map(*mut RawMatch);

// SAFETY: it never changes.
unsafe impl Send for Map {}
// SAFETY: as above.
unsafe impl Sync for Map {}

// SAFETY: the map never changes, and the tables' addresses are only compared.
unsafe impl Send for Match {}
// SAFETY: as above.
unsafe impl Sync for Match {}

/// Kept at the same time: tables that are updated together, and services that are some versions behind.
const MATCHES: usize = 8;

static KEPT: Mutex<Vec<Arc<Match>>> = Mutex::new(Vec::new());

fn matches() -> MutexGuard<'static, Vec<Arc<Match>>> {
    lock(&KEPT)
}

impl Match {
    fn find(from: &SharedTable, to: &SharedTable) -> Arc<Match> {
        let (from, to) = (from.0.cast_const(), to.0.cast_const());
        let mut kept = matches();
        if let Some(found) = kept.iter().find(|m| (m.from, m.to) == (from, to)) {
            return found.clone();
        }
        let new = Arc::new(Match {
            from,
            to,
            raw: OnceLock::new(),
        });
        let oldest = (kept.len() == MATCHES).then(|| kept.remove(0));
        kept.push(new.clone());
        drop(kept);
        drop(oldest);
        new
    }

    /// To be called by who holds both tables.
    fn raw(&self) -> *mut RawMatch {
        // SAFETY: both are alive, and shared tables never change.
        let make = || Map(unsafe { lua_matchsharedtables(self.from, self.to) });
        self.raw.get_or_init(make).0
    }
}

impl Drop for Match {
    fn drop(&mut self) {
        if let Some(Map(raw)) = self.raw.take().filter(|map| !map.0.is_null()) {
            // SAFETY: made by `lua_matchsharedtables`, and nobody has it any more.
            unsafe { lua_freesharedmatch(raw) }
        }
    }
}

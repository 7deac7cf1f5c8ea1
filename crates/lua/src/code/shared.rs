//! Functions and strings that all Lua states of the process share; the mechanism is described in `patch/lshared.c`.

use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_int};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, Once, OnceLock, PoisonError, Weak};

use mlua_sys::lua55::{self as ffi, lua_State};

use super::cache::{self, Code, LoadError};
use crate::api::CLASSES;
use crate::modules::coroutine;
use crate::vm::lua::{Lua, REGISTRY};

/// A Lua function without upvalues of its own but the environment, which any state can make closures of. A service that has
/// done so holds it as long as its state lives.
pub(crate) struct SharedFunction(*mut RawFunction);

// SAFETY: what it points to does not change until it is dropped.
unsafe impl Send for SharedFunction {}
// SAFETY: as above.
unsafe impl Sync for SharedFunction {}

#[repr(C)]
struct RawFunction {
    _opaque: [u8; 0],
}

unsafe extern "C-unwind" {
    /// Shares the function at the top of the stack; null if that is impossible. One thread at a time.
    fn lua_sharefunction(l: *mut lua_State) -> *mut RawFunction;
    fn lua_freeshared(function: *mut RawFunction);
    /// Notes the libraries that are opened in the state from now on, for the states after it. One thread at a time.
    fn lua_recordlibraries(l: *mut lua_State);
    /// They are complete. Raises. Used as soon as the strings are shared.
    fn lua_sharelibraries(l: *mut lua_State);
    /// Shares all short strings of the state. One thread at a time.
    fn lua_sharestrings(l: *mut lua_State) -> c_int;
    /// Shares a copy of the hash part of the table at the top of the stack; null if that is impossible. Raises. One thread at a time.
    fn lua_sharenodes(l: *mut lua_State) -> *const RawNodes;
    /// Pushes a table with such a hash part, which is copied when the table is written to. Raises.
    fn lua_pushsharednodes(l: *mut lua_State, nodes: *const RawNodes);
    /// Shares a copy of the table at the top of the stack. Null if that is impossible; `error` is why, with `%s` for `kind`. One thread
    /// at a time.
    fn lua_sharetable(
        l: *mut lua_State,
        error: *mut *const c_char,
        kind: *mut *const c_char,
    ) -> *mut RawTable;
    fn lua_freesharedtable(table: *mut RawTable);
    fn lua_sharedtablesize(table: *const RawTable) -> usize;
    /// Pushes the table; 0 if this state has another seed, 2 if strings of the state have got other addresses.
    fn lua_opensharedtable(l: *mut lua_State, table: *const RawTable) -> c_int;
    /// What becomes of one table, and of what is inside, in another; null: out of memory.
    fn lua_matchsharedtables(from: *const RawTable, to: *const RawTable) -> *mut RawMatch;
    fn lua_freesharedmatch(map: *mut RawMatch);
    /// Exchanges all references accordingly. 0: out of memory.
    fn lua_exchangesharedtable(l: *mut lua_State, map: *const RawMatch) -> c_int;
    /// Pushes a closure of a shared function, or an error text; the result is a status.
    fn lua_loadshared(l: *mut lua_State, function: *const RawFunction) -> c_int;
}

/// What has been shared, by the hash of file name and source; held while something is being shared.
static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Known {
    files: HashMap<(u64, u64), Weak<SharedFunction>>,
    /// With so many files, those that nobody has any more are looked for.
    sweep_at: usize,
    /// Two, because a hash of 64 bits is too short to stand for a source.
    hashers: [RandomState; 2],
}

/// The code of a source that may have been shared before; if not, `make` does it.
pub(crate) fn share(
    source: &[u8],
    chunk_name: &[u8],
    make: impl FnOnce() -> Result<Code, LoadError>,
) -> Result<Code, LoadError> {
    prepare();
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (
        known.hashers[0].hash_one((source, chunk_name)),
        known.hashers[1].hash_one((source, chunk_name)),
    );
    if let Some(function) = known.files.get(&key).and_then(Weak::upgrade) {
        return Ok(Code::Shared(function));
    }
    let code = make()?;
    if let Code::Shared(function) = &code {
        if known.files.len() >= known.sweep_at {
            known.files.retain(|_, f| f.strong_count() > 0);
            known.sweep_at = 2 * known.files.len() + 64;
        }
        known.files.insert(key, Arc::downgrade(function));
    }
    Ok(code)
}

/// Shares the function on top of the stack of a scratch state. Called by `make` of [`share`] only.
pub(crate) fn share_function(l: Lua) -> Option<Arc<SharedFunction>> {
    // SAFETY: the lock that `share` holds keeps other threads out.
    let function = unsafe { lua_sharefunction(l.0) };
    (!function.is_null()).then(|| Arc::new(SharedFunction(function)))
}

impl SharedFunction {
    /// Pushes the function; false with an error text pushed instead. It has to outlive the state.
    pub(crate) fn load(&self, l: Lua) -> bool {
        // SAFETY: the pointer came from `lua_sharefunction`; errors are caught inside.
        unsafe { lua_loadshared(l.0, self.0) == ffi::LUA_OK }
    }
}

impl Drop for SharedFunction {
    fn drop(&mut self) {
        // SAFETY: states that have loaded it hold a reference until they are closed.
        unsafe { lua_freeshared(self.0) }
    }
}

/// The content of a table of native functions, for tables of all services.
#[derive(Clone, Copy)]
pub(crate) struct SharedNodes(*const RawNodes);

// SAFETY: what it points to never changes and is never freed.
unsafe impl Send for SharedNodes {}
// SAFETY: as above.
unsafe impl Sync for SharedNodes {}

#[repr(C)]
struct RawNodes {
    _opaque: [u8; 0],
}

impl SharedNodes {
    /// Pushes a table with this content. *raises*
    pub(crate) fn push(self, l: Lua) {
        // SAFETY: the pointer came from `lua_sharenodes`; states of services have the seed that was used there.
        unsafe { lua_pushsharednodes(l.0, self.0) }
    }

    /// The content of the table on top of the stack. *raises*
    fn of_top(l: Lua) -> Option<SharedNodes> {
        // SAFETY: called by `fill` only, which runs once.
        let nodes = unsafe { lua_sharenodes(l.0) };
        (!nodes.is_null()).then_some(SharedNodes(nodes))
    }
}

/// A table that can be read by any state as long as it lives.
pub(crate) struct SharedTable(*mut RawTable);

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
    pub(crate) fn new(l: Lua) -> Result<SharedTable, String> {
        prepare();
        let _only = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut error, mut kind) = (c"".as_ptr(), c"".as_ptr());
        // SAFETY: the lock keeps other threads out.
        let table = unsafe { lua_sharetable(l.0, &mut error, &mut kind) };
        if table.is_null() {
            // SAFETY: both are static texts.
            let text = |p| unsafe { CStr::from_ptr(p) }.to_string_lossy();
            return Err(text(error).replace("%s", &text(kind)));
        }
        Ok(SharedTable(table))
    }

    /// Pushes the table; none if this state can't have it, true if strings of the state have got other addresses. Needs one
    /// place on the stack. The table has to outlive the state.
    pub(crate) fn push(&self, l: Lua) -> Option<bool> {
        // SAFETY: alive as long as `self`, and held by the service from then on.
        match unsafe { lua_opensharedtable(l.0, self.0) } {
            0 => None,
            result => Some(result == 2),
        }
    }

    /// Exchanges all references of the state to this table, and to what is inside, for another. False if memory ran out.
    pub(crate) fn exchange(&self, l: Lua, new: &SharedTable) -> bool {
        let Some(found) = Match::find(self, new) else {
            return false;
        };
        // SAFETY: both tables are alive, since the caller has them, and so the addresses in the match are.
        unsafe { lua_exchangesharedtable(l.0, found.raw) != 0 }
    }

    /// Bytes.
    pub(crate) fn size(&self) -> usize {
        // SAFETY: alive as long as `self`.
        unsafe { lua_sharedtablesize(self.0) }
    }
}

impl Drop for SharedTable {
    fn drop(&mut self) {
        // Another table may get its address.
        let of = |found: &Arc<Match>| [found.from, found.to].contains(&self.0.cast_const());
        matches().retain(|found| !of(found));
        // SAFETY: states that have opened it hold a reference until they are closed.
        unsafe { lua_freesharedtable(self.0) }
    }
}

#[repr(C)]
struct RawMatch {
    _opaque: [u8; 0],
}

/// What becomes of the tables of one version in another. To find it out takes a walk over both, so services that update one after another
/// use the same.
struct Match {
    from: *const RawTable,
    to: *const RawTable,
    raw: *mut RawMatch,
}

// SAFETY: the map never changes, and the tables' addresses are only compared.
unsafe impl Send for Match {}
// SAFETY: as above.
unsafe impl Sync for Match {}

/// Kept at the same time: tables that are updated together, and services that are some versions behind.
const MATCHES: usize = 8;

static KEPT: Mutex<Vec<Arc<Match>>> = Mutex::new(Vec::new());

fn matches() -> MutexGuard<'static, Vec<Arc<Match>>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Match {
    /// None if there is no memory. Others who want the same wait for it here.
    fn find(from: &SharedTable, to: &SharedTable) -> Option<Arc<Match>> {
        let mut kept = matches();
        let (from, to) = (from.0.cast_const(), to.0.cast_const());
        if let Some(found) = kept.iter().find(|m| (m.from, m.to) == (from, to)) {
            return Some(found.clone());
        }
        // SAFETY: both are alive, and shared tables never change.
        let raw = unsafe { lua_matchsharedtables(from, to) };
        if raw.is_null() {
            return None;
        }
        let found = Arc::new(Match { from, to, raw });
        if kept.len() == MATCHES {
            kept.remove(0);
        }
        kept.push(found.clone());
        Some(found)
    }
}

impl Drop for Match {
    fn drop(&mut self) {
        // SAFETY: made by `lua_matchsharedtables`, and nobody has it any more.
        unsafe { lua_freesharedmatch(self.raw) }
    }
}

/// Tables that every service has.
#[derive(Default)]
struct Common {
    libraries: [Option<SharedNodes>; LIBRARIES.len()],
    /// The metatable of strings without `__index`.
    strings: Option<SharedNodes>,
    skynet: Option<SharedNodes>,
    /// The class tables of message types that an application seldom changes, and what goes with the table `skynet`.
    classes: [Option<SharedNodes>; CLASSES],
}

static COMMON: OnceLock<Common> = OnceLock::new();

/// Standard libraries that consist of functions without upvalues.
const LIBRARIES: [&str; 6] = ["coroutine", "table", "os", "string", "utf8", "debug"];

/// Opens the standard libraries in the state of a service. *raises*
pub(crate) fn open_libraries(l: Lua) {
    let ready = COMMON.get().and_then(|common| {
        let libraries = common.libraries.iter().all(Option::is_some);
        common
            .strings
            .filter(|_| libraries)
            .map(|strings| (&common.libraries, strings))
    });
    let Some((libraries, strings)) = ready else {
        // SAFETY: opens the standard libraries in a fresh state.
        unsafe { ffi::luaL_openlibs(l.0) };
        return coroutine::install(l);
    };
    // As large as it is in the end.
    l.new_table(0, 16);
    l.set_field(REGISTRY, c"_LOADED");
    let others = ffi::LUA_GLIBK | ffi::LUA_LOADLIBK | ffi::LUA_IOLIBK | ffi::LUA_MATHLIBK;
    // SAFETY: as above.
    unsafe { ffi::luaL_openselectedlibs(l.0, others, 0) };
    l.get_field(REGISTRY, c"_LOADED");
    l.raw_geti(REGISTRY, ffi::LUA_RIDX_GLOBALS);
    for (name, nodes) in LIBRARIES.iter().zip(libraries.iter().flatten()) {
        nodes.push(l);
        l.push_value(-1);
        l.raw_set_str(-3, name);
        l.raw_set_str(-3, name);
    }
    l.push_str("");
    strings.push(l);
    l.get_global(c"string");
    l.raw_set_str(-2, "__index");
    l.set_metatable(-2);
    l.pop(3);
}

/// Pushes the table of the module `skynet` before anything is added to it; false if there is none. *raises*
pub(crate) fn push_skynet(l: Lua) -> bool {
    let nodes = COMMON.get().and_then(|common| common.skynet);
    if let Some(nodes) = nodes {
        nodes.push(l);
    }
    nodes.is_some()
}

/// Pushes what [`push_class`](crate::api::push_class) makes; false if it has to be made. *raises*
pub(crate) fn push_class(l: Lua, class: usize) -> bool {
    let nodes = COMMON.get().and_then(|common| common.classes[class]);
    if let Some(nodes) = nodes {
        nodes.push(l);
    }
    nodes.is_some()
}

/// Shares what is in every state, once in the process and before the first service has a state: reserved words, names of
/// the standard libraries and of native modules, and the tables of libraries.
pub(crate) fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _only = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(l) = cache::new_scratch_state() else {
            return;
        };
        l.gc(ffi::LUA_GCSTOP);
        // The parser settles which words are reserved.
        l.load(b"", c"=", c"t");
        let mut common = Common::default();
        l.push_function(fill);
        l.push_pointer((&raw mut common).cast());
        if l.pcall(1, 0, 0) == ffi::LUA_OK {
            // SAFETY: the lock keeps other threads out.
            unsafe { lua_sharestrings(l.0) };
            let _ = COMMON.set(common);
        }
        // SAFETY: a state of this thread, from which everything has been copied.
        unsafe { ffi::lua_close(l.0) };
    });
}

crate::vm::native::native! {
    /// `fill(common as light userdata)`: makes the strings and the tables that services are going to need.
    fill = |l| {
        // SAFETY: `prepare` passes what is on its stack, which outlives this protected call.
        let common = unsafe { &mut *l.userdata(1).cast::<Common>() };
        // SAFETY: opens the standard libraries in a fresh state; the lock keeps other threads out.
        unsafe {
            lua_recordlibraries(l.0);
            ffi::luaL_openlibs(l.0);
        }
        coroutine::install(l);
        for name in crate::modules::common_strings() {
            l.push_str(name);
            l.pop(1);
        }
        l.get_field(REGISTRY, c"_LOADED");
        let loaded = l.top();
        for (name, nodes) in LIBRARIES.iter().zip(&mut common.libraries) {
            l.push_str(name);
            l.raw_get(loaded);
            *nodes = SharedNodes::of_top(l);
            l.set_top(loaded);
        }
        l.push_str("");
        // SAFETY: pushes the metatable, which the library has just set.
        unsafe { ffi::lua_getmetatable(l.0, -1) };
        l.push_nil();
        l.raw_set_str(-2, "__index");
        common.strings = SharedNodes::of_top(l);
        l.set_top(loaded);
        crate::api::push_common(l);
        common.skynet = SharedNodes::of_top(l);
        for (class, nodes) in common.classes.iter_mut().enumerate() {
            crate::api::push_class(l, class);
            *nodes = SharedNodes::of_top(l);
        }
        // SAFETY: as above.
        unsafe { lua_sharelibraries(l.0) };
        crate::vm::native::results(0)
    };
}

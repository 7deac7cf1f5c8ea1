//! Runs a configuration's Lua chunks and collects the keys that they set.
//!
//! ## Tables
//! The chunks run in an environment table that stays empty: a read goes through `__index` to the table `keys`, whose
//! own `__index` holds `include`; a write goes through `__newindex` ([`assign`]) into `keys` and notes the line that
//! made it. So a chunk sees what it would see with a plain table, and every assignment, not only the first, has a
//! place. The string library is loaded for the methods of strings (`("x"):rep(3)`) and their arithmetic, but no name
//! leads to it.
//!
//! ## Errors
//! Everything that can raise runs inside one `lua_pcall` ([`evaluate`]). A Lua error is a `longjmp` over Rust frames,
//! so the functions here that Lua calls hold no value with a destructor at any Lua call. Rust work is done in
//! [`Evaluation`]'s methods, which call nothing of Lua's; what they allocate is owned by the `Evaluation`, which
//! outlives the state. An error that Rust finds is kept there too, and a `nil` is raised in its place, which needs no
//! memory.

use super::{Config, ConfigError, Entry, Host, Limits, SEPARATOR, expand};
use mlua_sys::*;
use skynet_kernel::text;
use skynet_vm::loops;
use std::alloc::{self, Layout};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Instructions between two looks at the instruction budget.
const STEP: u32 = 10_000;
/// Tables in each other.
const DEPTH: c_int = 2;

/// Evaluates the file `path` and everything that it includes. `tables`: values may be tables, up to [`DEPTH`] of them in
/// each other; their entries have keys of several parts, with [`SEPARATOR`]s between them.
pub(super) fn evaluate(
    path: &[u8],
    host: &dyn Host,
    limits: &Limits,
    tables: bool,
) -> Result<Config, ConfigError> {
    let evaluation = Evaluation {
        path,
        tables,
        host,
        limits,
        memory: Cell::new(0),
        steps: Cell::new(limits.instructions),
        work: RefCell::default(),
    };
    let ud = (&raw const evaluation).cast_mut().cast::<c_void>();
    // SAFETY: `allocate` fulfils the contract of a Lua allocator, and `evaluation` lives until after `lua_close`.
    // The seed only spreads hashes; a configuration is not hostile to its own node.
    let state = unsafe { lua_newstate(allocate, ud, 0x5eed) };
    if state.is_null() {
        return Err(ConfigError::Memory {
            limit: limits.memory,
        });
    }
    // SAFETY: a fresh state has room for 20 values; pushing a light C function and a light userdata does not allocate,
    // so nothing before the protected call can raise. No value with a destructor is created between here and there.
    let failure = unsafe {
        // Config files of Lua 5.4 load, whatever the key `lua54` says, which is only known afterwards.
        loops::accept(state, assigned_loop, std::ptr::null_mut());
        lua_sethook(state, Some(count), LUA_MASKCOUNT, STEP as c_int);
        lua_pushcfunction(state, run);
        lua_pushlightuserdata(state, ud);
        let status = lua_pcall(state, 1, 0, 0);
        (status != LUA_OK).then(|| evaluation.failure(state, status))
    };
    // SAFETY: the state is not used again. Closing runs no user code, as a configuration cannot set metatables.
    unsafe { lua_close(state) };
    match failure {
        Some(error) => Err(error),
        None => evaluation.finish(),
    }
}

/// One evaluation: what Lua's callbacks reach through the allocator's opaque pointer.
struct Evaluation<'a> {
    path: &'a [u8],
    tables: bool,
    host: &'a dyn Host,
    limits: &'a Limits,
    /// Bytes that the Lua state holds.
    memory: Cell<usize>,
    /// Instructions that may still run.
    steps: Cell<u64>,
    work: RefCell<Work>,
}

#[derive(Default)]
struct Work {
    /// Directory of the running file, and of those that include it; ends with `/`.
    folders: Vec<Vec<u8>>,
    /// Text of the file that is being compiled.
    text: Vec<u8>,
    /// File name as written (the chunk's name) to the path that was opened.
    files: HashMap<Vec<u8>, String>,
    /// Key to the place of its last assignment.
    places: HashMap<Vec<u8>, Place>,
    /// Keys and values at the end; `None` is a value of a type that cannot be one.
    values: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// The keys of the tables around the values that come, and how long that was before each of them.
    within: Vec<u8>,
    tables: Vec<usize>,
    /// A key at the end was not a string.
    strange_key: bool,
    /// The error to report instead of the one that was raised.
    failure: Option<ConfigError>,
}

#[derive(Clone, Default)]
struct Place {
    file: String,
    line: u32,
}

/// A failure has been noted in the `Evaluation`; the caller shall raise.
struct Failed;

impl Evaluation<'_> {
    /// Runs `body`, which must not call Lua; turns errors and panics into a noted failure.
    fn attempt<T>(
        &self,
        body: impl FnOnce(&mut Work) -> Result<T, ConfigError>,
    ) -> Result<T, Failed> {
        let result = catch_unwind(AssertUnwindSafe(|| body(&mut self.work.borrow_mut())));
        let error = match result {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => error,
            Err(_) => ConfigError::Runtime {
                message: "the evaluator panicked".into(),
            },
        };
        self.work.borrow_mut().failure = Some(error);
        Err(Failed)
    }

    /// Reads and expands the file that `include "name"` at `line` of the running file means, and enters its folder.
    fn open(&self, name: &[u8], line: u32) -> Result<(), Failed> {
        self.attempt(|work| {
            let (folder, file) = match name.iter().rposition(|&byte| byte == b'/') {
                Some(at) => name.split_at(at + 1),
                None => (&b""[..], name),
            };
            let mut inner = match folder.first() {
                Some(b'/') => Vec::new(),
                _ => work
                    .folders
                    .last()
                    .cloned()
                    .unwrap_or_else(|| b"./".to_vec()),
            };
            inner.extend_from_slice(folder);
            let path = [&inner, file].concat();
            let shown = String::from_utf8_lossy(&path).into_owned();
            let unreadable = |reason| ConfigError::Read {
                line,
                path: shown.clone(),
                reason,
            };
            let limit = self.limits.file;
            let text = self
                .host
                .read(Path::new(OsStr::from_bytes(&path)), limit)
                .map_err(|error| unreadable(reason(&error)))?;
            let too_large = || unreadable(format!("File too large (limit {limit} bytes)"));
            if text.len() > limit {
                return Err(too_large());
            }
            work.text = expand::expand(&text, limit, |name| self.host.variable(name)).map_err(
                |failure| match failure {
                    expand::Failure::Undefined { name, line } => ConfigError::Variable {
                        name,
                        file: shown.strip_prefix("./").unwrap_or(&shown).to_owned(),
                        line,
                    },
                    expand::Failure::TooLarge => too_large(),
                },
            )?;
            work.files.insert(
                name.to_vec(),
                shown.strip_prefix("./").unwrap_or(&shown).to_owned(),
            );
            work.folders.push(inner);
            Ok(())
        })
    }

    /// Text and length of the file that was opened last. Valid until [`Evaluation::compiled`].
    fn text(&self) -> (*const c_char, usize) {
        let work = self.work.borrow();
        (work.text.as_ptr().cast(), work.text.len())
    }

    /// Ends a compilation; `error` is its line and message.
    fn compiled(&self, error: Option<(u32, &[u8])>) -> Result<(), Failed> {
        self.attempt(|work| {
            work.text = Vec::new();
            match error {
                None => Ok(()),
                Some((line, message)) => {
                    let message = String::from_utf8_lossy(message).into_owned();
                    Err(ConfigError::Syntax { line, message })
                }
            }
        })
    }

    /// Leaves the folder that [`Evaluation::open`] entered.
    fn close(&self) {
        self.work.borrow_mut().folders.pop();
    }

    /// Notes that `key` was assigned at `line` of the chunk `source`.
    fn assigned(&self, key: &[u8], source: &[u8], line: u32) -> Result<(), Failed> {
        self.attempt(|work| {
            let place = Place {
                file: work.file(source),
                line,
            };
            work.places.insert(key.to_vec(), place);
            Ok(())
        })
    }

    /// Notes a key and its value at the end. Within a table the key is put behind those of the tables around it.
    fn value(&self, key: &[u8], value: Option<&[u8]>) -> Result<(), Failed> {
        self.attempt(|work| {
            let key = [&work.within[..], key].concat();
            work.values.push((key, value.map(<[u8]>::to_vec)));
            Ok(())
        })
    }

    /// What follows is within the table of this key. An empty part stands for the table itself.
    fn enter(&self, key: &[u8]) -> Result<(), Failed> {
        self.attempt(|work| {
            let before = work.within.len();
            work.within.extend_from_slice(key);
            work.within.push(SEPARATOR as u8);
            work.tables.push(before);
            work.values.push((work.within.clone(), Some(Vec::new())));
            Ok(())
        })
    }

    /// The table of the last [`Evaluation::enter`] is over.
    fn leave(&self) {
        let mut work = self.work.borrow_mut();
        if let Some(before) = work.tables.pop() {
            work.within.truncate(before);
        }
    }

    /// What to report after `lua_pcall` gave `status`.
    ///
    /// # Safety
    /// The error value is on the top of `state`'s stack.
    unsafe fn failure(&self, state: *mut lua_State, status: c_int) -> ConfigError {
        if let Some(error) = self.work.borrow_mut().failure.take() {
            return error;
        }
        if status == LUA_ERRMEM {
            return ConfigError::Memory {
                limit: self.limits.memory,
            };
        }
        // SAFETY: reading a string (and no number, which would be converted) neither allocates nor raises.
        let message = unsafe {
            match lua_type(state, -1) {
                LUA_TSTRING => String::from_utf8_lossy(bytes(state, -1)).into_owned(),
                // A chunk has no means to raise anything but strings.
                other => format!("(error object of type {other})"),
            }
        };
        ConfigError::Runtime { message }
    }

    /// Turns what was collected into a [`Config`].
    fn finish(self) -> Result<Config, ConfigError> {
        let mut work = self.work.into_inner();
        if work.strange_key {
            return Err(ConfigError::Key);
        }
        // The same error for the same file, whatever the order of the table.
        work.values.sort();
        let mut entries = BTreeMap::new();
        for (key, value) in std::mem::take(&mut work.values) {
            let mut parts = key.split(|&byte| byte == SEPARATOR as u8);
            let first = parts.next().unwrap_or_default();
            let Place { file, line } = work.places.get(first).cloned().unwrap_or_default();
            let name = text::from_bytes(until_nul(&key)).into_owned();
            let Some(value) = value else {
                return Err(ConfigError::Value {
                    key: name,
                    file,
                    line,
                });
            };
            let value = text::from_bytes(until_nul(&value)).into_owned();
            entries.insert(name, Entry { value, file, line });
        }
        Ok(Config {
            file: String::from_utf8_lossy(self.path).into_owned(),
            entries,
        })
    }
}

impl Work {
    /// The path of the chunk `source` (`@name`).
    fn file(&self, source: &[u8]) -> String {
        let name = source.strip_prefix(b"@").unwrap_or(source);
        match self.files.get(name) {
            Some(path) => path.clone(),
            None => String::from_utf8_lossy(name).into_owned(),
        }
    }
}

/// An environment entry is a C string: it ends at the first NUL.
fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// The system's text for `error`, without Rust's number behind it.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

/// The evaluation that `state` belongs to.
///
/// # Safety
/// `state` is a state that [`evaluate`] made; the reference must not outlive the callback that asks for it.
unsafe fn evaluation<'a>(state: *mut lua_State) -> &'a Evaluation<'a> {
    let mut ud = std::ptr::null_mut();
    // SAFETY: `evaluate` made the state with its `Evaluation` as the allocator's pointer, and it is only used by shared
    // reference.
    unsafe {
        lua_getallocf(state, &mut ud);
        &*ud.cast::<Evaluation<'a>>()
    }
}

/// The string at `index`.
///
/// # Safety
/// The value is a string, and stays on the stack while the slice is used.
unsafe fn bytes<'a>(state: *mut lua_State, index: c_int) -> &'a [u8] {
    let mut length = 0;
    // SAFETY: for a string, `lua_tolstring` gives its own buffer of that length, and neither allocates nor raises.
    unsafe {
        let start = lua_tolstring(state, index, &mut length);
        std::slice::from_raw_parts(start.cast(), length)
    }
}

/// Chunk name and line of the innermost Lua function, from `level` outwards.
///
/// # Safety
/// Called by Lua; the slice is used before the callback returns, while that function is still on the call stack.
unsafe fn position<'a>(state: *mut lua_State, mut level: c_int) -> (&'a [u8], u32) {
    // SAFETY: an all-zero `lua_Debug` (integers and pointers) is valid, and the options `S` and `l` push nothing
    // and cannot raise. `source` points into the function's prototype.
    unsafe {
        let mut debug: lua_Debug = std::mem::zeroed();
        while lua_getstack(state, level, &mut debug) != 0 {
            lua_getinfo(state, c"Sl".as_ptr(), &mut debug);
            if debug.currentline > 0 {
                let source = std::slice::from_raw_parts(debug.source.cast(), debug.srclen);
                return (source, debug.currentline as u32);
            }
            level += 1;
        }
    }
    (b"", 1)
}

/// Raises the failure that has been noted.
///
/// # Safety
/// Called by Lua in a protected call; the caller's frames hold no value with a destructor.
unsafe fn raise(state: *mut lua_State) -> c_int {
    // SAFETY: a C function or hook has room for 20 values, of which those here use few; pushing nil does not allocate.
    unsafe {
        lua_pushnil(state);
        lua_error(state)
    }
}

/// The body of the protected call: argument 1 is the `Evaluation`.
unsafe extern "C-unwind" fn run(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this with a valid state and at least 20 free slots, more than are used. No value with a
    // destructor is alive at any call that may raise.
    unsafe {
        let evaluation = evaluation(state);
        lua_settop(state, 0);
        luaL_requiref(state, c"string".as_ptr(), luaopen_string, 0);
        lua_settop(state, 0);
        lua_newtable(state); // 1: keys
        lua_newtable(state); // 2: environment

        lua_newtable(state); // metatable of the environment
        lua_pushvalue(state, 1);
        lua_setfield(state, -2, c"__index".as_ptr());
        lua_pushvalue(state, 1);
        lua_pushcclosure(state, assign, 1);
        lua_setfield(state, -2, c"__newindex".as_ptr());
        lua_setmetatable(state, 2);

        lua_newtable(state); // metatable of the keys
        lua_newtable(state);
        lua_pushvalue(state, 2);
        lua_pushcclosure(state, include, 1);
        lua_pushvalue(state, -1);
        lua_insert(state, 3); // 3: include
        lua_setfield(state, -2, c"include".as_ptr());
        lua_setfield(state, -2, c"__index".as_ptr());
        lua_setmetatable(state, 1);

        let path = evaluation.path;
        lua_pushlstring(state, path.as_ptr().cast(), path.len());
        lua_call(state, 1, 0);
        lua_settop(state, 1);
        collect(state, evaluation, 0)
    }
}

/// Hands every key of the table on the top to the evaluation; `depth` tables are around it.
///
/// # Safety
/// As [`run`], whose tail it is.
unsafe fn collect(state: *mut lua_State, evaluation: &Evaluation<'_>, depth: c_int) -> c_int {
    // SAFETY: the table is not changed during the traversal, and keys are not converted: `bytes` is used on
    // strings only. A number's copy is converted, not the table's value. The results hold no destructor.
    unsafe {
        // The key is also there as text, on the top: at most four values for each of few tables.
        let table = lua_gettop(state);
        let (value, key) = (table + 2, table + 3);
        lua_pushnil(state);
        while lua_next(state, table) != 0 {
            let mut noted = Ok(());
            lua_pushvalue(state, table + 1);
            if depth > 0 && lua_isinteger(state, key) != 0 {
                lua_tolstring(state, key, std::ptr::null_mut());
            }
            if lua_type(state, key) != LUA_TSTRING {
                evaluation.work.borrow_mut().strange_key = true;
            } else {
                noted = match lua_type(state, value) {
                    LUA_TBOOLEAN if lua_toboolean(state, value) != 0 => {
                        evaluation.value(bytes(state, key), Some(b"true"))
                    }
                    LUA_TTABLE if evaluation.tables && depth < DEPTH => {
                        let entered = evaluation.enter(bytes(state, key));
                        if entered.is_ok() {
                            lua_pushvalue(state, value);
                            collect(state, evaluation, depth + 1);
                            evaluation.leave();
                        }
                        entered
                    }
                    LUA_TBOOLEAN => evaluation.value(bytes(state, key), Some(b"false")),
                    LUA_TNUMBER | LUA_TSTRING => {
                        lua_tolstring(state, value, std::ptr::null_mut());
                        evaluation.value(bytes(state, key), Some(bytes(state, value)))
                    }
                    _ => evaluation.value(bytes(state, key), None),
                };
            }
            if noted.is_err() {
                return raise(state);
            }
            lua_settop(state, table + 1);
        }
    }
    0
}

/// `include(name)`; upvalue 1 is the environment.
unsafe extern "C-unwind" fn include(state: *mut lua_State) -> c_int {
    // SAFETY: called by Lua inside the protected call. No value with a destructor is alive at any call that may
    // raise: paths and texts are owned by the evaluation. The text's buffer is not touched while it is compiled.
    unsafe {
        let evaluation = evaluation(state);
        luaL_checklstring(state, 1, std::ptr::null_mut());
        lua_settop(state, 1);
        let (_, line) = position(state, 1);
        if evaluation.open(bytes(state, 1), line).is_err() {
            return raise(state);
        }
        lua_pushstring(state, c"@".as_ptr());
        lua_pushvalue(state, 1);
        lua_concat(state, 2);
        let (text, length) = evaluation.text();
        let name = lua_tolstring(state, 2, std::ptr::null_mut());
        let status = luaL_loadbufferx(state, text, length, name, c"t".as_ptr());
        if status == LUA_ERRMEM {
            lua_error(state);
        }
        let error = (status != LUA_OK).then(|| (line, bytes(state, -1)));
        if evaluation.compiled(error).is_err() {
            return raise(state);
        }
        lua_pushvalue(state, lua_upvalueindex(1));
        // The only upvalue of a chunk compiled from text is its environment.
        lua_setupvalue(state, -2, 1);
        lua_call(state, 0, 0);
        evaluation.close();
    }
    0
}

/// `__newindex` of the environment: (environment, key, value); upvalue 1 is the table of keys.
unsafe extern "C-unwind" fn assign(state: *mut lua_State) -> c_int {
    // SAFETY: called by Lua inside the protected call, with three arguments; no value with a destructor is alive
    // at any call that may raise. The key stays on the stack while its bytes are used.
    unsafe {
        lua_settop(state, 3);
        match lua_type(state, 2) {
            LUA_TNIL => return luaL_error(state, c"table index is nil".as_ptr()),
            LUA_TNUMBER if lua_rawequal(state, 2, 2) == 0 => {
                return luaL_error(state, c"table index is NaN".as_ptr());
            }
            _ => {}
        }
        lua_pushvalue(state, lua_upvalueindex(1));
        lua_pushvalue(state, 2);
        lua_pushvalue(state, 3);
        lua_rawset(state, -3);
        if lua_type(state, 2) == LUA_TSTRING {
            let (source, line) = position(state, 1);
            if evaluation(state)
                .assigned(bytes(state, 2), source, line)
                .is_err()
            {
                return raise(state);
            }
        }
    }
    0
}

/// A file assigns to the variable of a `for` loop. Nobody is told: the log has not begun.
unsafe extern "C-unwind" fn assigned_loop(
    _: *mut lua_State,
    _: *const c_char,
    _: c_int,
    _: *mut c_void,
) {
}

/// Called every [`STEP`] instructions.
unsafe extern "C-unwind" fn count(state: *mut lua_State, _: *mut lua_Debug) {
    // SAFETY: called by Lua while a function of the evaluation runs, in the protected call, where raising is allowed.
    unsafe {
        let evaluation = evaluation(state);
        match evaluation.steps.get().checked_sub(u64::from(STEP)) {
            Some(left) => evaluation.steps.set(left),
            None => {
                let (source, line) = position(state, 0);
                let limit = evaluation.limits.instructions;
                let failed = evaluation.attempt(|work| -> Result<(), ConfigError> {
                    Err(ConfigError::Endless {
                        file: work.file(source),
                        line,
                        limit,
                    })
                });
                debug_assert!(failed.is_err());
                raise(state);
            }
        }
    }
}

/// Lua's allocator, with a limit on the sum of all blocks.
unsafe extern "C" fn allocate(
    ud: *mut c_void,
    block: *mut c_void,
    old: usize,
    new: usize,
) -> *mut c_void {
    /// Lua aligns its objects as C's `max_align_t` would.
    const ALIGN: usize = 16;
    // SAFETY: `ud` is the `Evaluation` that outlives the state.
    let evaluation = unsafe { &*ud.cast::<Evaluation<'_>>() };
    // For a new block Lua passes a type tag in `old`.
    let old = if block.is_null() { 0 } else { old };
    let used = evaluation.memory.get();
    if new > old && used + (new - old) > evaluation.limits.memory {
        return std::ptr::null_mut();
    }
    let Ok(new_layout) = Layout::from_size_align(new, ALIGN) else {
        return std::ptr::null_mut();
    };
    // SAFETY: `block` came from here with the size `old`, as Lua promises, so `old_layout` is what it was made with;
    // sizes of zero never reach the allocator.
    let result = unsafe {
        let old_layout = Layout::from_size_align_unchecked(old, ALIGN);
        match (old, new) {
            (0, 0) => std::ptr::null_mut(),
            (0, _) => alloc::alloc(new_layout),
            (_, 0) => {
                alloc::dealloc(block.cast(), old_layout);
                std::ptr::null_mut()
            }
            _ => alloc::realloc(block.cast(), old_layout, new),
        }
    };
    if new == 0 || !result.is_null() {
        evaluation.memory.set(used - old + new);
    }
    result.cast()
}

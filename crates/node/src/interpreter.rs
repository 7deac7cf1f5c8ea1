//! A plain Lua interpreter: the standard libraries and nothing of a node.
//!
//! It behaves like the stand-alone `lua`: an `arg` table, `...`, messages with a traceback on standard error, a small
//! read-eval-print loop. `require` also finds, after everything on its paths, what clients of a node need
//! ([`FOR_CLIENTS`]). Everything that can raise runs inside one protected call, and no value with a destructor is alive
//! at a Lua call that may raise: what the chunks are made of is borrowed from the caller of [`run`].

use crate::LIBRARY;
use mlua_sys::*;
use skynet_vm::loops::{self, LoopAssignments};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io::{self, BufRead, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Modules that work without a service.
pub const FOR_CLIENTS: &[&str] = &[
    "cjson",
    "cjson.safe",
    "client.crypt",
    "client.socket",
    "lpeg",
    "md5",
    "md5.core",
    "re",
    "skynet.crypt",
    "skynet.lpeg.core",
    "skynet.json.core",
    "skynet.re.core",
    "sproto",
    "sproto.core",
    "sprotoparser",
];

/// What to run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Name of the program in front of messages.
    pub program: String,
    /// The whole command line. Becomes the global table `arg`, shifted so that the script has index 0.
    pub command_line: Vec<CString>,
    /// Index of the script in `command_line`; what follows it are its arguments. 0 if there is no script.
    pub script: usize,
    /// Modules to load first, by name; each becomes a global of that name.
    pub modules: Vec<CString>,
    /// Chunks to run then.
    pub chunks: Vec<CString>,
    /// What to run last.
    pub source: Source,
    /// What is done about sources that assign to loop variables; warnings go to standard error, one for each source.
    pub loops: LoopAssignments,
}

/// What to run after modules and chunks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Nothing.
    #[default]
    None,
    /// A file.
    File(CString),
    /// Standard input, to its end.
    Stdin,
    /// Lines from standard input, each answered by its values.
    Interactive,
}

/// Runs `options` in a new state. Returns whether everything ran without an error; messages went to standard error.
pub fn run(options: &Options) -> bool {
    // SAFETY: the state is used by this function only. Before the protected call nothing is done that can raise: a
    // light C function and a light userdata need no memory. `options` outlives the call.
    unsafe {
        let state = luaL_newstate();
        if state.is_null() {
            eprintln!(
                "{}: cannot create a Lua state: not enough memory",
                options.program
            );
            return false;
        }
        // Native modules look here for their service.
        *lua_getextraspace(state).cast::<*const ()>() = std::ptr::null();
        let told = RefCell::new(HashSet::new());
        let loops = Loops { options, told };
        if options.loops.accepts() {
            // `loops` outlives the state.
            loops::accept(state, told_of_loop, (&raw const loops).cast_mut().cast());
        }
        lua_pushcfunction(state, main);
        lua_pushlightuserdata(state, std::ptr::from_ref(options).cast_mut().cast());
        let status = lua_pcall(state, 1, 1, 0);
        let done = if status == LUA_OK {
            lua_toboolean(state, -1) != 0
        } else {
            report(state, &options.program);
            false
        };
        lua_close(state);
        done
    }
}

/// What a source that assigns to loop variables is reported with.
struct Loops<'a> {
    options: &'a Options,
    /// What has been reported.
    told: RefCell<HashSet<String>>,
}

unsafe extern "C-unwind" fn told_of_loop(
    _: *mut lua_State,
    chunk: *const c_char,
    line: c_int,
    loops: *mut c_void,
) {
    // SAFETY: `run` passes what outlives its state; Lua passes a C string.
    let (loops, chunk) = unsafe { (&*loops.cast::<Loops<'_>>(), CStr::from_ptr(chunk)) };
    let chunk = loops::shown_chunk(chunk);
    let mut told = loops.told.borrow_mut();
    if loops.options.loops == LoopAssignments::Warn
        && told.len() < MOST_LOOPS
        && told.insert(chunk.clone().into_owned())
    {
        eprintln!(
            "{}: warning: {} (--lua54 true says nothing of it)",
            loops.options.program,
            loops::told_text(&chunk, line.unsigned_abs())
        );
    }
}

/// So many sources are reported; a program may make any number of them.
const MOST_LOOPS: usize = 1000;

/// Writes the message on the top of the stack to standard error.
///
/// # Safety
/// `state` is valid and has a value on its stack.
unsafe fn report(state: *mut lua_State, program: &str) {
    // SAFETY: only strings are read, which neither converts nor raises; the bytes are used before the stack changes.
    unsafe {
        let message: &[u8] = match lua_type(state, -1) {
            LUA_TSTRING => string(state, -1),
            _ => b"(error message is not a string)",
        };
        let mut out = io::stderr().lock();
        // If this fails, there is no place for a message.
        let _ = out
            .write_all(program.as_bytes())
            .and_then(|()| out.write_all(b": "))
            .and_then(|()| out.write_all(message))
            .and_then(|()| out.write_all(b"\n"));
    }
}

/// The string at `index`.
///
/// # Safety
/// The value is a string and stays on the stack while the slice is used.
unsafe fn string<'a>(state: *mut lua_State, index: c_int) -> &'a [u8] {
    let mut length = 0;
    // SAFETY: for a string, `lua_tolstring` returns its own buffer and length.
    unsafe {
        let start = lua_tolstring(state, index, &mut length);
        std::slice::from_raw_parts(start.cast(), length)
    }
}

/// The body of the protected call: argument 1 is the `Options`; returns whether all ran well.
unsafe extern "C-unwind" fn main(state: *mut lua_State) -> c_int {
    // SAFETY: called by `run` with a pointer to its `Options`, which outlive this call. References and integers are
    // all that is alive at the calls.
    unsafe {
        let options = &*lua_touserdata(state, 1).cast::<Options>();
        luaL_openlibs(state);
        add_searcher(state);
        lua_gc(state, LUA_GCGEN, 0 as c_int, 0 as c_int);
        arguments(state, options);
        lua_pushboolean(state, c_int::from(everything(state, options)));
    }
    1
}

/// Adds the last one of `package.searchers`.
///
/// # Safety
/// As [`main`].
unsafe fn add_searcher(state: *mut lua_State) {
    // SAFETY: the standard libraries have just been opened; three stack slots.
    unsafe {
        lua_getglobal(state, c"package".as_ptr());
        lua_getfield(state, -1, c"searchers".as_ptr());
        lua_pushcfunction(state, searcher);
        lua_rawseti(state, -2, lua_rawlen(state, -2) as lua_Integer + 1);
        lua_pop(state, 2);
    }
}

/// A function of `package.searchers`: the name to a loader and where it is from, or to nothing.
unsafe extern "C-unwind" fn searcher(state: *mut lua_State) -> c_int {
    // SAFETY: argument 1 is a string, checked; nothing with a destructor is alive at the calls.
    unsafe {
        luaL_checklstring(state, 1, std::ptr::null_mut());
        let asked = string(state, 1);
        let Some(name) = FOR_CLIENTS.iter().find(|name| name.as_bytes() == asked) else {
            // Without a text of its own: messages are those of the stand-alone `lua`.
            return 0;
        };
        if let Some(open) = LIBRARY.open(name) {
            lua_pushcfunction(state, open);
        } else if let Some(file) = LIBRARY.module(name) {
            lua_pushlstring(state, c"@".as_ptr(), 1);
            lua_pushlstring(state, file.file.as_ptr().cast(), file.file.len());
            lua_concat(state, 2);
            let (source, chunk) = (file.source, lua_tostring(state, -1));
            if luaL_loadbufferx(
                state,
                source.as_ptr().cast(),
                source.len(),
                chunk,
                c"t".as_ptr(),
            ) != LUA_OK
            {
                lua_error(state);
            }
        }
        lua_pushstring(state, c"(embedded)".as_ptr());
        2
    }
}

/// Sets the global `arg`.
///
/// # Safety
/// As [`main`].
unsafe fn arguments(state: *mut lua_State, options: &Options) {
    // SAFETY: three stack slots; C strings are copied by Lua.
    unsafe {
        luaL_checkstack(state, 3, c"too many arguments".as_ptr());
        lua_createtable(state, 0, 0);
        for (i, text) in options.command_line.iter().enumerate() {
            lua_pushstring(state, text.as_ptr());
            lua_rawseti(state, -2, i as lua_Integer - options.script as lua_Integer);
        }
        lua_setglobal(state, c"arg".as_ptr());
    }
}

/// Modules, chunks, and the source, until one fails.
///
/// # Safety
/// As [`main`].
unsafe fn everything(state: *mut lua_State, options: &Options) -> bool {
    // SAFETY: as `main`.
    unsafe {
        for name in &options.modules {
            lua_getglobal(state, c"require".as_ptr());
            lua_pushstring(state, name.as_ptr());
            if !call(state, options, 1, 1) {
                return false;
            }
            lua_setglobal(state, name.as_ptr());
        }
        for chunk in &options.chunks {
            let bytes = chunk.as_bytes();
            let name = c"=(command line)".as_ptr();
            let status = luaL_loadbufferx(
                state,
                bytes.as_ptr().cast(),
                bytes.len(),
                name,
                std::ptr::null(),
            );
            if !loaded(state, options, status) || !call(state, options, 0, 0) {
                return false;
            }
        }
        match &options.source {
            Source::None => true,
            Source::File(path) => script(state, options, path.as_ptr()),
            Source::Stdin => script(state, options, std::ptr::null()),
            Source::Interactive => {
                interact(state, options);
                true
            }
        }
    }
}

/// Runs a file, or standard input if `path` is null, with the script's arguments.
///
/// # Safety
/// As [`main`]; `path` is a C string or null.
unsafe fn script(state: *mut lua_State, options: &Options, path: *const c_char) -> bool {
    // SAFETY: room for the arguments is asked for; C strings are copied by Lua.
    unsafe {
        let status = luaL_loadfilex(state, path, std::ptr::null());
        if !loaded(state, options, status) {
            return false;
        }
        let arguments = match options.script {
            0 => &[],
            script => &options.command_line[script + 1..],
        };
        let count = arguments.len() as c_int;
        luaL_checkstack(state, count + 3, c"too many arguments to script".as_ptr());
        for argument in arguments {
            lua_pushstring(state, argument.as_ptr());
        }
        call(state, options, count, 0)
    }
}

/// Reports the message on the top if a chunk could not be loaded.
///
/// # Safety
/// As [`main`], directly after loading a chunk.
unsafe fn loaded(state: *mut lua_State, options: &Options, status: c_int) -> bool {
    if status != LUA_OK {
        // SAFETY: a failed load leaves its message on the top.
        unsafe { report(state, &options.program) };
    }
    status == LUA_OK
}

/// Calls the function below `arguments` values with a traceback; reports an error.
///
/// # Safety
/// As [`main`]; the function and its arguments are on the stack.
unsafe fn call(state: *mut lua_State, options: &Options, arguments: c_int, results: c_int) -> bool {
    // SAFETY: the handler is put below the function and taken away after the call.
    unsafe {
        let base = lua_gettop(state) - arguments;
        lua_pushcfunction(state, traceback);
        lua_insert(state, base);
        let status = lua_pcall(state, arguments, results, base);
        lua_remove(state, base);
        if status != LUA_OK {
            report(state, &options.program);
            lua_pop(state, 1);
        }
        status == LUA_OK
    }
}

/// Message handler: a text for the error value, and where it was raised.
unsafe extern "C-unwind" fn traceback(state: *mut lua_State) -> c_int {
    // SAFETY: called by Lua with the error value as argument 1; no destructors.
    unsafe {
        let mut message = lua_tostring(state, 1);
        if message.is_null() {
            if luaL_callmeta(state, 1, c"__tostring".as_ptr()) != 0
                && lua_type(state, -1) == LUA_TSTRING
            {
                return 1;
            }
            let kind = luaL_typename(state, 1);
            message = lua_pushfstring(state, c"(error object is a %s value)".as_ptr(), kind);
        }
        luaL_traceback(state, state, message, 1);
    }
    1
}

/// Reads, evaluates and prints until standard input ends.
///
/// # Safety
/// As [`main`].
unsafe fn interact(state: *mut lua_State, options: &Options) {
    println!("Lua 5.5 (ctrl-D ends it)");
    // SAFETY: what the loop pushes is taken away at its end.
    unsafe {
        loop {
            match read_chunk(state) {
                Read::End => break,
                Read::Broken => report(state, &options.program),
                Read::Chunk => {
                    if call(state, options, 0, LUA_MULTRET) {
                        print(state, options);
                    }
                }
            }
            lua_settop(state, 1);
        }
    }
    println!();
}

/// What [`read_chunk`] left on the top of the stack.
enum Read {
    /// Nothing: the input ended.
    End,
    /// A message.
    Broken,
    /// A function, at index 2.
    Chunk,
}

/// Reads lines until they make a statement, or an expression, whose values are wanted then.
///
/// # Safety
/// As [`main`].
unsafe fn read_chunk(state: *mut lua_State) -> Read {
    let mut first = true;
    // SAFETY: the text lives on the Lua stack, since it must survive errors: index 2 is what was read so far.
    unsafe {
        loop {
            if !read_line(state, if first { "> " } else { ">> " }) {
                return Read::End;
            }
            if first {
                lua_pushstring(state, c"return ".as_ptr());
                lua_pushvalue(state, 2);
                lua_concat(state, 2);
                if load(state, 3) == LUA_OK {
                    lua_replace(state, 2);
                    lua_settop(state, 2);
                    return Read::Chunk;
                }
                lua_settop(state, 2);
            } else {
                // What was read so far, a line end, and the new line.
                lua_pushstring(state, c"\n".as_ptr());
                lua_insert(state, 3);
                lua_concat(state, 3);
            }
            match load(state, 2) {
                LUA_OK => {
                    lua_replace(state, 2);
                    return Read::Chunk;
                }
                // An error at the end of the text: there is more to come.
                LUA_ERRSYNTAX if string(state, -1).ends_with(b"<eof>") => lua_settop(state, 2),
                _ => return Read::Broken,
            }
            first = false;
        }
    }
}

/// Compiles the string at `index`.
///
/// # Safety
/// As [`main`]; the value is a string.
unsafe fn load(state: *mut lua_State, index: c_int) -> c_int {
    // SAFETY: the string stays on the stack while it is compiled.
    unsafe {
        let text = string(state, index);
        let name = c"=stdin".as_ptr();
        luaL_loadbufferx(state, text.as_ptr().cast(), text.len(), name, c"t".as_ptr())
    }
}

/// Prompts and pushes a line of standard input; false at its end.
///
/// # Safety
/// As [`main`].
unsafe fn read_line(state: *mut lua_State, prompt: &str) -> bool {
    // A buffer of Rust's would leak if pushing it raised, so it is given to the state as a userdata first.
    extern "C-unwind" fn drop_line(state: *mut lua_State) -> c_int {
        // SAFETY: `__gc` of the userdata below, which holds an initialised `Vec`; it is called once.
        unsafe { lua_touserdata(state, 1).cast::<Vec<u8>>().drop_in_place() };
        0
    }
    // SAFETY: Lua aligns userdata for a `Vec`; the vector is written before the metatable with its finalizer is set.
    unsafe {
        let line = lua_newuserdatauv(state, size_of::<Vec<u8>>(), 0).cast::<Vec<u8>>();
        line.write(Vec::new());
        lua_createtable(state, 0, 1);
        lua_pushcfunction(state, drop_line);
        lua_setfield(state, -2, c"__gc".as_ptr());
        lua_setmetatable(state, -2);
        if !fill(&mut *line, prompt) {
            return false;
        }
        lua_pushlstring(state, (*line).as_ptr().cast(), (*line).len());
        lua_remove(state, -2);
    }
    true
}

/// Reads a line of standard input, without its end, after showing `prompt`.
fn fill(line: &mut Vec<u8>, prompt: &str) -> bool {
    print!("{prompt}");
    // A prompt that cannot be shown is no reason to stop.
    let _ = io::stdout().flush();
    let read = io::stdin().lock().read_until(b'\n', line);
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    matches!(read, Ok(count) if count > 0)
}

/// Prints the values from index 2 on with Lua's `print`.
///
/// # Safety
/// As [`main`].
unsafe fn print(state: *mut lua_State, options: &Options) {
    // SAFETY: the values were left by the call, `print` is put below them.
    unsafe {
        let count = lua_gettop(state) - 1;
        if count > 0 {
            luaL_checkstack(state, LUA_MINSTACK, c"too many results to print".as_ptr());
            lua_getglobal(state, c"print".as_ptr());
            lua_insert(state, 2);
            call(state, options, count, 0);
        }
    }
}

/// Compiles the file without running it, as [`run`] would. Returns the line of its first assignment to the variable of
/// a loop, if there is one and `loops` allows it.
///
/// # Errors
/// Lua's message.
pub fn compile(path: &Path, loops: LoopAssignments) -> Result<Option<u32>, String> {
    unsafe extern "C-unwind" fn told(
        _: *mut lua_State,
        _: *const c_char,
        line: c_int,
        cell: *mut c_void,
    ) {
        // SAFETY: the cell below.
        unsafe { (*cell.cast::<Cell<u32>>()).set(line.unsigned_abs()) };
    }
    let line = Cell::new(0);
    let name = CString::new(path.as_os_str().as_bytes()).map_err(|error| error.to_string())?;
    let mut failure = None;
    // SAFETY: the state is used here only. Before the protected call nothing can raise, as in `run`; the body holds
    // nothing with a destructor. A failed compilation leaves its message, a string, in the call's result.
    unsafe {
        let state = luaL_newstate();
        if state.is_null() {
            return Err("not enough memory".to_owned());
        }
        if loops.accepts() {
            // The cell outlives the state.
            loops::accept(state, told, (&raw const line).cast_mut().cast());
        }
        lua_pushcfunction(state, compile_body);
        lua_pushlightuserdata(state, name.as_ptr().cast_mut().cast());
        let status = lua_pcall(state, 1, 1, 0);
        if status != LUA_OK || lua_type(state, -1) == LUA_TSTRING {
            let message = match lua_type(state, -1) {
                LUA_TSTRING => String::from_utf8_lossy(string(state, -1)).into_owned(),
                _ => "it cannot be compiled".to_owned(),
            };
            failure = Some(message);
        }
        lua_close(state);
    }
    let line = Some(line.get()).filter(|line| *line != 0);
    failure.map_or(Ok(line), Err)
}

/// The body of `compile`: argument 1 is the path; returns the message, or true.
unsafe extern "C-unwind" fn compile_body(state: *mut lua_State) -> c_int {
    // SAFETY: called by `compile` with a C string that outlives the call.
    unsafe {
        let path = lua_touserdata(state, 1).cast::<c_char>();
        if luaL_loadfilex(state, path, std::ptr::null()) == LUA_OK {
            lua_pushboolean(state, 1);
        }
    }
    1
}

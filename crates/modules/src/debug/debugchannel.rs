//! `skynet.debugchannel`: lines from one service to another, past its mailbox; and what a debugger needs of the
//! dispatcher.
//!
//! A channel has two ends, in two services, which share it. What Lua passes around as a pointer is only a number in a
//! table, so that a wrong one does no harm.

use std::collections::VecDeque;
use std::ffi::{CStr, c_int, c_void};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use mlua_sys::lua55::{self as ffi, lua_CFunction, lua_Debug, lua_State};
use rustc_hash::FxHashMap;

use skynet_lua::service;
use skynet_vm::lua::{Lua, REGISTRY, Type};
use skynet_vm::native::push_functions;
use skynet_vm::native::{Fault, native, results};

use skynet_kernel::lock;

const FUNCTIONS: &[(&str, lua_CFunction)] = &[
    ("connect", connect),
    ("create", create),
    ("resume", resume),
    ("sethook", sethook),
];

/// Name of the metatable of an end.
const END: &CStr = c"skynet.debugchannel";
/// Registry field: a weak table of Lua threads with their hook functions.
const HOOKS: &CStr = c"skynet.debughooks";
/// Lines that may wait; more are refused, since nobody types that fast.
const MOST: usize = 1024;
/// The unit of a reader's patience.
const UNIT: Duration = Duration::from_millis(100);

#[derive(Default)]
struct Channel {
    state: Mutex<Lines>,
    written: Condvar,
}

#[derive(Default)]
struct Lines {
    waiting: VecDeque<Vec<u8>>,
    /// There is a reader.
    connected: bool,
    /// Nothing more will be written.
    closed: bool,
}

impl Channel {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        lock(&self.state)
    }
}

/// Channels whose writer is alive, by their numbers.
#[derive(Default)]
struct Table {
    last: usize,
    channels: FxHashMap<usize, Arc<Channel>>,
}

fn table() -> MutexGuard<'static, Table> {
    static TABLE: OnceLock<Mutex<Table>> = OnceLock::new();
    TABLE
        .get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

/// What a userdata holds; nothing after its collection.
struct End {
    channel: Option<Arc<Channel>>,
    /// The number of the channel, for the end that made it; else 0.
    number: usize,
    /// What was read, kept here while Lua copies it, which may raise.
    line: Vec<u8>,
}

/// Pushes a userdata for an end. *raises*
fn push_end(l: Lua) -> &'static mut End {
    let data: *mut End = l.new_userdata(size_of::<End>(), 0).cast();
    // SAFETY: a new block of the right size, aligned for any type; it is on the stack while the reference is used.
    unsafe {
        data.write(End {
            channel: None,
            number: 0,
            line: Vec::new(),
        });
    }
    // SAFETY: a plain call of the auxiliary library.
    if unsafe { ffi::luaL_newmetatable(l.0, END.as_ptr()) } != 0 {
        push_functions(l, &[("read", read), ("write", write)]);
        l.set_field(-2, c"__index");
        l.push_function(collect);
        l.set_field(-2, c"__gc");
    }
    l.set_metatable(-2);
    // SAFETY: as above.
    unsafe { &mut *data }
}

/// The end at 1.
fn end<'a>(l: Lua) -> Result<&'a mut End, Fault> {
    // SAFETY: a plain call; userdata with this metatable are made by `push_end` only, and stay on the stack while their
    // function runs.
    unsafe {
        let data: *mut c_void = ffi::luaL_testudata(l.0, 1, END.as_ptr());
        data.cast::<End>()
            .as_mut()
            .ok_or(Fault::Argument(1, "a channel expected".into()))
    }
}

native! {
    open = |l| {
        push_functions(l, FUNCTIONS);
        results(1)
    };

    /// `create()`: a channel to write to, and a pointer for the reader
    create = |l| {
        let end = push_end(l);
        let channel = Arc::<Channel>::default();
        let mut table = table();
        table.last += 1;
        end.number = table.last;
        end.channel = Some(Arc::clone(&channel));
        table.channels.insert(end.number, channel);
        l.push_pointer(std::ptr::without_provenance_mut(end.number));
        results(2)
    };

    /// `connect(pointer)`: the channel to read from
    connect = |l| {
        let number = match l.kind(1) {
            Type::LightUserdata => l.userdata(1).addr(),
            _ => return Err("Invalid channel pointer".into()),
        };
        let end = push_end(l);
        let Some(channel) = table().channels.get(&number).cloned() else {
            return Err("new channel failed".into());
        };
        if std::mem::replace(&mut channel.lines().connected, true) {
            return Err("new channel failed".into());
        }
        end.channel = Some(channel);
        results(1)
    };

    /// `channel:write(text)`
    write = |l| {
        let text = l.bytes(2).ok_or(Fault::Argument(2, "string expected".into()))?;
        let Some(channel) = end(l)?.channel.as_ref() else { return results(0) };
        let mut lines = channel.lines();
        if lines.waiting.len() < MOST {
            lines.waiting.push_back(text.to_vec());
        }
        drop(lines);
        channel.written.notify_one();
        results(0)
    };

    /// `channel:read([timeout])`: a text; nothing if none is there after timeout * 0.1 s; nil and true if none will
    /// come
    read = |l| {
        let patience = l.float(2).unwrap_or(0.0).clamp(0.0, 1e6);
        let end = end(l)?;
        let Some(channel) = end.channel.as_ref() else { return results(0) };
        let mut lines = channel.lines();
        if patience > 0.0 {
            let empty = |lines: &mut Lines| lines.waiting.is_empty() && !lines.closed;
            lines = channel
                .written
                .wait_timeout_while(lines, UNIT.mul_f64(patience), empty)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        let (line, closed) = (lines.waiting.pop_front(), lines.closed);
        drop(lines);
        match line {
            Some(line) => {
                end.line = line;
                l.push_bytes(&end.line);
                results(1)
            }
            None if closed => {
                l.push_nil();
                l.push_bool(true);
                results(2)
            }
            None => results(0),
        }
    };

    collect = |l| {
        let end = end(l)?;
        end.line = Vec::new();
        // Left empty, since a finalizer may run twice.
        let Some(channel) = end.channel.take() else { return results(0) };
        if end.number != 0 {
            table().channels.remove(&end.number);
            channel.lines().closed = true;
            channel.written.notify_one();
        }
        results(0)
    };

    /// `sethook([co,] f, mask [, count])`: as `debug.sethook`, but if f returns true at a line or a count, the
    /// coroutine is suspended there. Without f: no hook any more.
    sethook = |l| {
        let (thread, f) = match l.thread(1) {
            Some(thread) => (thread, 2),
            None => (l, 1),
        };
        let text = l.bytes(f + 1).unwrap_or(b"");
        let count = l.int(f + 2).unwrap_or(0).clamp(0, c_int::MAX as i64) as c_int;
        let mut mask = if count > 0 { ffi::LUA_MASKCOUNT } else { 0 };
        for (letter, bit) in [(b'c', ffi::LUA_MASKCALL), (b'r', ffi::LUA_MASKRET), (b'l', ffi::LUA_MASKLINE)] {
            if text.contains(&letter) {
                mask |= bit;
            }
        }
        let off = l.kind(f) != Type::Function || mask == 0;
        if l.get_field(REGISTRY, HOOKS) != Type::Table {
            l.pop(1);
            l.new_table(0, 1);
            l.push_value(-1);
            l.push_str("k");
            l.raw_set_str(-2, "__mode");
            l.set_metatable(-2);
            l.push_value(-1);
            l.set_field(REGISTRY, HOOKS);
        }
        match f {
            2 => l.push_value(1),
            _ => l.push_self(),
        }
        match off {
            true => l.push_nil(),
            false => l.push_value(f),
        }
        l.raw_set(-3);
        let hook: Option<ffi::lua_Hook> = (!off).then_some(call_hook);
        // SAFETY: a live thread of this state, which runs here or not at all.
        unsafe { ffi::lua_sethook(thread.0, hook, if off { 0 } else { mask }, count) };
        results(0)
    };

    /// `resume(co)`: a coroutine of the dispatcher that a hook has suspended goes on, after the present one.
    resume = |l| {
        let svc = service(l)?;
        let thread = l.thread(1).ok_or(Fault::Argument(1, "thread expected".into()))?;
        l.push_bool(svc.wake_stopped(thread));
        results(1)
    };
}

/// Calls the function of the thread that has come to the event.
unsafe extern "C-unwind" fn call_hook(l: *mut lua_State, ar: *mut lua_Debug) {
    const EVENTS: [&str; 5] = ["call", "return", "line", "count", "tail call"];
    // SAFETY: Lua calls a hook with its running thread, and at least 20 free slots; `ar` is filled in for the event,
    // and asked for its line. Nothing with a destructor is alive at the calls that raise.
    unsafe {
        let lua = Lua::new(l);
        let event = (*ar).event;
        if lua.get_field(REGISTRY, HOOKS) != Type::Table {
            return lua.pop(1);
        }
        lua.push_self();
        if lua.raw_get(-2) != Type::Function {
            return lua.pop(2);
        }
        lua.push_str(EVENTS.get(event as usize).copied().unwrap_or("?"));
        ffi::lua_getinfo(l, c"l".as_ptr(), ar);
        match (*ar).currentline {
            line if line >= 0 => lua.push_int(line as i64),
            _ => lua.push_nil(),
        }
        lua.call(2, 1);
        let stop = lua.bool(-1);
        lua.pop(2);
        let can = event == ffi::LUA_HOOKLINE || event == ffi::LUA_HOOKCOUNT;
        if stop && can && lua.is_yieldable() {
            // In a hook, this returns, and the coroutine is suspended when the hook has.
            ffi::lua_yield(l, 0);
        }
    }
}

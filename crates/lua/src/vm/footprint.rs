//! Where the parts of a Lua state lie that every message needs, for the kernel to fetch them ahead (see
//! [`skynet_kernel::Trail`]).
//!
//! Lua's C API does not tell where a stack or the code of a function is. It is read from the objects themselves, at offsets that a self-test
//! verifies against this build of Lua, once per process; should it fail, only what the runtime knows by itself is fetched. All objects
//! looked at here are alive: they are reached from the state as its collector reaches them, and the state is not running.

use std::ffi::c_int;
use std::sync::OnceLock;

use mlua_sys::lua55::{self as ffi, lua_State};
use skynet_kernel::Trail;

use super::lua::{Lua, Type};

/// Offsets in the objects of Lua 5.5 on a 64-bit machine.
mod offset {
    pub(super) const THREAD_TOP: usize = 16;
    pub(super) const THREAD_GLOBAL: usize = 24;
    pub(super) const THREAD_FRAME: usize = 32;
    pub(super) const THREAD_STACK_END: usize = 40;
    pub(super) const THREAD_STACK: usize = 48;
    pub(super) const THREAD_BASE_FRAME: usize = 96;
    pub(super) const FRAME_NEXT: usize = 24;
    pub(super) const CLOSURE_UPVALUES: usize = 10;
    pub(super) const CLOSURE_PROTO: usize = 24;
    pub(super) const CLOSURE_FIRST: usize = 32;
    pub(super) const PROTO_CONSTANTS: usize = 20;
    pub(super) const PROTO_INSTRUCTIONS: usize = 24;
    pub(super) const PROTO_LINE: usize = 44;
    pub(super) const PROTO_K: usize = 56;
    pub(super) const PROTO_CODE: usize = 64;
    pub(super) const UPVALUE_VALUE: usize = 16;
    pub(super) const TABLE_LOG_NODES: usize = 11;
    pub(super) const TABLE_ARRAY_SIZE: usize = 12;
    pub(super) const TABLE_ARRAY: usize = 16;
    pub(super) const TABLE_NODES: usize = 24;
}

/// Sizes of objects in bytes.
const THREAD: usize = 208;
const FRAME: usize = 64;
const PROTO: usize = 128;
const UPVALUE: usize = 40;
const TABLE: usize = 56;
const NODE: usize = 24;
const SLOT: usize = 16;
/// The part of the global state that allocation and barriers use.
const GLOBAL: usize = 128;

/// Tags of values that hold a table, and a Lua function.
const TABLE_TAG: u8 = 0x45;
const FUNCTION_TAG: u8 = 0x46;

/// Bytes of code, constants, and nodes that are fetched of one object: the beginning, where the way of a message most likely is.
const BEGINNING: usize = 256;
/// Stack slots in use by the dispatcher's host, and by a task.
const HOST_SLOTS: usize = 12;
const TASK_SLOTS: usize = 24;
/// Slots of a finished task that are searched for the functions that it has called.
const SEARCHED: usize = 40;
/// Functions of one table that are looked at.
const FUNCTIONS: usize = 64;

/// Adds what a message to the service needs of its state: `main`, the idle task `task` that will run next, and the handler on top of `main`.
pub(crate) fn add_state(trail: &mut Trail, main: Lua, task: Option<Lua>) {
    if !layout_is_known() {
        return;
    }
    // SAFETY: the layout is known, and all objects are alive; see the module's comment.
    unsafe {
        add_thread(trail, main, HOST_SLOTS);
        trail.add(
            at::<*const u8>(main.0.cast(), offset::THREAD_GLOBAL),
            GLOBAL,
        );
        let mut called = Vec::new();
        if let Some(task) = task {
            add_thread(trail, task, TASK_SLOTS);
            called = left_over(task);
        }
        if main.kind(-1) == Type::Function && main.c_function(-1).is_none() {
            let handler = ffi::lua_topointer(main.0, -1).cast();
            add_function(trail, handler, |function| called.contains(&function));
        }
        add_array(
            trail,
            ffi::lua_topointer(main.0, ffi::LUA_REGISTRYINDEX).cast(),
        );
    }
}

/// Reads a field.
///
/// # Safety
/// `object` is alive, and has a `T` at `offset`.
unsafe fn at<T: Copy>(object: *const u8, offset: usize) -> T {
    // SAFETY: the caller's promise.
    unsafe { object.add(offset).cast::<T>().read() }
}

/// # Safety
/// The layout is known.
unsafe fn add_thread(trail: &mut Trail, l: Lua, slots: usize) {
    let thread = l.0 as *const u8;
    // The extra space lies before it.
    trail.add(
        thread.wrapping_sub(ffi::LUA_EXTRASPACE),
        ffi::LUA_EXTRASPACE + THREAD,
    );
    // SAFETY: the thread is alive, and so are its frames, which it keeps for the next calls.
    unsafe {
        trail.add(at::<*const u8>(thread, offset::THREAD_STACK), slots * SLOT);
        let mut frame: *const u8 = thread.add(offset::THREAD_BASE_FRAME);
        for _ in 0..3 {
            frame = at(frame, offset::FRAME_NEXT);
            if frame.is_null() {
                break;
            }
            trail.add(frame, FRAME);
        }
    }
}

/// What the task that ended last has left in the slots above the top of its stack: addresses that may be those of functions that it has
/// called. They are not followed, only compared.
///
/// # Safety
/// The layout is known.
unsafe fn left_over(l: Lua) -> Vec<*const u8> {
    let thread = l.0 as *const u8;
    // SAFETY: all slots up to the end of the stack are memory of the thread.
    unsafe {
        let stack: *const u8 = at(thread, offset::THREAD_STACK);
        let end: *const u8 = at(thread, offset::THREAD_STACK_END);
        let slots = (end as usize - stack as usize) / SLOT;
        (0..slots.min(SEARCHED))
            .map(|slot| stack.add(slot * SLOT))
            .filter(|&slot| at::<u8>(slot, 8) == FUNCTION_TAG)
            .map(|slot| at::<*const u8>(slot, 0))
            .collect()
    }
}

/// A Lua function, the tables among its upvalues, and of the functions in those tables the ones that `called` picks.
///
/// # Safety
/// The layout is known, `function` is a Lua function that is alive.
unsafe fn add_function(trail: &mut Trail, function: *const u8, called: impl Fn(*const u8) -> bool) {
    // SAFETY: upvalues, tables and the functions in them are alive since the function is.
    unsafe {
        add_closure(trail, function);
        for table in tables_of(function) {
            add_table(trail, table);
            for inner in functions_in(table).filter(|&f| called(f)) {
                add_closure(trail, inner);
                for table in tables_of(inner) {
                    add_table(trail, table);
                }
            }
        }
    }
}

/// # Safety
/// The layout is known, `closure` is a Lua function that is alive.
unsafe fn add_closure(trail: &mut Trail, closure: *const u8) {
    // SAFETY: the function's parts are alive.
    unsafe {
        let count = usize::from(at::<u8>(closure, offset::CLOSURE_UPVALUES));
        trail.add(closure, offset::CLOSURE_FIRST + 8 * count);
        let proto: *const u8 = at(closure, offset::CLOSURE_PROTO);
        trail.add(proto, PROTO);
        let instructions = at::<c_int>(proto, offset::PROTO_INSTRUCTIONS) as usize;
        trail.add(
            at::<*const u8>(proto, offset::PROTO_CODE),
            (4 * instructions).min(BEGINNING),
        );
        let constants = at::<c_int>(proto, offset::PROTO_CONSTANTS) as usize;
        trail.add(
            at::<*const u8>(proto, offset::PROTO_K),
            (SLOT * constants).min(BEGINNING),
        );
        for i in 0..count {
            trail.add(
                at::<*const u8>(closure, offset::CLOSURE_FIRST + 8 * i),
                UPVALUE,
            );
        }
    }
}

/// The tables among the upvalues of a Lua function.
///
/// # Safety
/// The layout is known, `closure` is a Lua function that is alive, also while the result is used.
unsafe fn tables_of(closure: *const u8) -> impl Iterator<Item = *const u8> {
    // SAFETY: the function has that many upvalues, each of which leads to a value.
    let value = move |i| unsafe {
        let upvalue: *const u8 = at(closure, offset::CLOSURE_FIRST + 8 * i);
        let value: *const u8 = at(upvalue, offset::UPVALUE_VALUE);
        (at::<u8>(value, 8) == TABLE_TAG).then(|| at::<*const u8>(value, 0))
    };
    // SAFETY: as above.
    let count = usize::from(unsafe { at::<u8>(closure, offset::CLOSURE_UPVALUES) });
    (0..count).filter_map(value)
}

/// # Safety
/// The layout is known, `table` is alive.
unsafe fn add_table(trail: &mut Trail, table: *const u8) {
    trail.add(table, TABLE);
    // SAFETY: the table has that many nodes.
    unsafe {
        let nodes = 1usize << at::<u8>(table, offset::TABLE_LOG_NODES);
        trail.add(
            at::<*const u8>(table, offset::TABLE_NODES),
            (NODE * nodes).min(2 * BEGINNING),
        );
    }
}

/// The Lua functions that are values of a table's fields.
///
/// # Safety
/// The layout is known, `table` is alive, also while the result is used.
unsafe fn functions_in(table: *const u8) -> impl Iterator<Item = *const u8> {
    // SAFETY: the table has that many nodes, each of which begins with its value.
    unsafe {
        let count = (1usize << at::<u8>(table, offset::TABLE_LOG_NODES)).min(FUNCTIONS);
        let nodes: *const u8 = at(table, offset::TABLE_NODES);
        (0..count)
            .map(move |i| nodes.add(NODE * i))
            .filter(|&node| at::<u8>(node, 8) == FUNCTION_TAG)
            .map(|node| at::<*const u8>(node, 0))
    }
}

/// A table's array: in Lua 5.5 the values lie before the address that the table holds, in descending order, and their tags behind it.
///
/// # Safety
/// The layout is known, `table` is alive.
unsafe fn add_array(trail: &mut Trail, table: *const u8) {
    trail.add(table, TABLE);
    // SAFETY: the table is alive.
    unsafe {
        let size = (at::<c_int>(table, offset::TABLE_ARRAY_SIZE) as usize).min(BEGINNING / 8);
        let array: *const u8 = at(table, offset::TABLE_ARRAY);
        trail.add(array.wrapping_sub(8 * size), 8 * size + 4 + size);
    }
}

fn layout_is_known() -> bool {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    *KNOWN.get_or_init(|| {
        if size_of::<*const u8>() != 8 {
            return false;
        }
        // SAFETY: a state of its own, used by this thread only.
        unsafe {
            let l = ffi::luaL_newstate();
            if l.is_null() {
                return false;
            }
            let known = check_thread(l) && check_function(l) && check_array(l);
            ffi::lua_close(l);
            known
        }
    })
}

/// # Safety
/// `l` is a state; its objects are at least as large as the offsets looked at.
unsafe fn check_thread(l: *mut lua_State) -> bool {
    // SAFETY: reads within the thread object and its stack only, in an order that stops at the first surprise.
    unsafe {
        let thread = ffi::lua_newthread(l);
        let object = thread.cast::<u8>().cast_const();
        let base = at::<usize>(object, offset::THREAD_STACK);
        let before = at::<usize>(object, offset::THREAD_TOP);
        ffi::lua_pushinteger(thread, 0x1234_5678_9abc);
        let after = at::<usize>(object, offset::THREAD_TOP);
        let frame = object.add(offset::THREAD_BASE_FRAME);
        base.wrapping_add(SLOT) == before
            && before + SLOT == after
            && (before as *const i64).read() == 0x1234_5678_9abc
            && at::<usize>(object, offset::THREAD_STACK_END).wrapping_sub(after) < 1 << 16
            && at::<*const u8>(object, offset::THREAD_FRAME) == frame
            && at::<usize>(object, offset::THREAD_GLOBAL)
                == at::<usize>(l.cast::<u8>(), offset::THREAD_GLOBAL)
            // The base frame is the first: nothing before it, and what comes next is null or leads back to it.
            && at::<usize>(frame, offset::FRAME_NEXT - 8) == 0
            && match at::<*const u8>(frame, offset::FRAME_NEXT) {
                next if next.is_null() => true,
                next => at::<*const u8>(next, offset::FRAME_NEXT - 8) == frame,
            }
    }
}

/// # Safety
/// As for `check_thread`.
unsafe fn check_function(l: *mut lua_State) -> bool {
    let code = c"local t = { f = function() end }


        return function(a) return t, a, 'constant' end, t, t.f";
    // SAFETY: as in `check_thread`.
    unsafe {
        if ffi::luaL_loadstring(l, code.as_ptr()) != 0 || ffi::lua_pcall(l, 0, 3, 0) != 0 {
            return false;
        }
        let function: *const u8 = ffi::lua_topointer(l, -3).cast();
        let table: *const u8 = ffi::lua_topointer(l, -2).cast();
        let inner: *const u8 = ffi::lua_topointer(l, -1).cast();
        if at::<u8>(function, offset::CLOSURE_UPVALUES) != 1 {
            return false;
        }
        let proto: *const u8 = at(function, offset::CLOSURE_PROTO);
        let (constants, instructions, line) = (
            at::<c_int>(proto, offset::PROTO_CONSTANTS),
            at::<c_int>(proto, offset::PROTO_INSTRUCTIONS),
            at::<c_int>(proto, offset::PROTO_LINE),
        );
        line == 4
            && constants == 1
            && (4..16).contains(&instructions)
            && at::<u8>(at(proto, offset::PROTO_K), 8) & 0x0f == ffi::LUA_TSTRING as u8
            && !at::<*const u8>(proto, offset::PROTO_CODE).is_null()
            && tables_of(function).eq([table])
            && at::<u8>(table, offset::TABLE_LOG_NODES) == 0
            && functions_in(table).eq([inner])
    }
}

/// # Safety
/// As for `check_thread`.
unsafe fn check_array(l: *mut lua_State) -> bool {
    // SAFETY: as in `check_thread`.
    unsafe {
        ffi::lua_createtable(l, 4, 0);
        for n in 1..=4 {
            ffi::lua_pushinteger(l, 100 + n);
            ffi::lua_rawseti(l, -2, n);
        }
        let table: *const u8 = ffi::lua_topointer(l, -1).cast();
        let array: *const u8 = at(table, offset::TABLE_ARRAY);
        at::<c_int>(table, offset::TABLE_ARRAY_SIZE) == 4
            && !array.is_null()
            && array.sub(8).cast::<i64>().read() == 101
            && array.sub(32).cast::<i64>().read() == 104
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_layout_of_this_lua_is_known() {
        assert!(super::layout_is_known());
    }
}

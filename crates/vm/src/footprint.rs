//! Where the parts of a Lua state lie that every message needs, for the kernel to fetch them ahead (see
//! [`skynet_kernel::Touched`]).
//!
//! Lua's C API does not tell where a stack or the code of a function is. It is read from the objects themselves, whose
//! layout is known (`layout.rs`). All objects looked at here are alive: they are reached from the state as its
//! collector reaches them, and the state is not running.

use std::ffi::c_int;

use mlua_sys::lua55 as ffi;
use skynet_kernel::Touched;

use super::layout::{offset, size, tag};
use super::lua::{Lua, Type};

/// The part of the global state that allocation and barriers use.
const GLOBAL: usize = 128;

/// Bytes of code, constants, and nodes that are fetched of one object: the beginning, where the way of a message most
/// likely is.
const BEGINNING: usize = 256;
/// Stack slots in use by the dispatcher's host, and by a task.
const HOST_SLOTS: usize = 12;
const TASK_SLOTS: usize = 24;
/// Slots of a finished task that are searched for the functions that it has called.
const SEARCHED: usize = 40;
/// Functions of one table that are looked at.
const FUNCTIONS: usize = 64;

/// Adds what a message to the service needs of its state: `main`, the idle task `task` that will run next, and the
/// handler on top of `main`.
pub fn add_state(touched: &mut Touched, main: Lua, task: Option<Lua>) {
    // SAFETY: all objects are alive; see the module's comment.
    unsafe {
        add_thread(touched, main, HOST_SLOTS);
        touched.add(
            at::<*const u8>(main.0.cast(), offset::THREAD_GLOBAL),
            GLOBAL,
        );
        let mut called = Vec::new();
        if let Some(task) = task {
            add_thread(touched, task, TASK_SLOTS);
            called = left_over(task);
        }
        if main.kind(-1) == Type::Function && main.c_function(-1).is_none() {
            let handler = ffi::lua_topointer(main.0, -1).cast();
            add_function(touched, handler, |function| called.contains(&function));
        }
        add_array(
            touched,
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
/// The thread is alive.
unsafe fn add_thread(touched: &mut Touched, l: Lua, slots: usize) {
    let thread = l.0 as *const u8;
    // The extra space lies before it.
    touched.add(
        thread.wrapping_sub(ffi::LUA_EXTRASPACE),
        ffi::LUA_EXTRASPACE + size::THREAD,
    );
    // SAFETY: the thread is alive, and so are its frames, which it keeps for the next calls.
    unsafe {
        touched.add(
            at::<*const u8>(thread, offset::THREAD_STACK),
            slots * size::SLOT,
        );
        let mut frame: *const u8 = thread.add(offset::THREAD_BASE_FRAME);
        for _ in 0..3 {
            frame = at(frame, offset::FRAME_NEXT);
            if frame.is_null() {
                break;
            }
            touched.add(frame, size::FRAME);
        }
    }
}

/// What the task that ended last has left in the slots above the top of its stack: addresses that may be those of
/// functions that it has called. They are not followed, only compared.
///
/// # Safety
/// The thread is alive.
unsafe fn left_over(l: Lua) -> Vec<*const u8> {
    let thread = l.0 as *const u8;
    // SAFETY: all slots up to the end of the stack are memory of the thread.
    unsafe {
        let stack: *const u8 = at(thread, offset::THREAD_STACK);
        let end: *const u8 = at(thread, offset::THREAD_STACK_END);
        let slots = (end as usize - stack as usize) / size::SLOT;
        (0..slots.min(SEARCHED))
            .map(|slot| stack.add(slot * size::SLOT))
            .filter(|&slot| at::<u8>(slot, 8) == tag::FUNCTION)
            .map(|slot| at::<*const u8>(slot, 0))
            .collect()
    }
}

/// A Lua function, the tables among its upvalues, and of the functions in those tables the ones that `called` picks.
///
/// # Safety
/// `function` is a Lua function that is alive.
unsafe fn add_function(
    touched: &mut Touched,
    function: *const u8,
    called: impl Fn(*const u8) -> bool,
) {
    // SAFETY: upvalues, tables and the functions in them are alive since the function is.
    unsafe {
        add_closure(touched, function);
        for table in tables_of(function) {
            add_table(touched, table);
            for inner in functions_in(table).filter(|&f| called(f)) {
                add_closure(touched, inner);
                for table in tables_of(inner) {
                    add_table(touched, table);
                }
            }
        }
    }
}

/// # Safety
/// `closure` is a Lua function that is alive.
unsafe fn add_closure(touched: &mut Touched, closure: *const u8) {
    // SAFETY: the function's parts are alive.
    unsafe {
        let count = usize::from(at::<u8>(closure, offset::CLOSURE_UPVALUES));
        touched.add(closure, offset::CLOSURE_FIRST + 8 * count);
        let proto: *const u8 = at(closure, offset::CLOSURE_PROTO);
        touched.add(proto, size::PROTO);
        let instructions = at::<c_int>(proto, offset::PROTO_INSTRUCTIONS) as usize;
        touched.add(
            at::<*const u8>(proto, offset::PROTO_CODE),
            (4 * instructions).min(BEGINNING),
        );
        let constants = at::<c_int>(proto, offset::PROTO_CONSTANTS) as usize;
        touched.add(
            at::<*const u8>(proto, offset::PROTO_K),
            (size::SLOT * constants).min(BEGINNING),
        );
        for i in 0..count {
            touched.add(
                at::<*const u8>(closure, offset::CLOSURE_FIRST + 8 * i),
                size::UPVALUE,
            );
        }
    }
}

/// The tables among the upvalues of a Lua function.
///
/// # Safety
/// `closure` is a Lua function that is alive, also while the result is used.
unsafe fn tables_of(closure: *const u8) -> impl Iterator<Item = *const u8> {
    // SAFETY: the function has that many upvalues, each of which leads to a value.
    let value = move |i| unsafe {
        let upvalue: *const u8 = at(closure, offset::CLOSURE_FIRST + 8 * i);
        let value: *const u8 = at(upvalue, offset::UPVALUE_VALUE);
        (at::<u8>(value, 8) == tag::TABLE).then(|| at::<*const u8>(value, 0))
    };
    // SAFETY: as above.
    let count = usize::from(unsafe { at::<u8>(closure, offset::CLOSURE_UPVALUES) });
    (0..count).filter_map(value)
}

/// # Safety
/// `table` is alive.
unsafe fn add_table(touched: &mut Touched, table: *const u8) {
    touched.add(table, size::TABLE);
    // SAFETY: the table has that many nodes.
    unsafe {
        let nodes = 1usize << at::<u8>(table, offset::TABLE_LOG_NODES);
        touched.add(
            at::<*const u8>(table, offset::TABLE_NODES),
            (size::NODE * nodes).min(2 * BEGINNING),
        );
    }
}

/// The Lua functions that are values of a table's fields.
///
/// # Safety
/// `table` is alive, also while the result is used.
unsafe fn functions_in(table: *const u8) -> impl Iterator<Item = *const u8> {
    // SAFETY: the table has that many nodes, each of which begins with its value.
    unsafe {
        let count = (1usize << at::<u8>(table, offset::TABLE_LOG_NODES)).min(FUNCTIONS);
        let nodes: *const u8 = at(table, offset::TABLE_NODES);
        (0..count)
            .map(move |i| nodes.add(size::NODE * i))
            .filter(|&node| at::<u8>(node, 8) == tag::FUNCTION)
            .map(|node| at::<*const u8>(node, 0))
    }
}

/// A table's array: in Lua 5.5 the values lie before the address that the table holds, in descending order, and their
/// tags behind it.
///
/// # Safety
/// `table` is alive.
unsafe fn add_array(touched: &mut Touched, table: *const u8) {
    touched.add(table, size::TABLE);
    // SAFETY: the table is alive.
    unsafe {
        let size = (at::<c_int>(table, offset::TABLE_ARRAY_SIZE) as usize).min(BEGINNING / 8);
        let array: *const u8 = at(table, offset::TABLE_ARRAY);
        touched.add(array.wrapping_sub(8 * size), 8 * size + 4 + size);
    }
}

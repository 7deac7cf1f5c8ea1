//! The global `require` of a service, and `skynet.init`.
//!
//! In the main chunk both are simple, and native: `require` is Lua's own, `init` collects functions that the start
//! coroutine runs. Only in a coroutine, where a module and its init functions may block, there is more to do; that is
//! Lua (`skynet.loading`), loaded when it is needed first.

use std::ffi::CStr;

use crate::code::search;
use skynet_vm::lua::{Lua, MULTRET, REGISTRY, Type};
use skynet_vm::native::{Fault, Next, continuation, native, results};

/// Registry field: functions given to `skynet.init` in the main chunk.
const INITS: &CStr = c"skynet.inits";
/// Registry field: the `require` of the standard library.
const PLAIN: &CStr = c"skynet.plain_require";
/// Registry field: the table of `skynet.loading`.
const LOADING: &CStr = c"skynet.loading";

/// Replaces the global `require`. *raises*
pub(crate) fn install(l: Lua) {
    l.get_global(c"require");
    l.set_field(REGISTRY, PLAIN);
    l.push_function(require);
    l.set_global(c"require");
}

/// Is `l` the main thread of its state?
fn is_main(l: Lua) -> bool {
    // SAFETY: pushes the running thread and tells whether it is the main one.
    let main = unsafe { mlua_sys::lua55::lua_pushthread(l.0) } != 0;
    l.pop(1);
    main
}

/// Pushes the table of `skynet.loading`. *raises*
fn push_loading(l: Lua) -> Result<(), Fault> {
    if l.get_field(REGISTRY, LOADING) == Type::Table {
        return Ok(());
    }
    l.pop(1);
    // It needs `skynet`, and would ask this `require`, which waits for it.
    if l.get_field(REGISTRY, PLAIN) != Type::Nil {
        l.push_str("skynet");
        l.call(1, 0);
    } else {
        l.pop(1);
    }
    search::load_module(l, "skynet.loading")?;
    if l.get_field(REGISTRY, PLAIN) == Type::Nil {
        l.pop(1);
        l.get_global(c"require");
    }
    l.call(1, 1);
    l.push_value(-1);
    l.set_field(REGISTRY, LOADING);
    Ok(())
}

native! {
    /// `require "skynet.require"`, for loaders of applications: a table with `require`, `init` and `init_all`.
    open = |l| {
        l.new_table(0, 3);
        if l.get_field(REGISTRY, PLAIN) == Type::Nil {
            l.get_global(c"require");
            l.set_field(REGISTRY, PLAIN);
        }
        l.pop(1);
        l.push_function(require);
        l.set_field(-2, c"require");
        l.push_function(init);
        l.set_field(-2, c"init");
        l.push_function(init_all);
        l.set_field(-2, c"init_all");
        results(1)
    };

    require = |l| {
        if !is_main(l) {
            let args = l.top();
            l.get_field(REGISTRY, c"_LOADED");
            l.push_value(1);
            let being_loaded = l.get_field(REGISTRY, LOADING) == Type::Table;
            l.pop(1);
            if !being_loaded && args > 0 && l.raw_get(-2) != Type::Nil {
                return results(1);
            }
            l.set_top(args);
            push_loading(l)?;
            l.get_field(-1, c"require");
            l.insert(1);
            l.set_top(args + 1);
            return Ok(Next::Call { args, results: MULTRET, ctx: 0, then: all });
        }
        let args = l.top();
        l.get_field(REGISTRY, PLAIN);
        l.insert(1);
        l.call(args, MULTRET);
        results(l.top())
    };

    /// `init(f)`
    init = |l| {
        l.set_top(1);
        if !is_main(l) {
            push_loading(l)?;
            l.get_field(-1, c"init");
            l.push_value(1);
            l.call(1, 0);
            return results(0);
        }
        if l.kind(1) != Type::Function {
            return Err(l.expected(1, "function"));
        }
        if l.get_field(REGISTRY, INITS) != Type::Table {
            l.pop(1);
            l.new_table(4, 0);
            l.push_value(-1);
            l.set_field(REGISTRY, INITS);
        }
        let n = l.raw_len(-1) as i64;
        l.push_value(1);
        l.raw_seti(-2, n + 1);
        results(0)
    };

    /// `init_all()`: runs what was collected, in order. The functions may block.
    init_all = |l| {
        l.set_top(0);
        if l.get_field(REGISTRY, INITS) != Type::Table {
            return results(0);
        }
        l.push_nil();
        l.set_field(REGISTRY, INITS);
        run_init(l, 1)
    };
}

/// Runs the `n`th function of the table at 1, then the others.
fn run_init(l: Lua, n: isize) -> skynet_vm::native::Outcome {
    l.set_top(1);
    if l.raw_geti(1, n as i64) == Type::Nil {
        return results(0);
    }
    Ok(Next::Call {
        args: 0,
        results: 0,
        ctx: n + 1,
        then: next_init,
    })
}

continuation! {
    next_init = |l: Lua, _, n| run_init(l, n);

    all = |l: Lua, _, _| results(l.top());
}

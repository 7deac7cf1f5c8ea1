//! What a reload needs (`lualib/skynet/reload`): who else refers to functions that are replaced.

use mlua_sys::lua55 as ffi;
use skynet_vm::exchange::exchange_functions;
use skynet_vm::native::{native, results};

native! {
    /// `exchange(map, skip, apply)`: how many references to the functions that are keys of `map` there are outside of
    /// stacks, and how many coroutines are inside them. With `apply` they become references to the values of `map`.
    /// Tables that are keys of `skip` are not looked into.
    exchange = |l| {
        let apply = l.bool(3);
        l.set_top(2);
        l.gc(ffi::LUA_GCCOLLECT); // what nobody has any more does not count
        let Some(found) = exchange_functions(l, apply) else {
            return Err("two tables expected".into());
        };
        l.push_int(found.held as i64);
        l.push_int(found.inside as i64);
        results(2)
    };
}

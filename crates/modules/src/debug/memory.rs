//! `skynet.memory`: what the process and its services allocate.
//!
//! Of a service it is what its Lua state has, since that is what is counted exactly (`vm/alloc.rs`). The whole is what
//! the allocator has reserved. The allocator has no profiler of the heap: `profactive` is always false.

use mlua_sys::lua55::lua_CFunction;
use skynet_kernel::block;

use skynet_lua::service;
use skynet_vm::native::push_functions;
use skynet_vm::native::{guarded, native, results};

const FUNCTIONS: &[(&str, lua_CFunction)] = &[
    ("block", block_),
    ("current", current),
    ("dump", dump),
    ("dumpheap", dumpheap),
    ("dumpinfo", dumpinfo),
    ("info", info),
    ("jestat", jestat),
    ("mallctl", mallctl),
    ("profactive", profactive),
    ("total", total),
];

/// Figures of the allocator under the names that they have in jemalloc.
fn statistics() -> [(&'static str, usize); 5] {
    let usage = block::usage();
    [
        ("stats.allocated", usage.resident.min(usage.committed)),
        ("stats.resident", usage.resident),
        (
            "stats.retained",
            usage.committed.saturating_sub(usage.resident),
        ),
        ("stats.mapped", usage.committed),
        ("stats.active", usage.resident),
    ]
}

native! {
    open = |l| {
        push_functions(l, FUNCTIONS);
        results(1)
    };

    /// `total()`: bytes
    total = |l| {
        l.push_int(block::usage().committed as i64);
        results(1)
    };

    /// `block()`: blocks of all Lua states
    block_ = |l| {
        let blocks: usize = service(l)?.accounts().list().iter().map(|&(_, _, n)| n).sum();
        l.push_int(blocks as i64);
        results(1)
    };

    /// `current()`: bytes of this service
    current = |l| {
        l.push_int(service(l)?.memory.used() as i64);
        results(1)
    };

    /// `info()`: handle to bytes
    info = |l| {
        let list = service(l)?.accounts().list();
        guarded(l, 1, |l| {
            l.new_table(0, list.len());
            for &(of, bytes, _) in &list {
                l.push_int(bytes as i64);
                l.raw_seti(-2, of.0.into());
            }
        })?;
        results(1)
    };

    /// `dump()`: the same to the log
    dump = |l| {
        let svc = service(l)?;
        svc.cx.log("dump all service mem:");
        let mut total = 0;
        for (of, bytes, _) in svc.accounts().list() {
            svc.cx.log(format!("{of} -> {}kb {}b", bytes >> 10, bytes & 1023));
            total += bytes;
        }
        svc.cx.log(format!("+total: {}kb", total >> 10));
        results(0)
    };

    /// `dumpinfo([options])`: the allocator's report on standard error
    dumpinfo = |_| {
        block::print_report();
        results(0)
    };

    /// `jestat()`: name to bytes
    jestat = |l| {
        let all = statistics();
        l.new_table(0, all.len());
        for (name, bytes) in all {
            l.push_int(bytes as i64);
            l.raw_set_str(-2, name);
        }
        results(1)
    };

    /// `mallctl(name)`: one of them; 0 for a name that the allocator does not know
    mallctl = |l| {
        let name = l.bytes_argument(1)?;
        let found = statistics().into_iter().find(|(n, _)| n.as_bytes() == name);
        l.push_int(found.map_or(0, |(_, bytes)| bytes as i64));
        results(1)
    };

    /// `dumpheap()`
    dumpheap = |l| {
        service(l)?.cx.log("The allocator has no heap profiler");
        results(0)
    };

    /// `profactive([on])`
    profactive = |l| {
        l.push_bool(false);
        results(1)
    };
}

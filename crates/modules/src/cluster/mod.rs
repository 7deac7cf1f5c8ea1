//! `skynet.cluster.core`: calls to other nodes, and the frames of the protocol for Lua code that speaks it by itself.

use mlua_sys::lua55::lua_CFunction;

use skynet_vm::native::push_functions;
use skynet_vm::native::{native, results};

mod calls;
mod frames;
mod peers;

const FUNCTIONS: &[(&str, lua_CFunction)] = &[
    ("append", frames::append),
    ("call", calls::call),
    ("caller", peers::caller),
    ("concat", frames::concat),
    ("isalive", calls::isalive),
    ("isname", frames::isname),
    ("nodename", frames::nodename),
    ("packpush", frames::packpush),
    ("packrequest", frames::packrequest),
    ("packresponse", frames::packresponse),
    ("packtrace", frames::packtrace),
    ("pcall", calls::pcall),
    ("push", calls::push),
    ("timeoutcall", calls::timeoutcall),
    ("unpackrequest", frames::unpackrequest),
    ("unpackresponse", frames::unpackresponse),
];

native! {
    open = |l| {
        push_functions(l, FUNCTIONS);
        results(1)
    };
}

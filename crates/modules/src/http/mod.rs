//! The native half of the modules `http.*`: heads of requests and answers, and texts of urls. The Lua half is in
//! `lualib/http`.

mod message;
mod plain;
mod websocket;

use mlua_sys::lua55::lua_CFunction;
use skynet_vm::native::{native, push_functions, results};

const FUNCTIONS: &[(&str, lua_CFunction)] = &[
    ("answers", message::answers),
    ("bodiless", message::bodiless),
    ("ended", message::ended),
    ("event", message::event),
    ("fields", plain::fields),
    ("frame", websocket::frame),
    ("head", message::head),
    ("idle", message::idle),
    ("inflate", message::inflate),
    ("inflater", message::inflater),
    ("message", websocket::message),
    ("query", plain::query),
    ("reader", websocket::new_reader),
    ("request", plain::request),
    ("requests", message::requests),
    ("rest", message::rest),
    ("unescape", plain::unescape),
    ("waiting", websocket::waiting),
];

native! {
    open = |l| {
        push_functions(l, FUNCTIONS);
        results(1)
    };
}

//! `skynet.codecache`: control of the cache of compiled files.

use mlua_sys::lua55::lua_CFunction;

use skynet_kernel::text;

use crate::code::search;
use crate::service::service;
use skynet_vm::cache::{self, CacheMode};
use skynet_vm::native::push_functions;
use skynet_vm::native::{Fault, native, results};

const FUNCTIONS: &[(&str, lua_CFunction)] = &[
    ("clear", clear),
    ("loadfile", search::loadfile),
    ("mode", mode),
];

native! {
    /// `require "skynet.codecache"`.
    open = |l| {
        push_functions(l, FUNCTIONS);
        results(1)
    };

    /// `clear([path])`: files, or this one, are compiled anew at their next load. Was the one there?
    clear = |l| {
        if l.is_none_or_nil(1) {
            cache::clear();
            return results(0);
        }
        let path = text::from_bytes(l.string_argument(1)?);
        l.push_bool(cache::clear_file(&path));
        results(1)
    };

    /// `mode([m])`: sets or returns this service's mode
    mode = |l| {
        let svc = service(l)?;
        if l.is_none_or_nil(1) {
            l.push_str(match svc.cache_mode.get() {
                CacheMode::On => "ON",
                CacheMode::Off => "OFF",
                CacheMode::Exist => "EXIST",
            });
            return results(1);
        }
        let Some(name) = l.coerce_bytes(1) else {
            return Err(l.expected(1, "string"));
        };
        svc.cache_mode.set(match name {
            b"ON" => CacheMode::On,
            b"OFF" => CacheMode::Off,
            b"EXIST" => CacheMode::Exist,
            other => {
                let other = String::from_utf8_lossy(other);
                return Err(Fault::Argument(1, format!("invalid option '{other}'").into()));
            }
        });
        results(0)
    };
}

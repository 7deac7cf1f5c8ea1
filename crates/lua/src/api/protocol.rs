//! `register_protocol`, `dispatch` and what is registered from the start.

use std::cell::Cell;
use std::ffi::c_int;

use mlua_sys::lua55::lua_CFunction;
use skynet_kernel::{Handle, kind};

use super::send::protocol;
use super::{pack, service};
use crate::code::search;
use crate::service::{Incoming, Svc, entry};
use skynet_vm::lua::{Lua, MULTRET, Type};
use skynet_vm::native::{Fault, Next, Outcome, native, results};

/// Registers the class table at `class`. *raises*
fn register(l: Lua, svc: &Svc, class: c_int) -> Result<(), Fault> {
    l.get_field(class, c"id");
    let id = l.int(-1).filter(|_| l.kind(-1) == Type::Number);
    let Some(id) = id.and_then(|n| u8::try_from(n).ok()) else {
        return Err("assertion failed! (the id of a protocol is a number from 0 to 255)".into());
    };
    l.get_field(class, c"name");
    if l.kind(-1) != Type::String {
        return Err("assertion failed! (the name of a protocol is a string)".into());
    }
    let name = l.top();
    l.push_ref(svc.refs.protocols.get());
    let all = l.top();
    l.push_value(name);
    let name_taken = l.raw_get(all) != Type::Nil;
    let id_taken = l.raw_geti(all, id as i64) != Type::Nil;
    if name_taken || id_taken {
        let what = if name_taken { "name" } else { "id" };
        let text = format!("assertion failed! (a protocol of this {what} is registered already)");
        return Err(text.into());
    }
    l.pop(2);
    l.get_field(class, c"trace");
    let trace = (l.kind(-1) == Type::Boolean).then(|| l.bool(-1));
    l.push_value(class);
    let reference = l.make_ref();
    l.push_value(name);
    l.push_value(class);
    l.raw_set(all);
    l.push_value(class);
    l.raw_seti(all, id as i64);
    // Only short strings are interned: two of the same content have the same address.
    let address = if l.bytes(name).is_some_and(|n| n.len() <= 40) {
        l.string_address(name)
    } else {
        0
    };
    if let Some(before) = svc.with(|t| t.protocols.register(id, reference, address, trace)) {
        l.free_ref(before);
    }
    if trace.is_some() {
        svc.tracing.set(true);
    }
    if id == kind::LUA {
        svc.lua_name.set(address);
    }
    l.set_top(name - 2);
    Ok(())
}

/// What is registered from the start beside `lua`, whose table every application changes.
pub(super) const STANDARD: [(&str, u8); 3] = [
    ("response", kind::RESPONSE),
    ("error", kind::ERROR),
    ("debug", kind::DEBUG),
];

/// Makes the class table of a message type of our own. *raises*
fn push_new(l: Lua, name: &'static str, id: u8) {
    l.new_table(0, 6);
    l.push_str(name);
    l.raw_set_str(-2, "name");
    l.push_int(id as i64);
    l.raw_set_str(-2, "id");
    l.push_function(pack::unpack);
    l.raw_set_str(-2, "unpack");
}

/// Makes the class table of one of [`STANDARD`]. *raises*
pub(super) fn push_standard(l: Lua, which: usize) {
    let (name, id) = STANDARD[which];
    push_new(l, name, id);
    match id {
        kind::ERROR => {
            l.push_function(entry::error_dispatch);
            l.raw_set_str(-2, "dispatch");
        }
        kind::DEBUG => {
            l.push_function(pack::pack);
            l.raw_set_str(-2, "pack");
            l.push_function(debug_dispatch);
            l.raw_set_str(-2, "dispatch");
        }
        _ => {}
    }
}

/// Registers `lua` and [`STANDARD`]. *raises*
pub(crate) fn register_standard(l: Lua, svc: &Svc, skynet: c_int) {
    push_new(l, "lua", kind::LUA);
    l.push_function(pack::pack);
    l.raw_set_str(-2, "pack");
    // Ids and names are our own: they can't be taken.
    let _ = register(l, svc, l.top());
    for which in 0..STANDARD.len() {
        l.set_top(skynet);
        super::push_common_class(l, which);
        let _ = register(l, svc, l.top());
    }
    l.set_top(skynet);
}

/// Sets the registry reference in `cell` to the function at 1; pushes what it was.
fn swap_handler(l: Lua, cell: &std::cell::Cell<i32>, default: lua_CFunction) -> Outcome {
    l.set_top(1);
    if l.kind(1) == Type::Nil {
        return Err(Fault::Argument(1, "function expected".into()));
    }
    let before = cell.get();
    l.push_value(1);
    let new = l.make_ref();
    if before == 0 {
        l.push_function(default);
    } else {
        l.push_ref(before);
        l.free_ref(before);
    }
    cell.set(new);
    results(1)
}

/// Is this the message being dispatched, and does it own a reference to a package?
fn is_shared(l: Lua, data: *const u8) -> bool {
    let current = Svc::of(l).and_then(Svc::current);
    current.is_some_and(|m| m.shared && std::ptr::eq(m.data, data))
}

/// The message given by `(type, pointer or string, size, session, source [, owned])`.
fn message_arguments(l: Lua, first: c_int) -> Result<Incoming, Fault> {
    let (data, len) = match l.kind(first + 1) {
        Type::String => l
            .bytes(first + 1)
            .map_or((std::ptr::null(), 0), |b| (b.as_ptr(), b.len())),
        _ => {
            let data: *const u8 = l.userdata(first + 1).cast_const().cast();
            let len = usize::try_from(l.int(first + 2).unwrap_or(0))
                .map_err(|_| Fault::Argument(first + 2, "invalid size".into()))?;
            (data, if data.is_null() { 0 } else { len })
        }
    };
    let Some(kind) = l.int(first).and_then(|n| u8::try_from(n).ok()) else {
        return Err(Fault::Argument(first, "message type expected".into()));
    };
    Ok(Incoming {
        kind,
        session: l.int(first + 3).unwrap_or(0) as i32,
        source: Handle(l.int(first + 4).unwrap_or(0) as u32),
        data,
        len,
        // Only a block can be given away; a string or a userdata stays Lua's.
        owned: Cell::new(l.bool(first + 5) && l.kind(first + 1) == Type::LightUserdata),
        shared: is_shared(l, data),
    })
}

/// Is the value at `i` the dispatcher itself, `skynet.dispatch_message`?
pub(crate) fn is_dispatcher(l: Lua, i: c_int) -> bool {
    let own = dispatch_message as *const () as usize;
    l.c_function(i).is_some_and(|f| f as usize == own)
}

native! {
    /// `register_protocol{ name=, id=, pack=, unpack=, dispatch=, trace= }`
    register_protocol = |l| {
        let svc = service(l)?;
        if l.kind(1) != Type::Table {
            return Err(l.expected(1, "table"));
        }
        l.set_top(1);
        register(l, svc, 1)?;
        results(0)
    };

    /// `dispatch(type [, f])`
    dispatch = |l| {
        let svc = service(l)?;
        l.set_top(2);
        if !l.bool(2) {
            l.push_ref(svc.refs.protocols.get());
            l.push_value(1);
            if l.is_none_or_nil(1) || l.raw_get(-2) != Type::Table {
                l.push_nil();
                return results(1);
            }
            l.get_field(-1, c"dispatch");
            return results(1);
        }
        let (id, _) = protocol(l, svc, 1)?;
        if !svc.push_class(l, id) {
            return Err("unknown protocol".into());
        }
        l.get_field(3, c"dispatch");
        l.push_value(2);
        l.set_field(3, c"dispatch");
        if id == kind::LUA {
            l.push_value(2);
            let new = l.make_ref();
            svc.lua_function.set(l.value(2));
            let old = svc.lua_handler.replace(new);
            if old != 0 {
                l.free_ref(old);
            }
        }
        results(1)
    };

    dispatch_unknown_request = |l| {
        let svc = service(l)?;
        swap_handler(l, &svc.refs.unknown_request, entry::default_unknown_request)
    };

    dispatch_unknown_response = |l| {
        let svc = service(l)?;
        swap_handler(l, &svc.refs.unknown_response, entry::default_unknown_response)
    };

    /// `dispatch_message(type, msg, sz, session, source [, owned])`, for functions given to `core.callback`; `owned`:
    /// the handler gets the block of the message for good, as `forward_type` promises, and not a copy when it sends
    /// it on
    dispatch_message = |l| {
        let svc = service(l)?;
        let m = message_arguments(l, 1)?;
        if !l.check_stack(20) {
            return Err("stack overflow".into());
        }
        svc.dispatch_from_lua(l, &m)
    };

    /// `(session, source, command, ...)` of the debug protocol: its handler is Lua, loaded at the first message.
    debug_dispatch = |l| {
        let svc = service(l)?;
        if svc.refs.debug_handler.get() == 0 {
            search::load_module(l, "skynet.debugcmds")?;
            l.push_str("skynet.debugcmds");
            l.call(1, 1);
            svc.refs.debug_handler.set(l.make_ref());
        }
        let args = l.top();
        l.push_ref(svc.refs.debug_handler.get());
        l.insert(1);
        Ok(Next::Call { args, results: MULTRET, ctx: 0, then: handled })
    };

    /// `traceproto(type, flag)`
    traceproto = |l| {
        let svc = service(l)?;
        let (id, _) = protocol(l, svc, 1)?;
        if !svc.push_class(l, id) {
            return Err("unknown protocol".into());
        }
        let flag = (l.kind(2) == Type::Boolean).then(|| l.bool(2));
        svc.tracing.set(true);
        svc.with(|t| t.protocols.set_trace(id, flag));
        l.push_value(2);
        l.set_field(-2, c"trace");
        results(0)
    };
}

skynet_vm::native::continuation! {
    handled = |_: Lua, _, _| results(0);
}

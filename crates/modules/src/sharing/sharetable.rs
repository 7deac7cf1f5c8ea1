//! `skynet.sharetable.core`: tables that all services read, without copies; the mechanism is described in
//! `patch/lsharedtable.c`.
//!
//! A version is held by the service that made it until that releases it or ends, and by every service that has opened
//! it until that ends. Between services it travels as its address. So no state can come upon a version that is gone, as
//! long as the maker does not release what others may still be about to open.

use std::ffi::c_int;
use std::sync::Arc;

use mlua_sys::lua55::{self as ffi, lua_CFunction};

use skynet_lua::{Svc, service};
use skynet_vm::cache::{Scratch, os_text, strip_first_line};
use skynet_vm::loops::shown_chunk;
use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::push_functions;
use skynet_vm::native::{Fault, Outcome, c_text, native, results};
use skynet_vm::shared::SharedTable;

const FUNCTIONS: &[(&str, lua_CFunction)] = &[
    ("fromfile", from_file),
    ("fromstring", from_string),
    ("fromtable", from_table),
    ("open", open_version),
    ("release", release),
    ("size", size),
    ("update", update),
];

/// Versions that a state has opened.
#[derive(Default)]
struct Opened(Vec<Arc<SharedTable>>);

fn version<'a>(l: Lua, i: c_int) -> Result<&'a SharedTable, Fault> {
    match l.kind(i) {
        Type::LightUserdata if !l.userdata(i).is_null() => {
            // SAFETY: an address that this module gave out, of a version that its maker holds; see the top.
            Ok(unsafe { &*l.userdata(i).cast::<SharedTable>() })
        }
        _ => Err(Fault::Argument(i, "shared table expected".into())),
    }
}

/// Runs a chunk with the arguments from `first` on, and shares the table that it returns.
fn run(l: Lua, source: &[u8], chunk_name: &str, first: c_int) -> Result<Arc<SharedTable>, Fault> {
    for i in first..=l.top() {
        match l.kind(i) {
            Type::Boolean | Type::Number | Type::LightUserdata => {}
            // SAFETY: a look at the function, which has no second upvalue if it has no first one.
            Type::Function => unsafe {
                if l.c_function(i).is_none() || !ffi::lua_getupvalue(l.0, i, 1).is_null() {
                    return Err(Fault::Argument(i, "Only support light C function".into()));
                }
            },
            _ => return Err(Fault::Argument(i, "Type invalid".into())),
        }
    }
    let raised =
        |text: Vec<u8>| Fault::Plain(skynet_kernel::text::from_bytes(&text).into_owned().into());
    let loops = Svc::of(l).is_none_or(|svc| svc.loops().accepts());
    let scratch =
        Scratch::compile(source, chunk_name.as_bytes(), loops).map_err(|e| raised(e.text()))?;
    if let (Some(line), Some(svc)) = (scratch.assigned_loop(), Svc::of(l)) {
        svc.told_of_loop(&shown_chunk(&c_text(chunk_name.as_bytes())), line);
    }
    let own = scratch.state();
    own.push_function(open_libraries);
    let mut status = own.pcall(0, 0, 0);
    if status == ffi::LUA_OK {
        let n = l.top() - first + 1;
        if !own.check_stack(n + 1) {
            return Err("too many arguments".into());
        }
        for i in first..=l.top() {
            match l.kind(i) {
                Type::Boolean => own.push_bool(l.bool(i)),
                Type::Number if l.is_integer(i) => own.push_int(l.int(i).unwrap_or(0)),
                Type::Number => own.push_float(l.float(i).unwrap_or(0.0)),
                Type::LightUserdata => own.push_pointer(l.userdata(i)),
                _ => match l.c_function(i) {
                    Some(f) => own.push_function(f),
                    None => own.push_nil(),
                },
            }
        }
        status = own.pcall(n, 1, 0);
    }
    if status != ffi::LUA_OK {
        return Err(raised(own.bytes(-1).unwrap_or(b"error object").to_vec()));
    }
    share(own)
}

/// Shares the table on top of the stack of any state.
fn share(l: Lua) -> Result<Arc<SharedTable>, Fault> {
    if l.kind(-1) != Type::Table {
        return Err(Fault::Plain(
            format!("Not a table, it's a {}.", l.type_name(-1)).into(),
        ));
    }
    SharedTable::new(l)
        .map(Arc::new)
        .map_err(|text| Fault::Plain(text.into()))
}

/// Pushes the address of a new version, which this service holds from now on.
fn push(l: Lua, version: Arc<SharedTable>) -> Outcome {
    let at = Arc::as_ptr(&version);
    service(l)?.own_part(|opened: &mut Opened| opened.0.push(version));
    l.push_pointer(at.cast_mut().cast());
    results(1)
}

native! {
    open = |l| {
        push_functions(l, FUNCTIONS);
        results(1)
    };

    open_libraries = |l| {
        // SAFETY: opens the standard libraries in a fresh state.
        unsafe { ffi::luaL_openlibs(l.0) };
        results(0)
    };

    /// `fromfile(name, ...)`: runs a file with these arguments
    from_file = |l| {
        let Some(file) = l.bytes(1) else {
            return Err(Fault::Argument(1, "file name expected".into()));
        };
        let file = skynet_kernel::text::from_bytes(file);
        let source = std::fs::read(skynet_kernel::text::path(&file))
            .map_err(|e| Fault::Plain(format!("cannot open {file}: {}", os_text(&e)).into()))?;
        let version = run(l, strip_first_line(&source), &format!("@{file}"), 2)?;
        push(l, version)
    };

    /// `fromstring(name, source, ...)`: runs Lua source
    from_string = |l| {
        let (Some(name), Some(source)) = (l.bytes(1), l.bytes(2)) else {
            return Err(Fault::Argument(2, "source expected".into()));
        };
        let version = run(l, source, &format!("={}", skynet_kernel::text::from_bytes(name)), 3)?;
        push(l, version)
    };

    /// `fromtable(table)`
    from_table = |l| {
        l.set_top(1);
        let version = share(l)?;
        push(l, version)
    };

    /// `size(pointer)`: in bytes
    size = |l| {
        l.push_int(version(l, 1)?.size() as i64);
        results(1)
    };

    /// `release(pointer)`: this service lets go of it
    release = |l| {
        let at = std::ptr::from_ref(version(l, 1)?);
        let held = service(l)?.own_part(|Opened(versions)| {
            let i = versions.iter().position(|v| Arc::as_ptr(v) == at)?;
            Some(versions.swap_remove(i))
        });
        drop(held);
        results(0)
    };

    /// `open(pointer)`: the table. This service has a reference from now on.
    open_version = |l| {
        push_root(l, version(l, 1)?)
    };

    /// `update(old, new)`: all references to tables of one version become references to those of the other. Returns
    /// whether this service refers to nothing in the old one any more, and may release it.
    update = |l| {
        let (old, new) = (version(l, 1)?, version(l, 2)?);
        push_root(l, new)?;
        l.pop(1);
        let unused = !std::ptr::eq(old, new) && old.exchange(l, new).ok_or("not enough memory")?;
        l.push_bool(unused);
        results(1)
    };
}

/// This service holds the version from now on.
fn hold(l: Lua, version: &SharedTable) -> Result<(), Fault> {
    let at = std::ptr::from_ref(version);
    service(l)?.own_part(|Opened(versions)| {
        if !versions.iter().any(|v| Arc::as_ptr(v) == at) {
            // SAFETY: the content of an `Arc`, of which the maker holds a reference.
            versions.push(unsafe {
                Arc::increment_strong_count(at);
                Arc::from_raw(at)
            });
        }
    });
    Ok(())
}

fn push_root(l: Lua, version: &SharedTable) -> Outcome {
    if !l.check_stack(1) {
        return Err("stack overflow".into());
    }
    hold(l, version)?;
    version.push(l)?;
    results(1)
}

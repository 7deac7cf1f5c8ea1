//! `skynet.multicast.core`: packages, the payloads that all subscribers of a channel share.
//!
//! Lua knows a package by two kinds of pointers. A *cell* is a block of the message allocator that holds a package's
//! address; it travels in messages, and there is one per package until it is bound. The *package* itself is what a
//! receiver gets by `unpack` and gives back by `close`.
//!
//! A delivery (`deliver`) is a message that owns a reference (`Payload::shared`). `unpack` takes a further one for the
//! handler and notes it in the service, which gives back at its end what handlers that never ended still hold.

use std::ffi::c_int;

use mlua_sys::lua55::lua_CFunction;
use rustc_hash::FxHashMap;
use skynet_kernel::{Handle, Package, Payload, SendError, block, kind};

use skynet_lua::Svc;
use skynet_lua::payload_argument;
use skynet_lua::service;
use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::push_functions;
use skynet_vm::native::{Fault, Outcome, native, results};
use skynet_vm::seri;

const FUNCTIONS: &[(&str, lua_CFunction)] = &[
    ("bind", bind),
    ("close", close),
    ("deliver", deliver),
    ("nextid", nextid),
    ("pack", pack),
    ("packremote", packremote),
    ("remote", remote),
    ("unpack", unpack),
    ("values", values),
];

/// Size of a cell, and of the message that carries one.
const CELL: usize = size_of::<*mut Package>();

/// The references that the handlers of a service hold: package and how often.
#[derive(Default)]
pub struct Held(FxHashMap<*mut Package, usize>);

impl Held {
    fn add(&mut self, package: *mut Package) {
        *self.0.entry(package).or_default() += 1;
    }

    /// Forgets one reference; false if there is none.
    fn remove(&mut self, package: *mut Package) -> bool {
        let Some(times) = self.0.get_mut(&package) else {
            return false;
        };
        *times -= 1;
        if *times == 0 {
            self.0.remove(&package);
        }
        true
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        for (&package, &times) in &self.0 {
            for _ in 0..times {
                // SAFETY: `unpack` has put the reference here, and `close` has not taken it out.
                let _ = unsafe { Package::release(package) };
            }
        }
    }
}

/// A size that the format allows.
fn check_size(l: Lua, i: c_int) -> Result<(), Fault> {
    match l.int(i) {
        Some(n) if n as u32 as i64 != n => Err("Size should be 32bit integer".into()),
        _ => Ok(()),
    }
}

/// Pushes the cell of a new package. *raises* not: both values need no memory of Lua
fn push_cell(l: Lua, data: Payload) -> Outcome {
    let cell = block::alloc(CELL);
    // SAFETY: a new block of that size.
    unsafe {
        cell.cast::<*mut Package>()
            .write_unaligned(Package::new(data))
    };
    l.push_pointer(cell.cast());
    l.push_int(CELL as i64);
    results(2)
}

/// The package whose address the block or message at `i` holds.
fn cell_at(l: Lua, i: c_int) -> Result<(*const u8, *mut Package), Fault> {
    let cell: *const u8 = l.userdata(i).cast_const().cast();
    if l.kind(i) != Type::LightUserdata || cell.is_null() {
        return Err(Fault::Argument(i, "multicast package expected".into()));
    }
    // SAFETY: the pointer is a cell, or a message of the size of one; that is the contract of this interface.
    let package = unsafe { cell.cast::<*mut Package>().read_unaligned() };
    Ok((cell, package))
}

/// The package in the cell at 1; the cell is freed.
fn take_cell(l: Lua) -> Result<*mut Package, Fault> {
    let (cell, package) = cell_at(l, 1)?;
    // SAFETY: cells are blocks of the message allocator, used once.
    unsafe { block::free(cell.cast_mut()) };
    Ok(package)
}

/// Is this the message being dispatched, and does it give its reference back by itself?
fn owned_by_message(svc: &Svc, at: *const u8) -> bool {
    svc.current()
        .is_some_and(|m| m.shared && std::ptr::eq(m.data, at))
}

/// Calls `f` with each subscriber in the keys of the table at `t`.
fn each_subscriber(l: Lua, t: c_int, mut f: impl FnMut(Handle) -> Result<(), SendError>) {
    l.push_nil();
    while l.next(t) {
        l.pop(1);
        let handle = l.int(-1).and_then(|n| u32::try_from(n).ok());
        if let Some(handle) = handle
            && f(Handle(handle)) == Err(SendError::NoService)
        {
            // Gone without a word. Setting what is there to nil is allowed while walking, and takes no memory.
            l.push_value(-1);
            l.push_nil();
            l.raw_set(t);
        }
    }
}

native! {
    open = |l| {
        push_functions(l, FUNCTIONS);
        results(1)
    };

    /// `pack(ptr, sz)` to a cell and its size; takes the block over.
    pack = |l| {
        check_size(l, 2)?;
        let data = payload_argument(l, 1)?;
        push_cell(l, data)
    };

    /// The same with a copy.
    packremote = |l| {
        check_size(l, 2)?;
        let data = match l.kind(1) {
            Type::LightUserdata => {
                let at: *const u8 = l.userdata(1).cast_const().cast();
                let len = l.int(2).unwrap_or(0) as usize;
                if at.is_null() || len == 0 {
                    Payload::EMPTY
                } else {
                    // SAFETY: pointer and size of a message, as everywhere in this interface.
                    Payload::from_slice(unsafe { std::slice::from_raw_parts(at, len) })
                }
            }
            _ => payload_argument(l, 1)?,
        };
        push_cell(l, data)
    };

    /// `unpack(cell or message, sz)` to package, data, size.
    unpack = |l| {
        let size = l.int(2).unwrap_or(0);
        if size != CELL as i64 {
            return Err(Fault::from(format!("Invalid multicast package size {size}")));
        }
        let (at, package) = cell_at(l, 1)?;
        // SAFETY: whoever has the cell or the message has the package.
        let shared = unsafe { &*package };
        if let Ok(svc) = service(l)
            && owned_by_message(svc, at)
        {
            shared.retain();
            svc.own_part(|held: &mut Held| held.add(package));
        }
        let data = shared.bytes();
        l.push_pointer(package.cast());
        l.push_pointer(data.as_ptr().cast_mut().cast());
        l.push_int(data.len() as i64);
        results(3)
    };

    /// `values(message, sz)`: the packed values of a message, which is not of use afterwards
    values = |l| {
        let svc = service(l)?;
        if l.int(2) != Some(CELL as i64) {
            return Err(Fault::from(format!("Invalid multicast package size {}", l.int(2).unwrap_or(0))));
        }
        let (at, package) = cell_at(l, 1)?;
        let owned = owned_by_message(svc, at);
        l.set_top(0);
        // SAFETY: the message has a reference and is being dispatched, or the reference is ours.
        let n = seri::unpack(l, unsafe { &*package }.bytes())?;
        if !owned {
            // SAFETY: as above.
            let _ = unsafe { Package::release(package) };
        }
        results(n)
    };

    /// `bind(cell, n)` to package: from now on it has n references; the cell is gone.
    bind = |l| {
        let refs = match l.int(2) {
            Some(n) => i32::try_from(n).map_err(|_| Fault::Argument(2, "number of references expected".into()))?,
            None => return Err(l.expected(2, "number")),
        };
        let (_, package) = cell_at(l, 1)?;
        // SAFETY: whoever has the cell has the package.
        if !unsafe { &*package }.bind(refs) {
            return Err("Can't bind a multicast package more than once".into());
        }
        take_cell(l)?;
        l.push_pointer(package.cast());
        results(1)
    };

    /// `close(package)`: gives a reference back.
    close = |l| {
        let package: *mut Package = l.userdata(1).cast();
        if l.kind(1) != Type::LightUserdata || package.is_null() {
            return Err(Fault::Argument(1, "multicast package expected".into()));
        }
        if let Ok(svc) = service(l) {
            svc.own_part(|held: &mut Held| held.remove(package));
        }
        // SAFETY: the caller has a reference, noted in the service or got by `bind`; that is the contract of this
        // interface.
        match unsafe { Package::release(package) } {
            Ok(()) => results(0),
            Err(refs) => Err(Fault::from(format!("Invalid multicast package reference {refs}"))),
        }
    };

    /// `remote(cell)` to data, size: the bytes as a block of the caller's; package and cell are gone.
    remote = |l| {
        let package = take_cell(l)?;
        // SAFETY: a package that is in its cell is not bound.
        let (data, len) = unsafe { Package::into_payload(package) }.into_raw();
        l.push_pointer(data.cast());
        l.push_int(len as i64);
        results(2)
    };

    /// `nextid(id)`: the next channel of the same owner.
    nextid = |l| {
        let id = l.int(1).ok_or(Fault::Argument(1, "number expected".into()))?;
        l.push_int((id + 256) & 0x7fff_ffff);
        results(1)
    };

    /// `deliver(cell, source, channel, group)`: to every service in the keys of `group`. Those that are gone are
    /// removed from it. The cell is gone, too.
    deliver = |l| {
        let svc = service(l)?;
        let source = Handle(l.int(2).unwrap_or(0) as u32);
        let channel = l.int(3).unwrap_or(0) as i32;
        if l.kind(4) != Type::Table {
            return Err(l.expected(4, "table"));
        }
        if !l.check_stack(4) {
            return Err("stack overflow".into());
        }
        l.set_top(4);
        let package = take_cell(l)?;
        // One reference of our own while it is being delivered, since subscribers on other workers are quick.
        // SAFETY: nobody but us knows the package before it is sent.
        unsafe { &*package }.bind(1);
        each_subscriber(l, 4, |to| {
            // SAFETY: we have a reference, and this is one more, which the message owns.
            let payload = unsafe {
                (*package).retain();
                Payload::shared(package)
            };
            svc.cx.node().send(source, to, kind::MULTICAST, channel, payload)
        });
        // SAFETY: our own reference.
        let _ = unsafe { Package::release(package) };
        results(0)
    };
}

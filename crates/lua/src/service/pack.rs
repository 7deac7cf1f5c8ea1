//! `pack`, `packstring`, `unpack`, `tostring`, `trash`: messages as Lua code handles them, as pointer and size.

use skynet_kernel::Payload;
use skynet_wire::seri::holds_pointer;

use super::{Incoming, Svc, service};
use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::{Fault, native, results};
use skynet_vm::seri;

/// Is this the native `skynet.pack`?
pub(crate) fn is_pack(f: mlua_sys::lua55::lua_CFunction) -> bool {
    f as usize == pack as *const () as usize
}

/// Is this the native `skynet.unpack`?
pub(crate) fn is_unpack(f: mlua_sys::lua55::lua_CFunction) -> bool {
    f as usize == unpack as *const () as usize
}

/// Is this the native `skynet.packstring`?
pub(crate) fn is_packstring(f: mlua_sys::lua55::lua_CFunction) -> bool {
    f as usize == packstring as *const () as usize
}

/// A message of another node that is about to be unpacked must hold no light userdata. The types whose content is
/// known to be packed are looked at before they get here; this is for those of applications.
pub(crate) fn check_foreign(svc: &Svc, m: &Incoming) -> Result<(), Fault> {
    if svc.cx.node().is_remote(m.source) && holds_pointer(m.bytes()) {
        return Err(
            "the message of another node holds a light userdata, which has no meaning here".into(),
        );
    }
    Ok(())
}

/// The message given by the arguments at `i` (string, or pointer and size). Takes ownership of a pointer.
pub fn payload_argument(l: Lua, i: i32) -> Result<Payload, Fault> {
    match l.kind(i) {
        Type::String => Ok(Payload::from_slice(l.bytes(i).unwrap_or(b""))),
        Type::LightUserdata => {
            let data: *mut u8 = l.userdata(i).cast();
            let len = size_argument(l, i + 1)?;
            if data.is_null() {
                return Ok(Payload::EMPTY);
            }
            if is_current(l, data) {
                // The message being dispatched belongs to the dispatcher: the new one is a copy.
                // SAFETY: the caller vouches for the size, as everywhere in this interface.
                return Ok(Payload::from_slice(unsafe {
                    std::slice::from_raw_parts(data, len)
                }));
            }
            // SAFETY: a pointer that is passed as a message is a block of the message allocator that the caller owns;
            // that is the contract of this interface.
            Ok(unsafe { Payload::from_raw(data, len) })
        }
        _ => Err(Fault::from(format!("invalid param {}", l.type_name(i)))),
    }
}

/// Is this the payload of the message that is being dispatched, and not the handler's own?
fn is_current(l: Lua, data: *const u8) -> bool {
    Svc::of(l)
        .and_then(Svc::current)
        .is_some_and(|m| std::ptr::eq(m.data, data) && !m.owned.get())
}

fn size_argument(l: Lua, i: i32) -> Result<usize, Fault> {
    match l.int(i) {
        Some(n) if (0..=i32::MAX as i64).contains(&n) => Ok(n as usize),
        Some(n) => Err(Fault::Argument(i, format!("invalid size {n}").into())),
        None if l.kind(i) == Type::Number => Err(Fault::Argument(
            i,
            "number has no integer representation".into(),
        )),
        None => Err(l.expected(i, "number")),
    }
}

/// The bytes given by a string, or by pointer and size, at `i`. They stay the caller's.
pub fn message_bytes<'a>(l: Lua, i: i32) -> Result<&'a [u8], Fault> {
    match l.kind(i) {
        Type::String => Ok(l.known_bytes(i)),
        Type::LightUserdata | Type::Userdata => {
            let data: *const u8 = l.userdata(i).cast_const().cast();
            match size_argument(l, i + 1)? {
                0 => Ok(b""),
                _ if data.is_null() => Err(Fault::Argument(i, "null pointer".into())),
                // SAFETY: as everywhere in this interface, the caller vouches for pointer and size.
                len => Ok(unsafe { std::slice::from_raw_parts(data, len) }),
            }
        }
        _ => Err(l.expected(i, "string")),
    }
}

native! {
    /// `pack(...)` to light userdata and size; the block is the caller's.
    hot pack = |l| {
        let (data, len) = seri::pack_with(l, 1, l.top(), seri::Packed::to_block)?;
        l.push_pointer(data.cast());
        l.push_int(len as i64);
        results(2)
    };

    packstring = |l| {
        seri::pack_string(l, 1, l.top())?;
        results(1)
    };

    /// `unpack(string)` or `unpack(pointer, size)`.
    unpack = |l| {
        let bytes: &[u8] = match l.kind(1) {
            Type::None | Type::Nil => return results(0),
            Type::String => l.bytes(1).unwrap_or(b""),
            Type::LightUserdata | Type::Userdata => {
                let data: *const u8 = l.userdata(1).cast();
                let len = size_argument(l, 2)?;
                if len == 0 {
                    return results(0);
                }
                if data.is_null() {
                    return Err("deserialize null pointer".into());
                }
                // SAFETY: pointer and size come from `pack` or from the dispatcher; that is this interface's contract.
                let bytes = unsafe { std::slice::from_raw_parts(data, len) };
                if let Ok(svc) = service(l)
                    && let Some(m) = svc.current().filter(|m| m.data == data)
                {
                    check_foreign(svc, m)?;
                }
                bytes
            }
            _ => {
                if size_argument(l, 2)? == 0 {
                    return results(0);
                }
                return Err("deserialize null pointer".into());
            }
        };
        l.set_top(2);
        let n = seri::unpack(l, bytes)?;
        results(n)
    };

    /// `tostring(pointer, size)`: a copy as a Lua string.
    tostring = |l| {
        match l.kind(1) {
            Type::None | Type::Nil => results(0),
            Type::String => {
                l.set_top(1);
                results(1)
            }
            _ => {
                let data: *const u8 = l.userdata(1).cast();
                if data.is_null() {
                    return results(0);
                }
                let len = size_argument(l, 2)?;
                // SAFETY: as in `unpack`.
                l.push_bytes(unsafe { std::slice::from_raw_parts(data, len) });
                results(1)
            }
        }
    };

    /// `trash(pointer, size)`: frees a message that nobody wants.
    trash = |l| {
        match l.kind(1) {
            Type::String => results(0),
            Type::LightUserdata => {
                size_argument(l, 2)?;
                drop(payload_argument(l, 1)?);
                results(0)
            }
            _ => Err(Fault::from(format!("skynet.trash invalid param {}", l.type_name(1)))),
        }
    };
}

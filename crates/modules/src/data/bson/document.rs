//! Documents as userdata: the memory of one is the bytes of the document.
//!
//! After `makeindex`, fields of a fixed size can be written over in place. The index is a Lua table, the userdata's
//! first user value, from a key to the kind and the place of its value.

use std::ffi::{CStr, c_int};

use mlua_sys::lua55::{self as ffi, lua_CFunction};
use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::{Fault, native, push_functions, results};
use skynet_wire::bson::{EMPTY, Reader, kind};

use super::special;

/// The name of the metatable.
const DOCUMENT: &CStr = c"bson";

const METHODS: &[(&str, lua_CFunction)] = &[("decode", super::decode), ("makeindex", makeindex)];

/// Bits of an index entry that hold the kind; the others hold the place.
const KIND_BITS: u32 = 8;

/// Pushes a document. *raises*
pub(super) fn push(l: Lua, bytes: &[u8]) {
    let data: *mut u8 = l.new_userdata(bytes.len(), 1).cast();
    // SAFETY: the new block has room for the bytes, and nothing else refers to it.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), data, bytes.len()) };
    // SAFETY: a plain call of the auxiliary library.
    if unsafe { ffi::luaL_newmetatable(l.0, DOCUMENT.as_ptr()) } != 0 {
        push_functions(l, METHODS);
        l.set_field(-2, c"__index");
        let others: [(&CStr, lua_CFunction); 3] = [
            (c"__len", length),
            (c"__newindex", replace),
            (c"__tostring", text),
        ];
        for (name, function) in others {
            l.push_function(function);
            l.set_field(-2, name);
        }
    }
    l.set_metatable(-2);
}

/// The bytes of the document at `i`: of a userdata, or behind a pointer, whose first four bytes say how many they are.
pub(crate) fn bytes<'a>(l: Lua, i: c_int) -> Option<&'a [u8]> {
    let data: *const u8 = match l.kind(i) {
        Type::Userdata | Type::LightUserdata => l.userdata(i).cast(),
        _ => return None,
    };
    if data.is_null() {
        return None;
    }
    let block = (l.kind(i) == Type::Userdata).then(|| l.raw_len(i));
    if block.is_some_and(|size| size < EMPTY) {
        return None;
    }
    // SAFETY: a document, by the contract of this module's functions, has its length in front; a userdata has at least
    // 5 bytes.
    let length = i32::from_le_bytes(unsafe { data.cast::<[u8; 4]>().read_unaligned() });
    // What is shorter than an empty document is refused by the reader, which sees the four bytes only.
    let length = usize::try_from(length).unwrap_or(0).max(4);
    let length = block.map_or(length, |size| length.min(size));
    // SAFETY: as above. It stays while the value is on the stack, and native functions do not keep it.
    Some(unsafe { std::slice::from_raw_parts(data, length) })
}

/// The document at 1, and its bytes. *raises*
fn own<'a>(l: Lua) -> Result<&'a [u8], Fault> {
    // SAFETY: a plain call of the auxiliary library.
    if unsafe { ffi::luaL_testudata(l.0, 1, DOCUMENT.as_ptr()) }.is_null() {
        return Err(Fault::Argument(
            1,
            format!("bson expected, got {}", l.type_name(1)).into(),
        ));
    }
    bytes(l, 1).ok_or_else(|| Fault::from("Invalid bson document"))
}

/// Writes over `value` at `place` of the document at 1.
fn write(l: Lua, document: &[u8], place: usize, value: &[u8]) {
    let data: *mut u8 = l.userdata(1).cast();
    assert!(
        place + value.len() <= document.len(),
        "an index of another document"
    );
    // SAFETY: inside the userdata's block, as was just checked; `document` is not read afterwards.
    unsafe { std::ptr::copy_nonoverlapping(value.as_ptr(), data.add(place), value.len()) };
}

native! {
    /// `#document`: its size in bytes
    length = |l| {
        l.push_int(own(l)?.len() as i64);
        results(1)
    };

    /// `tostring(document)`: its bytes
    text = |l| {
        l.push_bytes(own(l)?);
        results(1)
    };

    /// `document:makeindex()`: itself, whose fields of a fixed size can be assigned to from now on
    makeindex = |l| {
        let document = own(l)?;
        l.set_top(1);
        l.new_table(0, 0);
        let mut elements = Reader::new(document).map_err(|error| Fault::from(error.to_string()))?;
        while let Some(element) = elements.next().map_err(|error| Fault::from(error.to_string()))? {
            if !replaceable(element.kind) {
                continue;
            }
            let place = element.value.as_ptr() as usize - document.as_ptr() as usize;
            l.push_bytes(element.key);
            l.push_int((place as i64) << KIND_BITS | i64::from(element.kind));
            l.raw_set(-3);
        }
        // SAFETY: the userdata at 1 was made with one user value.
        unsafe { ffi::lua_setiuservalue(l.0, 1, 1) };
        results(1)
    };

    /// `document.key = value`
    replace = |l| {
        let document = own(l)?;
        l.set_top(3);
        // SAFETY: the userdata at 1 was made with one user value.
        if unsafe { ffi::lua_getiuservalue(l.0, 1, 1) } != ffi::LUA_TTABLE {
            return Err("call makeindex first".into());
        }
        l.push_value(2);
        l.raw_get(4);
        let Some(entry) = l.int(-1) else {
            let key = String::from_utf8_lossy(l.to_display(2)).into_owned();
            return Err(Fault::from(format!("Can't replace key : {key}")));
        };
        let (kind, place) = (entry as u8, (entry >> KIND_BITS) as usize);
        match kind {
            kind::DOUBLE => {
                let n = l.float(3).ok_or_else(|| number_expected(l))?;
                write(l, document, place, &n.to_le_bytes());
            }
            kind::BOOLEAN => write(l, document, place, &[u8::from(l.bool(3))]),
            kind::INT32 => {
                let n = l.int(3).ok_or_else(|| number_expected(l))?;
                let n = i32::try_from(n).map_err(|_| format!("{} must be a 32bit integer ", n as i32))?;
                write(l, document, place, &n.to_le_bytes());
            }
            kind::INT64 => {
                let n = l.int(3).ok_or_else(|| number_expected(l))?;
                write(l, document, place, &n.to_le_bytes());
            }
            _ => {
                let content = l.bytes(3).and_then(special::split).filter(|(given, _)| *given == kind);
                let content = content.ok_or_else(|| format!("Type mismatch, need bson type {kind}"))?.1;
                match kind {
                    kind::DATE => {
                        let seconds = u32::from_le_bytes(special::sized(content, "Invalid date")?);
                        write(l, document, place, &(i64::from(seconds) * 1000).to_le_bytes());
                    }
                    kind::TIMESTAMP => {
                        write(l, document, place, &special::sized::<8>(content, "Invalid timestamp")?);
                    }
                    _ => write(l, document, place, &special::sized::<12>(content, "Invalid object id")?),
                }
            }
        }
        results(0)
    };
}

fn number_expected(l: Lua) -> Fault {
    match l.float(3) {
        Some(n) => Fault::from(format!("{n} must be a 64bit integer ")),
        None => Fault::Argument(3, format!("number expected, got {}", l.type_name(3)).into()),
    }
}

/// Can a value of this kind be written over in place?
fn replaceable(kind: u8) -> bool {
    matches!(
        kind,
        kind::DOUBLE
            | kind::BOOLEAN
            | kind::OBJECT_ID
            | kind::DATE
            | kind::TIMESTAMP
            | kind::INT32
            | kind::INT64
    )
}

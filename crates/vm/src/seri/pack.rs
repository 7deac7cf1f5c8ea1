//! Packing: values of the Lua stack to bytes.
//!
//! Goes into a buffer of the thread and copies once into the message; long strings are copied straight from Lua's
//! memory (`Piece`). Tables are read where they are (`vm::layout`), in the order in which `next` goes through them.
//! Nothing on that way raises: metamethods run in protected calls. Errors come back as values, so the buffer is never
//! lost to a jump.
//!
//! Once Lua code has run, any table may have been changed under the packer. So tables that are being packed are also on
//! the Lua stack, and their parts are looked up anew for each value.

use std::cell::{Cell, UnsafeCell};
use std::ffi::c_int;

use mlua_sys::lua55 as ffi;

use skynet_kernel::{Payload, block};
use skynet_wire::seri::{Error, MAX_DEPTH, Writer};

use super::{lua_tableborder, lua_tableelement};
use crate::layout::{Parts, Place, Str, Table, Value, tag};
use crate::lua::{Lua, Type};
use crate::native::{Fault, native, results};

/// A buffer that grew beyond this is given back after use.
const KEEP_BUFFER: usize = 1 << 20;

/// Stack slots that packing one table needs.
const STACK_OF_A_TABLE: usize = 12;
/// Strings from this length on are not copied into the buffer.
const LONG: usize = 16 << 10;

/// A long string that belongs at an offset of the buffer.
struct Piece {
    /// Bytes of the buffer that come before it.
    at: usize,
    data: *const u8,
    len: usize,
}

/// Packed values: the buffer, and the long strings to be spliced into it.
#[derive(Default)]
pub struct Packed {
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
}

impl Packed {
    /// Bytes of the whole.
    pub fn size(&self) -> usize {
        self.bytes.len() + self.pieces.iter().map(|p| p.len).sum::<usize>()
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.pieces.clear();
    }

    /// Writes the whole to `to`.
    ///
    /// # Safety
    /// There is room for `size()` bytes, and the strings are still reachable for Lua.
    pub unsafe fn copy_to(&self, to: *mut u8) {
        let (mut from, mut to) = (0, to);
        for p in &self.pieces {
            // SAFETY: the offsets ascend and lie in the buffer; the strings are alive, as promised.
            unsafe {
                let plain = &self.bytes[from..p.at];
                std::ptr::copy_nonoverlapping(plain.as_ptr(), to, plain.len());
                std::ptr::copy_nonoverlapping(p.data, to.add(plain.len()), p.len);
                to = to.add(plain.len() + p.len);
            }
            from = p.at;
        }
        let plain = &self.bytes[from..];
        // SAFETY: as above.
        unsafe { std::ptr::copy_nonoverlapping(plain.as_ptr(), to, plain.len()) };
    }

    /// A block of the message allocator with the whole.
    pub fn to_block(&self) -> (*mut u8, usize) {
        let len = self.size();
        // As all payloads, with a byte to spare.
        let data = block::alloc(len + 1);
        // SAFETY: the block has room; the arguments of `pack_with` hold the strings.
        unsafe { self.copy_to(data) };
        (data, len)
    }

    fn to_vec(&self) -> Vec<u8> {
        let mut whole = Vec::with_capacity(self.size());
        // SAFETY: the vector has room for all of it, and the strings are still reachable.
        unsafe {
            self.copy_to(whole.as_mut_ptr());
            whole.set_len(self.size());
        }
        whole
    }

    fn to_payload(&self) -> Payload {
        if self.pieces.is_empty() {
            return Payload::from_slice(&self.bytes);
        }
        let (data, len) = self.to_block();
        // SAFETY: a new block that nobody else owns.
        unsafe { Payload::from_raw(data, len) }
    }

    /// Copies the strings into the buffer, before Lua code runs that might let go of them.
    fn settle(&mut self) {
        if self.pieces.is_empty() {
            return;
        }
        let mut whole = Vec::with_capacity(self.size() + 64);
        // SAFETY: the vector has room for all of it, and the strings are still reachable.
        unsafe {
            self.copy_to(whole.as_mut_ptr());
            whole.set_len(self.size());
        }
        self.bytes = whole;
        self.pieces.clear();
    }
}

/// The buffer of a thread.
struct Buffer {
    /// Somebody packs into it: a metamethod that runs meanwhile, and packs, has to take another one.
    used: Cell<bool>,
    packed: UnsafeCell<Packed>,
}

thread_local! {
    static BUFFER: Buffer = const {
        Buffer {
            used: Cell::new(false),
            packed: UnsafeCell::new(Packed { bytes: Vec::new(), pieces: Vec::new() }),
        }
    };
}

/// Why packing stopped.
enum Stop {
    Format(Error),
    /// A metamethod failed; its error object is on top of the stack.
    Raised,
    /// A metamethod has rearranged a table that encloses its own.
    Changed,
    Stack,
}

impl From<Error> for Stop {
    fn from(e: Error) -> Stop {
        Stop::Format(e)
    }
}

fn fault(stop: Stop) -> Fault {
    match stop {
        Stop::Format(e) => Fault::from(e.to_string()),
        Stop::Raised => Fault::Raised,
        Stop::Changed => Fault::Plain("invalid key to 'next'".into()),
        Stop::Stack => Fault::from("stack overflow (too many values to pack)"),
    }
}

/// Packs the values `first..=last` and passes them to `use_packed`, which must not call Lua.
#[inline(always)]
pub fn pack_with<R>(
    l: Lua,
    first: c_int,
    last: c_int,
    use_packed: impl FnOnce(&Packed) -> R,
) -> Result<R, Fault> {
    BUFFER.with(|buffer| {
        if buffer.used.replace(true) {
            let mut packed = Packed::default();
            fill(l, first, last, &mut packed)?;
            return Ok(use_packed(&packed));
        }
        // SAFETY: nobody else refers to it, since it was not used.
        let packed = unsafe { &mut *buffer.packed.get() };
        packed.clear();
        let result = match fill(l, first, last, packed) {
            Ok(()) => Ok(use_packed(packed)),
            Err(fault) => Err(fault),
        };
        if packed.bytes.capacity() > KEEP_BUFFER {
            packed.bytes = Vec::new();
        }
        buffer.used.set(false);
        result
    })
}

fn fill(l: Lua, first: c_int, last: c_int, packed: &mut Packed) -> Result<(), Fault> {
    for i in first..=last {
        if let Err(stop) = pack_value(l, l.value(i as usize), 0, packed) {
            return Err(fault(stop));
        }
    }
    Ok(())
}

/// Packs the values `first..=last` into a message.
pub fn pack(l: Lua, first: c_int, last: c_int) -> Result<Payload, Fault> {
    pack_with(l, first, last, Packed::to_payload)
}

/// Packs the values `first..=last` into a Lua string on top of the stack. *raises*
pub fn pack_string(l: Lua, first: c_int, last: c_int) -> Result<(), Fault> {
    l.push_owned(pack_with(l, first, last, Packed::to_vec)?);
    Ok(())
}

fn pack_value(l: Lua, v: Value, depth: usize, to: &mut Packed) -> Result<(), Stop> {
    if depth > MAX_DEPTH {
        return Err(Error::TooDeep.into());
    }
    let mut w = Writer::new(&mut to.bytes);
    // SAFETY: the tag tells which content is there; strings are alive, as whatever they were found in is.
    unsafe {
        match v.tag {
            tag::SHORT_STRING | tag::FOREIGN_STRING => w.bytes(Str::short(v.content.string))?,
            tag::INT => w.int(v.content.int),
            tag::FLOAT => w.float(v.content.float),
            tag::FALSE => w.bool(false),
            tag::TRUE => w.bool(true),
            tag::TABLE | tag::SHARED_TABLE => return pack_table(l, v, depth + 1, to),
            tag::LONG_STRING => {
                let s = Str::long(v.content.string);
                if s.len() < LONG {
                    w.bytes(s)?;
                } else {
                    w.long_header(s.len())?;
                    to.pieces.push(Piece {
                        at: to.bytes.len(),
                        data: s.as_ptr(),
                        len: s.len(),
                    });
                }
            }
            tag::LIGHT_USERDATA => w.pointer(v.content.pointer as u64),
            _ => return pack_rare(v.tag, &mut w),
        }
    }
    Ok(())
}

/// Nil, and what can't be packed.
#[cold]
fn pack_rare(tag: u8, w: &mut Writer<'_>) -> Result<(), Stop> {
    let kind = match tag::kind(tag) {
        ffi::LUA_TNIL => {
            w.nil();
            return Ok(());
        }
        ffi::LUA_TFUNCTION => "function",
        ffi::LUA_TTHREAD => "thread",
        _ => "userdata",
    };
    Err(Error::Unsupported(kind).into())
}

fn pack_table(l: Lua, v: Value, depth: usize, to: &mut Packed) -> Result<(), Stop> {
    if !l.has_room(STACK_OF_A_TABLE) && !l.check_stack(2 * STACK_OF_A_TABLE as c_int) {
        return Err(Stop::Stack);
    }
    l.push(v);
    // SAFETY: a table, by its tag; alive, being on the stack.
    let (t, parts) = unsafe { (v.content.table, Parts::of(v.content.table)) };
    let done = if parts.has_metatable() {
        pack_with_metatable(l, t, depth, to)
    } else {
        pack_content(l, t, depth, to)
    };
    if done.is_ok() {
        l.drop_top(1);
    }
    done
}

/// A table that is on the stack, as it is.
fn pack_content(l: Lua, t: *const Table, depth: usize, to: &mut Packed) -> Result<(), Stop> {
    // SAFETY: the table is alive, being on the stack; Lua is given its own.
    let (len, parts) = unsafe { (lua_tableborder(l.0, t) as usize, Parts::of(t)) };
    Writer::new(&mut to.bytes).begin_table(len);
    for i in 0..len {
        let v = parts.element(i).unwrap_or_else(|| {
            let mut v = Value::NIL;
            // SAFETY: as above; the index is not in the array.
            unsafe { lua_tableelement(t, i as i64 + 1, &mut v) };
            v
        });
        pack_value(l, v, depth, to)?;
    }
    let mut i = len;
    while let Some(v) = parts.element(i) {
        i += 1;
        if !tag::is_empty(v.tag) {
            Writer::new(&mut to.bytes).int(i as i64);
            pack_value(l, v, depth, to)?;
        }
    }
    let places = parts.places();
    let mut i = 0;
    loop {
        let (k, v) = match parts.place(i) {
            Place::Pair(k, v) => (k, v),
            Place::Free => {
                i += 1;
                continue;
            }
            Place::Beyond => break,
        };
        i += 1;
        // SAFETY: the tag says that it is an integer.
        if k.tag == tag::INT && (unsafe { k.content.int } as u64).wrapping_sub(1) < len as u64 {
            continue;
        }
        if tag::kind(k.tag) == ffi::LUA_TTABLE {
            // Lua code that runs for the key must not do away with the value.
            l.push(v);
            pack_value(l, k, depth, to)?;
            l.drop_top(1);
        } else {
            pack_value(l, k, depth, to)?;
        }
        pack_value(l, v, depth, to)?;
        if parts.places() != places {
            return Err(Stop::Changed);
        }
    }
    Writer::new(&mut to.bytes).end_table();
    Ok(())
}

/// A table on top of the stack, by its `__pairs` if it has one.
#[cold]
fn pack_with_metatable(l: Lua, t: *const Table, depth: usize, to: &mut Packed) -> Result<(), Stop> {
    // Making the key's string may raise, so the look-up is protected; it may also run finalizers.
    to.settle();
    let at = l.top();
    l.push_function(get_pairs);
    l.push_value(at);
    if l.pcall(1, 1, 0) != 0 {
        return Err(Stop::Raised);
    }
    if l.kind(-1) != Type::Nil {
        return pack_pairs(l, at, depth, to);
    }
    l.pop(1);
    pack_content(l, t, depth, to)
}

native! {
    get_pairs = |l| {
        if !l.get_metafield(1, c"__pairs") {
            l.push_nil();
        }
        results(1)
    };
}

/// The `__pairs` metamethod is on top.
fn pack_pairs(l: Lua, t: c_int, depth: usize, to: &mut Packed) -> Result<(), Stop> {
    let protected = |args, results| match l.pcall(args, results, 0) {
        0 => Ok(()),
        _ => Err(Stop::Raised),
    };
    Writer::new(&mut to.bytes).begin_pairs_table();
    l.push_value(t);
    protected(1, 3)?;
    // iterator, state, control
    loop {
        for _ in 0..3 {
            l.push_value(-3);
        }
        protected(2, 2)?;
        // iterator, state, control, key, value
        if l.kind(-2) == Type::Nil {
            l.pop(5);
            break;
        }
        pack_value(l, l.value_from_top(2), depth, to)?;
        pack_value(l, l.value_from_top(1), depth, to)?;
        to.settle();
        l.pop(1);
        l.replace(-2);
    }
    Writer::new(&mut to.bytes).end_table();
    Ok(())
}

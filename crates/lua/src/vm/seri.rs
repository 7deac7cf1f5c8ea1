//! `skynet.pack` and `skynet.unpack`: the pack format, straight from and onto the Lua stack.
//!
//! Packing writes into a buffer of the thread and copies once into the message; long strings are copied straight from Lua's
//! memory (`Piece`). Nothing on that way raises: metamethods run in protected calls, and so does `next` once Lua code has run that
//! may have changed the table under it. Errors come back as values, so the buffer is never lost to a jump.
//!
//! Unpacking does raise (making strings and tables takes memory), but owns nothing. The format does not say how many
//! pairs a table has; so the values of a small table are first collected on the stack, and the table is then made in its
//! final size.

use std::cell::Cell;
use std::ffi::{c_int, c_void};

use skynet_kernel::{Payload, block};
use skynet_wire::seri::{Error, MAX_DEPTH, Reader, Token, Writer};

use super::lua::{Lua, Number, Type};
use super::native::Fault;

/// Array elements and pairs that are collected on the stack before their table is made.
const SMALL: usize = 16;
/// Nesting that `unpack` follows. Packing never goes beyond 33; the bound keeps hostile bytes off the machine stack.
const MAX_UNPACK_DEPTH: usize = 1000;
/// A buffer that grew beyond this is given back after use.
const KEEP_BUFFER: usize = 1 << 20;

/// Stack slots that packing one table needs.
const STACK_OF_A_TABLE: c_int = 8;
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
pub(crate) struct Packed {
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
    /// Lua code has run since packing began: tables may have changed.
    ran_lua: bool,
}

impl Packed {
    /// Length of the whole.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() + self.pieces.iter().map(|p| p.len).sum::<usize>()
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.pieces.clear();
        self.ran_lua = false;
    }

    /// Writes the whole to `to`.
    ///
    /// # Safety
    /// There is room for `len()` bytes, and the strings are still reachable for Lua.
    pub(crate) unsafe fn copy_to(&self, to: *mut u8) {
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
    pub(crate) fn to_block(&self) -> (*mut u8, usize) {
        let len = self.len();
        let data = block::alloc(len.max(1));
        // SAFETY: the block has room; the arguments of `pack_with` hold the strings.
        unsafe { self.copy_to(data) };
        (data, len)
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
        let mut whole = Vec::with_capacity(self.len() + 64);
        // SAFETY: the vector has room for all of it, and the strings are still reachable.
        unsafe {
            self.copy_to(whole.as_mut_ptr());
            whole.set_len(self.len());
        }
        self.bytes = whole;
        self.pieces.clear();
    }
}

thread_local! {
    static BUFFER: Cell<Packed> =
        const { Cell::new(Packed { bytes: Vec::new(), pieces: Vec::new(), ran_lua: false }) };
}

/// Why packing stopped.
enum Stop {
    Format(Error),
    /// A metamethod failed; its error object is on top of the stack.
    Raised,
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
        Stop::Stack => Fault::from("stack overflow (too many values to pack)"),
    }
}

/// Packs the values `first..=last` and passes them to `use_packed`, which must not call Lua.
pub(crate) fn pack_with<R>(
    l: Lua,
    first: c_int,
    last: c_int,
    use_packed: impl FnOnce(&Packed) -> R,
) -> Result<R, Fault> {
    let mut packed = BUFFER.take();
    packed.clear();
    let mut outcome = Ok(());
    for i in first..=last {
        outcome = pack_value(l, i, 0, &mut packed);
        if outcome.is_err() {
            break;
        }
    }
    let result = match outcome {
        Ok(()) => Ok(use_packed(&packed)),
        Err(stop) => Err(fault(stop)),
    };
    if packed.bytes.capacity() > KEEP_BUFFER {
        packed.bytes = Vec::new();
    }
    BUFFER.set(packed);
    result
}

/// Packs the values `first..=last` into a message.
pub(crate) fn pack(l: Lua, first: c_int, last: c_int) -> Result<Payload, Fault> {
    pack_with(l, first, last, Packed::to_payload)
}

/// Packs the values `first..=last` into a Lua string on top of the stack. *raises*
pub(crate) fn pack_string(l: Lua, first: c_int, last: c_int) -> Result<(), Fault> {
    // Short results go by way of the stack; others by a block that the string is made from.
    let mut short = [0u8; 512];
    let (data, len) = pack_with(l, first, last, |packed| {
        let len = packed.len();
        if len <= short.len() {
            // SAFETY: there is room for them.
            unsafe { packed.copy_to(short.as_mut_ptr()) };
            (std::ptr::null_mut(), len)
        } else {
            packed.to_block()
        }
    })?;
    if data.is_null() {
        l.push_bytes(&short[..len]);
        return Ok(());
    }
    l.push_function(make_string);
    l.push_pointer(data.cast());
    l.push_int(len as i64);
    let made = l.pcall(2, 1, 0) == 0;
    // SAFETY: the block was made above and has been copied into the string, or is not needed.
    unsafe { block::free(data) };
    if made { Ok(()) } else { Err(Fault::Raised) }
}

fn pack_value(l: Lua, i: c_int, depth: usize, to: &mut Packed) -> Result<(), Stop> {
    if depth > MAX_DEPTH {
        return Err(Error::TooDeep.into());
    }
    let mut w = Writer::new(&mut to.bytes);
    match l.kind(i) {
        Type::None | Type::Nil => w.nil(),
        Type::Boolean => w.bool(l.bool(i)),
        Type::Number => match l.known_number(i) {
            Number::Int(n) => w.int(n),
            Number::Float(n) => w.float(n),
        },
        Type::String => {
            let s = l.known_bytes(i);
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
        Type::LightUserdata => w.pointer(l.userdata(i) as u64),
        Type::Table => return pack_table(l, l.abs(i), depth + 1, to),
        Type::Function => return Err(Error::Unsupported("function").into()),
        Type::Userdata => return Err(Error::Unsupported("userdata").into()),
        Type::Thread => return Err(Error::Unsupported("thread").into()),
    }
    Ok(())
}

fn pack_table(l: Lua, t: c_int, depth: usize, to: &mut Packed) -> Result<(), Stop> {
    // Room for all levels at the first one.
    if depth == 1 && !l.check_stack(STACK_OF_A_TABLE * (MAX_DEPTH as c_int + 2)) {
        return Err(Stop::Stack);
    }
    if push_pairs_metamethod(l, t, to)? {
        return pack_pairs(l, t, depth, to);
    }
    let len = l.raw_len(t);
    Writer::new(&mut to.bytes).begin_table(len);
    for n in 1..=len {
        l.raw_geti(t, n as i64);
        pack_value(l, -1, depth, to)?;
        l.pop(1);
    }
    l.push_nil();
    while next(l, t, to)? {
        let in_array = len > 0
            && l.kind(-2) == Type::Number
            && matches!(l.known_number(-2), Number::Int(k) if (k as u64).wrapping_sub(1) < len as u64);
        if !in_array {
            pack_value(l, -2, depth, to)?;
            pack_value(l, -1, depth, to)?;
        }
        l.pop(1);
    }
    Writer::new(&mut to.bytes).end_table();
    Ok(())
}

/// `Lua::next`, which raises when the key has been taken out of the table meanwhile.
#[inline]
fn next(l: Lua, t: c_int, to: &Packed) -> Result<bool, Stop> {
    if to.ran_lua {
        return checked_next(l, t);
    }
    Ok(l.next(t))
}

#[cold]
fn checked_next(l: Lua, t: c_int) -> Result<bool, Stop> {
    l.push_function(next_pair);
    l.push_value(t);
    l.rotate(-3, -1);
    if l.pcall(2, 2, 0) != 0 {
        return Err(Stop::Raised);
    }
    let more = l.kind(-2) != Type::Nil;
    if !more {
        l.pop(2);
    }
    Ok(more)
}

/// Pushes the table's `__pairs`, if it has one.
fn push_pairs_metamethod(l: Lua, t: c_int, to: &mut Packed) -> Result<bool, Stop> {
    if !l.get_metatable(t) {
        return Ok(false);
    }
    l.pop(1);
    // Making the key's string may raise, so the look-up is protected; it may also run finalizers. Tables with
    // metatables are rare in messages.
    to.settle();
    to.ran_lua = true;
    l.push_function(get_pairs);
    l.push_value(t);
    if l.pcall(1, 1, 0) != 0 {
        return Err(Stop::Raised);
    }
    if l.kind(-1) == Type::Nil {
        l.pop(1);
        return Ok(false);
    }
    Ok(true)
}

super::native::native! {
    /// `make_string(pointer, size)`
    make_string = |l| {
        let (data, len) = (l.userdata(1), l.int(2).unwrap_or(0) as usize);
        // SAFETY: `pack_string` passes a live block.
        l.push_bytes(unsafe { std::slice::from_raw_parts(data.cast(), len) });
        super::native::results(1)
    };

    /// `next(table, key)`
    next_pair = |l| {
        if !l.next(1) {
            l.push_nil();
            l.push_nil();
        }
        super::native::results(2)
    };

    get_pairs = |l| {
        if !l.get_metafield(1, c"__pairs") {
            l.push_nil();
        }
        super::native::results(1)
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
        pack_value(l, -2, depth, to)?;
        pack_value(l, -1, depth, to)?;
        to.settle();
        l.pop(1);
        l.replace(-2);
    }
    Writer::new(&mut to.bytes).end_table();
    Ok(())
}

/// Pushes all values of a stream; returns how many. *raises*
pub(crate) fn unpack(l: Lua, bytes: &[u8]) -> Result<c_int, Fault> {
    let mut r = Reader::new(bytes);
    let mut n = 0;
    loop {
        match r.next() {
            Ok(Some(token)) => {
                if n % 8 == 7 && !l.check_stack(16) {
                    return Err(Fault::from("too many values to unpack"));
                }
                push_token(l, &mut r, token, 0)?;
                n += 1;
            }
            Ok(None) => return Ok(n),
            Err(e) => return Err(stream_fault(e)),
        }
    }
}

#[cold]
fn stream_fault(e: Error) -> Fault {
    Fault::from(e.to_string())
}

#[inline]
fn push_token(l: Lua, r: &mut Reader<'_>, token: Token<'_>, depth: usize) -> Result<(), Fault> {
    match token {
        Token::Nil => l.push_nil(),
        Token::Bool(b) => l.push_bool(b),
        Token::Int(n) => l.push_int(n),
        Token::Float(n) => l.push_float(n),
        Token::Pointer(p) => l.push_pointer(p as usize as *mut c_void),
        Token::Str(s) => l.push_bytes(s),
        Token::Table { array_len } => return push_table(l, r, array_len, depth + 1),
    }
    Ok(())
}

fn push_value(l: Lua, r: &mut Reader<'_>, depth: usize) -> Result<(), Fault> {
    let token = r.value().map_err(stream_fault)?;
    push_token(l, r, token, depth)
}

fn push_table(l: Lua, r: &mut Reader<'_>, array_len: usize, depth: usize) -> Result<(), Fault> {
    if depth > MAX_UNPACK_DEPTH || !l.check_stack(3 * SMALL as c_int + 8) {
        return Err(Fault::from("tables are nested too deeply to unpack"));
    }
    if array_len > SMALL {
        l.new_table(r.reserve(array_len), 0);
        let t = l.top();
        for n in 1..=array_len {
            push_value(l, r, depth)?;
            l.raw_seti(t, n as i64);
        }
        return push_pairs(l, r, t, depth);
    }
    l.push_nil();
    let t = l.top();
    for _ in 0..array_len {
        push_value(l, r, depth)?;
    }
    let mut pairs = 0;
    let complete = loop {
        let key = r.value().map_err(stream_fault)?;
        if key == Token::Nil {
            break true;
        }
        push_token(l, r, key, depth)?;
        push_value(l, r, depth)?;
        pairs += 1;
        if pairs == SMALL {
            break false;
        }
    };
    // A table that goes on beyond the collected pairs gets room for as many again; Lua doubles it from there.
    l.new_table(array_len, if complete { pairs } else { 2 * SMALL });
    l.replace(t);
    // The array first: a pair with one of its indices overrides it.
    for n in 1..=array_len as c_int {
        l.push_value(t + n);
        l.raw_seti(t, n as i64);
    }
    let first_pair = t + array_len as c_int + 1;
    for p in 0..pairs as c_int {
        l.push_value(first_pair + 2 * p);
        l.push_value(first_pair + 2 * p + 1);
        l.raw_set(t);
    }
    l.set_top(t);
    if complete {
        Ok(())
    } else {
        push_pairs(l, r, t, depth)
    }
}

/// Reads the pairs of the table at `t` up to its end.
fn push_pairs(l: Lua, r: &mut Reader<'_>, t: c_int, depth: usize) -> Result<(), Fault> {
    loop {
        let key = r.value().map_err(stream_fault)?;
        if key == Token::Nil {
            return Ok(());
        }
        push_token(l, r, key, depth)?;
        push_value(l, r, depth)?;
        l.raw_set(t);
    }
}

//! `skynet.db.redis.core`: commands to bytes, answers to values.

use std::ffi::CStr;

use mlua_sys::lua55::{self as ffi, lua_CFunction};
use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::{Fault, native, push_functions, results};
use skynet_wire::redis::{Error, Item, Items, Scanner, key_slot, request};

use super::{append_plain, buffer, number, state, wants};

/// How deep arrays may lie in each other.
const MAX_DEPTH: usize = 128;

const FUNCTIONS: &[(&str, lua_CFunction)] = &[
    ("command", command),
    ("keyslot", keyslot),
    ("pipeline", pipeline),
    ("reply", reply),
    ("scanner", scanner),
];

impl state::State for Scanner {
    const NAME: &CStr = c"skynet.db.redis.scanner";
}

fn fault(error: Error) -> Fault {
    Fault::Plain(error.to_string().into())
}

native! {
    open = |l| {
        push_functions(l, FUNCTIONS);
        results(1)
    };

    /// `scanner(limit[, resp3])`: the state of `reply`, for one connection
    scanner = |l| {
        let limit = l.int(1).ok_or_else(|| l.expected(1, "number"))?;
        state::push(l, Scanner::new(l.bool(2), limit.max(0) as u64));
        results(1)
    };

    /// `reply(scanner, buffer)`, a decoder: is it no error, and the answer
    reply = |l| {
        l.set_top(2);
        let scanner: &mut Scanner = state::at(l, 1).ok_or_else(|| l.expected(1, "scanner"))?;
        let buffer = buffer(l)?;
        let start = usize::try_from(scanner.seen()).unwrap_or(usize::MAX);
        let mut whole = false;
        for piece in buffer.pieces(start) {
            whole = scanner.feed(piece).map_err(fault)?;
            if whole {
                break;
            }
        }
        if !whole {
            return wants(l, scanner.seen().saturating_add(scanner.missing()));
        }
        let size = scanner.seen() as usize;
        let answer: *const [u8] = buffer.peek(size).unwrap_or_default();
        l.push_bool(true);
        l.push_bool(true);
        // SAFETY: the bytes stay where they are until `consume`, which comes after this.
        let mut items = Items::new(unsafe { &*answer });
        let outcome = value(l, &mut items, 0);
        scanner.restart();
        buffer.consume(size);
        match outcome {
            Ok(true) => {}
            Ok(false) => {
                l.push_bool(false);
                l.replace(4);
            }
            // This answer cannot be had, but the next one can.
            Err(Unfit(why)) => {
                l.set_top(3);
                l.push_bool(false);
                l.push_str(why);
            }
        }
        results(3)
    };

    /// `command(name, ...)`: a command of the further arguments, or of the first of them if that is a table
    command = |l| {
        if l.kind(1) != Type::String {
            return Err(l.expected(1, "string"));
        }
        let last = match l.kind(2) {
            Type::None | Type::Nil => 1,
            Type::Table => {
                l.set_top(2);
                l.get_field(2, c"n");
                let n = match l.int(3) {
                    Some(n) => n.max(0),
                    None => length(l, 2),
                };
                l.set_top(2);
                make_plain(l, 2, n);
                let mut out = Vec::with_capacity(64);
                request::begin(&mut out, 1 + n as usize);
                request::word(&mut out, l.known_bytes(1));
                write_list(l, 2, n, &mut out, false);
                l.push_owned(out);
                return results(1);
            }
            _ => l.top(),
        };
        // Texts first, since making one may raise.
        for i in 2..=last {
            if !is_plain(l, i) {
                l.to_display(i);
                l.replace(i);
            }
        }
        let mut out = Vec::with_capacity(64);
        request::begin(&mut out, last as usize);
        request::word(&mut out, l.known_bytes(1));
        for i in 2..=last {
            write(l, i, &mut out);
        }
        if !l.check_stack(4) {
            return Err("stack overflow".into());
        }
        l.push_owned(out);
        results(1)
    };

    /// `keyslot(key)`: the slot of a cluster that a key belongs to
    keyslot = |l| {
        let key = l.bytes_argument(1)?;
        l.push_int(key_slot(key).into());
        results(1)
    };

    /// `pipeline(ops)`: all commands of a list, of which each is a list
    pipeline = |l| {
        l.set_top(1);
        if l.kind(1) != Type::Table {
            return Err(l.expected(1, "table"));
        }
        let count = length(l, 1);
        l.new_table(count.clamp(0, 1 << 16) as usize, 0);
        for i in 1..=count {
            if l.get_index(1, i) != Type::Table {
                return Err(Fault::from(format!("pipeline: operation {i} is no table")));
            }
            let n = length(l, -1);
            let at = l.top();
            make_plain(l, at, n);
            l.raw_seti(2, i);
        }
        let mut out = Vec::with_capacity(64);
        for i in 1..=count {
            l.raw_geti(2, i);
            let n = l.raw_len(3) as i64;
            request::begin(&mut out, n as usize);
            write_list(l, 3, n, &mut out, true);
            l.set_top(2);
        }
        l.push_owned(out);
        results(1)
    };
}

/// `#t`. *raises*
fn length(l: Lua, t: i32) -> i64 {
    if !l.has_metatable(t) {
        return l.raw_len(t) as i64;
    }
    // SAFETY: a plain call of the auxiliary library, with nothing owned around it.
    unsafe { ffi::luaL_len(l.0, t) }
}

fn is_plain(l: Lua, i: i32) -> bool {
    matches!(
        l.kind(i),
        Type::Nil | Type::String | Type::Number | Type::Boolean
    )
}

/// Puts a copy of strings in the place of the list at `t`, unless its `n` values are such that nothing can raise when
/// they are read and written. *raises*
fn make_plain(l: Lua, t: i32, n: i64) {
    let plain = !l.has_metatable(t)
        && (1..=n).all(|i| {
            l.raw_geti(t, i);
            let plain = is_plain(l, -1);
            l.pop(1);
            plain
        });
    if plain {
        return;
    }
    l.new_table(n.clamp(0, 1 << 16) as usize, 0);
    for i in 1..=n {
        if l.get_index(t, i) != Type::Nil {
            l.to_display(-1);
            l.raw_seti(-3, i);
        }
        l.pop(1);
    }
    l.replace(t);
}

/// The values 1 to `n` of a list that is plain; to the first nil only, if a pipeline is made.
fn write_list(l: Lua, t: i32, n: i64, out: &mut Vec<u8>, until_nil: bool) {
    for i in 1..=n {
        l.raw_geti(t, i);
        if until_nil && l.kind(-1) == Type::Nil {
            return;
        }
        write(l, -1, out);
        l.pop(1);
    }
}

fn write(l: Lua, i: i32, out: &mut Vec<u8>) {
    if !append_plain(l, i, &mut |text| request::word(out, text)) {
        request::nil(out);
    }
}

/// Why an answer, though whole, cannot be a Lua value.
struct Unfit(&'static str);

impl From<Error> for Unfit {
    fn from(_: Error) -> Unfit {
        Unfit("redis: the server sent an answer that contradicts itself")
    }
}

/// Pushes the next value. False if it is an error or has one in it. *raises*
fn value(l: Lua, items: &mut Items, depth: usize) -> Result<bool, Unfit> {
    loop {
        let item = items.next()?.unwrap_or(Item::Nil);
        let mut good = true;
        match item {
            Item::Text(text) => l.push_bytes(text),
            Item::Number(text) => number::push(l, text),
            Item::Double(n) => l.push_float(n),
            Item::Bool(flag) => l.push_bool(flag),
            Item::Nil => l.push_nil(),
            Item::Error(text) => {
                l.push_bytes(text);
                good = false;
            }
            Item::Attribute(count) => {
                enter(l, depth)?;
                for _ in 0..count.saturating_mul(2) {
                    value(l, items, depth + 1)?;
                    l.pop(1);
                }
                continue;
            }
            Item::Array(count) | Item::Push(count) => {
                enter(l, depth)?;
                l.new_table(room(count, items), 0);
                for i in 1..=count {
                    good &= value(l, items, depth + 1)?;
                    l.raw_seti(-2, i as i64);
                }
            }
            Item::Map(count) => {
                enter(l, depth)?;
                l.new_table(0, room(count, items));
                for _ in 0..count {
                    good &= value(l, items, depth + 1)?;
                    good &= value(l, items, depth + 1)?;
                    // A key that Lua cannot have.
                    let key_is_number = l.kind(-2) == Type::Number;
                    if l.kind(-2) == Type::Nil
                        || key_is_number && l.float(-2).is_none_or(f64::is_nan)
                    {
                        l.pop(2);
                    } else {
                        l.raw_set(-3);
                    }
                }
            }
        }
        return Ok(good);
    }
}

/// Room for that many items, of which each takes three bytes at least.
fn room(count: u64, items: &Items) -> usize {
    usize::try_from(count)
        .unwrap_or(usize::MAX)
        .min(items.remaining() / 3)
}

fn enter(l: Lua, depth: usize) -> Result<(), Unfit> {
    if depth >= MAX_DEPTH {
        return Err(Unfit(
            "redis: an answer with arrays more than 128 deep in each other",
        ));
    }
    if !l.check_stack(6) {
        return Err(Unfit("redis: stack overflow"));
    }
    Ok(())
}

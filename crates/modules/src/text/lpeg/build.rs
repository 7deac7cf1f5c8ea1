//! The functions and operators that make patterns.

use std::ffi::c_int;

use mlua_sys::lua55 as ffi;
use skynet_peg::{Kind, Set, Tree, View};
use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::{Fault, Outcome, native, results};

use super::grammar;
use super::pattern::{
    self as patterns, MAX_VALUES, copy_values, expected, no_pattern, too_many_values,
};

/// Makes a pattern of what is at `i`, in its place, by the rules of `lpeg.P`, and returns it. *raises*
pub(super) fn argument_pattern<'a>(l: Lua, i: c_int) -> Result<View<'a>, Fault> {
    if let Some(view) = patterns::get(l, i) {
        return Ok(view);
    }
    match l.kind(i) {
        Type::String => made(l, i, &Tree::text(l.known_bytes(i)))?,
        Type::Number => {
            let n = l.int(i).unwrap_or(0);
            let length = u32::try_from(n.unsigned_abs())
                .ok()
                .filter(|&n| n <= i32::MAX as u32);
            let length = length.ok_or(Fault::Argument(i, "number too large".into()))?;
            let any = Tree::any(length);
            let tree = if n < 0 { Tree::not(any.view()) } else { any };
            made(l, i, &tree)?;
        }
        Type::Boolean => made(l, i, &Tree::always(l.bool(i)))?,
        Type::Table => {
            grammar::push(l, i)?;
            l.replace(i);
        }
        Type::Function => {
            l.new_table(1, 0);
            l.push_value(i);
            l.raw_seti(-2, 1);
            let tree = Tree::match_time(1, Tree::always(true).view());
            patterns::push(l, &tree, 1)?;
            l.replace(i);
        }
        _ => return Err(no_pattern(l, i)),
    }
    patterns::get(l, i).ok_or_else(|| no_pattern(l, i))
}

/// Puts a pattern without values to `i`. *raises*
fn made(l: Lua, i: c_int, tree: &Tree) -> Result<(), Fault> {
    l.push_nil();
    patterns::push(l, tree, 0)?;
    l.replace(i);
    Ok(())
}

/// Pushes a pattern without values as the result. *raises*
fn plain(l: Lua, tree: &Tree) -> Outcome {
    l.push_nil();
    patterns::push(l, tree, 0)?;
    results(1)
}

/// Pushes the values of the patterns at 1 and 2 together, and returns how many they are and how the keys of the second
/// one are shifted. *raises*
fn joined(l: Lua) -> Result<(u32, u16), Fault> {
    let (first, second) = (patterns::count(l, 1), patterns::count(l, 2));
    patterns::push_values(l, 1);
    if second == 0 {
        return Ok((first, 0));
    }
    patterns::push_values(l, 2);
    if first == 0 || l.pointer(-1) == l.pointer(-2) {
        l.remove(-2);
        return Ok((second, 0));
    }
    let all = first + second;
    if all > MAX_VALUES {
        return Err(too_many_values());
    }
    l.new_table(all as usize, 0);
    copy_values(l, -3, first, 0);
    copy_values(l, -2, second, first);
    Ok((all, first as u16))
}

/// Pushes the values of the pattern at `i` and behind them the value on top, which it replaces; returns its key.
/// *raises*
fn with_value(l: Lua, i: c_int) -> Result<u16, Fault> {
    let count = patterns::count(l, i);
    let key = u16::try_from(count + 1).map_err(|_| too_many_values())?;
    l.new_table(usize::from(key), 0);
    if patterns::push_values(l, i) == Type::Table {
        l.insert(-2);
        copy_values(l, -2, count, 0);
        l.remove(-2);
    } else {
        l.pop(1);
    }
    l.insert(-2);
    l.raw_seti(-2, key.into());
    Ok(key)
}

/// The patterns at 1 and 2, of which one may be something else that makes a pattern. *raises*
fn both<'a>(l: Lua) -> Result<(View<'a>, View<'a>), Fault> {
    let first = argument_pattern(l, 1)?;
    let second = argument_pattern(l, 2)?;
    l.set_top(2);
    Ok((first, second))
}

fn one_of(l: Lua, i: c_int) -> Outcome {
    l.push_value(i);
    results(1)
}

/// Pushes a capture around the pattern at 1 whose key is that of the value on top. *raises*
fn captured(l: Lua, kind: Kind, body: View<'_>) -> Outcome {
    let key = with_value(l, 1)?;
    patterns::push(l, &Tree::capture(kind, key, body), key.into())?;
    results(1)
}

/// Pushes a capture around the pattern at 1 without a value of its own. *raises*
fn around(l: Lua, kind: Kind, key: u16) -> Outcome {
    let body = argument_pattern(l, 1)?;
    let tree = Tree::capture(kind, key, body);
    rooted(l, &tree)
}

/// Pushes a pattern that has the values of the one at 1. *raises*
fn rooted(l: Lua, tree: &Tree) -> Outcome {
    let count = patterns::count(l, 1);
    patterns::push_values(l, 1);
    patterns::push(l, tree, count)?;
    results(1)
}

fn check_function(l: Lua, i: c_int) -> Result<(), Fault> {
    match l.kind(i) {
        Type::Function => Ok(()),
        _ => Err(expected(l, i, "function")),
    }
}

/// The string at `i`; a number counts as its text. *raises*
pub(super) fn string<'a>(l: Lua, i: c_int) -> Result<&'a [u8], Fault> {
    if let Some(bytes) = l.bytes(i) {
        return Ok(bytes);
    }
    l.coerce_bytes(i).ok_or_else(|| expected(l, i, "string"))
}

/// The integer at `i`. *raises*
pub(super) fn integer(l: Lua, i: c_int) -> Result<i64, Fault> {
    l.int(i).ok_or_else(|| match l.float(i) {
        Some(_) => Fault::Argument(i, "number has no integer representation".into()),
        None => expected(l, i, "number"),
    })
}

fn any(l: Lua, i: c_int) -> Result<(), Fault> {
    match l.kind(i) {
        Type::None => Err(Fault::Argument(i, "value expected".into())),
        _ => Ok(()),
    }
}

const LAST_CODE_POINT: u32 = 0x10_FFFF;

type Test = unsafe extern "C" fn(c_int) -> c_int;

const CLASSES: [(&str, Test); 11] = [
    ("alnum", libc::isalnum),
    ("alpha", libc::isalpha),
    ("cntrl", libc::iscntrl),
    ("digit", libc::isdigit),
    ("graph", libc::isgraph),
    ("lower", libc::islower),
    ("print", libc::isprint),
    ("punct", libc::ispunct),
    ("space", libc::isspace),
    ("upper", libc::isupper),
    ("xdigit", libc::isxdigit),
];

native! {
    /// `lpeg.P(value)`
    pattern = |l| {
        any(l, 1)?;
        argument_pattern(l, 1)?;
        one_of(l, 1)
    };

    /// `lpeg.S(string)`
    set = |l| {
        let bytes = string(l, 1)?;
        plain(l, &Tree::set(Set::of(bytes)))
    };

    /// `lpeg.R(range, …)`
    range = |l| {
        let mut set = Set::EMPTY;
        for i in 1..=l.top() {
            match string(l, i)? {
                [first, last] => set.add_range(*first, *last),
                _ => return Err(Fault::Argument(i, "range must have two characters".into())),
            }
        }
        plain(l, &Tree::set(set))
    };

    /// `lpeg.utfR(first, last)`
    utf8 = |l| {
        let code = |n: i64| u32::try_from(n).unwrap_or(u32::MAX);
        let (first, last) = (code(integer(l, 1)?), code(integer(l, 2)?));
        if first > last {
            return Err(Fault::Argument(2, "empty range".into()));
        }
        for (i, n) in [(1, first), (2, last)] {
            if n > LAST_CODE_POINT {
                return Err(Fault::Argument(i, "invalid code point".into()));
            }
        }
        plain(l, &Tree::utf8(first, last))
    };

    /// `lpeg.V(name)`
    variable = |l| {
        if l.is_none_or_nil(1) {
            return Err(Fault::Argument(1, "non-nil value expected".into()));
        }
        l.new_table(1, 0);
        l.push_value(1);
        l.raw_seti(-2, 1);
        patterns::push(l, &Tree::rule(1), 1)?;
        results(1)
    };

    /// `lpeg.B(patt)`
    behind = |l| {
        let body = argument_pattern(l, 1)?;
        match Tree::behind(body) {
            Ok(tree) => rooted(l, &tree),
            Err(error) => Err(Fault::Argument(1, error.to_string().into())),
        }
    };

    /// `patt1 * patt2`
    seq = |l| {
        let (first, second) = both(l)?;
        if first.is_false() || second.is_true() {
            return one_of(l, 1);
        }
        if first.is_true() {
            return one_of(l, 2);
        }
        let (count, shift) = joined(l)?;
        patterns::push(l, &Tree::seq(first, second, shift), count)?;
        results(1)
    };

    /// `patt1 + patt2`
    choice = |l| {
        let (first, second) = both(l)?;
        if first.facts.certain || second.is_false() {
            return one_of(l, 1);
        }
        if first.is_false() {
            return one_of(l, 2);
        }
        let (count, shift) = joined(l)?;
        patterns::push(l, &Tree::choice(first, second, shift), count)?;
        results(1)
    };

    /// `patt1 - patt2`
    minus = |l| {
        let (first, second) = both(l)?;
        let (count, shift) = joined(l)?;
        patterns::push(l, &Tree::minus(first, second, shift), count)?;
        results(1)
    };

    /// `-patt`
    not = |l| {
        let body = argument_pattern(l, 1)?;
        rooted(l, &Tree::not(body))
    };

    /// `#patt`
    and = |l| {
        let body = argument_pattern(l, 1)?;
        rooted(l, &Tree::and(body))
    };

    /// `patt ^ n`
    repeated = |l| {
        let n = integer(l, 2)?;
        let body = argument_pattern(l, 1)?;
        let times = u32::try_from(n.unsigned_abs()).ok().filter(|&n| n <= i32::MAX as u32);
        let times = times.ok_or(Fault::Argument(2, "number too large".into()))?;
        if n < 0 {
            return rooted(l, &Tree::at_most(body, times));
        }
        match Tree::at_least(body, times) {
            Ok(tree) => rooted(l, &tree),
            Err(error) => Err(error.to_string().into()),
        }
    };

    /// `patt / value`
    divided = |l| {
        let kind = match l.kind(2) {
            Type::Function => Kind::Function,
            Type::Table => Kind::Query,
            Type::String => Kind::String,
            Type::Number => {
                let n = l.int(2).unwrap_or(0);
                let key = u16::try_from(n).ok().filter(|&n| n <= i16::MAX as u16);
                let key = key.ok_or(Fault::Argument(1, "invalid number".into()))?;
                return around(l, Kind::Numbered, key);
            }
            _ => {
                let kind = l.type_name(2);
                return Err(format!("unexpected {kind} as 2nd operand to LPeg '/'").into());
            }
        };
        let body = argument_pattern(l, 1)?;
        l.push_value(2);
        captured(l, kind, body)
    };

    /// `patt % function`
    accumulated = |l| {
        let body = argument_pattern(l, 1)?;
        l.push_value(2);
        captured(l, Kind::Accumulator, body)
    };

    /// `lpeg.C(patt)`
    simple = |l| around(l, Kind::Simple, 0);

    /// `lpeg.Cs(patt)`
    substitution = |l| around(l, Kind::Substitution, 0);

    /// `lpeg.Ct(patt)`
    table = |l| around(l, Kind::Table, 0);

    /// `lpeg.Cg(patt [, key])`
    group = |l| {
        if l.is_none_or_nil(2) {
            return around(l, Kind::Group, 0);
        }
        let body = argument_pattern(l, 1)?;
        l.push_value(2);
        captured(l, Kind::Group, body)
    };

    /// `lpeg.Cf(patt, function)`
    fold = |l| {
        check_function(l, 2)?;
        let body = argument_pattern(l, 1)?;
        l.push_value(2);
        captured(l, Kind::Fold, body)
    };

    /// `lpeg.Cmt(patt, function)`
    match_time = |l| {
        check_function(l, 2)?;
        let body = argument_pattern(l, 1)?;
        l.push_value(2);
        let key = with_value(l, 1)?;
        patterns::push(l, &Tree::match_time(key, body), key.into())?;
        results(1)
    };

    /// `lpeg.Cp()`
    position = |l| plain(l, &Tree::capture(Kind::Position, 0, Tree::always(true).view()));

    /// `lpeg.Carg(n)`
    argument = |l| {
        let n = u16::try_from(integer(l, 1)?).ok().filter(|&n| 0 < n && n <= i16::MAX as u16);
        let n = n.ok_or(Fault::Argument(1, "invalid argument index".into()))?;
        plain(l, &Tree::capture(Kind::Argument, n, Tree::always(true).view()))
    };

    /// `lpeg.Cb(key)`
    back = |l| {
        any(l, 1)?;
        l.new_table(1, 0);
        l.push_value(1);
        l.raw_seti(-2, 1);
        let tree = Tree::capture(Kind::Back, 1, Tree::always(true).view());
        patterns::push(l, &tree, 1)?;
        results(1)
    };

    /// `lpeg.Cc([value, …])`
    constant = |l| {
        let count = l.top() as u32;
        if count > MAX_VALUES {
            return Err(too_many_values());
        }
        l.new_table(count as usize, 0);
        for n in 1..=count {
            l.push_value(n as c_int);
            l.raw_seti(-2, n.into());
        }
        let one = |n: u32| Tree::capture(Kind::Constant, n as u16, Tree::always(true).view());
        let tree = match count {
            0 => Tree::always(true),
            1 => one(1),
            _ => {
                let all = (2..=count).fold(one(1), |all, n| Tree::seq(all.view(), one(n).view(), 0));
                Tree::capture(Kind::Group, 0, all.view())
            }
        };
        patterns::push(l, &tree, count)?;
        results(1)
    };

    /// `lpeg.type(value)`
    kind = |l| {
        match patterns::is(l, 1) {
            true => l.push_str("pattern"),
            false => l.push_nil(),
        }
        results(1)
    };

    /// `lpeg.locale([table])`
    locale = |l| {
        if l.is_none_or_nil(1) {
            l.set_top(0);
            l.new_table(0, CLASSES.len());
        } else if l.kind(1) != Type::Table {
            return Err(expected(l, 1, "table"));
        }
        l.set_top(1);
        for (name, test) in CLASSES {
            let mut set = Set::EMPTY;
            // SAFETY: these take any byte.
            (0..=u8::MAX).filter(|&b| unsafe { test(b.into()) } != 0).for_each(|b| set.add(b));
            l.push_bytes(name.as_bytes());
            l.push_nil();
            patterns::push(l, &Tree::set(set), 0)?;
            // SAFETY: a plain assignment; nothing is owned here.
            unsafe { ffi::lua_settable(l.0, 1) };
        }
        results(1)
    };
}

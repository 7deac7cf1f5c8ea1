//! Heads as skynet (C) reads them, into tables; texts of urls.

use std::borrow::Cow;

use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::{Fault, native, results};
use skynet_wire::http::plain::{Field, Fields, request_line, split_line};

/// Longest name that is looked up without an allocation.
const SHORT_NAME: usize = 64;

/// Pushes a name in lower case. *raises*
pub(super) fn push_lower(l: Lua, name: &[u8]) {
    let mut short = [0; SHORT_NAME];
    match short.get_mut(..name.len()) {
        Some(text) => {
            text.copy_from_slice(name);
            text.make_ascii_lowercase();
            l.push_bytes(text);
        }
        None => l.push_owned(name.to_ascii_lowercase()),
    }
}

/// Puts the value on top of the stack under the name below it into the table at `t`. If there is one already, they
/// become a list. *raises*
pub(super) fn add(l: Lua, t: i32) {
    l.push_value(-2);
    match l.raw_get(t) {
        Type::Nil => {
            l.pop(1);
            l.raw_set(t);
        }
        Type::Table => {
            let n = l.raw_len(-1) as i64;
            l.insert(-2);
            l.raw_seti(-2, n + 1);
            l.pop(2);
        }
        _ => {
            l.new_table(2, 0);
            l.insert(-2);
            l.raw_seti(-2, 1);
            l.insert(-2);
            l.raw_seti(-2, 2);
            l.raw_set(t);
        }
    }
}

/// Puts the fields of a text into the table at `t`; whether all its lines were fields. *raises*
fn fill(l: Lua, t: i32, text: &[u8]) -> Result<bool, Fault> {
    let mut fields = Fields::new(text);
    loop {
        match fields.next_field() {
            Ok(Some(Field { name, value })) => {
                // Owned values are dropped first, since what follows may raise an error.
                match value {
                    Cow::Owned(value) => l.push_owned(value),
                    Cow::Borrowed(value) => l.push_bytes(value),
                }
                push_lower(l, name);
                l.insert(-2);
                add(l, t);
            }
            Ok(None) => return Ok(true),
            Err(_) => return Ok(false),
        }
    }
}

/// The value of two hexadecimal digits.
fn hex(pair: &[u8]) -> Result<u8, Fault> {
    let digit = |b: u8| char::from(b).to_digit(16);
    match (digit(pair[0]), digit(pair[1])) {
        (Some(high), Some(low)) => Ok((high << 4 | low) as u8),
        _ => Err(Fault::from(format!(
            "bad escape %{} in a url: two hexadecimal digits expected",
            String::from_utf8_lossy(pair)
        ))),
    }
}

/// Pushes a text with `+` and `%XX` replaced. *raises*
fn push_unescaped(l: Lua, text: &[u8]) -> Result<(), Fault> {
    if !text.iter().any(|b| matches!(b, b'+' | b'%')) {
        l.push_bytes(text);
        return Ok(());
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        rest = after;
        match byte {
            b'+' => plain.push(b' '),
            b'%' if after.len() >= 2 => {
                plain.push(hex(&after[..2])?);
                rest = &after[2..];
            }
            other => plain.push(*other),
        }
    }
    l.push_owned(plain);
    Ok(())
}

native! {
    /// `request(head)`: the head of a request, without the empty line, as method, url, version and fields; nothing if
    /// its first line is none, and `false` instead of fields if one of the others is none
    request = |l| {
        let text = l.string_argument(1)?;
        l.set_top(1);
        let (first, rest) = split_line(text);
        let Some(line) = request_line(first) else {
            return results(0);
        };
        l.push_bytes(line.method);
        l.push_bytes(line.url);
        l.push_bytes(line.version);
        l.new_table(0, 8);
        if !fill(l, 5, rest)? {
            l.push_bool(false);
        }
        results(if l.top() == 5 { 4 } else { l.replace(5); 4 })
    };

    /// `fields(text, t)`: puts the fields of some lines into a table; whether all lines were fields
    fields = |l| {
        let text = l.string_argument(1)?;
        if l.kind(2) != Type::Table {
            return Err(l.expected(2, "table"));
        }
        let all = fill(l, 2, text)?;
        l.push_bool(all);
        results(1)
    };

    /// `unescape(text)`: `+` and `%XX` replaced
    unescape = |l| {
        push_unescaped(l, l.string_argument(1)?)?;
        results(1)
    };

    /// `query(text)`: the table of a query
    query = |l| {
        let mut rest = l.string_argument(1)?;
        l.set_top(1);
        l.new_table(0, 4);
        while let Some(equals) = rest.iter().position(|b| *b == b'=') {
            let (name, after) = (&rest[..equals], &rest[equals + 1..]);
            let end = after.iter().position(|b| *b == b'&');
            push_unescaped(l, name)?;
            push_unescaped(l, &after[..end.unwrap_or(after.len())])?;
            add(l, 2);
            rest = end.map_or(b"", |end| &after[end + 1..]);
        }
        results(1)
    };
}

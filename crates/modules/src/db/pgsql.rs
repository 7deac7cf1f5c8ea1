//! `skynet.db.pgsql.core`: requests to bytes, messages and rows to values.

use std::borrow::Cow;
use std::ffi::CStr;

use mlua_sys::lua55::lua_CFunction;
use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::{Fault, native, push_functions, results};
use skynet_wire::pgsql::login::{self, Scram};
use skynet_wire::pgsql::{
    self, ArrayItem, ArrayItems, Columns, Error, HEAD, Head, Kind, Row, request,
};

use super::{append_plain, buffer, number, wants};
use crate::owned::{self, Owned};

const FUNCTIONS: &[(&str, lua_CFunction)] = &[
    ("array", array),
    ("columns", columns),
    ("extended", extended),
    ("fields", fields),
    ("md5", md5),
    ("message", message),
    ("scram", scram),
    ("scram_challenge", scram_challenge),
    ("scram_finish", scram_finish),
    ("simple", simple),
];

/// The bit of a column's kind that says that it is an array.
const ARRAY: u8 = 16;

/// The kinds in the order of their numbers.
const KINDS: [Kind; 6] = [
    Kind::Text,
    Kind::Bool,
    Kind::Integer,
    Kind::Float,
    Kind::Bytes,
    Kind::Json,
];

// The stack of `message`.
const STATE: i32 = 1;
const KINDS_AT: i32 = 3;
const NAMES_AT: i32 = 4;
const NULL_AT: i32 = 5;
const ROWS_AT: i32 = 6;

impl Owned for Scram {
    const NAME: &'static CStr = c"skynet.db.pgsql.scram";
    const WHAT: &'static str = "login expected";
}

fn fault(error: Error) -> Fault {
    Fault::Plain(error.to_string().into())
}

fn string<'a>(l: Lua, i: i32) -> Result<&'a [u8], Fault> {
    l.bytes(i).ok_or_else(|| l.expected(i, "string"))
}

/// Bytes out of their hexadecimal digits behind `\x`; a text of another form stays as it is.
fn unhex(text: &[u8]) -> Vec<u8> {
    let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    let pairs = text.strip_prefix(b"\\x").map(|digits| digits.chunks(2));
    let bytes = pairs.and_then(|pairs| {
        pairs
            .map(|pair| match pair {
                [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
                _ => None,
            })
            .collect()
    });
    bytes.unwrap_or_else(|| text.to_vec())
}

/// Pushes a value by its text. What does not look like its type stays a text. *raises*
fn push_value(l: Lua, kind: Kind, text: &[u8]) {
    match kind {
        Kind::Text | Kind::Json => l.push_bytes(text),
        Kind::Bool => l.push_bool(text == b"t"),
        Kind::Bytes => l.push_owned(unhex(text)),
        Kind::Integer => {
            number::push(l, text);
            if l.kind(-1) == Type::Nil {
                l.pop(1);
                l.push_bytes(text);
            }
        }
        Kind::Float => match str::from_utf8(text).ok().and_then(|text| text.parse().ok()) {
            Some(n) => l.push_float(n),
            None => l.push_bytes(text),
        },
    }
}

/// The same for an item of an array, which may have been taken apart. *raises*
fn push_item(l: Lua, kind: Kind, text: Cow<[u8]>) {
    match text {
        Cow::Borrowed(text) => push_value(l, kind, text),
        Cow::Owned(text) if kind == Kind::Bytes => {
            let bytes = unhex(&text);
            drop(text);
            l.push_owned(bytes);
        }
        Cow::Owned(text) => l.push_owned(text),
    }
}

/// Pushes an array as a table; NULL is the value at `null`. *raises*
fn push_array(l: Lua, kind: Kind, text: &[u8], null: i32) -> Result<(), Error> {
    let mut items = ArrayItems::of(text);
    // How many items the open arrays have, outermost first.
    let mut counts = [0i64; 64];
    let mut depth = 0;
    while let Some(item) = items.item()? {
        match item {
            ArrayItem::Open => {
                if !l.check_stack(4) {
                    return Err(Error::Array);
                }
                l.new_table(0, 0);
                depth += 1;
                counts[depth] = 0;
                continue;
            }
            ArrayItem::Close => depth -= 1,
            ArrayItem::Null => l.push_value(null),
            ArrayItem::Value(text) => push_item(l, kind, text),
        }
        if depth > 0 {
            counts[depth] += 1;
            l.raw_seti(-2, counts[depth]);
        }
    }
    Ok(())
}

/// Appends a row to the rows. *raises*
fn add_row(l: Lua, content: &[u8], n: i64) -> Result<(), Error> {
    let kinds = l.known_bytes(KINDS_AT);
    let mut row = Row::of(content)?;
    l.new_table(0, row.count.into());
    for i in 0..row.count {
        let Some(text) = row.value()? else { continue };
        let code = kinds.get(usize::from(i)).copied().unwrap_or_default();
        l.raw_geti(NAMES_AT, i64::from(i) + 1);
        let kind = KINDS[usize::from(code & (ARRAY - 1)).min(KINDS.len() - 1)];
        if code & ARRAY == 0 {
            push_value(l, kind, text);
        } else {
            push_array(l, kind, text, NULL_AT)?;
        }
        if l.kind(-2) == Type::Nil {
            l.pop(2); // more values than columns
        } else {
            l.raw_set(-3);
        }
    }
    l.raw_seti(ROWS_AT, n);
    Ok(())
}

native! {
    open = |l| {
        push_functions(l, FUNCTIONS);
        results(1)
    };

    /// `message(state, buffer)`, a decoder: the next message that is no row, as its letter and its content. Rows before
    /// it go to `state.rows`, if there are any: `state.kinds` and `state.names` say what their columns are, `state.null`
    /// is what NULL in an array becomes. `state.left` is how many bytes more there may be.
    message = |l| {
        l.set_top(2);
        if l.kind(STATE) != Type::Table {
            return Err(l.expected(STATE, "table"));
        }
        l.raw_get_str(STATE, "kinds");
        l.raw_get_str(STATE, "names");
        l.raw_get_str(STATE, "null");
        l.raw_get_str(STATE, "rows");
        let rows = l.kind(ROWS_AT) == Type::Table && l.kind(KINDS_AT) == Type::String && l.kind(NAMES_AT) == Type::Table;
        let mut count = if rows { l.raw_len(ROWS_AT) as i64 } else { 0 };
        l.raw_get_str(STATE, "left");
        let mut left = l.int(-1).unwrap_or(0);
        l.pop(1);
        let buffer = buffer(l)?;
        loop {
            let Some(bytes) = buffer.peek(HEAD) else {
                l.push_int(left);
                l.raw_set_str(STATE, "left");
                return wants(l, HEAD as u64);
            };
            let mut head = [0; HEAD];
            head.copy_from_slice(bytes);
            let head = Head::of(head).map_err(fault)?;
            let size = HEAD + head.size;
            if size as i64 > left {
                return Err(Fault::Plain(
                    format!("pgsql: an answer with a message of {size} bytes is above its limit (option maxreply)").into(),
                ));
            }
            let Some(bytes) = buffer.peek(size) else {
                l.push_int(left);
                l.raw_set_str(STATE, "left");
                return wants(l, size as u64);
            };
            let bytes: *const [u8] = &bytes[HEAD..];
            // SAFETY: the bytes stay where they are until `consume`.
            let content = unsafe { &*bytes };
            left -= size as i64;
            if head.kind == b'D' && rows {
                count += 1;
                add_row(l, content, count).map_err(fault)?;
                buffer.consume(size);
                continue;
            }
            l.push_int(left);
            l.raw_set_str(STATE, "left");
            l.push_bool(true);
            l.push_bytes(&[head.kind]);
            l.push_bytes(content);
            buffer.consume(size);
            return results(3);
        }
    };

    /// `columns(content)` of a message `T`: the names, and the kinds as a string
    columns = |l| {
        let content = string(l, 1)?;
        let mut columns = Columns::of(content).map_err(fault)?;
        let mut kinds = Vec::with_capacity(columns.count.into());
        for _ in 0..columns.count {
            let kind = pgsql::Type::of(columns.column().map_err(fault)?.oid);
            let code = KINDS.iter().position(|known| *known == kind.kind).unwrap_or(0) as u8;
            kinds.push(code | if kind.array { ARRAY } else { 0 });
        }
        l.push_owned(kinds);
        let mut columns = Columns::of(content).map_err(fault)?;
        l.new_table(columns.count.into(), 0);
        for i in 1..=columns.count {
            l.push_bytes(columns.column().map_err(fault)?.name);
            l.raw_seti(-2, i.into());
        }
        l.insert(-2);
        results(2)
    };

    /// `fields(content)` of an error or a notice: texts by their letters
    fields = |l| {
        let content = string(l, 1)?;
        l.new_table(0, 8);
        for (letter, text) in pgsql::fields(content) {
            l.push_bytes(&[letter]);
            l.push_bytes(text);
            l.raw_set(-3);
        }
        results(1)
    };

    /// `array(text, null)`: the text of an array of texts, as a table
    array = |l| {
        l.set_top(2);
        push_array(l, Kind::Text, string(l, 1)?, 2).map_err(fault)?;
        results(1)
    };

    /// `simple(sql)`: the message for a query without parameters
    simple = |l| {
        let bytes = request::simple(string(l, 1)?).map_err(fault)?;
        l.push_owned(bytes);
        results(1)
    };

    /// `extended(name, sql, parameters, n)`: the messages for a statement; `sql` is nil if it is prepared already
    extended = |l| {
        l.set_top(4);
        let name = string(l, 1)?;
        let sql = l.bytes(2);
        if l.kind(3) != Type::Table {
            return Err(l.expected(3, "table"));
        }
        let n = l.int(4).unwrap_or(0);
        let mut parameters: Vec<Option<Vec<u8>>> = Vec::new();
        for i in 1..=n {
            let parameter = match l.raw_geti(3, i) {
                Type::Nil => None,
                _ => {
                    let mut text = Vec::new();
                    if !append_plain(l, -1, &mut |bytes| text.extend_from_slice(bytes)) {
                        return Err(format!("bad parameter {i}: a string, a number, a boolean or nil expected").into());
                    }
                    Some(text)
                }
            };
            l.pop(1);
            parameters.push(parameter);
        }
        let bytes = request::extended(name, sql, parameters.iter().map(Option::as_deref)).map_err(fault)?;
        drop(parameters);
        l.push_owned(bytes);
        results(1)
    };

    /// `md5(user, password, salt)`
    md5 = |l| {
        let salt = string(l, 3)?.try_into().map_err(|_| Fault::Argument(3, "4 bytes expected".into()))?;
        l.push_owned(login::md5(string(l, 1)?, string(l, 2)?, salt));
        results(1)
    };

    /// `scram(password)`: a login, and its first message
    scram = |l| {
        let password = string(l, 1)?;
        owned::push(l, || Scram::new(password));
        l.push_bytes(owned::get::<Scram>(l, -1)?.message());
        results(2)
    };

    /// `scram_challenge(login, answer)`: the next message
    scram_challenge = |l| {
        let login = owned::get::<Scram>(l, 1)?;
        login.challenge(string(l, 2)?).map_err(fault)?;
        l.push_bytes(login.message());
        results(1)
    };

    /// `scram_finish(login, answer)`: raises an error if the server does not know the password
    scram_finish = |l| {
        owned::get::<Scram>(l, 1)?.finish(string(l, 2)?).map_err(fault)?;
        results(0)
    };
}

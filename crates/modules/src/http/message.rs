//! Requests and answers by the standard, into tables and out of them.

use std::ffi::CStr;

use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::{Fault, Outcome, native, results};
use skynet_wire::http::inflate::{Encoding, Inflater};
use skynet_wire::http::message::{Event, Head, Limits, Reader};

use super::plain::{add, push_lower};
use crate::owned::{self, Owned};

impl Owned for Reader {
    const NAME: &'static CStr = c"skynet.http.reader";
    const WHAT: &'static str = "http reader expected";
}

impl Owned for Inflater {
    const NAME: &'static CStr = c"skynet.http.inflater";
    const WHAT: &'static str = "inflater expected";
}

/// The number at `i` as a limit; no limit if there is none.
fn limit(l: Lua, i: i32) -> u64 {
    l.int(i).map_or(u64::MAX >> 1, |n| n.max(0) as u64)
}

/// Pushes what a head says, and the table of its fields. *raises*
fn push_head(l: Lua, head: &Head) -> Outcome {
    l.push_str("head");
    match head.status {
        0 => {
            l.push_bytes(head.method.as_bytes());
            l.push_bytes(head.target.as_bytes());
        }
        status => {
            l.push_int(status.into());
            l.push_nil();
        }
    }
    l.new_table(0, head.fields.len());
    let t = l.top();
    for (name, value) in head.fields.iter() {
        push_lower(l, name);
        l.push_bytes(value);
        add(l, t);
    }
    l.push_int(head.minor.into());
    l.push_bool(head.keep_alive);
    l.push_bool(head.body);
    l.push_bool(head.expects_continue);
    results(8)
}

/// May this be in a line of a head?
fn is_clean(bytes: &[u8]) -> bool {
    !bytes.iter().any(|b| matches!(b, b'\r' | b'\n' | 0))
}

/// May this be the name of a field, or a method?
fn is_token(bytes: &[u8]) -> bool {
    let fine = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    !bytes.is_empty() && bytes.iter().all(fine)
}

/// Is this a field that frames a message? Who writes the message says it, not the application.
fn is_framing(name: &[u8]) -> bool {
    [
        "connection",
        "content-length",
        "keep-alive",
        "transfer-encoding",
    ]
    .iter()
    .any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
}

/// The lines of the fields in the table at `t`, without those that frame the message; nothing in it raises.
fn field_lines(l: Lua, t: i32) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    l.push_nil();
    while l.next(t) {
        let name = match l.kind(-2) {
            Type::String => l.known_bytes(-2),
            _ => return Err("the name of a header's field is a string".into()),
        };
        if !is_token(name) {
            return Err(Fault::from(format!(
                "bad name of a header's field: {:?}",
                String::from_utf8_lossy(name)
            )));
        }
        if is_framing(name) {
            l.pop(1);
            continue;
        }
        if l.kind(-1) == Type::Table {
            let mut i = 1;
            while l.raw_geti(-1, i) != Type::Nil {
                line(l, &mut out, name)?;
                l.pop(1);
                i += 1;
            }
            l.pop(1);
        } else {
            line(l, &mut out, name)?;
        }
        l.pop(1);
    }
    Ok(out)
}

/// Appends a line with the value on top.
fn line(l: Lua, out: &mut Vec<u8>, name: &[u8]) -> Result<(), Fault> {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    match l.kind(-1) {
        Type::String => {
            let value = l.known_bytes(-1);
            if !is_clean(value) {
                let name = String::from_utf8_lossy(name);
                return Err(Fault::from(format!(
                    "the header's field {name} has a line end in its value"
                )));
            }
            out.extend_from_slice(value);
        }
        Type::Number => match l.int(-1).filter(|_| l.is_integer(-1)) {
            Some(n) => out.extend_from_slice(n.to_string().as_bytes()),
            None => out.extend_from_slice(l.float(-1).unwrap_or_default().to_string().as_bytes()),
        },
        Type::Boolean => out.extend_from_slice(if l.bool(-1) { b"true" } else { b"false" }),
        _ => {
            let name = String::from_utf8_lossy(name);
            let kind = l.type_name(-1);
            return Err(Fault::from(format!(
                "the header's field {name} is a {kind}"
            )));
        }
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

native! {
    /// `requests(headlimit, bodylimit)`: reads requests
    requests = |l| {
        let limits = Limits { head: limit(l, 1) as usize, body: limit(l, 2) };
        owned::push(l, || Reader::requests(limits));
        results(1)
    };

    /// `answers(headlimit, bodylimit)`: reads answers
    answers = |l| {
        let limits = Limits { head: limit(l, 1) as usize, body: limit(l, 2) };
        owned::push(l, || Reader::answers(limits));
        results(1)
    };

    /// `event(reader[, data])`: gives it data; returns nothing if more has to come; `"head", method, target, fields,
    /// minor, keep_alive, body, expects_continue` (of an answer the status and nil instead of method and target);
    /// `"data", bytes`; `"end"`; or false, why it went wrong, and a status to answer with
    event = |l| {
        let reader = owned::get::<Reader>(l, 1)?;
        if let Some(data) = l.bytes(2) {
            reader.push(data);
        }
        match reader.next_event() {
            Ok(None) => results(0),
            Ok(Some(Event::Head(head))) => push_head(l, &head),
            Ok(Some(Event::Data(data))) => {
                l.push_str("data");
                l.push_bytes(data);
                results(2)
            }
            Ok(Some(Event::End)) => {
                l.push_str("end");
                results(1)
            }
            Err(error) => {
                l.push_bool(false);
                l.push_owned(error.to_string());
                l.push_int(error.status().into());
                results(3)
            }
        }
    };

    /// `ended(reader)`: the connection has ended
    ended = |l| {
        owned::get::<Reader>(l, 1)?.end();
        results(0)
    };

    /// `bodiless(reader, yes)`: the next answer has no body, whatever it says
    bodiless = |l| {
        owned::get::<Reader>(l, 1)?.expect_bodiless(l.bool(2));
        results(0)
    };

    /// `idle(reader)`: nothing of the next message has come
    idle = |l| {
        l.push_bool(owned::get::<Reader>(l, 1)?.is_idle());
        results(1)
    };

    /// `rest(reader)`: what was not read, which is given up
    rest = |l| {
        let rest = owned::get::<Reader>(l, 1)?.take_rest();
        l.push_owned(rest);
        results(1)
    };

    /// `head(first, fields[, more[, body]])`: the bytes of a head: its first line, the table of its fields, lines that
    /// are appended as they are, and a body behind it
    head = |l| {
        let first = l.string_argument(1)?;
        if !is_clean(first) {
            return Err("the first line of the message has a line end in it".into());
        }
        let lines = match l.kind(2) {
            Type::Table => field_lines(l, 2)?,
            Type::None | Type::Nil => Vec::new(),
            _ => return Err(l.expected(2, "table")),
        };
        let (more, body) = (l.bytes(3).unwrap_or_default(), l.bytes(4).unwrap_or_default());
        let mut out = Vec::with_capacity(first.len() + lines.len() + more.len() + body.len() + 4);
        out.extend_from_slice(first);
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&lines);
        out.extend_from_slice(more);
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(body);
        drop(lines);
        l.push_owned(out);
        results(1)
    };

    /// `inflater(encoding, limit)`: nothing for an encoding that is not known
    inflater = |l| {
        let Some(encoding) = Encoding::by_name(l.string_argument(1)?) else {
            return results(0);
        };
        let limit = limit(l, 2) as usize;
        owned::push(l, || Inflater::new(encoding, limit));
        results(1)
    };

    /// `inflate(inflater, data)`: what it expands to, and whether all has come; or nil and why not
    inflate = |l| {
        let inflater = owned::get::<Inflater>(l, 1)?;
        let data = l.string_argument(2)?;
        match inflater.feed(data) {
            Ok(out) => {
                l.push_owned(out);
                l.push_bool(inflater.is_over());
            }
            Err(error) => {
                l.push_nil();
                l.push_owned(error.to_string());
            }
        }
        results(2)
    };
}

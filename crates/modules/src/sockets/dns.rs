//! `skynet.dns.core`: questions to name servers and their answers, between bytes and tables. The resolver is
//! `lualib/skynet/dns.lua`.

use std::ffi::CStr;
use std::net::IpAddr;

use mlua_sys::lua55::lua_CFunction;
use skynet_vm::lua::Lua;
use skynet_vm::native::{Fault, native, push_functions, results};
use skynet_wire::dns::{self, Answer, Records, Type, v6_text};

use crate::owned::{self, Owned};

const FUNCTIONS: &[(&str, lua_CFunction)] =
    &[("address", address), ("answer", answer), ("query", query)];

impl Owned for Answer {
    const NAME: &'static CStr = c"skynet.dns.answer";
    const WHAT: &'static str = "answer expected";
}

fn number(l: Lua, i: i32) -> Result<i64, Fault> {
    l.int(i).ok_or_else(|| l.expected(i, "number"))
}

/// Puts a list of texts, each made by `text`, into the table on top. *raises*
fn texts<T>(l: Lua, key: &'static str, items: &[T], text: impl Fn(&T) -> String) {
    l.new_table(items.len(), 0);
    for (i, item) in items.iter().enumerate() {
        l.push_owned(text(item));
        l.raw_seti(-2, i as i64 + 1);
    }
    l.raw_set_str(-2, key);
}

fn integer(l: Lua, key: &'static str, value: impl Into<i64>) {
    l.push_int(value.into());
    l.raw_set_str(-2, key);
}

fn flag(l: Lua, key: &'static str, value: bool) {
    l.push_bool(value);
    l.raw_set_str(-2, key);
}

/// The answer as a table. *raises*, so the answer has to be held by somebody else
fn push(l: Lua, answer: &Answer) {
    l.new_table(0, 12);
    integer(l, "id", answer.id);
    integer(l, "code", answer.code);
    integer(l, "type", answer.kind);
    flag(l, "response", answer.response);
    flag(l, "truncated", answer.truncated);
    flag(l, "internet", answer.internet);
    l.push_bytes(&answer.name);
    l.raw_set_str(-2, "name");
    if let Some(ttl) = answer.ttl {
        integer(l, "ttl", ttl);
    }
    if let Some(ttl) = answer.negative_ttl {
        integer(l, "negative_ttl", ttl);
    }
    texts(l, "v4", &answer.v4, ToString::to_string);
    texts(l, "v6", &answer.v6, v6_text);
    l.new_table(answer.services.len(), 0);
    for (i, service) in answer.services.iter().enumerate() {
        l.new_table(0, 4);
        integer(l, "priority", service.priority);
        integer(l, "weight", service.weight);
        integer(l, "port", service.port);
        l.push_bytes(&service.target);
        l.raw_set_str(-2, "target");
        l.raw_seti(-2, i as i64 + 1);
    }
    l.raw_set_str(-2, "services");
}

native! {
    open = |l| {
        push_functions(l, FUNCTIONS);
        results(1)
    };

    /// `address(text)`: the usual text of an address of IPv4 or IPv6; nil for what is none
    address = |l| {
        let text = str::from_utf8(l.bytes_argument(1)?).unwrap_or_default();
        match text.parse::<IpAddr>() {
            Ok(address) => l.push_owned(address.to_string()),
            Err(_) => l.push_nil(),
        }
        results(1)
    };

    /// `query(id, name, type)`: the bytes of a question
    query = |l| {
        let kind = match number(l, 3)? {
            1 => Type::A,
            28 => Type::Aaaa,
            33 => Type::Srv,
            other => return Err(Fault::Argument(3, format!("{other} is no type that can be asked for").into())),
        };
        let id = number(l, 1)? as u16;
        let bytes = dns::query(id, l.bytes_argument(2)?, kind).map_err(|e| Fault::Plain(e.to_string().into()))?;
        l.push_owned(bytes);
        results(1)
    };

    /// `answer(bytes, strict)`: a table with what it says
    answer = |l| {
        let records = if l.bool(2) { Records::OfTheName } else { Records::All };
        let answer = dns::answer(l.bytes_argument(1)?, records).map_err(|e| Fault::Plain(e.to_string().into()))?;
        owned::push(l, || answer);
        push(l, owned::get::<Answer>(l, -1)?);
        results(1)
    };
}

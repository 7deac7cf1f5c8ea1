//! Addresses, environment, statistics, limits, log and trace of a service.

use std::borrow::Cow;
use std::ffi::c_int;

use skynet_kernel::{EnvExists, Limit, Policy, text};

use super::service;
use crate::service::Svc;
use crate::service::tasks::NO_TASK;
use crate::service::trace::Tag;
use skynet_vm::lua::{Lua, REGISTRY, Type};
use skynet_vm::native::{Fault, Outcome, native, results};

fn text_argument<'a>(l: Lua, i: c_int) -> Result<Cow<'a, str>, Fault> {
    let kind = l.kind(i);
    if !matches!(kind, Type::String | Type::Number) {
        return Err(l.expected(i, "string"));
    }
    let bytes = l.coerce_bytes(i).unwrap_or(b"");
    Ok(text::from_bytes(bytes))
}

/// Seconds rounded to microseconds, as the text command gives them.
fn microseconds(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e6
}

/// A statistic by name; unknown ones are 0.
fn push_stat(l: Lua, svc: &Svc, what: &str) {
    match what {
        "mqlen" => l.push_int(svc.cx.mqlen() as i64),
        "mqage" => l.push_int(svc.cx.oldest_ms() as i64),
        "message" => l.push_int(svc.cx.messages() as i64),
        "endless" => l.push_int(svc.cx.take_endless() as i64),
        "cpu" => l.push_float(microseconds(svc.cx.cpu_seconds())),
        "time" => l.push_float(microseconds(svc.cx.turn_seconds())),
        _ => l.push_int(0),
    }
}

native! {
    /// `self()`
    self_handle = |l| {
        l.push_int(service(l)?.handle().0 as i64);
        results(1)
    };

    /// `address(x)`
    address = |l| {
        if l.kind(1) == Type::Number {
            let Some(n) = l.int(1) else {
                return Err("bad argument #2 to 'format' (number has no integer representation)".into());
            };
            l.push_owned(format!(":{n:08x}"));
        } else {
            l.to_display(1);
        }
        results(1)
    };

    /// `localname(".name")`
    localname = |l| {
        let svc = service(l)?;
        let name = text_argument(l, 1)?;
        match name.strip_prefix('.').and_then(|n| svc.cx.node().find_name(n)) {
            Some(handle) => {
                l.push_int(handle.0 as i64);
                results(1)
            }
            None => results(0),
        }
    };

    /// `harbor(addr)`
    harbor = |l| {
        let svc = service(l)?;
        let Some(n) = l.int(1) else {
            return Err(l.expected(1, "number"));
        };
        let handle = skynet_kernel::Handle(n as u32);
        l.push_int(handle.harbor() as i64);
        l.push_bool(svc.cx.node().is_remote(handle));
        results(2)
    };

    genid = |l| {
        let svc = service(l)?;
        l.push_int(svc.new_session() as i64);
        results(1)
    };

    /// `getenv(key)`
    getenv = |l| {
        let svc = service(l)?;
        let value = svc.cx.node().getenv(&text_argument(l, 1)?);
        match value {
            // The text is handed over, since the push may raise an error.
            Some(value) => l.push_owned(text::into_bytes(value)),
            // One value, so that `tonumber(skynet.getenv "key")` is nil, too.
            None => l.push_nil(),
        }
        results(1)
    };

    /// `setenv(key, value)`: once
    setenv = |l| {
        let svc = service(l)?;
        let key = text_argument(l, 1)?;
        let value = text_argument(l, 2)?;
        svc.cx
            .node()
            .setenv(&key, &value)
            .map_err(|EnvExists { .. }| Fault::from(format!("Can't setenv exist key : {key}")))?;
        results(0)
    };

    endless = |l| {
        l.push_bool(service(l)?.cx.take_endless());
        results(1)
    };

    mqlen = |l| {
        l.push_int(service(l)?.cx.mqlen() as i64);
        results(1)
    };

    /// `mqage()`: age of the oldest message in ms
    mqage = |l| {
        l.push_int(service(l)?.cx.oldest_ms() as i64);
        results(1)
    };

    /// `mqlimit(n [, "warn"|"refuse"])`; nil = no limit
    mqlimit = |l| {
        let svc = service(l)?;
        if l.is_none_or_nil(1) {
            svc.cx.set_mailbox_limit(None);
            return results(0);
        }
        let max = match l.int(1) {
            Some(n) if n > 0 => n as usize,
            _ => return Err(Fault::Argument(1, "positive integer expected".into())),
        };
        let policy = match l.bytes(2) {
            None if l.is_none_or_nil(2) => Policy::Refuse,
            Some(b"refuse") => Policy::Refuse,
            Some(b"warn") => Policy::Warn,
            _ => return Err(Fault::Argument(2, "\"warn\" or \"refuse\" expected".into())),
        };
        svc.cx.set_mailbox_limit(Some(Limit { max, policy }));
        results(0)
    };

    /// `stat(what)`
    stat = |l| {
        let svc = service(l)?;
        push_stat(l, svc, &text_argument(l, 1)?);
        results(1)
    };

    /// `memlimit(bytes)`: in the main chunk, once
    memlimit = |l| {
        let svc = service(l)?;
        if l.kind(1) != Type::Number {
            return Err(l.expected(1, "number"));
        }
        l.set_top(1);
        l.set_field(REGISTRY, c"memlimit");
        l.push_ref(svc.refs.skynet.get());
        l.push_nil();
        l.raw_set_str(-2, "memlimit");
        results(0)
    };

    /// `trace([info])`
    trace = |l| {
        let svc = service(l)?;
        let info = if l.bool(1) { l.to_display(1) } else { b"".as_slice() };
        svc.start_trace(l, info);
        results(0)
    };

    /// `tracetag()`
    tracetag = |l| {
        let svc = service(l)?;
        let id = svc.running.get();
        match if id == NO_TASK { None } else { svc.tag(id) } {
            Some(Tag::On(tag)) => {
                let text = tag.to_vec();
                drop(tag);
                l.push_owned(text);
            }
            Some(Tag::Off) => l.push_bool(false),
            None => l.push_nil(),
        }
        results(1)
    };

    /// `trace_timeout(on)`
    trace_timeout = |l| {
        service(l)?.trace_timeout.set(l.bool(1));
        results(0)
    };

    /// `tracelog(tag, text [, co] [, level])`, also `core.trace`
    tracelog = |l| log_trace(l);
}

pub(crate) fn log_trace(l: Lua) -> Outcome {
    let svc = service(l)?;
    let text = |i| {
        let given =
            || Fault::Argument(i, format!("string expected, got {}", l.type_name(i)).into());
        l.coerce_bytes(i).ok_or_else(given)
    };
    let (tag, text) = (text(1)?, text(2)?);
    let at = match (l.thread(3), l.int(3), l.int(4)) {
        (Some(thread), _, level) => Some((thread, level.unwrap_or(0) as c_int)),
        (None, Some(level), _) => Some((l, level as c_int)),
        _ => None,
    };
    svc.trace_log(tag, text, at);
    results(0)
}

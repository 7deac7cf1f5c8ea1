//! What `skynet.watch`, `skynet.link` and supervisors are made of: the ends of services, as the kernel tells them.
//!
//! All watches of a service have one session, whose Lua function is called for each end. It is told who has ended, so
//! that Lua finds whom to call.

use skynet_kernel::{Departure, Handle};

use super::service;
use crate::service::sessions::{Kind, Pending};
use crate::service::{Mode, Svc};
use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::{Fault, native, results};

fn handle_at(l: Lua, i: i32) -> Result<Handle, Fault> {
    let number = l.int(i).ok_or_else(|| l.expected(i, "number"))?;
    Ok(Handle(number as u32))
}

/// A session that `notices` has made.
fn session_at(l: Lua, svc: &Svc, i: i32) -> Result<i32, Fault> {
    let number = l.int(i).ok_or_else(|| l.expected(i, "number"))?;
    let session = i32::try_from(number).unwrap_or(0);
    let known = svc.with(|t| t.sessions.get(session).map(Pending::kind)) == Some(Kind::Notices);
    match known {
        true => Ok(session),
        false => Err(Fault::Argument(i, "a session of notices expected".into())),
    }
}

/// The same, or 0.
fn session_or_none(l: Lua, svc: &Svc, i: i32) -> Result<i32, Fault> {
    match l.int(i) {
        Some(0) => Ok(0),
        _ => session_at(l, svc, i),
    }
}

/// The reason at `i`, a word, and more about it behind. *raises*
fn departure_at(l: Lua, i: i32) -> Result<Departure, Fault> {
    let word = String::from_utf8_lossy(l.string_argument(i)?).into_owned();
    let text = match l.kind(i + 1) {
        Type::String => String::from_utf8_lossy(l.bytes(i + 1).unwrap_or(b"")).into_owned(),
        _ => String::new(),
    };
    Departure::from_words(&word, &text)
        .ok_or_else(|| Fault::Argument(i, format!("there is no reason '{word}'").into()))
}

native! {
    /// `core.notices(f)`: a session by which `f(handle, msg, sz)` is told of ends. It may not yield. The message is a
    /// reason: see [`Departure`].
    notices = |l| {
        let svc = service(l)?;
        l.set_top(1);
        let reference = l.make_ref();
        let session = svc.new_session();
        let since = svc.since();
        svc.with(|t| t.sessions.insert(Pending::new(session, reference as u32, 0, Kind::Notices, since)));
        l.push_int(session.into());
        results(1)
    };

    /// `core.watch(handle, session)`: false if it has ended already
    watch = |l| {
        let svc = service(l)?;
        let (handle, session) = (handle_at(l, 1)?, session_at(l, svc, 2)?);
        l.push_bool(svc.cx.watch(handle, session));
        results(1)
    };

    /// `core.unwatch(handle, session)`
    unwatch = |l| {
        let svc = service(l)?;
        svc.cx.unwatch(handle_at(l, 1)?, session_at(l, svc, 2)?);
        results(0)
    };

    /// `core.link(handle)`: false if it has ended already
    link = |l| {
        let svc = service(l)?;
        let there = svc.cx.link(handle_at(l, 1)?);
        l.push_bool(there);
        results(1)
    };

    /// `core.unlink(handle)`
    unlink = |l| {
        service(l)?.cx.unlink(handle_at(l, 1)?);
        results(0)
    };

    /// `core.trap(session)`: ends of linked services are told by this session; 0: no more
    trap = |l| {
        let svc = service(l)?;
        let session = session_or_none(l, svc, 1)?;
        svc.cx.trap(session);
        results(0)
    };

    /// `core.bind(handle [, master])`: a service ends with the master, this one by default
    bind = |l| {
        let svc = service(l)?;
        let handle = handle_at(l, 1)?;
        let master = match l.is_none_or_nil(2) {
            true => svc.handle(),
            false => handle_at(l, 2)?,
        };
        if let Some(bound) = svc.cx.node().context(handle) {
            bound.bind(master);
        }
        results(0)
    };

    /// `core.keep(handle, session)`: a service that ends stays, without what it had, and this one is told by the session,
    /// until it is revived; 0: no more
    keep = |l| {
        let svc = service(l)?;
        let handle = handle_at(l, 1)?;
        let session = session_or_none(l, svc, 2)?;
        if let Some(kept) = svc.cx.node().context(handle) {
            kept.keep(svc.handle(), session);
        }
        results(0)
    };

    /// `core.revive(handle)`: such a service starts anew; the session is told `up`, or why it does not
    revive = |l| {
        let svc = service(l)?;
        if let Some(kept) = svc.cx.node().context(handle_at(l, 1)?) {
            kept.revive();
        }
        results(0)
    };

    /// `core.fatal(handle)`: an error in a handler or a fork of that service ends it
    fatal = |l| {
        let svc = service(l)?;
        if let Some(context) = svc.cx.node().context(handle_at(l, 1)?) {
            context.make_fatal();
        }
        results(0)
    };

    /// `core.hand_over(handle)`: gives all names of this service to another one; how many. nil if that is not there
    hand_over = |l| {
        let svc = service(l)?;
        match svc.cx.node().hand_over_names(svc.handle(), handle_at(l, 1)?) {
            Some(names) => l.push_int(names.len() as i64),
            None => l.push_nil(),
        }
        results(1)
    };

    /// `core.owing()`: how many requests this service has taken and not answered, without the one that is handled now;
    /// and whether its messages go to a function of the application (`core.callback`)
    owing = |l| {
        let svc = service(l)?;
        l.push_int(svc.owing() as i64);
        l.push_bool(matches!(svc.mode.get(), Mode::Callback { .. }));
        results(2)
    };

    /// `core.memory(handle)`: bytes that a service has allocated; nil if that is not known
    memory = |l| {
        let svc = service(l)?;
        match svc.cx.node().memory_of(handle_at(l, 1)?) {
            Some(bytes) => l.push_int(bytes as i64),
            None => l.push_nil(),
        }
        results(1)
    };

    /// `core.end_because(handle, reason, text)`: kills a service for a reason. Its own end comes when it exits.
    end_because = |l| {
        let svc: &Svc = service(l)?;
        let (handle, departure) = (handle_at(l, 1)?, departure_at(l, 2)?);
        if handle == svc.handle() {
            svc.cx.set_departure(departure);
        } else {
            svc.cx.node().kill_because(svc.handle(), handle, departure);
        }
        results(0)
    };
}

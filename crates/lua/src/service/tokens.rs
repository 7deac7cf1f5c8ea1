//! Tokens: what `wakeup` finds a sleeper by. A table in the registry has the session of each; a coroutine that sleeps
//! under its own thread needs no entry there.

use super::Svc;
use super::sessions::Kind;
use super::tasks::State;
use skynet_vm::lua::{Lua, Type};

/// Is somebody sleeping under the token at 1?
pub(crate) fn token_in_use(l: Lua, svc: &Svc, own: bool) -> bool {
    if let Some(thread) = l.thread(1)
        && svc.with(|t| {
            t.tasks.of_thread(thread).is_some_and(|id| {
                let task = t.tasks.get(id);
                task.state == State::Waiting && task.own_token
            })
        })
    {
        return true;
    }
    if svc.with(|t| t.tokens.is_empty()) {
        return false;
    }
    if own && l.kind(1) == Type::Nil {
        l.push_self();
        l.replace(1);
    }
    sleeper_in_table(l, svc).is_some()
}

/// The session that the table of tokens has for the token at 1, if it is still waited for.
pub(crate) fn sleeper_in_table(l: Lua, svc: &Svc) -> Option<i32> {
    if l.is_none_or_nil(1) {
        return None;
    }
    l.push_ref(svc.refs.tokens.get());
    l.push_value(1);
    l.raw_get(-2);
    let session = l.int(-1).map(|n| n as i32);
    l.pop(2);
    session.filter(|&s| {
        svc.with(|t| {
            t.sessions
                .get(s)
                .is_some_and(|p| matches!(p.kind(), Kind::Sleep | Kind::Wait))
        })
    })
}

/// Nobody will find the sleeper of this session by its token any more: it was killed, or its coroutine closed.
pub(crate) fn forget_token(l: Lua, svc: &Svc, session: i32) {
    if !svc.with(|t| t.tokens.remove(&session)) {
        return;
    }
    l.push_ref(svc.refs.tokens.get());
    let tokens = l.top();
    l.push_nil();
    while l.next(tokens) {
        if l.int(-1) == Some(session as i64) {
            l.pop(1);
            l.push_nil();
            l.raw_set(tokens);
            break;
        }
        l.pop(1);
    }
    l.set_top(tokens - 1);
}

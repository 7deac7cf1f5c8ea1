//! The calls of a sender that wait for their responses, and those that nobody waits for any more.

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use skynet_kernel::{Context, Doing, Handle, Message, Payload, TaskReport, kind};
use skynet_wire::cluster::{self, Body, Outcome, Reply, Response, Store, TRUSTED};
use skynet_wire::seri::Table;

use crate::assembled::Assembled;
use crate::command::pack;
use crate::request::{DETAIL, PUSH, Reason};
use crate::results;

/// Calls that are remembered after nobody waits for them any more.
const FORGOTTEN: usize = 1024;

/// Who has made a request, and in which form the answer is wanted.
#[derive(Clone, Copy)]
pub(crate) struct Caller {
    pub(crate) source: Handle,
    pub(crate) session: i32,
    pub(crate) flags: u8,
}

impl Caller {
    pub(crate) fn of(message: &Message, flags: u8) -> Caller {
        Caller {
            source: message.source,
            session: message.session,
            flags,
        }
    }

    /// Is there anybody who waits?
    pub(crate) fn is_push(self) -> bool {
        self.flags & PUSH != 0
    }

    /// Gives it the results.
    pub(crate) fn answer(self, cx: &Context, results: Payload) {
        let results = match self.flags & DETAIL {
            0 => results,
            _ => results::after_true(results.as_slice()),
        };
        // If this fails, the asker has ended and does not wait any more.
        let _ = cx.send(self.source, kind::RESPONSE, self.session, results);
    }

    /// Tells it that its call has failed. Nobody waits for a push.
    pub(crate) fn refuse(self, cx: &Context, why: &str, reason: Reason) {
        if self.is_push() || self.session <= 0 {
            return;
        }
        let (answer, payload) = if self.flags & DETAIL == 0 {
            (kind::ERROR, Payload::EMPTY)
        } else {
            let values = [false.into(), why.into(), reason.name().into()];
            (kind::RESPONSE, pack(&values))
        };
        let _ = cx.send(self.source, answer, self.session, payload);
    }
}

/// The address of a call, kept for lists and log lines.
#[derive(Clone)]
pub(crate) enum Target {
    Number(u32),
    Name(Arc<[u8]>),
    /// The question for the handle of a name.
    Query(Arc<[u8]>),
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Target::Number(number) => Handle(*number).fmt(f),
            Target::Name(name) => f.write_str(&String::from_utf8_lossy(name)),
            Target::Query(name) => write!(f, "query [{}]", String::from_utf8_lossy(name)),
        }
    }
}

/// A call that waits for its response.
pub(crate) struct Waiting {
    pub(crate) caller: Caller,
    pub(crate) to: Target,
    /// Centiseconds of the node's clock when it was sent.
    since: u64,
    reply: Reply<Assembled>,
}

/// What a response has come to.
pub(crate) enum Arrived<'a> {
    /// The end of a call.
    Done(Waiting, Outcome<'a, Assembled>),
    /// More is to come, or nobody waits for it any more.
    Nothing,
    /// Nobody has ever waited for it.
    Unknown,
}

#[derive(Default)]
pub(crate) struct Calls {
    waiting: FxHashMap<u32, Waiting>,
    /// Calls that were given up in this turn. They are looked for together: many may reach their deadlines at once.
    given_up: FxHashSet<(Handle, i32)>,
    /// Calls that nobody waits for any more, though their responses may come: the last few.
    forgotten: VecDeque<u32>,
    /// The largest response that has come, up to [`TRUSTED`]; and the call whose response has got memory for as much at
    /// its beginning. Only one has that at a time.
    trusted: usize,
    ahead: Option<u32>,
}

impl Calls {
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn has(&self, number: u32) -> bool {
        self.waiting.contains_key(&number)
    }

    /// A call has been sent.
    pub(crate) fn add(&mut self, number: u32, caller: Caller, to: Target, since: u64) {
        let waiting = Waiting {
            caller,
            to,
            since,
            reply: Reply::new(),
        };
        self.waiting.insert(number, waiting);
    }

    /// A response, or a part of one, has come.
    pub(crate) fn accept<'a>(&mut self, response: Response<'a>) -> Arrived<'a> {
        let number = response.session;
        let Some(waiting) = self.waiting.get_mut(&number) else {
            return self.accept_late(&response);
        };
        let begins = matches!(response.body, Body::Begin(_));
        match waiting.reply.accept(response.body) {
            None => {
                // Its call may have ended in some other way.
                let free = |ahead: u32| ahead != number && !self.waiting.contains_key(&ahead);
                if begins && self.ahead.is_none_or(free) {
                    self.ahead = Some(number);
                    if let Some(waiting) = self.waiting.get_mut(&number) {
                        waiting.reply.reserve(self.trusted);
                    }
                }
                Arrived::Nothing
            }
            Some(outcome) => {
                if let Outcome::Ok(cluster::Payload::Whole(large)) = &outcome {
                    self.trusted = self.trusted.max(large.bytes().len().min(TRUSTED));
                }
                match self.waiting.remove(&number) {
                    Some(waiting) => Arrived::Done(waiting, outcome),
                    None => Arrived::Nothing,
                }
            }
        }
    }

    fn accept_late<'a>(&mut self, response: &Response<'_>) -> Arrived<'a> {
        let known = self
            .forgotten
            .iter()
            .position(|number| *number == response.session);
        match known {
            None => return Arrived::Unknown,
            Some(_) if matches!(response.body, Body::Begin(_) | Body::Part(_)) => {}
            Some(at) => {
                self.forgotten.remove(at);
            }
        }
        Arrived::Nothing
    }

    /// The caller does not wait any more; see [`forget`](Self::forget).
    pub(crate) fn give_up(&mut self, source: Handle, session: i32) {
        self.given_up.insert((source, session));
    }

    /// Gives up waiting for calls whose callers do not wait any more: they get an empty answer.
    pub(crate) fn forget(&mut self, cx: &Context) {
        if self.given_up.is_empty() {
            return;
        }
        let given_up = std::mem::take(&mut self.given_up);
        let found = self
            .waiting
            .extract_if(|_, call| given_up.contains(&(call.caller.source, call.caller.session)));
        for (number, call) in found {
            if self.forgotten.len() == FORGOTTEN {
                self.forgotten.pop_front();
            }
            self.forgotten.push_back(number);
            let caller = call.caller;
            let _ = cx.send(
                caller.source,
                kind::RESPONSE,
                caller.session,
                Payload::EMPTY,
            );
        }
    }

    /// All calls, in the order of their numbers: no response will come for any.
    pub(crate) fn take_all(&mut self) -> Vec<Waiting> {
        self.forgotten.clear();
        let mut all: Vec<_> = self.waiting.drain().collect();
        all.sort_unstable_by_key(|(number, _)| *number);
        all.into_iter().map(|(_, waiting)| waiting).collect()
    }

    /// What is to be told about them, oldest first.
    pub(crate) fn list(&self, node: &str, now: u64) -> Table {
        let mut calls: Vec<_> = self.waiting.iter().collect();
        calls.sort_unstable_by_key(|(number, waiting)| (waiting.since, **number));
        Table::from_values(calls.into_iter().map(|(number, waiting)| {
            let mut entry = Table::new();
            entry.insert("node", node);
            match &waiting.to {
                Target::Number(number) => entry.insert("address", *number),
                Target::Query(_) => entry.insert("address", 0),
                Target::Name(name) => entry.insert("address", &name[..]),
            }
            entry.insert("session", *number);
            entry.insert("source", waiting.caller.source.0);
            entry.insert("age", now.saturating_sub(waiting.since) as f64 / 100.0);
            entry
        }))
    }

    /// What is told about them to who looks from outside.
    pub(crate) fn report(&self, node: &str, now: u64, stacks: bool) -> Vec<TaskReport> {
        let mut tasks: Vec<TaskReport> = self
            .waiting
            .iter()
            .map(|(&number, call)| TaskReport {
                doing: Doing::Remote,
                session: number as i32,
                age_ms: Some(now.saturating_sub(call.since) * 10),
                request: Some((call.caller.source, call.caller.session)),
                stack: match stacks {
                    true => vec![format!("{node} {}", call.to)],
                    false => Vec::new(),
                },
            })
            .collect();
        tasks.sort_unstable_by_key(|task| task.session);
        tasks
    }
}

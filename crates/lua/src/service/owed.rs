//! Requests that a service has taken and not answered: whoever waits for one must hear of the service's end.
//!
//! Most are known from elsewhere: the running tasks (`Task::request`) and what is still in the mailbox. Here are the others:
//! open `response()` closures, handlers that ended without an answer, and requests that went to a Lua callback.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;
use skynet_kernel::{Handle, Payload, kind};

use super::Svc;

/// Forgotten requests that are remembered. A service that keeps forgetting loses the oldest.
const MAX_FORGOTTEN: usize = 65536;

/// Requests without a task.
#[derive(Default)]
pub(crate) struct Owed {
    /// Open `response()` closures: id to (session, requester).
    pub(crate) responses: FxHashMap<u64, (i32, Handle)>,
    next_response: u64,
    /// Requests whose handler ended, or that a Lua callback took, with the number that each has in `order`.
    forgotten: FxHashMap<(i32, Handle), u64>,
    /// Them and those settled since, oldest first.
    order: VecDeque<(u64, (i32, Handle))>,
    count: u64,
}

impl Owed {
    /// Opens a response; returns its id.
    pub(crate) fn open_response(&mut self, session: i32, source: Handle) -> u64 {
        self.next_response += 1;
        self.responses.insert(self.next_response, (session, source));
        self.next_response
    }

    /// The requester is gone: forget what is owed to it.
    pub(crate) fn drop_requester(&mut self, source: Handle) {
        self.responses.retain(|_, (_, s)| *s != source);
        self.forgotten.retain(|(_, s), _| *s != source);
    }

    /// A request without an answer in sight.
    pub(crate) fn remember(&mut self, session: i32, source: Handle) {
        self.count += 1;
        self.forgotten.insert((session, source), self.count);
        self.order.push_back((self.count, (session, source)));
        if self.order.len() > 2 * self.forgotten.len() + 64 {
            let forgotten = &self.forgotten;
            self.order.retain(|(n, o)| forgotten.get(o) == Some(n));
        }
        while self.forgotten.len() > MAX_FORGOTTEN {
            let Some((n, oldest)) = self.order.pop_front() else {
                return;
            };
            if self.forgotten.get(&oldest) == Some(&n) {
                self.forgotten.remove(&oldest);
            }
        }
    }

    /// An answer to, or a hand-over of, a request went out by other means.
    pub(crate) fn settle(&mut self, session: i32, source: Handle) {
        self.forgotten.remove(&(session, source));
    }

    fn take_all(&mut self) -> Vec<(i32, Handle)> {
        let mut all: Vec<_> = self.responses.drain().map(|(_, o)| o).collect();
        all.extend(self.forgotten.drain().map(|(o, _)| o));
        self.order.clear();
        all
    }
}

impl Svc {
    /// Tells every requester that no answer will come: of running tasks, open responses and forgotten requests; and
    /// tells the services that this one was calling that it is gone.
    pub(crate) fn fail_all_requests(&self) {
        self.fail_task_requests();
        self.fail_open_responses();
        self.tell_callees();
    }

    pub(crate) fn fail_task_requests(&self) {
        let requests = self.with(|t| {
            let ids: Vec<_> = t.tasks.busy().map(|(id, _)| id).collect();
            ids.into_iter()
                .filter_map(|id| {
                    let task = t.tasks.get_mut(id);
                    Some((task.request.take()?, task.source?))
                })
                .collect::<Vec<_>>()
        });
        for (session, source) in requests {
            self.fail_request(source, session);
        }
    }

    pub(crate) fn fail_open_responses(&self) {
        for (session, source) in self.with(|t| t.owed.take_all()) {
            self.fail_request(source, session);
        }
    }

    pub(crate) fn tell_callees(&self) {
        let mut callees = self.with(|t| {
            t.sessions
                .iter()
                .map(|p| p.callee)
                .filter(|&c| c != 0)
                .collect::<Vec<_>>()
        });
        callees.sort_unstable();
        callees.dedup();
        for callee in callees {
            let _ = self.cx.send(Handle(callee), kind::ERROR, 0, Payload::EMPTY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_forgotten_requests_go_first() {
        let mut owed = Owed::default();
        let more = MAX_FORGOTTEN as i32 + 10;
        for session in 1..=more {
            owed.remember(session, Handle(1));
        }
        let mut kept: Vec<_> = owed.take_all().into_iter().map(|(s, _)| s).collect();
        kept.sort_unstable();
        assert_eq!(kept, (11..=more).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_settled_leaves_nothing_behind() {
        let mut owed = Owed::default();
        owed.remember(1, Handle(7));
        for session in 2..100_000 {
            owed.remember(session, Handle(1));
            owed.settle(session, Handle(1));
            assert!(owed.order.len() <= 70);
        }
        owed.drop_requester(Handle(1));
        assert_eq!(owed.take_all(), [(1, Handle(7))]);
    }
}

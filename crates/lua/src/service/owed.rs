//! Requests that a service has taken and not answered: whoever waits for one must hear of the service's end.
//!
//! Most are known from elsewhere: the running tasks (`Task::request`) and what is still in the mailbox. Here are the
//! others: open `response()` closures, handlers that ended without an answer, and requests that went to a Lua callback.

use std::collections::VecDeque;

use rustc_hash::{FxHashMap, FxHashSet};
use skynet_kernel::{Handle, Payload, kind};

use super::Svc;

/// Forgotten requests that are remembered. A service that keeps forgetting loses the oldest.
const MAX_FORGOTTEN: usize = 65536;

/// One requester that has gone is looked for at once if there are no more entries than this; else several are looked
/// for together, so that each costs no more than if there were so many.
const LOOKED_AT_FOR_EACH: usize = 64;

/// Requests without a task.
#[derive(Default)]
pub(crate) struct Owed {
    /// Open `response()` closures: id to (session, requester).
    responses: FxHashMap<u64, (i32, Handle)>,
    /// Requesters that have gone, of which there may be entries still.
    gone: FxHashSet<Handle>,
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
        self.is_back(source);
        self.next_response += 1;
        self.responses.insert(self.next_response, (session, source));
        self.next_response
    }

    /// Takes an open response away; none if its requester has gone.
    pub(crate) fn take_response(&mut self, id: u64) -> Option<(i32, Handle)> {
        let response = self.responses.remove(&id);
        response.filter(|(_, source)| !self.gone.contains(source))
    }

    /// Does somebody wait for this response?
    pub(crate) fn is_open(&self, id: u64) -> bool {
        let response = self.responses.get(&id);
        response.is_some_and(|(_, source)| !self.gone.contains(source))
    }

    /// The requester is gone: forget what is owed to it.
    pub(crate) fn drop_requester(&mut self, source: Handle) {
        self.gone.insert(source);
        if self.gone.len() * LOOKED_AT_FOR_EACH >= self.entries() {
            self.forget_gone();
        }
    }

    /// A service with the handle of one that has gone asks for something: a node that has been started again, for
    /// instance.
    fn is_back(&mut self, source: Handle) {
        if !self.gone.is_empty() && self.gone.contains(&source) {
            self.forget_gone();
        }
    }

    fn forget_gone(&mut self) {
        let gone = std::mem::take(&mut self.gone);
        self.responses.retain(|_, (_, s)| !gone.contains(s));
        self.forgotten.retain(|(_, s), _| !gone.contains(s));
    }

    fn entries(&self) -> usize {
        self.responses.len() + self.forgotten.len()
    }

    /// A request without an answer in sight.
    pub(crate) fn remember(&mut self, session: i32, source: Handle) {
        self.is_back(source);
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
        self.forget_gone();
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

    /// Requests that have been taken and not answered, but for that of the task that runs.
    pub(crate) fn owing(&self) -> usize {
        let running = self.running.get();
        self.with(|t| {
            t.owed.forget_gone();
            let tasks = t.tasks.busy().filter(|(id, task)| {
                *id != running && task.request.is_some_and(|session| session > 0)
            });
            tasks.count() + t.owed.entries()
        })
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

    /// A service with many open requests is told of many ends: it does not go through all of them each time.
    #[test]
    fn who_has_gone_is_looked_for_together_with_others() {
        let mut owed = Owed::default();
        let ids: Vec<u64> = (1..=10_000)
            .map(|n| owed.open_response(n, Handle(n as u32)))
            .collect();
        let mut walks = 0;
        for n in 5_001..=15_000 {
            let before = owed.gone.len();
            owed.drop_requester(Handle(n));
            walks += usize::from(owed.gone.len() < before + 1);
            if let Some(&id) = ids.get(n as usize - 1) {
                assert!(!owed.is_open(id));
            }
        }
        assert!(walks <= 10_000 * LOOKED_AT_FOR_EACH / 5_000, "{walks}");
        assert!(owed.is_open(ids[0]));
        assert_eq!(owed.take_response(ids[0]), Some((1, Handle(1))));
        assert_eq!(owed.take_response(ids[9_999]), None);
        assert_eq!(owed.take_all().len(), 4_999);
    }

    /// A handle may come again, as that of a service of another node that was started again.
    #[test]
    fn who_comes_back_is_owed_an_answer() {
        let mut owed = Owed::default();
        for n in 1..1_000 {
            owed.open_response(n, Handle(1));
        }
        owed.open_response(1, Handle(2));
        owed.drop_requester(Handle(2));
        let id = owed.open_response(7, Handle(2));
        assert!(owed.is_open(id));
        assert_eq!(owed.take_all().len(), 1_000);
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

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
    /// Requests whose handler ended, or that a Lua callback took.
    forgotten: VecDeque<(i32, Handle)>,
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
        self.forgotten.retain(|(_, s)| *s != source);
    }

    /// A request without an answer in sight.
    pub(crate) fn remember(&mut self, session: i32, source: Handle) {
        if self.forgotten.len() == MAX_FORGOTTEN {
            self.forgotten.pop_front();
        }
        self.forgotten.push_back((session, source));
    }

    /// An answer to, or a hand-over of, a request went out by other means.
    pub(crate) fn settle(&mut self, session: i32, source: Handle) {
        if self.forgotten.is_empty() || session <= 0 {
            return;
        }
        if let Some(i) = self.forgotten.iter().position(|&o| o == (session, source)) {
            self.forgotten.remove(i);
        }
    }

    fn take_all(&mut self) -> Vec<(i32, Handle)> {
        let mut all: Vec<_> = self.responses.drain().map(|(_, o)| o).collect();
        all.extend(self.forgotten.drain(..));
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

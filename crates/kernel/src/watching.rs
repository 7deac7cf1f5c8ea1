//! Who is told of the end of a service.
//!
//! A *watch* is for one service that wants to know of the end of another: it gets a RESPONSE with the session that it
//! has chosen, from the one that has ended, once, behind everything that that one has sent. The payload is
//! [`Departure::to_bytes`]. A *link* holds two services together: when one ends otherwise than by its own exit, the
//! other is ended too, or is told, if it has asked for that ([`Context::trap`]).
//!
//! All of it lies beside what a message touches: a service that nobody watches pays nothing.

use std::sync::Arc;

use crate::context::{Context, FATAL, GONE, TOLD};
use crate::departure::{BOUND, Departure, End, LINK};
use crate::message::{Handle, Message, Payload, kind};
use crate::node::Node;
use crate::poison::lock;

impl Context {
    fn with_end<R>(&self, f: impl FnOnce(&mut End<Context>) -> R) -> R {
        f(lock(&self.end).get_or_insert_default())
    }

    /// The service will have ended for this reason, unless one is known already. It goes on until it is ended.
    pub fn set_departure(&self, departure: Departure) {
        self.with_end(|end| {
            end.departure.get_or_insert(departure);
        });
    }

    /// Why it has ended, or is about to.
    pub fn departure(&self) -> Option<Departure> {
        lock(&self.end).as_ref()?.departure.clone()
    }

    /// Wants to hear of the end of `target`, by a RESPONSE with this session. False if it has ended already, and nothing
    /// will come. One that is about to end is no different from one that lives.
    pub fn watch(self: &Arc<Self>, target: Handle, session: i32) -> bool {
        debug_assert!(session > 0);
        let Some(target) = self.node().context_or_leaving(target) else {
            return false;
        };
        self.add_watch(&target, session)
    }

    fn add_watch(self: &Arc<Self>, target: &Context, session: i32) -> bool {
        let mut end = lock(&target.end);
        if target.flags() & TOLD != 0 {
            return false;
        }
        let gone = |watcher: &Context| watcher.flags() & GONE != 0;
        let end = end.get_or_insert_default();
        end.add(Arc::downgrade(self), session, gone);
        true
    }

    /// Takes a watch back. False if the message is on its way, or has come already.
    pub fn unwatch(&self, target: Handle, session: i32) -> bool {
        let Some(target) = self.node().context_or_leaving(target) else {
            return false;
        };
        target.take_watch(self, session)
    }

    fn take_watch(&self, watcher: &Context, session: i32) -> bool {
        lock(&self.end)
            .as_mut()
            .is_some_and(|end| end.take(watcher, session))
    }

    /// Links this service and another one: when one of them ends otherwise than by its own exit, the other is ended too,
    /// unless it [traps](Self::trap). False if the other has ended already. A second link of the same two is none.
    pub fn link(self: &Arc<Self>, other: Handle) -> bool {
        if other == self.handle() {
            return true;
        }
        let Some(other) = self.node().context_or_leaving(other) else {
            return false;
        };
        other.take_watch(self, LINK);
        self.take_watch(&other, LINK);
        let there = other.add_watch(self, LINK);
        if there {
            self.add_watch(&other, LINK);
        }
        there
    }

    /// Takes a link back.
    pub fn unlink(&self, other: Handle) {
        if let Some(other) = self.node().context_or_leaving(other) {
            other.take_watch(self, LINK);
            self.take_watch(&other, LINK);
        }
    }

    /// The service ends with `master`, whatever the reason is, and now if that has ended already. Not the other way
    /// round.
    pub fn bind(self: &Arc<Self>, master: Handle) {
        let there = self.node().context_or_leaving(master);
        if !there.is_some_and(|there| self.add_watch(&there, BOUND)) {
            let gone = Departure::Killed(master);
            self.node().kill_because(master, self.handle(), gone);
        }
    }

    /// An error that the service's code has not caught ends the service.
    pub fn make_fatal(&self) {
        self.set_flag(FATAL, true);
    }

    /// Does an error end the service?
    pub fn is_fatal(&self) -> bool {
        self.flags() & FATAL != 0
    }

    /// From now on the service is told of the ends of those it is linked with, by a RESPONSE with this session for each
    /// of them, and does not end with them; with 0 it does again.
    pub fn trap(&self, session: i32) {
        self.with_end(|end| end.trap = session);
    }
}

impl Node {
    /// [`kill`](Node::kill) for a reason.
    pub fn kill_because(&self, by: Handle, target: Handle, departure: Departure) {
        self.log(by, format!("KILL :{:x}", target.0).as_bytes());
        self.dismiss(target, departure);
    }

    /// The service has been dropped: tells all who want to know.
    pub(crate) fn tell_watchers(&self, dead: &Context) {
        let (watches, departure) = {
            let mut end = lock(&dead.end);
            dead.set_flag(TOLD, true);
            let Some(end) = &mut *end else { return };
            (end.take_all(), end.departure.clone())
        };
        let departure = departure.unwrap_or(Departure::Gone);
        for watch in watches {
            let watcher = watch.watcher();
            let Some(watcher) = watcher.filter(|watcher| watcher.flags() & GONE == 0) else {
                continue;
            };
            let session = match watch.session {
                LINK if departure == Departure::Exit => continue,
                LINK => lock(&watcher.end).as_ref().map_or(0, |end| end.trap),
                BOUND => 0,
                session => session,
            };
            if session == 0 {
                let by = dead.handle();
                self.kill_because(by, watcher.handle(), Departure::Killed(by));
                continue;
            }
            let payload = Payload::from(departure.to_bytes());
            let message = Message::new(kind::RESPONSE, dead.handle(), session, payload);
            self.push_all(watcher.handle(), std::iter::once(message));
        }
    }
}

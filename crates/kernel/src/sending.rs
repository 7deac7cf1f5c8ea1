//! How messages get into mailboxes.

use std::ptr::NonNull;
use std::sync::atomic::Ordering::Relaxed;

use crate::clock;
use crate::error::SendError;
use crate::local::Local;
use crate::mailbox::{Pushed, Refusal};
use crate::message::{Handle, Message, Payload, kind};
use crate::network::Destination;
use crate::node::Node;
use crate::service::Mailbox;

impl Node {
    /// Sends a message.
    #[inline(never)]
    pub fn send(
        &self,
        source: Handle,
        dest: Handle,
        kind: u8,
        session: i32,
        payload: Payload,
    ) -> Result<(), SendError> {
        self.send_marked(source, dest, kind, session, payload, false)
    }

    /// As [`send`](Self::send), for somebody outside of the node: what waits for the receiver counts as what comes from
    /// sockets does, and whoever reads for that somebody is to stop while there is too much of it
    /// ([`congest`](Self::congest)).
    pub fn send_from_outside(
        &self,
        source: Handle,
        dest: Handle,
        kind: u8,
        session: i32,
        payload: Payload,
    ) -> Result<(), SendError> {
        self.send_marked(source, dest, kind, session, payload, true)
    }

    #[inline(always)]
    fn send_marked(
        &self,
        source: Handle,
        dest: Handle,
        kind: u8,
        session: i32,
        payload: Payload,
        outside: bool,
    ) -> Result<(), SendError> {
        let Some(mailbox) = self.registry.find(dest) else {
            let message = Message::new(kind, source, session, payload);
            return self.send_away(dest, message);
        };
        let local = Local::of(self);
        let stamp = local.map_or_else(clock::stamp, Local::stamp);
        let fill = |place: &mut Message| {
            place.become_new(kind, source, session, payload, stamp);
            if outside {
                place.outside = true;
            }
        };
        match mailbox.push(dest, fill, || self.exempt(dest, kind)) {
            Ok(Pushed { schedule, warn }) => {
                if schedule {
                    self.schedule(local, mailbox);
                }
                if let Some(local) = local {
                    self.scheduler.sent(&local.runner);
                }
                if warn != 0 {
                    self.warn_full(dest, warn);
                }
                Ok(())
            }
            Err(Refusal::Gone) => Err(SendError::NoService),
            Err(Refusal::Full { limit, refused }) => {
                if refused != 0 {
                    self.warn_refused(dest, limit, refused);
                }
                Err(SendError::Refused { limit })
            }
        }
    }

    /// Puts a mailbox that has something to do into a run queue.
    pub(crate) fn wake(&self, mailbox: &Mailbox) {
        self.schedule(Local::of(self), mailbox);
    }

    #[inline(always)]
    fn schedule(&self, local: Option<&Local>, mailbox: &Mailbox) {
        let task = NonNull::from(mailbox);
        match local {
            Some(local) => {
                let runner = &local.runner;
                let ran = &mailbox.progress().ran;
                if !ran.is_warm(runner.index(), runner.turn()) {
                    mailbox.footprint().fetch();
                }
                self.scheduler.schedule(runner, task);
            }
            None => self.scheduler.submit(task),
        }
    }

    /// Sends several messages of the runtime itself to one service, as if one by one but under one lock, once all of
    /// them are there; they are not subject to limits. False if the receiver does not exist. One on another node gets
    /// them one by one.
    pub fn push_all(&self, dest: Handle, messages: impl Iterator<Item = Message>) -> bool {
        self.push_counted(dest, messages, u64::MAX).is_some()
    }

    /// A message of the runtime itself, which no limit applies to, to a service of this node.
    pub(crate) fn deliver(&self, dest: Handle, kind: u8, session: i32) {
        let Some(mailbox) = self.registry.find(dest) else {
            return;
        };
        let local = Local::of(self);
        let stamp = local.map_or_else(clock::stamp, Local::stamp);
        let fill = |place: &mut Message| {
            place.become_new(kind, Handle::NONE, session, Payload::EMPTY, stamp);
        };
        if let Ok(Pushed { schedule: true, .. }) = mailbox.push(dest, fill, || true) {
            self.schedule(local, mailbox);
        }
    }

    /// [`push_all`](Node::push_all); is the mailbox congested now, with this mark? `None` if the receiver does not
    /// exist.
    pub(crate) fn push_counted(
        &self,
        dest: Handle,
        messages: impl Iterator<Item = Message>,
        mark: u64,
    ) -> Option<bool> {
        let Some(mailbox) = self.registry.find(dest) else {
            let away = messages.map(|message| self.send_away(dest, message));
            let failed = away.filter(Result::is_err).count();
            return (failed == 0).then_some(false);
        };
        let local = Local::of(self);
        let stamp = local.map_or_else(clock::stamp, Local::stamp);
        let mut stamped = messages.map(|mut message| {
            message.stamp = stamp;
            message
        });
        // Whatever makes the messages is not for running under the lock. One is what there mostly is.
        let first = stamped.next();
        let (schedule, congested) = match stamped.next() {
            None => mailbox.push_all(dest, first.into_iter(), mark),
            second => {
                let all: Vec<Message> = first.into_iter().chain(second).chain(stamped).collect();
                mailbox.push_all(dest, all.into_iter(), mark)
            }
        }?;
        if schedule {
            self.schedule(local, mailbox);
        }
        Some(congested)
    }

    /// Messages that no limit applies to: answers, and what the runtime depends on. An event of a
    /// socket has a sender that could not react to a refusal: a byte would be missing from a
    /// stream. See [`crate::inflow`] for what limits those.
    fn exempt(&self, dest: Handle, kind: u8) -> bool {
        matches!(
            kind,
            kind::RESPONSE | kind::ERROR | kind::SYSTEM | kind::SOCKET
        ) || kind == kind::TEXT && dest.0 == self.logger.load(Relaxed)
    }

    #[cold]
    fn warn_full(&self, dest: Handle, length: usize) {
        self.log(
            dest,
            format!("error: Mailbox over its limit, message queue length = {length}").as_bytes(),
        );
    }

    #[cold]
    fn warn_refused(&self, dest: Handle, limit: usize, refused: usize) {
        self.log(
            dest,
            format!("error: Mailbox full (limit {limit}), messages refused = {refused}").as_bytes(),
        );
    }

    /// Sends a line to the service named `logger`; dropped if there is none.
    pub fn log(&self, source: Handle, text: &[u8]) {
        let logger = Handle(self.logger.load(Relaxed));
        let message = Message::new(kind::TEXT, source, 0, Payload::from_slice(text));
        self.push_all(logger, std::iter::once(message));
    }

    /// Asks the log service to open its file anew, after somebody has moved it away.
    pub fn reopen_log(&self) {
        let logger = Handle(self.logger.load(Relaxed));
        self.push_all(
            logger,
            std::iter::once(Message::new(kind::SYSTEM, Handle::NONE, 0, Payload::EMPTY)),
        );
    }

    /// Sends to somebody who was not found here.
    #[cold]
    pub(crate) fn send_away(&self, dest: Handle, message: Message) -> Result<(), SendError> {
        match &self.network {
            // A payload that carries a Rust value has no bytes to be sent.
            Some(network) if self.is_remote(dest) && message.label().is_none() => {
                network.send(self, Destination::Handle(dest), message)
            }
            _ => Err(SendError::NoService),
        }
    }
}

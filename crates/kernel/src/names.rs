//! Names of services: those of this node, which are written with a dot, and global ones.

use std::sync::atomic::Ordering::Relaxed;

use crate::error::SendError;
use crate::expiry::Expiry;
use crate::globals::GlobalBacklog;
use crate::message::{Handle, Message, Payload, kind};
use crate::network::Destination;
use crate::node::Node;
use crate::text;

/// Name of the service that gets log lines.
pub(crate) const LOGGER: &str = "logger";

/// Milliseconds that a global name may be awaited without a line in the log: a service that has just been started may
/// be about to take it.
const PATIENCE: u64 = 5000;

impl Node {
    /// Finds `.name` or reads `:hex`. Any other form is a name that only other nodes could know:
    /// `None`.
    pub fn resolve(&self, address: &str) -> Option<Handle> {
        match address.strip_prefix('.') {
            Some(name) => self.find_name(name),
            None => Handle::parse(address),
        }
    }

    /// Gives a service a name (without dot). False if the name is taken or empty, or there is no such
    /// service.
    pub fn register_name(&self, name: &str, handle: Handle) -> bool {
        let bound = !name.is_empty() && self.registry.bind(name, handle);
        if bound && name == LOGGER {
            self.logger.store(handle.0, Relaxed);
        }
        bound
    }

    /// Gives all names of a service to another one, local ones and the global ones of a node without a network, each kind
    /// in one step: nobody finds a name that nobody has. Returns the names; none if there is no such other service.
    pub fn hand_over_names(&self, from: Handle, to: Handle) -> Option<Vec<String>> {
        let mut moved = self.registry.hand_over(from, to)?;
        if moved.iter().any(|name| name == LOGGER) {
            self.logger.store(to.0, Relaxed);
        }
        moved.extend(self.globals.hand_over(from, to));
        Some(moved)
    }

    /// Who has a name (without dot).
    pub fn find_name(&self, name: &str) -> Option<Handle> {
        self.registry.named(name)
    }

    /// All names (without dots), sorted, with their owners.
    pub fn names(&self) -> Vec<(String, Handle)> {
        self.registry.names()
    }

    // ---- global names

    /// What waits for all the global names that nobody has, if `name` is one of them: a message to it
    /// would wait, too. For who passes on messages from outside, and must not let them pile up.
    pub fn global_backlog(&self, name: &str) -> Option<GlobalBacklog> {
        match &self.network {
            Some(network) => network.backlog(name),
            None => self.globals.backlog(name),
        }
    }

    /// Sends a message to the holder of a global name, now or once there is one. With a network, it is the network that
    /// knows the names.
    ///
    /// # Errors
    /// The network does not take the message, or the payload is a value; without a network there are none.
    pub fn send_global(
        &self,
        source: Handle,
        name: &str,
        kind: u8,
        session: i32,
        payload: Payload,
    ) -> Result<(), SendError> {
        let message = Message::new(kind, source, session, payload);
        if let Some(network) = &self.network {
            // What carries a value has no bytes that a network could pass on, were the holder of the name here or
            // elsewhere.
            if message.label().is_some() {
                return Err(SendError::NoService);
            }
            return network.send(self, Destination::Name(name), message);
        }
        let deliver = |to, message| self.deliver_global(to, message);
        if self.globals.send(name, message, deliver) {
            let expiry = Expiry {
                handle: Handle::NONE,
                session: 0,
            };
            let wake = || self.scheduler.parking().alarm().ring();
            let when = self.clock.after_ms(PATIENCE);
            self.timers.add(when, 0, expiry, wake);
        }
        Ok(())
    }

    /// Logs the global name that is awaited for longest without a word, if it still is. Once for each name: whoever
    /// forgot the dot or the @ would wait without knowing why.
    pub(crate) fn tell_of_awaited_name(&self) {
        if let Some((source, name)) = self.globals.next_awaited() {
            let line = format!(
                "Waiting for the global name [{name}], which nobody has (a local name begins with a dot, one of the \
                 cluster with @)"
            );
            self.log(source, &text::to_bytes(&line));
        }
    }

    /// Gives a global name to a service; messages that waited for it are sent.
    pub fn set_global(&self, name: &str, handle: Handle) {
        let is_alive = || self.is_alive(handle);
        self.globals.set(name, handle, is_alive, |message| {
            self.deliver_global(handle, message);
        });
    }

    /// A request that can't be delivered fails.
    fn deliver_global(&self, to: Handle, message: Message) {
        let (source, session, kind) = (message.source, message.session, message.kind);
        let sent = self.send(source, to, kind, session, message.into_payload());
        if sent.is_err() && session > 0 && kind != kind::RESPONSE && kind != kind::ERROR {
            let _ = self.send(to, source, kind::ERROR, session, Payload::EMPTY);
        }
    }
}

//! Global names, which are those that are not `.local`: of a node without a network.
//!
//! A message to a name that nobody has taken yet waits for it, in order, as it would on its way through a network of
//! nodes. A message to a name whose owner has gone fails. Such names are not kept for ever: of those that have gone,
//! the last [`REMEMBERED`] are known; an older one is a name that nobody has taken.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard};

use crate::error::SendError;
use crate::message::{Handle, Message, Payload, kind};
use crate::network::Destination;
use crate::node::Node;
use crate::poison::lock;
use crate::timer::Expiry;

/// What is behind a name.
enum Name {
    Taken(Handle),
    /// Messages for whoever takes it.
    Awaited(Vec<Message>),
}

/// Milliseconds that a name may be awaited without a line in the log: a service that has just been started may be about
/// to take it.
const PATIENCE: u64 = 5000;

/// Names of services that have gone which are known.
const REMEMBERED: usize = 1024;

#[derive(Default)]
struct Table {
    names: HashMap<String, Name>,
    /// The names of each service that has some.
    of: HashMap<Handle, Vec<String>>,
    /// Names of services that have gone, oldest first. Somebody else may have taken one since.
    gone: VecDeque<(Handle, String)>,
    /// Names that were awaited first by a message of this service, which has to be told if they still are. Each has a
    /// timer.
    untold: VecDeque<(Handle, String)>,
}

/// The table of global names.
#[derive(Default)]
pub(crate) struct Globals {
    table: Mutex<Table>,
    /// Messages that wait for names, and their bytes. Changed under the lock.
    messages: AtomicUsize,
    bytes: AtomicUsize,
}

impl Globals {
    fn lock(&self) -> MutexGuard<'_, Table> {
        lock(&self.table)
    }

    fn wait(&self, message: &Message) {
        self.messages.fetch_add(1, Relaxed);
        self.bytes.fetch_add(message.payload().len(), Relaxed);
    }
}

/// What waits for global names that nobody has; see [`Node::global_backlog`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GlobalBacklog {
    /// Messages.
    pub messages: usize,
    /// Bytes of their payloads.
    pub bytes: usize,
}

impl Node {
    /// What waits for all the global names that nobody has, if `name` is one of them: a message to it
    /// would wait, too. For who passes on messages from outside, and must not let them pile up.
    pub fn global_backlog(&self, name: &str) -> Option<GlobalBacklog> {
        if let Some(network) = &self.network {
            return network.backlog(name);
        }
        if let Some(Name::Taken(_)) = self.globals.lock().names.get(name) {
            return None;
        }
        Some(GlobalBacklog {
            messages: self.globals.messages.load(Relaxed),
            bytes: self.globals.bytes.load(Relaxed),
        })
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
        let mut table = self.globals.lock();
        let to = match table.names.get_mut(name) {
            Some(Name::Taken(to)) => *to,
            Some(Name::Awaited(waiting)) => {
                self.globals.wait(&message);
                waiting.push(message);
                return Ok(());
            }
            None => {
                self.globals.wait(&message);
                let waiting = Name::Awaited(vec![message]);
                table.names.insert(name.to_owned(), waiting);
                table.untold.push_back((source, name.to_owned()));
                drop(table);
                let expiry = Expiry {
                    handle: Handle::NONE,
                    session: 0,
                };
                let wake = || self.scheduler.parking().alarm().ring();
                self.timers
                    .add(self.clock.after_ms(PATIENCE), 0, expiry, wake);
                return Ok(());
            }
        };
        // Sent under the lock, so that nothing overtakes what `set_global` hands over.
        self.deliver_global(to, message);
        Ok(())
    }

    /// Logs the global name that is awaited for longest without a word, if it still is. Once for each name: whoever
    /// forgot the dot or the @ would wait without knowing why.
    pub(crate) fn tell_of_awaited_name(&self) {
        let mut table = self.globals.lock();
        let Some((source, name)) = table.untold.pop_front() else {
            return;
        };
        let awaited = matches!(table.names.get(&name), Some(Name::Awaited(_)));
        drop(table);
        if awaited {
            let line = format!(
                "Waiting for the global name [{name}], which nobody has (a local name begins with a dot, one of the cluster with @)"
            );
            self.log(source, &crate::text::to_bytes(&line));
        }
    }

    /// Gives a global name to a service; messages that waited for it are sent.
    pub fn set_global(&self, name: &str, handle: Handle) {
        let mut table = self.globals.lock();
        let before = table.names.insert(name.to_owned(), Name::Taken(handle));
        if let Some(Name::Taken(owner)) = before {
            table.disown(owner, name);
        }
        // A service that ends takes its handle away first and its names then, so it does not leave this one behind.
        if self.is_alive(handle) {
            table.of.entry(handle).or_default().push(name.to_owned());
        } else {
            table.bury(handle, name.to_owned());
        }
        if let Some(Name::Awaited(waiting)) = before {
            for message in waiting {
                self.globals.messages.fetch_sub(1, Relaxed);
                self.globals
                    .bytes
                    .fetch_sub(message.payload().len(), Relaxed);
                self.deliver_global(handle, message);
            }
        }
    }

    /// A service has gone, and its global names with it.
    pub(crate) fn forget_globals(&self, handle: Handle) {
        let mut table = self.globals.lock();
        for name in table.of.remove(&handle).unwrap_or_default() {
            table.bury(handle, name);
        }
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

impl Table {
    /// Somebody else has taken a name of `owner`.
    fn disown(&mut self, owner: Handle, name: &str) {
        if let Some(names) = self.of.get_mut(&owner) {
            names.retain(|own| own != name);
            if names.is_empty() {
                self.of.remove(&owner);
            }
        }
    }

    /// The owner of a name has gone.
    fn bury(&mut self, owner: Handle, name: String) {
        self.gone.push_back((owner, name));
        if self.gone.len() > REMEMBERED
            && let Some((owner, name)) = self.gone.pop_front()
            && matches!(self.names.get(&name), Some(Name::Taken(of)) if *of == owner)
        {
            self.names.remove(&name);
        }
    }
}

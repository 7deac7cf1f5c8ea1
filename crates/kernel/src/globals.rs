//! Global names, which are those that are not `.local`: of a node without a network.
//!
//! A message to a name that nobody has taken yet waits for it, in order, as it would on its way
//! through a network of nodes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::SendError;
use crate::message::{Handle, Message, Payload, kind};
use crate::network::Destination;
use crate::node::Node;

/// What is behind a name.
enum Name {
    Taken(Handle),
    /// Messages for whoever takes it.
    Awaited(Vec<Message>),
}

/// The table of global names.
#[derive(Default)]
pub(crate) struct Globals {
    names: Mutex<HashMap<String, Name>>,
    /// Messages that wait for names, and their bytes. Changed under the lock.
    messages: AtomicUsize,
    bytes: AtomicUsize,
}

impl Globals {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Name>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
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
        if let Some(Name::Taken(_)) = self.globals.lock().get(name) {
            return None;
        }
        Some(GlobalBacklog {
            messages: self.globals.messages.load(Relaxed),
            bytes: self.globals.bytes.load(Relaxed),
        })
    }

    /// Sends a message to the holder of a global name, now or once there is one. With a network, it is the network that knows the names.
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
            // What carries a value has no bytes that a network could pass on, were the holder of the name here or elsewhere.
            if message.label().is_some() {
                return Err(SendError::NoService);
            }
            return network.send(self, Destination::Name(name), message);
        }
        let mut names = self.globals.lock();
        let to = match names.get_mut(name) {
            Some(Name::Taken(to)) => *to,
            Some(Name::Awaited(waiting)) => {
                self.globals.wait(&message);
                waiting.push(message);
                return Ok(());
            }
            None => {
                self.globals.wait(&message);
                names.insert(name.to_owned(), Name::Awaited(vec![message]));
                drop(names);
                // Once for each name: whoever forgot the dot or the @ would wait without a word.
                self.log(
                    source,
                    format!(
                        "Waiting for the global name [{name}], which nobody has (a local name begins \
                         with a dot, one of the cluster with @)"
                    )
                    .as_bytes(),
                );
                return Ok(());
            }
        };
        // Sent under the lock, so that nothing overtakes what `set_global` hands over.
        self.deliver_global(to, message);
        Ok(())
    }

    /// Gives a global name to a service; messages that waited for it are sent.
    pub fn set_global(&self, name: &str, handle: Handle) {
        let mut names = self.globals.lock();
        if let Some(Name::Awaited(waiting)) = names.insert(name.to_owned(), Name::Taken(handle)) {
            for message in waiting {
                self.globals.messages.fetch_sub(1, Relaxed);
                self.globals
                    .bytes
                    .fetch_sub(message.payload().len(), Relaxed);
                self.deliver_global(handle, message);
            }
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

//! The global names of a node without a network: those that do not begin with a dot.
//!
//! A message to a name that nobody has taken yet waits for it, in order, as it would on its way through a network of
//! nodes. A message to a name whose owner has gone fails. Such names are not kept for ever: of those that have gone,
//! the last [`REMEMBERED`] are known; an older one is a name that nobody has taken.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard};

use crate::message::{Handle, Message};
use crate::poison::lock;

/// What is behind a name.
enum Name {
    Taken(Handle),
    /// Messages for whoever takes it.
    Awaited(Vec<Message>),
}

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

/// What waits for global names that nobody has; see [`Node::global_backlog`](crate::Node::global_backlog).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GlobalBacklog {
    /// Messages.
    pub messages: usize,
    /// Bytes of their payloads.
    pub bytes: usize,
}

impl Globals {
    fn lock(&self) -> MutexGuard<'_, Table> {
        lock(&self.table)
    }

    /// What waits for all the names that nobody has, if `name` is one of them.
    pub(crate) fn backlog(&self, name: &str) -> Option<GlobalBacklog> {
        if let Some(Name::Taken(_)) = self.lock().names.get(name) {
            return None;
        }
        Some(GlobalBacklog {
            messages: self.messages.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
        })
    }

    /// Gives a message to `deliver`, with the owner of the name, or keeps it until the name has one. True: nobody has
    /// waited for this name before; [`next_awaited`](Self::next_awaited) is to be asked for it after a while.
    ///
    /// `deliver` is called under the lock, so that no message overtakes those that [`set`](Self::set) hands over.
    #[must_use]
    pub(crate) fn send(
        &self,
        name: &str,
        message: Message,
        deliver: impl FnOnce(Handle, Message),
    ) -> bool {
        let mut table = self.lock();
        match table.names.get_mut(name) {
            Some(Name::Taken(to)) => deliver(*to, message),
            Some(Name::Awaited(waiting)) => {
                self.wait(&message);
                waiting.push(message);
            }
            None => {
                self.wait(&message);
                let source = message.source;
                let waiting = Name::Awaited(vec![message]);
                table.names.insert(name.to_owned(), waiting);
                table.untold.push_back((source, name.to_owned()));
                return true;
            }
        }
        false
    }

    /// The name that is awaited for longest of those that this has not given yet, if it still is awaited, and who has
    /// sent the first message to it.
    pub(crate) fn next_awaited(&self) -> Option<(Handle, String)> {
        let mut table = self.lock();
        let (source, name) = table.untold.pop_front()?;
        matches!(table.names.get(&name), Some(Name::Awaited(_))).then_some((source, name))
    }

    /// Gives a name to a service. Messages that have waited for it go to `deliver`, under the lock. `is_alive` is asked
    /// when the name is in the table: a service that ends takes its handle away first and its names then, so that it
    /// does not leave this one behind.
    pub(crate) fn set(
        &self,
        name: &str,
        handle: Handle,
        is_alive: impl FnOnce() -> bool,
        mut deliver: impl FnMut(Message),
    ) {
        let mut table = self.lock();
        let before = table.names.insert(name.to_owned(), Name::Taken(handle));
        if let Some(Name::Taken(owner)) = before {
            table.disown(owner, name);
        }
        if is_alive() {
            table.of.entry(handle).or_default().push(name.to_owned());
        } else {
            table.bury(handle, name.to_owned());
        }
        if let Some(Name::Awaited(waiting)) = before {
            for message in waiting {
                self.messages.fetch_sub(1, Relaxed);
                self.bytes.fetch_sub(message.payload().len(), Relaxed);
                deliver(message);
            }
        }
    }

    /// All names of a service become those of another one, which are told.
    pub(crate) fn hand_over(&self, from: Handle, to: Handle) -> Vec<String> {
        let mut table = self.lock();
        let moved = table.of.remove(&from).unwrap_or_default();
        for name in &moved {
            table.names.insert(name.clone(), Name::Taken(to));
        }
        if !moved.is_empty() {
            let all = table.of.entry(to).or_default();
            all.extend_from_slice(&moved);
        }
        moved
    }

    /// A service has gone, and its names with it.
    pub(crate) fn forget(&self, handle: Handle) {
        let mut table = self.lock();
        for name in table.of.remove(&handle).unwrap_or_default() {
            table.bury(handle, name);
        }
    }

    fn wait(&self, message: &Message) {
        self.messages.fetch_add(1, Relaxed);
        self.bytes.fetch_add(message.payload().len(), Relaxed);
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

//! Global names: whose they are, and the messages to names of which that is not known yet.
//!
//! A name may never be taken, and then its messages wait for ever; so a name that stays unknown for some seconds is
//! worth a line of the log. Without a master only this node could take it, and then they fail.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, RwLock};

use rustc_hash::FxHashMap;
use skynet_kernel::poison::{read, write};
use skynet_kernel::{GlobalBacklog, Handle};

use crate::envelope::{self, Name, Outgoing};

/// Centiseconds after which a name is reported, or given up, that nobody has.
pub(crate) const PATIENCE: u64 = 500;

/// Centiseconds until a name whose time is over is looked at again, before it is reported.
const AGAIN: u64 = 50;

/// What other threads may know of it.
#[derive(Default)]
pub(crate) struct Directory {
    known: RwLock<FxHashMap<Name, Handle>>,
    /// Messages that wait, and the bytes of their payloads.
    messages: AtomicUsize,
    bytes: AtomicUsize,
}

impl Directory {
    fn find(&self, name: &Name) -> Option<Handle> {
        let known = read(&self.known);
        known.get(name).copied()
    }

    /// What waits for names, unless this one is known.
    pub(crate) fn backlog(&self, name: &Name) -> Option<GlobalBacklog> {
        self.find(name).is_none().then(|| GlobalBacklog {
            messages: self.messages.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
        })
    }
}

struct Asked {
    waiting: Vec<Outgoing>,
    /// By the node's clock in centiseconds; none once it was reported.
    since: Option<u64>,
    /// Its time was over at the last look. On a busy node whose name it is may be in the mailbox already, behind the
    /// timer.
    late: bool,
}

pub(crate) struct Names {
    directory: Arc<Directory>,
    asked: FxHashMap<Name, Asked>,
}

/// Names that nobody has taken in time.
#[derive(Default)]
pub(crate) struct Overdue {
    /// Those that were not reported yet.
    pub(crate) names: Vec<String>,
    pub(crate) given_up: Vec<Outgoing>,
    /// Centiseconds until there may be more; nothing if there cannot be.
    pub(crate) next: Option<u64>,
}

impl Names {
    pub(crate) fn new(directory: Arc<Directory>) -> Names {
        Names {
            directory,
            asked: FxHashMap::default(),
        }
    }

    pub(crate) fn find(&self, name: &Name) -> Option<Handle> {
        self.directory.find(name)
    }

    /// Keeps a message until its name is known.
    pub(crate) fn keep(&mut self, name: Name, message: Outgoing, now: u64) {
        let bytes = message.payload().len();
        self.directory.messages.fetch_add(1, Relaxed);
        self.directory.bytes.fetch_add(bytes, Relaxed);
        let asked = self.asked.entry(name).or_insert_with(|| Asked {
            waiting: Vec::new(),
            since: Some(now),
            late: false,
        });
        asked.waiting.push(message);
    }

    /// Notes whose a name is; returns what has waited for it.
    pub(crate) fn set(&mut self, name: Name, handle: Handle) -> Vec<Outgoing> {
        write(&self.directory.known).insert(name, handle);
        let asked = self.asked.remove(&name);
        let waiting = asked.map(|asked| asked.waiting).unwrap_or_default();
        self.uncount(&waiting);
        waiting
    }

    /// The names of this node's services are nobody's now.
    pub(crate) fn forget(&mut self, node: u8) {
        write(&self.directory.known).retain(|_, handle| handle.harbor() != node);
    }

    /// Takes out all that waits.
    pub(crate) fn take_waiting(&mut self) -> Vec<Outgoing> {
        let asked = std::mem::take(&mut self.asked);
        let waiting: Vec<Outgoing> = asked
            .into_values()
            .flat_map(|asked| asked.waiting)
            .collect();
        self.uncount(&waiting);
        waiting
    }

    fn uncount(&self, messages: &[Outgoing]) {
        let bytes = messages.iter().map(|message| message.payload().len()).sum();
        self.directory.messages.fetch_sub(messages.len(), Relaxed);
        self.directory.bytes.fetch_sub(bytes, Relaxed);
    }

    /// The master is lost: the time of all names that are asked for begins anew.
    pub(crate) fn restart(&mut self, now: u64) {
        for asked in self.asked.values_mut() {
            (asked.since, asked.late) = (Some(now), false);
        }
    }

    /// Looks for names whose time is over. With `give_up` what waits for them is taken out, and they can be asked for
    /// again.
    pub(crate) fn overdue(&mut self, now: u64, give_up: bool) -> Overdue {
        let mut overdue = Overdue::default();
        self.asked.retain(|name, asked| {
            let Some(left) = asked
                .since
                .map(|since| (since + PATIENCE).saturating_sub(now))
            else {
                return true;
            };
            if left > 0 {
                overdue.next = Some(overdue.next.map_or(left, |next| next.min(left)));
                return true;
            }
            if !std::mem::replace(&mut asked.late, true) {
                overdue.next = Some(overdue.next.map_or(AGAIN, |next| next.min(AGAIN)));
                return true;
            }
            asked.since = None;
            overdue.names.push(envelope::show(name));
            if give_up {
                overdue.given_up.append(&mut asked.waiting);
            }
            !give_up
        });
        self.uncount(&overdue.given_up);
        overdue.names.sort_unstable();
        overdue
    }
}

#[cfg(test)]
mod tests {
    use skynet_kernel::{Destination, Message, Payload, kind};

    use super::*;

    fn message(session: i32) -> Outgoing {
        let message = Message::new(
            kind::LUA,
            Handle(0x0200_0007),
            session,
            Payload::from("four"),
        );
        let sealed = envelope::seal(Destination::Name("STORE"), &message).unwrap();
        Outgoing::open(sealed).unwrap()
    }

    fn sessions(messages: &[Outgoing]) -> Vec<i32> {
        messages
            .iter()
            .map(|message| message.head.session)
            .collect()
    }

    #[test]
    fn messages_wait_in_their_order_and_are_counted() {
        let directory = Arc::new(Directory::default());
        let mut names = Names::new(Arc::clone(&directory));
        let store = envelope::name(b"STORE");
        for session in 1..=3 {
            names.keep(store, message(session), 0);
        }
        let backlog = directory.backlog(&store).unwrap();
        assert_eq!((backlog.messages, backlog.bytes), (3, 12));
        assert_eq!(sessions(&names.set(store, Handle(7))), [1, 2, 3]);
        assert_eq!(names.find(&store), Some(Handle(7)));
        assert_eq!(directory.backlog(&store), None);
        let other = envelope::name(b"OTHER");
        assert_eq!(directory.backlog(&other).unwrap().messages, 0);
        names.keep(other, message(4), 0);
        assert_eq!(sessions(&names.take_waiting()), [4]);
        assert_eq!(directory.backlog(&other).unwrap().bytes, 0);
    }

    #[test]
    fn a_name_is_reported_once_or_given_up() {
        let mut names = Names::new(Arc::default());
        let (a, b) = (envelope::name(b"A"), envelope::name(b"B"));
        names.keep(a, message(1), 100);
        names.keep(b, message(2), 300);
        // Only the second look that finds its time over reports it.
        let overdue = names.overdue(600, false);
        assert_eq!((overdue.names, overdue.next), (vec![], Some(AGAIN)));
        let overdue = names.overdue(650, false);
        assert_eq!(
            (overdue.names, overdue.next),
            (vec!["A".to_owned()], Some(150))
        );
        assert_eq!(names.overdue(800, false).names, [""; 0]);
        // Whatever time has passed, what is taken between the looks is not reported.
        let c = envelope::name(b"C");
        names.keep(c, message(3), 800);
        let overdue = names.overdue(9000, false);
        assert_eq!(overdue.names, ["B"]);
        assert_eq!(sessions(&names.set(c, Handle(9))), [3]);
        let overdue = names.overdue(9050, false);
        assert_eq!((overdue.names, overdue.next), (vec![], None));

        names.restart(1000);
        assert_eq!(names.overdue(1499, true).next, Some(1));
        assert_eq!(names.overdue(1500, true).next, Some(AGAIN));
        let mut given_up = sessions(&names.overdue(1500, true).given_up);
        given_up.sort_unstable();
        assert_eq!(given_up, [1, 2]);
        assert!(names.take_waiting().is_empty());
    }
}

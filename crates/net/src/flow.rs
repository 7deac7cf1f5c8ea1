//! Flow control towards services: a peer that sends faster than a service handles must not fill the
//! memory with what waits for it.
//!
//! Events of sockets are never refused by a mailbox. So reading stops instead: if more bytes of events wait in the
//! mailbox of a service than [`NetOptions::max_inbox`](crate::NetOptions::max_inbox), the service is *congested*, and
//! its sockets are not read until it has handled half of them. The system's buffers fill up, and TCP slows the peer
//! down. Nothing is lost (except datagrams, which the system drops then), and the service notices nothing: `start` and
//! `pause`, order and end of its sockets are as ever.
//!
//! The mark is one per service and not per socket: memory is bounded whatever the number of its
//! connections, and the engine learns what waits when it hands events over, without further
//! counting (see `skynet_kernel::Node::push_events`).
//!
//! A gate gives the frames of its connections to other services, and gets on with its own mailbox however
//! slow these are. So a socket can have a *consumer*, too: it is not read while that service is congested. What
//! waits there comes from the gate and not from here, so the mailbox is asked before each reading.
//!
//! Input for a congested service is *deferred* (`defer.rs`): what the system has said about the socket, which comes
//! only once, stays in the socket, and its id with its reactor. At relief the reactor goes on with the sockets of that
//! service as if the system had just told. They are read in the order in which they were deferred, some reads each, so
//! no flood keeps others out.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use skynet_kernel::{Handle, Message, Node, lock};

/// Who is congested.
pub(crate) struct Flow {
    mark: Option<usize>,
    /// Is anybody? What every read looks at.
    any: AtomicBool,
    congested: Mutex<HashSet<Handle>>,
    /// Of each reactor: services that were relieved since its last round.
    relieved: Box<[Mutex<Vec<Handle>>]>,
}

impl Flow {
    pub(crate) fn new(mark: Option<usize>, reactors: usize) -> Flow {
        Flow {
            mark,
            any: AtomicBool::new(false),
            congested: Mutex::default(),
            relieved: (0..reactors).map(|_| Mutex::default()).collect(),
        }
    }

    /// Hands events of one service over, and notes whether it is congested. If it has gone, so have
    /// they. The reactors are to be woken if true.
    pub(crate) fn push(
        &self,
        node: &Node,
        dest: Handle,
        events: impl Iterator<Item = Message>,
    ) -> bool {
        let Some(mark) = self.mark else {
            node.push_all(dest, events);
            return false;
        };
        node.push_events(dest, events, mark) && self.note(node, dest)
    }

    /// Do too many bytes wait in the mailbox of a service now? Then it is to be [noted](Flow::note).
    pub(crate) fn congests(&self, node: &Node, service: Handle) -> bool {
        self.mark.is_some_and(|mark| node.congest(service, mark))
    }

    /// A service is congested. If true, it was only until now, and the reactors are to be woken.
    pub(crate) fn note(&self, node: &Node, service: Handle) -> bool {
        {
            let mut congested = lock(&self.congested);
            congested.insert(service);
            self.any.store(true, Relaxed);
        }
        // If the relief came before this was noted, nobody was told of it.
        !node.is_congested(service) && self.relieve(service)
    }

    /// Sockets of this service are not to be read now.
    #[inline]
    pub(crate) fn is_congested(&self, owner: Handle) -> bool {
        self.any.load(Relaxed) && lock(&self.congested).contains(&owner)
    }

    /// A service has caught up, or has gone. The reactors are to be woken if true.
    pub(crate) fn relieve(&self, owner: Handle) -> bool {
        let mut congested = lock(&self.congested);
        if !congested.remove(&owner) {
            return false;
        }
        if congested.is_empty() {
            self.any.store(false, Relaxed);
        }
        // Under the lock: whoever found it congested defers its sockets before it looks here.
        for relieved in &self.relieved {
            lock(relieved).push(owner);
        }
        true
    }

    /// Takes the services that were relieved since the last round of this reactor.
    pub(crate) fn take_relieved(&self, reactor: usize) -> Vec<Handle> {
        std::mem::take(&mut *lock(&self.relieved[reactor]))
    }

    /// Were services relieved since the last round of this reactor?
    pub(crate) fn has_relieved(&self, reactor: usize) -> bool {
        !lock(&self.relieved[reactor]).is_empty()
    }
}

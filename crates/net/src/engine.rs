//! What workers, reactors and resolver threads share.

use std::sync::Weak;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use mio::{Registry, Waker};
use skynet_kernel::blocking::Blocking;
use skynet_kernel::{Handle, Message, Node};

use crate::SocketId;
use crate::deadlines::Deadlines;
use crate::error::Error;
use crate::event::{self, EventKind};
use crate::flow::Flow;
use crate::largest::Largest;
use crate::options::NetOptions;
use crate::outbox::Outbox;
use crate::owners::Owners;
use crate::slots::{Entry, Slots};
use crate::socket::{Socket, State};

pub(crate) struct Engine {
    /// Weak: the node may own the engine.
    pub(crate) node: Weak<Node>,
    pub(crate) options: NetOptions,
    pub(crate) slots: Slots,
    /// Of each reactor.
    pub(crate) registries: Box<[Registry]>,
    pub(crate) wakers: Box<[Waker]>,
    /// … and what it has for the services.
    pub(crate) outboxes: Box<[Outbox]>,
    /// … and its sockets that are to be looked at later.
    pub(crate) deadlines: Box<[Deadlines]>,
    pub(crate) owners: Owners,
    pub(crate) flow: Flow,
    /// Threads that resolve names.
    pub(crate) resolver: Blocking,
    /// Threads that work out handshakes of TLS.
    pub(crate) handshakes: Blocking,
    /// The engine itself, for these.
    pub(crate) own: Weak<Engine>,
    /// What sessions of TLS need.
    pub(crate) tls: skynet_tls::Configs,
    /// Who has been told of peers that are not verified.
    pub(crate) unverified: skynet_tls::Unverified,
    /// Bytes that wait in all queues, those of links apart.
    pub(crate) pending: AtomicUsize,
    /// Who has to go when these are too many.
    pub(crate) largest: Largest,
    pub(crate) stopped: AtomicBool,
    /// The node's time is `began_cs` at `began`.
    pub(crate) began: Instant,
    pub(crate) began_cs: u64,
}

impl Engine {
    /// Centiseconds of the node's clock, without asking the node.
    pub(crate) fn now_cs(&self) -> u64 {
        self.began_cs + (self.began.elapsed().as_millis() / 10) as u64
    }

    /// Sends an event to a service, in order with the others of that socket.
    #[inline]
    pub(crate) fn emit(&self, dest: Handle, id: SocketId, message: Message) {
        let outbox = &self.outboxes[self.reactor(id)];
        if let Some(message) = outbox.put(dest, message)
            && let Some(node) = self.node.upgrade()
        {
            // If the service has ended, the event is dropped.
            node.push_all(dest, std::iter::once(message));
        }
    }

    /// Sends an event about a socket to its owner.
    pub(crate) fn tell(&self, socket: &Socket, event: EventKind, ud: i32, text: &str) {
        let message = event::message(event, socket.id, ud, [text.as_bytes(), &[]]);
        self.emit(socket.owner, socket.id, message);
    }

    /// Makes each reactor look around.
    pub(crate) fn wake(&self) {
        for waker in &self.wakers {
            // If a reactor cannot be woken, its thread has failed and ended.
            let _ = waker.wake();
        }
    }

    /// Which reactor a socket belongs to.
    #[inline]
    pub(crate) fn reactor(&self, id: SocketId) -> usize {
        id as usize % self.registries.len()
    }

    pub(crate) fn log(&self, text: &str) {
        if let Some(node) = self.node.upgrade() {
            node.log(Handle::NONE, text.as_bytes());
        }
    }

    /// Puts a new socket into a slot.
    pub(crate) fn allocate(&self, owner: Handle, state: State) -> Result<Entry<'_>, Error> {
        if self.stopped.load(Relaxed) {
            return Err(Error::Stopped);
        }
        let cap = self.options.max_pending;
        let entry = self
            .slots
            .allocate(|id| Socket::new(id, owner, state, cap))
            .ok_or(Error::Full)?;
        self.owners.add(owner, entry.id);
        Ok(entry)
    }
}

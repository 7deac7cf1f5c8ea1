//! How much output may wait.
//!
//! * A socket has a cap ([`Net::set_cap`]): over it, it is destroyed.
//! * All sockets together have one ([`NetOptions::max_pending_total`]): over it, those on which the most waits are
//!   destroyed, whoever passed the line. For a moment an eighth more may wait; see `largest.rs`.
//! * A *link*, the connection to another node ([`Net::set_link`]), has neither. Whoever sends on it asks first whether
//!   there is [`room`](Net::room), and waits, or lets its caller fail. So a large request does not cost the connection,
//!   and the bytes of links do not count against the cap of all. Links can have a limit together ([`LinkPool`]).
//!
//! A destroyed socket is reset, and its owner gets an ERROR that says why, then CLOSE.
//!
//! [`Net::set_cap`]: crate::Net::set_cap
//! [`Net::set_link`]: crate::Net::set_link
//! [`Net::room`]: crate::Net::room
//! [`NetOptions::max_pending_total`]: crate::NetOptions::max_pending_total

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::SocketId;
use crate::engine::Engine;
use crate::event::EventKind;
use crate::link_pool::LinkPool;
use crate::slots::Entry;
use crate::socket::{Link, Socket};

/// Whether a link takes more; see [`Net::room`](crate::Net::room).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Room {
    /// It does.
    Free,
    /// Not now. Its owner gets [`EventKind::Room`] when half of its limit is free.
    Full,
    /// There is no such socket.
    Gone,
}

impl Link {
    fn count(&self, bytes: usize) {
        if let Some(pool) = &self.pool {
            pool.add(bytes);
        }
    }

    fn uncount(&self, bytes: usize) {
        if let Some(pool) = &self.pool {
            pool.remove(bytes);
        }
    }

    /// What may wait if so many bytes more did.
    fn most(&self, bytes: usize) -> usize {
        let share = self.pool.as_ref().and_then(|pool| pool.share(bytes));
        share.map_or(self.most, |share| self.most.min(share))
    }
}

impl Engine {
    /// So many bytes have begun to wait on a socket: over a cap? That of the socket comes first. False if the socket
    /// has gone.
    pub(crate) fn check_caps(&self, socket: Entry<'_>, bytes: usize) -> bool {
        if let Some(link) = &socket.link {
            link.count(bytes);
            return true;
        }
        let total = self.pending.fetch_add(bytes, Relaxed) + bytes;
        let pending = socket.queue.pending();
        if let Some(cap) = socket.cap.filter(|&cap| pending > cap) {
            self.overflow(socket, "send queue over its limit", cap);
            return false;
        }
        if let Some(cap) = self.options.max_pending_total.filter(|&cap| total > cap) {
            let id = socket.id;
            drop(socket);
            self.destroy_largest(cap);
            return self.slots.lock(id).is_some();
        }
        true
    }

    /// Bytes of a socket do not wait any more.
    pub(crate) fn no_longer_pending(&self, socket: &Socket, bytes: usize) {
        match &socket.link {
            Some(link) => link.uncount(bytes),
            None => drop(self.pending.fetch_sub(bytes, Relaxed)),
        }
    }

    /// Nobody may hold the lock of a socket meanwhile.
    #[cold]
    fn destroy_largest(&self, cap: usize) {
        let mut largest = self.largest.lock();
        if !largest.is_due(self.pending.load(Relaxed), cap) {
            return;
        }
        // What was found may have changed meanwhile, or may not be enough.
        for _ in 0..2 {
            if self.pending.load(Relaxed) <= cap {
                return;
            }
            largest.look(&self.slots);
            while self.pending.load(Relaxed) > cap
                && let Some(socket) = largest.next(&self.slots)
            {
                self.overflow(socket, "send queues of the node over their limit", cap);
            }
        }
    }

    #[cold]
    fn overflow(&self, socket: Entry<'_>, what: &str, cap: usize) {
        let text = format!("{what} ({cap} bytes)");
        self.tell(&socket, EventKind::Error, 0, &text);
        socket.io.reset_at_close();
        self.destroy_and_tell(socket);
    }

    // ---- links

    pub(crate) fn set_link(&self, id: SocketId, most: Option<usize>, pool: Option<&Arc<LinkPool>>) {
        let Some(mut socket) = self.slots.lock(id) else {
            return;
        };
        let pending = socket.queue.pending();
        self.no_longer_pending(&socket, pending);
        socket.link = most.map(|most| Link {
            most,
            full: false,
            pool: pool.cloned(),
        });
        match &socket.link {
            Some(link) => link.count(pending),
            None => drop(self.pending.fetch_add(pending, Relaxed)),
        }
    }

    pub(crate) fn room(&self, id: SocketId, bytes: usize) -> Room {
        let Some(mut socket) = self.slots.lock(id) else {
            return Room::Gone;
        };
        let pending = socket.queue.pending();
        let Some(link) = &mut socket.link else {
            return Room::Free;
        };
        if pending == 0 || pending.saturating_add(bytes) <= link.most(bytes) {
            return Room::Free;
        }
        link.full = true;
        Room::Full
    }

    /// Output of a socket has gone: somebody may wait for that.
    pub(crate) fn tell_room(&self, socket: &mut Socket) {
        let pending = socket.queue.pending();
        if let Some(link) = &mut socket.link
            && link.full
            && pending <= link.most / 2
        {
            link.full = false;
            self.tell(socket, EventKind::Room, 0, "");
        }
    }
}

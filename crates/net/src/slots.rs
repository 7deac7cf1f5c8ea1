//! Sockets by id: slots, each with a lock of its own. There are 65536 of them, or more if the process may have more
//! descriptors.
//!
//! The slot of an id is its remainder modulo their number, a power of two. Ids start at 1 and grow by one with every
//! allocation, skipping those whose slot is taken; after 0x7fffffff they start again at 1. Whoever
//! uses an id compares all of it, so the id of a socket that has gone leads nowhere.
//!
//! Slots are made in chunks when they are first needed, so that a node without sockets pays for a
//! table of pointers only.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, OnceLock, TryLockError};

use skynet_kernel::lock;

use crate::SocketId;
use crate::socket::Socket;

/// Number of slots at least, and at most.
pub(crate) const LEAST: usize = 1 << 16;
const MOST: usize = 1 << 24;
const CHUNK: usize = 256;

type Slot = Mutex<Option<Box<Socket>>>;

pub(crate) struct Slots {
    chunks: Box<[OnceLock<Box<[Slot]>>]>,
    /// Their number less one.
    mask: usize,
    /// The id given out last.
    last: AtomicU32,
    live: AtomicUsize,
    limit: usize,
}

/// A socket, locked.
pub(crate) struct Entry<'a> {
    slot: MutexGuard<'a, Option<Box<Socket>>>,
    live: &'a AtomicUsize,
}

impl Slots {
    /// For as many sockets as `limit` says, or else for as many as there are descriptors.
    pub(crate) fn new(limit: Option<usize>, descriptors: Option<u64>) -> Slots {
        let descriptors = descriptors.map_or(0, |n| usize::try_from(n).unwrap_or(MOST));
        let slots = limit.unwrap_or(descriptors).clamp(LEAST, MOST);
        let slots = slots.next_power_of_two();
        Slots {
            chunks: (0..slots / CHUNK).map(|_| OnceLock::new()).collect(),
            mask: slots - 1,
            last: AtomicU32::new(0),
            live: AtomicUsize::new(0),
            limit: limit.unwrap_or(slots).min(slots),
        }
    }

    /// Number of sockets.
    pub(crate) fn live(&self) -> usize {
        self.live.load(Relaxed)
    }

    /// Puts a new socket into a slot and keeps it locked. `None` if there are too many.
    pub(crate) fn allocate(&self, make: impl FnOnce(SocketId) -> Socket) -> Option<Entry<'_>> {
        let counted = self.live.fetch_update(Relaxed, Relaxed, |live| {
            (live < self.limit).then_some(live + 1)
        });
        counted.ok()?;
        // The slots that are free now may be taken by others while this thread looks elsewhere, but
        // as it has been counted, there is one.
        loop {
            let id = (self.last.fetch_add(1, Relaxed).wrapping_add(1) & 0x7fff_ffff) as SocketId;
            if id == 0 {
                continue;
            }
            // A locked slot is in use. It may even be in use by this thread, which accepts.
            let slot = match self.slot(id).try_lock() {
                Ok(slot) => slot,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => continue,
            };
            if slot.is_none() {
                let mut slot = slot;
                *slot = Some(Box::new(make(id)));
                return Some(Entry {
                    slot,
                    live: &self.live,
                });
            }
        }
    }

    /// Locks a socket. `None` if it has gone.
    #[inline]
    pub(crate) fn lock(&self, id: SocketId) -> Option<Entry<'_>> {
        if id <= 0 {
            return None;
        }
        let chunk = self.chunks[(id as usize & self.mask) / CHUNK].get()?;
        let slot = lock(&chunk[id as usize % CHUNK]);
        match &*slot {
            Some(socket) if socket.id == id => Some(Entry {
                slot,
                live: &self.live,
            }),
            _ => None,
        }
    }

    /// Shows all sockets, from the highest slot to the lowest, each under its lock.
    pub(crate) fn for_each(&self, mut show: impl FnMut(Entry<'_>)) {
        for chunk in self.chunks.iter().rev().filter_map(OnceLock::get) {
            for slot in chunk.iter().rev() {
                let slot = lock(slot);
                if slot.is_some() {
                    show(Entry {
                        slot,
                        live: &self.live,
                    });
                }
            }
        }
    }

    fn slot(&self, id: SocketId) -> &Slot {
        let chunk = self.chunks[(id as usize & self.mask) / CHUNK]
            .get_or_init(|| (0..CHUNK).map(|_| Mutex::default()).collect());
        &chunk[id as usize % CHUNK]
    }
}

impl Entry<'_> {
    /// Takes the socket out of its slot. Its id is inert from now on.
    pub(crate) fn remove(mut self) -> Box<Socket> {
        self.live.fetch_sub(1, Relaxed);
        self.slot.take().expect("an entry holds a socket")
    }
}

impl Deref for Entry<'_> {
    type Target = Socket;

    #[inline]
    fn deref(&self) -> &Socket {
        self.slot.as_ref().expect("an entry holds a socket")
    }
}

impl DerefMut for Entry<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Socket {
        self.slot.as_mut().expect("an entry holds a socket")
    }
}

#[cfg(test)]
mod tests {
    use skynet_kernel::Handle;

    use super::*;
    use crate::socket::State;

    fn make(id: SocketId) -> Socket {
        Socket::new(id, Handle::NONE, State::Connecting, None)
    }

    #[test]
    fn ids_grow_skip_what_is_taken_and_wrap() {
        let slots = Slots::new(None, None);
        let first = slots.allocate(make).unwrap().id;
        assert_eq!(first, 1);
        assert_eq!(slots.allocate(make).unwrap().id, 2);
        slots.lock(2).unwrap().remove();
        assert!(slots.lock(2).is_none());
        assert_eq!(slots.allocate(make).unwrap().id, 3);
        slots.last.store(0x7fff_fffe, Relaxed);
        assert_eq!(slots.allocate(make).unwrap().id, 0x7fff_ffff);
        // 0 is never given out, 1 is taken, 2 is not.
        assert_eq!(slots.allocate(make).unwrap().id, 2);
        slots.last.store(LEAST as u32, Relaxed);
        assert_eq!(slots.allocate(make).unwrap().id, LEAST as i32 + 4);
        assert!(slots.lock(4).is_none());
    }

    #[test]
    fn there_are_more_if_they_are_wanted_or_the_system_has_descriptors() {
        let slots = Slots::new(Some(100_000), Some(1024));
        for id in 1..=100_000 {
            assert_eq!(slots.allocate(make).unwrap().id, id);
        }
        assert!(slots.allocate(make).is_none());
        assert!(slots.lock(1).is_some() && slots.lock(65_537).is_some());
        assert_eq!(Slots::new(None, Some(1024)).limit, LEAST);
        assert_eq!(Slots::new(None, Some(LEAST as u64 + 1)).limit, 2 * LEAST);
        assert_eq!(Slots::new(None, Some(u64::MAX)).limit, MOST);
        assert_eq!(Slots::new(Some(5), Some(u64::MAX)).limit, 5);
    }

    #[test]
    fn there_are_65536_of_them_or_fewer() {
        let slots = Slots::new(None, None);
        for _ in 0..LEAST {
            assert!(slots.allocate(make).is_some());
        }
        assert!(slots.allocate(make).is_none());
        slots.lock(77).unwrap().remove();
        assert_eq!(slots.allocate(make).unwrap().id, LEAST as i32 + 77);
        let few = Slots::new(Some(1), None);
        assert!(few.allocate(make).is_some());
        assert!(few.allocate(make).is_none());
        assert_eq!(few.live(), 1);
    }
}

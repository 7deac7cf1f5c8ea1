//! Sockets by id: 65536 slots, each with a lock of its own.
//!
//! The slot of an id is its remainder modulo 65536. Ids start at 1 and grow by one with every
//! allocation, skipping those whose slot is taken; after 0x7fffffff they start again at 1. Whoever
//! uses an id compares all of it, so the id of a socket that has gone leads nowhere.
//!
//! Slots are made in chunks when they are first needed, so that a node without sockets pays for a
//! table of pointers only.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};

use crate::SocketId;
use crate::socket::Socket;

/// Number of slots.
pub(crate) const SLOTS: usize = 65536;
const CHUNK: usize = 256;

type Slot = Mutex<Option<Box<Socket>>>;

pub(crate) struct Slots {
    chunks: Box<[OnceLock<Box<[Slot]>>]>,
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
    pub(crate) fn new(limit: Option<usize>) -> Slots {
        Slots {
            chunks: (0..SLOTS / CHUNK).map(|_| OnceLock::new()).collect(),
            last: AtomicU32::new(0),
            live: AtomicUsize::new(0),
            limit: limit.map_or(SLOTS, |limit| limit.min(SLOTS)),
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
        let chunk = self.chunks[id as usize % SLOTS / CHUNK].get()?;
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
        let chunk = self.chunks[id as usize % SLOTS / CHUNK]
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

/// A panic of the engine is a bug; sockets other than the one concerned should not suffer from it.
fn lock(slot: &Slot) -> MutexGuard<'_, Option<Box<Socket>>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
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
        let slots = Slots::new(None);
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
        slots.last.store(SLOTS as u32, Relaxed);
        assert_eq!(slots.allocate(make).unwrap().id, SLOTS as i32 + 4);
        assert!(slots.lock(4).is_none());
    }

    #[test]
    fn there_are_65536_of_them_or_fewer() {
        let slots = Slots::new(None);
        for _ in 0..SLOTS {
            assert!(slots.allocate(make).is_some());
        }
        assert!(slots.allocate(make).is_none());
        slots.lock(77).unwrap().remove();
        assert_eq!(slots.allocate(make).unwrap().id, SLOTS as i32 + 77);
        let few = Slots::new(Some(1));
        assert!(few.allocate(make).is_some());
        assert!(few.allocate(make).is_none());
        assert_eq!(few.live(), 1);
    }
}

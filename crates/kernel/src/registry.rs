//! Handles and names: who is reachable under which address.
//!
//! Handles are looked up for every message, so that path takes no lock: a power-of-two table
//! indexed by the low bits of the local number, replaced as a whole when it must grow. Old tables
//! are kept until the node goes (together they are never larger than the current one), so a reader
//! that still holds one is safe; if it finds an entry that is out of date, the comparison of
//! handles under the mailbox's lock fails.
//!
//! Numbers: the next candidate is the last one plus one; candidates whose place is taken are
//! skipped; after 0xffffff comes 1; the table doubles only when every place is taken. So a number
//! is not used again before all 2^24 had their turn.
//!
//! Names are stored without their leading dot. A name can be taken once; a service may have many;
//! they vanish with it.

use std::collections::{BTreeMap, HashMap};
use std::ptr::{self, NonNull};
use std::sync::atomic::{
    AtomicPtr, AtomicU32, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use crate::mailbox::{Body, Mailbox};
use crate::message::Handle;

/// Places of the first table.
const START: usize = 4;

struct Table<B: Body> {
    /// Number of places minus one.
    mask: u32,
    places: Box<[Place<B>]>,
}

struct Place<B: Body> {
    /// 0 if nobody lives here.
    handle: AtomicU32,
    mailbox: AtomicPtr<Mailbox<B>>,
}

/// The handle table and the names of one node.
pub(crate) struct Registry<B: Body> {
    table: AtomicPtr<Table<B>>,
    /// High byte of all handles.
    harbor: u32,
    book: Mutex<Book<B>>,
    names: RwLock<Names>,
}

/// What only writers need.
struct Book<B: Body> {
    /// The local number given out last.
    last: u32,
    used: usize,
    /// Every table that ever was current. The last one is.
    #[expect(clippy::vec_box, reason = "readers hold the addresses of tables")]
    tables: Vec<Box<Table<B>>>,
    /// Every mailbox. The boxes give them a fixed address; they live as long as the registry.
    mailboxes: Vec<Box<Mailbox<B>>>,
    free: Vec<NonNull<Mailbox<B>>>,
    /// No more allocations.
    closed: bool,
}

#[derive(Default)]
struct Names {
    by_name: BTreeMap<String, Handle>,
    by_handle: HashMap<Handle, Vec<String>>,
}

// SAFETY: the raw pointers lead to mailboxes and tables owned by `book`, which are shared by
// reference only; a mailbox synchronises its content by its own lock, and moves bodies and cards
// between threads.
unsafe impl<B: Body + Send> Send for Registry<B> where B::Card: Send {}
// SAFETY: as above.
unsafe impl<B: Body + Send> Sync for Registry<B> where B::Card: Send {}

impl<B: Body> Table<B> {
    fn new(places: usize) -> Box<Table<B>> {
        let places = (0..places)
            .map(|_| Place {
                handle: AtomicU32::new(0),
                mailbox: AtomicPtr::new(ptr::null_mut()),
            })
            .collect::<Box<[_]>>();
        Box::new(Table {
            mask: places.len() as u32 - 1,
            places,
        })
    }

    #[inline]
    fn place(&self, local: u32) -> &Place<B> {
        &self.places[(local & self.mask) as usize]
    }
}

impl<B: Body> Registry<B> {
    pub(crate) fn new(harbor: u8) -> Registry<B> {
        let table = Table::new(START);
        Registry {
            table: AtomicPtr::new((&raw const *table).cast_mut()),
            harbor: u32::from(harbor) << 24,
            book: Mutex::new(Book {
                last: 0,
                used: 0,
                tables: vec![table],
                mailboxes: Vec::new(),
                free: Vec::new(),
                closed: false,
            }),
            names: RwLock::default(),
        }
    }

    #[inline]
    fn table(&self) -> &Table<B> {
        // SAFETY: the pointer always leads to a table in `book.tables`, none of which is dropped
        // before the registry.
        unsafe { &*self.table.load(Acquire) }
    }

    fn book(&self) -> MutexGuard<'_, Book<B>> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The mailbox that a handle leads to. It may have been retired or recycled meanwhile: compare
    /// handles under its lock.
    #[inline]
    pub(crate) fn find(&self, handle: Handle) -> Option<&Mailbox<B>> {
        let place = self.table().place(handle.0);
        if place.handle.load(Acquire) != handle.0 || handle.is_none() {
            return None;
        }
        // SAFETY: a mailbox is never dropped before the registry.
        unsafe { place.mailbox.load(Relaxed).as_ref() }
    }

    /// Gives a new handle and a mailbox out. `open` prepares the mailbox before anybody can find
    /// it. `None`: every number is taken, or the registry was closed.
    pub(crate) fn allocate(
        &self,
        open: impl FnOnce(Handle, &Mailbox<B>),
    ) -> Option<(Handle, &Mailbox<B>)> {
        let mut book = self.book();
        if book.closed {
            return None;
        }
        if book.used == self.table().places.len() {
            self.grow(&mut book)?;
        }
        let table = self.table();
        let mut local = book.last;
        loop {
            local = if local >= Handle::LOCAL_MAX {
                1
            } else {
                local + 1
            };
            if table.place(local).handle.load(Relaxed) == 0 {
                break;
            }
        }
        let handle = Handle(self.harbor | local);
        let mailbox = match book.free.pop() {
            Some(mailbox) => mailbox,
            None => {
                book.mailboxes.push(Box::default());
                NonNull::from(&**book.mailboxes.last().expect("just pushed"))
            }
        };
        // SAFETY: a mailbox is never dropped before the registry.
        let mailbox = unsafe { mailbox.as_ref() };
        open(handle, mailbox);
        let place = table.place(local);
        place
            .mailbox
            .store((&raw const *mailbox).cast_mut(), Relaxed);
        place.handle.store(handle.0, Release);
        book.last = local;
        book.used += 1;
        Some((handle, mailbox))
    }

    fn grow(&self, book: &mut Book<B>) -> Option<()> {
        let old = self.table();
        // With 2^24 places, place 0 could only be filled by number 0, which does not exist.
        if old.places.len() > Handle::LOCAL_MAX as usize / 2 {
            return None;
        }
        let new = Table::new(old.places.len() * 2);
        for place in &old.places {
            let handle = place.handle.load(Relaxed);
            let target = new.place(handle);
            target.mailbox.store(place.mailbox.load(Relaxed), Relaxed);
            target.handle.store(handle, Relaxed);
        }
        self.table.store((&raw const *new).cast_mut(), Release);
        book.tables.push(new);
        Some(())
    }

    /// Makes a handle unreachable, with all its names. Returns its mailbox, still open; `None` if
    /// it has gone already.
    pub(crate) fn remove(&self, handle: Handle) -> Option<&Mailbox<B>> {
        let mut book = self.book();
        let place = self.table().place(handle.0);
        if handle.is_none() || place.handle.load(Relaxed) != handle.0 {
            return None;
        }
        place.handle.store(0, Release);
        book.used -= 1;
        // SAFETY: a mailbox is never dropped before the registry.
        let mailbox = unsafe { place.mailbox.load(Relaxed).as_ref() };
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        for name in names.by_handle.remove(&handle).unwrap_or_default() {
            names.by_name.remove(&name);
        }
        mailbox
    }

    /// Takes a mailbox back that nobody uses any more.
    pub(crate) fn recycle(&self, mailbox: NonNull<Mailbox<B>>) {
        self.book().free.push(mailbox);
    }

    /// No handle is given out any more. Returns those that exist, in ascending order.
    pub(crate) fn close(&self) -> Vec<Handle> {
        self.book().closed = true;
        self.handles()
    }

    /// All handles, in ascending order.
    pub(crate) fn handles(&self) -> Vec<Handle> {
        let _book = self.book();
        let places = self.table().places.iter();
        let mut handles: Vec<Handle> = places
            .map(|p| Handle(p.handle.load(Relaxed)))
            .filter(|h| !h.is_none())
            .collect();
        handles.sort_unstable();
        handles
    }

    /// Binds a name. False if it is taken, or if the handle does not exist.
    pub(crate) fn bind(&self, name: &str, handle: Handle) -> bool {
        // The book's lock keeps `remove` from running in between, which would leave the name behind
        // for ever.
        let _book = self.book();
        if self.find(handle).is_none() {
            return false;
        }
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        if names.by_name.contains_key(name) {
            return false;
        }
        names.by_name.insert(name.to_owned(), handle);
        names
            .by_handle
            .entry(handle)
            .or_default()
            .push(name.to_owned());
        true
    }

    /// Who has a name.
    pub(crate) fn named(&self, name: &str) -> Option<Handle> {
        self.names
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .by_name
            .get(name)
            .copied()
    }

    /// All names with their handles, sorted by name.
    pub(crate) fn names(&self) -> Vec<(String, Handle)> {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        names
            .by_name
            .iter()
            .map(|(name, &handle)| (name.clone(), handle))
            .collect()
    }

    /// Sets the local number that counts as given out last, so that tests reach the end of the
    /// numbers.
    #[cfg(test)]
    pub(crate) fn set_last(&self, local: u32) {
        self.book().last = local;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;
    use std::collections::VecDeque;

    struct Nobody(VecDeque<Message>);

    impl Body for Nobody {
        type Card = ();
        fn batch(&mut self) -> &mut VecDeque<Message> {
            &mut self.0
        }
    }

    fn take(registry: &Registry<Nobody>) -> u32 {
        registry
            .allocate(|handle, mailbox| mailbox.open(handle, (), None))
            .unwrap()
            .0
            .0
    }

    fn give(registry: &Registry<Nobody>, handle: u32) {
        let mailbox = registry.remove(Handle(handle)).unwrap();
        assert_eq!(mailbox.retire(Handle(handle), false), Some(false));
        mailbox.clear();
        let mailbox = NonNull::from(mailbox);
        registry.recycle(mailbox);
    }

    #[test]
    fn numbers_are_consecutive_and_not_reused() {
        let registry = Registry::new(0);
        assert_eq!(
            (0..4).map(|_| take(&registry)).collect::<Vec<_>>(),
            [1, 2, 3, 4]
        );
        give(&registry, 2);
        // The table has four places; that of 2 is free, and 6 is the next number that falls on it.
        assert_eq!(take(&registry), 6);
        assert!(registry.find(Handle(2)).is_none());
        assert!(registry.find(Handle(6)).is_some());
        assert_eq!(take(&registry), 7, "a full table doubles");
        assert_eq!(registry.handles(), [1, 3, 4, 6, 7].map(Handle));
    }

    #[test]
    fn numbers_wrap_after_24_bits_and_skip_zero() {
        let registry = Registry::new(5);
        assert_eq!(take(&registry), 0x0500_0001);
        registry.set_last(0x00ff_fffd);
        let rest: Vec<u32> = (0..4).map(|_| take(&registry)).collect();
        // 0xfffffd + 4 places: fe → 2, ff → 3, then 1 is taken, 2 and 3 too, 4 → 0; full, so the
        // table doubles: 5.
        assert_eq!(rest, [0x05ff_fffe, 0x05ff_ffff, 0x0500_0004, 0x0500_0005]);
        for handle in registry.handles() {
            assert!(registry.find(handle).is_some());
        }
    }

    #[test]
    fn names_belong_to_their_handle() {
        let registry = Registry::new(0);
        let (a, b) = (Handle(take(&registry)), Handle(take(&registry)));
        assert!(registry.bind("x", a) && registry.bind("y", a) && registry.bind("z", b));
        assert!(!registry.bind("x", a), "taken, even by itself");
        assert!(!registry.bind("x", b));
        assert!(!registry.bind("w", Handle(77)), "nobody to name");
        give(&registry, a.0);
        assert_eq!((registry.named("x"), registry.named("z")), (None, Some(b)));
        assert!(registry.bind("x", b));
        assert_eq!(registry.names().len(), 2);
    }
}

//! Handles and names: who is reachable under which address.
//!
//! Handles are looked up for every message, so that path takes no lock: a power-of-two table
//! indexed by the low bits of the local number, replaced as a whole when it must grow. Old tables
//! are kept until the node goes (together they are never larger than the current one), so a reader
//! that still holds one is safe; if it finds an entry that is out of date, the comparison of
//! handles under the mailbox's lock fails.
//!
//! Numbers: the next candidate is the last one plus one; candidates whose place is taken are
//! skipped; after 0xffffff comes 1. The table doubles when half of its places are taken. So a
//! service that has gone leaves a number that is not used again before millions of others were, and
//! a launch finds a free place at once: writers keep a bit for each place, so that even a million
//! taken ones in a row are passed in microseconds.
//!
//! Names are stored without their leading dot. A name can be taken once; a service may have many;
//! they vanish with it.

use std::collections::{BTreeMap, HashMap};
use std::ptr::{self, NonNull};
use std::sync::PoisonError;

use crossbeam_utils::CachePadded;

use crate::mailbox::{Body, Mailbox};
use crate::message::Handle;
use crate::sync::{
    AtomicPtr, AtomicU32, Mutex, MutexGuard, Ordering::Acquire, Ordering::Relaxed,
    Ordering::Release, RwLock, RwLockReadGuard, RwLockWriteGuard,
};

/// Places of the first table.
const START: usize = 4;
/// Places of the largest table. One of them stays empty: there is no number 0.
const MOST: usize = Handle::LOCAL_MAX as usize + 1;

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
pub struct Registry<B: Body> {
    /// On a cache line of its own, since every message reads it.
    table: CachePadded<AtomicPtr<Table<B>>>,
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
    /// A bit for each place of the table that is taken.
    taken: Taken,
    /// Every table that ever was current. The last one is. Owned, from `Box::into_raw`: readers hold their addresses.
    tables: Vec<NonNull<Table<B>>>,
    /// Every mailbox, owned in the same way; they live as long as the registry.
    mailboxes: Vec<NonNull<Mailbox<B>>>,
    free: Vec<NonNull<Mailbox<B>>>,
    /// No more allocations.
    closed: bool,
}

/// Which places of a table are taken.
struct Taken {
    mask: u32,
    words: Vec<u64>,
}

impl Taken {
    fn new(places: usize) -> Taken {
        let mut words = vec![0; places.div_ceil(64)];
        if places < 64 {
            // An index outside of the table is not free.
            words[0] = !0 << places;
        }
        Taken {
            mask: places as u32 - 1,
            words,
        }
    }

    fn set(&mut self, local: u32, taken: bool) {
        let place = (local & self.mask) as usize;
        let bit = 1 << (place % 64);
        match taken {
            true => self.words[place / 64] |= bit,
            false => self.words[place / 64] &= !bit,
        }
    }

    /// The first free place from this one on.
    fn free_from(&self, place: u32) -> Option<u32> {
        let first = place as usize / 64;
        let behind = !0u64 << (place % 64);
        let masks = std::iter::once(behind).chain(std::iter::repeat(!0));
        let mut words = self.words[first..].iter().zip(masks).enumerate();
        words.find_map(|(n, (&word, mask))| {
            let free = !word & mask;
            (free != 0).then(|| (first + n) as u32 * 64 + free.trailing_zeros())
        })
    }

    /// The first number after `last` whose place is free. There is a free place beside that of 0.
    fn next(&self, last: u32) -> u32 {
        let mut from = last + 1;
        loop {
            if from > Handle::LOCAL_MAX {
                from = 1;
            }
            let place = from & self.mask;
            if let Some(free) = self.free_from(place) {
                return from - place + free;
            }
            from = (from | self.mask) + 1;
        }
    }
}

#[derive(Default)]
struct Names {
    by_name: BTreeMap<String, Handle>,
    by_handle: HashMap<Handle, Vec<String>>,
}

// SAFETY: the raw pointers lead to mailboxes and tables owned by `book`, which are shared by reference only until the
// registry is dropped; a mailbox synchronises its content by its own lock, and moves bodies and cards between threads.
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
    /// An empty one, of the node with this number.
    pub fn new(harbor: u8) -> Registry<B> {
        let table = NonNull::from(Box::leak(Table::new(START)));
        Registry {
            table: CachePadded::new(AtomicPtr::new(table.as_ptr())),
            harbor: u32::from(harbor) << 24,
            book: Mutex::new(Book {
                last: 0,
                used: 0,
                taken: Taken::new(START),
                tables: vec![table],
                mailboxes: Vec::new(),
                free: Vec::new(),
                closed: false,
            }),
            names: RwLock::new(Names::default()),
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

    fn read_names(&self) -> RwLockReadGuard<'_, Names> {
        self.names.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_names(&self) -> RwLockWriteGuard<'_, Names> {
        self.names.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The mailbox that a handle leads to. It may have been retired or recycled meanwhile: compare
    /// handles under its lock.
    #[inline]
    pub fn find(&self, handle: Handle) -> Option<&Mailbox<B>> {
        let place = self.table().place(handle.0);
        if place.handle.load(Acquire) != handle.0 || handle.is_none() {
            return None;
        }
        // The mailbox may be one that somebody has put here since the handle was read, so that this has to see by
        // itself what its maker wrote. SAFETY: a mailbox is never dropped before the registry.
        unsafe { place.mailbox.load(Acquire).as_ref() }
    }

    /// Gives a new handle and a mailbox out. `open` prepares the mailbox before anybody can find
    /// it. `None`: half of all numbers are taken, or the registry was closed.
    pub fn allocate(
        &self,
        open: impl FnOnce(Handle, &Mailbox<B>),
    ) -> Option<(Handle, &Mailbox<B>)> {
        let mut book = self.book();
        if book.closed {
            return None;
        }
        if book.used * 2 >= self.table().places.len() {
            self.grow(&mut book)?;
        }
        let local = book.taken.next(book.last);
        let handle = Handle(self.harbor | local);
        let mailbox = book.free.pop().unwrap_or_else(|| {
            let made = NonNull::from(Box::leak(Box::default()));
            book.mailboxes.push(made);
            made
        });
        let place = self.table().place(local);
        place.mailbox.store(mailbox.as_ptr(), Release);
        // SAFETY: a mailbox is never dropped before the registry.
        let mailbox = unsafe { mailbox.as_ref() };
        open(handle, mailbox);
        place.handle.store(handle.0, Release);
        book.last = local;
        book.used += 1;
        book.taken.set(local, true);
        Some((handle, mailbox))
    }

    fn grow(&self, book: &mut Book<B>) -> Option<()> {
        let old = self.table();
        let places = old.places.len() * 2;
        if places > MOST {
            return None;
        }
        let new = Table::new(places);
        let mut taken = Taken::new(places);
        for place in &old.places {
            let handle = place.handle.load(Relaxed);
            if handle != 0 {
                let target = new.place(handle);
                target.mailbox.store(place.mailbox.load(Relaxed), Relaxed);
                target.handle.store(handle, Relaxed);
                taken.set(handle, true);
            }
        }
        let new = NonNull::from(Box::leak(new));
        self.table.store(new.as_ptr(), Release);
        book.tables.push(new);
        book.taken = taken;
        Some(())
    }

    /// Makes a handle unreachable, with all its names. Returns its mailbox, still open; `None` if
    /// it has gone already.
    pub fn remove(&self, handle: Handle) -> Option<&Mailbox<B>> {
        let mut book = self.book();
        if handle.is_none() {
            return None;
        }
        // Exchanged in one step each: a model finds nothing behind a writer's own reading.
        let place = self.table().place(handle.0);
        let gone = place.handle.compare_exchange(handle.0, 0, Release, Relaxed);
        gone.ok()?;
        let mailbox = place.mailbox.swap(ptr::null_mut(), Relaxed);
        book.used -= 1;
        book.taken.set(handle.0, false);
        // SAFETY: a mailbox is never dropped before the registry.
        let mailbox = unsafe { mailbox.as_ref() };
        let mut names = self.write_names();
        for name in names.by_handle.remove(&handle).unwrap_or_default() {
            names.by_name.remove(&name);
        }
        mailbox
    }

    /// Takes a mailbox back that nobody uses any more.
    pub fn recycle(&self, mailbox: NonNull<Mailbox<B>>) {
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
        let mut names = self.write_names();
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

    /// Gives all names of one handle to another, in one step. None if the other does not exist.
    pub(crate) fn hand_over(&self, from: Handle, to: Handle) -> Option<Vec<String>> {
        let _book = self.book();
        self.find(to)?;
        let mut names = self.write_names();
        let moved = names.by_handle.remove(&from).unwrap_or_default();
        for name in &moved {
            names.by_name.insert(name.clone(), to);
        }
        names
            .by_handle
            .entry(to)
            .or_default()
            .extend(moved.iter().cloned());
        Some(moved)
    }

    /// Who has a name.
    pub(crate) fn named(&self, name: &str) -> Option<Handle> {
        self.read_names().by_name.get(name).copied()
    }

    /// All names with their handles, sorted by name.
    pub(crate) fn names(&self) -> Vec<(String, Handle)> {
        let names = self.read_names();
        let all = names.by_name.iter();
        all.map(|(name, &handle)| (name.clone(), handle)).collect()
    }

    /// Sets the local number that counts as given out last, so that tests reach the end of the
    /// numbers.
    #[cfg(test)]
    pub(crate) fn set_last(&self, local: u32) {
        self.book().last = local;
    }
}

impl<B: Body> Drop for Registry<B> {
    fn drop(&mut self) {
        let mut book = self.book();
        for table in book.tables.drain(..) {
            // SAFETY: from `Box::leak`, and nobody reads it any more.
            drop(unsafe { Box::from_raw(table.as_ptr()) });
        }
        for mailbox in book.mailboxes.drain(..) {
            // SAFETY: as above.
            drop(unsafe { Box::from_raw(mailbox.as_ptr()) });
        }
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
        assert_eq!(take(&registry), 5);
        assert!(registry.find(Handle(2)).is_none());
        assert!(registry.find(Handle(5)).is_some());
        // The table has eight places, and the next number of 2's place is 10.
        give(&registry, 4);
        assert_eq!(
            (0..3).map(|_| take(&registry)).collect::<Vec<_>>(),
            [6, 7, 8]
        );
        assert_eq!(registry.handles(), [1, 3, 5, 6, 7, 8].map(Handle));
    }

    #[test]
    fn a_number_whose_place_is_taken_is_skipped() {
        let registry = Registry::new(0);
        let all: Vec<u32> = (0..3).map(|_| take(&registry)).collect();
        // Eight places; 8 to 15 fall on those of 0 to 7.
        registry.set_last(7);
        assert_eq!((all, take(&registry)), (vec![1, 2, 3], 8));
        give(&registry, 8);
        assert_eq!(take(&registry), 12);
    }

    #[test]
    fn numbers_wrap_after_24_bits_and_skip_zero() {
        let registry = Registry::new(5);
        assert_eq!(take(&registry), 0x0500_0001);
        registry.set_last(0x00ff_fffd);
        let rest: Vec<u32> = (0..4).map(|_| take(&registry)).collect();
        // fffffe and ffffff are on the last two of eight places; 1 is taken.
        assert_eq!(rest, [0x05ff_fffe, 0x05ff_ffff, 0x0500_0002, 0x0500_0003]);
        for handle in registry.handles() {
            assert!(registry.find(handle).is_some());
        }
    }

    /// With one place free of a few thousand, every launch would get the same one again, and a number would come back
    /// after a few launches.
    #[test]
    fn a_number_comes_back_late_however_many_services_there_are() {
        for services in [63, 64, 1023, 4095] {
            let registry = Registry::new(0);
            for _ in 0..services {
                take(&registry);
            }
            let mut seen = std::collections::HashSet::new();
            for _ in 0..100_000 {
                let handle = take(&registry);
                assert!(
                    seen.insert(handle),
                    "{handle} again, beside {services} services"
                );
                give(&registry, handle);
            }
            let places = registry.table().places.len();
            assert!(registry.handles().len() * 2 <= places && places <= services * 4 + 8);
        }
    }

    #[test]
    fn the_first_free_place_is_found_behind_many_taken_ones() {
        for places in [4, 64, 128, 1024] {
            let mut taken = Taken::new(places);
            for local in 0..places as u32 {
                taken.set(local, true);
            }
            assert_eq!(taken.free_from(0), None);
            for free in [1, places as u32 / 2, places as u32 - 1] {
                taken.set(free, false);
                for last in [0, free - 1, free, places as u32 - 1, Handle::LOCAL_MAX] {
                    let next = taken.next(last);
                    let wraps = next < last;
                    assert_eq!(next & taken.mask, free, "{places} places, after {last}");
                    assert!(next != last && (!wraps || last == Handle::LOCAL_MAX));
                }
                taken.set(free, true);
            }
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

    #[test]
    fn names_are_handed_over() {
        let registry = Registry::new(0);
        let (a, b) = (Handle(take(&registry)), Handle(take(&registry)));
        assert!(registry.bind("x", a) && registry.bind("y", a) && registry.bind("z", b));
        assert_eq!(registry.hand_over(a, Handle(77)), None);
        assert_eq!(registry.named("x"), Some(a));
        assert_eq!(registry.hand_over(a, b), Some(vec!["x".into(), "y".into()]));
        assert_eq!(
            ["x", "y", "z"].map(|name| registry.named(name)),
            [Some(b); 3]
        );
        give(&registry, a.0);
        assert_eq!(registry.names().len(), 3);
        give(&registry, b.0);
        assert_eq!(registry.names().len(), 0);
    }
}

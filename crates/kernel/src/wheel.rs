//! A hierarchical timer wheel: pure bookkeeping, without clock or thread.
//!
//! Time is in milliseconds since the start. The first level has a slot for each of 4,096 milliseconds, so that most
//! timers are put into their final place at once. Five levels of 64 slots each follow and cover 2^42 ms (139 years);
//! later deadlines are cut to that. A timer lies on the level of the highest digit in which its deadline differs from
//! the current time, so everything on a level is due before anything on the next one. Bitmaps tell which slots are
//! occupied: advancing jumps from one occupied slot to the next, and a long sleep costs nothing.
//!
//! Timers live in a slab and form a doubly linked list per slot: adding and cancelling take
//! constant time. Lists are appended to and emptied from the front, and a slot is sorted into finer
//! ones before anything can be added to those directly; so timers with the same deadline fire in
//! the order of their creation.
//!
//! With a million timers, following a list is one read of far memory after another. But timers of one slot were mostly
//! added at regular intervals, so where the next ones lie can be guessed, and asked for ahead (`Wheel::foresee`).

use crate::footprint::fetch_line;

/// Bits of a deadline that the first level looks at, and any other.
const FIRST_BITS: u32 = 12;
const BITS: u32 = 6;
const FIRST_SLOTS: usize = 1 << FIRST_BITS;
const SLOTS: usize = 1 << BITS;
/// Levels beside the first.
const LEVELS: usize = 5;
const LISTS: usize = FIRST_SLOTS + LEVELS * SLOTS;
/// The last moment that the wheel knows.
const END: u64 = (1 << (FIRST_BITS + BITS * LEVELS as u32)) - 1;
const NIL: u32 = u32::MAX;

/// Names a timer of a wheel that has not fired yet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Key {
    index: u32,
    generation: u32,
}

struct Entry<T> {
    /// The deadline, and in the low 16 bits the list that it is in. Together, so that two entries fit into a cache
    /// line.
    place: u64,
    value: Option<T>,
    next: u32,
    prev: u32,
    generation: u32,
}

impl<T> Entry<T> {
    fn when(&self) -> u64 {
        self.place >> 16
    }

    fn list(&self) -> usize {
        (self.place & 0xffff) as usize
    }
}

#[derive(Clone, Copy)]
struct List {
    head: u32,
    tail: u32,
}

const EMPTY: List = List {
    head: NIL,
    tail: NIL,
};

/// See the module's description.
pub struct Wheel<T> {
    now: u64,
    /// Those of the first level, then those of the others. None before the first timer.
    lists: Box<[List]>,
    /// Slots of the first level.
    first: Box<[u64; FIRST_SLOTS / 64]>,
    /// Which words of `first` are not 0.
    first_words: u64,
    /// Slots of the other levels.
    occupied: [u64; LEVELS],
    entries: Vec<Entry<T>>,
    free: u32,
    live: usize,
}

impl<T> Default for Wheel<T> {
    fn default() -> Self {
        Wheel {
            now: 0,
            lists: Box::default(),
            first: Box::new([0; FIRST_SLOTS / 64]),
            first_words: 0,
            occupied: [0; LEVELS],
            entries: Vec::new(),
            free: NIL,
            live: 0,
        }
    }
}

impl<T> Wheel<T> {
    /// Adds a timer. A deadline that is not in the future becomes the next millisecond.
    pub fn insert(&mut self, when: u64, value: T) -> Key {
        if self.lists.is_empty() {
            self.lists = vec![EMPTY; LISTS].into();
        }
        let when = when.max(self.now + 1).min(END);
        let index = if self.free == NIL {
            self.entries.push(Entry {
                place: when << 16,
                value: Some(value),
                next: NIL,
                prev: NIL,
                generation: 0,
            });
            (self.entries.len() - 1) as u32
        } else {
            let index = self.free;
            let entry = &mut self.entries[index as usize];
            self.free = entry.next;
            (entry.place, entry.value) = (when << 16, Some(value));
            index
        };
        self.live += 1;
        self.link(index);
        Key {
            index,
            generation: self.entries[index as usize].generation,
        }
    }

    /// Removes a timer. `None` if it has fired or was removed before.
    pub fn cancel(&mut self, key: Key) -> Option<T> {
        let entry = self.entries.get(key.index as usize)?;
        if entry.generation != key.generation || entry.value.is_none() {
            return None;
        }
        self.unlink(key.index);
        self.release(key.index)
    }

    /// Number of timers.
    pub fn len(&self) -> usize {
        self.live
    }

    /// Removes the timers that `dead` knows, of `most` places from number `from` on. Returns where to go on, or `None`
    /// at the end.
    pub fn sweep(&mut self, from: usize, most: usize, dead: impl Fn(&T) -> bool) -> Option<usize> {
        let end = self.entries.len().min(from + most);
        for index in from..end {
            if self.entries[index].value.as_ref().is_some_and(&dead) {
                self.unlink(index as u32);
                self.release(index as u32);
            }
        }
        (end < self.entries.len()).then_some(end)
    }

    /// When [`advance`](Self::advance) has something to do next. That may be earlier than the first
    /// deadline.
    pub fn next(&self) -> Option<u64> {
        self.next_list().map(|(at, _)| at)
    }

    /// The same, with the list.
    fn next_list(&self) -> Option<(u64, usize)> {
        // Everything on a level shares the higher digits with the current time, and lies ahead of it.
        if self.first_words != 0 {
            let word = self.first_words.trailing_zeros() as usize;
            let slot = word * 64 + self.first[word].trailing_zeros() as usize;
            let window = self.now & !(FIRST_SLOTS as u64 - 1);
            return Some((window | slot as u64, slot));
        }
        let level = self.occupied.iter().position(|&bits| bits != 0)?;
        let slot = self.occupied[level].trailing_zeros() as usize;
        let shift = FIRST_BITS + BITS * level as u32;
        let window = self.now >> shift & !(SLOTS as u64 - 1);
        let list = FIRST_SLOTS + level * SLOTS + slot;
        Some(((window | slot as u64) << shift, list))
    }

    /// Moves the time forward and hands out what is due, in order, `most` timers at most. False if there is more, for
    /// the next call.
    pub fn advance(&mut self, now: u64, mut most: usize, mut fire: impl FnMut(T)) -> bool {
        while let Some((at, list)) = self.next_list().filter(|&(at, _)| at <= now) {
            self.now = self.now.max(at);
            let mut index = self.lists[list].head;
            if list < FIRST_SLOTS {
                while index != NIL {
                    if most == 0 {
                        // Nothing can be added to this slot any more, since its time has passed.
                        self.lists[list].head = index;
                        self.entries[index as usize].prev = NIL;
                        return false;
                    }
                    most -= 1;
                    let next = self.foresee(index);
                    if let Some(value) = self.release(index) {
                        fire(value);
                    }
                    index = next;
                }
                self.clear(list);
            } else {
                self.clear(list);
                while index != NIL {
                    let next = self.foresee(index);
                    self.link(index);
                    index = next;
                }
            }
        }
        self.now = self.now.max(now.min(END - 1));
        true
    }

    /// Moves the time forward, but not to where there is something to do.
    pub fn forward(&mut self, now: u64) {
        let free = self.next().map_or(END - 1, |at| at - 1);
        self.now = self.now.max(now.min(free));
    }

    /// The entry after this one. Asks for the memory of the one that lies as far ahead as eight like that would.
    fn foresee(&self, index: u32) -> u32 {
        let next = self.entries[index as usize].next;
        let far = next.wrapping_add(next.wrapping_sub(index).wrapping_mul(8));
        if let Some(entry) = self.entries.get(far as usize) {
            fetch_line(std::ptr::from_ref(entry) as usize);
        }
        next
    }

    /// Makes a list empty.
    fn clear(&mut self, list: usize) {
        self.lists[list] = EMPTY;
        if list < FIRST_SLOTS {
            let word = &mut self.first[list / 64];
            *word &= !(1 << (list % 64));
            if *word == 0 {
                self.first_words &= !(1 << (list / 64));
            }
        } else {
            let list = list - FIRST_SLOTS;
            self.occupied[list / SLOTS] &= !(1 << (list % SLOTS));
        }
    }

    /// Appends an entry to the list that its deadline belongs to.
    fn link(&mut self, index: u32) {
        let when = self.entries[index as usize].when();
        let differs = (when ^ self.now) | 1;
        let highest = 63 - differs.leading_zeros();
        let list = if highest < FIRST_BITS {
            let slot = when as usize % FIRST_SLOTS;
            self.first[slot / 64] |= 1 << (slot % 64);
            self.first_words |= 1 << (slot / 64);
            slot
        } else {
            let level = (highest - FIRST_BITS) / BITS;
            let slot = (when >> (FIRST_BITS + BITS * level)) as usize % SLOTS;
            self.occupied[level as usize] |= 1 << slot;
            FIRST_SLOTS + level as usize * SLOTS + slot
        };
        let tail = std::mem::replace(&mut self.lists[list].tail, index);
        if tail == NIL {
            self.lists[list].head = index;
        } else {
            self.entries[tail as usize].next = index;
        }
        let entry = &mut self.entries[index as usize];
        (entry.prev, entry.next) = (tail, NIL);
        entry.place = when << 16 | list as u64;
    }

    fn unlink(&mut self, index: u32) {
        let entry = &self.entries[index as usize];
        let (prev, next, list) = (entry.prev, entry.next, entry.list());
        match prev {
            NIL => self.lists[list].head = next,
            prev => self.entries[prev as usize].next = next,
        }
        match next {
            NIL => self.lists[list].tail = prev,
            next => self.entries[next as usize].prev = prev,
        }
        if self.lists[list].head == NIL {
            self.clear(list);
        }
    }

    /// Puts an unlinked entry on the free list.
    fn release(&mut self, index: u32) -> Option<T> {
        let entry = &mut self.entries[index as usize];
        entry.generation = entry.generation.wrapping_add(1);
        entry.next = self.free;
        self.free = index;
        self.live -= 1;
        entry.value.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fired(wheel: &mut Wheel<u32>, now: u64) -> Vec<u32> {
        let mut out = Vec::new();
        // In pieces, as the timer thread does it.
        while !wheel.advance(now, 3, |value| out.push(value)) {}
        out
    }

    #[test]
    fn same_deadline_in_order_of_creation_over_all_levels() {
        for when in [
            1,
            63,
            64,
            65,
            4095,
            4096,
            4097,
            1 << 18,
            (1 << 24) + 5,
            (1 << 30) + 77,
            (1 << 36) + 3,
        ] {
            let mut wheel = Wheel::default();
            wheel.insert(when, 0);
            // Half way and just before the end, the same deadline lies on finer levels.
            assert!(fired(&mut wheel, when / 2).is_empty(), "{when}");
            if when / 2 < when {
                wheel.insert(when, 1);
            }
            assert!(fired(&mut wheel, when - 1).is_empty(), "{when}");
            wheel.insert(when, 2);
            assert_eq!(fired(&mut wheel, when), [0, 1, 2], "{when}");
            assert!(wheel.live == 0 && wheel.next().is_none());
        }
    }

    #[test]
    fn a_stall_fires_everything_in_order_of_deadlines() {
        let mut wheel = Wheel::default();
        let mut expected = Vec::new();
        let mut state = 12345u64;
        for value in 0..5000u32 {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            let when = 1 + (state >> 33) % 300_000;
            wheel.insert(when, value);
            expected.push((when, value));
        }
        expected.sort();
        let expected: Vec<u32> = expected.into_iter().map(|(_, value)| value).collect();
        assert_eq!(fired(&mut wheel, 1_000_000), expected);
    }

    #[test]
    fn never_early_never_late_against_a_plain_list() {
        let mut wheel = Wheel::default();
        let mut plain: Vec<(u64, u32, Key)> = Vec::new();
        let mut state = 99u64;
        let mut random = |n: u64| {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (state >> 33) % n
        };
        let mut now = 0;
        for round in 0..20_000u32 {
            match random(4) {
                0 | 1 => {
                    let reach = [10, 100, 10_000, 50_000_000][random(4) as usize];
                    let when = now + random(reach);
                    plain.push((when.max(now + 1), round, wheel.insert(when, round)));
                    // As far as anything is due, at most.
                    wheel.forward(now + random(reach));
                    now = now.max(wheel.now);
                }
                2 if !plain.is_empty() => {
                    let (_, value, key) = plain.remove(random(plain.len() as u64) as usize);
                    assert_eq!(wheel.cancel(key), Some(value));
                    assert_eq!(wheel.cancel(key), None);
                }
                _ => {
                    let reach = [3, 100, 5000, 2_000_000][random(4) as usize];
                    now += random(reach);
                    let mut due: Vec<(u64, u32)> = plain
                        .iter()
                        .filter(|t| t.0 <= now)
                        .map(|t| (t.0, t.1))
                        .collect();
                    due.sort();
                    plain.retain(|t| t.0 > now);
                    let due: Vec<u32> = due.into_iter().map(|(_, value)| value).collect();
                    assert_eq!(fired(&mut wheel, now), due);
                    let first = plain.iter().map(|t| t.0).min();
                    assert!(wheel.next().is_none_or(|at| at > now && Some(at) <= first));
                    assert_eq!(wheel.next().is_none(), first.is_none());
                }
            }
            assert_eq!(wheel.live, plain.len());
        }
    }

    #[test]
    fn far_deadlines_are_cut_and_stay_harmless() {
        let mut wheel = Wheel::default();
        wheel.advance(123_456_789, 1, |_| {});
        let when = (1 << 40) + 17;
        wheel.insert(when, 7);
        wheel.insert(u64::MAX, 8);
        assert!(fired(&mut wheel, when - 1).is_empty());
        assert_eq!(fired(&mut wheel, when), [7]);
        assert!(fired(&mut wheel, END - 1).is_empty());
        wheel.insert(0, 9);
        assert_eq!(wheel.live, 2);
    }

    #[test]
    fn a_sweep_takes_some_and_leaves_the_others_in_order() {
        let mut wheel = Wheel::default();
        let keys: Vec<Key> = (0..1000)
            .map(|n| wheel.insert(5 + u64::from(n % 7) * 3000, n))
            .collect();
        let mut from = Some(0);
        let mut pieces = 0;
        while let Some(at) = from {
            from = wheel.sweep(at, 300, |n| n % 3 == 1);
            pieces += 1;
        }
        assert_eq!((pieces, wheel.len()), (4, 667));
        assert!(wheel.cancel(keys[1]).is_none() && wheel.cancel(keys[3]).is_some());
        let mut expected: Vec<u32> = (0..1000).filter(|n| n % 3 != 1 && *n != 3).collect();
        expected.sort_by_key(|n| n % 7);
        assert_eq!(fired(&mut wheel, 30_000), expected);
        assert_eq!(wheel.len(), 0);
    }

    #[test]
    fn keys_of_fired_timers_do_not_cancel_their_successors() {
        let mut wheel = Wheel::default();
        let old = wheel.insert(5, 1);
        assert_eq!(fired(&mut wheel, 5), [1]);
        let new = wheel.insert(9, 2);
        assert_eq!(wheel.cancel(old), None);
        assert_eq!(wheel.cancel(new), Some(2));
        assert!(fired(&mut wheel, 100).is_empty());
    }
}

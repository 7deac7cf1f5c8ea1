//! A hierarchical timer wheel: pure bookkeeping, without clock or thread.
//!
//! Time is in milliseconds since the start. Seven levels of 64 slots each cover 2^42 ms (139
//! years); later deadlines are cut to that. A timer lies on the level of the highest 6-bit digit in
//! which its deadline differs from the current time, so everything on a level is due before
//! anything on the next one. A bitmap per level tells which slots are occupied: advancing jumps
//! from one occupied slot to the next, and a long sleep costs nothing.
//!
//! Timers live in a slab and form a doubly linked list per slot: adding and cancelling take
//! constant time. Lists are appended to and emptied from the front, and a slot is sorted into finer
//! ones before anything can be added to those directly; so timers with the same deadline fire in
//! the order of their creation.

const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;
const LEVELS: usize = 7;
/// The last moment that the wheel knows.
const END: u64 = (1 << (BITS * LEVELS as u32)) - 1;
const NIL: u32 = u32::MAX;

/// Names a timer that has not fired yet. A key is never used for two timers (generations wrap after
/// 2^32 uses of one place).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TimerKey {
    index: u32,
    generation: u32,
}

struct Entry<T> {
    when: u64,
    value: Option<T>,
    next: u32,
    prev: u32,
    generation: u32,
    /// Which list it is in: level * SLOTS + slot.
    list: u16,
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
    lists: Box<[List]>,
    occupied: [u64; LEVELS],
    entries: Vec<Entry<T>>,
    free: u32,
    live: usize,
}

impl<T> Default for Wheel<T> {
    fn default() -> Self {
        Wheel {
            now: 0,
            lists: vec![EMPTY; LEVELS * SLOTS].into(),
            occupied: [0; LEVELS],
            entries: Vec::new(),
            free: NIL,
            live: 0,
        }
    }
}

impl<T> Wheel<T> {
    /// Adds a timer. A deadline that is not in the future becomes the next millisecond.
    pub fn insert(&mut self, when: u64, value: T) -> TimerKey {
        let when = when.max(self.now + 1).min(END);
        let index = if self.free == NIL {
            self.entries.push(Entry {
                when,
                value: Some(value),
                next: NIL,
                prev: NIL,
                generation: 0,
                list: 0,
            });
            (self.entries.len() - 1) as u32
        } else {
            let index = self.free;
            let entry = &mut self.entries[index as usize];
            self.free = entry.next;
            (entry.when, entry.value) = (when, Some(value));
            index
        };
        self.live += 1;
        self.link(index);
        TimerKey {
            index,
            generation: self.entries[index as usize].generation,
        }
    }

    /// Removes a timer. `None` if it has fired or was removed before.
    pub fn cancel(&mut self, key: TimerKey) -> Option<T> {
        let entry = self.entries.get(key.index as usize)?;
        if entry.generation != key.generation || entry.value.is_none() {
            return None;
        }
        self.unlink(key.index);
        self.release(key.index)
    }

    /// When [`advance`](Self::advance) has something to do next. That may be earlier than the first
    /// deadline.
    pub fn next(&self) -> Option<u64> {
        let level = self.occupied.iter().position(|&bits| bits != 0)?;
        let shift = BITS * level as u32;
        // Everything on this level shares the higher digits with the current time, and lies ahead
        // of it.
        let window = self.now >> shift & !(SLOTS as u64 - 1);
        Some((window | u64::from(self.occupied[level].trailing_zeros())) << shift)
    }

    /// Moves the time forward and hands out everything that is due, in order.
    pub fn advance(&mut self, now: u64, mut fire: impl FnMut(T)) {
        while let Some(at) = self.next().filter(|&at| at <= now) {
            self.now = self.now.max(at);
            let level = self
                .occupied
                .iter()
                .position(|&bits| bits != 0)
                .expect("next() found one");
            let slot = (at >> (BITS * level as u32)) as usize % SLOTS;
            let list = level * SLOTS + slot;
            self.occupied[level] &= !(1 << slot);
            let mut index = std::mem::replace(&mut self.lists[list], EMPTY).head;
            while index != NIL {
                let next = self.entries[index as usize].next;
                if level == 0 {
                    if let Some(value) = self.release(index) {
                        fire(value);
                    }
                } else {
                    self.link(index);
                }
                index = next;
            }
        }
        self.now = self.now.max(now.min(END - 1));
    }

    /// Appends an entry to the list that its deadline belongs to.
    fn link(&mut self, index: u32) {
        let when = self.entries[index as usize].when;
        let differs = (when ^ self.now) | 1;
        let level = ((63 - differs.leading_zeros()) / BITS) as usize;
        let slot = (when >> (BITS * level as u32)) as usize % SLOTS;
        let list = level * SLOTS + slot;
        self.occupied[level] |= 1 << slot;
        let tail = std::mem::replace(&mut self.lists[list].tail, index);
        if tail == NIL {
            self.lists[list].head = index;
        } else {
            self.entries[tail as usize].next = index;
        }
        let entry = &mut self.entries[index as usize];
        (entry.prev, entry.next, entry.list) = (tail, NIL, list as u16);
    }

    fn unlink(&mut self, index: u32) {
        let Entry {
            prev, next, list, ..
        } = self.entries[index as usize];
        let list = list as usize;
        match prev {
            NIL => self.lists[list].head = next,
            prev => self.entries[prev as usize].next = next,
        }
        match next {
            NIL => self.lists[list].tail = prev,
            next => self.entries[next as usize].prev = prev,
        }
        if self.lists[list].head == NIL {
            self.occupied[list / SLOTS] &= !(1 << (list % SLOTS));
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
        wheel.advance(now, |value| out.push(value));
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
        let mut plain: Vec<(u64, u32, TimerKey)> = Vec::new();
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
        wheel.advance(123_456_789, |_| {});
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

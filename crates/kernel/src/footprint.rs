//! What a service touches in every turn, known before the turn begins.
//!
//! A node has thousands of services, and only some of them fit into a core's cache. The turn of one that does not
//! begins with dozens of reads of far memory, each of which waits for the one before it: mailbox, service, Lua state,
//! stack, code. But *where* these things lie hardly ever changes. So each mailbox keeps the addresses of what its
//! service needs, and the worker that makes it runnable asks the processor for all of it at once, while its own turn
//! goes on.
//!
//! Addresses are hints: fetching a line that no longer holds anything of the service costs a nanosecond or two and
//! nothing more. A service that ran on this worker a moment ago is still in the cache, and is left alone.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bytes of a cache line.
const LINE: usize = 64;
/// Stretches of memory that are remembered: four cache lines.
const STRETCHES: usize = 32;
/// Lines of all stretches together. More would push one another out of the nearest cache.
const LINES: usize = 96;

/// Where the memory of one service is.
#[repr(align(64))]
pub(crate) struct Footprint {
    /// First line (address divided by `LINE`) times 256, plus the number of lines; 0 ends the list.
    stretches: [AtomicU64; STRETCHES],
}

impl Default for Footprint {
    fn default() -> Footprint {
        Footprint {
            stretches: [const { AtomicU64::new(0) }; STRETCHES],
        }
    }
}

impl Footprint {
    /// Asks for all of it.
    // Not inlined: sending to a warm service should stay short.
    #[inline(never)]
    pub(crate) fn fetch(&self) {
        for stretch in &self.stretches {
            let stretch = stretch.load(Relaxed);
            if stretch == 0 {
                return;
            }
            let first = (stretch >> 8) as usize;
            for line in first..first + (stretch & 0xff) as usize {
                fetch_line(line * LINE);
            }
        }
    }

    /// Replaces the list.
    pub(crate) fn set(&self, touched: &Touched) {
        let known = touched
            .stretches
            .iter()
            .map(|&(first, lines)| (first as u64) << 8 | lines as u64);
        for (slot, value) in self.stretches.iter().zip(known.chain(std::iter::repeat(0))) {
            slot.store(value, Relaxed);
        }
    }

    /// Empties the list: the mailbox is for somebody else now.
    pub(crate) fn clear(&self) {
        self.stretches[0].store(0, Relaxed);
    }
}

/// Collects what a service touches in every turn; see [`Service::footprint`](crate::Service::footprint). What matters
/// most comes first: the list has an end.
#[derive(Default)]
pub struct Touched {
    /// First line and number of lines.
    stretches: Vec<(usize, usize)>,
    lines: usize,
}

impl Touched {
    /// Adds `bytes` bytes from `start` on. The memory need not be valid, now or later: it is never read.
    pub fn add<T>(&mut self, start: *const T, bytes: usize) {
        let start = start as usize;
        if start == 0 || bytes == 0 {
            return;
        }
        let mut first = start / LINE;
        let mut end = (start + bytes - 1) / LINE + 1;
        // Stretches that touch become one.
        let mut at = 0;
        while let Some(&(other, lines)) = self.stretches.get(at) {
            if other <= end && first <= other + lines {
                first = first.min(other);
                end = end.max(other + lines);
                self.lines -= lines;
                self.stretches.remove(at);
                at = 0;
            } else {
                at += 1;
            }
        }
        let lines = (end - first).min(LINES - self.lines);
        if lines > 0 && self.stretches.len() < STRETCHES {
            self.stretches.push((first, lines));
            self.lines += lines;
        }
    }

    /// Adds the whole of `value`.
    pub fn add_value<T: ?Sized>(&mut self, value: &T) {
        self.add(std::ptr::from_ref(value).cast::<u8>(), size_of_val(value));
    }
}

/// Asks for the cache line at an address, which may be any.
#[inline]
pub(crate) fn fetch_line(address: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch is a hint; it never faults, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address as *const i8) };
    }
    // Elsewhere the address is not used: there is no stable way to say it.
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(touched: &Touched) -> Vec<(usize, usize)> {
        touched.stretches.clone()
    }

    #[test]
    fn stretches_that_touch_become_one() {
        let mut touched = Touched::default();
        touched.add(640 as *const u8, 64);
        touched.add(1280 as *const u8, 1);
        touched.add(700 as *const u8, 100);
        assert_eq!(lines(&touched), [(20, 1), (10, 3)]);
        // The line between the last of one and the first of the other.
        touched.add(832 as *const u8, 7 * 64);
        assert_eq!(lines(&touched), [(10, 11)]);
        touched.add(std::ptr::null::<u8>(), 64);
        assert_eq!(lines(&touched), [(10, 11)]);
    }

    #[test]
    fn the_list_has_an_end() {
        let mut touched = Touched::default();
        touched.add(64 as *const u8, 64 * 1000);
        assert_eq!(lines(&touched), [(1, LINES)]);
        let mut touched = Touched::default();
        for n in 1..100 {
            touched.add((n * 1024) as *const u8, 1);
        }
        assert_eq!(touched.stretches.len(), STRETCHES);
        let footprint = Footprint::default();
        footprint.set(&touched);
        assert!(footprint.stretches.iter().all(|s| s.load(Relaxed) != 0));
        footprint.set(&Touched::default());
        assert!(footprint.stretches.iter().all(|s| s.load(Relaxed) == 0));
    }
}

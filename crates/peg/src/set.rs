//! Sets of bytes.

/// A set of bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Set([u64; 4]);

impl Set {
    /// No byte.
    pub const EMPTY: Set = Set([0; 4]);
    /// Every byte.
    pub const FULL: Set = Set([u64::MAX; 4]);

    /// The bytes of a text.
    pub fn of(bytes: &[u8]) -> Set {
        let mut set = Set::EMPTY;
        for &b in bytes {
            set.add(b);
        }
        set
    }

    /// One byte.
    pub fn one(b: u8) -> Set {
        Set::of(&[b])
    }

    /// Adds a byte.
    pub fn add(&mut self, b: u8) {
        self.0[usize::from(b >> 6)] |= 1 << (b & 63);
    }

    /// Adds the bytes from `first` to `last`, both included; none if they are in the wrong order.
    pub fn add_range(&mut self, first: u8, last: u8) {
        for b in first..=last {
            self.add(b);
        }
    }

    /// Is the byte in it?
    #[inline]
    pub fn has(&self, b: u8) -> bool {
        self.0[usize::from(b >> 6)] >> (b & 63) & 1 != 0
    }

    fn zip(self, other: Set, f: impl Fn(u64, u64) -> u64) -> Set {
        Set(std::array::from_fn(|i| f(self.0[i], other.0[i])))
    }

    /// What is in either.
    #[must_use]
    pub fn or(self, other: Set) -> Set {
        self.zip(other, |a, b| a | b)
    }

    /// What is in both.
    #[must_use]
    pub fn and(self, other: Set) -> Set {
        self.zip(other, |a, b| a & b)
    }

    /// What is in this one only.
    #[must_use]
    pub fn minus(self, other: Set) -> Set {
        self.zip(other, |a, b| a & !b)
    }

    /// What is not in it.
    #[must_use]
    pub fn complement(self) -> Set {
        Set::FULL.minus(self)
    }

    /// Have they no byte in common?
    pub fn disjoint(self, other: Set) -> bool {
        self.and(other) == Set::EMPTY
    }

    /// How many bytes are in it?
    pub fn len(self) -> u32 {
        self.0.iter().map(|part| part.count_ones()).sum()
    }

    /// Is no byte in it?
    pub fn is_empty(self) -> bool {
        self == Set::EMPTY
    }

    /// Its bytes, from low to high.
    pub fn bytes(self) -> impl Iterator<Item = u8> {
        self.0
            .into_iter()
            .zip([0, 64, 128, 192])
            .flat_map(|(mut part, first)| {
                std::iter::from_fn(move || {
                    let next = (part != 0).then(|| first + part.trailing_zeros() as u8);
                    part &= part.wrapping_sub(1);
                    next
                })
            })
    }
}

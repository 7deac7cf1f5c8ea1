//! A Lua table as a Rust value.
//!
//! One Lua table can stand in a stream in several ways: element 3 may be in the array or among the pairs, a
//! key may come twice, a nil may fill a hole. A [`Table`] holds one canonical form, so that equal tables
//! compare equal and give equal bytes:
//!
//! * the array ends before the first nil, and no pair has the key after its end;
//! * pairs are sorted by key, and a key is there once. Keys that are tables are the exception: in Lua they
//!   are different objects however alike they look, so all are kept, in the order of the stream;
//! * a float key with an integral value is that integer; nil values do not exist.
//!
//! Sorted pairs in one vector are compact, need no hashing, cannot be attacked with colliding keys, and are
//! searched without building a key.

use std::cmp::Ordering;
use std::{fmt, mem};

use super::value::integral;
use super::{Error, Value};

/// A table: the values at 1, 2, 3, … and pairs of other keys and their values.
///
/// ```
/// use skynet_wire::seri::{Table, Value};
///
/// let mut t = Table::from(["a", "b"]);
/// t.insert("n", 2);
/// t.insert(3, "c");
/// assert_eq!(t.array(), ["a".into(), "b".into(), "c".into()]);
/// assert_eq!(t.get("n"), Some(&Value::Int(2)));
/// assert_eq!(format!("{t:?}"), r#"{"a", "b", "c", ["n"] = 2}"#);
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Table {
    /// The values at 1 to n; none is nil.
    array: Vec<Value>,
    /// All others, sorted by key. No key is nil, NaN, an integral float, or 1 to n + 1; no value is nil.
    pairs: Vec<(Value, Value)>,
}

/// A key to look up, borrowed from whatever it is.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Key<'a> {
    /// nil, under which nothing is found.
    Nil,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float. One with an integral value finds what the integer finds.
    Float(f64),
    /// A light userdata.
    Pointer(u64),
    /// A string.
    Bytes(&'a [u8]),
    /// A table, found by what it holds.
    Table(&'a Table),
}

impl Table {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// A table with `values` at 1, 2, 3, …; a nil among them is a hole.
    pub fn from_values<T: Into<Value>>(values: impl IntoIterator<Item = T>) -> Self {
        Self::assigned(values.into_iter().map(Into::into).collect(), Vec::new())
    }

    /// The values at 1, 2, 3, … up to the first that is missing. None is nil.
    pub fn array(&self) -> &[Value] {
        &self.array
    }

    /// All pairs whose key does not belong to the array, sorted by key.
    pub fn pairs(&self) -> &[(Value, Value)] {
        &self.pairs
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.array.is_empty() && self.pairs.is_empty()
    }

    /// How many values are in it, under keys of any kind.
    pub fn len(&self) -> usize {
        self.array.len() + self.pairs.len()
    }

    /// All keys and values: first those of the array, then the pairs.
    pub fn iter(&self) -> impl Iterator<Item = (Key<'_>, &Value)> {
        let array = self.array.iter().zip(1..).map(|(v, i)| (Key::Int(i), v));
        array.chain(self.pairs.iter().map(|(k, v)| (k.into(), v)))
    }

    /// The value under `key`: a string, a number, a `&Value`, ….
    pub fn get<'k>(&self, key: impl Into<Key<'k>>) -> Option<&Value> {
        let key = key.into().normal();
        match slot(key, self.array.len()) {
            Some(i) => self.array.get(i),
            None => self.search(key).ok().map(|i| &self.pairs[i].1),
        }
    }

    /// Assigns a value; nil removes what is there.
    ///
    /// # Panics
    /// If the key is nil or NaN, where Lua raises an error.
    pub fn insert(&mut self, key: impl Into<Value>, value: impl Into<Value>) {
        if let Err(e) = self.try_insert(key.into(), value.into()) {
            panic!("{e}");
        }
    }

    /// Assigns a value; nil removes what is there.
    ///
    /// # Errors
    /// [`Error::NilKey`] and [`Error::NanKey`].
    pub fn try_insert(&mut self, mut key: Value, value: Value) -> Result<(), Error> {
        match key {
            Value::Nil => return Err(Error::NilKey),
            Value::Float(v) if v.is_nan() => return Err(Error::NanKey),
            Value::Float(v) => key = integral(v).map_or(key, Value::Int),
            _ => {}
        }
        let k = Key::from(&key);
        match slot(k, self.array.len()) {
            Some(i) if !value.is_nil() => self.array[i] = value,
            Some(i) => {
                let next = i as i64 + 2;
                let at = self.search(Key::Int(next)).unwrap_or_else(|at| at);
                let rest = (next..).map(Value::Int).zip(self.array.drain(i + 1..));
                self.pairs.splice(at..at, rest);
                self.array.truncate(i);
            }
            None if self.follows_array(k) => self.push(value),
            None => self.assign_pair(key, value),
        }
        Ok(())
    }

    /// Appends to the array; a nil changes nothing.
    pub fn push(&mut self, value: impl Into<Value>) {
        let value = value.into();
        if !value.is_nil() {
            self.array.push(value);
            self.absorb();
        }
    }

    /// The table that Lua has after these assignments: `array` at 1 to n, then `pairs` in order.
    ///
    /// No key may be nil or NaN.
    pub(super) fn assigned(mut array: Vec<Value>, mut pairs: Vec<(Value, Value)>) -> Self {
        pairs.retain_mut(|(key, value)| {
            if let Value::Float(v) = key {
                *key = integral(*v).map_or(Value::Float(*v), Value::Int);
            }
            let slot = slot(Key::from(&*key), array.len());
            if let Some(i) = slot {
                array[i] = mem::take(value);
            }
            slot.is_none()
        });
        if let Some(hole) = array.iter().position(Value::is_nil) {
            let keys = hole as i64 + 1..;
            pairs.extend(keys.map(Value::Int).zip(array.drain(hole..)));
        }
        // Of equal keys, which the stable sort leaves in order, the last decides.
        pairs.sort_by(|(a, _), (b, _)| Key::from(a).cmp(&Key::from(b)));
        pairs.dedup_by(|later, kept| {
            let same = !matches!(kept.0, Value::Table(_)) && later.0 == kept.0;
            if same {
                mem::swap(&mut later.1, &mut kept.1);
            }
            same
        });
        pairs.retain(|(_, v)| !v.is_nil());
        let mut table = Self { array, pairs };
        table.absorb();
        table
    }

    /// Moves the pairs that continue the array into it.
    fn absorb(&mut self) {
        let next = self.array.len() as i64 + 1;
        let Ok(start) = self.search(Key::Int(next)) else {
            return;
        };
        let run = self.pairs[start..]
            .iter()
            .zip(next..)
            .take_while(|((k, _), i)| matches!(k, Value::Int(k) if k == i));
        let end = start + run.count();
        self.array
            .extend(self.pairs.drain(start..end).map(|(_, v)| v));
    }

    /// Assigns under a key that is normal and outside the array.
    fn assign_pair(&mut self, key: Value, value: Value) {
        match self.search(Key::from(&key)) {
            Ok(i) if value.is_nil() => drop(self.pairs.remove(i)),
            Ok(i) if !matches!(key, Value::Table(_)) => self.pairs[i].1 = value,
            Ok(i) => self.pairs.insert(i + 1, (key, value)),
            Err(_) if value.is_nil() => {}
            Err(i) => self.pairs.insert(i, (key, value)),
        }
    }

    fn search(&self, key: Key<'_>) -> Result<usize, usize> {
        self.pairs.binary_search_by(|(k, _)| Key::from(k).cmp(&key))
    }

    /// A total order: by the arrays, then by the pairs, each as words are in a dictionary.
    fn cmp(&self, other: &Table) -> Ordering {
        fn flat(pairs: &[(Value, Value)]) -> impl Iterator<Item = Key<'_>> {
            pairs.iter().flat_map(|(k, v)| [k.into(), v.into()])
        }
        let arrays = self
            .array
            .iter()
            .map(Key::from)
            .cmp(other.array.iter().map(Key::from));
        arrays.then_with(|| flat(&self.pairs).cmp(flat(&other.pairs)))
    }

    fn follows_array(&self, key: Key<'_>) -> bool {
        matches!(key, Key::Int(i) if i == self.array.len() as i64 + 1)
    }
}

/// The place of `key` in an array of `len` values.
fn slot(key: Key<'_>, len: usize) -> Option<usize> {
    let Key::Int(i) = key else {
        return None;
    };
    usize::try_from(i).ok()?.checked_sub(1).filter(|&i| i < len)
}

/// As in Lua source, with strings in Rust's escapes.
impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut set = f.debug_set();
        set.entries(&self.array);
        for (k, v) in &self.pairs {
            set.entry(&format_args!("[{k:?}] = {v:?}"));
        }
        set.finish()
    }
}

impl Key<'_> {
    /// The key that Lua really uses.
    fn normal(self) -> Self {
        match self {
            Key::Float(v) => integral(v).map_or(self, Key::Int),
            _ => self,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Key::Nil => 0,
            Key::Bool(_) => 1,
            Key::Int(_) => 2,
            Key::Float(_) => 3,
            Key::Pointer(_) => 4,
            Key::Bytes(_) => 5,
            Key::Table(_) => 6,
        }
    }
}

/// A total order: by kind, then by value.
impl Ord for Key<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Key::Bool(a), Key::Bool(b)) => a.cmp(b),
            (Key::Int(a), Key::Int(b)) => a.cmp(b),
            (Key::Float(a), Key::Float(b)) => a.total_cmp(b),
            (Key::Pointer(a), Key::Pointer(b)) => a.cmp(b),
            (Key::Bytes(a), Key::Bytes(b)) => a.cmp(b),
            (Key::Table(a), Key::Table(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Key<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Eq for Key<'_> {}

impl PartialEq for Key<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

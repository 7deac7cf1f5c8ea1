//! Documents: immutable trees of values that all services of a node read at the same time.
//!
//! A tree lies flat in a few vectors. A node (a table) is three spans: its array part, its integer keys and its text
//! keys, the latter two in ascending order, so that a key is found by bisection, and iteration can go on from any key,
//! even from one that this version of the data does not have. Equal texts are stored once.

use std::cmp::Ordering;

use rustc_hash::FxHashMap;

/// A scalar, or the number of a node.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Value {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Text),
    Table(u32),
}

/// Place of a text in the document.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Text {
    at: u32,
    len: u32,
}

/// A key, of the document or to look for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Key<'a> {
    Int(i64),
    Name(&'a [u8]),
}

#[derive(Clone, Copy)]
struct Span {
    at: u32,
    len: u32,
}

impl Span {
    fn of<T>(self, all: &[T]) -> &[T] {
        &all[self.at as usize..][..self.len as usize]
    }
}

/// Appends `items` to `all`.
fn append<T>(all: &mut Vec<T>, items: Vec<T>) -> Result<Span, TooLarge> {
    let at = u32::try_from(all.len()).map_err(|_| TooLarge)?;
    let len = u32::try_from(items.len()).map_err(|_| TooLarge)?;
    all.extend(items);
    Ok(Span { at, len })
}

/// The parts of a table.
struct Parts<'a> {
    array: &'a [Value],
    ints: &'a [(i32, Value)],
    names: &'a [(Text, Value)],
}

struct Node {
    array: Span,
    ints: Span,
    names: Span,
}

/// More than 32 bits can count.
#[derive(Debug)]
pub(super) struct TooLarge;

/// An immutable tree.
#[derive(Default)]
pub(super) struct Document {
    values: Vec<Value>,
    ints: Vec<(i32, Value)>,
    names: Vec<(Text, Value)>,
    nodes: Vec<Node>,
    text: Vec<u8>,
}

impl Document {
    /// The node that everything hangs from: the last one made.
    pub(super) fn root(&self) -> u32 {
        self.nodes.len().saturating_sub(1) as u32
    }

    pub(super) fn text(&self, t: Text) -> &[u8] {
        &self.text[t.at as usize..][..t.len as usize]
    }

    fn parts(&self, node: u32) -> Option<Parts<'_>> {
        let node = self.nodes.get(node as usize)?;
        Some(Parts {
            array: node.array.of(&self.values),
            ints: node.ints.of(&self.ints),
            names: node.names.of(&self.names),
        })
    }

    /// Length of the array part.
    pub(super) fn len(&self, node: u32) -> usize {
        self.parts(node).map_or(0, |parts| parts.array.len())
    }

    /// (elements of the array part, other keys).
    pub(super) fn sizes(&self, node: u32) -> (usize, usize) {
        self.parts(node).map_or((0, 0), |parts| {
            (parts.array.len(), parts.ints.len() + parts.names.len())
        })
    }

    pub(super) fn get(&self, node: u32, key: Key<'_>) -> Value {
        let Some(Parts { array, ints, names }) = self.parts(node) else {
            return Value::Nil;
        };
        match key {
            Key::Int(n) if n >= 1 && n as u64 <= array.len() as u64 => array[n as usize - 1],
            Key::Int(n) => i32::try_from(n)
                .ok()
                .and_then(|n| ints.binary_search_by_key(&n, |&(key, _)| key).ok())
                .map_or(Value::Nil, |at| ints[at].1),
            Key::Name(name) => names
                .binary_search_by(|&(key, _)| self.text(key).cmp(name))
                .map_or(Value::Nil, |at| names[at].1),
        }
    }

    /// The pair behind `key`, or the first one: array, integers, texts. Elements that are nil are passed over.
    pub(super) fn next(&self, node: u32, key: Option<Key<'_>>) -> Option<(Key<'_>, Value)> {
        let Parts { array, ints, names } = self.parts(node)?;
        // Where to go on in each part.
        let (a, i, n) = match key {
            None => (0, 0, 0),
            Some(Key::Int(k)) if k >= 1 && k as u64 <= array.len() as u64 => (k as usize, 0, 0),
            Some(Key::Int(k)) => (
                array.len(),
                ints.partition_point(|&(key, _)| key as i64 <= k),
                0,
            ),
            Some(Key::Name(k)) => (
                array.len(),
                ints.len(),
                names.partition_point(|&(key, _)| self.text(key).cmp(k) != Ordering::Greater),
            ),
        };
        let element = array[a..].iter().position(|&v| v != Value::Nil);
        if let Some(skip) = element {
            let at = a + skip;
            return Some((Key::Int(at as i64 + 1), array[at]));
        }
        if let Some(&(key, value)) = ints.get(i) {
            return Some((Key::Int(key as i64), value));
        }
        let &(key, value) = names.get(n)?;
        Some((Key::Name(self.text(key)), value))
    }
}

/// Makes a document from the leaves to the root.
#[derive(Default)]
pub(super) struct Builder {
    document: Document,
    texts: FxHashMap<Box<[u8]>, Text>,
}

impl Builder {
    pub(super) fn text(&mut self, bytes: &[u8]) -> Result<Text, TooLarge> {
        if let Some(&text) = self.texts.get(bytes) {
            return Ok(text);
        }
        let all = &mut self.document.text;
        let text = Text {
            at: u32::try_from(all.len()).map_err(|_| TooLarge)?,
            len: u32::try_from(bytes.len()).map_err(|_| TooLarge)?,
        };
        all.extend_from_slice(bytes);
        self.texts.insert(bytes.into(), text);
        Ok(text)
    }

    /// Adds a table, whose sub-tables have been added before.
    pub(super) fn table(
        &mut self,
        array: Vec<Value>,
        mut ints: Vec<(i32, Value)>,
        mut names: Vec<(Text, Value)>,
    ) -> Result<u32, TooLarge> {
        let document = &mut self.document;
        ints.sort_by_key(|&(key, _)| key);
        names.sort_by(|&(a, _), &(b, _)| document.text(a).cmp(document.text(b)));
        let node = Node {
            array: append(&mut document.values, array)?,
            ints: append(&mut document.ints, ints)?,
            names: append(&mut document.names, names)?,
        };
        let index = u32::try_from(document.nodes.len()).map_err(|_| TooLarge)?;
        document.nodes.push(node);
        Ok(index)
    }

    pub(super) fn finish(self) -> Document {
        let mut document = self.document;
        document.values.shrink_to_fit();
        document.ints.shrink_to_fit();
        document.names.shrink_to_fit();
        document.nodes.shrink_to_fit();
        document.text.shrink_to_fit();
        document
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Document {
        let mut b = Builder::default();
        let (x, y, same) = (
            b.text(b"x").unwrap(),
            b.text(b"y").unwrap(),
            b.text(b"x").unwrap(),
        );
        assert_eq!(x, same);
        let child = b.table(vec![Value::Bool(true)], vec![], vec![]).unwrap();
        b.table(
            vec![Value::Int(10), Value::Nil, Value::Text(y)],
            vec![(70, Value::Float(0.5)), (-3, Value::Table(child))],
            vec![(y, Value::Int(2)), (x, Value::Int(1))],
        )
        .unwrap();
        b.finish()
    }

    #[test]
    fn lookup() {
        let d = sample();
        let root = d.root();
        assert_eq!(d.get(root, Key::Int(1)), Value::Int(10));
        assert_eq!(d.get(root, Key::Int(4)), Value::Nil);
        assert_eq!(d.get(root, Key::Int(70)), Value::Float(0.5));
        assert_eq!(d.get(root, Key::Int(70 + (1 << 32))), Value::Nil);
        assert_eq!(d.get(root, Key::Name(b"x")), Value::Int(1));
        assert_eq!(d.get(root, Key::Name(b"z")), Value::Nil);
        let Value::Table(child) = d.get(root, Key::Int(-3)) else {
            panic!("no child")
        };
        assert_eq!(d.get(child, Key::Int(1)), Value::Bool(true));
        assert_eq!((d.len(root), d.len(child), d.len(99)), (3, 1, 0));
    }

    #[test]
    fn iteration_goes_on_from_any_key() {
        let d = sample();
        let mut keys = Vec::new();
        let mut at = None;
        while let Some((key, _)) = d.next(d.root(), at) {
            keys.push(key);
            at = Some(key);
        }
        let names = [Key::Name(b"x"), Key::Name(b"y")];
        let ints = [Key::Int(1), Key::Int(3), Key::Int(-3), Key::Int(70)];
        assert_eq!(keys, [&ints[..], &names[..]].concat());
        let after = |key| d.next(d.root(), Some(key)).map(|(key, _)| key);
        assert_eq!(after(Key::Int(5)), Some(Key::Int(70)));
        assert_eq!(after(Key::Name(b"xx")), Some(Key::Name(b"y")));
        assert_eq!(after(Key::Name(b"zz")), None);
    }

    #[test]
    fn nothing() {
        let d = Builder::default().finish();
        assert_eq!(d.get(d.root(), Key::Int(1)), Value::Nil);
        assert_eq!(d.next(d.root(), None), None);
    }
}

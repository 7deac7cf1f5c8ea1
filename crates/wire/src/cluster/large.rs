//! Large messages: cutting them into parts, and putting the parts together.

use std::mem;
use std::ops::Deref;

use super::PART;
use crate::grow;

/// The frames of a large message after its first, each made when it is asked for. None for a small message.
///
/// All frames of a large message are written with low priority, those of others with high: the number of
/// parts left (`len`) tells before the first frame is written which it is.
#[derive(Clone, Debug)]
#[must_use = "a large message is not complete without its parts"]
pub struct Parts<'a> {
    rest: &'a [u8],
    coming: Coming,
}

/// Where in a part's frame its type is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// Before the session, as 2 or 3.
    Request,
    /// After the session, as 3 or 4.
    Response,
}

impl<'a> Parts<'a> {
    pub(super) fn new(direction: Direction, session: u32, rest: &'a [u8]) -> Self {
        Self {
            rest,
            coming: Coming {
                left: rest.len(),
                session,
                direction,
            },
        }
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        let (header, len) = self.coming.next()?;
        let (data, rest) = self.rest.split_at(len);
        self.rest = rest;
        Some(Part { header, data })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.coming.size_hint()
    }
}

/// The frames in which the rest of a large message comes if nothing comes in between: each with its first bytes, from
/// its length on, and the length of the data behind them.
#[derive(Clone, Debug)]
pub struct Coming {
    left: usize,
    session: u32,
    direction: Direction,
}

impl Iterator for Coming {
    type Item = ([u8; 7], usize);

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let len = self.left.min(PART);
        self.left -= len;
        let last = u8::from(self.left == 0);
        let length = (5 + len as u16).to_be_bytes();
        let [s0, s1, s2, s3] = self.session.to_le_bytes();
        let header = match self.direction {
            Direction::Request => [length[0], length[1], 2 + last, s0, s1, s2, s3],
            Direction::Response => [length[0], length[1], s0, s1, s2, s3, 3 + last],
        };
        Some((header, len))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let n = self.left.div_ceil(PART);
        (n, Some(n))
    }
}

/// What has come of a large message, lent out while its parts are read straight to it.
/// [`Requests::give_back`](super::Requests::give_back) ends that.
#[derive(Debug)]
pub struct Lent<S> {
    /// The session of the message.
    pub session: u32,
    /// What has come of it.
    pub store: S,
    /// How many bytes are announced.
    pub total: usize,
    /// How many bytes were in the store before the part that is coming in now.
    pub before: usize,
    /// How many bytes of that part are to come.
    pub first: usize,
    /// What comes then.
    pub coming: Coming,
}

/// A part that has come in only in part.
pub(super) struct Begun<'a> {
    pub(super) direction: Direction,
    pub(super) session: u32,
    /// What there is of it.
    pub(super) data: &'a [u8],
    /// How long the whole is.
    pub(super) len: usize,
    /// It is the last.
    pub(super) last: bool,
}

impl ExactSizeIterator for Parts<'_> {}

/// A frame with a part of a large message: its length and header, then data that is still where it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// The frame's first bytes, from its length on.
    pub header: [u8; 7],
    /// The rest of the frame, 1 to [`PART`] bytes.
    pub data: &'a [u8],
}

impl Part<'_> {
    /// Appends the frame to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.reserve(self.header.len() + self.data.len());
        out.extend_from_slice(&self.header);
        out.extend_from_slice(self.data);
    }
}

/// What the parts of a large message are put together in.
///
/// `Vec<u8>` is one. Who needs the message in memory of another kind makes that one, and saves copying the whole.
pub trait Store: Default {
    /// Appends bytes. There will be at most `bound` bytes in the end, of which nobody knows yet whether they come: it
    /// must not take much more memory than it has bytes.
    fn append(&mut self, bytes: &[u8], bound: usize);

    /// What is there.
    fn bytes(&self) -> &[u8];

    /// Bytes of memory that it holds.
    fn held(&self) -> usize;

    /// Makes room for so many bytes, of a peer that has sent as many before. It need not.
    fn reserve(&mut self, _bytes: usize) {}
}

/// Grows as bytes come in: never larger than twice of them, nor than the bound.
impl Store for Vec<u8> {
    fn append(&mut self, bytes: &[u8], bound: usize) {
        grow::append(self, bytes, bound);
    }

    fn bytes(&self) -> &[u8] {
        self
    }

    fn held(&self) -> usize {
        self.capacity()
    }
}

/// The payload of a message: where it was received, or put together from parts.
#[derive(Clone, Debug)]
pub enum Payload<'a, S = Vec<u8>> {
    /// It lies in the frame.
    Borrowed(&'a [u8]),
    /// It came in parts.
    Whole(S),
}

impl<S: Store> Deref for Payload<'_, S> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Whole(store) => store.bytes(),
        }
    }
}

impl<'a, S> From<&'a [u8]> for Payload<'a, S> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Borrowed(bytes)
    }
}

impl From<Vec<u8>> for Payload<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Whole(bytes)
    }
}

/// Wherever they lie, the bytes count.
impl<S: Store> PartialEq for Payload<'_, S> {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

impl<S: Store> Eq for Payload<'_, S> {}

/// A large message that comes in: the size announced and the parts so far.
///
/// Order and size of what comes in is the peer's business, so nothing here fails: what cannot become right any
/// more is remembered as wrong, and no byte of it is kept. So a message in a `Vec` never takes more memory than was
/// announced, and no more than twice what has come in.
#[derive(Debug)]
pub struct Large<S = Vec<u8>>(State<S>);

#[derive(Debug, Default)]
enum State<S> {
    #[default]
    Nothing,
    Begun {
        total: usize,
        data: S,
    },
    /// Somebody else has the data for now.
    Lent {
        total: usize,
    },
    Wrong,
}

impl Default for Large {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Store> Large<S> {
    /// Nothing has come in yet.
    pub fn new() -> Self {
        Self(State::Nothing)
    }

    /// Takes the size announced, in bytes. A second announcement is wrong, and so is one after a part.
    pub fn begin(&mut self, total: u32) {
        self.0 = match self.0 {
            State::Nothing => State::Begun {
                total: total as usize,
                data: S::default(),
            },
            _ => State::Wrong,
        };
    }

    /// Makes room for so many bytes, or for what is announced.
    pub fn reserve(&mut self, bytes: usize) {
        if let State::Begun { total, data } = &mut self.0 {
            data.reserve(bytes.min(*total));
        }
    }

    /// Takes a part. One without an announcement is wrong, and so is one that is more than announced.
    pub fn add(&mut self, part: &[u8]) {
        self.add_within(part, usize::MAX);
    }

    /// The same, without holding more than `most` bytes of memory if they are enough.
    pub(super) fn add_within(&mut self, part: &[u8], most: usize) {
        match &mut self.0 {
            State::Begun { total, data } if part.len() <= *total - data.bytes().len() => {
                let needed = data.bytes().len() + part.len();
                data.append(part, (*total).min(most).max(needed));
            }
            state => *state = State::Wrong,
        }
    }

    /// The message, if the parts add up to the size announced. Nothing is left in `self`.
    pub fn finish(&mut self) -> Option<S> {
        match mem::take(&mut self.0) {
            State::Begun { total, data } if data.bytes().len() == total => Some(data),
            _ => None,
        }
    }

    /// Lends the data out, with what has come of a part; None if that part cannot be right.
    pub(super) fn lend(&mut self, part: Begun<'_>) -> Option<Lent<S>> {
        let State::Begun { total, data } = &mut self.0 else {
            return None;
        };
        let (total, before) = (*total, data.bytes().len());
        let first = part.len.checked_sub(part.data.len())?;
        let end = before.checked_add(part.len)?;
        if end > total || (end == total) != part.last {
            return None;
        }
        let mut store = mem::take(data);
        store.append(part.data, total);
        self.0 = State::Lent { total };
        Some(Lent {
            session: part.session,
            store,
            total,
            before,
            first,
            coming: Coming {
                left: total - end,
                session: part.session,
                direction: part.direction,
            },
        })
    }

    /// Takes the data back. True if it is complete.
    pub(super) fn give_back(&mut self, data: S) -> bool {
        let State::Lent { total } = self.0 else {
            return false;
        };
        let complete = data.bytes().len() == total;
        self.0 = match data.bytes().len() > total {
            true => State::Wrong,
            false => State::Begun { total, data },
        };
        complete
    }

    /// How many bytes are announced.
    pub(super) fn total(&self) -> usize {
        match self.0 {
            State::Begun { total, .. } | State::Lent { total } => total,
            State::Nothing | State::Wrong => 0,
        }
    }

    /// Whether nothing has come in yet.
    pub fn is_empty(&self) -> bool {
        matches!(self.0, State::Nothing)
    }

    /// How many bytes of memory are held for parts. What is lent out counts as if all of it were there.
    pub fn held(&self) -> usize {
        match &self.0 {
            State::Begun { data, .. } => data.held(),
            State::Lent { total } => *total,
            State::Nothing | State::Wrong => 0,
        }
    }

    /// How many bytes of parts are there.
    pub(super) fn len(&self) -> usize {
        match &self.0 {
            State::Begun { data, .. } => data.bytes().len(),
            State::Lent { .. } | State::Nothing | State::Wrong => 0,
        }
    }
}

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
    session: u32,
    direction: Direction,
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
            session,
            direction,
        }
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let (data, rest) = self.rest.split_at(self.rest.len().min(PART));
        self.rest = rest;
        let last = u8::from(rest.is_empty());
        let length = (5 + data.len() as u16).to_be_bytes();
        let [s0, s1, s2, s3] = self.session.to_le_bytes();
        let header = match self.direction {
            Direction::Request => [length[0], length[1], 2 + last, s0, s1, s2, s3],
            Direction::Response => [length[0], length[1], s0, s1, s2, s3, 3 + last],
        };
        Some(Part { header, data })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let n = self.rest.len().div_ceil(PART);
        (n, Some(n))
    }
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
    /// Appends bytes. There will be at most `bound` bytes in the end, of which nobody knows yet whether they come.
    fn append(&mut self, bytes: &[u8], bound: usize);

    /// What is there.
    fn bytes(&self) -> &[u8];
}

/// Grows as bytes come in: never larger than twice of them, nor than the bound.
impl Store for Vec<u8> {
    fn append(&mut self, bytes: &[u8], bound: usize) {
        grow::append(self, bytes, bound);
    }

    fn bytes(&self) -> &[u8] {
        self
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

    /// Takes a part. One without an announcement is wrong, and so is one that is more than announced.
    pub fn add(&mut self, part: &[u8]) {
        match &mut self.0 {
            State::Begun { total, data } if part.len() <= *total - data.bytes().len() => {
                data.append(part, *total);
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

    /// Whether nothing has come in yet.
    pub fn is_empty(&self) -> bool {
        matches!(self.0, State::Nothing)
    }

    /// How many bytes of parts are kept.
    pub fn buffered(&self) -> usize {
        match &self.0 {
            State::Begun { data, .. } => data.bytes().len(),
            State::Nothing | State::Wrong => 0,
        }
    }
}

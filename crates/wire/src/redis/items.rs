//! What is in a whole answer.

use super::{Error, is_blob, is_kind, number};

/// One item of an answer. Those that belong to an array or a map follow it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Item<'a> {
    /// A status, or a number of any size in RESP3: a text.
    Text(&'a [u8]),
    /// An error: its text.
    Error(&'a [u8]),
    /// An integer: its digits.
    Number(&'a [u8]),
    /// A floating point number.
    Double(f64),
    /// A truth value.
    Bool(bool),
    /// A string that is not there, an array that is not there, or null.
    Nil,
    /// This many items belong to it.
    Array(u64),
    /// This many pairs of items belong to it.
    Map(u64),
    /// A message that nobody asked for; this many items belong to it.
    Push(u64),
    /// What is to know about the next item, which it stands in front of: so many pairs.
    Attribute(u64),
}

/// The items of one answer, or of several.
#[derive(Debug, Clone)]
pub struct Items<'a> {
    rest: &'a [u8],
}

impl<'a> Items<'a> {
    /// The items in these bytes, in which a [`Scanner`](super::Scanner) has found whole answers.
    pub fn new(bytes: &'a [u8]) -> Items<'a> {
        Items { rest: bytes }
    }

    /// Bytes that have not been read.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The next item; none at the end.
    ///
    /// # Errors
    /// Any of [`Error`] but `TooLarge`.
    #[expect(
        clippy::should_implement_trait,
        reason = "it can fail, and `for` loops would have to stop"
    )]
    pub fn next(&mut self) -> Result<Option<Item<'a>>, Error> {
        let Some((&kind, rest)) = self.rest.split_first() else {
            return Ok(None);
        };
        if !is_kind(kind, true) {
            return Err(Error::Type(kind));
        }
        let end = line_end(rest).ok_or(Error::Truncated)?;
        let line = &rest[..end];
        self.rest = &rest[end + 2..];
        if is_blob(kind) {
            return self.blob(kind, line).map(Some);
        }
        Ok(Some(match kind {
            b'+' | b'(' => Item::Text(line),
            b'-' => Item::Error(line),
            b'_' => Item::Nil,
            b'#' => Item::Bool(line == b"t"),
            b':' => Item::Number(line),
            b',' => Item::Double(double(line)),
            _ => match (kind, u64::try_from(number(line).ok_or(Error::Length)?)) {
                // The item that it is about follows all the same.
                (b'|', Err(_)) => Item::Attribute(0),
                (_, Err(_)) => Item::Nil,
                (b'%', Ok(count)) => Item::Map(count),
                (b'>', Ok(count)) => Item::Push(count),
                (b'|', Ok(count)) => Item::Attribute(count),
                (_, Ok(count)) => Item::Array(count),
            },
        }))
    }

    fn blob(&mut self, kind: u8, line: &[u8]) -> Result<Item<'a>, Error> {
        let Ok(length) = usize::try_from(number(line).ok_or(Error::Length)?) else {
            return Ok(Item::Nil);
        };
        let end = length.checked_add(2).ok_or(Error::Length)?;
        // What the two bytes behind it are is not looked at, as in skynet (C).
        let (bytes, rest) = self.rest.split_at_checked(end).ok_or(Error::Truncated)?;
        self.rest = rest;
        let bytes = &bytes[..length];
        Ok(match kind {
            b'!' => Item::Error(bytes),
            // "txt:" or the like in front says what it is.
            b'=' => Item::Text(bytes.get(4..).unwrap_or_default()),
            _ => Item::Text(bytes),
        })
    }
}

/// Also `inf`, `-inf` and `nan`, which is what anything else is, too.
fn double(text: &[u8]) -> f64 {
    let number = std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok());
    number.unwrap_or(f64::NAN)
}

/// Where the first end of line begins.
fn line_end(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + bytes[from..].iter().position(|&byte| byte == b'\r')?;
        if bytes.get(at + 1)? == &b'\n' {
            return Some(at);
        }
        from = at + 1;
    }
}

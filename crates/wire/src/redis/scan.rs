//! Where an answer ends.

use super::{Error, is_blob, is_kind, number, parts};

/// The longest line of a length or count, without its type.
const MAX_NUMBER: usize = 24;

/// Finds the end of one answer after the other in bytes that come in pieces. It holds no part of them.
#[derive(Debug, Clone)]
pub struct Scanner {
    resp3: bool,
    limit: u64,
    /// Bytes of the current answer that have been looked at.
    seen: u64,
    /// Items that are still to come, the current one included.
    pending: u64,
    state: State,
}

#[derive(Debug, Clone)]
enum State {
    /// Before the first byte of an item.
    Kind,
    /// In the line of an item.
    Line {
        kind: u8,
        digits: [u8; MAX_NUMBER],
        count: usize,
        /// The last byte was a carriage return.
        ending: bool,
    },
    /// In the bytes of a string, and the two bytes behind it.
    Blob(u64),
}

impl Scanner {
    /// For answers of at most `limit` bytes, in RESP2 or also in RESP3.
    pub fn new(resp3: bool, limit: u64) -> Scanner {
        Scanner {
            resp3,
            limit,
            seen: 0,
            pending: 1,
            state: State::Kind,
        }
    }

    /// Bytes of the current answer that have been looked at.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Begins with the next answer.
    pub fn restart(&mut self) {
        self.seen = 0;
        self.pending = 1;
        self.state = State::Kind;
    }

    /// Bytes that are missing at least.
    pub fn missing(&self) -> u64 {
        // Each further item has a type, and the end of a line.
        let later = self.pending.saturating_sub(1).saturating_mul(3);
        match self.state {
            State::Kind => self.pending.saturating_mul(3),
            State::Line { .. } => later.saturating_add(1),
            State::Blob(rest) => later.saturating_add(rest),
        }
    }

    /// Looks at the next bytes. True when the answer is whole: it has [`Scanner::seen`] bytes then, and the others are
    /// not looked at.
    ///
    /// # Errors
    /// Any of [`Error`] but `Truncated`. The scanner is of no use afterwards.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<bool, Error> {
        let mut rest = bytes;
        while self.pending > 0 {
            let Some(&first) = rest.first() else {
                return self.check(0).map(|()| false);
            };
            match &mut self.state {
                State::Kind => {
                    if !is_kind(first, self.resp3) {
                        return Err(Error::Type(first));
                    }
                    self.state = State::Line {
                        kind: first,
                        digits: [0; MAX_NUMBER],
                        count: 0,
                        ending: false,
                    };
                    rest = self.advance(rest, 1);
                }
                State::Line {
                    kind,
                    digits,
                    count,
                    ending,
                } => {
                    if *ending && first == b'\n' {
                        let (kind, count) = (*kind, *count);
                        let digits = *digits;
                        rest = self.advance(rest, 1);
                        self.line(kind, &digits[..count])?;
                        continue;
                    }
                    // Of a text only its end matters.
                    let counted = is_blob(*kind) || parts(*kind, 1) != Some(0);
                    if !counted && first != b'\r' {
                        *ending = false;
                        let text = rest.iter().position(|&byte| byte == b'\r');
                        rest = self.advance(rest, text.unwrap_or(rest.len()));
                        continue;
                    }
                    if counted && (*ending || first != b'\r') {
                        if *ending || *count == MAX_NUMBER {
                            return Err(Error::Length);
                        }
                        digits[*count] = first;
                        *count += 1;
                    } else {
                        *ending = true;
                    }
                    rest = self.advance(rest, 1);
                }
                State::Blob(missing) => {
                    let part = usize::try_from(*missing)
                        .unwrap_or(usize::MAX)
                        .min(rest.len());
                    *missing -= part as u64;
                    if *missing == 0 {
                        self.state = State::Kind;
                        self.pending -= 1;
                    }
                    rest = self.advance(rest, part);
                }
            }
        }
        self.check(0).map(|()| true)
    }

    /// The line of an item has ended.
    fn line(&mut self, kind: u8, digits: &[u8]) -> Result<(), Error> {
        self.state = State::Kind;
        if is_blob(kind) {
            let length = number(digits).ok_or(Error::Length)?;
            match u64::try_from(length) {
                Ok(length) => {
                    self.state = State::Blob(length.saturating_add(2));
                    return self.check(length);
                }
                Err(_) => self.pending -= 1,
            }
            return Ok(());
        }
        let mut more = 0;
        if parts(kind, 1) != Some(0) {
            let count = number(digits).ok_or(Error::Length)?;
            more = parts(kind, count).ok_or(Error::Length)?;
            self.check(more.saturating_mul(3))?;
        }
        self.pending = (self.pending - 1).saturating_add(more);
        Ok(())
    }

    fn advance<'a>(&mut self, bytes: &'a [u8], n: usize) -> &'a [u8] {
        self.seen += n as u64;
        &bytes[n..]
    }

    fn check(&self, announced: u64) -> Result<(), Error> {
        let size = self.seen.saturating_add(announced);
        if size > self.limit {
            return Err(Error::TooLarge {
                size,
                limit: self.limit,
            });
        }
        Ok(())
    }
}

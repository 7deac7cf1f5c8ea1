//! Reading documents.

use super::{EMPTY, kind};

/// Why bytes are no document. The texts are those that programs see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value goes beyond the end of its document.
    #[error("Invalid bson block ({left}:{need})")]
    Block {
        /// How many bytes are left; negative for a document that says to be shorter than an empty one.
        left: i64,
        /// How many bytes the value needs.
        need: i64,
    },
    /// A key or pattern has no end.
    #[error("Invalid bson block : cstring")]
    Unterminated,
    /// A document does not end in a zero byte.
    #[error("Invalid document end")]
    End,
    /// A string says to be shorter than an empty one.
    #[error("Invalid bson string , length = {0}")]
    StringLength(i32),
    /// An element of an unknown type.
    #[error("Invalid bson type : {0}")]
    Type(u8),
}

/// The elements of one document that have not been read yet.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    /// Without the zero byte at the document's end.
    rest: &'a [u8],
}

/// One element of a document.
#[derive(Debug, Clone)]
pub struct Element<'a> {
    /// Its type, one of [`kind`].
    pub kind: u8,
    /// Its key, without the zero byte.
    pub key: &'a [u8],
    /// Its value, as it is written; the length in front of strings and documents is part of it.
    pub value: &'a [u8],
}

impl<'a> Reader<'a> {
    /// The elements of the document that `bytes` begin with.
    ///
    /// # Errors
    /// [`Error::Block`], [`Error::End`].
    pub fn new(bytes: &'a [u8]) -> Result<Reader<'a>, Error> {
        let mut all = Reader { rest: bytes };
        let length = all.peek_length()?;
        if (length as i64) < EMPTY as i64 {
            let left = i64::from(length) - EMPTY as i64;
            return Err(Error::Block { left, need: 1 });
        }
        all.rest = &all.rest[4..];
        let content = all.take(length as usize - EMPTY)?;
        match all.rest.first() {
            Some(0) => Ok(Reader { rest: content }),
            Some(_) => Err(Error::End),
            None => Err(Error::Block { left: 0, need: 1 }),
        }
    }

    /// The next element; none at the end of the document.
    ///
    /// # Errors
    /// Any of [`Error`].
    #[expect(
        clippy::should_implement_trait,
        reason = "it can fail, and `for` loops would have to stop"
    )]
    pub fn next(&mut self) -> Result<Option<Element<'a>>, Error> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let kind = self.take(1)?[0];
        let key = self.cstring()?;
        let value = self.value(kind)?;
        Ok(Some(Element { kind, key, value }))
    }

    fn value(&mut self, kind: u8) -> Result<&'a [u8], Error> {
        let size = match kind {
            kind::NULL | kind::MAX_KEY | kind::MIN_KEY => 0,
            kind::BOOLEAN => 1,
            kind::INT32 => 4,
            kind::DOUBLE | kind::DATE | kind::INT64 => 8,
            kind::OBJECT_ID => 12,
            kind::TIMESTAMP => {
                // Two numbers, which are missed one by one.
                let before = self.rest;
                self.take(4)?;
                self.take(4)?;
                return Ok(&before[..8]);
            }
            kind::STRING => return self.counted(0),
            kind::CODE | kind::SYMBOL => return self.counted(0),
            kind::DB_POINTER => return self.counted(12),
            kind::BINARY => return self.binary(),
            kind::DOCUMENT | kind::ARRAY | kind::CODE_WITH_SCOPE => return self.nested(),
            kind::REGEX => {
                let before = self.rest;
                let size = self.cstring()?.len() + self.cstring()?.len() + 2;
                return Ok(&before[..size]);
            }
            other => return Err(Error::Type(other)),
        };
        self.take(size)
    }

    /// A length, as many bytes, and `more` behind them.
    fn counted(&mut self, more: usize) -> Result<&'a [u8], Error> {
        let before = self.rest;
        let length = self.length()?;
        if length <= 0 {
            return Err(Error::StringLength(length));
        }
        self.take(length as usize)?;
        self.take(more)?;
        Ok(&before[..4 + length as usize + more])
    }

    fn binary(&mut self) -> Result<&'a [u8], Error> {
        let before = self.rest;
        let length = self.length()?;
        if length < 0 {
            return Err(Error::StringLength(length));
        }
        self.take(1)?;
        self.take(length as usize)?;
        Ok(&before[..5 + length as usize])
    }

    /// A length that counts itself.
    fn nested(&mut self) -> Result<&'a [u8], Error> {
        let before = self.rest;
        let length = self.length()?;
        let need = i64::from(length) - EMPTY as i64;
        if need < 0 {
            return Err(Error::Block {
                left: need,
                need: 1,
            });
        }
        self.take(need as usize)?;
        self.take(1)?;
        Ok(&before[..length as usize])
    }

    fn cstring(&mut self) -> Result<&'a [u8], Error> {
        let end = self
            .rest
            .iter()
            .position(|&byte| byte == 0)
            .ok_or(Error::Unterminated)?;
        let text = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        Ok(text)
    }

    fn length(&mut self) -> Result<i32, Error> {
        let length = self.peek_length()?;
        self.rest = &self.rest[4..];
        Ok(length)
    }

    fn peek_length(&self) -> Result<i32, Error> {
        match self.rest.first_chunk::<4>() {
            Some(bytes) => Ok(i32::from_le_bytes(*bytes)),
            None => Err(self.missing(4)),
        }
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self
            .rest
            .split_at_checked(n)
            .ok_or_else(|| self.missing(n))?;
        self.rest = rest;
        Ok(taken)
    }

    fn missing(&self, need: usize) -> Error {
        Error::Block {
            left: self.rest.len() as i64,
            need: need as i64,
        }
    }
}

impl<'a> Element<'a> {
    /// The first `N` bytes of the value, or zeros; for the kinds of a fixed size.
    fn fixed<const N: usize>(&self) -> [u8; N] {
        self.value.first_chunk().copied().unwrap_or([0; N])
    }

    /// The value of a `DOUBLE`.
    pub fn double(&self) -> f64 {
        f64::from_le_bytes(self.fixed())
    }

    /// The value of an `INT32`.
    pub fn int32(&self) -> i32 {
        i32::from_le_bytes(self.fixed())
    }

    /// The value of an `INT64` or, in milliseconds, of a `DATE`.
    pub fn int64(&self) -> i64 {
        i64::from_le_bytes(self.fixed())
    }

    /// The value of a `BOOLEAN`.
    pub fn boolean(&self) -> bool {
        self.fixed() != [0]
    }

    /// The bytes of a `STRING`, without the zero byte.
    pub fn string(&self) -> &'a [u8] {
        self.value.get(4..self.value.len() - 1).unwrap_or_default()
    }

    /// The sub-type of a `BINARY`, and its bytes behind it in one piece.
    pub fn binary(&self) -> &'a [u8] {
        self.value.get(4..).unwrap_or_default()
    }

    /// The elements of a `DOCUMENT` or an `ARRAY`.
    ///
    /// # Errors
    /// As [`Reader::new`].
    pub fn document(&self) -> Result<Reader<'a>, Error> {
        Reader::new(self.value)
    }

    /// The index of an element of an array, from 0: the digits that the key begins with.
    pub fn index(&self) -> i64 {
        let digits = self.key.iter().take_while(|byte| byte.is_ascii_digit());
        digits.fold(0i64, |n, digit| {
            n.saturating_mul(10).saturating_add(i64::from(digit - b'0'))
        })
    }
}

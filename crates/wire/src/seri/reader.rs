//! Bytes to tokens.
//!
//! A read either takes all of its bytes or none, so the count of bytes left in an error is that after the
//! last complete piece: a header whose payload is short has been read, the payload has not.
//!
//! `next`, `value` and what they call are always inlined. The compiler, left alone, shares one copy among
//! the few places that a caller has; a token then goes through memory and is matched twice, which takes
//! twice the time.

use super::{Error, LONG_ARRAY, number, tag};

/// One step of a stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Token<'a> {
    /// nil. In place of a pair's key, the end of the table.
    Nil,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// A light userdata.
    Pointer(u64),
    /// A string, borrowed from the stream.
    Str(&'a [u8]),
    /// A table begins: `array_len` values follow, then pairs of key and value, then a nil.
    Table {
        /// How many values belong to the array.
        ///
        /// At most 30, or one more than the bytes left, however much the stream claims: every value takes a
        /// byte, so reading that many fails all the same. Even so, do not allocate by it; see
        /// [`Reader::reserve`].
        array_len: usize,
    },
}

/// Reads a stream token by token, without copying or allocating.
///
/// What a table holds follows its [`Token::Table`] in the stream; the caller keeps count.
///
/// ```
/// use skynet_wire::seri::{Reader, Token};
///
/// let mut r = Reader::new(b"\x1ccmd\x0e\x0a\x01\x0ca\x09\x00"); // "cmd", { 1, a = true }
/// assert_eq!(r.next()?, Some(Token::Str(b"cmd")));
/// assert_eq!(r.next()?, Some(Token::Table { array_len: 1 }));
/// assert_eq!(r.value()?, Token::Int(1));
/// assert_eq!(r.value()?, Token::Str(b"a"));
/// assert_eq!(r.value()?, Token::Bool(true));
/// assert_eq!(r.value()?, Token::Nil); // the end of the table
/// assert_eq!(r.next()?, None); // the end of the stream
/// # Ok::<(), skynet_wire::seri::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    /// What is left to read.
    rest: &'a [u8],
    /// How many values the tables may still make room for; see [`Reader::reserve`].
    budget: usize,
}

/// The error of a failed check, with the line it stands in.
macro_rules! invalid {
    ($reader:expr) => {
        invalid($reader.rest.len(), line!())
    };
}

#[cold]
fn invalid(remaining: usize, at: u32) -> Error {
    Error::Invalid { remaining, at }
}

impl<'a> Reader<'a> {
    /// A reader of a whole stream.
    #[inline]
    pub fn new(stream: &'a [u8]) -> Self {
        Self {
            rest: stream,
            budget: stream.len(),
        }
    }

    /// How many bytes are left to read.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Whether everything has been read.
    #[inline]
    pub fn at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Does a nil come next? Where a key may stand, it ends the table.
    #[inline]
    pub fn at_table_end(&self) -> bool {
        self.rest.first().is_some_and(|first| first & 7 == tag::NIL)
    }

    /// How many of `array_len` values to make room for in advance.
    ///
    /// Call it once for each table. Short tables cost a byte or two of stream but can claim many values, and
    /// in a made-up stream they can be nested a million times; so all tables of a stream together get room
    /// for as many values as the stream has bytes, which is always enough for an honest one.
    #[inline]
    pub fn reserve(&mut self, array_len: usize) -> usize {
        let n = array_len.min(self.budget);
        self.budget -= n;
        n
    }

    /// The next token, or `None` at the end of the stream. For the values at the top of a stream.
    ///
    /// # Errors
    /// [`Error::Invalid`]; reading on after an error has no meaning, but does no harm.
    #[inline(always)]
    #[expect(
        clippy::should_implement_trait,
        reason = "an error ends the stream, which `?` on a Result says best"
    )]
    pub fn next(&mut self) -> Result<Option<Token<'a>>, Error> {
        if self.rest.is_empty() {
            Ok(None)
        } else {
            self.value().map(Some)
        }
    }

    /// The next token, where the stream may not end. For the values, keys and ends of tables.
    ///
    /// # Errors
    /// [`Error::Invalid`], also at the end of the stream.
    #[inline(always)]
    pub fn value(&mut self) -> Result<Token<'a>, Error> {
        let Some((&first, rest)) = self.rest.split_first() else {
            return Err(invalid!(self));
        };
        self.rest = rest;
        let cookie = first >> 3;
        Ok(match first & 7 {
            tag::NIL => Token::Nil,
            tag::BOOL => Token::Bool(cookie != 0),
            tag::NUMBER if cookie == number::F64 => Token::Float(f64::from_le_bytes(self.array()?)),
            tag::NUMBER => Token::Int(self.int(cookie)?),
            tag::POINTER => Token::Pointer(u64::from_le_bytes(self.array()?)),
            tag::SHORT_STRING => Token::Str(self.bytes(cookie as usize)?),
            tag::LONG_STRING => {
                let len = match cookie {
                    2 => u16::from_le_bytes(self.array()?) as usize,
                    4 => u32::from_le_bytes(self.array()?) as usize,
                    _ => return Err(invalid!(self)),
                };
                Token::Str(self.bytes(len)?)
            }
            tag::TABLE if cookie != LONG_ARRAY => Token::Table {
                array_len: cookie as usize,
            },
            tag::TABLE => Token::Table {
                array_len: self.long_array()?,
            },
            _ => return Err(invalid!(self)),
        })
    }

    /// Reads over one whole value: a table with all that it holds.
    ///
    /// # Errors
    /// [`Error::Invalid`], also at the end of the stream.
    pub fn skip(&mut self) -> Result<(), Error> {
        let Token::Table { array_len } = self.value()? else {
            return Ok(());
        };
        // How many values stand before the next key, in the innermost table and in those around it. The
        // vector is bounded by the stream, as every open table has taken a byte.
        let mut left = array_len;
        let mut outer = Vec::new();
        loop {
            let is_key = left == 0;
            let token = self.value()?;
            left = if is_key { 1 } else { left - 1 };
            match token {
                Token::Nil if is_key => match outer.pop() {
                    Some(n) => left = n,
                    None => return Ok(()),
                },
                Token::Table { array_len } => {
                    outer.push(left);
                    left = array_len;
                }
                _ => {}
            }
        }
    }

    #[inline(always)]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let Some((head, rest)) = self.rest.split_first_chunk() else {
            return Err(invalid!(self));
        };
        self.rest = rest;
        Ok(*head)
    }

    #[inline(always)]
    fn bytes(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let Some((head, rest)) = self.rest.split_at_checked(len) else {
            return Err(invalid!(self));
        };
        self.rest = rest;
        Ok(head)
    }

    #[inline(always)]
    fn int(&mut self, cookie: u8) -> Result<i64, Error> {
        Ok(match cookie {
            number::ZERO => 0,
            number::U8 => u8::from_le_bytes(self.array()?) as i64,
            number::U16 => u16::from_le_bytes(self.array()?) as i64,
            number::I32 => i32::from_le_bytes(self.array()?) as i64,
            number::I64 => i64::from_le_bytes(self.array()?),
            _ => return Err(invalid!(self)),
        })
    }

    /// The array length that follows a table's header. A negative one counts as 0.
    #[cold]
    fn long_array(&mut self) -> Result<usize, Error> {
        let [first] = self.array()?;
        if first & 7 != tag::NUMBER || first >> 3 == number::F64 {
            return Err(invalid!(self));
        }
        let len = self.int(first >> 3)?;
        Ok(usize::try_from(len).unwrap_or(0).min(self.rest.len() + 1))
    }
}

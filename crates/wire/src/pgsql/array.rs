//! The text of an array, such as `{1,NULL,{"a b"}}`.

use std::borrow::Cow;

use super::Error;

/// How deep arrays may lie in each other. PostgreSQL has six levels at most.
pub const MAX_DEPTH: usize = 32;

/// A part of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArrayItem<'a> {
    /// An array begins.
    Open,
    /// It ends.
    Close,
    /// No value.
    Null,
    /// The text of a value.
    Value(Cow<'a, [u8]>),
}

/// The parts of an array, in their order.
pub struct ArrayItems<'a> {
    rest: &'a [u8],
    depth: usize,
    done: bool,
}

impl<'a> ArrayItems<'a> {
    /// Of the text of an array. Bounds in front of it (`[0:1]={1,2}`) are left out.
    pub fn of(text: &'a [u8]) -> ArrayItems<'a> {
        let start = match text.first() {
            Some(b'[') => text
                .iter()
                .position(|byte| *byte == b'=')
                .map_or(0, |i| i + 1),
            _ => 0,
        };
        ArrayItems {
            rest: &text[start..],
            depth: 0,
            done: false,
        }
    }

    /// The next part; none after the end.
    pub fn item(&mut self) -> Result<Option<ArrayItem<'a>>, Error> {
        if self.done {
            return if self.rest.is_empty() {
                Ok(None)
            } else {
                Err(Error::Array)
            };
        }
        let (first, behind) = self.rest.split_first().ok_or(Error::Array)?;
        match first {
            b'{' => {
                self.rest = behind;
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(Error::Array);
                }
                Ok(Some(ArrayItem::Open))
            }
            b'}' if self.depth > 0 => {
                self.rest = behind;
                self.depth -= 1;
                self.done = self.depth == 0;
                Ok(Some(ArrayItem::Close))
            }
            b',' if self.depth > 0 => {
                self.rest = behind;
                self.item_after_comma()
            }
            _ if self.depth > 0 => self.value().map(Some),
            _ => Err(Error::Array),
        }
    }

    fn item_after_comma(&mut self) -> Result<Option<ArrayItem<'a>>, Error> {
        match self.rest.first() {
            Some(b',' | b'}') | None => Err(Error::Array),
            _ => self.item(),
        }
    }

    fn value(&mut self) -> Result<ArrayItem<'a>, Error> {
        if self.rest[0] == b'"' {
            return self.quoted().map(ArrayItem::Value);
        }
        let end = self
            .rest
            .iter()
            .position(|byte| matches!(byte, b',' | b'}'));
        let (text, rest) = self.rest.split_at(end.ok_or(Error::Array)?);
        self.rest = rest;
        if text.eq_ignore_ascii_case(b"null") {
            return Ok(ArrayItem::Null);
        }
        Ok(ArrayItem::Value(Cow::Borrowed(text)))
    }

    fn quoted(&mut self) -> Result<Cow<'a, [u8]>, Error> {
        let text = &self.rest[1..];
        let plain = text.iter().position(|byte| matches!(byte, b'"' | b'\\'));
        let plain = plain.ok_or(Error::Array)?;
        if text[plain] == b'"' {
            self.rest = &text[plain + 1..];
            return Ok(Cow::Borrowed(&text[..plain]));
        }
        let mut value = text[..plain].to_vec();
        let mut bytes = text[plain..].iter();
        loop {
            match bytes.next().ok_or(Error::Array)? {
                b'"' => break,
                b'\\' => value.push(*bytes.next().ok_or(Error::Array)?),
                byte => value.push(*byte),
            }
        }
        self.rest = bytes.as_slice();
        Ok(Cow::Owned(value))
    }
}

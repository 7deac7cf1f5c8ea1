//! Messages, field by field.

use super::{Error, MAX_SIZE};

/// Writes messages into one buffer.
///
/// A message is begun with room for as many words as it may need, and ended, which moves the data up if there are
/// fewer. Between, fields come in ascending order of their numbers.
#[derive(Default)]
pub struct Writer {
    out: Vec<u8>,
}

/// A message that has been begun.
pub struct Open {
    at: usize,
    room: usize,
    words: usize,
    /// The number that the next word stands for.
    next: u32,
}

impl Writer {
    /// What has been written.
    pub fn bytes(&self) -> &[u8] {
        &self.out
    }

    /// Forgets it.
    pub fn clear(&mut self) {
        self.out.clear();
    }

    /// Begins a message of up to `words` words; see [`Type::words`](super::Type::words).
    pub fn begin(&mut self, words: usize) -> Open {
        let at = self.out.len();
        self.out.resize(at + 2 + 2 * words, 0);
        Open {
            at,
            room: words,
            words: 0,
            next: 0,
        }
    }

    fn word(&mut self, open: &mut Open, word: u16) {
        let at = open.at + 2 + 2 * open.words;
        debug_assert!(open.words < open.room);
        self.out[at..at + 2].copy_from_slice(&word.to_le_bytes());
        open.words += 1;
    }

    fn field(&mut self, open: &mut Open, tag: u32, word: u16) {
        let gap = tag - open.next;
        if gap > 0 {
            self.word(open, (2 * (gap - 1) + 1) as u16);
        }
        self.word(open, word);
        open.next = tag + 1;
    }

    /// Says that the next number has no field, in a word of its own; gaps are otherwise one word, however wide.
    pub(super) fn skip(&mut self, open: &mut Open) {
        self.word(open, 1);
        open.next += 1;
    }

    /// A number that fits into a word (below 0x7fff), or a boolean as 0 or 1.
    pub fn inline(&mut self, open: &mut Open, tag: u32, value: u16) {
        self.field(open, tag, (value + 1) * 2);
    }

    /// An integer in its shortest form.
    pub fn integer(&mut self, open: &mut Open, tag: u32, value: i64) {
        if (0..0x7fff).contains(&value) {
            return self.inline(open, tag, value as u16);
        }
        let item = self.data(open, tag);
        match i32::try_from(value) {
            Ok(n) => self.out.extend(n.to_le_bytes()),
            Err(_) => self.out.extend(value.to_le_bytes()),
        }
        self.end_item(item);
    }

    /// Begins the data of a field; [`Writer::end_item`] ends them.
    pub fn data(&mut self, open: &mut Open, tag: u32) -> usize {
        self.field(open, tag, 0);
        self.item()
    }

    /// Begins an item: a length and bytes.
    pub fn item(&mut self) -> usize {
        let at = self.out.len();
        self.out.extend([0; 4]);
        at
    }

    /// Sets the length of an item, by all that has been written since.
    pub fn end_item(&mut self, item: usize) {
        let len = (self.out.len() - item - 4) as u32;
        self.out[item..item + 4].copy_from_slice(&len.to_le_bytes());
    }

    /// Raw bytes.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// The elements of an array of integers: nothing if there are none, else the width and so many bytes each.
    pub fn integers(&mut self, values: &[i64]) {
        if values.is_empty() {
            return;
        }
        if values.iter().all(|&n| i32::try_from(n).is_ok()) {
            self.out.push(4);
            for &n in values {
                self.out.extend((n as i32).to_le_bytes());
            }
        } else {
            self.out.push(8);
            for &n in values {
                self.out.extend(n.to_le_bytes());
            }
        }
    }

    /// The elements of an array of doubles, by their bits.
    pub fn doubles(&mut self, bits: &[i64]) {
        if bits.is_empty() {
            return;
        }
        self.out.push(8);
        for n in bits {
            self.out.extend(n.to_le_bytes());
        }
    }

    /// Ends a message.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if all that has been written is.
    pub fn end(&mut self, open: Open) -> Result<(), Error> {
        if self.out.len() > MAX_SIZE {
            return Err(Error::TooLarge);
        }
        let header = (open.words as u16).to_le_bytes();
        self.out[open.at..open.at + 2].copy_from_slice(&header);
        let (data, to) = (open.at + 2 + 2 * open.room, open.at + 2 + 2 * open.words);
        if data != to {
            self.out.copy_within(data.., to);
            let len = self.out.len() - (data - to);
            self.out.truncate(len);
        }
        Ok(())
    }
}

fn item(bytes: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    let (len, rest) = bytes.split_first_chunk().ok_or(Error::Decode)?;
    let len = u32::from_le_bytes(*len) as usize;
    rest.split_at_checked(len).ok_or(Error::Decode)
}

/// A message being read: an iterator over its fields.
#[derive(Clone, Debug)]
pub struct Struct<'a> {
    all: usize,
    words: &'a [u8],
    data: &'a [u8],
    tag: u32,
}

/// The value of a field, as it lies in the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value<'a> {
    /// In the word.
    Inline(u16),
    /// An item of the data.
    Data(&'a [u8]),
}

impl<'a> Struct<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`Error::Decode`] if the words are not all there.
    pub fn new(bytes: &'a [u8]) -> Result<Struct<'a>, Error> {
        let (count, rest) = bytes.split_first_chunk().ok_or(Error::Decode)?;
        let count = usize::from(u16::from_le_bytes(*count));
        let (words, data) = rest.split_at_checked(2 * count).ok_or(Error::Decode)?;
        Ok(Struct {
            all: bytes.len(),
            words,
            data,
            tag: 0,
        })
    }

    /// How many bytes have been read; of the whole message once there are no more fields.
    pub fn used(&self) -> usize {
        self.all - self.data.len()
    }

    /// The next field and its number.
    ///
    /// # Errors
    /// [`Error::Decode`] if its data are not all there.
    #[allow(clippy::should_implement_trait, reason = "it is fallible")]
    pub fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, Error> {
        while let Some((word, rest)) = self.words.split_first_chunk() {
            self.words = rest;
            let word = u16::from_le_bytes(*word);
            if word & 1 != 0 {
                self.tag += u32::from(word) / 2 + 1;
                continue;
            }
            let tag = self.tag;
            self.tag += 1;
            if word != 0 {
                return Ok(Some((tag, Value::Inline(word / 2 - 1))));
            }
            let (data, rest) = item(self.data)?;
            self.data = rest;
            return Ok(Some((tag, Value::Data(data))));
        }
        Ok(None)
    }
}

impl<'a> Value<'a> {
    /// The item, which is what all types but integers and booleans have.
    ///
    /// # Errors
    /// [`Error::Decode`] if it is in the word.
    pub fn data(self) -> Result<&'a [u8], Error> {
        match self {
            Value::Data(data) => Ok(data),
            Value::Inline(_) => Err(Error::Decode),
        }
    }

    /// An integer.
    ///
    /// # Errors
    /// [`Error::Decode`] if it has neither four nor eight bytes.
    pub fn integer(self) -> Result<i64, Error> {
        match self {
            Value::Inline(n) => Ok(n.into()),
            Value::Data(data) => number(data),
        }
    }

    /// A double.
    ///
    /// # Errors
    /// As for integers, and if it is in the word.
    pub fn double(self) -> Result<f64, Error> {
        Ok(f64::from_bits(number(self.data()?)? as u64))
    }

    /// A boolean.
    ///
    /// # Errors
    /// [`Error::Decode`] if it is not in the word.
    pub fn boolean(self) -> Result<bool, Error> {
        match self {
            Value::Inline(n) => Ok(n != 0),
            Value::Data(_) => Err(Error::Decode),
        }
    }
}

fn number(data: &[u8]) -> Result<i64, Error> {
    if let Ok(bytes) = <[u8; 4]>::try_from(data) {
        return Ok(i32::from_le_bytes(bytes).into());
    }
    let bytes = <[u8; 8]>::try_from(data).map_err(|_| Error::Decode)?;
    Ok(i64::from_le_bytes(bytes))
}

/// The elements of an array of integers or doubles.
#[derive(Clone, Debug)]
pub struct Integers<'a> {
    width: usize,
    bytes: &'a [u8],
}

impl<'a> Integers<'a> {
    /// Reads the width.
    ///
    /// # Errors
    /// [`Error::Decode`] if it is neither 4 nor 8, or the bytes are not a multiple of it.
    pub fn new(data: &'a [u8]) -> Result<Integers<'a>, Error> {
        let Some((&width, bytes)) = data.split_first() else {
            return Ok(Integers {
                width: 8,
                bytes: data,
            });
        };
        let width = usize::from(width);
        if !matches!(width, 4 | 8) || bytes.len() % width != 0 {
            return Err(Error::Decode);
        }
        Ok(Integers { width, bytes })
    }
}

impl Iterator for Integers<'_> {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        let (element, rest) = self.bytes.split_at_checked(self.width)?;
        self.bytes = rest;
        number(element).ok()
    }
}

/// The elements of any other array.
#[derive(Clone, Debug)]
pub struct Items<'a>(pub &'a [u8]);

impl<'a> Iterator for Items<'a> {
    type Item = Result<&'a [u8], Error>;

    fn next(&mut self) -> Option<Result<&'a [u8], Error>> {
        if self.0.is_empty() {
            return None;
        }
        Some(match item(self.0) {
            Ok((element, rest)) => {
                self.0 = rest;
                Ok(element)
            }
            Err(e) => {
                self.0 = &[];
                Err(e)
            }
        })
    }
}

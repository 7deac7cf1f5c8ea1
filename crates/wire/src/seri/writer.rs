//! Values to bytes.
//!
//! Packing is on the path of every message, mostly as a handful of small values, so the costs to keep down
//! are the checks for room in the vector and calls of `memcpy`. A header and its number are therefore put
//! together in a register and appended as 16 bytes, whatever the size of the number; what is too much is cut
//! off again, which is a store of the length.

use super::{Error, LONG_ARRAY, LONG_STRING_FROM, MAX_STRING, header, number, tag};

/// Appends values to a vector of bytes.
///
/// A table is written in pieces: its header, the values of its array, then key and value of each pair, then
/// its end. The caller keeps to that order and to [`MAX_DEPTH`](super::MAX_DEPTH); the writer does not look.
///
/// ```
/// use skynet_wire::seri::Writer;
///
/// let mut buf = Vec::new();
/// let mut w = Writer::new(&mut buf);
/// w.bytes(b"cmd")?;
/// w.begin_table(2); // { 1, 2, a = true }
/// w.int(1);
/// w.int(2);
/// w.bytes(b"a")?;
/// w.bool(true);
/// w.end_table();
/// assert_eq!(buf, b"\x1ccmd\x16\x0a\x01\x0a\x02\x0ca\x09\x00");
/// # Ok::<(), skynet_wire::seri::Error>(())
/// ```
#[derive(Debug)]
pub struct Writer<'a> {
    buf: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    /// A writer that appends to `buf`; what `buf` holds stays.
    #[inline]
    pub fn new(buf: &'a mut Vec<u8>) -> Self {
        Self { buf }
    }

    /// Everything in the vector so far, including what it held before.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        self.buf
    }

    /// Writes nil.
    #[inline]
    pub fn nil(&mut self) {
        self.buf.push(header(tag::NIL, 0));
    }

    /// Writes a boolean.
    #[inline]
    pub fn bool(&mut self, v: bool) {
        self.buf.push(header(tag::BOOL, v as u8));
    }

    /// Writes an integer in the form that skynet (C) picks, which is the shortest but for the unsigned forms
    /// ending at 16 bits.
    #[inline]
    pub fn int(&mut self, v: i64) {
        let (cookie, size) = if v as i32 as i64 != v {
            (number::I64, 8)
        } else if v < 0 || v > u16::MAX as i64 {
            (number::I32, 4)
        } else if v > u8::MAX as i64 {
            (number::U16, 2)
        } else if v > 0 {
            (number::U8, 1)
        } else {
            (number::ZERO, 0)
        };
        self.word(header(tag::NUMBER, cookie), v as u64, size);
    }

    /// Writes a float, bit for bit. It stays a float even when its value is integral.
    #[inline]
    pub fn float(&mut self, v: f64) {
        self.word(header(tag::NUMBER, number::F64), v.to_bits(), 8);
    }

    /// Writes a light userdata. It means something in the same process only.
    #[inline]
    pub fn pointer(&mut self, v: u64) {
        self.word(header(tag::POINTER, 0), v, 8);
    }

    /// Writes a string of bytes.
    ///
    /// # Errors
    /// [`Error::TooLong`] above [`MAX_STRING`] bytes; nothing is written then.
    #[inline]
    pub fn bytes(&mut self, v: &[u8]) -> Result<(), Error> {
        if v.len() < LONG_STRING_FROM {
            self.buf.push(header(tag::SHORT_STRING, v.len() as u8));
            self.buf.extend_from_slice(v);
            return Ok(());
        }
        self.long_bytes(v)
    }

    /// Opens a table with `array_len` values in its array.
    ///
    /// Write exactly that many values next, then pairs, then [`end_table`](Self::end_table).
    #[inline]
    pub fn begin_table(&mut self, array_len: usize) {
        if array_len < LONG_ARRAY as usize {
            self.buf.push(header(tag::TABLE, array_len as u8));
        } else {
            self.buf.push(header(tag::TABLE, LONG_ARRAY));
            self.int(array_len as i64);
        }
    }

    /// Opens a table without an array, as `skynet.pack` does for a table with a `__pairs` metamethod.
    #[inline]
    pub fn begin_pairs_table(&mut self) {
        self.buf.push(header(tag::TABLE, 0));
    }

    /// Closes the table.
    #[inline]
    pub fn end_table(&mut self) {
        self.nil();
    }

    /// Appends a header and the low `size` bytes of `payload`, which are at most 8.
    #[inline]
    fn word(&mut self, header: u8, payload: u64, size: usize) {
        // Made by shifting, not in an array in memory: reading words back from single bytes just stored
        // makes the processor wait.
        let all = (payload as u128) << 8 | header as u128;
        let end = self.buf.len() + 1 + size;
        self.buf.extend_from_slice(&all.to_le_bytes());
        self.buf.truncate(end);
    }

    /// Writes the header of a string of `len` bytes, at least 32. The bytes come next, put there by the caller: a long
    /// string need not go through the vector.
    ///
    /// # Errors
    /// [`Error::TooLong`] above [`MAX_STRING`] bytes; nothing is written then.
    pub fn long_header(&mut self, len: usize) -> Result<(), Error> {
        debug_assert!(len >= LONG_STRING_FROM);
        if len > MAX_STRING {
            return Err(Error::TooLong(len));
        }
        if let Ok(len) = u16::try_from(len) {
            self.buf.push(header(tag::LONG_STRING, 2));
            self.buf.extend_from_slice(&len.to_le_bytes());
        } else {
            self.buf.push(header(tag::LONG_STRING, 4));
            self.buf.extend_from_slice(&(len as u32).to_le_bytes());
        }
        Ok(())
    }

    fn long_bytes(&mut self, v: &[u8]) -> Result<(), Error> {
        self.long_header(v.len())?;
        self.buf.extend_from_slice(v);
        Ok(())
    }
}

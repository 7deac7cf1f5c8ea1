//! Writing documents.

use super::kind;

/// A document would be longer than its length can say, 2^31 - 1 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("bson document of more than 2147483647 bytes")]
pub struct Overflow;

/// A document that has been begun: where its length stands.
#[derive(Debug)]
#[must_use]
pub struct Open(usize);

/// The bytes of a document, element by element.
#[derive(Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// What has been written.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Begins anew, with the same memory.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The memory that is held, in bytes.
    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// Begins a document: the outermost, or the value of an element of the kind `DOCUMENT` or `ARRAY`.
    pub fn begin(&mut self) -> Open {
        let at = self.0.len();
        self.0.extend_from_slice(&[0; 4]);
        Open(at)
    }

    /// Ends a document.
    ///
    /// # Errors
    /// [`Overflow`].
    pub fn end(&mut self, Open(at): Open) -> Result<(), Overflow> {
        self.0.push(0);
        let length = i32::try_from(self.0.len() - at).map_err(|_| Overflow)?;
        self.0[at..at + 4].copy_from_slice(&length.to_le_bytes());
        Ok(())
    }

    /// Begins an element. `key` must not have a zero byte.
    pub fn key(&mut self, kind: u8, key: &[u8]) {
        self.0.push(kind);
        self.0.extend_from_slice(key);
        self.0.push(0);
    }

    /// Begins an element of an array; `index` counts from 0.
    pub fn index(&mut self, kind: u8, mut index: u32) {
        let mut digits = [0; 10];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (index % 10) as u8;
            index /= 10;
            if index == 0 {
                break;
            }
        }
        self.key(kind, &digits[at..]);
    }

    /// Bytes as they are: the value of an element of a fixed size, or a whole document.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The value of a `STRING`.
    ///
    /// # Errors
    /// [`Overflow`].
    pub fn string(&mut self, text: &[u8]) -> Result<(), Overflow> {
        self.length(text.len() + 1)?;
        self.0.extend_from_slice(text);
        self.0.push(0);
        Ok(())
    }

    /// The value of a `BINARY`.
    ///
    /// # Errors
    /// [`Overflow`].
    pub fn binary(&mut self, subtype: u8, bytes: &[u8]) -> Result<(), Overflow> {
        self.length(bytes.len())?;
        self.0.push(subtype);
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    /// An integer as `INT32` if it fits, else as `INT64`: its kind, and its bytes.
    pub fn integer(n: i64) -> (u8, [u8; 8], usize) {
        match i32::try_from(n) {
            Ok(small) => {
                let mut bytes = [0; 8];
                bytes[..4].copy_from_slice(&small.to_le_bytes());
                (kind::INT32, bytes, 4)
            }
            Err(_) => (kind::INT64, n.to_le_bytes(), 8),
        }
    }

    fn length(&mut self, n: usize) -> Result<(), Overflow> {
        let n = i32::try_from(n).map_err(|_| Overflow)?;
        self.raw(&n.to_le_bytes());
        Ok(())
    }
}

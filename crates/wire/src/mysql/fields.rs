//! Reading what is in a packet.

use super::Error;

/// What is left of a packet.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Of the content of a packet.
    pub fn new(bytes: &'a [u8]) -> Fields<'a> {
        Fields { rest: bytes }
    }

    /// The bytes that have not been read.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// [`Error::Truncated`].
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or(Error::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next `N` bytes as an array.
    ///
    /// # Errors
    /// [`Error::Truncated`].
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| Error::Truncated)
    }

    /// A byte.
    ///
    /// # Errors
    /// [`Error::Truncated`].
    pub fn byte(&mut self) -> Result<u8, Error> {
        Ok(self.array::<1>()?[0])
    }

    /// Two bytes, the lowest first.
    ///
    /// # Errors
    /// [`Error::Truncated`].
    pub fn u16(&mut self) -> Result<u16, Error> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// Four bytes, the lowest first.
    ///
    /// # Errors
    /// [`Error::Truncated`].
    pub fn u32(&mut self) -> Result<u32, Error> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// An integer of one to nine bytes; none for NULL.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::Length`].
    #[inline]
    pub fn length(&mut self) -> Result<Option<u64>, Error> {
        let first = self.byte()?;
        match first {
            0..=250 => Ok(Some(first.into())),
            251 => Ok(None),
            252 => Ok(Some(self.u16()?.into())),
            253 => {
                let [a, b, c] = self.array()?;
                Ok(Some(u32::from_le_bytes([a, b, c, 0]).into()))
            }
            254 => Ok(Some(u64::from_le_bytes(self.array()?))),
            255 => Err(Error::Length(first)),
        }
    }

    /// A string with its length in front; none for NULL.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::Length`].
    #[inline]
    pub fn string(&mut self) -> Result<Option<&'a [u8]>, Error> {
        let Some(length) = self.length()? else {
            return Ok(None);
        };
        let length = usize::try_from(length).map_err(|_| Error::Truncated)?;
        self.take(length).map(Some)
    }
}

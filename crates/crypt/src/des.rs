//! DES in ECB mode, which skynet's login protocol uses with its 64-bit secrets. Texts are always padded.

use ::des::Des;
use ::des::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, InOutBuf, KeyInit};

use crate::Error;

/// The length of a block in bytes.
pub const BLOCK: usize = 8;

/// How the last block is filled up; at least one byte is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// The byte 0x80, then zeros (ISO/IEC 7816-4).
    Iso7816,
    /// As many bytes as are missing, each with their number (PKCS #7).
    Pkcs7,
}

impl Padding {
    /// The paddings with the names and numbers that Lua programs use.
    pub const ALL: [(&'static str, i64, Padding); 2] = [
        ("iso7816_4", 0, Padding::Iso7816),
        ("pkcs7", 1, Padding::Pkcs7),
    ];

    /// The padding of a number.
    ///
    /// # Errors
    /// [`Error::Padding`] for a number that is none.
    pub fn by_number(number: i64) -> Result<Padding, Error> {
        Padding::ALL
            .iter()
            .find(|(_, n, _)| *n == number)
            .map(|(_, _, padding)| *padding)
            .ok_or(Error::Padding(number))
    }

    /// Where the text ends in its last block.
    fn end(self, block: &[u8]) -> Option<usize> {
        match self {
            Padding::Iso7816 => {
                let end = block.iter().rposition(|&byte| byte != 0)?;
                (block[end] == 0x80).then_some(end)
            }
            Padding::Pkcs7 => {
                let missing = usize::from(*block.last()?);
                let end = block.len().checked_sub(missing).filter(|_| missing > 0)?;
                let padded = block[end..]
                    .iter()
                    .all(|&byte| usize::from(byte) == missing);
                padded.then_some(end)
            }
        }
    }
}

/// Enciphers a text; the result is 1 to 8 bytes longer.
///
/// # Errors
/// [`Error::DesKey`].
pub fn encode(key: &[u8], text: &[u8], padding: Padding) -> Result<Vec<u8>, Error> {
    let des = cipher(key)?;
    let mut bytes = Vec::with_capacity((text.len() / BLOCK + 1) * BLOCK);
    bytes.extend_from_slice(text);
    let missing = BLOCK - text.len() % BLOCK;
    let (first, others) = match padding {
        Padding::Iso7816 => (0x80, 0),
        Padding::Pkcs7 => (missing as u8, missing as u8),
    };
    bytes.push(first);
    bytes.resize(bytes.len() + missing - 1, others);
    des.encrypt_blocks_inout(InOutBuf::from(&mut bytes[..]).into_chunks().0);
    Ok(bytes)
}

/// Deciphers a text and takes the padding off.
///
/// # Errors
/// [`Error::DesKey`], [`Error::DesLength`], and [`Error::DesText`] if there is no padding of this kind.
pub fn decode(key: &[u8], text: &[u8], padding: Padding) -> Result<Vec<u8>, Error> {
    let des = cipher(key)?;
    if text.is_empty() || !text.len().is_multiple_of(BLOCK) {
        return Err(Error::DesLength(text.len()));
    }
    let mut bytes = text.to_vec();
    des.decrypt_blocks_inout(InOutBuf::from(&mut bytes[..]).into_chunks().0);
    let last = bytes.len() - BLOCK;
    let end = padding.end(&bytes[last..]).ok_or(Error::DesText)?;
    bytes.truncate(last + end);
    Ok(bytes)
}

/// Whether `key` is one.
///
/// # Errors
/// [`Error::DesKey`] if it is not 8 bytes long.
pub fn check_key(key: &[u8]) -> Result<(), Error> {
    if key.len() == BLOCK {
        Ok(())
    } else {
        Err(Error::DesKey(key.len()))
    }
}

fn cipher(key: &[u8]) -> Result<Des, Error> {
    Des::new_from_slice(key).map_err(|_| Error::DesKey(key.len()))
}

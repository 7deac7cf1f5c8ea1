//! The cipher of the module `md5`: MD5 in cipher feedback.
//!
//! A cipher text is the length of the seed in one byte, the seed, and as many bytes as the text has. The first 16 bytes
//! of the block that is hashed are the seed with zeros behind it, then always the last 16 bytes of cipher text; the key
//! stands behind them.

use crate::Error;
use crate::digest::md5;

/// The longest key, in bytes.
pub const KEY_LIMIT: usize = 256;
/// The longest seed, in bytes; also the length of a block.
pub const SEED_LIMIT: usize = 16;

/// Enciphers `text`.
///
/// # Errors
/// [`Error::StreamSeed`], [`Error::StreamKey`].
pub fn encrypt(text: &[u8], key: &[u8], seed: &[u8]) -> Result<Vec<u8>, Error> {
    if seed.len() > SEED_LIMIT {
        return Err(Error::StreamSeed);
    }
    let mut block = Block::new(key, seed)?;
    let mut out = Vec::with_capacity(1 + seed.len() + text.len());
    out.push(seed.len() as u8);
    out.extend_from_slice(seed);
    for part in text.chunks(SEED_LIMIT) {
        let start = out.len();
        out.extend(block.mix(part));
        block.feed(&out[start..]);
    }
    Ok(out)
}

/// Deciphers what [`encrypt`] has made.
///
/// # Errors
/// [`Error::Stream`] if it cannot have been made so, [`Error::StreamKey`].
pub fn decrypt(cipher: &[u8], key: &[u8]) -> Result<Vec<u8>, Error> {
    let (&length, rest) = cipher.split_first().ok_or(Error::Stream)?;
    let length = usize::from(length);
    if length > SEED_LIMIT || length > rest.len() {
        return Err(Error::Stream);
    }
    let (seed, rest) = rest.split_at(length);
    let mut block = Block::new(key, seed)?;
    let mut out = Vec::with_capacity(rest.len());
    for part in rest.chunks(SEED_LIMIT) {
        out.extend(block.mix(part));
        block.feed(part);
    }
    Ok(out)
}

/// What is hashed for the next 16 bytes.
struct Block(Vec<u8>);

impl Block {
    fn new(key: &[u8], seed: &[u8]) -> Result<Block, Error> {
        if key.len() > KEY_LIMIT {
            return Err(Error::StreamKey);
        }
        let mut bytes = vec![0; SEED_LIMIT];
        bytes[..seed.len()].copy_from_slice(seed);
        bytes.extend_from_slice(key);
        Ok(Block(bytes))
    }

    fn mix(&self, part: &[u8]) -> impl Iterator<Item = u8> {
        let pad = md5(&self.0);
        part.iter().zip(pad).map(|(byte, pad)| byte ^ pad)
    }

    fn feed(&mut self, cipher: &[u8]) {
        self.0[..cipher.len()].copy_from_slice(cipher);
    }
}

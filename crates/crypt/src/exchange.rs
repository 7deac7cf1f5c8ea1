//! Keys, key exchange and authentication codes of skynet's login protocol.
//!
//! All quantities are 64 bits long, as 8 bytes in little-endian order. Source of the formats: recorded from skynet (C),
//! `tests/vectors/crypt.json`.

use md5::{Digest, Md5};

use crate::Error;

/// The prime of the key exchange, 2^64 - 59.
const PRIME: u64 = 0xffff_ffff_ffff_ffc5;
/// The generator of the key exchange.
const GENERATOR: u64 = 5;

/// The words that MD5 starts from (RFC 1321, 3.3).
const MD5_START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// Eight random bytes whose XOR is not zero, for use as a challenge or as a private key.
pub fn random_key() -> Result<[u8; 8], Error> {
    let mut key = [0; 8];
    getrandom::fill(&mut key).map_err(Error::Random)?;
    if key.iter().fold(0, |all, byte| all ^ byte) == 0 {
        key[0] ^= 1;
    }
    Ok(key)
}

/// A hash of 64 bits: the low half by `h * 33 + c`, the high half by shifts.
pub fn hash_key(text: &[u8]) -> [u8; 8] {
    let mut low: u32 = 5381;
    let mut high: u32 = 1_315_423_911;
    for &byte in text {
        let c = u32::from(byte);
        low = low.wrapping_mul(33).wrapping_add(c);
        high ^= (high << 5).wrapping_add(c).wrapping_add(high >> 2);
    }
    join(low, high)
}

/// The authentication code of `y` under the key `x`: one block of MD5 whose result is folded to 64 bits.
pub fn hmac64(x: [u8; 8], y: [u8; 8]) -> [u8; 8] {
    let mut block = [0; 64];
    for part in block.chunks_exact_mut(16) {
        part[..4].copy_from_slice(&x[4..]);
        part[4..8].copy_from_slice(&x[..4]);
        part[8..12].copy_from_slice(&y[4..]);
        part[12..].copy_from_slice(&y[..4]);
    }
    let mut state = MD5_START;
    md5::block_api::compress(&mut state, &[block]);
    // MD5 adds the state that it began with; this code does not.
    for (word, start) in state.iter_mut().zip(MD5_START) {
        *word = word.wrapping_sub(start);
    }
    let [a, b, c, d] = state;
    join(c ^ d, a ^ b)
}

/// The authentication code of `y` under the key `x`: MD5 of both, three times over, folded to 64 bits.
pub fn hmac64_md5(x: [u8; 8], y: [u8; 8]) -> [u8; 8] {
    let mut md5 = Md5::new();
    for _ in 0..3 {
        md5.update(x);
        md5.update(y);
    }
    let sum = md5.finalize();
    std::array::from_fn(|i| sum[i] ^ sum[i + 8])
}

/// The authentication code of a text of any length under `key`.
pub fn hmac_hash(key: [u8; 8], text: &[u8]) -> [u8; 8] {
    hmac64(hash_key(text), key)
}

/// The public key that belongs to a private one.
///
/// # Errors
/// [`Error::Zero`] for the private key 0.
pub fn dh_exchange(private: [u8; 8]) -> Result<[u8; 8], Error> {
    match u64::from_le_bytes(private) {
        0 => Err(Error::Zero),
        exponent => Ok(power(GENERATOR, exponent).to_le_bytes()),
    }
}

/// The secret of two parties, from the other's public key and one's own private key.
///
/// # Errors
/// [`Error::Zero`] if either is 0.
pub fn dh_secret(public: [u8; 8], private: [u8; 8]) -> Result<[u8; 8], Error> {
    match (u64::from_le_bytes(public), u64::from_le_bytes(private)) {
        (0, _) | (_, 0) => Err(Error::Zero),
        (base, exponent) => Ok(power(base, exponent).to_le_bytes()),
    }
}

/// `base ^ exponent` modulo the prime.
fn power(base: u64, mut exponent: u64) -> u64 {
    let mut result = 1;
    let mut square = base % PRIME;
    while exponent != 0 {
        if exponent & 1 == 1 {
            result = multiply(result, square);
        }
        square = multiply(square, square);
        exponent >>= 1;
    }
    result
}

/// `a * b` modulo the prime. 2^64 is 59 modulo the prime, so the upper half of a product folds into the lower one.
fn multiply(a: u64, b: u64) -> u64 {
    let mut product = u128::from(a) * u128::from(b);
    for _ in 0..2 {
        product = (product >> 64) * 59 + (product & u128::from(u64::MAX));
    }
    (product % u128::from(PRIME)) as u64
}

fn join(low: u32, high: u32) -> [u8; 8] {
    (u64::from(high) << 32 | u64::from(low)).to_le_bytes()
}

//! Hexadecimal and base64 text, and XOR.
//!
//! Decoding takes what skynet (C) takes, since clients were written against it. Text that is well-formed goes the quick
//! way.

use crate::Error;

/// Two lower-case digits for each byte.
pub fn hex_encode(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = vec![0; bytes.len() * 2];
    for (pair, &byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    out
}

/// The bytes of lower-case hexadecimal text. The characters from `W` to `g` count as 0 to 16, as in skynet (C).
///
/// # Errors
/// [`Error::HexLength`], [`Error::Hex`].
pub fn hex_decode(text: &[u8]) -> Result<Vec<u8>, Error> {
    if !text.len().is_multiple_of(2) {
        return Err(Error::HexLength(text.len()));
    }
    let mut wrong = 0;
    let bytes = text
        .chunks_exact(2)
        .map(|pair| {
            let (high, low) = (HEX[usize::from(pair[0])], HEX[usize::from(pair[1])]);
            wrong |= (high | low) & NO_DIGIT;
            (high << 4) | low
        })
        .collect();
    if wrong == 0 {
        Ok(bytes)
    } else {
        Err(Error::Hex)
    }
}

/// Marks a character without a value. It does not occur in a value, and a shift by four leaves no trace of it.
const NO_DIGIT: u8 = 0x80;

/// The value of each character in hexadecimal text.
const HEX: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut digit = 0;
    while digit < 10 {
        values[b'0' as usize + digit] = digit as u8;
        digit += 1;
    }
    let mut value = 0;
    while value <= 16 {
        values[b'W' as usize + value] = value as u8;
        value += 1;
    }
    values
};

/// Base64 with the standard alphabet and padding (RFC 4648, 4).
pub fn base64_encode(bytes: &[u8]) -> Vec<u8> {
    base64_simd::STANDARD.encode_type(bytes)
}

/// The bytes of base64 text.
///
/// Text is read in groups of four characters. Characters outside the alphabet are passed over inside a group; behind
/// the last group they are an error. Padding ends a group, and more groups may follow. What is missing at the end
/// counts as padding.
///
/// # Errors
/// [`Error::Base64`].
pub fn base64_decode(text: &[u8]) -> Result<Vec<u8>, Error> {
    match base64_simd::STANDARD.decode_type::<Vec<u8>>(text) {
        Ok(bytes) => Ok(bytes),
        Err(_) => decode_groups(text),
    }
}

fn decode_groups(text: &[u8]) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let mut rest = text.iter();
    while rest.len() > 0 {
        let (mut bits, mut digits, mut padding) = (0u32, 0, 0);
        while digits + padding < 4 {
            match rest.next().map(|&c| BASE64[usize::from(c)]) {
                None | Some(PADDING) => padding += 1,
                Some(SKIPPED) => {}
                Some(_) if padding > 0 => return Err(Error::Base64),
                Some(value) => {
                    bits = bits << 6 | u32::from(value);
                    digits += 1;
                }
            }
        }
        // A group of n digits is n - 1 bytes; the bits that are left over must be zero.
        if digits < 2 {
            return Err(Error::Base64);
        }
        let spare = 6 * digits % 8;
        if bits & ((1 << spare) - 1) != 0 {
            return Err(Error::Base64);
        }
        let bytes = (bits >> spare).to_be_bytes();
        out.extend_from_slice(&bytes[5 - digits..]);
    }
    Ok(out)
}

const PADDING: u8 = 64;
const SKIPPED: u8 = 65;

/// The value of each character in base64 text, or `PADDING`, or `SKIPPED`.
const BASE64: [u8; 256] = {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut values = [SKIPPED; 256];
    let mut i = 0;
    while i < alphabet.len() {
        values[alphabet[i] as usize] = i as u8;
        i += 1;
    }
    values[b'=' as usize] = PADDING;
    values
};

/// `text` with `key` over it, which is repeated as often as needed.
///
/// # Errors
/// [`Error::EmptyXor`].
pub fn xor(text: &[u8], key: &[u8]) -> Result<Vec<u8>, Error> {
    if key.is_empty() {
        return Err(Error::EmptyXor);
    }
    let mut out = text.to_vec();
    for part in out.chunks_mut(key.len()) {
        for (byte, key) in part.iter_mut().zip(key) {
            *byte ^= key;
        }
    }
    Ok(out)
}

//! Bytes as text, and back without loss.
//!
//! Names, arguments and values of the environment are text for Rust, and bytes for Lua, for C, for files and for other
//! nodes: older programs are written in GBK. A byte that is not UTF-8 becomes a character that no text has (the last
//! 128 ones of all, which are for private use), and that byte again where the text leaves Rust. Bytes that are those
//! characters in UTF-8 are taken one by one, so different bytes are different texts.

use std::borrow::Cow;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// The character of the byte 0.
const FIRST: u32 = 0x10_ff00;

/// The byte that a character stands for.
fn byte(c: char) -> Option<u8> {
    let n = (c as u32).checked_sub(FIRST)?;
    (n >= 0x80).then_some(n as u8)
}

/// Is there such a character? All of them begin with one byte, which few texts have.
fn marked(text: &str) -> bool {
    text.as_bytes().contains(&0xf4) && text.chars().any(|c| byte(c).is_some())
}

/// The text of these bytes.
pub fn from_bytes(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !marked(text) => Cow::Borrowed(text),
        _ => Cow::Owned(escaped(bytes)),
    }
}

#[cold]
fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    let single = |text: &mut String, byte: u8| {
        text.extend(char::from_u32(FIRST + u32::from(byte)));
    };
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match byte(c) {
                None => text.push(c),
                Some(_) => {
                    for &byte in c.encode_utf8(&mut [0; 4]).as_bytes() {
                        single(&mut text, byte);
                    }
                }
            }
        }
        for &byte in chunk.invalid() {
            single(&mut text, byte);
        }
    }
    text
}

/// The bytes of this text.
pub fn to_bytes(text: &str) -> Cow<'_, [u8]> {
    if !marked(text) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match byte(c) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Cow::Owned(bytes)
}

/// The bytes of a text that is given up, in its memory if nothing has to be changed.
pub fn into_bytes(text: String) -> Vec<u8> {
    match to_bytes(&text) {
        Cow::Borrowed(_) => text.into_bytes(),
        Cow::Owned(bytes) => bytes,
    }
}

/// The path of this text.
pub fn path(text: &str) -> PathBuf {
    PathBuf::from(OsString::from_vec(to_bytes(text).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_byte_is_lost() {
        let all: Vec<u8> = (0..=255).collect();
        for bytes in [
            &b""[..],
            b"plain",
            "\u{4e2d}\u{6587}".as_bytes(),
            b"\xd6\xd0.lua",
            "\u{10ff80}\u{10ffff}\u{10ff7f}".as_bytes(),
            b"\xf4\x8f\xbe",
            &all,
        ] {
            let text = from_bytes(bytes);
            assert_eq!(*to_bytes(&text), *bytes, "{text:?}");
        }
        assert_eq!(from_bytes(b"a\xd6"), "a\u{10ffd6}");
        assert!(matches!(from_bytes("\u{e9}".as_bytes()), Cow::Borrowed(_)));
        // Joining two texts is the same as joining their bytes.
        let both = from_bytes(b"\xe4").into_owned() + &from_bytes(b"\xb8\xad");
        assert_eq!(*to_bytes(&both), *"\u{4e2d}".as_bytes());
    }
}

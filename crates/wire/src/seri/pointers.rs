//! Pointers in streams that come from outside.

use super::{Reader, Token};

/// Does a stream hold a light userdata other than null?
///
/// In another process it is an address of something else or of nothing, and whoever uses it corrupts
/// memory. Null is harmless, and stands for "nothing" in several Lua libraries. A stream that breaks off
/// or is no stream holds what was read of it.
///
/// ```
/// use skynet_wire::seri::holds_pointer;
///
/// assert!(!holds_pointer(b"\x1ccmd\x0a\x01")); // "cmd", 1
/// assert!(holds_pointer(b"\x0e\x03\x10\0\0\0\0\0\0\0\0")); // a table with a pointer
/// ```
pub fn holds_pointer(stream: &[u8]) -> bool {
    let mut reader = Reader::new(stream);
    while let Ok(Some(token)) = reader.next() {
        if let Token::Pointer(1..) = token {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wherever_it_is() {
        let pointer = b"\x03\x34\x12\0\0\0\0\0\0";
        let null = b"\x03\0\0\0\0\0\0\0\0";
        for (before, after) in [
            (&b""[..], &b""[..]),
            (b"\x1ccmd", b"\x0a\x01"),
            (b"\x0e", b"\0"),
            (b"\x06", b"\x09\0"),
            (b"\x06\x0ca\x0e", b"\0\0\x09"),
            (b"\xfe\x0a\x01", b"\0"),
            (b"\x0a\x01\x15\x03\0abc\x42\0\0\0\0\0\0\xe0\x3f", b""),
        ] {
            assert!(holds_pointer(&[before, pointer, after].concat()));
            assert!(!holds_pointer(&[before, null, after].concat()));
        }
    }

    #[test]
    fn not_inside_of_text_nor_behind_an_error() {
        assert!(!holds_pointer(b"\x44\x03\x34\x12\0\0\0\0\0"));
        assert!(!holds_pointer(b"\x07\x03\x34\x12\0\0\0\0\0\0"));
        assert!(!holds_pointer(b"\x03\x34\x12\0"));
        assert!(!holds_pointer(b""));
    }
}

//! What a peer has sent, as a log may show it.

use std::fmt::Write;

/// At most `most` bytes of `text`, and how many there are more. What is no text, or would act on a terminal or begin a
/// line of its own, is written as in Lua source.
pub fn shown(text: &[u8], most: usize) -> String {
    let (front, rest) = text.split_at(text.len().min(most));
    let mut out = String::with_capacity(front.len());
    for chunk in front.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\0'..='\x1f' | '\x7f' => {
                    let _ = write!(out, "\\x{:02x}", c as u32);
                }
                // Controls, ends of lines and changes of direction beyond ASCII.
                '\u{80}'..='\u{9f}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}' => {
                    let _ = write!(out, "\\u{{{:x}}}", c as u32);
                }
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    if !rest.is_empty() {
        let _ = write!(out, "... ({} bytes)", text.len());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_harmless_line() {
        for (text, out) in [
            (&b"call .x \"y\\\""[..], "call .x \"y\\\""),
            (b"a\nb\r\t\0\x1b[31m\x7f", "a\\nb\\r\\t\\x00\\x1b[31m\\x7f"),
            (
                "\u{4e2d}\u{9b}\u{202e}".as_bytes(),
                "\u{4e2d}\\u{9b}\\u{202e}",
            ),
            (b"\xd6\xd0!", "\\xd6\\xd0!"),
        ] {
            assert_eq!(shown(text, 100), out);
        }
        assert_eq!(shown(b"123456", 4), "1234... (6 bytes)");
    }
}

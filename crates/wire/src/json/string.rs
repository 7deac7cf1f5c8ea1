//! Strings: escapes, both ways.

/// What a byte becomes in a string: itself, `\` and a letter, or `\u00` and two digits.
const PLAIN: u8 = 0;
const HEX: u8 = 1;
/// Written as itself if the option says so.
const SLASH: u8 = 2;

const ESCAPES: [u8; 256] = {
    let mut table = [PLAIN; 256];
    let mut i = 0;
    while i < 0x20 {
        table[i] = HEX;
        i += 1;
    }
    table[0x7f] = HEX;
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table[b'/' as usize] = SLASH;
    table[8] = b'b';
    table[9] = b't';
    table[10] = b'n';
    table[12] = b'f';
    table[13] = b'r';
    table
};

/// Appends a string with its quotes. Bytes that are not ASCII pass as they are; `/` is escaped if `slash` says so.
#[inline(always)]
pub fn write_string(out: &mut Vec<u8>, text: &[u8], slash: bool) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let i = plain_until(text, 0);
    if i == text.len() {
        out.extend_from_slice(text);
    } else {
        write_escaped(out, text, i, slash);
    }
    out.push(b'"');
}

/// The first place from `i` on that may have to be escaped, or the end.
#[inline(always)]
fn plain_until(text: &[u8], mut i: usize) -> usize {
    while let Some(eight) = text.get(i..i + 8)
        && !has_special(word(eight))
    {
        i += 8;
    }
    while i < text.len() && ESCAPES[usize::from(text[i])] == PLAIN {
        i += 1;
    }
    i
}

/// Appends a text of which all before `i` is plain.
fn write_escaped(out: &mut Vec<u8>, text: &[u8], mut i: usize, slash: bool) {
    let mut from = 0;
    while i < text.len() {
        let byte = text[i];
        let escape = ESCAPES[usize::from(byte)];
        if escape != SLASH || slash {
            out.extend_from_slice(&text[from..i]);
            from = i + 1;
            match escape {
                HEX => {
                    let digit = |n: u8| b"0123456789abcdef"[n as usize & 15];
                    out.extend_from_slice(&[
                        b'\\',
                        b'u',
                        b'0',
                        b'0',
                        digit(byte >> 4),
                        digit(byte),
                    ]);
                }
                SLASH => out.extend_from_slice(b"\\/"),
                letter => out.extend_from_slice(&[b'\\', letter]),
            }
        }
        i = plain_until(text, i + 1);
    }
    out.extend_from_slice(&text[from..]);
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

#[inline(always)]
fn word(eight: &[u8]) -> u64 {
    u64::from_le_bytes(eight.try_into().unwrap_or_default())
}

/// Marks those of eight bytes that are this one. The lowest mark is right; those above it may be too many.
#[inline(always)]
fn marks(word: u64, byte: u8) -> u64 {
    let x = word ^ (ONES * u64::from(byte));
    x.wrapping_sub(ONES) & !x & HIGHS
}

/// Is one of the eight bytes this one?
#[inline(always)]
fn has(word: u64, byte: u8) -> bool {
    marks(word, byte) != 0
}

/// May one of the eight bytes have to be escaped?
#[inline(always)]
fn has_special(word: u64) -> bool {
    let below_space = word.wrapping_sub(ONES * 0x20) & !word & HIGHS != 0;
    below_space || has(word, b'"') || has(word, b'\\') || has(word, b'/') || has(word, 0x7f)
}

/// A string of a document, between its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<'a> {
    /// The bytes of the document.
    pub raw: &'a [u8],
    /// Are there escapes in it? All of them are right.
    pub escaped: bool,
}

/// What is wrong with a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    End,
    Escape,
    Unicode,
}

/// The string that begins at `at`, behind its quote, and the place behind the closing one; or what is wrong, and where.
#[inline(always)]
pub(super) fn scan(text: &[u8], at: usize) -> Result<(Text<'_>, usize), (Wrong, usize)> {
    let i = plain(text, at);
    if text.get(i) == Some(&b'"') {
        let raw = &text[at..i];
        return Ok((
            Text {
                raw,
                escaped: false,
            },
            i + 1,
        ));
    }
    scan_on(text, at, i)
}

/// The first place from `i` on that may be no plain byte of a string, found eight bytes at a time.
#[inline(always)]
fn plain(text: &[u8], mut i: usize) -> usize {
    while let Some(eight) = text.get(i..i + 8) {
        let word = word(eight);
        // Of several kinds of marks, too, the lowest one is right.
        match marks(word, b'"') | marks(word, b'\\') | marks(word, 0) {
            0 => i += 8,
            marks => return i + marks.trailing_zeros() as usize / 8,
        }
    }
    i
}

/// The rest of a string that begins at `at`, of which all before `i` is plain.
fn scan_on(text: &[u8], at: usize, mut i: usize) -> Result<(Text<'_>, usize), (Wrong, usize)> {
    let mut escaped = false;
    loop {
        match text.get(i).copied().unwrap_or(0) {
            b'"' => {
                let raw = &text[at..i];
                return Ok((Text { raw, escaped }, i + 1));
            }
            0 => return Err((Wrong::End, i)),
            b'\\' => {
                escaped = true;
                i += match text.get(i + 1) {
                    Some(b'"' | b'\\' | b'/' | b'b' | b't' | b'n' | b'f' | b'r') => 2,
                    Some(b'u') => match code_point(&text[i..]) {
                        Some((_, len)) => len,
                        None => return Err((Wrong::Unicode, i)),
                    },
                    _ => return Err((Wrong::Escape, i)),
                };
                i = plain(text, i);
            }
            _ => i += 1,
        }
    }
}

/// The character of the `\uXXXX` at the beginning of a text, or of two of them, and how many bytes they take.
fn code_point(text: &[u8]) -> Option<(u32, usize)> {
    let unit = |at: usize| -> Option<u32> {
        let digits = text.get(at..at + 6)?;
        if !digits.starts_with(b"\\u") {
            return None;
        }
        digits[2..].iter().try_fold(0, |n, digit| {
            char::from(*digit).to_digit(16).map(|digit| n << 4 | digit)
        })
    };
    let first = unit(0)?;
    match first {
        0xd800..=0xdbff => {
            let second = unit(6).filter(|second| (0xdc00..=0xdfff).contains(second))?;
            Some((0x10000 + ((first & 0x3ff) << 10 | second & 0x3ff), 12))
        }
        0xdc00..=0xdfff => None,
        _ => Some((first, 6)),
    }
}

/// Appends what a string means.
pub fn unescape(text: Text<'_>, out: &mut Vec<u8>) {
    let mut rest = text.raw;
    out.reserve(rest.len());
    while let Some(i) = rest.iter().position(|&b| b == b'\\') {
        out.extend_from_slice(&rest[..i]);
        rest = &rest[i..];
        let len = match rest.get(1) {
            Some(b'u') => {
                // A `Text` has only escapes that are right.
                let (point, len) = code_point(rest).unwrap_or((0xfffd, 2));
                let mut utf8 = [0; 4];
                let point = char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(point.encode_utf8(&mut utf8).as_bytes());
                len
            }
            Some(letter) => {
                out.push(match letter {
                    b'b' => 8,
                    b't' => b'\t',
                    b'n' => b'\n',
                    b'f' => 12,
                    b'r' => b'\r',
                    other => *other,
                });
                2
            }
            None => 1,
        };
        rest = &rest[len.min(rest.len())..];
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &[u8], slash: bool) -> Vec<u8> {
        let mut out = Vec::new();
        write_string(&mut out, text, slash);
        out
    }

    #[test]
    fn every_byte_at_every_place_is_written_and_read_back() {
        for byte in 0..=255u8 {
            for at in 0..20 {
                let mut text = vec![b'x'; 20];
                text[at] = byte;
                for slash in [true, false] {
                    let out = written(&text, slash);
                    let (read, end) = scan(&out, 1).expect("a string");
                    assert_eq!(end, out.len());
                    let mut back = Vec::new();
                    unescape(read, &mut back);
                    assert_eq!(back, text);
                }
            }
        }
        assert_eq!(
            written(b"a/b\x01\x7f\n", true),
            b"\"a\\/b\\u0001\\u007f\\n\""
        );
        assert_eq!(written(b"a/b", false), b"\"a/b\"");
    }

    #[test]
    fn pairs_of_surrogates() {
        let read = |text: &str| {
            let (text, _) = scan(text.as_bytes(), 0).ok()?;
            let mut out = Vec::new();
            unescape(text, &mut out);
            String::from_utf8(out).ok()
        };
        assert_eq!(read("\\ud83d\\ude00\"").as_deref(), Some("\u{1f600}"));
        assert_eq!(read("\\u00e4\\uF800\"").as_deref(), Some("\u{e4}\u{f800}"));
        for wrong in [
            "\\ud83d\"",
            "\\ude00\"",
            "\\ud83d\\ud83d\"",
            "\\u12\"",
            "\\ud83dxx1234\"",
        ] {
            assert_eq!(
                scan(wrong.as_bytes(), 0),
                Err((Wrong::Unicode, 0)),
                "{wrong}"
            );
        }
        assert_eq!(scan(b"a\\q\"", 0), Err((Wrong::Escape, 1)));
        assert_eq!(scan(b"abcdefghijk", 0), Err((Wrong::End, 11)));
        assert_eq!(scan(b"a\0\"", 0), Err((Wrong::End, 1)));
    }
}

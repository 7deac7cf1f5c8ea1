//! Text of a peer, made fit for a line of the log.
//!
//! Whoever reads a log in a terminal must not be at the mercy of those who connect: a line end in a peer's text would
//! forge lines, and control characters would command the terminal. So a peer's text gets into a log line only as
//! [`Foreign`].

use std::fmt::{self, Write};

/// Bytes of a text that are shown, unless [`Foreign::at_most`] says otherwise.
const SHOWN: usize = 256;

/// Shows a peer's text with control characters, line ends and bytes that are no text as escapes, and cut if it is long.
///
/// ```
/// use skynet_wire::foreign::Foreign;
///
/// assert_eq!(Foreign::new(b"a\n\x1b[31m\xffb").to_string(), r"a\n\x1b[31m\xffb");
/// assert_eq!(Foreign::new(b"abcdef").at_most(4).to_string(), "abcd... (6 bytes)");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Foreign<'a> {
    text: &'a [u8],
    most: usize,
}

impl<'a> Foreign<'a> {
    /// This text.
    pub fn new(text: &'a (impl AsRef<[u8]> + ?Sized)) -> Foreign<'a> {
        Foreign {
            text: text.as_ref(),
            most: SHOWN,
        }
    }

    /// Shows so many bytes of it, at most.
    #[must_use]
    pub fn at_most(self, bytes: usize) -> Foreign<'a> {
        Foreign {
            most: bytes,
            ..self
        }
    }
}

impl fmt::Display for Foreign<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.text[..self.text.len().min(self.most)];
        for chunk in shown.utf8_chunks() {
            for letter in chunk.valid().chars() {
                match letter {
                    '\n' => f.write_str("\\n")?,
                    '\r' => f.write_str("\\r")?,
                    '\t' => f.write_str("\\t")?,
                    '\0'..='\x7f' if letter.is_ascii_control() => {
                        write!(f, "\\x{:02x}", u32::from(letter))?;
                    }
                    _ if commands(letter) => write!(f, "\\u{{{:x}}}", u32::from(letter))?,
                    _ => f.write_char(letter)?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        if shown.len() < self.text.len() {
            write!(f, "... ({} bytes)", self.text.len())?;
        }
        Ok(())
    }
}

/// Letters above ASCII that terminals and editors obey: controls, line ends, directions of writing.
fn commands(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_is_as_it_is() {
        for text in ["", "@db", "玩家 42: \"x\" \\n", "é€😀"] {
            assert_eq!(Foreign::new(text).to_string(), text);
        }
    }

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        let all: Vec<u8> = (0..=255).collect();
        let wide = "\u{9b}31m\u{85}\u{2028}\u{202e}\u{feff}";
        let shown =
            [&all[..], wide.as_bytes(), b"\xe2\x80"].map(|text| Foreign::new(text).to_string());
        for text in &shown {
            assert!(text.chars().all(|letter| !commands(letter)), "{text}");
        }
        assert_eq!(shown[1], r"\u{9b}31m\u{85}\u{2028}\u{202e}\u{feff}");
        assert_eq!(shown[2], r"\xe2\x80");
    }

    #[test]
    fn long_text_is_cut_wherever_it_falls() {
        let text = "ab€".repeat(1000);
        let shown = Foreign::new(&text).to_string();
        assert!(
            shown.len() < 2 * SHOWN && shown.ends_with("... (5000 bytes)"),
            "{shown}"
        );
        assert_eq!(
            Foreign::new("€€").at_most(4).to_string(),
            r"€\xe2... (6 bytes)"
        );
    }
}

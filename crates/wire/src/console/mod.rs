//! What people and programs send to a debug console: command lines, or one HTTP request.
//!
//! [`Reader`] turns the bytes of a connection into [`Input`]s; [`Command`] reads the lines that the console itself
//! understands. The answers are plain text, also to HTTP requests (without a header, as in skynet (C)).

mod command;
mod page;
mod reader;
mod shown;

pub use command::{Address, Command, CommandError};
pub use reader::{Error, Input, MAX_BODY, MAX_LINE, Reader};

pub use shown::shown;

/// The words of a command line.
pub fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
}

/// Compares secrets in a time that depends on the length of `given` only.
pub fn same_secret(given: &[u8], secret: &[u8]) -> bool {
    let mut differs = given.len() ^ secret.len();
    for (i, byte) in given.iter().enumerate() {
        // Some byte has to stand for those beyond the end; the lengths differ then anyway.
        let other = secret.get(i % secret.len().max(1)).copied().unwrap_or(0);
        differs |= usize::from(std::hint::black_box(byte ^ other));
    }
    std::hint::black_box(differs) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets() {
        assert!(same_secret(b"secret", b"secret"));
        assert!(same_secret(b"", b""));
        for (given, secret) in [
            ("secre", "secret"),
            ("secrets", "secret"),
            ("secretsecret", "secret"),
            ("", "secret"),
            ("x", ""),
            ("Secret", "secret"),
        ] {
            assert!(!same_secret(given.as_bytes(), secret.as_bytes()));
        }
    }
}

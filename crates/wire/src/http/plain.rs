//! Heads as skynet (C) reads them, which is in part more generous and in part less so than the standard is.
//!
//! Lines end in CR LF; a lone LF is a byte like others. The name of a field is all before the first colon, blanks
//! included. A line that begins with a tab goes on with the value of the line before it.

use std::borrow::Cow;

/// The end of a head.
pub const END: &[u8] = b"\r\n\r\n";

/// White space as Lua's `%s` has it.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// The parts of the first line of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLine<'a> {
    /// Letters.
    pub method: &'a [u8],
    /// Anything, also nothing; may hold blanks.
    pub url: &'a [u8],
    /// Digits and dots, at least one of them.
    pub version: &'a [u8],
}

/// Takes the first line of a request apart; none if it is no such line.
pub fn request_line(line: &[u8]) -> Option<RequestLine<'_>> {
    let method = line.iter().take_while(|b| b.is_ascii_alphabetic()).count();
    let version = line
        .iter()
        .rev()
        .take_while(|b| b.is_ascii_digit() || **b == b'.')
        .count();
    let before = line[..line.len() - version].strip_suffix(b"HTTP/")?;
    if method == 0 || version == 0 || method >= before.len() {
        return None;
    }
    let blanks = |bytes: &mut dyn Iterator<Item = &u8>| bytes.take_while(|b| is_space(**b)).count();
    let first = blanks(&mut before[method..].iter());
    let second = blanks(&mut before.iter().rev());
    // If nothing but blanks is between them, at least one belongs to either side.
    let (from, to) = match method + first == before.len() {
        true if first < 2 => return None,
        true => (before.len() - 1, before.len() - 1),
        false => (method + first, before.len() - second),
    };
    (first > 0 && second > 0).then(|| RequestLine {
        method: &line[..method],
        url: &before[from..to],
        version: &line[line.len() - version..],
    })
}

/// A line of a head that is no field: it has no colon, or goes on with a field that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line of the head is no field")]
pub struct BadLine;

/// A field of a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// As it was written; names are the same whatever the case of their letters.
    pub name: &'a [u8],
    /// Without white space in front.
    pub value: Cow<'a, [u8]>,
}

/// The fields of a head, or of a trailer.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// The fields of a text of lines. It ends at its end, or at an empty line.
    pub fn new(text: &'a [u8]) -> Fields<'a> {
        Fields { rest: text }
    }

    /// The next line, which is not empty.
    fn line(&mut self) -> Option<&'a [u8]> {
        let (line, rest) = split_line(self.rest);
        self.rest = rest;
        if line.is_empty() {
            self.rest = b"";
            return None;
        }
        Some(line)
    }

    /// The next field.
    ///
    /// # Errors
    /// [`BadLine`]; what follows is of no use then.
    pub fn next_field(&mut self) -> Result<Option<Field<'a>>, BadLine> {
        let Some(line) = self.line() else {
            return Ok(None);
        };
        if line[0] == b'\t' {
            return Err(BadLine);
        }
        let colon = line.iter().position(|b| *b == b':').ok_or(BadLine)?;
        let value = &line[colon + 1..];
        let blanks = value.iter().take_while(|b| is_space(**b)).count();
        let mut value = Cow::Borrowed(&value[blanks..]);
        while self.rest.first() == Some(&b'\t') {
            let more = self.line().unwrap_or_default();
            value.to_mut().extend_from_slice(&more[1..]);
        }
        Ok(Some(Field {
            name: &line[..colon],
            value,
        }))
    }
}

/// The first line of a text without its end, and what follows.
pub fn split_line(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.windows(2).position(|pair| pair == b"\r\n");
    match end {
        Some(end) => (&text[..end], &text[end + 2..]),
        None => (text, b""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(line: &str) -> Option<&str> {
        let line = request_line(line.as_bytes())?;
        Some(std::str::from_utf8(line.url).unwrap())
    }

    #[test]
    fn request_lines() {
        assert_eq!(url("GET / HTTP/1.1"), Some("/"));
        assert_eq!(url("GET /a b  c HTTP/1.1"), Some("/a b  c"));
        assert_eq!(url("GET  HTTP/1.1"), Some(""));
        assert_eq!(url("GET\t /x \tHTTP/1.1"), Some("/x"));
        assert_eq!(url("GET / HTTP/1.1 HTTP/1.0"), Some("/ HTTP/1.1"));
        for bad in [
            "",
            "GET",
            "GET / HTTP/",
            "GET /HTTP/1.1",
            "GET HTTP/1.1",
            " / HTTP/1.1",
            "GET / http/1.1",
            "HTTP/1.1",
            "M-S / HTTP/1.1",
            "GET / HTTP/1.1 ",
            "GET",
        ] {
            assert_eq!(url(bad), None, "{bad}");
        }
    }

    #[test]
    fn fields() {
        let mut fields = Fields::new(b"A: 1\r\nB:\r\n\tx\r\n\ty\r\n: \x0b v \r\n\r\nC: 3");
        let mut next = || {
            fields
                .next_field()
                .unwrap()
                .map(|f| (f.name.to_vec(), f.value.into_owned()))
        };
        assert_eq!(next(), Some((b"A".to_vec(), b"1".to_vec())));
        assert_eq!(next(), Some((b"B".to_vec(), b"xy".to_vec())));
        assert_eq!(next(), Some((b"".to_vec(), b"v ".to_vec())));
        assert_eq!(next(), None);
        assert_eq!(next(), None);
        assert_eq!(Fields::new(b"abc").next_field(), Err(BadLine));
        assert_eq!(Fields::new(b"\tabc: d").next_field(), Err(BadLine));
    }
}

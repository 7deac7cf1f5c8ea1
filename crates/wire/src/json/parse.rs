//! Documents: the grammar, as far as `cjson` keeps to it.

use super::number::{Number, read_number};
use super::string::{Text, Wrong, scan};

/// An array or an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `[…]`
    Array,
    /// `{…}`
    Object,
}

/// What a document is made into. Values come in the order of the text; a key comes before its value.
pub trait Build {
    /// What is known of an array or object that is open.
    type Open;
    /// Begins an array or object; none if there is no room for one more.
    fn open(&mut self, kind: Kind) -> Option<Self::Open>;
    /// `null`
    fn null(&mut self);
    /// `true` or `false`
    fn bool(&mut self, value: bool);
    /// A number.
    fn number(&mut self, value: Number);
    /// A string.
    fn string(&mut self, text: Text<'_>);
    /// A key of an object.
    fn key(&mut self, text: Text<'_>);
    /// The last value belongs to this array, or, with its key, to this object.
    fn add(&mut self, open: &mut Self::Open);
    /// All of it has come.
    fn close(&mut self, open: Self::Open);
}

/// What is allowed.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How deep arrays and objects may lie in each other.
    pub depth: usize,
    /// Are `inf`, `nan`, `0x10`, `+1` and `007` numbers?
    pub invalid_numbers: bool,
}

/// Why a text is no document. Places count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another encoding than UTF-8.
    #[error("JSON parser does not support UTF-16 or UTF-32")]
    Encoding,
    /// Something else than what has to come.
    #[error("Expected {expected} but found {found} at character {at}")]
    Unexpected {
        /// What has to come.
        expected: &'static str,
        /// What is there.
        found: &'static str,
        /// Where.
        at: usize,
    },
    /// Deeper than is allowed, or than there is memory for.
    #[error("Found too many nested data structures ({depth}) at character {at}")]
    TooDeep {
        /// Depth that would have been reached.
        depth: usize,
        /// Where.
        at: usize,
    },
}

/// To this depth a document is followed in any case; further as long as the machine stack is not used up.
const SURE_DEPTH: usize = 1000;
/// Machine stack that deeper documents may take.
const MAX_STACK: usize = 2 << 20;

/// Reads a document. Leaves `build` with what has come up to an error.
///
/// # Errors
/// What is wrong first, and where.
pub fn parse<B: Build>(text: &[u8], limits: Limits, build: &mut B) -> Result<(), Error> {
    if text.len() >= 2 && (text[0] == 0 || text[1] == 0) {
        return Err(Error::Encoding);
    }
    let mut parser = Parser {
        text,
        at: 0,
        limits,
        depth: 0,
        base: stack_position(),
        build,
    };
    parser.value()?;
    let token = parser.next();
    match token.what {
        What::End => Ok(()),
        _ => Err(token.instead_of("the end")),
    }
}

/// About where the machine stack ends now.
#[inline(never)]
fn stack_position() -> usize {
    let here = 0u8;
    (&raw const here).addr()
}

#[derive(Clone, Copy)]
enum What {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    Colon,
    Comma,
    String,
    Number(Number),
    Bool(bool),
    Null,
    End,
    Wrong(&'static str),
}

#[derive(Clone, Copy)]
struct Token {
    what: What,
    /// From 0.
    at: usize,
}

impl Token {
    #[cold]
    fn instead_of(self, expected: &'static str) -> Error {
        let found = match self.what {
            What::ObjectBegin => "T_OBJ_BEGIN",
            What::ObjectEnd => "T_OBJ_END",
            What::ArrayBegin => "T_ARR_BEGIN",
            What::ArrayEnd => "T_ARR_END",
            What::Colon => "T_COLON",
            What::Comma => "T_COMMA",
            What::String => "T_STRING",
            What::Number(_) => "T_NUMBER",
            What::Bool(_) => "T_BOOLEAN",
            What::Null => "T_NULL",
            What::End => "T_END",
            What::Wrong(what) => what,
        };
        Error::Unexpected {
            expected,
            found,
            at: self.at + 1,
        }
    }
}

struct Parser<'a, 'b, B> {
    text: &'a [u8],
    at: usize,
    limits: Limits,
    depth: usize,
    base: usize,
    build: &'b mut B,
}

impl<'a, B: Build> Parser<'a, '_, B> {
    #[inline(always)]
    fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or(0)
    }

    /// Passes blanks over; the byte behind them.
    #[inline(always)]
    fn peek(&mut self) -> u8 {
        loop {
            match self.byte(self.at) {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                byte => return byte,
            }
        }
    }

    /// The next token. What is most frequent is read without one, by its first byte.
    fn next(&mut self) -> Token {
        self.peek();
        let at = self.at;
        let single = |this: &mut Self, what| {
            this.at += 1;
            Token { what, at }
        };
        match self.byte(at) {
            b'{' => single(self, What::ObjectBegin),
            b'}' => single(self, What::ObjectEnd),
            b'[' => single(self, What::ArrayBegin),
            b']' => single(self, What::ArrayEnd),
            b':' => single(self, What::Colon),
            b',' => single(self, What::Comma),
            0 => Token {
                what: What::End,
                at,
            },
            b'"' => self.string(at),
            b'-' | b'0'..=b'9' => self.number(at),
            _ => self.word(at),
        }
    }

    /// The string whose quote is here; none if there is no right one.
    #[inline(always)]
    fn text(&mut self) -> Option<Text<'a>> {
        let (text, end) = scan(self.text, self.at + 1).ok()?;
        self.at = end;
        Some(text)
    }

    fn string(&mut self, at: usize) -> Token {
        match scan(self.text, at + 1) {
            Ok((_, end)) => {
                self.at = end;
                Token {
                    what: What::String,
                    at,
                }
            }
            Err((wrong, at)) => Token {
                what: What::Wrong(match wrong {
                    Wrong::End => "unexpected end of string",
                    Wrong::Escape => "invalid escape code",
                    Wrong::Unicode => "invalid unicode escape code",
                }),
                at,
            },
        }
    }

    fn number(&mut self, at: usize) -> Token {
        let refused = !self.limits.invalid_numbers && is_invalid(&self.text[at..]);
        let read = match refused {
            true => None,
            false => read_number(&self.text[at..]),
        };
        let what = match read {
            Some((n, len)) => {
                self.at += len;
                What::Number(n)
            }
            None => What::Wrong("invalid number"),
        };
        Token { what, at }
    }

    fn word(&mut self, at: usize) -> Token {
        let rest = &self.text[at..];
        let words = [
            (&b"true"[..], What::Bool(true)),
            (b"false", What::Bool(false)),
            (b"null", What::Null),
        ];
        for (word, what) in words {
            if rest.starts_with(word) {
                self.at += word.len();
                return Token { what, at };
            }
        }
        let may_be_number = matches!(rest[0], b'i' | b'I' | b'n' | b'N' | b'+');
        if may_be_number && self.limits.invalid_numbers && is_invalid(rest) {
            return self.number(at);
        }
        Token {
            what: What::Wrong("invalid token"),
            at,
        }
    }

    #[inline(always)]
    fn value(&mut self) -> Result<(), Error> {
        match self.peek() {
            b'"' => {
                if let Some(text) = self.text() {
                    self.build.string(text);
                    return Ok(());
                }
            }
            b'0'..=b'9' | b'-' if self.limits.invalid_numbers => {
                if let Some((n, len)) = read_number(&self.text[self.at..]) {
                    self.at += len;
                    self.build.number(n);
                    return Ok(());
                }
            }
            b'{' => {
                self.at += 1;
                return self.object();
            }
            b'[' => {
                self.at += 1;
                return self.array();
            }
            _ => {}
        }
        self.rare_value()
    }

    #[inline(never)]
    fn rare_value(&mut self) -> Result<(), Error> {
        let token = self.next();
        match token.what {
            What::Number(n) => self.build.number(n),
            What::Bool(value) => self.build.bool(value),
            What::Null => self.build.null(),
            _ => return Err(token.instead_of("value")),
        }
        Ok(())
    }

    /// Something else is here than what has to come.
    #[cold]
    fn instead_of<T>(&mut self, expected: &'static str) -> Result<T, Error> {
        Err(self.next().instead_of(expected))
    }

    fn open(&mut self, kind: Kind) -> Result<B::Open, Error> {
        self.depth += 1;
        let too_deep = Error::TooDeep {
            depth: self.depth,
            at: self.at,
        };
        if self.depth > self.limits.depth
            || self.depth > SURE_DEPTH && self.base.abs_diff(stack_position()) > MAX_STACK
        {
            return Err(too_deep);
        }
        self.build.open(kind).ok_or(too_deep)
    }

    fn close(&mut self, open: B::Open) {
        self.depth -= 1;
        self.build.close(open);
    }

    fn array(&mut self) -> Result<(), Error> {
        let mut open = self.open(Kind::Array)?;
        if self.peek() == b']' {
            self.at += 1;
            self.close(open);
            return Ok(());
        }
        loop {
            self.value()?;
            self.build.add(&mut open);
            match self.peek() {
                b',' => self.at += 1,
                b']' => break,
                _ => return self.instead_of("comma or array end"),
            }
        }
        self.at += 1;
        self.close(open);
        Ok(())
    }

    fn object(&mut self) -> Result<(), Error> {
        let mut open = self.open(Kind::Object)?;
        if self.peek() == b'}' {
            self.at += 1;
            self.close(open);
            return Ok(());
        }
        loop {
            let key = match self.peek() {
                b'"' => self.text(),
                _ => None,
            };
            let Some(key) = key else {
                return self.instead_of("object key string");
            };
            self.build.key(key);
            if self.peek() != b':' {
                return self.instead_of("colon");
            }
            self.at += 1;
            self.value()?;
            self.build.add(&mut open);
            match self.peek() {
                b',' => self.at += 1,
                b'}' => break,
                _ => return self.instead_of("comma or object end"),
            }
        }
        self.at += 1;
        self.close(open);
        Ok(())
    }
}

/// Is what begins like a number none of JSON, though `strtod` takes it?
fn is_invalid(text: &[u8]) -> bool {
    let unsigned = match text {
        [b'+', ..] => return true,
        [b'-', rest @ ..] => rest,
        _ => text,
    };
    let word = |word: &[u8]| {
        unsigned
            .get(..3)
            .is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    match unsigned {
        [b'0', b'x' | b'X' | b'0'..=b'9', ..] => true,
        _ => word(b"inf") || word(b"nan"),
    }
}

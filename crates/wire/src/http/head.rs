//! Heads of messages by the standard (RFC 9112), and how long the body behind one is.
//!
//! What could be read in two ways is refused: see [`message`](super::message).

use httparse::{EMPTY_HEADER, Header};

/// Fields of a head.
const FIELDS: usize = 128;

/// How much is taken.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a head, and of the fields behind a chunked body.
    pub head: usize,
    /// Bytes of a body.
    pub body: u64,
}

impl Default for Limits {
    /// 16 KiB and 1 MiB.
    fn default() -> Limits {
        Limits {
            head: 16 << 10,
            body: 1 << 20,
        }
    }
}

/// What is wrong with what a peer has sent. Nothing can be read after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A TLS handshake in the place of a request.
    #[error("a client that wants TLS has connected to a port without it")]
    WantsTls,
    /// The head is not as it has to be.
    #[error("the head of the message is malformed: {0}")]
    Head(&'static str),
    /// The head, or the trailer, is too long.
    #[error("the head of the message is too long")]
    HeadTooLong,
    /// The body is too long.
    #[error("the body of the message is too long")]
    BodyTooLong,
    /// The length could be read in two ways, or in none.
    #[error("the length of the body is not clear: {0}")]
    Length(&'static str),
    /// Another transfer encoding.
    #[error("the transfer encoding is not supported")]
    TransferEncoding,
    /// Another version than 1.0 and 1.1.
    #[error("the version of HTTP is not supported")]
    Version,
    /// The chunks are wrong.
    #[error("the chunks of the body are malformed")]
    Chunks,
    /// The connection has ended too early.
    #[error("the connection has ended in the middle of a message")]
    Cut,
}

impl Error {
    /// The status to answer with.
    pub fn status(self) -> u16 {
        match self {
            Error::HeadTooLong => 431,
            Error::BodyTooLong => 413,
            Error::TransferEncoding => 501,
            Error::Version => 505,
            _ => 400,
        }
    }
}

/// The head of a message.
#[derive(Debug, PartialEq, Eq)]
pub struct Head<'a> {
    /// Of a request; empty in an answer.
    pub method: &'a str,
    /// Of a request; empty in an answer.
    pub target: &'a str,
    /// Of an answer; 0 in a request.
    pub status: u16,
    /// 0 or 1: the number behind `1.`.
    pub minor: u8,
    /// What else it says.
    pub fields: Fields<'a>,
    /// May the next message come on this connection?
    pub keep_alive: bool,
    /// Is there a body?
    pub body: bool,
    /// Bytes of the body, if they were told.
    pub length: Option<u64>,
    /// Does a client wait for leave to send its body?
    pub expects_continue: bool,
}

/// The fields of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields<'a> {
    head: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Fields<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Names as they were written, and values without blanks around them.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let Fields { head, spans } = *self;
        let span = move |at: &Span| (&head[at.name.0..at.name.1], &head[at.value.0..at.value.1]);
        spans.iter().map(span)
    }
}

/// Where a field lies in its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    name: (usize, usize),
    value: (usize, usize),
}

/// How long a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    None,
    Fixed(u64),
    Chunked,
    UntilEnd,
}

impl Framing {
    pub(super) fn body(self) -> bool {
        !matches!(self, Framing::None | Framing::Fixed(0))
    }

    /// By what a head says. `bodiless`: the answer is to a question whose answers have none.
    pub(super) fn of(head: &Head, answers: bool, bodiless: bool) -> Result<Framing, Error> {
        let mut length = None;
        let mut chunked = false;
        let mut hosts = 0;
        for (name, value) in head.fields.iter() {
            if name.eq_ignore_ascii_case(b"content-length") {
                let number = parse_length(value)?;
                if length.replace(number).is_some() {
                    return Err(Error::Length("it is told twice"));
                }
            } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
                if chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Error::TransferEncoding);
                }
                chunked = true;
            } else if name.eq_ignore_ascii_case(b"host") {
                hosts += 1;
            }
        }
        if chunked && length.is_some() {
            return Err(Error::Length("there are chunks besides"));
        }
        if chunked && head.minor == 0 {
            return Err(Error::Length("HTTP/1.0 has no chunks"));
        }
        if !answers {
            if hosts > 1 || hosts == 0 && head.minor == 1 {
                return Err(Error::Head("it has to have one host"));
            }
            return Ok(match length {
                _ if chunked => Framing::Chunked,
                Some(length) => Framing::Fixed(length),
                None => Framing::None,
            });
        }
        if bodiless || head.status < 200 || matches!(head.status, 204 | 304) {
            return Ok(Framing::None);
        }
        Ok(match length {
            _ if chunked => Framing::Chunked,
            Some(length) => Framing::Fixed(length),
            None => Framing::UntilEnd,
        })
    }
}

/// Digits, as many as make a number of 64 bits with some to spare.
fn parse_length(value: &[u8]) -> Result<u64, Error> {
    let digits = !value.is_empty() && value.len() <= 18 && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| digits);
    text.and_then(|text| text.parse().ok())
        .ok_or(Error::Length("it is no number"))
}

/// The number at the beginning of a chunk.
pub(super) fn chunk_size(line: &[u8]) -> Result<u64, Error> {
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    // So few digits that the number stays below 2^63, and sums do not overflow.
    if digits == 0 || digits > 15 {
        return Err(if digits > 15 {
            Error::BodyTooLong
        } else {
            Error::Chunks
        });
    }
    match line[digits..].trim_ascii_start() {
        [] | [b';', ..] => {}
        _ => return Err(Error::Chunks),
    }
    let text = std::str::from_utf8(&line[..digits]).unwrap_or_default();
    u64::from_str_radix(text, 16).map_err(|_| Error::Chunks)
}

/// Lines end in CR LF, and none goes on with the one before.
fn check_lines(head: &[u8]) -> Result<(), Error> {
    for (i, byte) in head.iter().enumerate() {
        match byte {
            b'\n' if i == 0 || head[i - 1] != b'\r' => return Err(Error::Head("a bare line feed")),
            b'\r' if head.get(i + 1) != Some(&b'\n') => {
                return Err(Error::Head("a bare carriage return"));
            }
            b' ' | b'\t' if i > 0 && head[i - 1] == b'\n' => {
                return Err(Error::Head("a line that goes on with another one"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn explain(error: httparse::Error) -> Error {
    match error {
        httparse::Error::TooManyHeaders => Error::HeadTooLong,
        httparse::Error::Version => Error::Version,
        httparse::Error::HeaderName => Error::Head("the name of a field"),
        httparse::Error::HeaderValue => Error::Head("the value of a field"),
        httparse::Error::Status => Error::Head("the status"),
        _ => Error::Head("the first line"),
    }
}

/// Reads a head; where its fields lie goes to `spans`.
pub(super) fn parse<'a>(
    bytes: &'a [u8],
    answer: bool,
    spans: &'a mut Vec<Span>,
) -> Result<Head<'a>, Error> {
    check_lines(bytes)?;
    let mut room = [EMPTY_HEADER; FIELDS];
    let (method, target, status, minor);
    if answer {
        let mut parsed = httparse::Response::new(&mut room);
        parsed.parse(bytes).map_err(explain)?;
        (method, target) = ("", "");
        status = parsed.code.unwrap_or_default();
        minor = parsed.version.unwrap_or_default();
        locate(bytes, parsed.headers, spans);
    } else {
        let mut parsed = httparse::Request::new(&mut room);
        parsed.parse(bytes).map_err(explain)?;
        method = parsed.method.unwrap_or_default();
        target = parsed.path.unwrap_or_default();
        status = 0;
        minor = parsed.version.unwrap_or_default();
        locate(bytes, parsed.headers, spans);
    }
    let fields = Fields { head: bytes, spans };
    let says = |name: &[u8], word: &[u8]| {
        let of_name = fields
            .iter()
            .filter(|field| field.0.eq_ignore_ascii_case(name));
        of_name
            .flat_map(|field| field.1.split(|b| *b == b','))
            .any(|part| part.trim_ascii().eq_ignore_ascii_case(word))
    };
    let keep_alive = match minor {
        0 => says(b"connection", b"keep-alive"),
        _ => !says(b"connection", b"close"),
    };
    Ok(Head {
        method,
        target,
        status,
        minor,
        fields,
        keep_alive,
        body: false,
        length: None,
        expects_continue: minor == 1 && says(b"expect", b"100-continue"),
    })
}

/// Where the fields lie. The values lose the blanks around them.
fn locate(head: &[u8], headers: &[Header], spans: &mut Vec<Span>) {
    let of = |part: &[u8]| {
        let from = (part.as_ptr() as usize).wrapping_sub(head.as_ptr() as usize);
        // An empty value need not lie in the head.
        if part.is_empty() {
            (0, 0)
        } else {
            (from, from + part.len())
        }
    };
    spans.clear();
    spans.extend(headers.iter().map(|header| Span {
        name: of(header.name.as_bytes()),
        value: of(header.value.trim_ascii()),
    }));
}

//! Requests and answers by the standard (RFC 9112), in whatever pieces they come: several on a connection, with bodies
//! that are read as they come.
//!
//! What could be read in two ways is refused, since whoever reads it the other way is a door into the connection of
//! somebody else: lines that end in a bare LF, blanks before a colon, lines that go on with the one before, lengths
//! that are doubled or beside chunks, other transfer encodings than `chunked`.
//!
//! ```
//! use skynet_wire::http::message::{Event, Limits, Reader};
//!
//! let mut reader = Reader::requests(Limits::default());
//! reader.push(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi");
//! let Ok(Some(Event::Head(head))) = reader.next_event() else { panic!() };
//! assert_eq!((head.method, head.target, head.keep_alive), ("POST", "/a", true));
//! assert_eq!(reader.next_event(), Ok(Some(Event::Data(b"hi"))));
//! assert_eq!(reader.next_event(), Ok(Some(Event::End)));
//! ```

use super::head::{Framing, Span, chunk_size, parse};

pub use super::head::{Error, Fields, Head, Limits};

/// Bytes of the line with a chunk's size, extensions included.
const SIZE_LINE: usize = 512;

/// Room that is given back when nothing is left in it.
const KEEP: usize = 64 << 10;

/// What has come.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A message begins.
    Head(Head<'a>),
    /// A piece of its body.
    Data(&'a [u8]),
    /// The end of its body. A message without one has none.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A message is to begin; so many bytes of its head were looked at.
    Head(usize),
    /// So many bytes of the body are to come.
    Fixed(u64),
    /// A line with a chunk's size.
    Size,
    /// So many bytes of a chunk.
    Chunk(u64),
    /// The line end behind a chunk.
    ChunkEnd,
    /// The fields behind the last chunk.
    Trailer,
    /// A body that ends with the connection.
    UntilEnd,
    /// The connection has ended.
    Over,
    Failed(Error),
}

/// Takes the messages of one direction of a connection apart.
#[derive(Debug)]
pub struct Reader {
    limits: Limits,
    answers: bool,
    /// Answers: the question was one whose answer has no body.
    bodiless: bool,
    buffer: Vec<u8>,
    start: usize,
    /// The fields of the last head.
    spans: Vec<Span>,
    state: State,
    /// Bytes of the body so far.
    body: u64,
    ended: bool,
}

impl Reader {
    /// For the requests of a client.
    pub fn requests(limits: Limits) -> Reader {
        Reader {
            limits,
            answers: false,
            bodiless: false,
            buffer: Vec::new(),
            start: 0,
            spans: Vec::new(),
            state: State::Head(0),
            body: 0,
            ended: false,
        }
    }

    /// For the answers of a server.
    pub fn answers(limits: Limits) -> Reader {
        Reader {
            answers: true,
            ..Reader::requests(limits)
        }
    }

    /// The next answer is one to HEAD, so it has no body; or it is not.
    pub fn expect_bodiless(&mut self, bodiless: bool) {
        self.bodiless = bodiless;
    }

    /// Takes what was read from the connection.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
            if self.buffer.is_empty() && self.buffer.capacity() > KEEP {
                self.buffer = Vec::new();
            }
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The connection has ended: there is no more to push.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// What was pushed and has not been read, such as the first bytes of another protocol; it is given up.
    pub fn take_rest(&mut self) -> Vec<u8> {
        let rest = self.buffer.split_off(self.start);
        self.buffer = Vec::new();
        self.start = 0;
        rest
    }

    /// Is this the time between two messages, and nothing of the next one there?
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Head(_)) && self.rest().is_empty()
    }

    fn rest(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// The next piece; none if more has to come for it.
    ///
    /// # Errors
    /// Nothing more can be read; the same error comes from now on.
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, Error> {
        if let State::Failed(error) = self.state {
            return Err(error);
        }
        // The borrow of what is returned keeps one from looking at the outcome twice.
        let step = self.step();
        match step {
            Ok(Step::Wait) => Ok(None),
            Ok(Step::End) => Ok(Some(Event::End)),
            Ok(Step::Data(from, to)) => Ok(Some(Event::Data(&self.buffer[from..to]))),
            Ok(Step::Head(from, to)) => self.begin(from, to),
            Err(error) => Err(self.fail(error)),
        }
    }

    fn fail(&mut self, error: Error) -> Error {
        self.state = State::Failed(error);
        self.buffer = Vec::new();
        self.start = 0;
        error
    }

    fn step(&mut self) -> Result<Step, Error> {
        loop {
            match self.state {
                State::Failed(error) => return Err(error),
                State::Over => return Ok(Step::Wait),
                State::Head(searched) => return self.find_head(searched),
                State::Fixed(left) | State::Chunk(left) => {
                    if let Some((from, to)) = self.take(left)? {
                        let left = left - (to - from) as u64;
                        self.state = match self.state {
                            State::Fixed(_) => State::Fixed(left),
                            _ if left == 0 => State::ChunkEnd,
                            _ => State::Chunk(left),
                        };
                        return Ok(Step::Data(from, to));
                    }
                    if left > 0 {
                        return self.wait();
                    }
                    return self.finish();
                }
                State::UntilEnd => {
                    let (from, to) = (self.start, self.buffer.len());
                    if from == to {
                        if !self.ended {
                            return Ok(Step::Wait);
                        }
                        self.state = State::Over;
                        return Ok(Step::End);
                    }
                    self.count((to - from) as u64)?;
                    self.start = to;
                    return Ok(Step::Data(from, to));
                }
                State::Size => match self.line(SIZE_LINE)? {
                    Some(line) => {
                        let size = chunk_size(&self.buffer[line.0..line.1])?;
                        self.count(size)?;
                        self.state = match size {
                            0 => State::Trailer,
                            _ => State::Chunk(size),
                        };
                    }
                    None => return self.wait(),
                },
                State::ChunkEnd => match self.rest() {
                    [b'\r', b'\n', ..] => {
                        self.start += 2;
                        self.state = State::Size;
                    }
                    [] | [b'\r'] => return self.wait(),
                    _ => return Err(Error::Chunks),
                },
                State::Trailer => match self.line(self.limits.head)? {
                    Some((from, to)) if from == to => return self.finish(),
                    // Fields behind the body have no use here, and must not be taken for those of the head.
                    Some((from, to)) => {
                        let line = &self.buffer[from..to];
                        if !line.contains(&b':') || matches!(line[0], b' ' | b'\t' | b':') {
                            return Err(Error::Chunks);
                        }
                        self.body = self.body.saturating_add((to - from) as u64);
                        if self.body > self.limits.body.saturating_add(self.limits.head as u64) {
                            return Err(Error::HeadTooLong);
                        }
                    }
                    None => return self.wait(),
                },
            }
        }
    }

    fn wait(&self) -> Result<Step, Error> {
        match self.ended {
            true => Err(Error::Cut),
            false => Ok(Step::Wait),
        }
    }

    fn finish(&mut self) -> Result<Step, Error> {
        self.state = State::Head(0);
        Ok(Step::End)
    }

    fn count(&mut self, bytes: u64) -> Result<(), Error> {
        self.body = self.body.checked_add(bytes).ok_or(Error::BodyTooLong)?;
        match self.body > self.limits.body {
            true => Err(Error::BodyTooLong),
            false => Ok(()),
        }
    }

    /// Some of the next bytes of the body, if there are any.
    fn take(&mut self, left: u64) -> Result<Option<(usize, usize)>, Error> {
        let there = self
            .rest()
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        if there == 0 {
            return Ok(None);
        }
        let from = self.start;
        self.start += there;
        Ok(Some((from, self.start)))
    }

    /// The next line, without its end.
    fn line(&mut self, limit: usize) -> Result<Option<(usize, usize)>, Error> {
        let rest = self.rest();
        let end = rest.iter().take(limit + 1).position(|b| *b == b'\n');
        match end {
            Some(end) if end > 0 && rest[end - 1] == b'\r' => {
                let from = self.start;
                let to = from + end - 1;
                self.start = to + 2;
                match self.buffer[from..to].contains(&b'\r') {
                    true => Err(Error::Chunks),
                    false => Ok(Some((from, to))),
                }
            }
            Some(_) => Err(Error::Chunks),
            None if rest.len() > limit => Err(Error::Chunks),
            None => Ok(None),
        }
    }

    /// Where the next head lies, once all of it is there.
    fn find_head(&mut self, searched: usize) -> Result<Step, Error> {
        // Empty lines before a request are passed over, as the standard has it; a few of them.
        while searched == 0 && !self.answers && self.rest().starts_with(b"\r\n") {
            self.start += 2;
            self.body += 1;
            if self.body > 8 {
                return Err(Error::Head("empty lines"));
            }
        }
        let rest = self.rest();
        if rest.is_empty() || rest == b"\r" {
            if self.ended {
                self.state = State::Over;
            }
            return Ok(Step::Wait);
        }
        if !self.answers && rest[0] == 22 {
            return Err(Error::WantsTls);
        }
        let from = searched.saturating_sub(3);
        let end = rest[from..].windows(4).position(|part| part == b"\r\n\r\n");
        match end.map(|end| from + end + 4) {
            Some(size) if size > self.limits.head => Err(Error::HeadTooLong),
            Some(size) => Ok(Step::Head(self.start, self.start + size)),
            None if rest.len() > self.limits.head => Err(Error::HeadTooLong),
            None if self.ended => Err(Error::Cut),
            None => {
                self.state = State::Head(rest.len());
                Ok(Step::Wait)
            }
        }
    }

    /// Reads a head, and decides how the body is read.
    fn begin(&mut self, from: usize, to: usize) -> Result<Option<Event<'_>>, Error> {
        let parsed =
            parse(&self.buffer[from..to], self.answers, &mut self.spans).and_then(|head| {
                let framing = Framing::of(&head, self.answers, self.bodiless)?;
                match framing {
                    Framing::Fixed(length) if length > self.limits.body => Err(Error::BodyTooLong),
                    _ => Ok((head, framing)),
                }
            });
        let (mut head, framing) = match parsed {
            Ok(parsed) => parsed,
            Err(error) => {
                self.state = State::Failed(error);
                return Err(error);
            }
        };
        self.start = to;
        self.body = 0;
        self.state = match framing {
            Framing::None | Framing::Fixed(0) => State::Head(0),
            Framing::Fixed(length) => State::Fixed(length),
            Framing::Chunked => State::Size,
            Framing::UntilEnd => State::UntilEnd,
        };
        head.body = framing.body();
        head.keep_alive &= framing != Framing::UntilEnd;
        if let Framing::Fixed(length) = framing {
            head.length = Some(length);
        }
        Ok(Some(Event::Head(head)))
    }
}

enum Step {
    Wait,
    Head(usize, usize),
    Data(usize, usize),
    End,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that comes of some bytes, given in pieces of a size: a line for each head, the bodies, and the error.
    fn read(mut reader: Reader, bytes: &[u8], piece: usize) -> (Vec<String>, Option<Error>) {
        let mut out = Vec::new();
        let mut body = Vec::new();
        let mut pieces = bytes.chunks(piece);
        loop {
            match reader.next_event() {
                Ok(Some(Event::Head(head))) => out.push(format!(
                    "{}{} {} {}",
                    head.method,
                    head.status,
                    head.target,
                    if head.keep_alive { "on" } else { "last" }
                )),
                Ok(Some(Event::Data(data))) => body.extend_from_slice(data),
                Ok(Some(Event::End)) => {
                    out.push(String::from_utf8_lossy(&body).into_owned());
                    body.clear();
                }
                Ok(None) => match pieces.next() {
                    Some(piece) => reader.push(piece),
                    None if reader.ended => return (out, None),
                    None => reader.end(),
                },
                Err(error) => return (out, Some(error)),
            }
        }
    }

    fn requests(text: &str) -> (Vec<String>, Option<Error>) {
        let results: Vec<_> = [1, 2, 7, 1000]
            .map(|piece| {
                read(
                    Reader::requests(Limits {
                        head: 300,
                        body: 20,
                    }),
                    text.as_bytes(),
                    piece,
                )
            })
            .into();
        assert!(
            results.iter().all(|result| *result == results[0]),
            "{text}: {results:?}"
        );
        results.into_iter().next().unwrap()
    }

    fn answers(text: &str) -> (Vec<String>, Option<Error>) {
        read(Reader::answers(Limits::default()), text.as_bytes(), 3)
    }

    #[test]
    fn one_after_the_other() {
        let (out, error) = requests(
            "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n\r\nPOST /2 HTTP/1.1\r\nhost: h\r\nContent-Length: 3\r\n\r\nabc\
             PUT /3 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n2;x=y\r\nde\r\n00A\r\n0123456789\r\n0\r\nT: 1\r\n\r\n\
             GET /4 HTTP/1.0\r\n\r\n",
        );
        assert_eq!(error, None);
        let want = [
            "GET0 /1 on",
            "POST0 /2 on",
            "abc",
            "PUT0 /3 on",
            "de0123456789",
            "GET0 /4 last",
        ];
        assert_eq!(out, want);
    }

    fn refused(head: &str) -> Option<Error> {
        requests(&format!("POST / HTTP/1.1\r\nHost: h\r\n{head}\r\n\r\nabc")).1
    }

    #[test]
    fn what_could_be_read_in_two_ways() {
        let length =
            |error: Option<Error>| assert!(matches!(error, Some(Error::Length(_))), "{error:?}");
        length(refused("Content-Length: 3\r\nContent-Length: 3"));
        length(refused("Content-Length: 3\r\nTransfer-Encoding: chunked"));
        length(refused("Transfer-Encoding: chunked\r\nContent-Length: 3"));
        for value in [
            "+3",
            "-3",
            "0x3",
            "3, 3",
            "3 3",
            "",
            "3.0",
            "99999999999999999999",
            "3;",
        ] {
            length(refused(&format!("Content-Length: {value}")));
        }
        for value in [
            "gzip",
            "chunked, chunked",
            "gzip, chunked",
            "identity",
            "xchunked",
            "",
        ] {
            let error = refused(&format!("Transfer-Encoding: {value}"));
            assert_eq!(error, Some(Error::TransferEncoding), "{value}");
        }
        let twice = "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked";
        assert_eq!(refused(twice), Some(Error::TransferEncoding));
        for line in [
            "A: b\nC: d",
            "A : b",
            "A: b\r\n c",
            "A\r\nB: c",
            ": b",
            "A: b\rC: d",
            "A: \0",
            "Host: h",
            "A b: c",
            "Ä: b",
        ] {
            let error = refused(line);
            assert!(matches!(error, Some(Error::Head(_))), "{line:?}: {error:?}");
        }
    }

    #[test]
    fn first_lines() {
        let of = |line: &str| requests(&format!("{line}\r\nHost: h\r\n\r\n")).1;
        assert_eq!(of("GET / HTTP/1.1"), None);
        assert_eq!(of("M-SEARCH * HTTP/1.1"), None);
        assert_eq!(of("GET / HTTP/2.0"), Some(Error::Version));
        for line in [
            "GET /",
            "GET / a HTTP/1.1",
            "G(T / HTTP/1.1",
            "GET / HTTP/1.1 ",
            " GET / HTTP/1.1",
            "GET\t/\tHTTP/1.1",
        ] {
            assert!(of(line).is_some(), "{line}");
        }
        assert_eq!(requests("\x16\x03\x01").1, Some(Error::WantsTls));
        assert!(requests("GET / HTTP/1.1\r\n\r\n").1.is_some());
    }

    #[test]
    fn limits() {
        let long = format!("GET / HTTP/1.1\r\nHost: h\r\nA: {}", "x".repeat(400));
        assert_eq!(requests(&long).1, Some(Error::HeadTooLong));
        assert_eq!(refused("Content-Length: 21"), Some(Error::BodyTooLong));
        let chunks = |chunks: &str| {
            requests(&format!(
                "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"
            ))
            .1
        };
        assert_eq!(chunks("14\r\n01234567890123456789\r\n0\r\n\r\n"), None);
        assert_eq!(chunks("15\r\n"), Some(Error::BodyTooLong));
        assert_eq!(
            chunks("f\r\n0123456789abcde\r\n6\r\n"),
            Some(Error::BodyTooLong)
        );
        assert_eq!(chunks("10000000000000000\r\n"), Some(Error::BodyTooLong));
        for bad in [
            "\r\n",
            "x\r\n",
            "-1\r\n",
            "1\nx",
            "1 1\r\n",
            "1\r\nxy",
            "0\r\nno field\r\n\r\n",
            "0x1\r\n",
            "1\r\r\nx",
        ] {
            assert_eq!(chunks(bad), Some(Error::Chunks), "{bad:?}");
        }
        assert_eq!(
            chunks(&format!("1{}\r\n", " ".repeat(600))),
            Some(Error::Chunks)
        );
        let trailer = format!("0\r\n{}\r\n", "a: b\r\n".repeat(200));
        assert_eq!(chunks(&trailer), Some(Error::HeadTooLong));
        assert_eq!(chunks("5\r\nab"), Some(Error::Cut));
    }

    #[test]
    fn answers_of_servers() {
        let (out, error) = answers(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi\
             HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall the rest",
        );
        assert_eq!(error, None);
        assert_eq!(
            out,
            [
                "100  on",
                "200  on",
                "hi",
                "204  on",
                "200  last",
                "all the rest"
            ]
        );
        assert_eq!(
            answers("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi").1,
            Some(Error::Cut)
        );
        assert_eq!(
            answers("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
                .1
                .map(Error::status),
            Some(400)
        );
        let mut reader = Reader::answers(Limits::default());
        reader.expect_bodiless(true);
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n";
        assert_eq!(read(reader, text, 100), (vec!["200  on".to_owned()], None));
    }
}

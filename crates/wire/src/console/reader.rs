//! From the bytes of a connection to command lines.
//!
//! A line that begins with `GET ` or `POST ` is the first one of an HTTP request, whose head and body are read too; any
//! other line is a command. A request without a version (`GET /list`) has no head.
//!
//! A browser connects to any port of the machine that it runs on, if a web page asks it to. So requests that come from
//! a browser are refused, and so is whatever can be no command line: requests of other methods, and lines with control
//! characters, as other protocols have them. Nothing behind them is read.

use super::page;

/// Bytes that a line, or the head of a request, may have.
pub const MAX_LINE: usize = 64 << 10;
/// Bytes that the body of a request may have.
pub const MAX_BODY: usize = 8192;

/// What came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A line, without its end.
    Line(Vec<u8>),
    /// A request. After its answer the connection is closed.
    Http {
        /// The command: the path with blanks in the place of slashes, or the body.
        command: Vec<u8>,
        /// The word after `Authorization: Bearer`.
        token: Option<Vec<u8>>,
    },
}

/// Why a connection cannot be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A line or a request's head has more than [`MAX_LINE`] bytes, or a body more than [`MAX_BODY`].
    #[error("too long: at most {0} bytes")]
    TooLong(usize),
    /// A request without the length of its body.
    #[error("a POST request needs a Content-Length")]
    NoLength,
    /// A request that a browser has made, or a program that takes the name of the host from elsewhere.
    #[error("requests of browsers and for other hosts are refused: {0}")]
    Refused(&'static str),
    /// A request of another method.
    #[error("only GET and POST requests are answered")]
    Method,
    /// A line that is in no command: it has control characters.
    #[error("a line with control characters is no command")]
    Binary,
}

/// Reads a connection.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: Vec<u8>,
    /// Bytes in front that have been read.
    taken: usize,
    /// Bytes in front without the end of a line.
    scanned: usize,
    request: Option<Request>,
    /// What ended the reading.
    error: Option<Error>,
}

/// A request whose head is being read.
#[derive(Clone, Debug, Default)]
struct Request {
    /// The command, if it is in the path.
    path: Option<Vec<u8>>,
    token: Option<Vec<u8>>,
    length: Option<usize>,
    /// Bytes of the head so far.
    size: usize,
    /// The head is complete.
    complete: bool,
    /// Why it is not answered.
    refused: Option<Error>,
}

impl Reader {
    /// Takes what has been received.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.taken > 0 {
            self.buffer.drain(..self.taken);
            self.scanned = self.scanned.saturating_sub(self.taken);
            self.taken = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The connection has ended: a last line without an end counts too.
    pub fn finish(&mut self) {
        if self.taken < self.buffer.len() && self.request.is_none() {
            self.push(b"\n");
        }
    }

    /// Something has come whose rest has not.
    pub fn incomplete(&self) -> bool {
        self.taken < self.buffer.len() || self.request.is_some()
    }

    /// The next input, if it is complete.
    ///
    /// # Errors
    /// An [`Error`], again and again.
    pub fn read(&mut self) -> Result<Option<Input>, Error> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let read = self.next();
        if let Err(error) = read {
            self.error = Some(error);
            self.buffer = Vec::new();
            (self.taken, self.scanned) = (0, 0);
        }
        read
    }

    fn next(&mut self) -> Result<Option<Input>, Error> {
        loop {
            if let Some(request) = &self.request
                && request.complete
            {
                return self.body();
            }
            let Some(line) = self.line()? else {
                return Ok(None);
            };
            match &mut self.request {
                None => match Request::begin(&line)? {
                    Some(request) => self.request = Some(request),
                    None if line.iter().any(|&byte| binary(byte)) => return Err(Error::Binary),
                    None => return Ok(Some(Input::Line(line))),
                },
                Some(request) => {
                    request.size += line.len() + 1;
                    if request.size > MAX_LINE {
                        return Err(Error::TooLong(MAX_LINE));
                    }
                    request.header(&line);
                }
            }
        }
    }

    /// A line without its end.
    fn line(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let from = self.scanned.max(self.taken);
        let end = self.buffer[from..].iter().position(|&b| b == b'\n');
        let length = end.map_or(self.buffer.len(), |end| from + end) - self.taken;
        if length > MAX_LINE {
            return Err(Error::TooLong(MAX_LINE));
        }
        let Some(end) = end else {
            self.scanned = self.buffer.len();
            return Ok(None);
        };
        let line = &self.buffer[self.taken..from + end];
        let line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
        self.taken = from + end + 1;
        self.scanned = self.taken;
        Ok(Some(line))
    }

    /// The rest of a request whose head is complete.
    fn body(&mut self) -> Result<Option<Input>, Error> {
        let Some(request) = &mut self.request else {
            return Ok(None);
        };
        if let Some(refused) = request.refused {
            return Err(refused);
        }
        let command = match request.path.take() {
            Some(path) => path,
            None => {
                let length = request.length.ok_or(Error::NoLength)?;
                if length > MAX_BODY {
                    return Err(Error::TooLong(MAX_BODY));
                }
                let Some(body) = self.buffer.get(self.taken..self.taken + length) else {
                    return Ok(None);
                };
                let body = body.to_vec();
                self.taken += length;
                self.scanned = self.taken;
                body
            }
        };
        let token = request.token.take();
        self.request = None;
        Ok(Some(Input::Http { command, token }))
    }
}

/// Escape is what keys of a terminal send, and is let pass.
fn binary(byte: u8) -> bool {
    matches!(byte, 0..=7 | 14..=26)
}

impl Request {
    fn begin(line: &[u8]) -> Result<Option<Request>, Error> {
        let mut words = line.splitn(2, |&byte| byte == b' ');
        let (Some(method), Some(rest)) = (words.next(), words.next()) else {
            return Ok(None);
        };
        if method != b"GET" && method != b"POST" {
            let versioned = super::words(rest).any(|word| word.starts_with(b"HTTP/"));
            let upper = !method.is_empty() && method.iter().all(u8::is_ascii_uppercase);
            return if upper && versioned {
                Err(Error::Method)
            } else {
                Ok(None)
            };
        }
        let mut words = super::words(rest);
        let path = words.next().unwrap_or_default();
        let versioned = words.next().is_some();
        let path = path.strip_prefix(b"/").unwrap_or(path);
        let blank = |&byte: &u8| if byte == b'/' { b' ' } else { byte };
        let get = method == b"GET";
        Ok(Some(Request {
            path: get.then(|| path.iter().map(blank).collect()),
            size: line.len() + 1,
            complete: get && !versioned,
            ..Request::default()
        }))
    }

    /// A line of the head.
    fn header(&mut self, line: &[u8]) {
        if line.is_empty() {
            self.complete = true;
            return;
        }
        let mut parts = line.splitn(2, |&byte| byte == b':');
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else {
            return;
        };
        let (name, value) = (name.trim_ascii(), value.trim_ascii());
        if let Some(why) = page::refusal(name, value) {
            self.refused.get_or_insert(Error::Refused(why));
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
            self.length = std::str::from_utf8(value)
                .ok()
                .filter(|_| digits)
                .and_then(|value| value.parse().ok());
        } else if name.eq_ignore_ascii_case(b"authorization")
            && let Some((scheme, token)) = value.split_at_checked(7)
            && scheme.eq_ignore_ascii_case(b"bearer ")
        {
            self.token = Some(token.trim_ascii().to_vec());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(stream: &[u8], step: usize) -> Result<Vec<Input>, Error> {
        let mut reader = Reader::default();
        let mut found = Vec::new();
        for piece in stream.chunks(step) {
            reader.push(piece);
            while let Some(input) = reader.read()? {
                found.push(input);
            }
        }
        reader.finish();
        while let Some(input) = reader.read()? {
            found.push(input);
        }
        Ok(found)
    }

    fn line(text: &str) -> Input {
        Input::Line(text.into())
    }

    fn http(command: &str, token: Option<&str>) -> Input {
        Input::Http {
            command: command.into(),
            token: token.map(Into::into),
        }
    }

    #[test]
    fn lines_and_requests() {
        for step in [1, 3, 1000] {
            for (stream, inputs) in [
                (
                    "list\r\n\nmem 5\nlast",
                    vec![line("list"), line(""), line("mem 5"), line("last")],
                ),
                (
                    "GET /mem/300 HTTP/1.1\r\nHost: localhost:8000\r\n\r\n",
                    vec![http("mem 300", None)],
                ),
                ("GET /list\nhelp\n", vec![http("list", None), line("help")]),
                ("GET / HTTP/1.0\r\n\r\n", vec![http("", None)]),
                ("GETX /a b\n", vec![line("GETX /a b")]),
                (
                    "POST / HTTP/1.1\nAuthorization: bearer  s e\nContent-length: 6\n\ncall a",
                    vec![http("call a", Some("s e"))],
                ),
                ("POST / HTTP/1.1\nContent-Length: 60\n\nshort", vec![]),
                ("GET /x HTTP/1.1\nHost", vec![]),
                ("call .x 'HTTP/1.1'", vec![line("call .x 'HTTP/1.1'")]),
                ("\u{1b}[A\n", vec![line("\u{1b}[A")]),
            ] {
                assert_eq!(all(stream.as_bytes(), step), Ok(inputs), "{stream:?}");
            }
        }
    }

    #[test]
    fn refused() {
        for step in [1, 3, 1000] {
            for (stream, error) in [
                ("PUT /list HTTP/1.1\r\n\r\nlist\n", Error::Method),
                ("OPTIONS * HTTP/1.1\r\n\r\n", Error::Method),
                ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Error::Method),
                ("\u{16}\u{3}\u{1}\nlist\n", Error::Binary),
                ("list\0\n", Error::Binary),
            ] {
                assert_eq!(all(stream.as_bytes(), step), Err(error), "{stream:?}");
            }
            for header in [
                "Origin: null",
                "origin:http://localhost",
                "Referer: http://127.0.0.1/",
                "Sec-Fetch-Site: none",
                "sec-fetch-anything : x",
                "Host: evil.example",
                "Host: localhost.evil.example:8000",
                "Host:",
                "Host: 127.0.0.1.evil.example",
                "User-Agent: Mozilla/5.0 (X11)",
                "Host: localhost\r\nHost: evil.example",
            ] {
                let get = format!("GET /list HTTP/1.1\r\n{header}\r\n\r\n");
                let post = format!("POST / HTTP/1.1\r\nContent-Length: 4\r\n{header}\r\n\r\nlist");
                for stream in [get, post] {
                    let got = all(stream.as_bytes(), step);
                    assert!(matches!(got, Err(Error::Refused(_))), "{stream:?}: {got:?}");
                }
            }
        }
    }

    #[test]
    fn limits() {
        let long = vec![b'x'; MAX_LINE + 1];
        assert_eq!(all(&long, 1000), Err(Error::TooLong(MAX_LINE)));
        let head = [b"GET / HTTP/1.1\n".to_vec(), b"a: b\n".repeat(MAX_LINE / 5)].concat();
        assert_eq!(all(&head, 1000), Err(Error::TooLong(MAX_LINE)));
        let body = b"POST / HTTP/1.1\nContent-Length: 8193\n\n";
        assert_eq!(all(body, 1000), Err(Error::TooLong(MAX_BODY)));
        assert_eq!(all(b"POST / HTTP/1.1\n\n", 1000), Err(Error::NoLength));
        assert_eq!(all(&long[1..], 1000).map(|inputs| inputs.len()), Ok(1));
    }
}

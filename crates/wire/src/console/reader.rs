//! From the bytes of a connection to command lines.
//!
//! A line that begins with `GET ` or `POST ` is the first one of an HTTP request, whose head and body are read too; any other
//! line is a command. A request without a version (`GET /list`) has no head.

/// Bytes that a line, or the head of a request, may have.
pub const MAX_LINE: usize = 64 << 10;
/// Bytes that the body of a request may have.
pub const MAX_BODY: usize = 8192;

/// What came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A line, without its end. Bytes that are no UTF-8 have been replaced.
    Line(String),
    /// A request. After its answer the connection is closed.
    Http {
        /// The command: the path with blanks in the place of slashes, or the body.
        command: String,
        /// The word after `Authorization: Bearer`.
        token: Option<String>,
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
}

/// A request whose head is being read.
#[derive(Clone, Debug, Default)]
struct Request {
    /// The command, if it is in the path.
    path: Option<String>,
    token: Option<String>,
    length: Option<usize>,
    /// Bytes of the head so far.
    size: usize,
    /// The head is complete.
    complete: bool,
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

    /// The next input, if it is complete.
    ///
    /// # Errors
    /// An [`Error`], again and again.
    pub fn read(&mut self) -> Result<Option<Input>, Error> {
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
                None => match Request::begin(&line) {
                    Some(request) => self.request = Some(request),
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
    fn line(&mut self) -> Result<Option<String>, Error> {
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
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = String::from_utf8_lossy(line).into_owned();
        self.taken = from + end + 1;
        self.scanned = self.taken;
        Ok(Some(line))
    }

    /// The rest of a request whose head is complete.
    fn body(&mut self) -> Result<Option<Input>, Error> {
        let Some(request) = &mut self.request else {
            return Ok(None);
        };
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
                let body = String::from_utf8_lossy(body).into_owned();
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

impl Request {
    fn begin(line: &str) -> Option<Request> {
        let (method, rest) = line.split_once(' ')?;
        if method != "GET" && method != "POST" {
            return None;
        }
        let mut words = rest.split_ascii_whitespace();
        let path = words.next().unwrap_or("");
        let versioned = words.next().is_some();
        let path = path.strip_prefix('/').unwrap_or(path).replace('/', " ");
        let get = method == "GET";
        Some(Request {
            path: get.then_some(path),
            size: line.len() + 1,
            complete: get && !versioned,
            ..Request::default()
        })
    }

    /// A line of the head.
    fn header(&mut self, line: &str) {
        if line.is_empty() {
            self.complete = true;
            return;
        }
        let Some((name, value)) = line.split_once(':') else {
            return;
        };
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            self.length = value.parse().ok();
        } else if name.eq_ignore_ascii_case("authorization")
            && let Some((scheme, token)) = value.split_once(' ')
            && scheme.eq_ignore_ascii_case("bearer")
        {
            self.token = Some(token.trim().to_owned());
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
        Input::Line(text.to_owned())
    }

    fn http(command: &str, token: Option<&str>) -> Input {
        Input::Http {
            command: command.to_owned(),
            token: token.map(str::to_owned),
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
                    "GET /mem/300 HTTP/1.1\r\nHost: x\r\n\r\n",
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
            ] {
                assert_eq!(all(stream.as_bytes(), step), Ok(inputs), "{stream:?}");
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

//! Frames from the server to the client.

use super::{
    Error, Large, PART, Payload, Store, announced, begin_frame,
    large::{Direction, Parts},
};

/// Kinds of responses.
mod kind {
    pub const ERROR: u8 = 0;
    pub const OK: u8 = 1;
    pub const BEGIN: u8 = 2;
    pub const PART: u8 = 3;
    pub const END: u8 = 4;
}

/// A response's frame, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response<'a> {
    /// The session of the call. A client ignores a session that it has no call of.
    pub session: u32,
    /// The rest, for the [`Reply`] of that call.
    pub body: Body<'a>,
}

/// What a response's frame has beside the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// The call failed, with this text.
    Error(&'a [u8]),
    /// The call succeeded, with this payload.
    Ok(&'a [u8]),
    /// The call succeeded, with a payload of this many bytes that comes in parts.
    Begin(u32),
    /// A part of the payload.
    Part(&'a [u8]),
    /// The last part of the payload.
    End(&'a [u8]),
}

impl<'a> Response<'a> {
    /// Takes a frame apart that is given without its two bytes of length.
    ///
    /// # Errors
    /// [`Error::Response`]. A client then closes the connection, and all calls that wait fail.
    ///
    /// ```
    /// use skynet_wire::cluster::{Body, Response};
    ///
    /// let response = Response::unpack(b"\x0a\0\0\0\0remote says no")?;
    /// assert_eq!(response, Response { session: 10, body: Body::Error(b"remote says no") });
    /// # Ok::<(), skynet_wire::cluster::Error>(())
    /// ```
    pub fn unpack(frame: &'a [u8]) -> Result<Self, Error> {
        let malformed = || Error::Response {
            size: frame.len(),
            kind: frame.get(4).copied(),
        };
        let (session, rest) = frame.split_first_chunk().ok_or_else(malformed)?;
        let (&kind, data) = rest.split_first().ok_or_else(malformed)?;
        let body = match kind {
            kind::ERROR => Body::Error(data),
            kind::OK => Body::Ok(data),
            kind::BEGIN => {
                let size = data.try_into().map_err(|_| malformed())?;
                Body::Begin(u32::from_le_bytes(size))
            }
            kind::PART => Body::Part(data),
            kind::END => Body::End(data),
            _ => return Err(malformed()),
        };
        let session = u32::from_le_bytes(*session);
        Ok(Self { session, body })
    }
}

/// Appends the first frame of a call's result to `out`, and returns the frames that come after it if it is
/// large.
///
/// # Errors
/// [`Error::TooLong`] for a payload of 4 GiB; `out` is then as it was.
///
/// ```
/// use skynet_wire::cluster::pack_ok;
///
/// let mut out = Vec::new();
/// assert_eq!(pack_ok(&mut out, 1, b"\x14ok")?.len(), 0);
/// assert_eq!(out, b"\0\x08\x01\0\0\0\x01\x14ok");
/// # Ok::<(), skynet_wire::cluster::Error>(())
/// ```
pub fn pack_ok<'a>(out: &mut Vec<u8>, session: u32, payload: &'a [u8]) -> Result<Parts<'a>, Error> {
    if payload.len() <= PART {
        put(out, session, kind::OK, payload);
        return Ok(Parts::new(Direction::Response, session, &[]));
    }
    put(
        out,
        session,
        kind::BEGIN,
        &announced(payload)?.to_le_bytes(),
    );
    Ok(Parts::new(Direction::Response, session, payload))
}

/// Appends the frame of a call's failure to `out`. A text is cut at [`PART`] bytes.
///
/// ```
/// use skynet_wire::cluster::{Refusal, pack_error};
///
/// let mut out = Vec::new();
/// pack_error(&mut out, 6, Refusal::InvalidName.to_string().as_bytes());
/// assert_eq!(out, b"\0\x11\x06\0\0\0\0Invalid name");
/// ```
pub fn pack_error(out: &mut Vec<u8>, session: u32, text: &[u8]) {
    put(out, session, kind::ERROR, &text[..text.len().min(PART)]);
}

fn put(out: &mut Vec<u8>, session: u32, kind: u8, data: &[u8]) {
    begin_frame(out, 5 + data.len());
    out.extend_from_slice(&session.to_le_bytes());
    out.push(kind);
    out.extend_from_slice(data);
}

/// The answer to one call, from its first frame to its last.
#[derive(Debug)]
pub struct Reply<S = Vec<u8>>(Large<S>);

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<'a, S: Store = Vec<u8>> {
    /// It succeeded, with this payload. Empty: there are no results.
    Ok(Payload<'a, S>),
    /// It failed, with this text.
    Error(&'a [u8]),
    /// It succeeded, but the parts of the payload are not what was announced. For a caller in Lua that is a
    /// call without results.
    Mismatch,
}

impl Default for Reply {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Store> Reply<S> {
    /// Nothing has come yet.
    pub fn new() -> Self {
        Self(Large::new())
    }

    /// Makes room for so many bytes of a large answer that has begun.
    pub fn reserve(&mut self, bytes: usize) {
        self.0.reserve(bytes);
    }

    /// Takes a frame's body. `None`: more frames have to come.
    pub fn accept<'a>(&mut self, body: Body<'a>) -> Option<Outcome<'a, S>> {
        let data = match body {
            Body::Begin(total) => {
                self.0.begin(total);
                return None;
            }
            Body::Part(part) => {
                self.0.add(part);
                return None;
            }
            Body::Error(text) => {
                self.0 = Large::new();
                return Some(Outcome::Error(text));
            }
            Body::Ok(data) | Body::End(data) => data,
        };
        // An end without a begin is as good as a whole payload, and a whole payload in place of the end is
        // as good as an end.
        if self.0.is_empty() {
            return Some(Outcome::Ok(Payload::Borrowed(data)));
        }
        self.0.add(data);
        Some(match self.0.finish() {
            Some(payload) => Outcome::Ok(Payload::Whole(payload)),
            None => Outcome::Mismatch,
        })
    }
}

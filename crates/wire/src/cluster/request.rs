//! Frames from the client to the server.

use std::borrow::Cow;

use super::{
    Address, Error, PART, announced, begin_frame,
    large::{Direction, Parts},
};

/// Types of requests: the first byte of a frame.
mod kind {
    pub const NUMBER: u8 = 0x00;
    pub const LARGE_NUMBER: u8 = 0x01;
    pub const PART: u8 = 0x02;
    pub const LAST_PART: u8 = 0x03;
    pub const TRACE: u8 = 0x04;
    pub const LARGE_NUMBER_PUSH: u8 = 0x41;
    pub const NAME: u8 = 0x80;
    pub const LARGE_NAME: u8 = 0x81;
    pub const LARGE_NAME_PUSH: u8 = 0xc1;
}

/// A request's frame, taken apart. Everything in it borrows from the frame.
///
/// This is one frame by itself; [`Requests`](super::Requests) puts the frames of large requests together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// A whole request.
    Small {
        /// Whom it is for.
        address: Address<'a>,
        /// The session of a call, 0 for a push.
        session: u32,
        /// The arguments in the pack format.
        payload: &'a [u8],
    },
    /// A large request begins.
    Large {
        /// Whom it is for.
        address: Address<'a>,
        /// What its parts are known by; for a call also the session of the answer.
        session: u32,
        /// Bytes of all parts together.
        size: u32,
        /// Whether it is a push.
        push: bool,
    },
    /// A part of a large request.
    Part {
        /// The session of the request.
        session: u32,
        /// The part's bytes.
        data: &'a [u8],
        /// Whether it is the last.
        last: bool,
    },
    /// A trace tag for the next request.
    Trace(&'a [u8]),
}

impl<'a> Request<'a> {
    /// Takes a frame apart that is given without its two bytes of length.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::Type`], [`Error::Short`], [`Error::LargeSize`] or [`Error::Part`]: the
    /// frame is malformed. A server closes the connection then: no honest peer sends such a frame, but a web page can
    /// make a browser send a request whose head is taken for one frame, and whose body is whatever the page wants.
    ///
    /// ```
    /// use skynet_wire::cluster::Request;
    ///
    /// let call = Request::unpack(b"\x00\x10\0\0\0\x01\0\0\0\x2chello\x0a\x01")?;
    /// let (address, session) = (16u32.into(), 1);
    /// assert_eq!(call, Request::Small { address, session, payload: b"\x2chello\x0a\x01" });
    ///
    /// let e = Request::unpack(b"\xfe").unwrap_err();
    /// assert_eq!(e.to_string(), "Invalid req package type -2");
    /// # Ok::<(), skynet_wire::cluster::Error>(())
    /// ```
    pub fn unpack(frame: &'a [u8]) -> Result<Self, Error> {
        let Some((&kind, body)) = frame.split_first() else {
            return Err(Error::Empty);
        };
        match kind {
            kind::NUMBER => Self::small_to_number(body),
            kind::NAME => Self::small_to_name(body),
            kind::LARGE_NUMBER | kind::LARGE_NUMBER_PUSH if body.len() != 12 => {
                return Err(Error::LargeSize(frame.len()));
            }
            kind::LARGE_NUMBER | kind::LARGE_NUMBER_PUSH => {
                Self::large_to_number(body, kind == kind::LARGE_NUMBER_PUSH)
            }
            kind::LARGE_NAME | kind::LARGE_NAME_PUSH => {
                Self::large_to_name(body, kind == kind::LARGE_NAME_PUSH)
            }
            kind::PART | kind::LAST_PART => {
                return match word(body) {
                    Some((session, data)) => Ok(Self::Part {
                        session,
                        data,
                        last: kind == kind::LAST_PART,
                    }),
                    None => Err(Error::Part),
                };
            }
            kind::TRACE => Some(Self::Trace(body)),
            kind => return Err(Error::Type(kind)),
        }
        .ok_or(Error::Short(frame.len()))
    }

    /// Looks at the `start` of a frame of `len` bytes that has not come to its end yet.
    ///
    /// # Errors
    /// As [`unpack`](Self::unpack), if it fails for the whole frame, whatever comes.
    ///
    /// ```
    /// use skynet_wire::cluster::Request;
    ///
    /// assert!(Request::check_start(b"\x00\x10", 1000).is_ok());
    /// assert!(Request::check_start(b"ST / HTTP/1.1", 0x504f).is_err());
    /// ```
    pub fn check_start(start: &[u8], len: usize) -> Result<(), Error> {
        let Some(&kind) = start.first() else {
            return Ok(());
        };
        let least = match kind {
            kind::NUMBER => 9,
            kind::NAME => 6,
            kind::LARGE_NUMBER | kind::LARGE_NUMBER_PUSH if len != 13 => {
                return Err(Error::LargeSize(len));
            }
            kind::LARGE_NUMBER | kind::LARGE_NUMBER_PUSH => 13,
            kind::LARGE_NAME | kind::LARGE_NAME_PUSH => 10,
            kind::PART | kind::LAST_PART if len < 5 => return Err(Error::Part),
            kind::PART | kind::LAST_PART => 5,
            kind::TRACE => 1,
            kind => return Err(Error::Type(kind)),
        };
        // The length of a name comes second.
        let name = match (kind, start.get(1)) {
            (kind::NAME | kind::LARGE_NAME | kind::LARGE_NAME_PUSH, Some(&name)) => name.into(),
            _ => 0,
        };
        match len < least + name {
            true => Err(Error::Short(len)),
            false => Ok(()),
        }
    }

    fn small_to_number(body: &'a [u8]) -> Option<Self> {
        let (address, rest) = word(body)?;
        let (session, payload) = word(rest)?;
        let address = Address::Number(address);
        Some(Self::Small {
            address,
            session,
            payload,
        })
    }

    fn small_to_name(body: &'a [u8]) -> Option<Self> {
        let (address, rest) = name(body)?;
        let (session, payload) = word(rest)?;
        Some(Self::Small {
            address,
            session,
            payload,
        })
    }

    fn large_to_number(body: &'a [u8], push: bool) -> Option<Self> {
        let (address, rest) = word(body)?;
        let (session, rest) = word(rest)?;
        let (size, _) = word(rest)?;
        let address = Address::Number(address);
        Some(Self::Large {
            address,
            session,
            size,
            push,
        })
    }

    /// Bytes after the size are ignored.
    fn large_to_name(body: &'a [u8], push: bool) -> Option<Self> {
        let (address, rest) = name(body)?;
        let (session, rest) = word(rest)?;
        let (size, _) = word(rest)?;
        Some(Self::Large {
            address,
            session,
            size,
            push,
        })
    }
}

/// A little-endian number, and what is after it.
fn word(body: &[u8]) -> Option<(u32, &[u8])> {
    let (word, rest) = body.split_first_chunk()?;
    Some((u32::from_le_bytes(*word), rest))
}

/// A name with its length in front, and what is after it.
fn name(body: &[u8]) -> Option<(Address<'_>, &[u8])> {
    let (&len, rest) = body.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(len))?;
    Some((name.into(), rest))
}

/// Appends the first frame of a call to `out`, and returns the frames that come after it if it is large.
///
/// A Lua integer becomes a `session` by its low 32 bits. [`Sessions`] has the sessions in order.
///
/// # Errors
/// [`Error::Session`] unless `session` is positive, [`Error::NameLength`], or [`Error::TooLong`] for a payload
/// of 4 GiB. `out` is then as it was.
///
/// ```
/// use skynet_wire::cluster::pack_call;
///
/// let payload = [b'x'; 40_000];
/// let mut out = Vec::new();
/// let parts = pack_call(&mut out, &"@sdb".into(), 5, &payload)?;
/// assert_eq!(out, b"\0\x0e\x81\x04@sdb\x05\0\0\0\x40\x9c\0\0");
/// assert_eq!(parts.len(), 2);
/// for part in parts {
///     part.write(&mut out);
/// }
/// # Ok::<(), skynet_wire::cluster::Error>(())
/// ```
pub fn pack_call<'a>(
    out: &mut Vec<u8>,
    to: &Address<'_>,
    session: i32,
    payload: &'a [u8],
) -> Result<Parts<'a>, Error> {
    pack(out, to, session, payload, false)
}

/// Appends the first frame of a push to `out`, and returns the frames that come after it if it is large.
///
/// A small push has no use for `session`, which must be good nevertheless.
///
/// # Errors
/// As [`pack_call`].
pub fn pack_push<'a>(
    out: &mut Vec<u8>,
    to: &Address<'_>,
    session: i32,
    payload: &'a [u8],
) -> Result<Parts<'a>, Error> {
    pack(out, to, session, payload, true)
}

fn pack<'a>(
    out: &mut Vec<u8>,
    to: &Address<'_>,
    session: i32,
    payload: &'a [u8],
    push: bool,
) -> Result<Parts<'a>, Error> {
    if session <= 0 {
        return Err(Error::Session(session));
    }
    to.check()?;
    let session = session as u32;
    if payload.len() < PART {
        put_head(out, to, [kind::NUMBER, kind::NAME], 4 + payload.len());
        let session = if push { 0 } else { session };
        out.extend_from_slice(&session.to_le_bytes());
        out.extend_from_slice(payload);
        return Ok(Parts::new(Direction::Request, session, &[]));
    }
    let size = announced(payload)?;
    let kinds = if push {
        [kind::LARGE_NUMBER_PUSH, kind::LARGE_NAME_PUSH]
    } else {
        [kind::LARGE_NUMBER, kind::LARGE_NAME]
    };
    put_head(out, to, kinds, 8);
    out.extend_from_slice(&session.to_le_bytes());
    out.extend_from_slice(&size.to_le_bytes());
    Ok(Parts::new(Direction::Request, session, payload))
}

/// Begins a frame that has `rest` bytes after the address. `kinds`: its type for a number, and for a name.
fn put_head(out: &mut Vec<u8>, to: &Address<'_>, kinds: [u8; 2], rest: usize) {
    match to {
        Address::Number(number) => {
            begin_frame(out, 5 + rest);
            out.push(kinds[0]);
            out.extend_from_slice(&number.to_le_bytes());
        }
        Address::Name(name) => {
            begin_frame(out, 2 + name.len() + rest);
            out.push(kinds[1]);
            out.push(name.len() as u8);
            out.extend_from_slice(name);
        }
    }
}

/// Appends the frame of a trace tag to `out`. It goes right before the request that it is for.
///
/// # Errors
/// [`Error::TraceTag`] above [`PART`] bytes.
pub fn pack_trace(out: &mut Vec<u8>, tag: &[u8]) -> Result<(), Error> {
    if tag.len() > PART {
        return Err(Error::TraceTag(tag.len()));
    }
    begin_frame(out, 1 + tag.len());
    out.push(kind::TRACE);
    out.extend_from_slice(tag);
    Ok(())
}

/// The trace tag to send with a request, made from the tag of the service that makes it.
///
/// The first node that a trace leaves puts its own id in front, the name of the node that it goes to, and the
/// session after that of the request; a tag that has crossed nodes already stays as it is.
///
/// ```
/// use skynet_wire::cluster::relayed_tag;
///
/// assert_eq!(*relayed_tag(b":01-1", "host7", "db", 4), *b"(host7-db-5):01-1");
/// assert_eq!(*relayed_tag(b"(a-b-5):01-1", "host7", "db", 4), *b"(a-b-5):01-1");
/// ```
pub fn relayed_tag<'a>(tag: &'a [u8], own_id: &str, node: &str, session: i32) -> Cow<'a, [u8]> {
    if tag.first() == Some(&b'(') {
        return Cow::Borrowed(tag);
    }
    let mut relayed = format!("({own_id}-{node}-{})", next_session(session)).into_bytes();
    relayed.extend_from_slice(tag);
    Cow::Owned(relayed)
}

/// The session after `session`. After the largest positive one comes 1.
pub const fn next_session(session: i32) -> i32 {
    if session == i32::MAX { 1 } else { session + 1 }
}

/// The sessions of one client, in order from 1.
///
/// They go on over connections. A call takes one, and so does a large push, whose parts need it.
#[derive(Clone, Debug)]
pub struct Sessions {
    next: i32,
}

impl Default for Sessions {
    fn default() -> Self {
        Self { next: 1 }
    }
}

impl Sessions {
    /// Passes over the numbers that are `taken`. There has to be one that is not.
    pub fn skip(&mut self, taken: impl Fn(u32) -> bool) {
        while taken(self.next as u32) {
            self.next = next_session(self.next);
        }
    }

    /// The session that comes next.
    pub fn peek(&self) -> i32 {
        self.next
    }

    /// Sets the session that comes next. A number that is not positive becomes 1.
    pub fn set(&mut self, next: i32) {
        self.next = next.max(1);
    }

    /// [`pack_call`] with the next session, which it returns as the answer will have it.
    ///
    /// # Errors
    /// As [`pack_call`]; no session is taken then.
    pub fn call<'a>(
        &mut self,
        out: &mut Vec<u8>,
        to: &Address<'_>,
        payload: &'a [u8],
    ) -> Result<(u32, Parts<'a>), Error> {
        let session = self.next;
        let parts = pack_call(out, to, session, payload)?;
        self.next = next_session(session);
        Ok((session as u32, parts))
    }

    /// [`pack_push`], with the next session if the payload is large.
    ///
    /// # Errors
    /// As [`pack_push`]; no session is taken then.
    pub fn push<'a>(
        &mut self,
        out: &mut Vec<u8>,
        to: &Address<'_>,
        payload: &'a [u8],
    ) -> Result<Parts<'a>, Error> {
        let parts = pack_push(out, to, self.next, payload)?;
        if parts.len() > 0 {
            self.next = next_session(self.next);
        }
        Ok(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_taken_are_passed_over() {
        let mut sessions = Sessions::default();
        sessions.set(i32::MAX);
        sessions.skip(|number| [i32::MAX as u32, 1, 2].contains(&number));
        assert_eq!(sessions.peek(), 3);
        sessions.skip(|_| false);
        assert_eq!(sessions.peek(), 3);
    }
}

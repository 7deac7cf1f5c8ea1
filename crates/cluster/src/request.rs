//! How a request gets to a sender: address and arguments in one message of kind [`REQUEST`].
//!
//! The message's session is that of the caller's call, 0 for a push; its answer is a response with the results as they
//! were packed by the remote service, or an error. The payload is a head, made by [`begin`], and then the arguments.
//!
//! | bytes | |
//! |---|---|
//! | 0 | [`PUSH`], [`DETAIL`] or [`INVALID`] |
//! | 1 | 0 for a number, else the length of the name |
//! | 2 … | the number (4 bytes, little-endian), or the name |

use skynet_wire::cluster::{Address, Error};

/// The kind of the messages. Nobody but senders gets them, so that applications may use the number otherwise.
pub const REQUEST: u8 = 0xc1;
/// To a sender: the call of this session of the source is not waited for any more. It gets an empty answer if it has
/// none yet, so that the session can be used again.
pub const FORGET: u8 = 0xc2;

/// A one-way request: there is no answer.
pub const PUSH: u8 = 1;
/// The answer is always a response: `true` and the results, or `false`, a text and a [`Reason`]'s name.
pub const DETAIL: u8 = 2;
/// There is no such address; the rest is a text that says so.
pub const INVALID: u8 = 4;

/// Why a call has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The remote node says so.
    Remote,
    /// There is no connection, and none could be made.
    Connect,
    /// The connection ended before the answer came.
    Lost,
    /// The node's address is `false`.
    Down,
    /// The request cannot be sent: a bad address, or too many bytes.
    Invalid,
    /// Too much waits to be sent to the node.
    Full,
}

impl Reason {
    /// The name that Lua sees.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Remote => "remote",
            Reason::Connect => "connect",
            Reason::Lost => "lost",
            Reason::Down => "down",
            Reason::Invalid => "invalid",
            Reason::Full => "full",
        }
    }
}

/// Appends the head of a request to `out`. What cannot be an address makes a request that fails with a reason.
pub fn begin(out: &mut Vec<u8>, flags: u8, to: Result<&Address<'_>, &Error>) {
    match to {
        Ok(Address::Number(number)) => {
            out.extend_from_slice(&[flags, 0]);
            out.extend_from_slice(&number.to_le_bytes());
        }
        Ok(Address::Name(name)) if (1..=255).contains(&name.len()) => {
            out.extend_from_slice(&[flags, name.len() as u8]);
            out.extend_from_slice(name);
        }
        Ok(Address::Name(name)) => {
            begin(out, flags, Err(&Error::NameLength(name.to_vec())));
        }
        Err(error) => {
            out.push(flags | INVALID);
            out.extend_from_slice(error.to_string().as_bytes());
        }
    }
}

/// A request as the sender reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request<'a> {
    Good {
        flags: u8,
        to: Address<'a>,
        arguments: &'a [u8],
    },
    /// With the text that tells what is wrong.
    Invalid { flags: u8, text: &'a [u8] },
}

/// Takes a request apart. `None` if it was not made by [`begin`].
pub(crate) fn parse(payload: &[u8]) -> Option<Request<'_>> {
    let (&flags, rest) = payload.split_first()?;
    if flags & INVALID != 0 {
        return Some(Request::Invalid { flags, text: rest });
    }
    let (&len, rest) = rest.split_first()?;
    let (to, arguments) = if len == 0 {
        let (number, rest) = rest.split_first_chunk()?;
        (Address::Number(u32::from_le_bytes(*number)), rest)
    } else {
        let (name, rest) = rest.split_at_checked(usize::from(len))?;
        (Address::from(name), rest)
    };
    Some(Request::Good {
        flags,
        to,
        arguments,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_read() {
        for to in [
            Address::Number(0),
            Address::Number(u32::MAX),
            "@db".into(),
            Address::from(&[b'x'; 255][..]),
        ] {
            let mut made = Vec::new();
            begin(&mut made, DETAIL, Ok(&to));
            made.extend_from_slice(b"args");
            let read = Request::Good {
                flags: DETAIL,
                to,
                arguments: b"args",
            };
            assert_eq!(parse(&made), Some(read));
        }
        for bad in [Address::from(&b""[..]), Address::from(&[b'x'; 256][..])] {
            let mut made = Vec::new();
            begin(&mut made, PUSH, Ok(&bad));
            assert!(
                matches!(parse(&made), Some(Request::Invalid { flags, text })
                if flags == PUSH | INVALID && text.starts_with(b"name length is invalid"))
            );
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [&b""[..], b"\0", b"\0\0", b"\0\0abc", b"\0\x04abc"] {
            assert_eq!(parse(bad), None);
        }
    }
}

//! Requests and responses between nodes.
//!
//! A connection carries requests from the node that opened it and the responses to them. The first byte on it
//! is that of a frame: there is no greeting, unless the nodes prove a secret to each other first ([`handshake`]). Frames have two bytes of length in front
//! ([`netpack::Framing::SHORT`](crate::netpack::Framing::SHORT)); the tables tell what is inside a frame.
//! Numbers there are little-endian. Nodes of skynet (C) speak the same.
//!
//! Requests begin with a byte that tells their type:
//!
//! | type | | then |
//! |---|---|---|
//! | 0x00 | call or push to a number | address u32, session u32, payload |
//! | 0x01, 0x41 | large call, large push to a number | address u32, session u32, size u32 |
//! | 0x80 | call or push to a name | length of the name u8, name, session u32, payload |
//! | 0x81, 0xc1 | large call, large push to a name | length of the name u8, name, session u32, size u32 |
//! | 0x02, 0x03 | part of a large request, the last part | session u32, data |
//! | 0x04 | trace tag for the next request | tag |
//!
//! Session 0 in 0x00 and 0x80 makes a push, which is not answered. A payload is large from [`PART`] bytes on.
//!
//! Responses begin with the session of their call, a u32, and a byte that tells their kind:
//!
//! | kind | | then |
//! |---|---|---|
//! | 0 | error | text |
//! | 1 | ok | payload |
//! | 2 | a large payload begins | size u32 |
//! | 3, 4 | part of a large payload, the last part | data |
//!
//! A response is large *above* [`PART`] bytes.
//!
//! A client packs with [`Sessions`] and reads with [`Response::unpack`], with a [`Reply`] for each call that
//! waits. A server gives each frame to its connection's [`Requests`] and answers with [`pack_ok`] and
//! [`pack_error`]. [`Request::unpack`], [`pack_call`] and [`pack_push`] are the layer below.
//!
//! Frames of a large message should be written with less priority than others, which may then overtake them;
//! readers put large messages together by session, whatever comes between the parts.
//!
//! ```
//! use skynet_wire::{cluster::{Event, Outcome, Reply, Requests, Response, Sessions, pack_ok}, seri};
//!
//! // The client calls "@sdb" with the arguments "GET" and "a".
//! let mut sessions = Sessions::default();
//! let args = seri::pack(&["GET".into(), "a".into()])?;
//! let mut frame = Vec::new();
//! let (session, parts) = sessions.call(&mut frame, &"@sdb".into(), &args)?;
//! assert_eq!(frame, b"\0\x10\x80\x04@sdb\x01\0\0\0\x1cGET\x0ca");
//! assert_eq!(parts.len(), 0); // Not large: the frame is all of it.
//!
//! // The server gets the frame, without the length in front, and answers.
//! let Some(Event::Request(request)) = Requests::default().accept(&frame[2..])? else { panic!() };
//! assert_eq!(request.address, "@sdb".into());
//! let mut answer = Vec::new();
//! pack_ok(&mut answer, request.session, &seri::pack(&["value".into()])?)?;
//!
//! // The client finds the call by the session.
//! let response = Response::unpack(&answer[2..])?;
//! assert_eq!(response.session, session);
//! let Some(Outcome::Ok(payload)) = Reply::default().accept(response.body) else { panic!() };
//! assert_eq!(seri::unpack(&payload)?, ["value".into()]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod error;
pub mod handshake;
mod large;
mod query;
mod request;
mod requests;
mod response;

pub use address::Address;
pub use error::{Error, Refusal};
pub use large::{Coming, Large, Lent, Part, Parts, Payload, Store};
pub use query::{query_name, query_payload};
pub use request::{Request, Sessions, next_session, pack_call, pack_push, pack_trace, relayed_tag};
pub use requests::{Complete, Event, Requests};
pub use response::{Body, Outcome, Reply, Response, pack_error, pack_ok};

/// Bytes of data in each part of a large message but the last.
pub const PART: usize = 0x8000;

/// Memory that a large message may get before its parts come, at most, when its peer has sent one as large before.
pub const TRUSTED: usize = 2 << 20;

/// Reserves the two bytes of length in front of a frame of `len` bytes, and writes them.
fn begin_frame(out: &mut Vec<u8>, len: usize) {
    let length = u16::try_from(len).expect("no frame made here is as long as 64 KiB");
    out.reserve(2 + len);
    out.extend_from_slice(&length.to_be_bytes());
}

/// A payload's size as it is announced.
fn announced(payload: &[u8]) -> Result<u32, Error> {
    u32::try_from(payload.len()).map_err(|_| Error::TooLong(payload.len()))
}

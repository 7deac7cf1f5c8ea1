//! What must hold for any frames that a server of the cluster sends.

use std::collections::HashMap;

use skynet_wire::cluster::{Body, Error, Outcome, PART, Reply, Response, pack_error, pack_ok};

/// `stream` is a sequence of frames with a single byte of length in front, so that few mutations spoil all that
/// follows. The last takes what is left.
///
/// # Panics
/// If something does not hold.
pub fn check(mut stream: &[u8]) {
    round_trip(stream);
    let mut replies: HashMap<u32, (Reply, Vec<Item>)> = HashMap::new();
    while let Some(frame) = next_frame(&mut stream) {
        let Response { session, body } = match Response::unpack(frame) {
            Ok(response) => response,
            Err(Error::Response { size, kind }) => {
                assert_eq!((size, kind), (frame.len(), frame.get(4).copied()));
                assert!(size < 5 || kind > Some(4) || kind == Some(2) && size != 9);
                continue;
            }
            Err(e) => panic!("{e:?}"),
        };
        repack(session, body, frame);

        let (reply, items) = replies.entry(session).or_default();
        let outcome = reply.accept(body);
        match body {
            Body::Begin(size) => items.push(Item::Size(size)),
            Body::Part(part) => items.push(Item::Data(part.to_vec())),
            Body::Error(text) => {
                assert_eq!(outcome, Some(Outcome::Error(text)));
                replies.remove(&session);
                continue;
            }
            Body::Ok(data) | Body::End(data) => {
                assert_eq!(outcome, Some(complete(items, data)));
                replies.remove(&session);
                continue;
            }
        }
        assert_eq!(outcome, None);
    }
}

enum Item {
    Size(u32),
    Data(Vec<u8>),
}

/// The rules in the plainest form: the size comes first, then parts that add up to it.
fn complete<'a>(items: &[Item], last: &'a [u8]) -> Outcome<'a> {
    let Some((first, parts)) = items.split_first() else {
        return Outcome::Ok(last.into());
    };
    let Item::Size(size) = first else {
        return Outcome::Mismatch;
    };
    let mut payload = Vec::new();
    for part in parts {
        match part {
            Item::Data(data) => payload.extend_from_slice(data),
            Item::Size(_) => return Outcome::Mismatch,
        }
    }
    payload.extend_from_slice(last);
    if payload.len() == *size as usize {
        Outcome::Ok(payload.into())
    } else {
        Outcome::Mismatch
    }
}

/// What was read can be written, and gives the same bytes.
fn repack(session: u32, body: Body<'_>, frame: &[u8]) {
    let mut again = Vec::new();
    match body {
        Body::Ok(payload) if payload.len() <= PART => {
            let parts = pack_ok(&mut again, session, payload).expect("it is small");
            assert_eq!(parts.len(), 0);
        }
        Body::Error(text) if text.len() <= PART => pack_error(&mut again, session, text),
        _ => return,
    }
    assert_eq!(&again[2..], frame);
}

/// Any payload arrives as it was. The first two bytes tell how long it is made.
fn round_trip(seed: &[u8]) {
    let [a, b, ..] = *seed else { return };
    // Large payloads take time, so they are rare.
    let scale = if a == 0x10 { 512 } else { 1 };
    let payload: Vec<u8> = seed
        .iter()
        .copied()
        .cycle()
        .take(usize::from(b) * scale)
        .collect();
    let session = u32::from(a) << 24 | u32::from(b);

    let mut frame = Vec::new();
    let parts = pack_ok(&mut frame, session, &payload).expect("it is below 4 GiB");
    assert_eq!(parts.len() > 0, payload.len() > PART);
    let mut left = parts.len();
    let mut reply = Reply::default();
    let mut outcome = reply.accept(body_of(&frame, session));
    for part in parts {
        assert_eq!(outcome, None);
        let mut frame = Vec::new();
        part.write(&mut frame);
        outcome = match reply.accept(body_of(&frame, session)) {
            Some(Outcome::Ok(payload)) => Some(Outcome::Ok(payload.to_vec().into())),
            None => None,
            outcome => panic!("{outcome:?}"),
        };
        left -= 1;
    }
    assert_eq!(left, 0);
    assert_eq!(outcome, Some(Outcome::Ok(payload.into())));
}

/// The body of a frame whose length in front is right.
fn body_of(frame: &[u8], session: u32) -> Body<'_> {
    assert_eq!(frame[..2], (frame.len() as u16 - 2).to_be_bytes());
    let response = Response::unpack(&frame[2..]).expect("it was made here");
    assert_eq!(response.session, session);
    response.body
}

fn next_frame<'a>(stream: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (&len, rest) = stream.split_first()?;
    let (frame, rest) = rest.split_at(rest.len().min(usize::from(len)));
    *stream = rest;
    Some(frame)
}

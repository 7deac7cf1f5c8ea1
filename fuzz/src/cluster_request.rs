//! What must hold for any frames that a client of the cluster sends.

use std::collections::HashMap;

use skynet_wire::cluster::{
    Address, Complete, Error, Event, Refusal, Request, Requests, pack_call, pack_push, pack_trace,
};

/// What an incomplete request counts at least, and at most beside its name, its tag and its data.
const ENTRY: usize = 320;

/// `stream` is a sequence of frames with a single byte of length in front, so that few mutations spoil all that
/// follows. The last takes what is left.
///
/// # Panics
/// If something does not hold.
pub fn check(mut stream: &[u8]) {
    let mut all = Requests::default();
    let mut model = Model::default();
    let mut limited = [300, 3000].map(|limit| (limit, Requests::with_limit(limit), true));
    while let Some(frame) = next_frame(&mut stream) {
        let request = Request::unpack(frame);
        if let Ok(request) = &request {
            repack(request, frame);
        }
        let tag = model.trace.as_ref().map_or(0, Vec::len);
        let before = all.buffered();
        let event = all.accept(frame);
        assert_eq!(event, model.accept(&request));

        for (limit, requests, same) in &mut limited {
            // As long as the limit is not in the way, it makes no difference.
            *same &= before + ENTRY + tag + frame.len() <= *limit;
            *same &= !matches!(request, Ok(Request::Large { size, .. }) if size as usize > *limit);
            let with_limit = requests.accept(frame);
            assert_eq!(with_limit.as_ref().err(), request.as_ref().err());
            if *same {
                assert_eq!(with_limit, event);
            }
            assert!(requests.buffered() <= *limit);
            assert!(requests.incomplete() * ENTRY <= requests.buffered());
        }
    }
    assert_eq!(all.incomplete(), model.pending.len());
}

/// What was read can be written, and gives the same bytes, unless this side would write it in another way.
fn repack(request: &Request<'_>, frame: &[u8]) {
    let mut again = Vec::new();
    match request {
        Request::Small {
            address,
            session,
            payload,
        } => {
            let packed = if *session == 0 {
                pack_push(&mut again, address, 1, payload)
            } else {
                pack_call(&mut again, address, *session as i32, payload)
            };
            match packed {
                Ok(parts) if parts.len() > 0 => return,
                Ok(_) => {}
                Err(Error::NameLength(name)) => return assert!(name.is_empty()),
                Err(Error::Session(_)) => return assert!(*session > i32::MAX as u32),
                Err(e) => panic!("{e:?}"),
            }
        }
        Request::Trace(tag) => match pack_trace(&mut again, tag) {
            Ok(()) => {}
            Err(e) => return assert_eq!(e, Error::TraceTag(tag.len())),
        },
        Request::Large { .. } | Request::Part { .. } => return,
    }
    assert_eq!(&again[2..], frame);
}

/// The rules in the plainest form: keep everything, look at it when the last part is there.
#[derive(Default)]
struct Model {
    pending: HashMap<u32, Vec<Item>>,
    trace: Option<Vec<u8>>,
}

enum Item {
    Head(Address<'static>, u32, bool, Option<Vec<u8>>),
    Data(Vec<u8>),
}

impl Model {
    fn accept(
        &mut self,
        request: &Result<Request<'_>, Error>,
    ) -> Result<Option<Event<'static>>, Error> {
        match request.clone()? {
            Request::Trace(tag) => self.trace = Some(tag.to_vec()),
            Request::Large {
                address,
                session,
                size,
                push,
            } => {
                let items = self.pending.entry(session).or_default();
                // What is already wrong does not use up the tag.
                let trace = if items.is_empty() {
                    self.trace.take()
                } else {
                    None
                };
                items.push(Item::Head(address.into_owned(), size, push, trace));
            }
            Request::Part {
                session,
                data,
                last: false,
            } => {
                let items = self.pending.entry(session).or_default();
                items.push(Item::Data(data.to_vec()));
            }
            Request::Part {
                session,
                data,
                last: true,
            } => {
                return Ok(Some(match self.pending.remove(&session) {
                    Some(items) => complete(items, session, data),
                    None => refused(session, Refusal::InvalidName),
                }));
            }
            Request::Small {
                address,
                session,
                payload,
            } => {
                if let Some(items) = self.pending.remove(&session) {
                    return Ok(Some(complete(items, session, payload)));
                }
                let push = session == 0;
                let trace = if push { None } else { self.trace.take() };
                return Ok(Some(Event::Request(Complete {
                    address: address.into_owned(),
                    session,
                    push,
                    payload: payload.to_vec().into(),
                    trace: trace.map(Vec::into_boxed_slice),
                })));
            }
        }
        Ok(None)
    }
}

fn complete(items: Vec<Item>, session: u32, last: &[u8]) -> Event<'static> {
    let mut items = items.into_iter();
    let Some(Item::Head(address, size, push, trace)) = items.next() else {
        return refused(session, Refusal::InvalidLarge);
    };
    let mut payload = Vec::new();
    for item in items {
        match item {
            Item::Data(data) => payload.extend(data),
            Item::Head(..) => return refused(session, Refusal::InvalidLarge),
        }
    }
    payload.extend_from_slice(last);
    if payload.len() != size as usize {
        return refused(session, Refusal::InvalidLarge);
    }
    Event::Request(Complete {
        address,
        session,
        push,
        payload: payload.into(),
        trace: trace.map(Vec::into_boxed_slice),
    })
}

fn refused(session: u32, why: Refusal) -> Event<'static> {
    Event::Refused { session, why }
}

fn next_frame<'a>(stream: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (&len, rest) = stream.split_first()?;
    let (frame, rest) = rest.split_at(rest.len().min(usize::from(len)));
    *stream = rest;
    Some(frame)
}

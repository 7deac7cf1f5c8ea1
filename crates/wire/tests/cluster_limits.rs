//! Incomplete requests, malformed frames and their limits, beyond what is recorded.

use skynet_wire::cluster::{
    Address, Body, Complete, Error, Event, Outcome, PART, Refusal, Reply, Request, Requests,
    Response, Sessions, Store, next_session, pack_call, pack_ok, pack_push, query_name,
};

/// Gives `requests` a large request of parts of the sizes given, the last of which ends it.
fn large(
    requests: &mut Requests,
    session: u8,
    size: u32,
    parts: &[usize],
) -> Option<Event<'static>> {
    let mut begin = vec![0x01, 0x10, 0, 0, 0, session, 0, 0, 0];
    begin.extend(size.to_le_bytes());
    let mut event = own(requests.accept(&begin).unwrap());
    for (i, len) in parts.iter().enumerate() {
        let last = i + 1 == parts.len();
        let mut part = vec![2 + u8::from(last), session, 0, 0, 0];
        part.resize(5 + len, b'x');
        let next = own(requests.accept(&part).unwrap());
        event = event.or(next);
    }
    event
}

fn own(event: Option<Event<'_>>) -> Option<Event<'static>> {
    event.map(|event| match event {
        Event::Request(request) => Event::Request(Complete {
            address: request.address.into_owned(),
            payload: request.payload.to_vec().into(),
            ..request
        }),
        Event::Refused { session, why } => Event::Refused { session, why },
        event => panic!("{event:?}"),
    })
}

fn complete(session: u32, payload: &[u8]) -> Event<'static> {
    Event::Request(Complete {
        address: Address::Number(0x10),
        session,
        push: false,
        payload: payload.to_vec().into(),
        trace: None,
    })
}

fn refused(session: u32, why: Refusal) -> Event<'static> {
    Event::Refused { session, why }
}

#[test]
fn what_cannot_become_right_takes_no_memory() {
    let mut requests = Requests::default();
    assert_eq!(large(&mut requests, 1, 100, &[]), None);
    let entry = requests.buffered();
    // More than announced.
    requests
        .accept(&[&b"\x02\x01\0\0\0"[..], &[0; 101]].concat())
        .unwrap();
    assert_eq!(requests.buffered(), entry);
    // Never announced.
    requests
        .accept(&[&b"\x02\x02\0\0\0"[..], &[0; 1000]].concat())
        .unwrap();
    assert_eq!(requests.buffered(), 2 * entry);
    // Announced twice.
    assert_eq!(large(&mut requests, 3, 100, &[]), None);
    requests
        .accept(&[&b"\x02\x03\0\0\0"[..], &[0; 90]].concat())
        .unwrap();
    assert_eq!(requests.buffered(), 3 * entry + 90);
    assert_eq!(large(&mut requests, 3, 100, &[]), None);
    assert_eq!(requests.buffered(), 3 * entry);
    for session in 1..=3 {
        let event = own(requests.accept(&[3, session, 0, 0, 0]).unwrap());
        let session = session.into();
        assert_eq!(event, Some(refused(session, Refusal::InvalidLarge)));
    }
    assert_eq!((requests.buffered(), requests.incomplete()), (0, 0));
}

#[test]
fn a_request_above_the_limit_is_refused_when_it_ends_and_the_next_is_served() {
    let mut requests = Requests::with_limit(1000);
    assert!(!requests.exceeded());
    assert_eq!(large(&mut requests, 1, 1001, &[]), None);
    assert!(requests.exceeded());
    let mut requests = Requests::with_limit(1000);
    let event = large(&mut requests, 1, 1001, &[500, 501]);
    assert!(requests.exceeded());
    assert_eq!(event, Some(refused(1, Refusal::Limit(1000))));
    // Its size alone would fit, but not with what is there.
    assert_eq!(large(&mut requests, 2, 700, &[]), None);
    requests
        .accept(&[&b"\x02\x02\0\0\0"[..], &[b'x'; 600]].concat())
        .unwrap();
    let event = large(&mut requests, 3, 400, &[399, 1]);
    assert_eq!(event, Some(refused(3, Refusal::Limit(1000))));
    let last = [&b"\x03\x02\0\0\0"[..], &[b'x'; 100]].concat();
    let event = requests.accept(&last);
    assert_eq!(event.unwrap(), Some(complete(2, &[b'x'; 700])));
    assert_eq!((requests.buffered(), requests.incomplete()), (0, 0));
    let text = Refusal::Limit(1000).to_string();
    assert_eq!(text, "large request exceeds the limit of 1000 bytes");
}

#[test]
fn beginnings_alone_reach_the_limit() {
    let mut requests = Requests::with_limit(1000);
    let events: Vec<_> = (1..100)
        .filter_map(|i| large(&mut requests, i, 1, &[]))
        .collect();
    assert!(requests.incomplete() < 10);
    assert_eq!(events.len() + requests.incomplete(), 99);
    assert_eq!(events.last(), Some(&refused(99, Refusal::Limit(1000))));
    // Parts without a beginning count, too, and are forgotten without room.
    let before = requests.buffered();
    for session in 100..200 {
        assert_eq!(requests.accept(&[2, session, 0, 0, 0]), Ok(None));
    }
    assert_eq!(requests.buffered(), before);
    // Small requests are not concerned.
    let event = requests.accept(b"\x00\x10\0\0\0\xf0\0\0\0abc").unwrap();
    assert_eq!(event, Some(complete(0xf0, b"abc")));
}

#[test]
fn without_a_limit_any_size_is_put_together() {
    let mut requests = Requests::default();
    let event = large(&mut requests, 1, 300_000, &[PART, 0, 1, 300_000 - PART - 1]);
    assert_eq!(event, Some(complete(1, &vec![b'x'; 300_000])));
}

#[test]
fn a_trace_tag_goes_with_the_next_call_or_the_next_beginning() {
    let mut requests = Requests::default();
    let mut trace = |frame: &[u8]| match requests.accept(frame).unwrap() {
        Some(Event::Request(request)) => request.trace,
        event => {
            assert_eq!(event, None);
            None
        }
    };
    let tag = |tag: &[u8]| Some(tag.into());
    assert_eq!(trace(b"\x04one"), None);
    // A push leaves it.
    assert_eq!(trace(b"\x00\x10\0\0\0\0\0\0\0x"), None);
    assert_eq!(trace(b"\x00\x10\0\0\0\x01\0\0\0x"), tag(b"one"));
    assert_eq!(trace(b"\x00\x10\0\0\0\x02\0\0\0x"), None);
    assert_eq!(trace(b"\x04two"), None);
    assert_eq!(trace(b"\x01\x10\0\0\0\x03\0\0\0\x01\0\0\0"), None);
    assert_eq!(trace(b"\x04three"), None);
    assert_eq!(trace(b"\x00\x10\0\0\0\x04\0\0\0x"), tag(b"three"));
    assert_eq!(trace(b"\x03\x03\0\0\0x"), tag(b"two"));
}

#[test]
fn malformed_responses() {
    for (frame, text) in [
        (&b""[..], "Invalid cluster response (size=0, kind=None)"),
        (
            b"\x01\0\0\0",
            "Invalid cluster response (size=4, kind=None)",
        ),
        (
            b"\x01\0\0\0\x05",
            "Invalid cluster response (size=5, kind=Some(5))",
        ),
        (
            b"\x01\0\0\0\x02\0\0\0",
            "Invalid cluster response (size=8, kind=Some(2))",
        ),
    ] {
        assert_eq!(Response::unpack(frame).unwrap_err().to_string(), text);
    }
}

#[test]
fn responses_in_odd_orders_end_as_in_skynet_c() {
    let run = |bodies: &[Body<'static>]| {
        let mut reply = Reply::default();
        let outcomes = bodies.iter().map(|body| reply.accept(*body));
        let mut outcomes: Vec<_> = outcomes.collect();
        let last = outcomes.pop().unwrap();
        assert!(outcomes.iter().all(Option::is_none));
        last.unwrap()
    };
    let ok = |payload: &'static [u8]| Outcome::Ok(payload.into());
    use Body::{Begin, End, Error, Ok, Part};
    assert_eq!(run(&[End(b"x")]), ok(b"x"));
    assert_eq!(run(&[Begin(2), Part(b"x"), Ok(b"y")]), ok(b"xy"));
    assert_eq!(run(&[Begin(1), End(b"x")]), ok(b"x"));
    assert_eq!(run(&[Part(b"x"), End(b"y")]), Outcome::Mismatch);
    assert_eq!(run(&[Begin(3), Part(b"x"), End(b"y")]), Outcome::Mismatch);
    assert_eq!(run(&[Begin(1), Part(b"x"), End(b"y")]), Outcome::Mismatch);
    assert_eq!(run(&[Begin(1), Begin(1), End(b"y")]), Outcome::Mismatch);
    assert_eq!(
        run(&[Begin(2), Part(b"x"), Error(b"no")]),
        Outcome::Error(b"no")
    );
    assert_eq!(run(&[Ok(b"")]), ok(b""));
}

#[test]
fn sessions_wrap_and_only_large_pushes_take_one() {
    let mut sessions = Sessions::default();
    let (to, out) = (Address::Number(16), &mut Vec::new());
    assert_eq!(sessions.peek(), 1);
    assert_eq!(sessions.push(out, &to, b"x").unwrap().len(), 0);
    assert_eq!(sessions.call(out, &to, b"x").unwrap().0, 1);
    assert_eq!(sessions.push(out, &to, &[0; PART]).unwrap().len(), 1);
    assert_eq!(sessions.peek(), 3);
    // What cannot be sent takes none.
    assert!(sessions.call(out, &"".into(), b"x").is_err());
    assert_eq!(sessions.peek(), 3);
    sessions.set(i32::MAX);
    assert_eq!(sessions.call(out, &to, b"x").unwrap().0, 0x7fff_ffff);
    assert_eq!(sessions.peek(), 1);
    assert_eq!(next_session(i32::MAX - 1), i32::MAX);
}

#[test]
fn what_cannot_be_sent_leaves_the_buffer_as_it_was() {
    let mut out = Vec::new();
    let e = pack_call(&mut out, &"".into(), 1, b"").unwrap_err();
    let text = "name length is invalid, must be between 1 and 255 characters: ";
    assert_eq!(e.to_string(), text);
    let e = pack_push(&mut out, &0u32.into(), 0, b"").unwrap_err();
    assert_eq!(e, Error::Session(0));
    let e = pack_push(&mut out, &"x".into(), i32::MIN, b"").unwrap_err();
    assert_eq!(e.to_string(), "Invalid request session -2147483648");
    assert!(out.is_empty());
}

#[test]
fn a_response_is_large_above_the_size_at_which_a_request_is() {
    let (mut out, payload) = (Vec::new(), [0; PART + 1]);
    let requests = [PART - 1, PART, PART + 1].map(|n| {
        pack_call(&mut out, &"x".into(), 1, &payload[..n])
            .unwrap()
            .len()
    });
    assert_eq!(requests, [0, 1, 2]);
    let responses =
        [PART - 1, PART, PART + 1].map(|n| pack_ok(&mut out, 1, &payload[..n]).unwrap().len());
    assert_eq!(responses, [0, 0, 2]);
}

#[test]
fn queries_for_what_is_no_name() {
    assert_eq!(query_name(b"\x0a\x05"), Ok(None));
    assert_eq!(query_name(b"\x0cx\x0a\x05"), Ok(Some(&b"x"[..])));
    assert!(query_name(b"").is_err());
    assert!(query_name(b"\x07").is_err());
}

/// What the start of a frame tells, and what the whole does, is the same.
#[test]
fn a_frame_is_known_to_be_malformed_by_its_start() {
    for kind in 0..=255u8 {
        for len in 0..40usize {
            for second in [0, 1, 2, 5, 9, 20, 40, 255u8] {
                let frame: Vec<u8> = [kind, second]
                    .into_iter()
                    .chain([0; 40])
                    .take(len)
                    .collect();
                let whole = Request::unpack(&frame).err();
                for cut in 1..=len {
                    if let Err(error) = Request::check_start(&frame[..cut], len) {
                        assert_eq!(Some(error), whole, "{cut} bytes of {frame:?}");
                    }
                }
                if len > 0 {
                    assert_eq!(Request::check_start(&frame, len).err(), whole, "{frame:?}");
                }
            }
        }
    }
    assert!(Request::check_start(b"", 0).is_ok());
}

/// A request gets memory for what its peer has proved to send, and only one at a time does.
#[test]
fn memory_before_the_bytes_come() {
    #[derive(Debug, Default)]
    struct Ahead(Vec<u8>);
    impl Store for Ahead {
        fn append(&mut self, bytes: &[u8], _: usize) {
            self.0.extend_from_slice(bytes);
        }
        fn bytes(&self) -> &[u8] {
            &self.0
        }
        fn held(&self) -> usize {
            self.0.capacity()
        }
        fn reserve(&mut self, bytes: usize) {
            self.0.reserve_exact(bytes);
        }
    }
    let begin = |session: u8, size: u32| {
        let mut frame = vec![0x01, 0x10, 0, 0, 0, session, 0, 0, 0];
        frame.extend(size.to_le_bytes());
        frame
    };
    let mut requests: Requests<Ahead> = Requests::with_limit(usize::MAX);
    requests.accept(&begin(1, 100_000)).unwrap();
    assert!(requests.buffered() < 1000, "nothing has come yet");
    let part = [&[0x03, 1, 0, 0, 0][..], &[7; 100_000]].concat();
    assert!(requests.accept(&part).unwrap().is_some());
    requests.accept(&begin(2, 1 << 30)).unwrap();
    assert!((100_000..110_000).contains(&requests.buffered()));
    for session in 3..=100 {
        requests.accept(&begin(session, 1 << 30)).unwrap();
    }
    assert!(requests.buffered() < 150_000, "only one at a time");
}

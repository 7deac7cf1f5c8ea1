//! Large requests whose parts are read straight to where they belong: whatever the stream, and however it is cut into
//! reads, what comes out is what comes out without that.

use skynet_wire::cluster::{Address, Event, PART, Requests, Store, pack_call, pack_push};
use skynet_wire::netpack::{Framing, Partial};

/// What happened, in short.
fn note(event: Option<Event<'_>>) -> Option<String> {
    Some(match event? {
        Event::Request(request) => {
            let sum = request.payload.iter().enumerate();
            let sum = sum.fold(0u64, |sum, (at, byte)| {
                sum.wrapping_mul(31)
                    .wrapping_add(at as u64 ^ u64::from(*byte))
            });
            let (session, len) = (request.session, request.payload.len());
            format!("{session} push {} {len} bytes {sum:x}", request.push)
        }
        Event::Refused { session, why } => format!("{session} refused: {why}"),
        other => format!("{other:?}"),
    })
}

/// Takes a stream in reads of `step` bytes; what happened, and how many bytes were read straight if that is wanted.
fn run(stream: &[u8], step: usize, limit: usize, straight: bool) -> (Vec<String>, usize) {
    let mut requests: Requests = Requests::with_limit(limit);
    let mut partial = Partial::default();
    let mut notes = Vec::new();
    let (mut at, mut saved) = (0, 0);
    while at < stream.len() {
        let end = stream.len().min(at + step);
        let mut read = &stream[at..end];
        at = end;
        while let Some(frame) = Framing::SHORT.take(&mut partial, &mut read).unwrap() {
            notes.extend(note(requests.accept(&frame).unwrap()));
        }
        let lent = partial
            .body()
            .filter(|_| straight)
            .and_then(|(frame, len)| requests.lend(frame, len, 1));
        let Some(mut lent) = lent else { continue };
        assert!(requests.buffered() <= limit, "what is lent out counts");
        assert!(lent.before <= lent.store.len() && lent.store.len() < lent.total);
        partial = Partial::default();
        let first = lent.first.min(stream.len() - at);
        Store::append(&mut lent.store, &stream[at..at + first], lent.total);
        at += first;
        saved += first;
        for (header, len) in lent.coming {
            if !stream[at..].starts_with(&header) || stream.len() - at < header.len() + len {
                break;
            }
            at += header.len() + len;
            saved += len;
            Store::append(&mut lent.store, &stream[at - len..at], lent.total);
        }
        notes.extend(note(requests.give_back(lent.session, lent.store)));
        assert!(requests.buffered() <= limit);
    }
    (notes, saved)
}

fn large(session: i32, len: usize, push: bool) -> Vec<Vec<u8>> {
    let payload: Vec<u8> = (0..len).map(|n| (n * 7 / 3 + n / 1000) as u8).collect();
    let to = Address::from("@db");
    let mut head = Vec::new();
    let parts = match push {
        true => pack_push(&mut head, &to, session, &payload),
        false => pack_call(&mut head, &to, session, &payload),
    };
    let mut frames = vec![head.clone()];
    for part in parts.unwrap() {
        let mut frame = Vec::new();
        part.write(&mut frame);
        frames.push(frame);
    }
    frames
}

fn small(session: i32) -> Vec<u8> {
    let mut out = Vec::new();
    let parts = pack_call(&mut out, &Address::Number(7), session, b"small").unwrap();
    assert_eq!(parts.len(), 0);
    out
}

fn streams() -> Vec<Vec<u8>> {
    let one = large(5, 10 * PART + 77, false);
    let even = large(6, 5 * PART, true);
    let mut between = Vec::new();
    for (n, frame) in one.iter().enumerate() {
        between.push(frame.clone());
        if n % 3 == 1 {
            between.push(small(100 + n as i32));
        }
    }
    // Two large ones take turns, and one never ends.
    let mut both = Vec::new();
    for n in 0..one.len().max(even.len()) {
        both.extend(one.get(n).cloned());
        both.extend(even.get(n).filter(|_| n != 4).cloned());
    }
    // A last part that comes too early, and one part too many.
    let mut early = one.clone();
    early.swap(4, 11);
    let mut many = one.clone();
    many.insert(3, one[3].clone());
    let lone = [even.clone(), one].concat();
    let all = [between, both, early, many, lone];
    all.into_iter().map(|frames| frames.concat()).collect()
}

#[test]
fn nothing_changes_but_the_way() {
    let mut saved = 0;
    for stream in streams() {
        for limit in [usize::MAX, 12 * PART, 6 * PART] {
            let (expected, _) = run(&stream, stream.len(), limit, false);
            assert!(!expected.is_empty());
            for step in [1_000, 4_999, PART, PART + 7, 69_632, 100_001] {
                let (notes, straight) = run(&stream, step, limit, true);
                assert_eq!(notes, expected, "{step} {limit}");
                saved += straight;
            }
        }
    }
    assert!(saved > 100 * PART);
}

/// Memory is lent only for what a peer has sent some of, and what cannot be right is not lent at all.
#[test]
fn what_is_not_lent() {
    let frames = large(5, 10 * PART, false);
    let begin = || {
        let mut requests: Requests = Requests::with_limit(11 * PART);
        assert_eq!(requests.accept(&frames[0][2..]).unwrap(), None);
        requests
    };
    let mut requests = begin();
    let next = &frames[2][2..100];
    assert!(requests.lend(next, PART + 5, 1).is_none(), "no whole part");
    assert_eq!(requests.accept(&frames[1][2..]).unwrap(), None);
    assert!(
        requests.lend(&next[..4], PART + 5, 1).is_none(),
        "no header"
    );
    assert!(requests.lend(next, 9 * PART + 6, 1).is_none(), "too long");
    assert!(
        requests.lend(next, 9 * PART + 5, 1).is_none(),
        "not the last"
    );
    assert!(requests.lend(next, PART + 5, 9 * PART).is_none(), "too few");
    assert!(requests.lend(next, 50, 1).is_none(), "more than its length");
    let last = [&[3][..], &next[1..]].concat();
    assert!(requests.lend(&last, PART + 5, 1).is_none(), "the last");
    let other = [&[2, 9][..], &next[2..]].concat();
    assert!(requests.lend(&other, PART + 5, 1).is_none(), "unknown");
    let lent = requests.lend(next, PART + 5, 8 * PART).unwrap();
    assert_eq!(
        (lent.session, lent.before, lent.total),
        (5, PART, 10 * PART)
    );
    assert_eq!(lent.store.len() + lent.first, 2 * PART);
    assert!(requests.lend(next, PART + 5, 1).is_none(), "lent already");
    assert_eq!(requests.give_back(5, lent.store), None);
    assert_eq!(requests.give_back(9, Vec::new()), None);
}

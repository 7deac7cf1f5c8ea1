//! What a node of a cluster does with answers that no node should write.

use skynet_tests::cluster::{Client, packed, response, session, size};
use skynet_tests::peer::{Peer, frame, listen};

/// Three calls wait when these bytes come: all fail, the connection is closed, and the next call has a new one.
fn breaks(bytes: &[u8]) {
    let (listener, port) = listen();
    let mut client = Client::start();
    client.connect("peer", port);
    let calls: Vec<_> = (0..3)
        .map(|i| client.ask("call", &format!("peer 16 {i}")))
        .collect();
    let mut peer = Peer::accept(&listener);
    for want in 1..=3 {
        assert_eq!(session(&peer.receive().expect("a request")), want);
    }
    peer.write(bytes);
    assert_eq!(peer.end(), b"");
    for call in calls {
        client.fails(call);
    }
    let next = client.ask("call", "peer 16 next");
    let mut peer = Peer::accept(&listener);
    // Sessions go on where they were.
    assert_eq!(session(&peer.receive().expect("a request")), 4);
    peer.send(&response(4, 1, &packed(b"again")));
    client.gives(next, "again");
    client.stop();
    assert_eq!(peer.end(), b"");
}

#[test]
fn answers_that_are_too_short() {
    for length in 1..5 {
        breaks(&frame(&[1, 0, 0, 0][..length]));
    }
}

#[test]
fn an_answer_of_no_bytes() {
    breaks(&[frame(b""), frame(&response(1, 1, b"x"))].concat());
}

#[test]
fn answers_of_an_unknown_kind() {
    for kind in [5, 6, 0x80, 0xff] {
        breaks(&frame(&response(1, kind, b"x")));
    }
}

#[test]
fn a_large_answer_whose_beginning_is_wrong() {
    for length in [0, 3, 5] {
        breaks(&frame(&response(1, 2, &[0; 5][..length])));
    }
}

#[test]
fn answers_behind_a_wrong_one_are_lost() {
    breaks(
        &[
            frame(&response(1, 9, b"")),
            frame(&response(2, 1, b"\x0a\x01")),
        ]
        .concat(),
    );
}

#[test]
fn an_answer_that_breaks_off() {
    let (listener, port) = listen();
    let mut client = Client::start();
    client.connect("peer", port);
    let answer = frame(&response(1, 1, &packed(b"never")));
    for cut in 0..answer.len() {
        let calls = [
            client.ask("call", "peer 16 a"),
            client.ask("call", "peer 16 b"),
        ];
        let mut peer = Peer::accept(&listener);
        let first = session(&peer.receive().expect("a request"));
        let second = session(&peer.receive().expect("a request"));
        assert_eq!(second, first + 1);
        peer.write(&answer[..cut]);
        if cut % 2 == 0 {
            drop(peer);
        } else {
            peer.finish();
            assert_eq!(peer.end(), b"");
        }
        for call in calls {
            client.fails(call);
        }
    }
    client.stop();
}

#[test]
fn odd_answers() {
    let (listener, port) = listen();
    let mut client = Client::start();
    client.connect("peer", port);
    let first = client.ask("call", "peer 16 first");
    let mut peer = Peer::accept(&listener);
    let ok = packed(b"good");
    let mut number = session(&peer.receive().expect("a request"));
    peer.send(&response(number, 1, &ok));
    client.gives(first, "good");

    type Frames = Vec<(u8, Vec<u8>)>;
    let rows: Vec<(Frames, Option<&str>)> = vec![
        // The end of a large answer that had no beginning is an answer.
        (vec![(4, ok.clone())], Some("good")),
        // Parts without a beginning, and sizes that are wrong: success without results.
        (vec![(3, ok.clone()), (4, ok.clone())], Some("")),
        (
            vec![(2, size(99).to_vec()), (3, ok.clone()), (4, ok.clone())],
            Some(""),
        ),
        (vec![(2, size(1).to_vec()), (4, ok.clone())], Some("")),
        (vec![(2, size(0).to_vec()), (4, vec![])], Some("")),
        // The second of two beginnings.
        (
            vec![
                (2, size(5).to_vec()),
                (2, size(5).to_vec()),
                (4, ok.clone()),
            ],
            Some(""),
        ),
        // An error in the middle.
        (vec![(2, size(5).to_vec()), (0, b"broken".to_vec())], None),
        (vec![(3, ok.clone()), (0, b"broken".to_vec())], None),
        (vec![(0, vec![])], None),
        // The largest that fits into a frame.
        (
            vec![(1, packed(&[b'm'; 65_535 - 5 - 3]))],
            Some("<65527 bytes>"),
        ),
        // Nothing.
        (vec![(1, vec![])], Some("")),
        (vec![(4, vec![])], Some("")),
        // A large answer in parts of any size.
        (
            vec![
                (2, size(5).to_vec()),
                (3, ok[..1].to_vec()),
                (3, vec![]),
                (3, ok[1..3].to_vec()),
                (4, ok[3..].to_vec()),
            ],
            Some("good"),
        ),
        (vec![(2, size(5).to_vec()), (4, ok.clone())], Some("good")),
    ];
    for (frames, want) in &rows {
        // Another one waits meanwhile, and is not touched.
        let other = client.ask("call", "peer 16 other");
        let other_session = session(&peer.receive().expect("a request"));
        let call = client.ask("call", "peer 16 row");
        number = session(&peer.receive().expect("a request"));
        assert_eq!(number, other_session + 1);
        for (kind, rest) in frames {
            // Of sessions that nobody knows, and of sends.
            peer.send(&response(number + 1000, 1, b"stray"));
            peer.send(&response(0, 0, b"Invalid name"));
            peer.send(&response(number, *kind, rest));
        }
        match want {
            Some(values) => client.gives(call, values),
            None => client.fails(call),
        }
        // A second answer is one of a session that nobody knows.
        peer.send(&response(number, 1, &ok));
        peer.send(&response(other_session, 1, &packed(b"the other")));
        client.gives(other, "the other");
    }
    let out = client.stop();
    out.has("socket: unknown session : 0");
    let strays: usize = rows.iter().map(|(frames, _)| frames.len()).sum();
    // No more than some at once.
    let lines = out.count("socket: unknown session :");
    assert!((20..2 * strays + rows.len()).contains(&lines), "{lines}");
    assert_eq!(peer.end(), b"");
}

/// Two large answers whose parts are mixed with each other and with small ones.
#[test]
fn mixed_answers() {
    let (listener, port) = listen();
    let mut client = Client::start();
    client.connect("peer", port);
    let calls: Vec<_> = (0..3)
        .map(|i| client.ask("call", &format!("peer 16 {i}")))
        .collect();
    let mut peer = Peer::accept(&listener);
    let sessions: Vec<_> = (0..3)
        .map(|_| session(&peer.receive().expect("a request")))
        .collect();
    let text = [vec![0x15, 0x60, 0xea], vec![b'z'; 60_000]].concat();
    for session in &sessions[..2] {
        peer.send(&response(*session, 2, &size(text.len())));
    }
    let (all, last) = text.split_at(text.len() - 10);
    for (i, piece) in all.chunks(9000).enumerate() {
        peer.send(&response(sessions[0], 3, piece));
        peer.dribble(&frame(&response(sessions[1], 3, &piece[..1])));
        peer.send(&response(sessions[1], 3, &piece[1..]));
        if i == 3 {
            peer.send(&response(sessions[2], 1, &packed(b"between")));
            client.gives(calls[2], "between");
        }
    }
    peer.send(&response(sessions[1], 4, last));
    client.gives(calls[1], "<60000 bytes>");
    peer.send(&response(sessions[0], 4, last));
    client.gives(calls[0], "<60000 bytes>");
    client.stop();
}

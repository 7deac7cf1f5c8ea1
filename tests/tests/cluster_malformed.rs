//! What nodes of a cluster do with bytes that no node should write: requests that are wrong, and answers that are wrong.

use std::time::Duration;

use skynet_tests::cluster::{
    Client, Server, named, numbered, packed, part, response, session, size,
};
use skynet_tests::peer::{Peer, frame, listen};

// Requests

/// An answer that has to come.
enum Answer {
    /// Exactly this, without the length.
    Is(Vec<u8>),
    /// An error of this session whose text ends like this.
    Fails(u32, &'static str),
}

use Answer::{Fails, Is};

/// Frames without their lengths, and what comes back for them, in this order.
struct Row {
    name: &'static str,
    frames: Vec<Vec<u8>>,
    answers: Vec<Answer>,
}

fn row(name: &'static str, frames: Vec<Vec<u8>>, answers: Vec<Answer>) -> Row {
    Row {
        name,
        frames,
        answers,
    }
}

fn error(session: u32, text: &str) -> Answer {
    Is(response(session, 0, text.as_bytes()))
}

fn command(words: &[&[u8]]) -> Vec<u8> {
    words.iter().flat_map(|word| packed(word)).collect()
}

fn echo(text: &str) -> Vec<u8> {
    command(&[b"ECHO", text.as_bytes()])
}

fn echoed(session: u32, text: &str) -> Answer {
    Is(response(session, 1, &packed(text.as_bytes())))
}

/// What is wrong, what tolerable. `handle` is that of the echo service.
fn rows(handle: u32) -> Vec<Row> {
    let ping = echo("ping");
    let len = command(&[b"LEN", &[b'x'; 300]]);
    let unknown_types = (0..=255u8)
        .filter(|kind| !matches!(kind, 0..=4 | 0x41 | 0x80 | 0x81 | 0xc1))
        .map(|kind| [&[kind][..], b"\0\0\0\0\0\0\0\0\0\0\0\0"].concat());
    let of_length = |kind: u8, lengths: std::ops::Range<usize>| {
        lengths.map(move |n| [&[kind][..], &[0; 20][..n - 1]].concat())
    };
    let most = vec![b'm'; 65_535 - 4 - 5 - 9 - 3];
    vec![
        row("nothing", vec![vec![]], vec![]),
        row("unknown types", unknown_types.collect(), vec![]),
        row(
            "only a type",
            (5..=7).map(|kind| vec![kind]).collect(),
            vec![],
        ),
        row(
            "a short request by number",
            of_length(0, 1..9).collect(),
            vec![],
        ),
        row("a name without a length", vec![vec![0x80]], vec![]),
        row(
            "a short request by name",
            (2..10)
                .map(|n| named(0x80, b"echo", 1, b"")[..n].to_vec())
                .collect(),
            vec![],
        ),
        row(
            "a short large request by name",
            [0x81, 0xc1]
                .iter()
                .flat_map(|kind| (2..14).map(|n| named(*kind, b"echo", 1, &size(9))[..n].to_vec()))
                .collect(),
            vec![],
        ),
        row(
            "a large request by number of a wrong length",
            [1, 0x41]
                .iter()
                .flat_map(|kind| of_length(*kind, 1..13).chain(of_length(*kind, 14..20)))
                .collect(),
            vec![],
        ),
        row(
            "bytes behind a large request",
            vec![
                named(
                    0x81,
                    b"@echo",
                    3,
                    &[&size(ping.len())[..], b"more"].concat(),
                ),
                part(3, 3, &ping),
            ],
            vec![echoed(3, "ping")],
        ),
        row(
            "short parts",
            of_length(2, 1..5).chain(of_length(3, 1..5)).collect(),
            vec![],
        ),
        row(
            "a last part of nothing",
            vec![part(3, 77, b"x"), part(3, 77, b"")],
            vec![error(77, "Invalid name"), error(77, "Invalid name")],
        ),
        row(
            "parts of nothing",
            vec![part(2, 78, b"abc"), part(3, 78, b"def")],
            vec![error(78, "Invalid large req")],
        ),
        row(
            "a total that is too much",
            vec![
                named(0x81, b"@echo", 5, &size(ping.len() + 1)),
                part(3, 5, &ping),
            ],
            vec![error(5, "Invalid large req")],
        ),
        row(
            "a total that is too little",
            vec![
                numbered(1, handle, 6, &size(ping.len() - 1)),
                part(2, 6, &ping[..3]),
                part(3, 6, &ping[3..]),
            ],
            vec![error(6, "Invalid large req")],
        ),
        row(
            "a second beginning",
            vec![
                named(0x81, b"@echo", 7, &size(ping.len())),
                named(0x81, b"@echo", 7, &size(ping.len())),
                part(3, 7, &ping),
            ],
            vec![error(7, "Invalid large req")],
        ),
        row(
            "a large push that is wrong is answered",
            vec![
                named(0xc1, b"@echo", 8, &size(1)),
                part(3, 8, b"12"),
                numbered(0x41, handle, 9, &size(5)),
                part(3, 9, b"12"),
            ],
            vec![error(8, "Invalid large req"), error(9, "Invalid large req")],
        ),
        row(
            "ended by a small request",
            vec![
                named(0x81, b"@echo", 10, &size(ping.len())),
                part(2, 10, &ping[..2]),
                numbered(0, 12345, 10, &ping[2..]),
            ],
            vec![echoed(10, "ping")],
        ),
        row(
            "the largest small request",
            vec![named(
                0x80,
                b"@echo",
                11,
                &[packed(b"ECHO"), packed(&most)].concat(),
            )],
            vec![
                Is(response(11, 2, &size(most.len() + 3))),
                Is(response(11, 3, &packed(&most)[..32768])),
                Is(response(11, 4, &packed(&most)[32768..])),
            ],
        ),
        row(
            "a small request of 40,000 bytes",
            vec![numbered(
                0,
                handle,
                12,
                &[packed(b"LEN"), packed(&[b'y'; 40_000])].concat(),
            )],
            vec![Is(response(12, 1, &[0x12, 0x40, 0x9c]))],
        ),
        row(
            "parts of odd sizes",
            [
                vec![named(0x81, b"@echo", 13, &size(len.len()))],
                len[..len.len() - 1]
                    .chunks(7)
                    .flat_map(|data| [part(2, 13, data), part(2, 13, b"")])
                    .collect(),
                vec![part(3, 13, &len[len.len() - 1..])],
            ]
            .concat(),
            vec![Is(response(13, 1, &[0x12, 0x2c, 0x01]))],
        ),
        row(
            "two large requests whose parts are mixed",
            vec![
                named(0x81, b"@echo", 14, &size(ping.len())),
                named(0x81, b".echo", 15, &size(ping.len())),
                part(2, 15, &ping[..1]),
                part(2, 14, &ping[..4]),
                part(2, 15, &ping[1..5]),
                part(3, 14, &ping[4..]),
                part(3, 15, &ping[5..]),
            ],
            vec![echoed(14, "ping"), echoed(15, "ping")],
        ),
        row(
            "a session twice",
            vec![
                named(0x80, b"@echo", 16, &echo("one")),
                named(0x80, b"@echo", 16, &echo("two")),
            ],
            vec![echoed(16, "one"), echoed(16, "two")],
        ),
        row(
            "the highest session",
            vec![named(0x80, b"@echo", u32::MAX, &ping)],
            vec![echoed(u32::MAX, "ping")],
        ),
        row(
            "unknown local name",
            vec![named(0x80, b".nobody", 17, &ping)],
            vec![Fails(17, ": call to invalid address")],
        ),
        row(
            "unknown handle",
            vec![numbered(0, 0x00ff_fff0, 18, &ping)],
            vec![Fails(18, ": call to invalid address")],
        ),
        row(
            "a handle of another harbor",
            vec![numbered(0, 0x0500_0000 | handle, 19, &ping)],
            vec![Fails(19, "call failed")],
        ),
        row(
            "the service fails",
            vec![named(
                0x80,
                b"@echo",
                20,
                &command(&[b"ERR", b"on purpose"]),
            )],
            vec![Fails(20, "call failed")],
        ),
        row(
            "unknown registered name",
            vec![
                named(0x80, b"@nobody", 21, &ping),
                named(0x80, b"@nobody", 0, &ping),
                named(0x80, b"@", 22, &ping),
            ],
            vec![
                error(21, "Invalid name"),
                error(0, "Invalid name"),
                error(22, "Invalid name"),
            ],
        ),
        row(
            "queries",
            vec![
                numbered(0, 0, 23, b""),
                numbered(0, 0, 24, b"\x0a\x05"),
                numbered(0, 0, 25, b"\x07"),
                numbered(0, 0, 26, &packed(b"nobody")),
                numbered(0, 0, 0, &packed(b"nobody")),
            ],
            vec![
                error(24, "name not found"),
                error(26, "name not found"),
                error(0, "name not found"),
            ],
        ),
        row(
            "a name of no bytes",
            vec![named(0x80, b"", 27, &ping)],
            vec![],
        ),
        row(
            "pushes of nothing are not answered",
            vec![
                numbered(0, 0x00ff_fff0, 0, &ping),
                named(0x80, b".nobody", 0, &ping),
                named(0x80, b"@echo", 0, &command(&[b"ERR", b"on purpose"])),
            ],
            vec![],
        ),
        row(
            "trace tags",
            vec![
                vec![4],
                [&[4][..], &[b't'; 40_000]].concat(),
                named(0x80, b"@echo", 28, &ping),
                b"\x04(n-1):00000010-1".to_vec(),
                named(0x81, b"@echo", 29, &size(ping.len())),
                part(3, 29, &ping),
            ],
            vec![echoed(28, "ping"), echoed(29, "ping")],
        ),
    ]
}

fn compare(name: &str, got: &[u8], want: &Answer) {
    match want {
        Is(want) => assert!(
            got == want,
            "{name}: {} bytes, {}",
            got.len(),
            got[..got.len().min(100)].escape_ascii()
        ),
        Fails(session, text) => {
            assert_eq!(got[..5], response(*session, 0, b""), "{name}");
            assert!(
                got.ends_with(text.as_bytes()),
                "{name}: {}",
                got.escape_ascii()
            );
        }
    }
}

/// Plays a row and makes sure that nothing else comes and that the connection is alive.
fn play(peer: &mut Peer, row: &Row, together: bool) {
    let bytes: Vec<_> = row.frames.iter().map(|content| frame(content)).collect();
    if together {
        peer.write(&bytes.concat());
    } else {
        bytes.iter().for_each(|frame| peer.write(frame));
    }
    for want in &row.answers {
        let got = peer.receive();
        let got = got.unwrap_or_else(|| panic!("{}: closed", row.name));
        compare(row.name, &got, want);
    }
    peer.send(&named(0x80, b"@echo", 99, &echo("still here")));
    let got = peer.receive();
    let got = got.unwrap_or_else(|| panic!("{}: closed", row.name));
    compare(row.name, &got, &echoed(99, "still here"));
}

#[test]
fn requests() {
    let server = Server::start();
    let rows = rows(server.handle());
    for row in &rows {
        for together in [true, false] {
            play(&mut Peer::connect(server.port()), row, together);
        }
    }
    // One connection takes all of it, too.
    let mut peer = Peer::connect(server.port());
    for row in rows.iter().rev() {
        play(&mut peer, row, true);
    }
    drop(peer);
    let out = server.stop();
    for (text, times) in [
        ("Invalid req package. size == 0", 3),
        ("Invalid req package type", 3 * (256 - 9 + 3)),
        ("Invalid cluster message (size=", 3 * (8 + 1 + 8 + 24)),
        ("(multi req must be 13)", 3 * 36),
        ("Invalid cluster multi part message", 3 * 8),
    ] {
        out.has_times(text, times);
    }
}

/// Any frame may break off: the rest of it never comes, and nobody misses it.
#[test]
fn requests_that_break_off() {
    let server = Server::start();
    let handle = server.handle();
    let pieces = [
        named(0x80, b"@echo", 1, &echo("never")),
        numbered(0, handle, 2, &echo("never")),
        named(0x81, b"@echo", 3, &size(70_000)),
        part(2, 3, &[b'x'; 1000]),
    ];
    for piece in &pieces {
        let bytes = frame(piece);
        for cut in [1, 2, 3, 5, bytes.len() / 2, bytes.len() - 1] {
            for resets in [false, true] {
                let mut peer = Peer::connect(server.port());
                peer.send(&named(0x80, b"@echo", 4, &echo("before")));
                if !resets {
                    compare(
                        "before",
                        &peer.receive().expect("open"),
                        &echoed(4, "before"),
                    );
                }
                peer.write(&bytes[..cut]);
                if resets {
                    peer.reset();
                } else {
                    peer.finish();
                    assert_eq!(peer.end(), b"");
                }
            }
        }
    }
    // Large requests that are never finished go with their connection.
    let mut peer = Peer::connect(server.port());
    for session in 1..100 {
        peer.send(&named(0x81, b"@echo", session, &size(1 << 30)));
        peer.send(&part(2, session, &[b'x'; 10_000]));
    }
    drop(peer);
    let mut peer = Peer::connect(server.port());
    peer.send(&named(0x80, b"@echo", 5, &echo("after")));
    compare("after", &peer.receive().expect("open"), &echoed(5, "after"));
    drop(peer);
    server.stop();
}

/// A limit for what is incomplete: who goes beyond it loses the connection, nobody else does.
#[test]
fn a_limit_for_incomplete_requests() {
    let server = Server::with(0, &[("clusterbuffer", "1000000")]);
    let mut good = Peer::connect(server.port());
    // Within the limit, again and again.
    for session in 1..=20 {
        let text = [
            packed(b"LEN"),
            vec![0x25],
            size(900_000).to_vec(),
            vec![b'x'; 900_000],
        ]
        .concat();
        good.send(&named(0x81, b"@echo", session, &size(text.len())));
        let (last, parts) = {
            let chunks: Vec<_> = text.chunks(32_768).collect();
            (
                chunks[chunks.len() - 1].to_vec(),
                chunks[..chunks.len() - 1].concat(),
            )
        };
        for data in parts.chunks(32_768) {
            good.send(&part(2, session, data));
        }
        good.send(&part(3, session, &last));
        let got = good.receive().expect("open");
        compare(
            "within",
            &got,
            &Is(response(session, 1, &[0x22, 0xa0, 0xbb, 0x0d, 0x00])),
        );
    }
    // Ever more requests that are begun, and one that never ends: 200 MB.
    let begin = |session| frame(&named(0x81, b"@echo", session, &size(1 << 31)));
    let data = frame(&part(2, 1, &[b'x'; 60_000]));
    let (mut many, mut long) = (Peer::connect(server.port()), Peer::connect(server.port()));
    let written = (0..50_000).try_for_each(|session| many.try_write(&begin(session)));
    assert!(written.is_err(), "it may go on for ever");
    // This one may go on, or not; it has no effect. It waits now and then, so that nothing piles up elsewhere.
    let ping = frame(&named(0x80, b"@echo", 9, &echo("ping")));
    for _ in 0..200 {
        let written = (0..17).try_for_each(|_| long.try_write(&data));
        if written.and_then(|()| long.try_write(&ping)).is_err() || long.receive().is_none() {
            break;
        }
    }
    drop(long);
    play(
        &mut good,
        &row(
            "alive",
            vec![named(0x80, b"@echo", 1, &echo("x"))],
            vec![echoed(1, "x")],
        ),
        true,
    );
    drop(good);
    let most = server.node().peak_kib();
    assert!(most < 80 * 1024, "{most} KiB");
    server.stop();
}

/// Requests to names that nobody has wait for them, but not any number of them.
#[test]
fn a_limit_for_requests_without_a_receiver() {
    const WAIT: u32 = 4096;
    const MORE: u32 = 1000;
    const REFUSED: &str = "clusteragent: too many requests wait for names that nobody has";
    let server = Server::start();
    let mut peer = Peer::connect(server.port());
    let frames = (1..=WAIT + MORE).map(|n| frame(&named(0x80, b"LATE", n, &echo("late"))));
    peer.write(&frames.collect::<Vec<_>>().concat());
    for n in WAIT + 1..=WAIT + MORE {
        let got = peer.receive().expect("open");
        compare("one too many", &got, &error(n, REFUSED));
    }
    // Nor can it be done by pushes, by other names, or by another connection.
    let mut other = Peer::connect(server.port());
    for n in 0..MORE {
        other.send(&named(0x80, format!("LATER{n}").as_bytes(), 0, &[b'x'; 10]));
    }
    other.send(&named(0x80, b"LATER", 7, &echo("late")));
    compare(
        "a name more",
        &other.receive().expect("open"),
        &error(7, REFUSED),
    );
    // What waited is answered when somebody takes the name, and there is room again.
    other.send(&named(0x80, b"@echo", 8, &command(&[b"NAME", b"LATE"])));
    compare(
        "named",
        &other.receive().expect("open"),
        &Is(response(8, 1, b"")),
    );
    for n in 1..=WAIT {
        let got = peer.receive().expect("open");
        compare("it waited", &got, &echoed(n, "late"));
    }
    // A few large ones are too many, as well.
    let large = frame(&named(0x80, b"LATER", 0, &[b'x'; 60_000]));
    for _ in 0..150 {
        other.write(&large);
    }
    other.send(&named(0x80, b"LATER", 9, &echo("late")));
    compare("bytes", &other.receive().expect("open"), &error(9, REFUSED));
    drop((peer, other));
    let out = server.stop();
    // Once for a connection.
    out.has_times("wait for global names that nobody has, such as [", 2);
}

/// What runs when the connection ends goes on, and its answer is lost.
#[test]
fn an_end_while_calls_run() {
    let server = Server::start();
    let mut peer = Peer::connect(server.port());
    peer.send(&named(0x80, b"@echo", 1, &command(&[b"RESET"])));
    peer.receive();
    for i in 0..10 {
        peer.send(&named(
            0x80,
            b"@echo",
            10 + i,
            &[&packed(b"LATER")[..], &[0x0a, 30, 0x0a, 7]].concat(),
        ));
    }
    peer.send(&named(0x80, b"@echo", 2, &echo("sent")));
    compare(
        "all have begun",
        &peer.receive().expect("open"),
        &echoed(2, "sent"),
    );
    drop(peer);
    let mut peer = Peer::connect(server.port());
    let started = std::time::Instant::now();
    loop {
        peer.send(&named(0x80, b"@echo", 3, &command(&[b"COUNT"])));
        let got = peer.receive().expect("open");
        if got == response(3, 1, &[0x0a, 10, 0x0a, 7]) {
            break;
        }
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "{}",
            got.escape_ascii()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(peer);
    server.stop().no_panic();
}

// Answers

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
    out.has_times("socket: unknown session :", 2 * strays + rows.len());
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

//! What a node of a cluster does with requests that no node should write.

use std::time::Duration;

use skynet_tests::cluster::{Server, command, named, numbered, packed, part, response, size};
use skynet_tests::peer::{Peer, frame};

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

fn echo(text: &str) -> Vec<u8> {
    command(&[b"ECHO", text.as_bytes()])
}

fn echoed(session: u32, text: &str) -> Answer {
    Is(response(session, 1, &packed(text.as_bytes())))
}

/// Frames that no node writes: each with the line about it.
fn malformed() -> Vec<(Vec<u8>, &'static str)> {
    let short = "Invalid cluster message (size=";
    let mut all = vec![(vec![], "Invalid req package. size == 0")];
    for kind in (0..=255u8).filter(|kind| !matches!(kind, 0..=4 | 0x41 | 0x80 | 0x81 | 0xc1)) {
        all.push((vec![kind], "Invalid req package type"));
        let frame = [&[kind][..], &[0; 12]].concat();
        all.push((frame, "Invalid req package type"));
    }
    let mut of_length = |kind: u8, lengths: std::ops::Range<usize>, line| {
        all.extend(lengths.map(|n| ([&[kind][..], &[0; 20][..n - 1]].concat(), line)));
    };
    of_length(0, 1..9, short);
    for kind in [1, 0x41] {
        of_length(kind, 1..13, "(multi req must be 13)");
        of_length(kind, 14..20, "(multi req must be 13)");
    }
    for kind in [2, 3] {
        of_length(kind, 1..5, "Invalid cluster multi part message");
    }
    for kind in [0x80, 0x81, 0xc1] {
        let size = if kind == 0x80 { 0 } else { 4 };
        let whole = named(kind, b"echo", 1, &[9; 4][..size]);
        all.extend((1..whole.len()).map(|n| (whole[..n].to_vec(), short)));
    }
    all
}

/// What is wrong but well-formed, and what is tolerable. `handle` is that of the echo service.
fn rows(handle: u32) -> Vec<Row> {
    let ping = echo("ping");
    let len = command(&[b"LEN", &[b'x'; 300]]);
    let most = vec![b'm'; 65_535 - 4 - 5 - 9 - 3];
    vec![
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
    // Who reads the log reads no commands for his terminal, nor forged lines; and not every line that a peer wants.
    for n in 0..2000 {
        peer.send(b"\x04\x1b[31m\n[:00000001] forged");
        peer.send(&named(0x80, b"@echo", n, &echo("traced")));
        peer.send(&numbered(0, 0, n, b"\x07"));
    }
    // The services of every node name the command that they do not know.
    for service in [&b".cslave"[..], b"DATACENTER", b".launcher"] {
        let text = command(&[b"\x1b[31m\n[:00000001] forged"]);
        peer.send(&named(0x80, service, 4000, &text));
    }
    peer.send(&named(0x80, b"@echo", 5000, &echo("last")));
    while peer.receive().expect("open")[..4] != u32::to_le_bytes(5000) {}
    drop(peer);
    let out = server.stop();
    out.has(r"is no tag: \x1b[31m\n[:00000001] forged");
    out.has(r"unknown command \x1b[31m\n[:00000001] forged");
    out.has_not("\n[:00000001] forged");
    let lines = out.count("is no tag") + out.count("cluster: a query of");
    assert!((1..200).contains(&lines), "{lines}");
}

/// A malformed frame ends its connection: what came before it is answered, what comes behind it is not carried out.
/// Each is worth one line.
#[test]
fn malformed_frames_end_their_connection() {
    let server = Server::start();
    let before = frame(&named(0x80, b"@echo", 98, &echo("before")));
    let behind = frame(&named(0x80, b"@echo", 0, &command(&[b"PUSH", b"behind"])));
    let frames = malformed();
    for (content, _) in &frames {
        let mut peer = Peer::connect(server.port());
        peer.write(&[&before[..], &frame(content), &behind].concat());
        // What is still in the buffers when a connection is closed makes it a reset, which may overtake the answer.
        let got = peer.end();
        let answer = frame(&response(98, 1, &packed(b"before")));
        assert!(answer.starts_with(&got), "{}", got.escape_ascii());
        // What comes later is not carried out, either.
        let mut peer = Peer::connect(server.port());
        peer.write(&before);
        assert_eq!(peer.receive(), Some(response(98, 1, &packed(b"before"))));
        peer.write(&frame(content));
        assert_eq!(peer.end(), b"", "{}", content.escape_ascii());
        let _ = peer.try_write(&behind);
    }
    let mut peer = Peer::connect(server.port());
    peer.send(&named(0x80, b"@echo", 1, &command(&[b"COUNT"])));
    assert_eq!(peer.receive(), Some(response(1, 1, b"\x02\0")));
    drop(peer);
    let out = server.stop();
    let mut lines: Vec<&str> = frames.iter().map(|(_, line)| *line).collect();
    lines.sort_unstable();
    for of_one_kind in lines.chunk_by(|a, b| a == b) {
        out.has_times(of_one_kind[0], 2 * of_one_kind.len());
    }
}

/// What speaks another protocol, such as the browser of somebody who reads a web page, gets no further than its first
/// bytes, whether the rest comes or not; and real frames in the body of a request are not carried out.
#[test]
fn other_protocols_get_nowhere() {
    let server = Server::start();
    let head = |method: &str, path: &str| {
        let fields =
            "Host: 127.0.0.1:2528\r\nOrigin: http://example.com\r\nContent-Type: text/plain";
        format!("{method} {path} HTTP/1.1\r\n{fields}\r\nContent-Length: 99999\r\n\r\n")
    };
    let launch = [
        named(0x80, b"@echo", 0, &command(&[b"PUSH", b"from a page"])),
        named(
            0x80,
            b".launcher",
            7,
            &command(&[b"LAUNCH", b"snlua", b"echo"]),
        ),
    ];
    let launch = launch.map(|content| frame(&content)).concat();
    for method in [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "A",
    ] {
        // The head alone: no end of the frame that it begins.
        let mut peer = Peer::connect(server.port());
        peer.write(head(method, "/").as_bytes());
        assert_eq!(peer.end(), b"", "{method}");
        // A head that is exactly one frame, and good frames behind it.
        let length: Vec<u8> = method.bytes().chain([b' ', b'/']).take(2).collect();
        let length = 2 + usize::from(u16::from_be_bytes([length[0], length[1]]));
        let path = format!("/{}", "x".repeat(length - head(method, "/").len()));
        let mut stream = head(method, &path).into_bytes();
        assert_eq!(stream.len(), length);
        stream.extend_from_slice(&launch);
        let mut peer = Peer::connect(server.port());
        let _ = peer.try_write(&stream);
        assert_eq!(peer.end(), b"", "{method}");
    }
    for other in [
        &b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"[..],
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\0\x01\0\x08\x21\x12\xa4\x42",
        b"*1\r\n$4\r\nPING\r\n",
    ] {
        let mut peer = Peer::connect(server.port());
        peer.write(&[other, &launch].concat());
        assert_eq!(peer.end(), b"", "{}", other.escape_ascii());
    }
    let mut peer = Peer::connect(server.port());
    peer.send(&named(0x80, b"@echo", 1, &command(&[b"COUNT"])));
    assert_eq!(peer.receive(), Some(response(1, 1, b"\x02\0")));
    drop(peer);
    server.stop();
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

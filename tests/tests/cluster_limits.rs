//! What a peer of a cluster can do to the memory of a node.

use skynet_tests::cluster::{
    Client, Server, command, named, numbered, packed, part, response, session, size,
};
use skynet_tests::peer::{Peer, frame, listen};

fn echo(text: &str) -> Vec<u8> {
    command(&[b"ECHO", text.as_bytes()])
}

fn echoed(session: u32, text: &str) -> Vec<u8> {
    response(session, 1, &packed(text.as_bytes()))
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
        assert_eq!(got, response(session, 1, &[0x22, 0xa0, 0xbb, 0x0d, 0x00]));
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
    good.send(&named(0x80, b"@echo", 1, &echo("x")));
    assert_eq!(good.receive(), Some(echoed(1, "x")));
    drop(good);
    let most = server.node().peak_kib();
    assert!(most < 80 * 1024, "{most} KiB");
    server.stop();
}

/// Memory is given to what has come, not to what is announced: 500 requests of a gigabyte each, of which 32 KiB come.
#[test]
fn requests_that_are_announced_and_begun() {
    let server = Server::start();
    let mut peer = Peer::connect(server.port());
    for session in 1..=500 {
        peer.send(&named(0x81, b"@echo", session, &size(1 << 30)));
        peer.send(&part(2, session, &[b'x'; 32_768]));
    }
    peer.send(&named(0x80, b"@echo", 1000, &echo("x")));
    assert_eq!(peer.receive(), Some(echoed(1000, "x")));
    let most = server.node().peak_kib();
    assert!(most < 120 * 1024, "{most} KiB");
    drop(peer);
    server.stop();
}

/// Who sends faster than a service handles is made to wait, and nothing is lost.
#[test]
fn pushes_to_a_service_that_does_not_get_on() {
    const PUSHES: usize = 4000;
    let server = Server::start();
    let mut control = Peer::connect(server.port());
    let mut peer = Peer::connect(server.port());
    peer.send(&named(0x80, b"@echo", 0, &command(&[b"BLOCK"])));
    let blocked = |control: &mut Peer, what: &[u8]| {
        control.send(&named(0x80, b"@control", 1, &command(&[what])));
        control.receive() == Some(response(1, 1, &packed(b"true")))
    };
    while !blocked(&mut control, b"STATE") {}
    let written = std::sync::atomic::AtomicUsize::new(0);
    let push = frame(&named(
        0x80,
        b"@echo",
        0,
        &command(&[b"PUSH", &[b'x'; 50_000]]),
    ));
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..PUSHES {
                peer.write(&push);
                written.fetch_add(push.len(), std::sync::atomic::Ordering::Relaxed);
            }
        });
        // Until it makes no progress, or has written all.
        let mut before = usize::MAX;
        loop {
            let now = written.load(std::sync::atomic::Ordering::Relaxed);
            if now == before || writer.is_finished() {
                break;
            }
            before = now;
            std::thread::sleep(std::time::Duration::from_millis(1500));
        }
        // The inbox, and what the system keeps.
        assert!(before < 80 << 20, "{before} bytes were taken");
        assert!(!writer.is_finished());
        let most = server.node().peak_kib();
        assert!(most < 120 * 1024, "{most} KiB");
        // Other services are reached.
        assert!(blocked(&mut control, b"UNBLOCK"));
    });
    peer.send(&named(0x80, b"@echo", 2, &command(&[b"COUNT"])));
    let count = [&[0x12][..], &(PUSHES as u16).to_le_bytes()].concat();
    // The number, and the last text, which makes it a large answer.
    assert_eq!(peer.receive().expect("open")[4], 2);
    let got = peer.receive().expect("open");
    assert!(got.starts_with(&response(2, 3, &count)), "{:?}", &got[..9]);
    drop((peer, control));
    server.stop();
}

/// Calls that fail are told of, but not as often as a program makes them.
#[test]
fn lines_of_calls_that_fail() {
    let main = r#"
        local skynet = require "skynet.manager"
        local cluster = require "skynet.cluster"
        skynet.start(function()
            local _, port = cluster.open(0)
            cluster.reload { here = "127.0.0.1:" .. port }
            local done = 0
            for _ = 1, 20 do
                skynet.fork(function()
                    for _ = 1, 250 do assert(not pcall(cluster.call, "here", "@nobody")) end
                    done = done + 1
                end)
            end
            while done < 20 do skynet.sleep(1) end
            skynet.sleep(20)
            pcall(cluster.call, "here", "@nobody")
            skynet.abort()
        end)
    "#;
    let out = skynet_tests::Node::source(main).run();
    out.exit(0).has("@nobody failed : Invalid name");
    let lines = out.count("@nobody failed : ");
    assert!((100..2500).contains(&lines), "{lines}");
    out.has(" lines before it were left out)");
}

/// The same from many connections: they have a limit together.
#[test]
fn answers_that_nobody_reads_on_many_connections() {
    const CALLS: u32 = 40;
    const PEERS: usize = 12;
    let server = Server::with(0, &[("clusterpendingtotal", "8000000")]);
    let big = [&packed(b"BIG")[..], b"\x22\x00\x00\x10\x00"].concat();
    let calls = (1..=CALLS).map(|session| frame(&named(0x80, b"@echo", session, &big)));
    let calls = calls.collect::<Vec<_>>().concat();
    let mut peers: Vec<Peer> = (0..PEERS).map(|_| Peer::connect(server.port())).collect();
    for peer in &mut peers {
        peer.write(&calls);
    }
    let started = std::time::Instant::now();
    let full = |server: &Server| {
        server
            .node()
            .stdout()
            .matches("does not read its answers")
            .count()
    };
    while full(&server) < PEERS {
        assert!(started.elapsed() < std::time::Duration::from_secs(60));
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let mut refused = 0;
    for peer in &mut peers {
        let mut answers = 0;
        let mut whole = 0;
        while answers < CALLS {
            let kind = peer.receive().expect("open")[4];
            answers += u32::from(matches!(kind, 0 | 4));
            whole += u32::from(kind == 4);
        }
        assert!(whole > 0);
        refused += answers - whole;
    }
    assert!(refused > CALLS * PEERS as u32 / 4, "{refused}");
    // 480 MB were asked for, and each connection alone might have had 64.
    let most = server.node().peak_kib();
    assert!(most < 100 * 1024, "{most} KiB");
    drop(peers);
    server.stop();
}

/// Few bytes of requests make many of answers. Those of a peer that does not read are held up to a limit, and others
/// are errors.
#[test]
fn answers_that_nobody_reads() {
    const CALLS: u32 = 300;
    for (limit, least) in [(None, 20), (Some("5000000"), 2)] {
        let keys: Vec<(&str, &str)> = limit
            .map(|bytes| ("clusterpending", bytes))
            .into_iter()
            .collect();
        let server = Server::with(0, &keys);
        let mut peer = Peer::connect(server.port());
        let big = [&packed(b"BIG")[..], b"\x22\x00\x00\x10\x00"].concat();
        let calls = (1..=CALLS).map(|session| frame(&named(0x80, b"@echo", session, &big)));
        peer.write(&calls.collect::<Vec<_>>().concat());
        let started = std::time::Instant::now();
        while !server.node().stdout().contains("does not read its answers") {
            assert!(started.elapsed() < std::time::Duration::from_secs(60));
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        // Others are served, after what came before them.
        let mut other = Peer::connect(server.port());
        other.send(&named(0x80, b"@echo", 1, &echo("x")));
        assert_eq!(other.receive(), Some(echoed(1, "x")));
        let (mut whole, mut refused) = (0, 0);
        while whole + refused < CALLS {
            let got = peer.receive().expect("open");
            match got[4] {
                0 => {
                    assert!(got.ends_with(b"since too many wait unread on this connection"));
                    refused += 1;
                }
                4 => whole += 1,
                _ => {}
            }
        }
        assert!(whole >= least && refused >= 20, "{whole} {refused}");
        let most = server.node().peak_kib();
        assert!(most < 250 * 1024, "{most} KiB");
        // It reads again.
        peer.send(&named(0x80, b"@echo", 9, &echo("again")));
        assert_eq!(peer.receive(), Some(echoed(9, "again")));
        drop((peer, other));
        server.stop();
    }
}

/// The cluster's own services take no commands from other nodes, unless the config says so.
#[test]
fn commands_of_peers() {
    for allowed in [false, true] {
        let keys: &[(&str, &str)] = if allowed {
            &[("clustercontrol", "'true'")]
        } else {
            &[]
        };
        let server = Server::with(0, keys);
        let mut peer = Peer::connect(server.port());
        peer.send(&named(
            0x80,
            b".service",
            1,
            &command(&[b"QUERY", b"clusterd"]),
        ));
        let got = peer.receive().expect("open");
        let handle = match got[..] {
            // There may be a nil behind it.
            [1, 0, 0, 0, 1, 0x0a, handle, ..] => u32::from(handle),
            _ => panic!("{got:?}"),
        };
        // `listen`, `reload`, and a push of one.
        let table = [&[0x06][..], &packed(b"peer"), &packed(b"127.0.0.1:1"), &[0]].concat();
        let orders = [
            command(&[b"listen", b"127.0.0.1", b"0"]),
            [packed(b"reload"), table.clone()].concat(),
            command(&[b"register", b"stolen"]),
        ];
        for (session, order) in (2..).zip(&orders) {
            peer.send(&numbered(0, handle, session, order));
            let got = peer.receive().expect("open");
            assert_eq!(got[..4], u32::to_le_bytes(session));
            assert_eq!(got[4] == 1, allowed, "{}", got.escape_ascii());
        }
        peer.send(&numbered(0, handle, 0, &orders[2]));
        peer.send(&numbered(0, 0, 9, &packed(b"stolen")));
        let got = peer.receive().expect("open");
        assert_eq!(got[4] == 1, allowed, "{}", got.escape_ascii());
        drop(peer);
        let line = "clusterd: a command of another node is refused";
        server.stop().has_times(line, usize::from(!allowed));
    }
}

/// Requests to names that nobody has wait for them, but not any number of them.
#[test]
fn a_limit_for_requests_without_a_receiver() {
    const WAIT: u32 = 4096;
    const MORE: u32 = 1000;
    let refused = |session| {
        let text = "clusteragent: too many requests wait for names that nobody has";
        response(session, 0, text.as_bytes())
    };
    let server = Server::start();
    let mut peer = Peer::connect(server.port());
    let frames = (1..=WAIT + MORE).map(|n| frame(&named(0x80, b"LATE", n, &echo("late"))));
    peer.write(&frames.collect::<Vec<_>>().concat());
    for n in WAIT + 1..=WAIT + MORE {
        let got = peer.receive().expect("open");
        assert_eq!(got, refused(n));
    }
    // Nor can it be done by pushes, by other names, or by another connection.
    let mut other = Peer::connect(server.port());
    for n in 0..MORE {
        other.send(&named(0x80, format!("LATER{n}").as_bytes(), 0, &[b'x'; 10]));
    }
    other.send(&named(0x80, b"LATER", 7, &echo("late")));
    assert_eq!(other.receive(), Some(refused(7)));
    // What waited is answered when somebody takes the name, and there is room again.
    other.send(&named(0x80, b"@echo", 8, &command(&[b"NAME", b"LATE"])));
    assert_eq!(other.receive(), Some(response(8, 1, b"")));
    for n in 1..=WAIT {
        let got = peer.receive().expect("open");
        assert_eq!(got, echoed(n, "late"));
    }
    // A few large ones are too many, as well.
    let large = frame(&named(0x80, b"LATER", 0, &[b'x'; 60_000]));
    for _ in 0..150 {
        other.write(&large);
    }
    other.send(&named(0x80, b"LATER", 9, &echo("late")));
    assert_eq!(other.receive(), Some(refused(9)));
    drop((peer, other));
    let out = server.stop();
    // Once for a connection.
    out.has_times("wait for global names that nobody has, such as [", 2);
}

/// Connections count as long as they have output that nobody reads, though the peers have finished.
#[test]
fn connections_of_peers_that_do_not_read() {
    let server = Server::with(0, &[("max", "3")]);
    let mut slow = Vec::new();
    for session in 1..=2 {
        let mut peer = Peer::connect(server.port());
        let big = [&packed(b"BIG")[..], b"\x22\x00\x00\x00\x02"].concat();
        peer.send(&named(0x80, b"@echo", session, &big));
        // The answer has begun.
        peer.read(2);
        peer.finish();
        slow.push(peer);
    }
    // The agents have gone.
    let agents = || server.node().stdout().matches("KILL self").count();
    let started = std::time::Instant::now();
    while agents() < 2 {
        assert!(started.elapsed() < std::time::Duration::from_secs(60));
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    // Turned away, and not heard.
    let mut third = Peer::connect(server.port());
    let _ = third.try_write(&frame(&named(0x80, b"@echo", 3, &echo("x"))));
    assert_eq!(third.end(), b"");
    drop(slow);
    let started = std::time::Instant::now();
    loop {
        let mut peer = Peer::connect(server.port());
        let written = peer.try_write(&frame(&named(0x80, b"@echo", 4, &echo("x"))));
        if written.is_ok() && peer.receive().is_some_and(|got| got == echoed(4, "x")) {
            break;
        }
        assert!(started.elapsed() < std::time::Duration::from_secs(60));
    }
    server.stop();
}

/// A light userdata of another process is no address in this one, wherever it is.
#[test]
fn requests_with_pointers() {
    const POINTER: &[u8] = b"\x03\x34\x12\0\0\0\0\0\0";
    const NULL: &[u8] = b"\x03\0\0\0\0\0\0\0\0";
    let refused = |session| {
        let text = "clusteragent: a light userdata has no meaning in another process";
        response(session, 0, text.as_bytes())
    };
    let server = Server::start();
    let handle = server.handle();
    let mut peer = Peer::connect(server.port());
    let with = |more: &[u8]| [&packed(b"ECHO")[..], more].concat();
    let table = [b"\x0e\x0a\x01\x0ck"[..].as_ref(), POINTER, b"\0"].concat();
    let long = [&packed(&[b'l'; 40_000])[..], POINTER].concat();
    peer.send(&numbered(0, handle, 1, &with(POINTER)));
    assert_eq!(peer.receive(), Some(refused(1)));
    peer.send(&named(0x80, b".echo", 2, &with(&table)));
    assert_eq!(peer.receive(), Some(refused(2)));
    let large = with(&long);
    peer.send(&named(0x81, b"@echo", 3, &size(large.len())));
    peer.send(&part(2, 3, &large[..32_768]));
    peer.send(&part(3, 3, &large[32_768..]));
    assert_eq!(peer.receive(), Some(refused(3)));
    // A push is refused without a word; none has arrived.
    peer.send(&named(
        0x80,
        b"@echo",
        0,
        &[&packed(b"PUSH")[..], POINTER].concat(),
    ));
    peer.send(&named(0x80, b"@echo", 4, &command(&[b"COUNT"])));
    assert_eq!(peer.receive(), Some(response(4, 1, b"\x02\0")));
    // Null is no address: it stands for "nothing" in libraries such as cjson.
    peer.send(&named(0x80, b"@echo", 5, &with(NULL)));
    assert_eq!(peer.receive(), Some(response(5, 1, NULL)));
    // Text that looks like one is text.
    let text = [&packed(b"ECHO")[..], &packed(POINTER)].concat();
    peer.send(&named(0x80, b"@echo", 6, &text));
    assert_eq!(peer.receive(), Some(response(6, 1, &packed(POINTER))));
    drop(peer);
    server
        .stop()
        .has_times("holds a light userdata: such requests are refused", 1);
}

/// Nor is one in an answer.
#[test]
fn answers_with_pointers() {
    let (listener, port) = listen();
    let mut client = Client::start();
    client.connect("peer", port);
    let call = client.ask("call", "peer 16 a");
    let mut peer = Peer::accept(&listener);
    let number = session(&peer.receive().expect("a request"));
    peer.send(&response(number, 1, b"\x0e\x03\x34\x12\0\0\0\0\0\0\0"));
    client.fails(call);
    // The connection is as good as it was.
    let call = client.ask("call", "peer 16 b");
    let number = session(&peer.receive().expect("a request"));
    peer.send(&response(number, 1, b"\x03\0\0\0\0\0\0\0\0"));
    assert!(client.result(call).starts_with("ok userdata:"));
    client
        .stop()
        .has("failed : the answer holds a light userdata, which has no meaning here");
}

/// Large requests of several kinds, with others between their parts, in whatever pieces they come: each arrives as it
/// was sent.
#[test]
fn large_requests_between_others() {
    let server = Server::start();
    let large = |len: usize, salt: usize| -> Vec<u8> {
        let text = (0..len).map(|n| (n / 3 + n / 1000 * salt) as u8);
        let text: Vec<u8> = text.collect();
        [&packed(b"ECHO")[..], &[0x25], &size(len), &text].concat()
    };
    // So many parts are sent before each other request.
    for (every, piece) in [(usize::MAX, 1 << 20), (3, 50_000), (7, 9_999), (1, 70_000)] {
        let mut peer = Peer::connect(server.port());
        let bodies = [large(3 << 20, 5), large(700_001, 9), large(70_000, 2)];
        let mut stream = Vec::new();
        let mut others = 0;
        for (session, body) in (1..).zip(&bodies) {
            stream.extend(frame(&named(0x81, b"@echo", session, &size(body.len()))));
            let parts = body.chunks(32_768);
            let last = parts.len() - 1;
            for (n, data) in parts.enumerate() {
                stream.extend(frame(&part(if n == last { 3 } else { 2 }, session, data)));
                if n % every == every - 1 {
                    others += 1;
                    let text = echo(&format!("between {others}"));
                    stream.extend(frame(&named(0x80, b"@echo", 100 + others, &text)));
                }
            }
        }
        for some in stream.chunks(piece) {
            peer.write(some);
        }
        let mut whole: Vec<Vec<u8>> = vec![Vec::new(); bodies.len()];
        let (mut complete, mut answered) = (0, 0);
        while complete < bodies.len() || answered < others {
            let got = peer.receive().expect("open");
            let number = u32::from_le_bytes(got[..4].try_into().expect("a session"));
            if number > 100 {
                assert_eq!(got, echoed(number, &format!("between {}", number - 100)));
                answered += 1;
                continue;
            }
            match got[4] {
                2 => {}
                3 | 4 => whole[number as usize - 1].extend(&got[5..]),
                kind => panic!("an answer of kind {kind}"),
            }
            complete += usize::from(got[4] == 4);
        }
        for (got, sent) in whole.iter().zip(&bodies) {
            assert!(got[..] == sent[packed(b"ECHO").len()..], "{every} {piece}");
        }
    }
}

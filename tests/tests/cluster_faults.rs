//! Connections between nodes: addresses that change, nodes that are down, absent, killed, slow or silent, and the order
//! of what is sent.
//!
//! Whatever happens, each call has exactly one outcome; at the end of each test the calling node has no socket and no
//! call left, and a called node no connection.

use std::time::Duration;

use skynet_tests::cluster::{
    Client, Server, named, numbered, packed, part, response, session, size,
};
use skynet_tests::peer::{Peer, frame, listen, port};
use skynet_tests::silent::{black_hole, vanish, vanishing};

/// Why a call fails when there has never been a connection.
const NO_SENDER: &str = "dest address type (nil) must be a string or number.";

/// The result of a call to a node that there has never been a connection to.
fn no_sender(result: &str) {
    assert!(result.ends_with(NO_SENDER), "{result}");
}

/// Reads a small request and answers it.
fn serve(peer: &mut Peer, text: &str) -> u32 {
    let session = session(&peer.receive().expect("a request"));
    peer.send(&response(session, 1, &packed(text.as_bytes())));
    session
}

#[test]
fn another_address() {
    let (old, old_port) = listen();
    let (new, new_port) = listen();
    let mut client = Client::start();
    client.connect("peer", old_port);
    let calls: Vec<_> = (0..3)
        .map(|i| client.ask("call", &format!("peer 16 {i}")))
        .collect();
    let mut peer = Peer::accept(&old);
    for want in 1..=3 {
        assert_eq!(session(&peer.receive().expect("a request")), want);
    }
    client.connect("peer", new_port);
    assert_eq!(peer.end(), b"");
    for call in calls {
        client.fails(call);
    }
    // The new connection is made without a call.
    let mut peer = Peer::accept(&new);
    let call = client.ask("call", "peer 16 again");
    assert_eq!(serve(&mut peer, "from the new one"), 4);
    client.gives(call, "from the new one");
    client.stop();
    assert_eq!(peer.end(), b"");
}

#[test]
fn a_node_that_goes_down_and_comes_up() {
    let (listener, port) = listen();
    let mut client = Client::start();
    client.connect("peer", port);
    let before = client.ask("sender", "peer");
    let mut peer = Peer::accept(&listener);
    let waiting = [
        client.ask("call", "peer 16 a"),
        client.ask("large", "peer 16 100000"),
    ];
    assert_eq!(session(&peer.receive().expect("a request")), 1);
    client.reload("peer", "false");
    peer.end();
    for call in waiting {
        client.fails(call);
    }
    let down = client.ask("call", "peer 16 b");
    client.fails(down);
    let sent = client.ask("send", "peer 16 3");
    client.gives(sent, "");
    client.connect("peer", port);
    let mut peer = Peer::accept(&listener);
    let call = client.ask("call", "peer 16 c");
    assert!(serve(&mut peer, "up") > 2);
    client.gives(call, "up");
    let after = client.ask("sender", "peer");
    let handle = client.result(before);
    assert_eq!(client.result(after), handle);
    client
        .stop()
        .has(&format!("Close cluster sender 127.0.0.1 {port}"));
}

#[test]
fn a_node_that_was_always_down() {
    let mut client = Client::start();
    client.reload("peer", "false");
    let call = client.ask("call", "peer 16 x");
    no_sender(&client.result(call));
    let sent = client.ask("send", "peer 16 3");
    client.gives(sent, "");
    let (listener, port) = listen();
    client.connect("peer", port);
    let call = client.ask("call", "peer 16 x");
    let mut peer = Peer::accept(&listener);
    assert_eq!(serve(&mut peer, "up"), 1, "what was sent before is lost");
    client.gives(call, "up");
    client.stop();
}

#[test]
fn a_node_that_refuses_at_first() {
    let port = port();
    let mut client = Client::start();
    client.connect("peer", port);
    for _ in 0..3 {
        let call = client.ask("call", "peer 16 x");
        no_sender(&client.result(call));
        let sent = client.ask("send", "peer 16 3");
        client.gives(sent, "");
    }
    let server = Server::on(port);
    let call = client.ask("call", "peer @echo ECHO hello");
    client.gives(call, "hello");
    client
        .stop()
        .has(&format!("changenode [peer] (127.0.0.1:{port}) failed"));
    server.stop();
}

#[test]
fn a_node_that_closes() {
    let port = port();
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).expect("bind");
    let mut client = Client::start();
    client.connect("peer", port);
    let calls: Vec<_> = (0..5)
        .map(|i| client.ask("call", &format!("peer 16 {i}")))
        .collect();
    let mut peer = Peer::accept(&listener);
    for want in 1..=5 {
        assert_eq!(session(&peer.receive().expect("a request")), want);
    }
    drop(peer);
    drop(listener);
    for call in calls {
        client.fails(call);
    }
    // One attempt for each call, as long as nobody is there.
    for _ in 0..3 {
        let call = client.ask("call", "peer 16 x");
        client.fails(call);
    }
    let server = Server::on(port);
    let call = client.ask("call", "peer @echo ECHO back");
    client.gives(call, "back");
    client.stop();
    server.stop();
}

#[test]
fn nodes_without_an_address() {
    let mut client = Client::start();
    let sent = client.ask("send", "later 16 3");
    client.gives(sent, "");
    let call = client.ask("call", "later 16 4");
    let elsewhere = client.ask("elsewhere", "later 16 5");
    client
        .node()
        .until_output("Waiting for cluster node [later]");
    // Another node is not held up.
    let server = Server::start();
    client.connect("other", server.port());
    let other = client.ask("call", "other @echo ECHO x");
    client.gives(other, "x");

    let (listener, port) = listen();
    client.connect("later", port);
    let mut peer = Peer::accept(&listener);
    let mut seen = Vec::new();
    for _ in 0..5 {
        let request = peer.receive().expect("a request");
        let number = session(&request);
        if number > 0 {
            peer.send(&response(number, 1, &request[9..]));
        }
        seen.push(request[9..].to_vec());
    }
    client.gives(call, "4");
    client.gives(elsewhere, "5");
    // Those of one service come in their order.
    seen.retain(|payload| *payload != packed(b"5"));
    let want: Vec<Vec<u8>> = (1..=3).map(|i| vec![0x0a, i]).collect();
    assert_eq!(seen[..3], want);
    assert_eq!(seen[3], packed(b"4"));
    let out = client.stop();
    out.has(&format!("Cluster node [later] resolved : 127.0.0.1:{port}"));
    server.stop();
}

#[test]
fn not_waiting_for_an_address() {
    let mut client = Client::start();
    let waiting = client.ask("call", "nowhere 16 x");
    client
        .node()
        .until_output("Waiting for cluster node [nowhere]");
    client.reload("__nowaiting", "true");
    no_sender(&client.result(waiting));
    let call = client.ask("call", "nowhere 16 x");
    no_sender(&client.result(call));
    let out = client.stop();
    out.has("Config nowaiting = true");
    out.has("cluster node [nowhere] is absent.");
}

#[test]
fn a_black_hole() {
    let (mut hole, hole_port) = black_hole();
    let server = Server::start();
    let mut client = Client::start();
    client.connect("hole", hole_port);
    let calls: Vec<_> = (0..3)
        .map(|i| client.ask("call", &format!("hole @echo ECHO {i}")))
        .collect();
    let sent = client.ask("send", "hole @echo 1");
    client.gives(sent, "");
    // Others are not held up.
    client.connect("peer", server.port());
    let other = client.ask("call", "peer @echo ECHO x");
    client.gives(other, "x");
    // With another address they are served, or fail.
    client.connect("hole", server.port());
    for (i, call) in calls.into_iter().enumerate() {
        let result = client.result(call);
        assert!(
            result.trim() == format!("ok {i}") || result.starts_with("failed "),
            "{result}"
        );
    }
    let call = client.ask("call", "hole @echo ECHO y");
    client.gives(call, "y");
    client.stop();
    server.stop();
    hole.write("done\n");
    hole.wait().exit(0);
}

#[test]
fn half_open() {
    let (mut peer, port) = vanishing(r#"request[5:9] + b"\x01" + request[9:]"#);
    let mut client = Client::start();
    client.connect("peer", port);
    let call = client.ask("call", "peer 16 one");
    client.gives(call, "one");
    if !vanish(&mut peer) {
        return;
    }
    let call = client.ask("call", "peer 16 two");
    client.fails(call);
    let call = client.ask("call", "peer 16 three");
    client.gives(call, "three");
    client.stop();
    peer.wait().exit(0);
}

#[test]
fn a_reset_while_writing() {
    let (listener, port) = listen();
    let mut client = Client::start();
    client.connect("peer", port);
    let calls: Vec<_> = (0..4)
        .map(|_| client.ask("large", "peer 16 20000000"))
        .collect();
    let mut peer = Peer::accept(&listener);
    // When the last of them begins, the others have been written and wait.
    for _ in 0..4 {
        while peer.receive().expect("a frame")[0] != 1 {}
    }
    peer.reset();
    for call in calls {
        client.fails(call);
    }
    let call = client.ask("call", "peer 16 again");
    let mut peer = Peer::accept(&listener);
    serve(&mut peer, "again");
    client.gives(call, "again");
    client.stop();
}

/// A client that asks for a lot and reads nothing does not hold up others, and leaves nothing behind.
#[test]
fn a_client_that_reads_nothing() {
    let server = Server::start();
    let mut slow = Peer::connect(server.port());
    let big = [packed(b"BIG"), vec![0x22, 0x40, 0x42, 0x0f, 0x00]].concat();
    for session in 1..=40 {
        slow.send(&named(0x80, b"@echo", session, &big));
    }
    let mut other = Peer::connect(server.port());
    let ask = [packed(b"ECHO"), packed(b"x")].concat();
    for session in 1..=100 {
        other.send(&named(0x80, b"@echo", session, &ask));
        assert_eq!(other.receive(), Some(response(session, 1, &packed(b"x"))));
    }
    // What it gets when it reads at last is whole.
    let mut sizes = vec![0; 41];
    let mut ends = 0;
    while ends < 40 {
        let got = slow.receive().expect("open");
        let number = u32::from_le_bytes(got[..4].try_into().expect("four bytes")) as usize;
        match got[4] {
            2 => assert_eq!(got[5..], size(1_000_005)),
            3 => sizes[number] += got.len() - 5,
            4 => {
                sizes[number] += got.len() - 5;
                assert_eq!(sizes[number], 1_000_005);
                ends += 1;
            }
            kind => panic!("kind {kind}"),
        }
    }
    for session in 1..=40 {
        slow.send(&named(0x80, b"@echo", session, &big));
    }
    slow.read(1000);
    slow.reset();
    drop(other);
    server.stop().no_panic();
}

/// With a limit for what may wait on a connection, such a client gets errors for what is beyond it.
#[test]
fn a_client_that_reads_nothing_and_a_limit() {
    let server = Server::with(
        0,
        &[("clusterpending", "3000000"), ("socketpending", "3000")],
    );
    let mut slow = Peer::connect(server.port());
    let big = [packed(b"BIG"), vec![0x22, 0x40, 0x42, 0x0f, 0x00]].concat();
    let before = server.node().peak_kib();
    for session in 1..=300 {
        slow.send(&named(0x80, b"@echo", session, &big));
    }
    let started = std::time::Instant::now();
    while !server.node().stdout().contains("does not read its answers") {
        assert!(started.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut other = Peer::connect(server.port());
    let ask = [packed(b"ECHO"), packed(b"x")].concat();
    other.send(&named(0x80, b"@echo", 1, &ask));
    assert_eq!(other.receive(), Some(response(1, 1, &packed(b"x"))));
    drop(other);
    // 300 MB were asked for.
    let most = server.node().peak_kib();
    assert!(most < before + 120 * 1024, "{before} KiB, then {most} KiB");
    drop(slow);
    // The limit of other sockets is not that of connections between nodes.
    server.stop().has_not("send queue over its limit");
}

/// The same for a node that calls: the calls beyond the limit fail, and no others.
#[test]
fn a_node_that_reads_nothing_and_a_limit() {
    let (listener, port) = listen();
    let mut client = Client::with(&[("clusterpending", "3000000"), ("socketpending", "3000")]);
    client.connect("peer", port);
    let first = client.ask("call", "peer 16 x");
    let mut peer = Peer::accept(&listener);
    serve(&mut peer, "connected");
    client.gives(first, "connected");
    drop(listener);
    let calls: Vec<_> = (0..30)
        .map(|_| client.ask("large", "peer 16 1000000"))
        .collect();
    // The last is one of those that do not wait for an answer.
    client.fails(calls[29]);
    client
        .node()
        .until_output("bytes wait on the connection (clusterpending)");
    // The others wait as long as the connection is there.
    drop(peer);
    for call in &calls[..29] {
        client.fails(*call);
    }
    let server = Server::start();
    client.connect("peer", server.port());
    let call = client.ask("call", "peer @echo ECHO good");
    client.gives(call, "good");
    client.stop().has_not("send queue over its limit");
    server.stop();
}

/// Large requests of which each byte comes by itself, and answers that are read byte by byte.
#[test]
fn a_client_of_single_bytes() {
    let server = Server::start();
    let mut peer = Peer::connect(server.port());
    let text = [packed(b"LEN"), packed(&[b'x'; 3000])].concat();
    peer.dribble(&frame(&named(0x81, b"@echo", 1, &size(text.len()))));
    for data in text.chunks(500) {
        peer.dribble(&frame(&part(2, 1, data)));
    }
    peer.dribble(&frame(&part(3, 1, b"")));
    for byte in frame(&response(1, 1, &[0x12, 0xb8, 0x0b])) {
        assert_eq!(peer.read(1), [byte]);
    }
    drop(peer);
    server.stop();
}

// Under load

/// Waits until the client had some more answers.
fn more_good(client: &mut Client) {
    let node = client.node();
    let before = node.stdout().matches("GOOD ").count();
    node.until("more good answers", |node| {
        node.stdout().matches("GOOD ").count() > before + 1
    });
}

#[test]
fn addresses_that_change_under_load() {
    let servers = [Server::start(), Server::start(), Server::start()];
    let mut client = Client::start();
    client.connect("peer", servers[0].port());
    client.load("peer @echo");
    for round in 1..15 {
        more_good(&mut client);
        if round % 5 == 0 {
            client.reload("peer", "false");
            std::thread::sleep(Duration::from_millis(20));
        }
        client.connect("peer", servers[round % 3].port());
    }
    more_good(&mut client);
    client.stop().has("LEDGER ");
    for server in servers {
        server.stop();
    }
}

#[test]
fn a_node_that_is_killed_and_restarted_under_load() {
    let port = port();
    let mut server = Server::on(port);
    let mut client = Client::start();
    client.connect("peer", port);
    client.load("peer @echo");
    for _ in 0..6 {
        more_good(&mut client);
        server.kill();
        server = Server::on(port);
    }
    more_good(&mut client);
    client.stop().has("LEDGER ");
    server.stop();
}

#[test]
fn callers_that_are_killed_under_load() {
    let server = Server::start();
    for _ in 0..5 {
        let mut client = Client::start();
        client.connect("peer", server.port());
        client.load("peer @echo");
        more_good(&mut client);
        client.kill();
    }
    server.stop().no_panic();
}

// Order

/// Small requests reach the service in the order in which they were written.
#[test]
fn order_of_requests_that_come() {
    let server = Server::start();
    let mut peer = Peer::connect(server.port());
    let mut bytes = Vec::new();
    for i in 1..=20_000u32 {
        let number = [&[0x22][..], &i.to_le_bytes()].concat();
        let number = match i {
            ..0x100 => vec![0x0a, i as u8],
            0x100..0x1_0000 => [&[0x12][..], &(i as u16).to_le_bytes()].concat(),
            _ => number,
        };
        let payload = [packed(b"NEXT"), number].concat();
        // Calls and sends, names and numbers.
        let session = if i % 3 == 0 { i } else { 0 };
        bytes.extend(frame(&match i % 2 {
            0 => named(0x80, b"@echo", session, &payload),
            _ => numbered(0, server.handle(), session, &payload),
        }));
    }
    let mut reader = peer.clone();
    let writer = std::thread::spawn(move || {
        peer.write(&bytes);
        peer
    });
    for i in (3..=20_000).step_by(3) {
        assert_eq!(reader.receive(), Some(response(i, 1, b"")));
    }
    let mut peer = writer.join().expect("the writer");
    peer.send(&named(0x80, b"@echo", 7, &packed(b"ORDER")));
    // The next one would be 20,001; none was out of order.
    assert_eq!(
        peer.receive(),
        Some(response(7, 1, &[0x12, 0x21, 0x4e, 0x02]))
    );
    drop(peer);
    drop(reader);
    server.stop();
}

/// What a node writes to a peer that reads late: small requests in their order, large ones in theirs, their parts
/// together; and small ones may overtake large ones, but not split their frames.
#[test]
fn order_of_requests_that_go() {
    let (listener, port) = listen();
    let mut client = Client::start();
    client.connect("peer", port);
    let first = client.ask("call", "peer 16 x");
    let mut peer = Peer::accept(&listener);
    serve(&mut peer, "connected");
    client.gives(first, "connected");
    // Nothing is read before all of it has been asked for and a lot of it waits.
    let mixed = client.ask("mixed", "peer 16 60 300000");
    client.node().until_output("ASKED");
    client.node().until("much that waits", |node| {
        node.stdout().matches("K bytes need to send out").count() > 3
    });
    let (mut small, mut large, mut open) = (Vec::new(), Vec::new(), None);
    let mut overtaken = false;
    while small.len() < 60 || large.len() < 60 || open.is_some() {
        let content = peer.receive().expect("a frame");
        match content[0] {
            0x00 => {
                let number = session(&content);
                small.push((number, content[9..].to_vec()));
                peer.send(&response(number, 1, &content[9..]));
            }
            0x41 => {
                assert_eq!(open, None, "large requests are written one after the other");
                assert_eq!(content[9..], size(300_005));
                let number = session_at(&content, 5);
                overtaken |= small.iter().any(|(before, _)| *before > number);
                large.push(number);
                open = Some((number, 300_005));
            }
            kind @ (0x02 | 0x03) => {
                let number = session_at(&content, 1);
                let (expected, left) = open.expect("a beginning");
                assert_eq!(number, expected);
                let data = content.len() - 5;
                assert!(data == 32_768 || kind == 0x03 && data == left);
                open = (kind == 0x02).then_some((number, left - data));
            }
            kind => panic!("a frame of type {kind:#x}"),
        }
    }
    client.gives(mixed, "60 60");
    assert!(overtaken);
    assert!(large.is_sorted());
    assert!(small.is_sorted_by_key(|(number, _)| *number));
    let payloads: Vec<Vec<u8>> = small.into_iter().map(|(_, payload)| payload).collect();
    let want: Vec<Vec<u8>> = (1..=60).map(|i| vec![0x0a, i]).collect();
    assert_eq!(payloads, want);
    client.stop();
}

fn session_at(content: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(content[at..at + 4].try_into().expect("four bytes"))
}

/// A trace tag stands directly before its request.
#[test]
fn order_of_trace_tags() {
    let (listener, port) = listen();
    let mut client = Client::start();
    client.connect("peer", port);
    let calls: Vec<_> = (0..30)
        .map(|i| match i % 2 {
            0 => client.ask("traced", &format!("peer 16 {i}")),
            _ => client.ask("call", &format!("peer 16 {i}")),
        })
        .collect();
    let mut peer = Peer::accept(&listener);
    let mut tags = 0;
    for _ in 0..30 {
        let mut content = peer.receive().expect("a frame");
        let mut number = None;
        if content[0] == 4 {
            tags += 1;
            let tag = String::from_utf8(content[1..].to_vec()).expect("a text");
            let (_, rest) = tag.split_once("-peer-").expect("the name of the node");
            let (digits, _) = rest.split_once("):").expect("the number");
            number = Some(digits.parse::<u32>().expect("the number"));
            content = peer.receive().expect("a frame");
        }
        let session = session(&content);
        if let Some(number) = number {
            assert_eq!(number, session + 1);
        }
        peer.send(&response(session, 1, b"\x0a\x01"));
    }
    assert_eq!(tags, 15);
    for call in calls {
        client.gives(call, "1");
    }
    client.stop();
    assert_eq!(peer.end(), b"");
}

//! Connections, through the public surface and over real sockets.

mod common;

use std::net::{Shutdown, TcpStream};

use common::*;
use skynet_kernel::{GrowingPayload, Payload};
use skynet_net::*;

use EventKind::*;

#[test]
fn a_listener_on_port_0_tells_its_address_accepts_and_serves() {
    let world = World::new();
    let probe = world.probe();
    let id = world.net.listen(probe.handle, "", 0, 32).unwrap();
    let bound = probe.expect(Connect, id);
    assert_eq!(bound.text(), "0.0.0.0");
    assert_ne!(bound.ud, 0);
    world.net.start(probe.handle, id);
    probe.expect_text(Connect, id, "start");

    let mut peer = TcpStream::connect(("127.0.0.1", bound.ud as u16)).unwrap();
    let accepted = probe.expect(Accept, id);
    assert_eq!(accepted.text(), peer.local_addr().unwrap().to_string());
    write(&mut peer, b"too early");
    // Not started: what is written to it is dropped, what comes in waits.
    assert!(world.net.send(accepted.ud, Payload::from("dropped")));
    world.settle(&probe);
    world.net.start(probe.handle, accepted.ud);
    probe.expect_text(Connect, accepted.ud, "start");
    assert_eq!(probe.expect_data(accepted.ud, 9), b"too early");
    assert!(world.net.send(accepted.ud, Payload::from("answer")));
    assert_eq!(read_exactly(&mut peer, 6), b"answer");
}

#[test]
fn two_sockets_of_the_engine_talk_in_order() {
    let world = World::with(NetOptions {
        reactors: 2,
        ..NetOptions::default()
    });
    let (server, client) = (world.probe(), world.probe());
    let (listener, address) = world.listener(&server);
    let id = world
        .net
        .connect(client.handle, "127.0.0.1", address.port())
        .unwrap();
    client.expect_text(Connect, id, "127.0.0.1");
    let peer = server.expect(Accept, listener).ud;
    world.net.start(server.handle, peer);
    server.expect_text(Connect, peer, "start");
    world.net.nodelay(id);
    let bytes = pattern(1_000_000);
    let mut sent = 0;
    let mut size = 1;
    while sent < bytes.len() {
        let end = bytes.len().min(sent + size);
        // Both forms, direct and queued, small and large.
        let data = &bytes[sent..end];
        assert!(if size % 2 == 0 {
            world.net.send_slice(id, data)
        } else {
            world.net.send(id, Payload::from(data))
        });
        (sent, size) = (end, size * 3 % 65_521 + 1);
    }
    assert!(server.expect_data(peer, bytes.len()) == bytes);
    for (kind, list) in [(SocketType::Listen, 1), (SocketType::Tcp, 2)] {
        let info = world.net.info();
        assert_eq!(info.iter().filter(|info| info.kind == kind).count(), list);
    }
    let info = world.net.info();
    let ids: Vec<_> = info.iter().map(|info| info.id).collect();
    assert_eq!(ids, [peer, id, listener]);
    assert_eq!((info[0].read, info[1].written), (1_000_000, 1_000_000));
    assert_eq!(info[2].read, 1);
    assert_eq!(info[1].name.as_deref(), Some(&*address.to_string()));
    assert_eq!(info[2].name.as_deref(), Some(&*address.to_string()));
}

#[test]
fn after_the_peer_has_finished_we_can_still_write_and_close_comes_once() {
    let world = World::new();
    let probe = world.probe();
    let (id, mut peer) = world.connection(&probe);
    write(&mut peer, b"last words");
    peer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(probe.expect_data(id, 10), b"last words");
    probe.expect(Close, id);
    assert_eq!(world.net.info()[0].kind, SocketType::Closing);
    assert!(world.net.send(id, Payload::from("heard")));
    assert_eq!(read_exactly(&mut peer, 5), b"heard");
    world.net.start(probe.handle, id);
    probe.expect_text(Error, id, "socket closed");
    world.net.close(id);
    assert_eq!(read_all(&mut peer), b"");
    world.settle(&probe);
    assert_eq!(world.net.count(), 0);
    assert!(!world.net.send(id, Payload::from("gone")));
}

#[test]
fn when_we_close_first_close_comes_once_and_the_peer_sees_the_end() {
    let world = World::new();
    let probe = world.probe();
    let (id, mut peer) = world.connection(&probe);
    world.net.close(id);
    probe.expect(Close, id);
    assert_eq!(read_all(&mut peer), b"");
    world.net.close(id);
    world.net.shutdown(id);
    world.settle(&probe);
    assert_eq!(world.net.count(), 0);
}

/// More than the kernel buffers between two sockets.
const PLENTY: usize = 20 << 20;

#[test]
fn close_sends_what_waits_first() {
    let world = World::new();
    let probe = world.probe();
    let (id, mut peer) = world.connection(&probe);
    let bytes = pattern(PLENTY);
    assert!(world.net.send(id, Payload::from(&bytes[..])));
    assert!(world.net.pending(id).unwrap() > 0);
    world.net.close(id);
    probe.expect(Close, id);
    assert!(!world.net.send(id, Payload::from("too late")));
    assert!(world.net.lsend(id, Payload::from("dropped")));
    // Input that nobody reads any more must not cost the output.
    write(&mut peer, b"ignored");
    assert!(read_all(&mut peer) == bytes);
    eventually("destroyed", || world.net.count() == 0);
    world.settle(&probe);
}

#[test]
fn shutdown_loses_what_waits() {
    let world = World::new();
    let probe = world.probe();
    let (id, mut peer) = world.connection(&probe);
    assert!(world.net.send(id, Payload::from(vec![7; PLENTY])));
    world.net.shutdown(id);
    probe.expect(Close, id);
    assert_eq!(world.net.count(), 0);
    assert!(read_all(&mut peer).len() < PLENTY);
}

#[test]
fn high_priority_overtakes_between_pieces_and_splits_none() {
    let world = World::new();
    let probe = world.probe();
    let (id, mut peer) = world.connection(&probe);
    // The first piece gets stuck half way.
    let mut expected = vec![b'a'; PLENTY];
    assert!(world.net.lsend(id, Payload::from(&expected[..])));
    assert!(world.net.pending(id).unwrap() > 0);
    for text in ["low 1;", "low 2;"] {
        assert!(world.net.lsend(id, Payload::from(text)));
    }
    for text in ["high 1;", "high 2;"] {
        assert!(world.net.send_slice(id, text.as_bytes()));
    }
    assert!(world.net.lsend_slice(id, b"low 3;"));
    expected.extend(b"high 1;high 2;low 1;low 2;low 3;");
    assert!(read_exactly(&mut peer, expected.len()) == expected);
    eventually("sent", || world.net.pending(id) == Some(0));
}

/// Units that are written, stuck half way, or queued: their bytes come in order, and a high piece between units only.
#[test]
fn units_stay_together() {
    let world = World::new();
    let probe = world.probe();
    let (id, mut peer) = world.connection(&probe);
    let mut expected = Vec::new();
    let mut heads = Vec::new();
    let mut n = 0u32;
    // Odd sizes, empty pieces among them, until the kernel is full and some units wait.
    while world.net.pending(id).unwrap() < 100_000 {
        let head = (n != 0).then(|| b"head".repeat(n as usize % 3));
        let head = head.unwrap_or_default();
        expected.extend(&head);
        let mut body = b"in front".to_vec();
        let mut units = Vec::new();
        for i in 0..40 {
            let begin = body.len();
            body.resize(begin + (n as usize + i) * 37 % 3000, i as u8);
            let header = (n + i as u32).to_be_bytes();
            expected.extend(header);
            expected.extend(&body[begin..]);
            units.push(Unit::new(&header, begin..body.len()));
        }
        let body = Payload::from_slice(&body);
        assert!(world.net.lsend_units(id, &head, body, &units));
        heads.push((n, head.len()));
        n += 40;
    }
    assert!(world.net.lsend_units(id, b"", Payload::EMPTY, &[]));
    assert!(world.net.send_slice(id, b"high"));
    let got = read_exactly(&mut peer, expected.len() + 4);
    let at = got
        .windows(4)
        .rposition(|window| window == b"high")
        .expect("it came");
    let rest = [&got[..at], &got[at + 4..]].concat();
    assert!(rest == expected);
    // Where a unit begins.
    let mut begin = 0;
    let mut number = 0usize;
    while begin < at {
        let head = heads.iter().find(|&&(first, _)| first as usize == number);
        begin += head.map_or(0, |&(_, len)| len);
        if begin == at {
            break;
        }
        begin += 4 + number * 37 % 3000;
        number += 1;
    }
    assert_eq!(begin, at);
    let unit = Unit::new(b"x", 0..1);
    let body = Payload::from_slice(b"y");
    assert!(!world.net.lsend_units(i32::MAX, b"", body, &[unit]));
}

#[test]
fn warnings_double_and_end_with_0() {
    const MIB: usize = 1 << 20;
    let world = World::new();
    let probe = world.probe();
    let (id, mut peer) = world.connection(&probe);
    // Fill the kernel; of what is left of a direct write no warning is given.
    assert!(world.net.send(id, Payload::from(vec![0; PLENTY])));
    let filled = PLENTY - world.net.pending(id).unwrap();
    assert!(filled < PLENTY);
    world.net.shutdown(id);
    probe.expect(Close, id);
    drop(peer);

    let (id, again) = world.connection(&probe);
    peer = again;
    // Enough that the kernel is full, and less than 1 MiB waits: then known amounts.
    let mut total = 0;
    while world.net.pending(id) == Some(0) {
        assert!(world.net.send(id, Payload::from(vec![0; 1024])));
        total += 1024;
    }
    probe.expect_nothing();
    let mut send_until = |pending: usize| {
        while world.net.pending(id).unwrap() < pending {
            let missing = pending - world.net.pending(id).unwrap();
            assert!(
                world
                    .net
                    .send(id, Payload::from(vec![0; missing.min(MIB / 2)]))
            );
            total += missing.min(MIB / 2);
        }
    };
    for warned in [1024, 2048, 4096, 8192] {
        send_until(warned * 1024);
        assert_eq!(probe.expect(Warning, id).ud, warned as i32);
    }
    send_until(9 * MIB);
    world.settle(&probe);
    read_exactly(&mut peer, total);
    assert_eq!(probe.expect(Warning, id).ud, 0);
    // And once more from the beginning.
    let mut more = 0;
    while world.net.pending(id).unwrap() < MIB {
        assert!(world.net.send(id, Payload::from(vec![0; MIB / 2])));
        more += MIB / 2;
    }
    assert!(probe.expect(Warning, id).ud >= 1024);
    read_exactly(&mut peer, more);
    assert_eq!(probe.expect(Warning, id).ud, 0);
}

#[test]
fn a_paused_socket_holds_its_peer_back_and_goes_on_where_it_was() {
    let world = World::new();
    let probe = world.probe();
    let (id, mut peer) = world.connection(&probe);
    world.net.pause(id);
    world.settle(&probe);
    let bytes = pattern(PLENTY);
    let expected = bytes.clone();
    peer.set_nonblocking(true).unwrap();
    let mut sent = 0;
    while let Ok(n) = std::io::Write::write(&mut peer, &bytes[sent..]) {
        sent += n;
    }
    assert!(sent < PLENTY, "the kernel took everything");
    probe.expect_nothing();
    assert!(!world.net.info()[0].reading);
    let writer = std::thread::spawn(move || {
        peer.set_nonblocking(false).unwrap();
        write(&mut peer, &bytes[sent..]);
        peer
    });
    world.net.start(probe.handle, id);
    probe.expect_text(Connect, id, "transfer");
    assert!(probe.expect_data(id, PLENTY) == expected);
    drop(writer.join().unwrap());
    probe.expect(Close, id);
}

#[test]
fn what_came_before_the_end_is_read_first_however_late() {
    let world = World::new();
    let probe = world.probe();
    let bytes = pattern(300_000);
    // Paused, and never started so far.
    for paused in [true, false] {
        let (listener, address) = world.listener(&probe);
        let mut peer = TcpStream::connect(address).unwrap();
        let id = probe.expect(Accept, listener).ud;
        world.net.shutdown(listener);
        probe.expect(Close, listener);
        if paused {
            world.net.start(probe.handle, id);
            probe.expect_text(Connect, id, "start");
            world.net.pause(id);
        }
        let data = bytes.clone();
        let writer = std::thread::spawn(move || write(&mut peer, &data));
        if !paused {
            // All of it is in the kernel, or as much as there is room for, when it is started.
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        world.net.start(probe.handle, id);
        let text = if paused { "transfer" } else { "start" };
        probe.expect_text(Connect, id, text);
        assert!(probe.expect_data(id, bytes.len()) == bytes);
        probe.expect(Close, id);
        writer.join().unwrap();
        world.net.close(id);
        world.settle(&probe);
        assert_eq!(world.net.count(), 0);
    }
}

/// Several threads send on one socket while it is read: nothing is lost, torn or out of order.
#[test]
fn many_threads_send_at_once() {
    const THREADS: usize = 4;
    const LINES: usize = 5_000;
    let world = World::new();
    let probe = world.probe();
    let (id, mut peer) = world.connection(&probe);
    let reader = std::thread::spawn(move || {
        let mut next = [0; THREADS];
        for _ in 0..THREADS * LINES {
            let line = read_exactly(&mut peer, 200);
            let thread = line[0] as usize;
            let number = u32::from_ne_bytes(line[1..5].try_into().unwrap()) as usize;
            assert_eq!(number, next[thread]);
            assert!(line[5..].iter().all(|&byte| byte == line[0]));
            next[thread] += 1;
        }
    });
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let net = &world.net;
            scope.spawn(move || {
                let mut line = [thread as u8; 200];
                for number in 0..LINES as u32 {
                    line[1..5].copy_from_slice(&number.to_ne_bytes());
                    assert!(net.send_slice(id, &line));
                }
            });
        }
    });
    reader.join().unwrap();
    eventually("sent", || world.net.pending(id) == Some(0));
}

#[test]
fn start_hands_a_connection_over_to_another_service() {
    let world = World::new();
    let (first, second) = (world.probe(), world.probe());
    let (id, mut peer) = world.connection(&first);
    write(&mut peer, b"one");
    assert_eq!(first.expect_data(id, 3), b"one");
    world.net.start(second.handle, id);
    second.expect_text(Connect, id, "transfer");
    write(&mut peer, b"two");
    assert_eq!(second.expect_data(id, 3), b"two");
    drop(peer);
    second.expect(Close, id);
    world.settle(&first);
}

#[test]
fn connecting_fails_with_the_text_of_the_system_or_resolver() {
    let world = World::new();
    let probe = world.probe();
    let (listener, port) = outside();
    drop(listener);
    let id = world.net.connect(probe.handle, "127.0.0.1", port).unwrap();
    probe.expect_text(Error, id, "Connection refused");
    let id = world.net.connect(probe.handle, "no such host", 80).unwrap();
    let error = probe.expect(Error, id).text();
    assert!(
        !error.is_empty() && !error.contains("failed to lookup") && !error.contains("os error")
    );
    assert_eq!(error, resolve("no such host").unwrap_err().to_string());
    let long = "x".repeat(300);
    assert!(matches!(
        world.net.connect(probe.handle, &long, 80),
        Err(skynet_net::Error::InvalidAddress(_))
    ));
    world.log.wait_for("socket-server error: Invalid addr xxx");
    assert!(!world.net.send(id, Payload::from("nobody")));
    assert_eq!(world.net.count(), 0);
}

#[test]
fn names_are_resolved_and_what_is_sent_meanwhile_waits() {
    let world = World::new();
    let probe = world.probe();
    let (listener, port) = outside();
    let id = world.net.connect(probe.handle, "localhost", port).unwrap();
    assert!(world.net.send(id, Payload::from("early ")));
    assert!(world.net.lsend(id, Payload::from("bird")));
    let (mut peer, _) = listener.accept().unwrap();
    assert_eq!(read_exactly(&mut peer, 10), b"early bird");
    assert_eq!(probe.expect(Connect, id).text(), "127.0.0.1");
}

#[test]
fn a_connection_under_way_can_be_closed() {
    let world = World::new();
    let probe = world.probe();
    // An address that is reserved for documentation: nobody answers, or there is no way to it.
    let id = world.net.connect(probe.handle, "192.0.2.1", 80).unwrap();
    world.net.close(id);
    let last = probe.next();
    assert!(matches!(last.kind, Close | Error), "{last:?}");
    world.settle(&probe);
    assert_eq!(world.net.count(), 0);
}

#[test]
fn listening_fails_in_the_caller() {
    let world = World::new();
    let probe = world.probe();
    let (listener, port) = outside();
    let error = world
        .net
        .listen(probe.handle, "127.0.0.1", port, 32)
        .unwrap_err();
    assert_eq!(error.to_string(), "Address already in use");
    assert!(
        world
            .net
            .listen(probe.handle, "no such host", 0, 32)
            .is_err()
    );
    drop(listener);
    assert_eq!(world.net.count(), 0);
    world.settle(&probe);
}

#[test]
fn a_reset_gives_an_error_and_then_the_end() {
    let world = World::new();
    let probe = world.probe();
    for paused in [false, true] {
        let (id, peer) = world.connection(&probe);
        if paused {
            world.net.pause(id);
        }
        let peer = socket2::Socket::from(peer);
        peer.set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(peer);
        probe.expect_text(Error, id, "Connection reset by peer");
        probe.expect(Close, id);
        eventually("destroyed", || world.net.count() == 0);
        world.settle(&probe);
    }
}

#[test]
fn a_reset_while_output_waits_frees_it() {
    let world = World::with(NetOptions {
        max_pending_total: Some(2 * PLENTY),
        ..NetOptions::default()
    });
    let probe = world.probe();
    // More in total than may wait at once.
    for _ in 0..5 {
        let (id, peer) = world.connection(&probe);
        assert!(world.net.send(id, Payload::from(vec![7; PLENTY])));
        assert!(world.net.pending(id).unwrap() > 0);
        let peer = socket2::Socket::from(peer);
        peer.set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(peer);
        probe.expect(Error, id);
        // A reset that comes between looking and reading is met by reading and by writing: one more error.
        let mut event = probe.next();
        if event.kind == Error {
            assert_eq!((event.id, event.text()), (id, "Broken pipe".into()));
            event = probe.next();
        }
        assert_eq!((event.kind, event.id), (Close, id), "{event:?}");
        eventually("destroyed", || world.net.count() == 0);
    }
}

#[test]
fn writing_to_a_peer_that_has_gone_succeeds_once() {
    let world = World::new();
    let probe = world.probe();
    let (id, peer) = world.connection(&probe);
    drop(peer);
    probe.expect(Close, id);
    assert!(world.net.send(id, Payload::from("into the void")));
    // The answer to it is a reset, which destroys the socket.
    probe.expect_text(Error, id, "Broken pipe");
    eventually("destroyed", || world.net.count() == 0);
    assert!(!world.net.send(id, Payload::from("nobody")));
    world.settle(&probe);
}

#[test]
fn ids_of_sockets_that_have_gone_do_nothing() {
    let world = World::new();
    let probe = world.probe();
    let (old, peer) = world.connection(&probe);
    world.net.shutdown(old);
    probe.expect(Close, old);
    drop(peer);
    let (id, mut peer) = world.connection(&probe);
    for stale in [old, id + 65536, 0, -1, i32::MAX, i32::MIN] {
        world.net.close(stale);
        world.net.shutdown(stale);
        world.net.pause(stale);
        world.net.nodelay(stale);
        world.net.set_cap(stale, Some(0));
        assert!(!world.net.send(stale, Payload::from("x")));
        assert!(!world.net.lsend(stale, Payload::from("x")));
        assert!(!world.net.udp_send(stale, &[1, 0, 1, 127, 0, 0, 1], b"x"));
        assert_eq!(world.net.pending(stale), None);
    }
    world.settle(&probe);
    assert!(world.net.send(id, Payload::from("alive")));
    assert_eq!(read_exactly(&mut peer, 5), b"alive");
    // Not for streams either:
    assert!(!world.net.udp_send(id, &[1, 0, 1, 127, 0, 0, 1], b"x"));
}

#[test]
fn writing_to_a_listener_is_logged() {
    let world = World::new();
    let probe = world.probe();
    let (id, _) = world.listener(&probe);
    assert!(world.net.send(id, Payload::from("x")));
    world
        .log
        .wait_for(&format!("socket-server error: write to listen fd {id}."));
}

#[test]
fn ipv6_addresses_have_no_brackets() {
    let world = World::new();
    let probe = world.probe();
    let Ok(id) = world.net.listen(probe.handle, "::1", 0, 32) else {
        no_ipv6();
        return;
    };
    let bound = probe.expect(Connect, id);
    assert_eq!(bound.text(), "::1");
    world.net.start(probe.handle, id);
    probe.expect_text(Connect, id, "start");
    let client = world.probe();
    let outgoing = world
        .net
        .connect(client.handle, "::1", bound.ud as u16)
        .unwrap();
    client.expect_text(Connect, outgoing, "::1");
    let accepted = probe.expect(Accept, id);
    assert!(accepted.text().starts_with("::1:"), "{accepted:?}");
}

#[test]
fn a_listener_can_be_paused() {
    let world = World::new();
    let probe = world.probe();
    let (id, address) = world.listener(&probe);
    world.net.pause(id);
    let peer = TcpStream::connect(address).unwrap();
    world.settle(&probe);
    world.net.start(probe.handle, id);
    let accepted = probe.expect(Accept, id);
    assert_eq!(accepted.text(), peer.local_addr().unwrap().to_string());
}

#[test]
fn stopping_destroys_everything_and_refuses_more() {
    let world = World::new();
    let probe = world.probe();
    let (id, mut peer) = world.connection(&probe);
    world.net.stop();
    assert_eq!(read_all(&mut peer), b"");
    assert_eq!(world.net.count(), 0);
    assert!(!world.net.send(id, Payload::from("x")));
    assert!(matches!(
        world.net.connect(probe.handle, "127.0.0.1", 1),
        Err(skynet_net::Error::Stopped)
    ));
    world.net.stop();
}

/// Bytes that are read to where they belong, by an owner who knows how the stream goes on, and an owner who was wrong.
#[test]
fn a_block_is_filled() {
    let world = World::new();
    let probe = world.probe();
    let (id, mut peer) = world.connection(&probe);
    let header = |n: u8| [b'<', n, n, n, n, n, b'>'];
    let fill = |units: u8| {
        let mut block = GrowingPayload::new();
        block.extend_from_slice(b"begun ");
        Fill::new(block, 3, (0..units).map(|n| (header(n), 100_000)))
    };
    write(&mut peer, b"hello");
    assert_eq!(probe.expect_data(id, 5), b"hello");
    for at in [0, 4, 6] {
        let refused = world.net.fill(id, at, fill(1)).expect_err("not there");
        assert_eq!(refused.into_block().as_slice(), b"begun ");
    }
    assert!(world.net.fill(i32::MAX, 5, fill(1)).is_err());
    let nothing = Fill::new(GrowingPayload::new(), 0, []);
    assert!(world.net.fill(id, 5, nothing).is_err());
    // As expected, and more behind it.
    assert!(world.net.fill(id, 5, fill(20)).is_ok());
    assert!(world.net.fill(id, 5, fill(20)).is_err(), "there is one");
    let mut expected = b"begun abc".to_vec();
    let mut stream = b"abc".to_vec();
    for n in 0..20 {
        let data: Vec<u8> = (0..100_000).map(|i| (i / 7) as u8 ^ n).collect();
        expected.extend(&data);
        stream.extend(header(n));
        stream.extend(data);
    }
    let taken = stream.len();
    let feeder = std::thread::spawn(move || {
        write(&mut peer, &stream);
        write(&mut peer, b"more");
        peer
    });
    let event = probe.expect(Filled, id);
    assert!(event.data == expected);
    assert_eq!(event.ud as usize, taken);
    assert_eq!(probe.expect_data(id, 4), b"more");
    let mut peer = feeder.join().expect("it writes");
    // Another header: what was right comes in the block, what follows as ever.
    let at = 5 + taken as u64 + 4;
    assert!(world.net.fill(id, at, fill(2)).is_ok());
    write(&mut peer, b"xyz<\0\0\0other");
    let event = probe.expect(Filled, id);
    assert_eq!((&event.data[..], event.ud), (&b"begun xyz"[..], 3));
    assert_eq!(probe.expect_data(id, 9), b"<\0\0\0other");
    // The end of the stream.
    assert!(world.net.fill(id, at + 12, fill(2)).is_ok());
    write(&mut peer, b"xy");
    drop(peer);
    probe.expect(Close, id);
    world.net.close(id);
    world.settle(&probe);
}

//! Nodes of a network that do not keep to the protocol, or go away at a bad moment: the connection ends, and the node
//! goes on.

use skynet_tests::cluster::packed;
use skynet_tests::harbor::{
    Slave, gone, master_node, message, name_is, node, node_at, packet, read_message, read_packet,
    welcome, whose,
};
use skynet_tests::peer::{Peer, listen, port};

/// The service of `lua/harbor/wire.lua`, on the node of ours.
const SERVICE: u32 = 0x0200_0007;

fn start() -> (Slave, Peer) {
    let mut slave = Slave::start(|master, address| node("harbor/wire", 2, master, address));
    let peer = slave.let_start();
    assert_eq!(
        read_message(&mut slave.master),
        name_is(b'R', "CTL", SERVICE)
    );
    (slave, peer)
}

/// A request to the service.
fn request(source: u32, session: i32, words: &[&[u8]]) -> Vec<u8> {
    packet(10, source, SERVICE, session, &words.concat())
}

/// Another node joins, with a service of its own, and asks ours for something.
fn another(slave: &mut Slave, id: u8) -> Peer {
    let (listener, at) = listen();
    slave.master.write(&node_at(b'C', id, at));
    let mut peer = Peer::accept(&listener);
    assert_eq!(peer.read(1), [2]);
    peer.write(&[id]);
    works(&mut peer, u32::from(id) << 24 | 0x10);
    peer
}

fn works(peer: &mut Peer, source: u32) {
    peer.write(&request(source, 70, &[&packed(b"ECHO"), &packed(b"well")]));
    let answer = packet(1, SERVICE, source, 70, &packed(b"well"));
    assert_eq!(read_packet(peer), answer);
}

/// Packed integer of four bytes.
fn handle(number: u32) -> Vec<u8> {
    [&[0x22][..], &number.to_le_bytes()].concat()
}

#[test]
fn packets_that_are_none_close_their_connection() {
    for (bytes, line) in [
        (&b"\x01\0\0\0"[..], "Message is too long from harbor 3"),
        (b"\xff\xff\xff\xffrest", "Message is too long from harbor 3"),
        (
            b"\0\0\0\x0belevenbytes",
            "Message is too short from harbor 3",
        ),
        (b"\0\0\0\0", "Message is too short from harbor 3"),
    ] {
        let (mut slave, mut peer) = start();
        works(&mut peer, 0x0300_0010);
        peer.write(bytes);
        peer.end();
        slave.node.until_output(line);
        another(&mut slave, 4);
        slave.node.kill().no_panic();
    }
}

#[test]
fn open_calls_fail_with_their_connection() {
    let (mut slave, mut peer) = start();
    peer.write(&request(
        0x0300_0010,
        0,
        &[&packed(b"CALL"), &handle(0x0300_0010), &packed(b"wait")],
    ));
    let call = read_packet(&mut peer);
    assert_eq!(call[4..call.len() - 12], packed(b"wait"));
    drop(peer);
    slave
        .node
        .until_output("Harbor 3 is down: connection closed (1 calls failed)");
    let mut peer = another(&mut slave, 4);
    let get = request(0x0400_0010, 5, &[&packed(b"GET")]);
    peer.write(&get);
    let answer = read_packet(&mut peer);
    assert!(answer[4..answer.len() - 12].ends_with(b"call failed"));

    // Later ones fail at once; a push is lost.
    for (command, session) in [(&b"CALL"[..], 0), (b"SEND", 0)] {
        let words = [&packed(command)[..], &handle(0x0300_0010), &packed(b"wait")];
        peer.write(&request(0x0400_0010, session, &words));
    }
    peer.write(&get);
    let answer = read_packet(&mut peer);
    assert!(answer[4..answer.len() - 12].ends_with(b"call failed"));
    let line = "Drop message to harbor 3 from 2000007 to 3000010 (session = ";
    slave
        .node
        .until("two lines", |node| node.stdout().matches(line).count() == 2);
    slave.node.kill().no_panic();
}

#[test]
fn a_wrong_number_ends_the_connection() {
    let mut slave = Slave::start(|master, address| node("harbor/wire", 2, master, address));
    assert_eq!(read_message(&mut slave.master), whose("SERVICE"));
    slave.master.write(&name_is(b'N', "SERVICE", 0x0300_0009));
    let mut peer = slave.announce();
    peer.write(&[9]);
    assert_eq!(peer.end(), b"");
    slave
        .node
        .until_output("Invalid shakehand id (9) from fd = ");
    slave.node.until_output(", harbor = 3");
    // The report that waited for the connection has failed, and with it the start of that service.
    slave
        .node
        .until_output("Drop message to harbor 3 from 2000006 to 3000009");
    slave.node.kill().no_panic();
}

#[test]
fn types_that_mean_something_within_a_node_only() {
    let (mut slave, mut peer) = start();
    let source = 0x0300_0010;
    // To the service; to `harbor`; to nobody.
    for dest in [SERVICE, 5, 0x77_7777] {
        for kind in [4, 5, 6] {
            peer.write(&packet(kind, source, dest, 9, b"8 bytes!"));
            let dest = 0x0200_0000 | dest;
            assert_eq!(read_packet(&mut peer), packet(7, dest, source, 9, b""));
        }
        // No error without a session: it would say that the receiver has gone.
        for kind in [2, 4, 5, 6] {
            peer.write(&packet(kind, source, dest, 0, b"8 bytes!"));
        }
    }
    // A forged command of the slave service would have made this name ours.
    peer.write(&packet(5, source, 5, 0, b"N FORGED"));
    works(&mut peer, source);
    slave
        .node
        .until_output("Invalid message type 6 from harbor 3");
    slave.node.kill().no_panic();
}

/// An address of another process: a request with one is refused, and an answer fails its call. Null, which libraries
/// use for "nothing", passes.
#[test]
fn pointers_of_another_process() {
    let (mut slave, mut peer) = start();
    let source = 0x0300_0010;
    let pointer = b"\x03\x10\x20\0\0\0\0\0\0";
    peer.write(&request(source, 4, &[&packed(b"ECHO"), pointer]));
    let refused = packet(7, SERVICE, source, 4, b"");
    assert_eq!(read_packet(&mut peer), refused);
    peer.write(&request(source, 0, &[&packed(b"ECHO"), pointer]));
    peer.write(&request(
        source,
        5,
        &[&packed(b"ECHO"), b"\x03\0\0\0\0\0\0\0\0"],
    ));
    let null = packet(1, SERVICE, source, 5, b"\x03\0\0\0\0\0\0\0\0");
    assert_eq!(read_packet(&mut peer), null);

    let call = [&packed(b"CALL")[..], &handle(source), &packed(b"which")];
    peer.write(&request(source, 0, &call));
    let call = read_packet(&mut peer);
    let session = i32::from_be_bytes(call[call.len() - 4..].try_into().expect("four bytes"));
    peer.write(&packet(1, source, SERVICE, session, pointer));
    peer.write(&request(source, 6, &[&packed(b"GET")]));
    let answer = read_packet(&mut peer);
    assert!(answer[4..answer.len() - 12].ends_with(b"call failed"));
    slave.node.until_output("holds a light userdata");
    slave.node.kill().no_panic();
}

/// An answer that nobody has asked for, or that comes from another node than was asked, does not reach a service.
#[test]
fn forged_answers() {
    let (mut slave, mut peer) = start();
    let mut other = another(&mut slave, 4);
    let (asked, forger) = (0x0300_0010, 0x0400_0010);
    let pointer = b"\x03\x10\x20\0\0\0\0\0\0";
    let call = [&packed(b"CALL")[..], &handle(asked), &packed(b"which")];
    peer.write(&request(asked, 0, &call));
    let call = read_packet(&mut peer);
    let session = i32::from_be_bytes(call[call.len() - 4..].try_into().expect("four bytes"));
    let forged = |peer: &mut Peer, source: u32, kind: u8, session: i32| {
        peer.write(&packet(kind, source, SERVICE, session, b""));
        peer.write(&packet(kind, source, SERVICE, session, pointer));
        peer.write(&packet(kind, source, SERVICE, session, &packed(b"forged")));
    };
    for kind in [1, 7] {
        // Of sessions that are not open, and of the one that is.
        for session in [0, session + 1, session + 1000, -1, i32::MAX, session] {
            forged(&mut other, forger, kind, session);
            forged(&mut other, asked, kind, session);
            forged(&mut other, SERVICE, kind, session);
        }
        for session in [session + 1, session + 1000] {
            forged(&mut peer, asked, kind, session);
        }
    }
    works(&mut other, forger);
    works(&mut peer, asked);
    let answer = packed(b"the answer");
    peer.write(&packet(1, asked, SERVICE, session, &answer));
    // There is no second one.
    forged(&mut peer, asked, 1, session);
    peer.write(&request(asked, 6, &[&packed(b"GET")]));
    let got = [&[0x09][..], &answer].concat();
    assert_eq!(read_packet(&mut peer), packet(1, SERVICE, asked, 6, &got));
    let line =
        "Drop an answer from harbor 4 that it was not asked for (:4000010 to :02000007, type 1";
    slave.node.until_output(line);
    let out = slave.node.kill();
    out.no_panic()
        .has_not("unknown session")
        .has_not("Unknown session");
    // There were a hundred and more.
    let lines = out.count("Drop an answer from harbor 4");
    assert!(lines < 40, "{lines} lines");
}

/// That a service has gone is to be said by its own node.
#[test]
fn a_forged_end_of_a_service() {
    let (mut slave, mut peer) = start();
    // The service calls itself, and will not answer.
    let call = [&packed(b"CALL")[..], &handle(SERVICE), &packed(b"GET")];
    peer.write(&request(0x0300_0010, 0, &call));
    peer.write(&request(0x0300_0010, 5, &[&packed(b"GET")]));
    works(&mut peer, 0x0300_0010);
    peer.write(&packet(7, SERVICE, SERVICE, 0, b""));
    peer.write(&packet(7, 0x0400_0010, SERVICE, 0, b""));
    works(&mut peer, 0x0300_0010);
    slave.node.until_output("Drop an answer from harbor 3");
    slave.node.kill().no_panic();
}

/// Nor does a pointer get in by a type of the application, whoever it claims to come from.
#[test]
fn pointers_in_messages_of_the_application() {
    let (mut slave, mut peer) = start();
    let pointer = b"\x03\x10\x20\0\0\0\0\0\0";
    for source in [0x0300_0010, 0x0400_0010, SERVICE, 0] {
        peer.write(&packet(20, source, SERVICE, 0, pointer));
    }
    peer.write(&packet(20, 0x0300_0010, SERVICE, 0, &packed(b"good")));
    slave.node.until_output("ODD\tgood");
    slave.node.until_output("holds a light userdata");
    slave.node.kill().no_panic().has_not("ODD\tuserdata");
}

/// As in skynet (C), also for a message that nobody waits for.
#[test]
fn messages_to_nobody_are_answered() {
    let (mut slave, mut peer) = start();
    let source = 0x0300_0010;
    for (kind, session) in [(10, 4), (10, 0), (1, 8), (0, -3), (12, 0)] {
        peer.write(&packet(kind, source, 0x77_7777, session, b"payload"));
        let answer = packet(7, 0x0277_7777, source, session, b"");
        assert_eq!(read_packet(&mut peer), answer, "{kind} {session}");
    }
    // An error is not.
    peer.write(&packet(7, source, 0x77_7777, 4, b""));
    works(&mut peer, source);
    slave
        .node
        .until_output("Unknown destination :2777777 from :3000010 type(7)");
    slave.node.kill().no_panic();
}

#[test]
fn packets_in_any_pieces() {
    let (slave, mut peer) = start();
    let long = vec![b'z'; 60_000];
    let two = [
        request(0x0300_0010, 1, &[&packed(b"ECHO"), &packed(&long)]),
        request(0x0300_0010, 2, &[&packed(b"ECHO"), &packed(b"short")]),
    ]
    .concat();
    let answers = [
        packet(1, SERVICE, 0x0300_0010, 1, &packed(&long)),
        packet(1, SERVICE, 0x0300_0010, 2, &packed(b"short")),
    ];
    for size in [1, 3, 1000, two.len()] {
        let mut piece = two.clone();
        if size == 1 {
            // The long one byte by byte takes its time.
            piece = request(0x0300_0010, 2, &[&packed(b"ECHO"), &packed(b"short")]);
        }
        piece.chunks(size).for_each(|piece| peer.write(piece));
        if size != 1 {
            assert!(read_packet(&mut peer) == answers[0]);
        }
        assert_eq!(read_packet(&mut peer), answers[1]);
    }
    slave.node.kill().no_panic();
}

#[test]
fn a_node_that_cannot_be_connected_to() {
    let (mut slave, mut peer) = start();
    slave.master.write(&node_at(b'C', 9, port()));
    slave.node.until_output("Can't connect to 127.0.0.1:");
    let call = [&packed(b"CALL")[..], &handle(0x0900_0001), &packed(b"wait")];
    peer.write(&request(0x0300_0010, 0, &call));
    peer.write(&request(0x0300_0010, 5, &[&packed(b"GET")]));
    let answer = read_packet(&mut peer);
    assert!(answer[4..answer.len() - 12].ends_with(b"call failed"));

    // One that is gone before it could be connected to: what waits for it fails as well.
    let call = [&packed(b"CALL")[..], &handle(0x0a00_0001), &packed(b"wait")];
    peer.write(&request(0x0300_0010, 0, &call));
    works(&mut peer, 0x0300_0010);
    slave.master.write(&gone(10));
    slave
        .node
        .until_output("Drop message to harbor 10 from 2000007 to a000001");
    slave.node.kill().no_panic();
}

#[test]
fn a_master_that_goes_or_talks_nonsense() {
    for nonsense in [
        &b""[..],
        b"\x01\x07",
        b"\x06\x0cN\x1cabc",
        b"\x05\x0cC\x0a\0x",
    ] {
        let (mut slave, mut peer) = start();
        let mut master = slave.master.clone();
        if nonsense.is_empty() {
            master.finish();
        } else {
            master.write(nonsense);
        }
        slave.node.until_output("Master disconnect");
        // Connections between nodes stay.
        works(&mut peer, 0x0300_0010);
        slave.node.kill().no_panic();
    }
    let (mut slave, mut peer) = start();
    slave.master.write(b"\x04\x0cZ\x0a\x01");
    slave.master.write(b"\0");
    slave.node.until_output("Invalid master message type Z");
    works(&mut peer, 0x0300_0010);
    let end = gone(3);
    // The link is not closed when the master says that the node has gone.
    slave.master.write(&end);
    works(&mut peer, 0x0300_0010);
    slave.node.kill().no_panic();
}

#[test]
fn a_start_that_waits_for_a_node_that_has_gone() {
    let started = |after: &dyn Fn(&mut Peer)| {
        let (master, at) = listen();
        let address = port();
        let node = node("harbor/wire", 2, at, address).spawn();
        let mut master = Peer::accept(&master);
        read_message(&mut master);
        master.write(&welcome(2));
        let mut link = Peer::connect(address);
        link.write(&[1]);
        assert_eq!(link.read(1), [2]);
        after(&mut master);
        (node, master, link)
    };
    let (mut node, _master, _link) = started(&|master| {
        // It came later, so that it is none of those that were there.
        master.write(&node_at(b'C', 7, port()));
        master.write(&gone(7));
        master.write(&gone(3));
    });
    node.until_output("Shakehand ready");
    node.kill().no_panic();
    let (node, _master, _link) = started(&|master| master.finish());
    let out = node.wait();
    out.exit(1)
        .has("the master has gone before all nodes had connected")
        .has_not("Shakehand ready");
}

/// Who connects to a master takes no more than is his, and gives it back.
#[test]
fn what_a_node_may_take_from_a_master() {
    let at = port();
    let mut node = master_node("harbor/wire", 1, at).spawn();
    node.until_output("STARTED");
    // Nobody listens there, which the master's own node finds out.
    let join = |id: u8, others: &mut [&mut Peer]| {
        let address = port();
        let mut peer = Peer::connect(at);
        peer.write(&node_at(b'H', id, address));
        assert_eq!(read_message(&mut peer), welcome(1 + others.len() as u8));
        for other in others {
            let mut got = read_message(other);
            if got == name_is(b'N', "CTL", 0x0100_0009) {
                // The node's own program has begun with that, maybe after the first has joined.
                got = read_message(other);
            }
            assert_eq!(got, node_at(b'C', id, address));
        }
        peer
    };
    let mut two = join(2, &mut []);
    let mut three = join(3, &mut [&mut two]);
    let mine = name_is(b'N', "MINE", 0x0200_0009);
    two.write(&name_is(b'R', "MINE", 0x0200_0009));
    assert_eq!(read_message(&mut two), mine);
    assert_eq!(read_message(&mut three), mine);
    // A name that is taken: nobody is told but who wants it, and that whose it is.
    three.write(&name_is(b'R', "MINE", 0x0300_0009));
    assert_eq!(read_message(&mut three), mine);
    two.write(&whose("MINE"));
    assert_eq!(read_message(&mut two), mine);
    node.until_output("slave 3 registers MINE, which slave 2 has taken");
    // The number, too.
    let mut thief = Peer::connect(at);
    thief.write(&node_at(b'H', 2, port()));
    assert_eq!(thief.end(), b"");
    // With its connection a node gives both back.
    drop(two);
    assert_eq!(read_message(&mut three), gone(2));
    three.write(&whose("MINE"));
    three.write(&name_is(b'R', "MINE", 0x0300_0009));
    let now = name_is(b'N', "MINE", 0x0300_0009);
    assert_eq!(read_message(&mut three), now);
    let mut two = join(2, &mut [&mut three]);
    // There are only so many names for one node; the others still get some.
    for n in 0..9000 {
        two.write(&name_is(b'R', &format!("N{n}"), 0x0200_0009));
    }
    two.write(&whose("MINE"));
    let mut told = 0;
    while read_message(&mut two) != now {
        told += 1;
    }
    assert_eq!(told, 8192);
    for n in 0..8192 {
        let name = name_is(b'N', &format!("N{n}"), 0x0200_0009);
        assert_eq!(read_message(&mut three), name);
    }
    three.write(&name_is(b'R', "MORE", 0x0300_0009));
    assert_eq!(read_message(&mut three), name_is(b'N', "MORE", 0x0300_0009));
    let out = node.kill();
    out.no_panic();
    let lines = out.count("slave 2 has 8192 names already");
    assert!((1..=20).contains(&lines), "{lines}");
}

/// Who connects and does not say who he is, is not kept: not for long, and not many of them.
#[test]
fn silence_at_the_port_of_a_master() {
    let at = port();
    let mut node = master_node("harbor/wire", 1, at).spawn();
    node.until_output("STARTED");
    // A byte of a message that does not come.
    let mut late = Peer::connect(at);
    late.write(b"\x14");
    assert_eq!(late.end(), b"");
    node.until_output("it has not said who it is");
    let mut many: Vec<Peer> = (0..300).map(|_| Peer::connect(at)).collect();
    for peer in &mut many[..44] {
        assert_eq!(peer.end(), b"");
    }
    // What a log may be told of strangers it can show.
    let mut rude = Peer::connect(at);
    let address = b"\x1b[31mred\n[:00000001] forged";
    rude.write(&message(
        &[&b"\x0cH\x0a\x09"[..], &packed(address)].concat(),
    ));
    assert_eq!(read_message(&mut rude), welcome(1));
    node.until_output(r"report \x1b[31mred\n[:00000001] forged");
    node.kill().no_panic();
}

/// A number that is given again: what is known of the old node is forgotten, its connection ends, and the new one is
/// connected to.
#[test]
fn a_node_that_is_followed_by_another() {
    let (mut slave, mut old) = start();
    slave.master.write(&name_is(b'N', "THEIRS", 0x0300_0009));
    slave.master.write(&gone(3));
    works(&mut old, 0x0300_0010);
    let mut new = another(&mut slave, 3);
    assert_eq!(old.end(), b"");
    works(&mut new, 0x0300_0010);
    slave
        .node
        .until_output("Harbor 3 is down: its number is another node's now");
    // Its names are nobody's: the master is asked.
    let send = [&packed(b"SEND")[..], &packed(b"THEIRS"), &packed(b"x")];
    new.write(&request(0x0300_0010, 0, &send));
    assert_eq!(read_message(&mut slave.master), whose("THEIRS"));
    // The end of the old connection, which may be heard of late, is not that of the new one.
    works(&mut new, 0x0300_0010);
    slave.node.kill().no_panic();
}

/// A node that sends faster than a service handles is made to wait, and nothing is lost.
#[test]
fn messages_to_a_service_that_does_not_get_on() {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    const MESSAGES: u16 = 2000;
    let (mut slave, mut peer) = start();
    let go = slave.node.path("go");
    let name = go.to_str().expect("a path").as_bytes();
    peer.write(&request(0x0300_0010, 0, &[&packed(b"HOLD"), &packed(name)]));
    slave.node.until_output("HOLDING");
    let one = request(
        0x0300_0010,
        0,
        &[&packed(b"COUNT"), &packed(&[b'x'; 50_000])],
    );
    let written = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..MESSAGES {
                peer.write(&one);
                written.fetch_add(one.len(), Relaxed);
            }
        });
        // Until it makes no progress, or has written all.
        let mut before = usize::MAX;
        loop {
            let now = written.load(Relaxed);
            if now == before || writer.is_finished() {
                break;
            }
            before = now;
            std::thread::sleep(std::time::Duration::from_millis(1500));
        }
        // The inbox, and what the system keeps, of 100 MB.
        assert!(before < 60 << 20, "{before} bytes were taken");
        assert!(!writer.is_finished());
        let most = slave.node.peak_kib();
        assert!(most < 100 * 1024, "{most} KiB");
        std::fs::write(&go, "").expect("the file");
    });
    peer.write(&request(0x0300_0010, 5, &[&packed(b"COUNTED")]));
    let answer = read_packet(&mut peer);
    let count = [&[0x12][..], &MESSAGES.to_le_bytes()].concat();
    assert_eq!(answer[4..answer.len() - 12], count);
    slave.node.kill().no_panic();
}

//! Nodes of a network that do not keep to the protocol, or go away at a bad moment: the connection ends, and the node goes on.

use skynet_tests::cluster::packed;
use skynet_tests::harbor::{
    Slave, gone, name_is, node, node_at, packet, read_message, read_packet, welcome, whose,
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

/// An address of another process: a request with one is refused, and an answer fails its call. Null, which libraries use for "nothing", passes.
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

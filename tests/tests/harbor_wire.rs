//! The recorded network, played on real connections: with a node of ours as a slave, whose master and other node are a
//! script, and as the master.

use std::net::TcpStream;

use serde_json::Value as Json;
use skynet_tests::harbor::{
    Slave, gone, master_node, message, name_is, node, node_at, read_message, read_packet, welcome,
    whose,
};
use skynet_tests::peer::{Peer, listen, port};
use skynet_tests::vectors::{bytes, cases, count};

/// The cases from one number to another, in their order.
fn recorded(from: u64, to: u64) -> Vec<Json> {
    let mut all = cases("harbor.json");
    count(all.len(), 36);
    let number = |case: &Json| case["seq"].as_u64().expect("a number");
    all.sort_by_key(number);
    all.retain(|case| (from..=to).contains(&number(case)));
    all
}

fn text<'a>(case: &'a Json, key: &str) -> &'a str {
    case[key].as_str().unwrap_or_default()
}

/// Byte strings under a key, one after another.
fn under(case: &Json, key: &str) -> Vec<u8> {
    match &case[key] {
        Json::Null => Vec::new(),
        Json::Array(list) => list.iter().flat_map(bytes).collect(),
        one => bytes(one),
    }
}

/// Reads as many bytes as are wanted, and compares.
fn expect(peer: &mut Peer, want: &[u8], name: &str) {
    let got = peer.read(want.len());
    if got != want {
        let hex = |bytes: &[u8]| {
            let start = bytes.iter().take(64);
            start.map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        panic!("{name}: got {}, want {}", hex(&got), hex(want));
    }
}

#[test]
fn a_slave_of_a_scripted_master() {
    let mut slave = Slave::start(|master, address| node("harbor/wire", 2, master, address));
    assert_eq!(read_message(&mut slave.master), whose("SERVICE"));
    slave.master.write(&name_is(b'N', "SERVICE", 0x0300_0000));
    let mut peer = slave.announce();
    for case in recorded(3, 33) {
        let name = text(&case, "name");
        peer.write(&under(&case, "sent_to_node_by_peer"));
        peer.write(&under(&case, "command_sent"));
        if text(&case, "category") == "slave-to-master" {
            expect(&mut slave.master, &under(&case, "sent_by_node"), name);
            slave.master.write(&under(&case, "answered_with"));
            expect(&mut peer, &under(&case, "then_sent_to_peer"), name);
        } else if name == "harbor-call-error" {
            // The text names a place of the source.
            let packet = read_packet(&mut peer);
            let payload = &packet[4..packet.len() - 12];
            assert!(payload.starts_with(b"\x01") && payload.ends_with(b"call failed"));
            assert!(packet.ends_with(b"\x02\0\0\x07\x01\0\0\x10\0\0\0\x4d"));
        } else {
            expect(&mut peer, &under(&case, "sent_by_node"), name);
        }
    }
    slave.node.until_output("REMOTE is :03000022");
    slave
        .node
        .until_output("Unknown destination :2abcdef from :3000010 type(10)");
    slave.node.kill().no_panic();
}

#[test]
fn a_newcomer_is_connected_to_and_then_does_not_listen() {
    let cases = recorded(34, 38);
    let (master, at) = listen();
    let address = port();
    let mut node = node("harbor/wire", 4, at, address).spawn();
    let mut master = Peer::accept(&master);
    let recorded_hello = under(&cases[0], "sent_by_node");
    let hello = node_at(b'H', 4, address);
    assert_eq!(read_message(&mut master), hello);
    assert_eq!(recorded_hello, node_at(b'H', 4, 42222));
    master.write(&welcome(2));
    // One that does not say who it is does not count, nor does one that is there already.
    drop(Peer::connect(address));
    node.until_output("closed before it told its harbor id");
    let mut links = Vec::new();
    for id in [1, 1, 3] {
        let mut link = Peer::connect(address);
        link.write(&[id]);
        if links.len() == 1 && id == 1 {
            assert_eq!(link.end(), b"");
            node.until_output("Slave 1 exist (fd =");
        } else {
            assert_eq!(link.read(1), [4]);
            links.push(link);
        }
    }
    node.until_output("Shakehand ready");
    assert_eq!(text(&cases[1], "new_connection"), "refused");
    let again = TcpStream::connect(("127.0.0.1", address));
    assert_eq!(
        again.expect_err("nobody listens").kind(),
        std::io::ErrorKind::ConnectionRefused
    );
    node.kill().no_panic();
}

/// The hello of a case with another port, where something listens or nothing does.
fn with_port(hello: &[u8], port: u16) -> Vec<u8> {
    let id = hello[4];
    assert_eq!(hello[..4], [0x14, 0x0c, b'H', 0x0a]);
    node_at(b'H', id, port)
}

/// The next message of the master is this one. A slave that comes early hears of the names of the master's own services
/// as well, at any time; others do not.
fn hears(peer: &mut Peer, expected: &[u8]) {
    let early = [
        name_is(b'N', "DATACENTER", 0x0100_0007),
        name_is(b'N', "SERVICE", 0x0100_0008),
        name_is(b'N', "CTL", 0x0100_0009),
    ];
    loop {
        let message = read_message(peer);
        if message == expected || !early.contains(&message) {
            assert_eq!(message, expected);
            return;
        }
    }
}

#[test]
fn a_master_of_scripted_slaves() {
    let cases = recorded(39, 55);
    let by_name = |name: &str| {
        let found = cases.iter().find(|case| text(case, "name") == name);
        found.unwrap_or_else(|| panic!("no case {name}"))
    };
    let at = port();
    let mut node = master_node("harbor/wire", 1, at).spawn();
    node.until_output("STARTED");

    let (listener, port2) = listen();
    let mut second = Peer::connect(at);
    let case = by_name("harbor-master-accepts-2");
    second.write(&with_port(&under(case, "sent_to_master"), port2));
    hears(&mut second, &under(case, "sent_by_master"));
    let mut link = Peer::accept(&listener);
    let case = by_name("harbor-master-own-slave-connects");
    assert_eq!(link.read(1), under(case, "received_by_new_slave"));
    link.write(&[2]);

    // The unknown name is in between: no answer to it comes before that of the next.
    let unknown = by_name("harbor-master-query-unknown");
    assert_eq!(under(unknown, "sent_by_master"), b"");
    let known = by_name("harbor-master-query-known");
    second.write(&under(unknown, "sent_to_master"));
    second.write(&under(known, "sent_to_master"));
    hears(&mut second, &under(known, "sent_by_master"));

    second.write(&name_is(b'R', "MINE", 0x0200_0009));
    hears(&mut second, &name_is(b'N', "MINE", 0x0200_0009));
    let case = by_name("harbor-master-register-again");
    second.write(&under(case, "sent_to_master"));
    expect(
        &mut second,
        &under(case, "sent_by_master"),
        "register-again",
    );

    let (_listener, port3) = listen();
    let mut third = Peer::connect(at);
    third.write(&node_at(b'H', 3, port3));
    hears(&mut third, &welcome(2));
    hears(&mut second, &node_at(b'C', 3, port3));
    drop(third);
    let case = by_name("harbor-master-slave-down");
    hears(&mut second, &under(case, "sent_by_master_to_others"));

    let starting = |start: &str| {
        let found = cases
            .iter()
            .filter(|case| text(case, "name").starts_with(start));
        found.collect::<Vec<_>>()
    };
    for case in starting("harbor-master-bad-hello-") {
        let name = text(case, "name");
        let mut bad = Peer::connect(at);
        if name.ends_with("reuse_down") {
            // A number is free again here when its node has gone: see docs/differences.md.
            bad.write(&with_port(&under(case, "sent_to_master"), port3));
            hears(&mut bad, &welcome(2));
            hears(&mut second, &node_at(b'C', 3, port3));
            drop(bad);
            hears(&mut second, &gone(3));
            continue;
        }
        bad.write(&under(case, "sent_to_master"));
        assert_eq!(case["closed"], true);
        assert_eq!(bad.end(), under(case, "sent_by_master"), "{name}");
    }
    let dead = port();
    for case in starting("harbor-master-bad-packet-") {
        let name = text(case, "name");
        let sent = case["sent_to_master"].as_array().expect("hello and packet");
        let hello = bytes(&sent[0]);
        let mut bad = Peer::connect(at);
        bad.write(&with_port(&hello, dead));
        hears(&mut bad, &under(case, "sent_by_master_first"));
        let id = hello[4];
        hears(&mut second, &node_at(b'C', id, dead));
        bad.write(&bytes(&sent[1]));
        if case["closed"] == true {
            assert_eq!(bad.end(), b"", "{name}");
        } else {
            bad.write(&whose("CTL"));
            hears(&mut bad, &under(known, "sent_by_master"));
            drop(bad);
        }
        let down = message(&[0x0c, b'D', 0x0a, id]);
        hears(&mut second, &down);
    }
    node.until_output("slave 23 is down");
    let out = node.kill();
    out.has("Invalid slave message type Z")
        .has_times("slave 3 is down", 2)
        .no_panic();
}

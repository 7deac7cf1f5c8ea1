//! Strangers at the ports that other nodes use: the cluster's, the master's, and that of a node of its network.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use skynet_tests::cluster::{command, named, size};
use skynet_tests::harbor;
use skynet_tests::peer::{self, Peer, frame};

use crate::watched::{Bounds, Watched};

/// A node, the port of its cluster, and that of its master.
fn network() -> (Watched, u16, u16) {
    let master = peer::port();
    let mut node = Watched::start(harbor::master_node("hostile/network", 1, master), "READY");
    let port = peer::port_of(&mut node.node);
    (node, port, master)
}

fn request(session: u32) -> Vec<u8> {
    named(0x80, b"@echo", session, &command(&[b"hello"]))
}

/// An honest node is served.
fn is_served(port: u16) {
    let mut peer = Peer::connect(port);
    peer.send(&request(7));
    let length = peer.read(2);
    let answer = peer.read(usize::from(u16::from_be_bytes([length[0], length[1]])));
    assert_eq!(answer[..5], [7, 0, 0, 0, 1], "{answer:?}");
}

/// Writes what it can; whether the other side then hangs up.
fn refused(port: u16, bytes: &[u8]) -> bool {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connect");
    let limit = Some(Duration::from_secs(30));
    stream.set_read_timeout(limit).expect("a timeout");
    stream.set_write_timeout(limit).expect("a timeout");
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        Ok(_) => true,
    }
}

/// A page has the browser send a head, and real frames as its body; others send what no node sends.
#[test]
fn forged_frames() {
    let (mut node, port, master) = network();
    let launch = named(
        0x80,
        b".launcher",
        1,
        &command(&[b"LAUNCH", b"snlua", b"hostile/network"]),
    );
    let page = [
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n".to_vec(),
        frame(&launch),
    ];
    let malformed = [
        page.concat(),
        [frame(&[]), frame(&launch)].concat(),
        [frame(&[9, 1, 2, 3]), frame(&launch)].concat(),
        [frame(&[0x80, 200, b'x']), frame(&launch)].concat(),
        [frame(b"\x1b[31mred\r\nforged line"), frame(&launch)].concat(),
        vec![0xff; 100_000],
    ];
    for count in 0..300 {
        let bytes = &malformed[count % malformed.len()];
        assert!(refused(port, bytes), "at the cluster's port: {bytes:.40?}");
        assert!(refused(master, bytes), "at the master's port: {bytes:.40?}");
    }
    is_served(port);
    let log = node.node.stdout();
    assert_eq!(
        log.matches("LAUNCH snlua hostile/network").count(),
        1,
        "{log}"
    );
    assert!(!log.contains('\u{1b}') && !log.lines().any(|line| line == "forged line"));
    node.has_descriptors_and(4);
    node.within(Bounds {
        peak_kib: 60 << 10,
        log: 400 << 10,
    });
}

/// Large requests are begun and not ended, on many connections; all of it goes with them.
#[test]
fn beginnings() {
    let (mut node, port, _) = network();
    let mut strangers = Vec::new();
    for _ in 0..40 {
        let mut stranger = Peer::connect(port);
        for session in 1..200 {
            // A request of 1 GB, of which nothing comes.
            let begin = named(0x81, b"@echo", session, &size(1 << 30));
            if stranger.try_write(&frame(&begin)).is_err() {
                break;
            }
        }
        strangers.push(stranger);
    }
    is_served(port);
    drop(strangers);
    node.has_descriptors_and(4);
    node.within(Bounds {
        peak_kib: 100 << 10,
        log: 400 << 10,
    });
}

/// Nodes that call and do not read the answers.
#[test]
fn deaf_callers() {
    let (mut node, port, _) = network();
    let mut strangers = Vec::new();
    let large = named(0x80, b"@echo", 7, &command(&[&[b'x'; 30_000]]));
    for _ in 0..4 {
        let mut stranger = Peer::connect(port);
        stranger.write(&frame(&large).repeat(300));
        strangers.push(stranger);
    }
    is_served(port);
    drop(strangers);
    node.has_descriptors_and(4);
    node.within(Bounds {
        peak_kib: 200 << 10,
        log: 400 << 10,
    });
}

/// Connections to both ports that say nothing do not keep others out.
#[test]
fn silent_crowds() {
    let (mut node, port, master) = network();
    let connect = |port| TcpStream::connect(("127.0.0.1", port)).expect("connect");
    let crowd: Vec<TcpStream> = (0..400)
        .flat_map(|_| [connect(port), connect(master)])
        .collect();
    is_served(port);
    drop(crowd);
    node.has_descriptors_and(4);
    node.within(Bounds {
        peak_kib: 80 << 10,
        log: 400 << 10,
    });
}

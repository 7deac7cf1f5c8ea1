//! Strangers at the port of a gate.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use skynet_tests::Node;
use skynet_tests::peer::{Peer, frame, port_of};

use crate::watched::{Bounds, LIMIT, Watched, eventually};

/// A node with a gate, which sends frames back; `hostile/gate.lua` says what else it does.
fn gate(keys: &[(&str, &str)]) -> (Watched, u16) {
    let mut node = Node::program("hostile/gate");
    for (key, value) in keys {
        node = node.key(key, value);
    }
    let mut node = Watched::start(node, "READY");
    let port = port_of(&mut node.node);
    (node, port)
}

fn connect(port: u16) -> TcpStream {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let stream = TcpStream::connect_timeout(&address, LIMIT).expect("connect");
    stream.set_read_timeout(Some(LIMIT)).expect("timeout");
    stream
}

/// Somebody who behaves is served.
fn is_served(port: u16) {
    let mut peer = Peer::connect(port);
    peer.send(b"echo hello");
    assert_eq!(peer.receive().as_deref(), Some(&b"hello"[..]));
}

/// How a connection ends for whoever reads it: regularly, or with an error.
fn ends(stream: &mut TcpStream) -> bool {
    let mut bytes = vec![0; 1 << 16];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(_) => return true,
        }
    }
}

#[test]
fn ten_thousand_connects_at_once() {
    let (mut node, port) = gate(&[]);
    // Each needs a descriptor here and one there.
    let (soft, _) = rlimit::getrlimit(rlimit::Resource::NOFILE).expect("a limit");
    let count = 10_000.min(soft.saturating_sub(500)) as usize;
    let threads: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(move || (0..count / 4).map(|_| connect(port)).collect::<Vec<_>>())
        })
        .collect();
    let mut peers: Vec<_> = threads
        .into_iter()
        .flat_map(|thread| thread.join().expect("connections"))
        .collect();
    for peer in &mut peers {
        peer.write_all(&frame(b"echo here")).expect("write");
    }
    for peer in &mut peers {
        let mut answer = [0; 6];
        peer.read_exact(&mut answer).expect("an answer");
        assert_eq!(&answer[2..], b"here");
    }
    drop(peers);
    node.has_descriptors_and(2);
    is_served(port);
    node.within(Bounds {
        peak_kib: 150 << 10,
        log: 20_000,
    });
}

/// They ask for 32 MB each, and read nothing.
#[test]
fn slow_readers() {
    let (mut node, port) = gate(&[("socketpending", "1048576")]);
    let mut peers = Vec::new();
    for _ in 0..100 {
        let mut peer = connect(port);
        peer.write_all(&frame(b"flood")).expect("write");
        peers.push(peer);
    }
    is_served(port);
    for peer in &mut peers {
        assert!(ends(peer), "a peer that does not read is cut off");
    }
    node.has_descriptors_and(2);
    node.within(Bounds {
        peak_kib: 250 << 10,
        log: 30_000,
    });
}

/// The same, when only all together are limited: who behaves goes on.
#[test]
fn slow_readers_altogether() {
    let (mut node, port) = gate(&[("socketpendingtotal", "16777216")]);
    let mut served = Peer::connect(port);
    let mut peers = Vec::new();
    for _ in 0..60 {
        let mut peer = connect(port);
        peer.write_all(&frame(b"flood")).expect("write");
        peers.push(peer);
        served.send(b"echo hello");
        assert_eq!(served.receive().as_deref(), Some(&b"hello"[..]));
    }
    drop(peers);
    node.has_descriptors_and(2);
    node.within(Bounds {
        peak_kib: 250 << 10,
        log: 30_000,
    });
}

/// They announce large frames, and send a byte now and then.
#[test]
fn slow_writers() {
    let (mut node, port) = gate(&[]);
    let mut peers: Vec<_> = (0..3000).map(|_| connect(port)).collect();
    for _ in 0..3 {
        for peer in &mut peers {
            peer.write_all(&[0xff]).expect("write");
        }
        is_served(port);
    }
    node.within(Bounds {
        peak_kib: 60 << 10,
        log: 10_000,
    });
    drop(peers);
    node.has_descriptors_and(2);
}

/// A gate is killed with all its clients, again and again, on the same port.
#[test]
fn killed_gates() {
    let (mut node, port) = gate(&[]);
    for _ in 0..5 {
        let mut peers: Vec<_> = (0..300).map(|_| connect(port)).collect();
        for (count, peer) in peers.iter_mut().enumerate() {
            // Some have got an answer, others are in the middle of a frame, or have said nothing.
            let bytes: &[u8] = match count % 3 {
                0 => &frame(b"echo x"),
                1 => &[0xff, 0xff, 1],
                _ => b"",
            };
            peer.write_all(bytes).expect("write");
        }
        is_served(port);
        node.ask("kill", "KILLED");
        for peer in &mut peers {
            assert!(ends(peer), "it ends with its gate");
        }
        drop(peers);
        node.has_descriptors_and(2);
        node.ask("open", "OPENED");
    }
    is_served(port);
    node.within(Bounds {
        peak_kib: 40 << 10,
        log: 20_000,
    });
}

/// Kicked clients that read nothing neither stay nor make room for more.
#[test]
fn kicked_and_deaf() {
    let (mut node, port) = gate(&[("socketclosetimeout", "1000"), ("maxclient", "50")]);
    let mut most = 0;
    let mut peers = Vec::new();
    for _ in 0..300 {
        let mut peer = connect(port);
        // Those for whom there is no room are closed at once.
        let _ = peer.write_all(&frame(b"kick"));
        peers.push(peer);
        most = most.max(node.usage().descriptors);
    }
    eventually("all have gone", || {
        peers.retain_mut(|peer| {
            peer.set_read_timeout(Some(Duration::from_millis(1)))
                .expect("timeout");
            !ends(peer)
        });
        peers.is_empty()
    });
    node.has_descriptors_and(2);
    is_served(port);
    // A turn of the reactor may have accepted some more, before the gate has turned them away.
    assert!(most < 200, "{most} descriptors");
    node.within(Bounds {
        peak_kib: 600 << 10,
        log: 60_000,
    });
}

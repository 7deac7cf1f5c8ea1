//! The end of services, and of sockets whose peers do not take what was sent.

mod common;

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::time::Duration;

use common::*;
use skynet_kernel::*;
use skynet_net::*;

use EventKind::*;

/// More than the system's buffers of a connection take.
const PLENTY: usize = 32 << 20;

fn end(world: &World, probe: &Probe) {
    world.node.kill(Handle::NONE, probe.handle);
}

/// Reads up to the end, and says how it came.
fn read_to_the_end(stream: &mut TcpStream) -> (usize, Option<ErrorKind>) {
    let mut sum = 0;
    let mut bytes = vec![0; 1 << 16];
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return (sum, None),
            Ok(n) => sum += n,
            Err(error) => return (sum, Some(error.kind())),
        }
    }
}

#[test]
fn sockets_of_a_service_end_with_it() {
    let world = World::new();
    let (dying, other) = (world.probe(), world.probe());
    let (listener, address) = world.listener(&dying);
    let mut peers = Vec::new();
    for count in 0..10 {
        peers.push(TcpStream::connect(address).unwrap());
        let id = dying.expect(Accept, listener).ud;
        // Some were started, others not.
        if count % 2 == 0 {
            world.net.start(dying.handle, id);
            dying.expect_text(Connect, id, "start");
            assert!(world.net.send(id, Payload::from("bye")));
        }
    }
    let datagrams = world.net.udp(dying.handle, None, 0).unwrap();
    let (kept, mut peer) = world.connection(&other);
    end(&world, &dying);
    for (count, peer) in peers.iter_mut().enumerate() {
        let expected: &[u8] = if count % 2 == 0 { b"bye" } else { b"" };
        assert_eq!(read_all(peer), expected);
    }
    // What others own stays.
    eventually("the others are closed", || {
        let left: Vec<_> = world.net.info().iter().map(|info| info.owner).collect();
        left.iter().all(|&owner| owner == other.handle)
    });
    assert!(world.net.pending(datagrams).is_none());
    assert!(world.net.pending(listener).is_none());
    eventually("nobody listens", || TcpStream::connect(address).is_err());
    assert!(world.net.send(kept, Payload::from("here")));
    assert_eq!(read_exactly(&mut peer, 4), b"here");
}

#[test]
fn a_socket_that_has_changed_hands_ends_with_its_last_owner() {
    let world = World::new();
    let (first, second) = (world.probe(), world.probe());
    let (id, mut peer) = world.connection(&first);
    world.net.start(second.handle, id);
    second.expect_text(Connect, id, "transfer");
    end(&world, &first);
    assert!(world.net.send(id, Payload::from("still here")));
    assert_eq!(read_exactly(&mut peer, 10), b"still here");
    write(&mut peer, b"answer");
    assert_eq!(second.expect_data(id, 6), b"answer");
    end(&world, &second);
    assert_eq!(read_all(&mut peer), b"");
}

#[test]
fn an_abandoned_socket_waits_for_its_next_owner() {
    let world = World::new();
    let (first, second) = (world.probe(), world.probe());
    let (id, mut peer) = world.connection(&first);
    let (closed, mut other) = world.connection(&first);
    // Who does not own it can't give it away.
    world.net.abandon(second.handle, closed);
    world.net.abandon(first.handle, id);
    end(&world, &first);
    assert_eq!(read_all(&mut other), b"");
    write(&mut peer, b"between");
    world.net.start(second.handle, id);
    second.expect_text(Connect, id, "transfer");
    assert_eq!(second.expect_data(id, 7), b"between");
    end(&world, &second);
    assert_eq!(read_all(&mut peer), b"");
}

/// A peer that takes nothing does not keep a closed socket.
#[test]
fn a_closed_socket_goes_although_its_peer_reads_nothing() {
    let world = World::with(NetOptions {
        close_timeout: Duration::from_millis(100),
        ..NetOptions::default()
    });
    let probe = world.probe();
    let (listener, address) = world.listener(&probe);
    let mut peers = Vec::new();
    for _ in 0..3 {
        peers.push(TcpStream::connect(address).unwrap());
        let id = probe.expect(Accept, listener).ud;
        world.net.start(probe.handle, id);
        probe.expect_text(Connect, id, "start");
        assert!(world.net.send(id, Payload::from(vec![7; PLENTY])));
        world.net.close(id);
        probe.expect(Close, id);
    }
    eventually("they have gone", || world.net.count() == 1);
    assert_eq!(world.net.lingering(listener), 0);
    // It is not told that this was all.
    for peer in &mut peers {
        let (read, end) = read_to_the_end(peer);
        assert!(read < PLENTY);
        assert_eq!(end, Some(ErrorKind::ConnectionReset));
    }
}

#[test]
fn closed_connections_with_output_are_counted() {
    let world = World::new();
    let probe = world.probe();
    let (listener, address) = world.listener(&probe);
    let mut peer = TcpStream::connect(address).unwrap();
    let id = probe.expect(Accept, listener).ud;
    world.net.start(probe.handle, id);
    probe.expect_text(Connect, id, "start");
    assert!(world.net.send(id, Payload::from(vec![7; PLENTY])));
    assert_eq!(world.net.lingering(listener), 0);
    world.net.close(id);
    probe.expect(Close, id);
    assert_eq!(world.net.lingering(listener), 1);
    assert_eq!(read_to_the_end(&mut peer), (PLENTY, None));
    eventually("it has gone", || world.net.lingering(listener) == 0);
    assert_eq!(world.net.lingering(id), 0);
}

/// An answer that comes after the last words does not cost the peer these words.
#[test]
fn a_patient_socket_hears_its_peer_out() {
    let world = World::new();
    let probe = world.probe();
    let (listener, address) = world.listener(&probe);
    for answers in [true, false] {
        let mut peer = TcpStream::connect(address).unwrap();
        let id = probe.expect(Accept, listener).ud;
        world.net.start(probe.handle, id);
        probe.expect_text(Connect, id, "start");
        write(&mut peer, b"not read yet");
        assert!(world.net.send(id, Payload::from("last words")));
        world.net.linger(id);
        world.net.close(id);
        // Its owner hears no more of it.
        while probe.next().kind != Close {}
        assert_eq!(world.net.lingering(listener), 1);
        assert!(!world.net.send(id, Payload::from("too late")));
        if answers {
            for _ in 0..100 {
                write(&mut peer, &[7; 1000]);
            }
        }
        assert_eq!(read_to_the_end(&mut peer), (10, None));
        // Who does not finish has a second for it.
        if answers {
            drop(peer);
        }
        eventually("it has gone", || world.net.lingering(listener) == 0);
    }
}

#[test]
fn what_is_left_when_the_engine_stops_is_no_orderly_end() {
    let world = World::new();
    let probe = world.probe();
    let (id, mut peer) = world.connection(&probe);
    assert!(world.net.send(id, Payload::from(vec![7; PLENTY])));
    let (whole, mut reader) = world.connection(&probe);
    assert!(world.net.send(whole, Payload::from(vec![7; PLENTY])));
    let reader = std::thread::spawn(move || read_to_the_end(&mut reader));
    world.net.close(whole);
    world.net.stop();
    let (read, end) = read_to_the_end(&mut peer);
    assert!(read < PLENTY);
    assert_eq!(end, Some(ErrorKind::ConnectionReset));
    // Who reads gets all, or is told as well that it is not all.
    let (read, end) = reader.join().unwrap();
    assert_eq!(end.is_none(), read == PLENTY, "{read} {end:?}");
}

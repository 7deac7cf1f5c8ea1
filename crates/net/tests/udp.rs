//! Datagrams.

mod common;

use std::net::UdpSocket;

use common::*;
use skynet_kernel::Payload;
use skynet_net::*;
use skynet_wire::netaddr::{UdpAddress, parse_udp};

use EventKind::*;

fn outside() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    socket
}

fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = [0; 65536];
    let (n, _) = socket.recv_from(&mut buffer).unwrap();
    buffer[..n].to_vec()
}

/// A UDP event: datagram, and where it came from.
fn datagram(probe: &Probe, id: SocketId) -> (Vec<u8>, Vec<u8>) {
    let event = probe.expect(Udp, id);
    let (data, from) = event.data.split_at(event.ud as usize);
    (data.to_vec(), from.to_vec())
}

/// The port of a bound socket of the engine: from what a peer sees.
fn port_of(world: &World, id: SocketId) -> u16 {
    let peer = outside();
    let to = UdpAddress::from(peer.local_addr().unwrap());
    assert!(world.net.udp_send(id, &to, b"?"));
    let mut buffer = [0; 8];
    peer.recv_from(&mut buffer).unwrap().1.port()
}

#[test]
fn a_round_trip_of_every_size() {
    let world = World::new();
    let probe = world.probe();
    let id = world.net.udp(probe.handle, Some("127.0.0.1"), 0).unwrap();
    let port = port_of(&world, id);
    let peer = outside();
    for size in [0, 1, 16, 1000, 65507] {
        let data = pattern(size);
        peer.send_to(&data, ("127.0.0.1", port)).unwrap();
        let (got, from) = datagram(&probe, id);
        assert!(got == data);
        assert_eq!(parse_udp(&from), Ok(peer.local_addr().unwrap()));
        assert_eq!(from.len(), 7);
        assert!(world.net.udp_send(id, &from, &got));
        assert!(receive(&peer) == data);
    }
    let info = &world.net.info()[0];
    assert_eq!((info.kind, &info.name), (SocketType::Udp, &None));
    assert_eq!(info.read, 1 + 16 + 1000 + 65507);
    world.net.close(id);
    probe.expect(Close, id);
}

#[test]
fn without_a_default_destination_send_fails_and_says_so() {
    let world = World::new();
    let probe = world.probe();
    let id = world.net.udp(probe.handle, None, 0).unwrap();
    assert!(!world.net.send(id, Payload::from("x")));
    world.log.wait_for(&format!(
        "socket-server : set udp ({id}) error: address first."
    ));
    let peer = outside();
    let port = peer.local_addr().unwrap().port();
    world.net.udp_connect(id, "127.0.0.1", port).unwrap();
    assert!(world.net.send(id, Payload::from("high")));
    assert!(world.net.lsend(id, Payload::from("low")));
    assert!(world.net.send_slice(id, b""));
    assert_eq!(receive(&peer), b"high");
    assert_eq!(receive(&peer), b"low");
    assert_eq!(receive(&peer), b"");
    // Anybody may answer.
    let other = outside();
    other
        .send_to(b"hello", ("127.0.0.1", port_of(&world, id)))
        .unwrap();
    assert_eq!(datagram(&probe, id).0, b"hello");
}

#[test]
fn dialled_sockets_send_to_their_destination() {
    let world = World::new();
    let (server, client) = (world.probe(), world.probe());
    let bound = world.net.udp(server.handle, Some("127.0.0.1"), 0).unwrap();
    let port = port_of(&world, bound);
    let id = world
        .net
        .udp_dial(client.handle, "127.0.0.1", port)
        .unwrap();
    assert!(world.net.send(id, Payload::from("ping")));
    let (data, from) = datagram(&server, bound);
    assert_eq!(data, b"ping");
    assert!(world.net.udp_send(bound, &from, b"pong"));
    assert_eq!(datagram(&client, id).0, b"pong");
    let info = world.net.info();
    let dialled = info.iter().find(|info| info.id == id).unwrap();
    assert_eq!(dialled.name, Some(format!("127.0.0.1:{port}")));
}

#[test]
fn addresses_must_be_of_the_right_type_and_family() {
    let world = World::new();
    let probe = world.probe();
    let id = world.net.udp(probe.handle, None, 0).unwrap();
    for bad in [&[][..], &[1, 0, 9], &[3, 0, 9, 127, 0, 0, 1], &[1; 8]] {
        assert!(!world.net.udp_send(id, bad, b"x"));
    }
    let six = UdpAddress::from("[::1]:9".parse::<std::net::SocketAddr>().unwrap());
    assert!(!world.net.udp_send(id, &six, b"x"));
    world.log.wait_for("protocol mismatch");
    world.net.udp_connect(id, "::1", 9).unwrap();
    probe.expect_text(Error, id, "protocol mismatch");
    assert!(matches!(
        world.net.udp_listen(probe.handle, "127.0.0.1", 0),
        Err(skynet_net::Error::InvalidPort)
    ));
    assert!(world.net.udp_dial(probe.handle, "no such host", 9).is_err());
    assert!(world.net.udp_connect(id + 1, "127.0.0.1", 9).is_err());
}

#[test]
fn a_datagram_that_the_system_refuses_is_lost_and_logged() {
    let world = World::new();
    let probe = world.probe();
    let id = world.net.udp(probe.handle, None, 0).unwrap();
    let peer = outside();
    let to = UdpAddress::from(peer.local_addr().unwrap());
    assert!(world.net.udp_send(id, &to, &[0; 65535]));
    world.log.wait_for(&format!(
        "socket-server : udp ({id}) sendto error Message too long."
    ));
    assert!(world.net.udp_send(id, &to, b"fits"));
    assert_eq!(receive(&peer), b"fits");
}

#[test]
fn many_datagrams_all_arrive_while_the_socket_is_read() {
    let world = World::new();
    let probe = world.probe();
    let id = world.net.udp(probe.handle, Some("127.0.0.1"), 0).unwrap();
    let port = port_of(&world, id);
    let peer = outside();
    // One burst is more than a reactor takes at once, and less than the system holds.
    for round in 0..20u8 {
        for i in 0..100u8 {
            peer.send_to(&[round, i], ("127.0.0.1", port)).unwrap();
        }
        for i in 0..100 {
            assert_eq!(datagram(&probe, id).0, [round, i]);
        }
    }
}

#[test]
fn ipv6_datagrams_carry_19_bytes_of_address() {
    let world = World::new();
    let probe = world.probe();
    let Ok(peer) = UdpSocket::bind("[::1]:0") else {
        no_ipv6();
        return;
    };
    peer.set_read_timeout(Some(LIMIT)).unwrap();
    let port = peer.local_addr().unwrap().port();
    let id = world.net.udp_dial(probe.handle, "::1", port).unwrap();
    assert!(world.net.send(id, Payload::from("six")));
    let mut buffer = [0; 16];
    let (n, from) = peer.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..n], b"six");
    peer.send_to(b"back", from).unwrap();
    let (data, from) = datagram(&probe, id);
    assert_eq!(data, b"back");
    assert_eq!(from.len(), 19);
    assert_eq!(parse_udp(&from), Ok(peer.local_addr().unwrap()));
}

//! Peers that send faster than a service handles.

mod common;

use std::io::Write;
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use common::*;
use skynet_kernel::*;
use skynet_net::*;
use skynet_wire::netaddr::UdpAddress;

use EventKind::*;

const MARK: usize = 100_000;
/// What one go at a socket may bring beyond the mark.
const GO: u64 = 4 * 68 * 1024;

/// A service that gets nowhere while its lock is held.
struct Deaf(Arc<Mutex<()>>);

impl Service for Deaf {
    fn handle(&mut self, _: &Arc<Context>, _: Message) {
        drop(self.0.lock().unwrap());
    }
}

/// A probe that stops listening while `ears` is locked.
struct Slow {
    ears: Arc<Mutex<()>>,
    events: Sender<(EventKind, SocketId, Vec<u8>)>,
}

impl Service for Slow {
    fn handle(&mut self, _: &Arc<Context>, message: Message) {
        drop(self.ears.lock().unwrap());
        let event = SocketEvent::parse(message.payload()).expect("an event");
        let _ = self
            .events
            .send((event.kind, event.id, event.data.to_vec()));
    }
}

struct SlowProbe {
    handle: Handle,
    ears: Arc<Mutex<()>>,
    events: Receiver<(EventKind, SocketId, Vec<u8>)>,
}

impl SlowProbe {
    fn new(world: &World, name: &str) -> SlowProbe {
        let ears = Arc::new(Mutex::new(()));
        let (sender, events) = channel();
        let made = Mutex::new(Some(Slow {
            ears: ears.clone(),
            events: sender,
        }));
        world.node.add_module(
            name,
            factory(move || made.lock().unwrap().take().expect("launched once")),
        );
        let handle = world.node.launch(Handle::NONE, name, "").unwrap();
        SlowProbe {
            handle,
            ears,
            events,
        }
    }

    /// Takes a connection over from the probe that accepted it.
    fn take(&self, world: &World, id: SocketId) {
        world.net.start(self.handle, id);
        let (kind, of, text) = self.events.recv_timeout(LIMIT).unwrap();
        assert_eq!((kind, of, &text[..]), (Connect, id, &b"transfer"[..]));
    }

    /// Everything that a socket brings, up to its end.
    fn to_the_end(&self, id: SocketId) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            match self.events.recv_timeout(LIMIT).expect("more, or the end") {
                (Data, of, data) if of == id => all.extend(data),
                (Close, of, _) if of == id => return all,
                (kind, of, text) => panic!("{kind:?} of {of}: {}", String::from_utf8_lossy(&text)),
            }
        }
    }
}

fn world() -> World {
    World::with(NetOptions {
        max_inbox: Some(MARK),
        ..NetOptions::default()
    })
}

/// Sends all of it, and finishes.
fn flood(mut peer: TcpStream, bytes: Arc<Vec<u8>>) -> JoinHandle<TcpStream> {
    thread::spawn(move || {
        peer.write_all(&bytes).unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        peer
    })
}

/// Bytes that the engine has read from the sockets of a service.
fn read_for(world: &World, owner: Handle) -> u64 {
    let info = world.net.info();
    let own = info.iter().filter(|socket| socket.owner == owner);
    own.map(|socket| socket.read).sum()
}

/// Waits until the mark has been passed and nothing more is read; how much it was.
fn stalled(world: &World, owner: Handle) -> u64 {
    let mut last = 0;
    let mut same = 0;
    eventually("reading goes on", || {
        let now = read_for(world, owner);
        same = if now == last { same + 1 } else { 0 };
        last = now;
        thread::sleep(std::time::Duration::from_millis(2));
        now > MARK as u64 / 2 && same > 50
    });
    last
}

#[test]
fn a_flood_waits_outside_and_arrives_whole_and_in_order() {
    let world = world();
    let (probe, slow) = (world.probe(), SlowProbe::new(&world, "slow"));
    let (id, peer) = world.connection(&probe);
    slow.take(&world, id);
    let bytes = Arc::new(pattern(30_000_000));
    let deaf = slow.ears.lock().unwrap();
    let flooding = flood(peer, bytes.clone());
    let read = stalled(&world, slow.handle);
    assert!(read < MARK as u64 + GO, "{read}");
    drop(deaf);
    assert!(slow.to_the_end(id) == *bytes);
    drop(flooding.join().unwrap());
}

#[test]
fn the_mark_is_for_all_sockets_of_a_service_and_for_no_other() {
    const PEERS: usize = 60;
    let world = world();
    let (probe, slow) = (world.probe(), SlowProbe::new(&world, "slow"));
    let bytes = Arc::new(pattern(400_000));
    let mut ids = Vec::new();
    let mut peers = Vec::new();
    for _ in 0..PEERS {
        let (id, peer) = world.connection(&probe);
        slow.take(&world, id);
        ids.push(id);
        peers.push(peer);
    }
    let deaf = slow.ears.lock().unwrap();
    let flooding: Vec<_> = peers
        .into_iter()
        .map(|peer| flood(peer, bytes.clone()))
        .collect();
    let read = stalled(&world, slow.handle);
    // Sixteen sockets are read before it is known what waits.
    assert!(read < MARK as u64 + 16 * GO, "{read}");
    let (other, mut peer) = world.connection(&probe);
    write(&mut peer, b"hello");
    assert_eq!(probe.expect_data(other, 5), b"hello");
    drop(deaf);
    let mut left: std::collections::HashMap<_, Vec<u8>> =
        ids.into_iter().map(|id| (id, Vec::new())).collect();
    while !left.is_empty() {
        match slow.events.recv_timeout(LIMIT).expect("more, or the end") {
            (Data, id, data) => left.get_mut(&id).unwrap().extend(data),
            (Close, id, _) => assert!(left.remove(&id).unwrap() == *bytes),
            (kind, id, _) => panic!("{kind:?} of {id}"),
        }
    }
    for peer in flooding {
        drop(peer.join().unwrap());
    }
}

#[test]
fn a_socket_that_waits_can_be_paused_and_goes_on_where_it_was() {
    let world = world();
    let (probe, slow) = (world.probe(), SlowProbe::new(&world, "slow"));
    let (id, peer) = world.connection(&probe);
    slow.take(&world, id);
    let bytes = Arc::new(pattern(5_000_000));
    let deaf = slow.ears.lock().unwrap();
    let flooding = flood(peer, bytes.clone());
    let read = stalled(&world, slow.handle);
    world.net.pause(id);
    drop(deaf);
    let mut all = Vec::new();
    while all.len() < read as usize {
        let (kind, _, data) = slow.events.recv_timeout(LIMIT).unwrap();
        assert_eq!(kind, Data);
        all.extend(data);
    }
    assert_eq!(stalled(&world, slow.handle), read);
    world.net.start(slow.handle, id);
    let (kind, _, text) = slow.events.recv_timeout(LIMIT).unwrap();
    assert_eq!((kind, &text[..]), (Connect, &b"transfer"[..]));
    all.extend(slow.to_the_end(id));
    assert!(all == *bytes);
    drop(flooding.join().unwrap());
}

#[test]
fn a_socket_that_waits_goes_on_with_a_new_owner() {
    let world = world();
    let (probe, slow) = (world.probe(), SlowProbe::new(&world, "slow"));
    let (id, peer) = world.connection(&probe);
    slow.take(&world, id);
    let bytes = Arc::new(pattern(20_000_000));
    let deaf = slow.ears.lock().unwrap();
    let flooding = flood(peer, bytes.clone());
    let read = stalled(&world, slow.handle);
    world.net.start(probe.handle, id);
    probe.expect_text(Connect, id, "transfer");
    let rest = probe.expect_data(id, bytes.len() - read as usize);
    assert!(rest == bytes[read as usize..]);
    probe.expect(Close, id);
    drop(deaf);
    drop(flooding.join().unwrap());
}

#[test]
fn a_socket_that_waits_ends_with_its_owner() {
    let world = world();
    let probe = world.probe();
    let ears = Arc::new(Mutex::new(()));
    let service = ears.clone();
    world
        .node
        .add_module("deaf", factory(move || Deaf(service.clone())));
    let owner = world.node.launch(Handle::NONE, "deaf", "").unwrap();
    let (id, peer) = world.connection(&probe);
    let deaf = ears.lock().unwrap();
    world.net.start(owner, id);
    let flooding = std::thread::spawn(move || {
        let mut peer = peer;
        std::io::Write::write_all(&mut peer, &pattern(30_000_000))
    });
    stalled(&world, owner);
    world.node.kill(Handle::NONE, owner);
    drop(deaf);
    // Who sends hears of it.
    assert!(flooding.join().unwrap().is_err());
    assert!(world.net.pending(id).is_none());
}

#[test]
fn datagrams_beyond_the_mark_are_left_to_the_system() {
    const SIZE: usize = 1000;
    let world = world();
    let slow = SlowProbe::new(&world, "slow");
    let id = world.net.udp(slow.handle, Some("127.0.0.1"), 0).unwrap();
    let info = world.net.info();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    // The port of the socket is told by what it sends.
    let own = UdpAddress::from(sender.local_addr().unwrap());
    assert!(world.net.udp_send(id, &own, b"here"));
    let mut buffer = [0; 16];
    let (n, to) = sender.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..n], info.len()), (&b"here"[..], 1));
    let deaf = slow.ears.lock().unwrap();
    let mut number = 0u32;
    let mut send = || {
        let mut datagram = vec![0; SIZE];
        datagram[..4].copy_from_slice(&number.to_le_bytes());
        sender.send_to(&datagram, to).unwrap();
        number += 1;
    };
    // A datagram counts somewhat more than its bytes.
    eventually("the mark is near", || {
        send();
        read_for(&world, slow.handle) > MARK as u64 / 2
    });
    (0..10_000).for_each(|_| send());
    let read = stalled(&world, slow.handle);
    assert!(read < MARK as u64 + GO, "{read}");
    drop(deaf);
    // What arrives is in order, and the socket works on.
    let mut last = None;
    while last != Some(number - 1) {
        if let Ok((kind, _, data)) = slow
            .events
            .recv_timeout(std::time::Duration::from_millis(20))
        {
            assert_eq!(kind, Udp);
            let this = u32::from_le_bytes(data[..4].try_into().unwrap());
            assert!(last.is_none_or(|last| last < this));
            last = Some(this);
        } else {
            let mut datagram = vec![0; SIZE];
            datagram[..4].copy_from_slice(&number.to_le_bytes());
            sender.send_to(&datagram, to).unwrap();
            number += 1;
        }
    }
}

/// What a socket feeds need not be its owner, and may change.
#[test]
fn a_socket_waits_for_the_service_that_it_feeds() {
    let world = world();
    let probe = world.probe();
    let slow = SlowProbe::new(&world, "slow");
    let (id, mut peer) = world.connection(&probe);
    let deaf = slow.ears.lock().unwrap();
    // What makes it congested does not come from the engine.
    let close = [&[0; MARK][..], &[3, 0, 0, 0, 1, 0, 0, 0], &[0; 8]].concat();
    for _ in 0..3 {
        let payload = Payload::from(close.clone());
        let sent = world
            .node
            .send(Handle::NONE, slow.handle, kind::CLIENT, 0, payload);
        sent.unwrap();
    }
    world.net.set_consumer(id, slow.handle);
    write(&mut peer, b"one");
    assert!(probe.poll().is_none());
    world.net.set_consumer(id, Handle::NONE);
    assert_eq!(probe.expect_data(id, 3), b"one");
    world.net.set_consumer(id, slow.handle);
    write(&mut peer, b"two");
    assert!(probe.poll().is_none());
    drop(deaf);
    assert_eq!(probe.expect_data(id, 3), b"two");
    // One that has gone keeps nobody waiting.
    world.net.set_consumer(id, Handle(0x77_7777));
    write(&mut peer, b"three");
    assert_eq!(probe.expect_data(id, 5), b"three");
}

#[test]
fn without_a_mark_everything_is_read() {
    let world = World::with(NetOptions {
        max_inbox: None,
        ..NetOptions::default()
    });
    let (probe, slow) = (world.probe(), SlowProbe::new(&world, "slow"));
    let (id, peer) = world.connection(&probe);
    slow.take(&world, id);
    let bytes = Arc::new(pattern(20_000_000));
    let deaf = slow.ears.lock().unwrap();
    drop(flood(peer, bytes.clone()).join().unwrap());
    eventually("all is read", || {
        read_for(&world, slow.handle) == bytes.len() as u64
    });
    drop(deaf);
    assert!(slow.to_the_end(id) == *bytes);
}

//! Caps, and many sockets.

mod common;

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use common::*;
use skynet_kernel::Payload;
use skynet_net::*;

use EventKind::{Accept, Close, Connect, Data, Error, Warning};

/// Sends until the engine has had enough; the id's pending bytes never pass `cap`.
fn overfill(world: &World, id: SocketId, cap: usize) {
    for _ in 0..100_000 {
        if !world.net.send(id, Payload::from(vec![0; 64 * 1024])) {
            return;
        }
        assert!(world.net.pending(id).unwrap() <= cap);
    }
    panic!("no limit was reached");
}

#[test]
fn a_socket_over_its_cap_is_closed_with_a_reason() {
    const CAP: usize = 1_000_000;
    let world = World::new();
    let probe = world.probe();
    let (id, _peer) = world.connection(&probe);
    world.net.set_cap(id, Some(CAP));
    overfill(&world, id, CAP);
    probe.expect_text(Error, id, "send queue over its limit (1000000 bytes)");
    probe.expect(Close, id);
    assert_eq!(world.net.count(), 0);
    assert!(!world.net.send(id, Payload::from("x")));
}

#[test]
fn accepted_sockets_inherit_the_cap_of_their_listener() {
    const CAP: usize = 500_000;
    let world = World::with(NetOptions {
        max_pending: Some(CAP * 10),
        ..NetOptions::default()
    });
    let probe = world.probe();
    let (listener, address) = world.listener(&probe);
    world.net.set_cap(listener, Some(CAP));
    let _peer = TcpStream::connect(address).unwrap();
    let id = probe.expect(Accept, listener).ud;
    world.net.start(probe.handle, id);
    probe.expect_text(Connect, id, "start");
    overfill(&world, id, CAP);
    probe.expect_text(Error, id, "send queue over its limit (500000 bytes)");
    probe.expect(Close, id);
}

#[test]
fn the_whole_node_has_a_cap_and_gets_its_room_back() {
    const CAP: usize = 900_000;
    let world = World::with(NetOptions {
        max_pending_total: Some(CAP),
        ..NetOptions::default()
    });
    let probe = world.probe();
    for _ in 0..3 {
        let (first, _one) = world.connection(&probe);
        // The first one is the smaller one, whatever the system takes of it meanwhile.
        let (second, _two) = world.connection(&probe);
        while world.net.pending(first).unwrap() < CAP / 4 {
            assert!(world.net.send(first, Payload::from(vec![0; 8192])));
        }
        overfill(&world, second, CAP);
        let text = "send queues of the node over their limit (900000 bytes)";
        probe.expect_text(Error, second, text);
        probe.expect(Close, second);
        world.net.shutdown(first);
        probe.expect(Close, first);
    }
}

/// Whoever passes the line, those on which the most waits go.
#[test]
fn the_cap_of_the_node_costs_the_largest() {
    const CAP: usize = 4_000_000;
    let world = World::with(NetOptions {
        max_pending_total: Some(CAP),
        ..NetOptions::default()
    });
    let (owner, hog) = (world.probe(), world.probe());
    let mut small = Vec::new();
    for _ in 0..5 {
        let (id, peer) = world.connection(&owner);
        while world.net.pending(id).unwrap() < 100_000 {
            assert!(world.net.send(id, Payload::from(vec![0; 8192])));
        }
        small.push((id, peer));
    }
    let (large, _peer) = world.connection(&hog);
    while world.net.pending(large).unwrap() < 3_000_000 {
        assert!(world.net.send(large, Payload::from(vec![0; 65536])));
    }
    let (last, _one) = world.connection(&owner);
    while world.net.pending(large).is_some() {
        assert!(world.net.send(last, Payload::from(vec![0; 8192])));
        assert!(world.net.pending(last).unwrap() < 1_000_000);
    }
    let text = "send queues of the node over their limit (4000000 bytes)";
    hog.expect(Warning, large);
    hog.expect(Warning, large);
    hog.expect_text(Error, large, text);
    hog.expect(Close, large);
    for (id, _) in &small {
        assert!(world.net.send(*id, Payload::from("x")));
    }
    owner.expect_nothing();
}

/// What was the largest a moment ago, beside one that has gone, does not go for another that is larger now.
#[test]
fn the_cap_of_the_node_costs_the_largest_of_now() {
    const CAP: usize = 6_000_000;
    let world = World::with(NetOptions {
        max_pending_total: Some(CAP),
        ..NetOptions::default()
    });
    let owner = world.probe();
    let (small, _small) = world.connection(&owner);
    while world.net.pending(small).unwrap() < 1_000_000 {
        assert!(world.net.send(small, Payload::from(vec![0; 8192])));
    }
    for _ in 0..10 {
        let (hog, _hog) = world.connection(&world.probe());
        while world.net.pending(hog).is_some() {
            world.net.send(hog, Payload::from(vec![0; 65536]));
            // With the slack until the next look.
            assert!(world.net.pending(hog).unwrap_or(0) <= CAP + CAP / 8);
        }
    }
    assert!(world.net.pending(small).is_some());
}

/// Links can have a limit together: beyond it each has room for its share.
#[test]
fn links_share_a_limit() {
    const MOST: usize = 2_000_000;
    let world = World::new();
    let probe = world.probe();
    let pool = Arc::new(LinkPool::new(MOST, 100_000));
    let links: Vec<_> = (0..3)
        .map(|_| {
            let (id, peer) = world.connection(&probe);
            world.net.set_link_in(id, 10_000_000, &pool);
            (id, peer)
        })
        .collect();
    let fill = |id, up_to| {
        while world.net.room(id, 8192) == Room::Free && world.net.pending(id).unwrap() < up_to {
            assert!(world.net.send(id, Payload::from(vec![0; 8192])));
        }
        world.net.pending(id).unwrap()
    };
    // The first one may use all of it, the others have their shares.
    let first = fill(links[0].0, usize::MAX);
    assert!((MOST - 8192..=MOST).contains(&first), "{first}");
    for (id, _) in &links[1..] {
        let share = fill(*id, usize::MAX);
        assert!((90_000..=100_000).contains(&share), "{share}");
    }
    assert!(pool.pending() <= MOST + 200_000);
    // It comes back with the links.
    for (id, _) in &links[..2] {
        world.net.shutdown(*id);
    }
    let last = links[2].0;
    eventually("they have gone", || {
        Some(pool.pending()) == world.net.pending(last)
    });
    assert!(fill(last, 1_000_000) >= 1_000_000);
    world.net.set_link(last, None);
    assert_eq!(pool.pending(), 0);
}

/// No cap destroys a link. Who asks is told when there is room.
#[test]
fn a_link_that_is_full_stays_and_says_when_it_has_room() {
    const MOST: usize = 1_000_000;
    let world = World::with(NetOptions {
        max_pending: Some(100_000),
        max_pending_total: Some(200_000),
        ..NetOptions::default()
    });
    let probe = world.probe();
    let (id, mut peer) = world.connection(&probe);
    assert_eq!(world.net.room(id, usize::MAX), Room::Free);
    world.net.set_link(id, Some(MOST));
    // One request may be larger than the limit.
    assert_eq!(world.net.room(id, 20_000_000), Room::Free);
    let sent = pattern(20_000_000);
    assert!(world.net.send(id, Payload::from(&sent[..])));
    assert!(world.net.pending(id).unwrap() > MOST);
    assert_eq!(world.net.room(id, 1), Room::Full);
    assert_eq!(world.net.room(id, 1), Room::Full);
    let reader = std::thread::spawn(move || (read_exactly(&mut peer, sent.len()) == sent, peer));
    probe.expect(EventKind::Room, id);
    assert!(world.net.pending(id).is_none_or(|bytes| bytes <= MOST / 2));
    assert_eq!(world.net.room(id, 1), Room::Free);
    let (whole, _peer) = reader.join().unwrap();
    assert!(whole);
    eventually("sent", || world.net.pending(id) == Some(0));
    world.settle(&probe);
    // As a usual socket it has its cap again.
    world.net.set_link(id, None);
    overfill(&world, id, 100_000);
    probe.expect(Error, id);
    probe.expect(Close, id);
    assert_eq!(world.net.room(id, 1), Room::Gone);
}

/// Without a number, as many connections wait to be accepted as the system allows.
#[test]
fn a_listener_that_names_no_backlog_has_the_largest() {
    const COUNT: usize = 300;
    let world = World::new();
    let probe = world.probe();
    let id = world
        .net
        .listen(probe.handle, "127.0.0.1", 0, None)
        .unwrap();
    let port = probe.expect(Connect, id).ud as u16;
    // Nobody accepts yet.
    let peers: Vec<_> = (0..COUNT)
        .map(|_| TcpStream::connect_timeout(&([127, 0, 0, 1], port).into(), LIMIT).unwrap())
        .collect();
    world.net.start(probe.handle, id);
    probe.expect_text(Connect, id, "start");
    for _ in &peers {
        probe.expect(Accept, id);
    }
}

#[test]
fn beyond_the_number_of_sockets_none_is_made() {
    let world = World::with(NetOptions {
        max_sockets: Some(2),
        ..NetOptions::default()
    });
    let probe = world.probe();
    let (listener, address) = world.listener(&probe);
    let _first = TcpStream::connect(address).unwrap();
    let id = probe.expect(Accept, listener).ud;
    let mut second = TcpStream::connect(address).unwrap();
    assert_eq!(read_all(&mut second), b"");
    let error = world.net.udp(probe.handle, None, 0).unwrap_err();
    assert_eq!(error.to_string(), "reach skynet socket number limit");
    world.net.shutdown(id);
    probe.expect(Close, id);
    let _third = TcpStream::connect(address).unwrap();
    probe.expect(Accept, listener);
}

#[test]
fn keep_alive_and_user_timeout_are_set() {
    let world = World::with(NetOptions {
        keepalive: Some(Keepalive {
            idle: Duration::from_secs(77),
            interval: Duration::from_secs(11),
            retries: 3,
        }),
        user_timeout: Some(Duration::from_millis(12_345)),
        ..NetOptions::default()
    });
    let probe = world.probe();
    let (id, mut peer) = world.connection(&probe);
    // The settings must not get in the way; their effect takes minutes.
    assert!(world.net.send(id, Payload::from("alive")));
    assert_eq!(read_exactly(&mut peer, 5), b"alive");
    #[cfg(target_os = "linux")]
    {
        // Timers of the kernel: 02 is the keep-alive timer, in hundredths of seconds until it fires.
        let local = peer.peer_addr().unwrap().port();
        let remote = peer.local_addr().unwrap().port();
        let line = |table: &str| {
            let (own, other) = (format!(":{local:04X} "), format!(":{remote:04X} "));
            let find = |l: &&str| {
                let fields: Vec<_> = l.split_whitespace().collect();
                fields.len() > 5
                    && format!("{} ", fields[1]).ends_with(&own)
                    && format!("{} ", fields[2]).ends_with(&other)
            };
            table.lines().find(find).map(str::to_owned)
        };
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let line = line(&table).expect("the connection is in the table");
        let timer = line.split_whitespace().nth(5).unwrap().to_owned();
        let (kind, left) = timer.split_once(':').unwrap();
        let left = u64::from_str_radix(left, 16).unwrap();
        assert_eq!(kind, "02", "{line}");
        assert!((1..=7700).contains(&left), "{line}");
    }
}

#[test]
fn ten_thousand_connections_come_and_go() {
    const COUNT: usize = 10_000;
    // Each needs two descriptors here. Where the hard limit does not allow it, as many as it does.
    let count = descriptors(2 * COUNT as u64 + 200).min(COUNT);
    let world = World::new();
    let (server, client) = (world.probe(), world.probe());
    let id = world
        .net
        .listen(server.handle, "127.0.0.1", 0, 4096)
        .unwrap();
    let port = server.expect(Connect, id).ud as u16;
    world.net.start(server.handle, id);
    server.expect_text(Connect, id, "start");
    let mut outgoing = Vec::new();
    let mut incoming = Vec::new();
    for _ in 0..count {
        outgoing.push(world.net.connect(client.handle, "127.0.0.1", port).unwrap());
    }
    for _ in 0..count {
        incoming.push(server.expect(Accept, id).ud);
        assert_eq!(client.next().kind, Connect);
    }
    assert_eq!(world.net.count(), 2 * count + 1);
    for &id in &incoming {
        world.net.start(server.handle, id);
        server.expect_text(Connect, id, "start");
    }
    for &id in &outgoing {
        assert!(world.net.send(id, Payload::from("hello")));
    }
    let mut seen: Vec<_> = (0..count)
        .map(|_| {
            let event = server.next();
            assert_eq!((event.kind, &*event.data), (Data, &b"hello"[..]));
            event.id
        })
        .collect();
    seen.sort_unstable();
    incoming.sort_unstable();
    assert_eq!(seen, incoming);
    for &id in &outgoing {
        world.net.close(id);
        client.expect(Close, id);
    }
    let mut closed: Vec<_> = (0..count)
        .map(|_| {
            let event = server.next();
            assert_eq!(event.kind, Close);
            world.net.close(event.id);
            event.id
        })
        .collect();
    closed.sort_unstable();
    assert_eq!(closed, incoming);
    eventually("all gone", || world.net.count() == 1);
    world.settle(&server);
    world.settle(&client);
}

/// Raises the soft limit of descriptors; how many pairs it allows.
fn descriptors(wanted: u64) -> usize {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the structure is valid for the call.
    let got = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    assert_eq!(got, 0);
    if limit.rlim_cur < wanted {
        limit.rlim_cur = wanted.min(limit.rlim_max);
        // SAFETY: as above.
        let set = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
        assert_eq!(set, 0);
    }
    usize::try_from(limit.rlim_cur)
        .unwrap_or(usize::MAX)
        .saturating_sub(200)
        / 2
}

/// What is kept for a socket goes with it, and not before.
#[test]
fn kept_until_the_socket_has_gone() {
    let world = World::new();
    let probe = world.probe();
    let (id, mut peer) = world.connection(&probe);
    let thing = std::sync::Arc::new(());
    world.net.keep(id, Box::new(thing.clone()));
    let output = pattern(20_000_000);
    world.net.send(id, Payload::from(output.clone()));
    world.net.close(id);
    probe.expect(Close, id);
    assert_eq!(std::sync::Arc::strong_count(&thing), 2);
    assert!(read_all(&mut peer) == output);
    eventually("it has gone", || std::sync::Arc::strong_count(&thing) == 1);
    world.net.keep(id, Box::new(thing.clone()));
    assert_eq!(std::sync::Arc::strong_count(&thing), 1);
}

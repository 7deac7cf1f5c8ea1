//! Running out of descriptors. Alone in its process, whose limit it lowers.

#![cfg(target_os = "linux")]

mod common;

use std::fs::File;
use std::io::{Read, Seek};
use std::net::TcpStream;
use std::time::Duration;

use common::*;
use skynet_net::*;

use EventKind::*;

/// Sets the soft limit of descriptors.
fn limit(count: u64) {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the structure is valid for the calls.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit), 0);
        limit.rlim_cur = count.min(limit.rlim_max);
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit), 0);
    }
}

/// Processor time of this process so far, in clock ticks of 10 ms. The file is open already: there
/// may be no descriptor for it.
fn ticks(stat: &mut File) -> u64 {
    let mut text = String::new();
    stat.rewind().unwrap();
    stat.read_to_string(&mut text).unwrap();
    let (_, rest) = text.rsplit_once(')').unwrap();
    let fields: Vec<_> = rest.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn a_listener_without_descriptors_says_so_once_waits_and_recovers() {
    let world = World::new();
    let probe = world.probe();
    limit(256);
    let mut stat = File::open("/proc/self/stat").unwrap();
    let (listener, address) = world.listener(&probe);
    for _ in 0..2 {
        // Peers first, then everything else is taken.
        let peer = || socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let peers: Vec<_> = (0..10).map(|_| peer().unwrap()).collect();
        let mut hogs = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            hogs.push(file);
        }
        for peer in &peers {
            peer.connect(&address.into()).unwrap();
        }
        probe.expect_text(Error, listener, "Too many open files");
        // It tries again now and then, quietly; whoever spins would use most of this second.
        let before = ticks(&mut stat);
        std::thread::sleep(Duration::from_secs(1));
        assert!(ticks(&mut stat) - before < 50);
        probe.expect_nothing();

        drop(hogs);
        let accepted: Vec<_> = peers
            .iter()
            .map(|_| probe.expect(Accept, listener).ud)
            .collect();
        for id in accepted {
            world.net.shutdown(id);
            probe.expect(Close, id);
        }
        drop(peers);
        // The backlog has been emptied: the next shortage is another one.
        let last = TcpStream::connect(address).unwrap();
        let id = probe.expect(Accept, listener).ud;
        world.net.shutdown(id);
        probe.expect(Close, id);
        drop(last);
    }
}

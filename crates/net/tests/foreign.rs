//! Descriptors that were made elsewhere.

mod common;

use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use common::*;
use skynet_kernel::Payload;
use skynet_net::*;

use EventKind::*;

fn pipe() -> (PipeReader, PipeWriter) {
    std::io::pipe().unwrap()
}

#[test]
fn a_pipe_is_read_and_never_closed() {
    let world = World::new();
    let probe = world.probe();
    let (reader, mut writer) = pipe();
    writer.write_all(b"before").unwrap();
    let id = world.net.bind(probe.handle, reader.as_raw_fd()).unwrap();
    probe.expect_text(Connect, id, "binding");
    assert_eq!(probe.expect_data(id, 6), b"before");
    writer.write_all(b"after").unwrap();
    assert_eq!(probe.expect_data(id, 5), b"after");
    assert_eq!(world.net.info()[0].kind, SocketType::Bind);
    world.net.close(id);
    probe.expect(Close, id);
    assert_eq!(world.net.count(), 0);
    // It is as it was: open, and blocking.
    let late = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        (&reader).read_to_end(&mut bytes).unwrap();
        bytes
    });
    writer.write_all(b"ours again").unwrap();
    drop(writer);
    assert_eq!(late.join().unwrap(), b"ours again");
}

#[test]
fn the_end_of_a_pipe_is_a_close() {
    let world = World::new();
    let probe = world.probe();
    let (reader, mut writer) = pipe();
    let id = world.net.bind(probe.handle, reader.as_raw_fd()).unwrap();
    probe.expect_text(Connect, id, "binding");
    let bytes = pattern(1_000_000);
    let expected = bytes.clone();
    let writing = std::thread::spawn(move || writer.write_all(&bytes).unwrap());
    assert!(probe.expect_data(id, expected.len()) == expected);
    writing.join().unwrap();
    probe.expect(Close, id);
    world.net.close(id);
    eventually("destroyed", || world.net.count() == 0);
    world.settle(&probe);
}

#[test]
fn a_socket_made_elsewhere_works_both_ways() {
    let world = World::new();
    let probe = world.probe();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let id = world.net.bind(probe.handle, ours.as_raw_fd()).unwrap();
    probe.expect_text(Connect, id, "binding");
    let bytes = pattern(5_000_000);
    assert!(world.net.send(id, Payload::from(&bytes[..])));
    let mut got = vec![0; bytes.len()];
    theirs.read_exact(&mut got).unwrap();
    assert!(got == bytes);
    theirs.write_all(b"back").unwrap();
    assert_eq!(probe.expect_data(id, 4), b"back");
}

#[test]
fn what_cannot_be_watched_gives_an_error() {
    let world = World::new();
    let probe = world.probe();
    let file = File::open(std::env::current_exe().unwrap()).unwrap();
    let id = world.net.bind(probe.handle, file.as_raw_fd()).unwrap();
    probe.expect_text(Error, id, "Operation not permitted");
    for fd in [-1, 1 << 20] {
        let id = world.net.bind(probe.handle, fd).unwrap();
        probe.expect_text(Error, id, "Bad file descriptor");
    }
    assert_eq!(world.net.count(), 0);
}

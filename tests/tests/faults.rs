//! Faults on real connections: peers that die, hang, dribble and go away in the middle of something.
//!
//! In all of them each request has exactly one outcome, and nothing is left at the end: no socket, no waiting
//! coroutine.

use std::time::Duration;

use skynet_tests::peer::{Peer, frame, listen, port, port_of};
use skynet_tests::silent::{vanish, vanishing};
use skynet_tests::{Node, Running};

/// The server of `lua/faults/echo.lua`, ready.
fn echo(port: u16) -> Running {
    let mut node = Node::program("faults/echo")
        .key("port", &port.to_string())
        .limit(Duration::from_secs(180))
        .spawn();
    port_of(&mut node);
    node
}

fn client(case: &str, port: u16) -> Running {
    Node::case("faults/channel", case)
        .key("peer", &port.to_string())
        .stdin()
        .limit(Duration::from_secs(180))
        .spawn()
}

/// Waits until the client had some more successes.
fn more_good(client: &mut Running) {
    let before = client.stdout().matches("GOOD ").count();
    client.until("more good answers", |client| {
        client.stdout().matches("GOOD ").count() > before + 1
    });
}

/// Kills the server with no warning and starts it again, several times, while the client makes requests.
fn kill_and_restart(case: &str) {
    let port = port();
    let mut server = echo(port);
    let mut client = client(case, port);
    for _ in 0..6 {
        more_good(&mut client);
        server.kill();
        server = echo(port);
    }
    more_good(&mut client);
    client.write("stop\n");
    let out = client.wait();
    out.passed();
    out.has("LEDGER ");
}

#[test]
fn a_peer_that_is_killed_and_restarted() {
    kill_and_restart("killed");
}

#[test]
fn a_peer_that_is_killed_and_restarted_in_order_mode() {
    kill_and_restart("killed_in_order");
}

/// The session and the text of a request.
fn request(peer: &mut Peer) -> (Vec<u8>, String) {
    let content = peer.receive().expect("a request");
    let text = String::from_utf8(content[4..].to_vec()).expect("text");
    (content[..4].to_vec(), text)
}

#[test]
fn answers_byte_by_byte() {
    let (listener, port) = listen();
    let client = client("dribble", port);
    let mut peer = Peer::accept(&listener);
    for i in 0..5 {
        let (session, text) = request(&mut peer);
        let size: usize = text.strip_prefix("size ").unwrap().parse().unwrap();
        let answer = frame(&[session, vec![b'a'; size]].concat());
        if size < 1000 {
            peer.dribble(&answer);
        } else {
            let mut rest = &answer[..];
            let mut piece = 1;
            while !rest.is_empty() {
                let (now, later) = rest.split_at(piece.min(rest.len()));
                peer.write(now);
                rest = later;
                piece = piece * 2 % 7919;
            }
        }
        assert!(i < 5);
    }
    client.wait().passed();
    assert_eq!(peer.end(), b"");
}

#[test]
fn a_peer_that_dies_in_the_middle_of_an_answer() {
    for cut in [1, 2, 4, 8] {
        let (listener, port) = listen();
        let client = client("half_an_answer", port);
        let mut peer = Peer::accept(&listener);
        let sessions: Vec<_> = (0..10).map(|_| request(&mut peer).0).collect();
        let answer = frame(&[&sessions[0], &b"lost"[..]].concat());
        peer.write(&answer[..cut]);
        drop(peer);
        let mut peer = Peer::accept(&listener);
        let (session, text) = request(&mut peer);
        assert_eq!(text, "found");
        peer.send(&[session, b"found".to_vec()].concat());
        client.wait().passed();
    }
}

#[test]
fn a_peer_that_reads_nothing() {
    let (listener, port) = listen();
    let mut client = client("slow_reader", port);
    let peer = Peer::accept(&listener);
    drop(listener); // for those who try once more
    client.until_output("ENDED");
    client.wait().passed();
    drop(peer);
}

#[test]
fn a_reset_while_writing() {
    let (listener, port) = listen();
    let client = client("reset_while_writing", port);
    let mut peer = Peer::accept(&listener);
    let (session, text) = loop {
        let first = request(&mut peer);
        if first.1 != "large" {
            break first;
        }
        // Those that had not been written yet come on another connection.
        peer.read(100_000);
        peer.reset();
        peer = Peer::accept(&listener);
    };
    assert_eq!(text, "found");
    peer.send(&[session, b"found".to_vec()].concat());
    client.wait().passed();
}

/// Fifty that read nothing, and each is sent far more than may wait for it.
#[test]
fn memory_of_many_that_read_nothing() {
    const CLIENTS: usize = 50;
    let main = r#"
        local skynet = require "skynet.manager"
        local socket = require "skynet.socket"
        skynet.start(function()
            local ids = {}
            local listener, _, port = socket.listen("127.0.0.1", 0)
            socket.writelimit(listener, 1024 * 1024)
            socket.start(listener, function(id)
                socket.start(id)
                ids[#ids + 1] = id
            end)
            print("PORT " .. port)
            io.stdout:flush()
            while #ids < 50 do skynet.sleep(1) end
            local text, refused = ("w"):rep(65536), 0
            for _ = 1, 200 do
                for _, id in ipairs(ids) do
                    if not socket.write(id, text) then refused = refused + 1 end
                end
                skynet.yield()
            end
            print(refused > 50 * 100 and "REFUSED most" or "REFUSED " .. refused)
            for _, id in ipairs(ids) do socket.close(id) end
            socket.close(listener)
            local id = socket.stdin()
            print("FILLED")
            io.stdout:flush()
            socket.readline(id)
            socket.close(id)
            print("LEFT " .. #socket.netstat())
            skynet.abort()
        end)
    "#;
    let mut node = Node::source(main).stdin().spawn();
    let port = port_of(&mut node);
    let peers: Vec<_> = (0..CLIENTS).map(|_| Peer::connect(port)).collect();
    node.until_output("FILLED");
    let most = node.peak_kib();
    node.write("done\n");
    node.wait().exit(0).has("REFUSED most").has("LEFT 0");
    // 625 MB were offered; 50 may wait, and a node is no more than 50 itself.
    assert!(most < 100 * 1024, "{most} KiB");
    drop(peers);
}

#[test]
fn half_open() {
    let (mut peer, port) = vanishing("request");
    let mut client = client("half_open", port);
    client.until_output("CONNECTED");
    if !vanish(&mut peer) {
        return;
    }
    client.write("go on\n");
    client.wait().passed();
    peer.wait().exit(0);
}

mod gate {
    use std::thread;

    use super::*;

    /// The gate written in Lua, and the native one.
    const KINDS: [&str; 2] = ["serve", "native"];

    fn serve(kind: &str, port: u16) -> Running {
        let mut node = Node::case("faults/gate", kind)
            .key("port", &port.to_string())
            .stdin()
            .limit(Duration::from_secs(180))
            .spawn();
        port_of(&mut node);
        node
    }

    fn crowd(port: u16) -> Running {
        Node::case("faults/gate", "crowd")
            .key("peer", &port.to_string())
            .stdin()
            .limit(Duration::from_secs(180))
            .spawn()
    }

    fn stop(mut node: Running) {
        node.write("stop\n");
        node.wait().passed();
    }

    /// Whoever is killed, the gate accounts for each client and each agent.
    #[test]
    fn a_crowd_that_is_killed() {
        for kind in KINDS {
            let port = port();
            let server = serve(kind, port);
            for _ in 0..4 {
                let mut clients = crowd(port);
                more_good(&mut clients);
                clients.kill();
            }
            let mut clients = crowd(port);
            more_good(&mut clients);
            stop(clients);
            stop(server);
        }
    }

    #[test]
    fn a_gate_that_is_killed() {
        for kind in KINDS {
            let port = port();
            let mut server = serve(kind, port);
            let mut clients = crowd(port);
            for _ in 0..4 {
                more_good(&mut clients);
                server.kill();
                server = serve(kind, port);
            }
            more_good(&mut clients);
            stop(clients);
            stop(server);
        }
    }

    /// What one client does, by its number.
    fn behave(number: usize, port: u16) {
        let mut peer = Peer::connect(port);
        let large = frame(&vec![b'l'; 65_535]);
        match number % 8 {
            // Parts of a frame, and an end.
            0 => peer.write(&large[..number + 1]),
            1 => {
                peer.write(&frame(b"whole"));
                peer.read(1);
                peer.write(&large[..40_000]);
                peer.reset();
            }
            // It dribbles, and reads byte by byte.
            2 => {
                peer.dribble(&frame(b"slowly"));
                for byte in frame(b"slowly") {
                    assert_eq!(peer.read(1), [byte]);
                }
            }
            // The largest frames.
            3 => {
                peer.write(&large);
                peer.write(&frame(&large[2..65_536]));
                assert_eq!(peer.receive().map(|frame| frame.len()), Some(65_535));
                assert_eq!(peer.receive().map(|frame| frame.len()), Some(65_534));
            }
            // It says nothing.
            4 => {}
            // It reads nothing, until it is thrown out.
            5 => while peer.try_write(&large).is_ok() {},
            // It sends no more, but reads what it gets.
            6 => {
                peer.send(b"the last one");
                assert_eq!(peer.receive().as_deref(), Some(&b"the last one"[..]));
                peer.finish();
                assert_eq!(peer.receive(), None);
            }
            // A reset while answers are on their way.
            _ => {
                for _ in 0..5 {
                    peer.write(&large);
                }
                peer.read(3);
                peer.reset();
            }
        }
    }

    #[test]
    fn clients_of_every_kind() {
        for kind in KINDS {
            let port = port();
            let server = serve(kind, port);
            let clients: Vec<_> = (0..64)
                .map(|number| thread::spawn(move || behave(number, port)))
                .collect();
            for client in clients {
                client.join().expect("a client");
            }
            stop(server);
        }
    }
}

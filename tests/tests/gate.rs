//! The native gate: its text commands, its launch parameter, and what peers do to it. The gate written in Lua is tested
//! with the sockets (`net.rs`).

use skynet_tests::peer::{Peer, port_of};
use skynet_tests::{Node, Output, Running, lua_cases};

lua_cases! {
    "gate/native" {
        watchdog => |out| {
            let text = out.stdout.clone();
            let fd = text.split("OPENED ").nth(1).and_then(|rest| rest.lines().next()).expect("a number");
            out.has(&format!("socket open: {fd}"));
        };
        forward;
        prefixes => |out| {
            out.has("[gate] Unknown command : nonsense ").has("[gate] Unknown command : kicks ");
        };
        broker;
        message_type;
        pieces;
        long_header => |out| {
            out.has_times("Recv socket message > 16M", 1);
        };
        most_connections;
        kicked_and_deaf;
        output => |out| {
            let text = out.stdout.clone();
            let own = text.split("SELF ").nth(1).and_then(|rest| rest.lines().next()).expect("a number");
            out.has_times(&format!("Invalid client message from {own}"), 2)
                .has_times(&format!("Invalid client id -2 from {own}"), 1);
        };
        starved => |out| {
            out.has_times("gate accept error: Too many open files", 1);
        };
        close;
        no_watchdog;
        refused => |out| {
            for line in [
                "Invalid gate parm ",
                "Invalid gate parm S ! 8001 x 4",
                "Invalid data header style",
                "Invalid watchdog .nobody",
                "Invalid gate address nowhere",
                "Invalid gate address :x",
                "Address already in use",
                "gate: listen on 256.256.256.256:8001: ",
            ] {
                out.has(line);
            }
            out.has_times("Invalid gate parm S", 4)
                .has_times("Need max connection", 2)
                .has_times("error: launch gate", 13);
        };
    }
}

/// A gate whose events are printed, and its port.
fn outside() -> (Running, u16) {
    let mut node = Node::case("gate/native", "outside").spawn();
    let port = port_of(&mut node);
    (node, port)
}

fn stop(node: Running, port: u16) -> Output {
    let mut last = Peer::connect(port);
    last.write(b"\0\x04stop");
    let out = node.wait();
    out.passed();
    out
}

/// Who connects again and again decides how often that is told.
#[test]
fn lines_of_many_connections() {
    let (mut node, port) = outside();
    for batch in 1..=80 {
        for _ in 0..50 {
            drop(Peer::connect(port));
        }
        node.until("their ends", |node| {
            node.stdout().matches("EVENT close").count() == batch * 50
        });
    }
    let out = stop(node, port);
    let lines = out.count("] socket open: ");
    assert!((1000..3900).contains(&lines), "{lines}");
    out.has(" lines before it were left out)");
}

/// Whatever ends a connection, its end is told once, and it leaves nothing to the next one.
#[test]
fn ends_of_connections() {
    let (mut node, port) = outside();
    for bytes in [&b"\0"[..], b"\0\x05", b"\0\x05he", b"\xff\xff0123"] {
        let mut peer = Peer::connect(port);
        peer.write(bytes);
        peer.finish();
        peer.end();
    }
    node.until("four ends", |node| {
        node.stdout().matches("EVENT close").count() == 4
    });
    // A reset: an error and then an end, for the engine; one `close` for the watchdog.
    let mut peer = Peer::connect(port);
    peer.write(b"\0\x05hello");
    node.until_output("EVENT data 5 hello");
    peer.abort();
    node.until("five ends", |node| {
        node.stdout().matches("EVENT close").count() == 5
    });
    let mut good = Peer::connect(port);
    good.write(b"\0\x05whole");
    node.until_output("EVENT data 5 whole");
    stop(node, port).has_times("EVENT close", 5);
}

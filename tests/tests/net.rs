//! Sockets, socket channels and gates: what Lua programs see, and what peers outside the node do to them.

use std::time::Duration;

use skynet_tests::peer::{self, Peer, frame, port_of};
use skynet_tests::{Node, Output, Running, lua_cases, vectors};

lua_cases! {
    "net/socket" {
        listen;
        addresses;
        open;
        open_given_up;
        ipv6;
        start;
        accept_slowly;
        start_twice;
        not_accepting;
        readline;
        read;
        read_large;
        readall;
        block;
        one_reader;
        last_words;
        killed_reader => |out| {
            out.has("Pause socket (").has("Resume socket (");
        };
        close;
        close_while_data_comes;
        close_flushes;
        shutdown;
        peer_closes;
        own_close_is_told;
        ids_are_not_reused;
        listener_closed;
        abandon => |out| {
            out.has("socket: drop package from ");
        };
        hand_over;
        hand_over_and_exit;
        killed_owner;
        death;
        write_kinds;
        priorities;
        pending_and_cap;
        warning => |out| {
            out.has_not("WARNING:");
        };
        warning_by_default => |out| {
            out.has(" K bytes need to send out (fd = ").has("WARNING: 0 K bytes need to send out");
        };
        flow => |out| {
            out.has(" size : ").in_order(&["Pause socket (", "Resume socket ("]);
        };
        pause => |out| {
            out.in_order(&["Pause socket (", "Resume socket ("]);
            out.has_not(" size : ");
        };
        limit => |out| {
            out.has_times("socket buffer overflow: fd=", 1).has(" size=2000");
        };
        states;
        header_of_bad_text;
        netstat;
        resolve;
        old_names;
        buffer;
        buffer_random;
    }
    "net/udp" {
        echo => |out| {
            out.has("error: address first.");
        };
        dial_and_listen;
        kinds_of_data;
        other_callback;
        bad_addresses;
        no_callback => |out| {
            out.has("socket: drop udp package from ");
        };
    }
    "net/limits" {
        threads[socketthreads = "3"];
        number[socketlimit = "6"];
        waiting[socketpending = "1048576"] => |out| {
            out.has("send queue over its limit (1048576 bytes)");
        };
        waiting_altogether[socketpendingtotal = "1048576"] => |out| {
            out.has("send queues of the node over their limit (1048576 bytes)");
        };
        closed_and_deaf[socketclosetimeout = "300"];
        flood[socketinbox = "262144"];
        gate_flood[socketinbox = "262144"];
        native_gate_flood[socketinbox = "262144"];
        probes[socketkeepalive = "'300 10 5'"];
    }
    "net/netpack" {
        rest;
    }
    "net/channel" {
        decode;
        timeout;
        order;
        refused;
        parts;
        order_error;
        peer_closes_with_waiters;
        peer_closes_when_idle => |out| {
            out.has_times("socket closed by peer : 127.0.0.1 ", 1);
        };
        closing;
        sessions => |out| {
            out.has("socket: unknown session : 99");
        };
        session_errors;
        connect_once => |out| {
            out.has("Connect failed Connection refused 127.0.0.1 ");
        };
        connect_for_ever => |out| {
            out.has("socket: connect to 127.0.0.1 ");
        };
        close_while_connecting;
        black_hole;
        auth;
        auth_fails => |out| {
            out.has_times("socket: auth failed", 1).has("wrong password").has("Connect failed no more backup host");
        };
        backup => |out| {
            out.has("socket: connect to backup host 127.0.0.1 ").has("not here");
        };
        changehost;
        padding;
        own_reading;
        overload => |out| {
            out.has("K bytes need to send out (fd = ");
        };
        collected;
        socket_of_a_channel;
        killed_requester;
        chaos;
    }
    "net/gate" {
        commands;
        maxclient;
        kicked_and_deaf;
        not_opened;
        handler_waits => |out| {
            out.has("told to fail");
        };
        close_client => |out| {
            out.has("Drop message from fd (").has(") : after");
        };
        many_dropped => |out| {
            let lines = out.count("Drop message from fd (");
            assert!((20..1000).contains(&lines), "{lines}");
        };
        embed;
        incomplete_handler;
        watchdog;
        other_watchdog;
        agents;
        crowd;
    }
}

/// Names that other groups have too.
mod gate {
    use super::*;

    lua_cases! {
        "net/gate" {
            echo => |out| {
                out.has("Listen on 127.0.0.1 0");
            };
            warning;
        }
    }
}

mod udp {
    use super::*;

    lua_cases! {
        "net/udp" {
            ipv6;
        }
    }
}

#[test]
fn recorded_frames() {
    let lua = vectors::cases_as_lua("netpack.json");
    vectors::count(lua.lines().count() - 2, 69);
    Node::case("net/netpack", "all")
        .file("vectors_netpack.lua", lua)
        .run()
        .passed();
}

#[test]
fn recorded_addresses() {
    let lua = vectors::cases_as_lua("netaddr.json");
    vectors::count(lua.lines().count() - 2, 42);
    Node::case("net/netaddr", "all")
        .file("vectors_netaddr.lua", lua)
        .run()
        .passed();
}

#[test]
fn stdin() {
    let mut node = Node::case("net/socket", "stdin").stdin().spawn();
    node.until_output("ready for lines");
    node.write("first line\nsecond ");
    node.write("line\nno line end");
    node.close_stdin();
    node.wait().passed();
}

// Peers outside.

/// A gate whose events are printed, and its port.
fn outside() -> (Running, u16) {
    let mut node = Node::case("net/gate", "outside").spawn();
    let port = port_of(&mut node);
    (node, port)
}

/// Ends the gate through a connection of its own.
fn stop(node: Running, port: u16) -> Output {
    let mut last = Peer::connect(port);
    last.send(b"stop");
    let out = node.wait();
    out.passed();
    out
}

#[test]
fn peer_dies_in_the_middle_of_a_frame() {
    let (mut node, port) = outside();
    for bytes in [&b"\x00"[..], b"\x00\x05", b"\x00\x05he", b"\xff\xff0123"] {
        let mut peer = Peer::connect(port);
        peer.write(bytes);
        peer.finish();
        peer.end();
    }
    node.until("four ends", |node| {
        node.stdout().matches("EVENT close").count() == 4
    });
    // What was left of them is not taken for the beginning of another one's frame.
    let mut good = Peer::connect(port);
    good.send(b"whole");
    node.until_output("EVENT data 5 whole");
    drop(good);
    stop(node, port);
}

/// A reset is an error first, then an end; a frame that came before is not lost.
#[test]
fn a_client_resets() {
    let (mut node, port) = outside();
    let mut peer = Peer::connect(port);
    peer.send(b"hello");
    node.until_output("EVENT data 5 hello");
    peer.reset();
    node.until_output("EVENT close");
    stop(node, port)
        .in_order(&[
            "EVENT data 5",
            "EVENT error Connection reset by peer",
            "EVENT close",
        ])
        .has_times("EVENT close", 1);
}

#[test]
fn frames_in_pieces_of_one_byte() {
    let (mut node, port) = outside();
    let mut peer = Peer::connect(port);
    for byte in frame(b"slowly").into_iter().chain(frame(b"again")) {
        peer.write(&[byte]);
        std::thread::sleep(Duration::from_millis(2));
    }
    node.until_output("EVENT data 6 slowly");
    node.until_output("EVENT data 5 again");
    drop(peer);
    stop(node, port);
}

#[test]
fn the_largest_frames() {
    let (mut node, port) = outside();
    let mut peer = Peer::connect(port);
    let large = vec![b'x'; 65535];
    for _ in 0..20 {
        peer.send(&large);
    }
    peer.send(&large[..65534]);
    node.until("all frames", |node| {
        node.stdout().matches("EVENT data 65535 xxx").count() == 20
    });
    node.until_output("EVENT data 65534 xxx");
    drop(peer);
    stop(node, port);
}

/// A peer that has closed its sending half still receives.
#[test]
fn half_open() {
    let main = r#"
        local skynet = require "skynet.manager"
        local socket = require "skynet.socket"
        skynet.start(function()
            local listener, _, port = socket.listen("127.0.0.1", 0)
            socket.start(listener, function(id)
                socket.start(id)
                local all = socket.readall(id)
                skynet.sleep(10)
                socket.write(id, "got " .. #all)
                socket.write(id, (" x"):rep(1000000))
                socket.close(id)
                socket.close(listener)
                print("LEFT " .. #socket.netstat())
                skynet.abort()
            end)
            print("PORT " .. port)
            io.stdout:flush()
        end)
    "#;
    let (node, mut peer) = serve(main);
    peer.write(b"12345");
    peer.finish();
    // The node ends right after, so its sockets' remaining output may be lost: the first bytes have to arrive.
    assert_eq!(peer.read(5), b"got 5");
    peer.end();
    node.wait().exit(0).has("LEFT ");
}

/// A node whose main service prints `PORT <n>`, and a connection to that port.
fn serve(main: &str) -> (Running, Peer) {
    let mut node = Node::source(main).spawn();
    let peer = Peer::connect(port_of(&mut node));
    (node, peer)
}

/// A peer that goes away with a reset while the node writes to it.
#[test]
fn reset_during_a_write() {
    let main = r#"
        local skynet = require "skynet.manager"
        local socket = require "skynet.socket"
        skynet.start(function()
            local listener, _, port = socket.listen("127.0.0.1", 0)
            socket.start(listener, function(id)
                local closed = 0
                socket.start(id)
                socket.onclose(id, function() closed = closed + 1 end)
                local writes = 0
                while socket.write(id, ("w"):rep(65536)) and writes < 100000 do
                    writes = writes + 1
                    skynet.sleep(0)
                    if socket.pending(id) and socket.pending(id) > 1000000 then
                        skynet.sleep(1)
                    end
                end
                print("READ " .. tostring(socket.read(id)))
                print("ENDED " .. tostring(socket.disconnected(id)))
                socket.close(id)
                socket.close(listener)
                for _ = 1, 1000 do
                    if #socket.netstat() == 0 and closed > 0 then break end
                    skynet.sleep(1)
                end
                print("CLOSED " .. closed)
                print("LEFT " .. #socket.netstat())
                skynet.abort()
            end)
            print("PORT " .. port)
            io.stdout:flush()
        end)
    "#;
    let (node, mut peer) = serve(main);
    peer.read(100);
    peer.reset();
    node.wait()
        .exit(0)
        .has("READ false")
        .has("ENDED true")
        .has("CLOSED 1")
        .has_times("socket: error on ", 1)
        .has("LEFT 0")
        .no_panic();
}

/// A peer that does not read: what waits for it stays under the cap, and the others are served meanwhile.
#[test]
fn slow_reader() {
    let main = r#"
        local skynet = require "skynet.manager"
        local socket = require "skynet.socket"
        skynet.start(function()
            local listener, _, port = socket.listen("127.0.0.1", 0)
            socket.writelimit(listener, 2 * 1024 * 1024)
            socket.start(listener, function(id)
                socket.start(id)
                local most = 0
                for _ = 1, 10000 do
                    if not socket.write(id, ("w"):rep(65536)) then
                        break
                    end
                    most = math.max(most, socket.pending(id) or 0)
                    skynet.yield()
                end
                print("MOST " .. (most <= 2 * 1024 * 1024 + 65536 and "ok" or most))
                print("READ " .. tostring(socket.read(id)))
                socket.close(id)
                socket.close(listener)
                for _ = 1, 1000 do
                    if #socket.netstat() == 0 then break end
                    skynet.sleep(1)
                end
                print("LEFT " .. #socket.netstat())
                skynet.abort()
            end)
            print("PORT " .. port)
            io.stdout:flush()
        end)
    "#;
    let (node, peer) = serve(main);
    let out = node.wait();
    out.exit(0)
        .has("MOST ok")
        .has("READ false")
        .has("LEFT 0")
        .no_panic();
    drop(peer);
}

/// A channel to a peer that answers, then nothing, then goes away: each request has one end.
#[test]
fn channel_to_a_dying_peer() {
    let main = r#"
        local skynet = require "skynet.manager"
        local socketchannel = require "skynet.socketchannel"
        local port = tonumber(skynet.getenv "peer")
        skynet.start(function()
            local c = socketchannel.channel { host = "127.0.0.1", port = port }
            local function line(sock) return true, sock:readline() end
            print("FIRST " .. c:request("one\n", line))
            local ends = 0
            for i = 1, 10 do
                skynet.fork(function()
                    local ok, err = pcall(c.request, c, "more\n", line)
                    assert(not ok and err == socketchannel.error, tostring(err))
                    ends = ends + 1
                end)
            end
            while ends < 10 do skynet.sleep(1) end
            skynet.sleep(5)
            print("ENDS " .. ends)
            print("AGAIN " .. c:request("two\n", line))
            c:close()
            print("LEFT " .. #require("skynet.socket").netstat() .. " " .. skynet.task())
            skynet.abort()
        end)
    "#;
    let (listener, port) = peer::listen();
    let node = Node::source(main).key("peer", &port.to_string()).spawn();
    let mut peer = Peer::accept(&listener);
    peer.read(4);
    peer.write(b"first\n");
    // All ten are sent, half an answer goes back, then the connection is gone.
    peer.read(50);
    peer.write(b"half an ans");
    drop(peer);
    let mut peer = Peer::accept(&listener);
    peer.read(4);
    peer.write(b"second\n");
    node.wait()
        .exit(0)
        .has("FIRST first")
        .has("ENDS 10")
        .has("AGAIN second")
        .has("LEFT 0 0")
        .no_panic();
}

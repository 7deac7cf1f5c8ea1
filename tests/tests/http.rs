//! The modules `http.*`: the recorded cases, and what lies beside them.

use skynet_tests::{Node, certificates, lua_cases, script, vectors};

/// The certificates of the recordings' peers are known to nobody.
fn stage() -> Node {
    let (node, _) = certificates::node(Node::program("script/stage"));
    node.key("enablessl", "true")
        .key("tlsverify", "\"false\"")
        .key("certfile", "\"./server.pem\"")
        .key("keyfile", "\"./server.key\"")
}

#[test]
fn recorded_http() {
    let played = script::play("http.json", stage(), |_| true);
    vectors::count(played, 260);
}

#[test]
fn recorded_websocket() {
    let played = script::play("websocket.json", stage(), |_| true);
    vectors::count(played, 117);
}

#[test]
fn over_tls() {
    let (node, _) = certificates::node(Node::case("http/server", "over_tls"));
    let out = node.run();
    // What clients do to a handshake is one line.
    out.passed()
        .has("it speaks HTTP in the clear")
        .has(": TLS: the peer ended the connection during the handshake")
        .has_not("stack traceback");
}

#[test]
fn websockets_over_tls() {
    let (node, _) = certificates::node(Node::case("http/websocket", "without_a_handshake"));
    node.run().passed().has_not("stack traceback");
}

lua_cases! {
    "http/plain" {
        chunk_sizes;
        endless_head;
        helper;
        internal;
        lengths;
        many_fields;
        requests;
        slow_answer;
        slow_request;
        stream;
        tls_hello;
        urls;
    }

    "http/client" {
        bad_answers;
        connections;
        deadlines;
        decompression;
        extended;
        redirects;
        requests_by_client;
        stale_connections;
    }

    "http/server" {
        agents;
        answers;
        crowd;
        endless_head_to_server;
        expectation;
        handed_to_websocket;
        keep_alive;
        orderly_end;
        pipelined;
        refused;
        slow_reader;
        slow_requests;
        streaming;
    }

    "http/websocket" {
        closed_by_the_server;
        conversation;
        damaged_compression;
        huge_frames;
        options;
        slow_frames;
        strict_frames;
        tls_hello_to_websocket;
        upgrade;
        warning;
    }
}

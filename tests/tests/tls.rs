//! TLS: the objects of skynet (C), sockets, gates, and peers that are not ours.

use skynet_tests::certificates;
use skynet_tests::{Node, Output};

/// A case of `tls/objects` in a node with certificates.
fn objects(case: &str, keys: &[(&str, &str)]) -> Output {
    let (mut node, _) = certificates::node(Node::case("tls/objects", case));
    for (key, value) in keys {
        node = node.key(key, value);
    }
    let output = node.run();
    output.passed();
    output
}

const ENABLED: (&str, &str) = ("enablessl", "true");

#[test]
fn objects_of_ltls() {
    objects("objects", &[ENABLED]);
    objects("texts", &[ENABLED]);
}

#[test]
fn without_enablessl() {
    objects("uninitialised", &[]);
}

#[test]
fn the_helper_verifies() {
    objects("helper", &[]);
    objects("verified", &[]).has_times("NOT VERIFIED (verify = false)", 1);
}

#[test]
fn tlsverify() {
    objects("policy", &[ENABLED]).has_times("NOT VERIFIED", 1);
    objects("policy", &[ENABLED, ("tlsverify", "'false'")])
        .has_times("NOT VERIFIED (tlsverify = false)", 1)
        .has_times("NOT VERIFIED (verify = false)", 1);
    objects("policy", &[ENABLED, ("tlsverify", "'strict'")]).has_not("NOT VERIFIED");
    let (node, _) = certificates::node(Node::case("tls/objects", "policy"));
    let output = node.key("tlsverify", "'maybe'").run();
    assert_ne!(output.status.code(), Some(0));
    assert!(output.stderr.contains("tlsverify"), "{output}");
}

/// A case of `tls/sockets` in a node with certificates.
fn prepared(case: &str, keys: &[(&str, &str)]) -> Node {
    let (mut node, _) = certificates::node(Node::case("tls/sockets", case));
    for (key, value) in keys {
        node = node.key(key, value);
    }
    node
}

fn sockets(case: &str) -> Output {
    let output = prepared(case, &[]).run();
    output.passed();
    output
}

/// One test for each case of `tls/sockets`.
macro_rules! socket_cases {
    ($($case:ident $(=> $look:expr)?;)*) => {
        $(
            #[test]
            fn $case() {
                let _output = sockets(stringify!($case));
                $({
                    let look: fn(&Output) = $look;
                    look(&_output);
                })?
            }
        )*
    };
}

socket_cases! {
    echo;
    many;
    ends;
    later;
    refused => |out| {
        out.has("no handshake with 127.0.0.1:").has_times("NOT VERIFIED (verify = false)", 1);
        out.has_not("socket: error on");
    };
    client_certificates => |out| {
        out.has("TLS: the client has shown no certificate; set cert and key there");
        out.has("the client's certificate is signed by nobody who is trusted here (trusted are those in ca.pem)");
    };
    deadlines => |out| {
        out.has_times("TLS: the handshake has not ended within 0.2 s", 1);
    };
    pieces;
    hand_over;
    limits => |out| {
        out.has("send queue over its limit (1048576 bytes)");
    };
    input;
    channel;
    gate => |out| {
        out.has("set cert and key");
    };
    native_gate => |out| {
        out.has("TLS: cannot read none.pem");
    };
    renewed => |out| {
        out.has_times("does not belong to the certificate in server.pem; the old one is still used", 1);
    };
}

#[test]
fn tlsverify_and_sockets() {
    for (policy, lines) in [("true", 1), ("false", 2), ("strict", 0)] {
        let policy = format!("{policy:?}");
        let output = prepared("policy", &[("tlsverify", &policy)]).run();
        output.passed().has_times("NOT VERIFIED", lines);
    }
}

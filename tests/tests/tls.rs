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

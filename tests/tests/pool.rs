//! `skynet.db.pool`, and databases over TLS.

use skynet_tests::{Node, certificates, lua_cases};

lua_cases! {
    "db/pool" {
        health;
        line;
        real_connections;
        size;
        statistics;
        storm;
    }
}

#[test]
fn tls() {
    let (node, _) = certificates::node(Node::case("db/pool", "tls"));
    node.run().passed();
}

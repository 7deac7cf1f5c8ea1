//! `skynet.db.pgsql`: bad luck with servers that the tests play, and a real server.

use std::time::Duration;

use skynet_tests::certificates::Authority;
use skynet_tests::database::Server;
use skynet_tests::{Node, lua_cases};

lua_cases! {
    "db/pgsql" {
        half_answers;
        lies;
        logins;
        mistakes;
    }
}

fn with(server: &Server, case: &str) -> Node {
    Node::case("db/pgsql", case).key("dbport", &server.port().to_string())
}

#[test]
#[cfg_attr(
    not(postgres_server),
    ignore = "no PostgreSQL: apt-get install postgresql"
)]
fn real_server() {
    let server = Server::postgres();
    for case in [
        "real_logins",
        "real_types",
        "real_queries",
        "real_transactions",
        "real_copy",
        "real_messages",
        "real_bad_luck",
        "real_waiting",
    ] {
        with(&server, case).run().passed();
    }
}

/// The server is verified by the authority that is given, and by no other.
#[test]
#[cfg_attr(
    not(postgres_server),
    ignore = "no PostgreSQL: apt-get install postgresql"
)]
fn real_tls() {
    let authority = Authority::new();
    let server = Server::postgres_with(&authority.issue(&["127.0.0.1"]));
    with(&server, "real_tls")
        .file("ca.pem", authority.pem())
        .file("other.pem", Authority::new().pem())
        .run()
        .passed();
}

#[test]
#[cfg_attr(
    not(postgres_server),
    ignore = "no PostgreSQL: apt-get install postgresql"
)]
fn real_restart() {
    let mut server = Server::postgres();
    let mut node = with(&server, "real_restart").spawn();
    node.until_output("KILL\n");
    server.kill();
    std::thread::sleep(Duration::from_millis(300));
    server.restart();
    node.wait().passed();
}

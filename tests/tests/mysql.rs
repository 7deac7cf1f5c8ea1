//! `skynet.db.mysql`: recorded conversations, bad luck, and a real server.

use skynet_tests::certificates::Authority;
use skynet_tests::database::Server;
use skynet_tests::dialogue::{self, Plain};
use skynet_tests::{Node, lua_cases};

/// Where skynet (C) gives up, and this driver does not: `real_types`, `sha2_login` and `lying_answers` have what it does
/// instead.
const BETTER: &[&str] = &[
    "b-date-7",
    "b-datetime-11",
    "b-decimal",
    "b-enum",
    "b-set",
    "b-time",
    "b-timestamp-0",
    "b-unsupported-then-reconnect",
    "b-year",
    "l-auth-switch",
    "q-error-in-rows",
];

#[test]
fn recorded() {
    dialogue::play_all("mysql.json", 139, &Plain, |case| {
        let name = case["name"].as_str().expect("a name");
        (case["limitation"] == true && BETTER.contains(&name)).then_some("it does better")
    });
}

lua_cases! {
    "db/mysql" {
        failed_logins;
        killed_in_a_transaction;
        killed_in_an_answer;
        long_values;
        lying_answers;
        many_waiting;
        sha2_login;
        silence;
    }
}

/// The password is enciphered with the server's key, and deciphered by OpenSSL.
#[test]
#[cfg_attr(not(openssl), ignore = "no openssl: apt-get install openssl")]
fn rsa_login() {
    let openssl = |arguments: &[&str]| {
        let done = std::process::Command::new("openssl")
            .args(arguments)
            .output();
        let done = done.expect("openssl");
        assert!(done.status.success(), "{done:?}");
        done.stdout
    };
    let private = openssl(&["genrsa", "2048"]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("private.pem");
    std::fs::write(&file, &private).expect("a file");
    let public = openssl(&["rsa", "-in", file.to_str().expect("a path"), "-pubout"]);
    Node::case("db/mysql", "rsa_login")
        .file("private.pem", private)
        .file("public.pem", public)
        .run()
        .passed();
}

fn with(server: &Server, case: &str) -> Node {
    Node::case("db/mysql", case).key("dbport", &server.port().to_string())
}

#[test]
#[cfg_attr(
    not(mariadb_server),
    ignore = "no mariadbd: apt-get install mariadb-server"
)]
fn real_server() {
    let server = Server::mariadb();
    for case in ["real_commands", "real_types"] {
        with(&server, case).run().passed();
    }
}

/// The server is verified by the authority that is given, and by no other.
#[test]
#[cfg_attr(
    not(mariadb_server),
    ignore = "no mariadbd: apt-get install mariadb-server"
)]
fn real_tls() {
    let authority = Authority::new();
    let server = Server::mariadb_with(&authority.issue(&["127.0.0.1"]));
    with(&server, "real_tls")
        .file("ca.pem", authority.pem())
        .file("other.pem", Authority::new().pem())
        .run()
        .passed();
}

#[test]
#[cfg_attr(
    not(mariadb_server),
    ignore = "no mariadbd: apt-get install mariadb-server"
)]
fn real_restart() {
    let mut server = Server::mariadb();
    let mut node = with(&server, "real_restart").spawn();
    node.until_output("KILL\n");
    server.kill();
    std::thread::sleep(std::time::Duration::from_millis(300));
    server.restart();
    node.wait().passed();
}

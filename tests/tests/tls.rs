//! TLS: the objects of skynet (C), sockets, gates, and peers that are not ours.

use std::io::Write;
use std::process::{Command, Stdio};

use skynet_tests::certificates;
use skynet_tests::peer::{self, Peer, port_of};
use skynet_tests::{Node, Output, Running, skipped, workspace};

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
    let config = "harbor = 0\nstart = 'main'\ntlsverify = 'maybe'\n";
    let check = Node::bare()
        .file("config", config)
        .args(&["check", "config"]);
    let said = check.run();
    assert!(
        said.stdout.contains("tlsverify: `maybe` is not understood"),
        "{said}"
    );
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
    secret;
    refused => |out| {
        out.has("no handshake with 127.0.0.1:").has_times("NOT VERIFIED (verify = false)", 1);
        out.has_not("socket: error on");
    };
    client_certificates => |out| {
        out.has("TLS: the client has shown no certificate; set cert and key there");
        out.has("the client's certificate is signed by nobody who is trusted here (trusted are those in ca.pem)");
    };
    deadlines => |out| {
        out.has_times("TLS: the handshake has not ended within 0.2 s", 2);
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

/// The same with several reactors, and workers that race with them.
#[test]
fn many_threads() {
    for case in ["many", "echo", "ends", "gate", "limits", "hand_over"] {
        let keys = [("socketthreads", "3"), ("thread", "6")];
        prepared(case, &keys).run().passed();
    }
}

#[test]
fn tlsverify_and_sockets() {
    for (policy, lines) in [("true", 1), ("false", 2), ("strict", 0)] {
        let policy = format!("{policy:?}");
        let output = prepared("policy", &[("tlsverify", &policy)]).run();
        output.passed().has_times("NOT VERIFIED", lines);
    }
}

// ---- peers that are not ours

/// Starts a node that serves peers from outside, and its port.
fn outside(keys: &[(&str, &str)]) -> (Running, u16) {
    let mut node = prepared("outside", keys).spawn();
    let port = port_of(&mut node);
    (node, port)
}

/// A program for a test, or nothing if this machine has none: then the test says so and is left out.
fn program(name: &str) -> Option<Command> {
    match Command::new(name).arg("--help").output() {
        Ok(_) => Some(Command::new(name)),
        Err(error) => {
            skipped(
                &format!("no command {name} ({error})"),
                &format!("apt-get install {name}"),
            );
            None
        }
    }
}

/// Runs `openssl s_client` with these arguments in the folder of a node, says a line, and returns what it wrote.
fn s_client(node: &Running, port: u16, arguments: &[&str]) -> Option<String> {
    let mut child = program("openssl")?
        .current_dir(node.path("."))
        .args(["s_client", "-connect", &format!("127.0.0.1:{port}")])
        .args(["-CAfile", "ca.pem", "-servername", "a.example"])
        .args(["-verify_return_error", "-ign_eof"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl starts");
    let mut stdin = child.stdin.take().expect("stdin");
    // It may have ended already.
    let _ = stdin.write_all(b"hello\nend\n");
    let output = child.wait_with_output().expect("openssl ends");
    drop(stdin);
    Some(
        String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr),
    )
}

#[test]
fn openssl_as_a_client() {
    let (mut node, port) = outside(&[]);
    for (version, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let Some(said) = s_client(&node, port, &[version, "-verify_hostname", "a.example"]) else {
            return;
        };
        assert!(
            said.contains("echo 5 hello") && said.contains("Verify return code: 0 (ok)"),
            "{said}"
        );
        node.until_output(&format!("CLIENT\t{name}\tfalse"));
    }
    let said = s_client(&node, port, &["-verify_hostname", "b.example"]).unwrap();
    assert!(!said.contains("echo 5"), "{said}");
    node.until_output("no handshake with 127.0.0.1:");
    // What is not safe any more.
    for old in [
        &["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"][..],
        &["-tls1_2", "-cipher", "AES128-SHA"],
    ] {
        let said = s_client(&node, port, old).unwrap();
        assert!(!said.contains("echo 5"), "{said}");
    }
    node.until_output("TLS: the two sides have nothing in common: ");
}

#[test]
fn openssl_with_a_certificate_as_a_client() {
    let (mut node, port) = outside(&[("clients", "'known'")]);
    for version in ["-tls1_2", "-tls1_3"] {
        let arguments = [version, "-cert", "client.pem", "-key", "client.pem"];
        let Some(said) = s_client(&node, port, &arguments) else {
            return;
        };
        assert!(said.contains("echo 5 hello"), "{said}");
        let said = s_client(&node, port, &[version]).unwrap();
        assert!(!said.contains("echo 5"), "{said}");
        let stranger = [version, "-cert", "stranger.pem", "-key", "stranger.pem"];
        let said = s_client(&node, port, &stranger).unwrap();
        assert!(!said.contains("echo 5"), "{said}");
    }
    node.until_output("true\tclient.example");
    node.until_output("the client has shown no certificate");
    node.until_output("signed by nobody who is trusted here (trusted are those in ca.pem)");
}

/// A node as the client of `openssl s_server`, which sends back each line the other way round.
#[test]
fn openssl_as_a_server() {
    let cases: [(&[&str], &str, &str, &str); 6] = [
        (&["-tls1_2"], "server.pem", "", "CONNECTED TLSv1.2"),
        (&["-tls1_3"], "server.pem", "", "CONNECTED TLSv1.3"),
        (
            &["-tls1_3", "-Verify", "1", "-verify_return_error"],
            "server.pem",
            "client.pem",
            "CONNECTED TLSv1.3",
        ),
        (
            &["-tls1_2", "-Verify", "1", "-verify_return_error"],
            "server.pem",
            "",
            "REFUSED TLS: the peer refuses: ",
        ),
        (&[], "other.pem", "", "is made out to others: other.example"),
        (
            &[],
            "expired.pem",
            "",
            "has expired (2020-01-01 00:00:00 UTC)",
        ),
    ];
    for (arguments, certificate, cert, expected) in cases {
        let port = peer::port();
        let keys = [
            ("port", port.to_string()),
            ("name", skynet_tests::quote("localhost")),
            ("say", skynet_tests::quote("hello")),
        ];
        let mut node = certificates::node(Node::case("tls/sockets", "dial")).0;
        for (key, value) in &keys {
            node = node.key(key, value);
        }
        if !cert.is_empty() {
            node = node.key("cert", &skynet_tests::quote(cert));
        }
        let Some(mut openssl) = program("openssl") else {
            return;
        };
        openssl
            .current_dir(node.path("."))
            .args([
                "s_server",
                "-accept",
                &port.to_string(),
                "-rev",
                "-naccept",
                "1",
            ])
            .args(["-cert", certificate, "-CAfile", "ca.pem"])
            .args(arguments);
        let mut server = Running::other(openssl);
        server.until("it listens", |server| server.stdout().contains("ACCEPT"));
        let output = node.run();
        output.passed().has(expected);
        if expected.starts_with("CONNECTED") {
            output.has("olleh");
        }
        server.kill();
    }
}

#[test]
fn python_as_a_client() {
    let (mut node, port) = outside(&[("clients", "'known'")]);
    let script = workspace().join("tests/tests/peers/tls.py");
    for version in ["1.2", "1.3"] {
        for what in ["known", "ends", "cut"] {
            let Some(mut python) = program("python3") else {
                return;
            };
            let certificate = if what == "known" { "known" } else { what };
            let output = python
                .current_dir(node.path("."))
                .arg(&script)
                .args([&port.to_string(), version, certificate])
                .output()
                .expect("python runs");
            let said = String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr);
            if what == "known" {
                assert!(said.contains(&format!("GOOD {version}")), "{said}");
            } else {
                // Without a certificate it is refused.
                assert!(!said.contains("GOOD"), "{said}");
            }
        }
    }
    node.until_output("true\tclient.example");
    drop(node);
    let (mut node, port) = outside(&[]);
    for version in ["1.2", "1.3"] {
        for what in ["ends", "cut"] {
            let Some(mut python) = program("python3") else {
                return;
            };
            let output = python
                .current_dir(node.path("."))
                .arg(&script)
                .args([&port.to_string(), version, what])
                .output()
                .expect("python runs");
            let said = String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr);
            assert!(said.contains(&format!("GOOD {version} {what}")), "{said}");
        }
    }
    node.until_output("END\t0\tTLS: the connection ended without close_notify");
}

// ---- strangers

#[test]
fn who_does_not_speak_tls_is_told_of_and_not_too_often() {
    let (mut node, port) = outside(&[]);
    for _ in 0..200 {
        let mut peer = Peer::connect(port);
        peer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        // An alert, and the end.
        let answer = peer.end();
        assert_eq!(&answer[..3], [21, 3, 3]);
    }
    node.until_output("it speaks HTTP in the clear");
    let mut peer = Peer::connect(port);
    peer.write(&[22, 3, 1, 255, 255]);
    peer.write(&[1; 70_000]);
    peer.end();
    let said = node.stdout();
    let lines = said.matches("no handshake with").count();
    assert!((1..=15).contains(&lines), "{lines}\n{said}");
    assert!(!said.contains("CLIENT"), "{said}");
}

/// Beginnings of handshakes do not add up, neither in memory nor in sockets, and do not keep others out.
#[test]
fn half_open_handshakes_are_bounded() {
    rlimit::increase_nofile_limit(8192).expect("descriptors");
    let (mut node, port) = outside(&[]);
    let before = node.peak_kib();
    let mut silent: Vec<Peer> = Vec::new();
    for n in 0..2000 {
        let mut peer = Peer::connect(port);
        if n % 2 == 0 {
            // The head of a record, and no more.
            let _ = peer.try_write(&[22, 3, 1, 2, 0]);
        }
        silent.push(peer);
    }
    // The oldest had to go.
    silent[0].end();
    node.until_output("1024 others have begun one after it");
    let Some(said) = s_client(&node, port, &[]) else {
        return;
    };
    assert!(said.contains("echo 5 hello"), "{said}");
    for peer in &mut silent[..900] {
        peer.end();
    }
    assert!(
        node.peak_kib() < before + 64 * 1024,
        "{before} {}",
        node.peak_kib()
    );
}

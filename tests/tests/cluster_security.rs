//! Who may connect to a cluster, what they may call, and what becomes of all others.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use skynet_tests::certificates::{Authority, replace};
use skynet_tests::cluster::{Client, Server, command, named, numbered};
use skynet_tests::peer::{Peer, frame, listen, port};
use skynet_tests::{Node, quote, skipped};

const SECRET: &str = "'a secret of the owls'";
const OTHER: &str = "'another secret of owls'";

/// A node that is called, with these keys; a secret that begins with a quote is one.
fn server(keys: &[(&str, &str)]) -> Server {
    Server::with(0, keys)
}

/// A node that calls it, as `peer`.
fn client(server: &Server, keys: &[(&str, &str)]) -> Client {
    let mut client = Client::with(keys);
    client.connect("db", server.port());
    client
}

/// A call that comes through.
fn works(client: &mut Client) {
    let call = client.ask("call", "db @echo ECHO hello");
    client.gives(call, "hello");
}

/// One that does not, with this in the log of the calling node.
fn refused(client: &mut Client, why: &str) {
    let call = client.ask("call", "db @echo ECHO hello");
    let result = client.result(call);
    assert!(result.starts_with("failed "), "{result}");
    client.node().until_output(why);
}

fn hello(to: &str, key: &str) -> Vec<u8> {
    let name = |text: &str| [&[text.len() as u8][..], text.as_bytes()].concat();
    let nonce = [7; 32];
    [&[0xf5, 1, 1][..], &nonce, &name(""), &name(to), &name(key)].concat()
}

/// What a node says that does not let somebody in, without the text.
fn refusal(content: &[u8]) -> u8 {
    assert_eq!(content[..2], [0xf5, 0x0f], "{content:?}");
    content[2]
}

// ---- the secret

#[test]
fn a_secret_in_common() {
    let server = server(&[
        ("clustersecret", SECRET),
        ("nodename", "'db'"),
        ("clusterpeers", "'web room-*'"),
    ]);
    let mut web = client(&server, &[("clustersecret", SECRET), ("nodename", "'web'")]);
    works(&mut web);
    let call = web.ask("call", "db @echo WHO");
    web.gives(call, "web false");
    let call = web.ask("call", "db @echo PEER");
    web.gives(call, "web secret false true true");
    // Large requests go the same way, also before there is a connection.
    let mut room = Client::with(&[("clustersecret", SECRET), ("nodename", "'room-1'")]);
    room.connect("db", server.port());
    let calls: Vec<_> = (0..3)
        .map(|_| room.ask("large", &format!("db {} 100000", server.handle())))
        .collect();
    for call in calls {
        assert!(room.result(call).starts_with("failed "), "it is no command");
    }
    works(&mut room);
    let mut gm = client(&server, &[("clustersecret", SECRET), ("nodename", "'gm'")]);
    refused(&mut gm, "the peer refuses: this node may not connect here");
    let mut nobody = client(&server, &[("clustersecret", SECRET)]);
    refused(
        &mut nobody,
        "the peer refuses: this node may not connect here",
    );
    for client in [web, room, gm, nobody] {
        client.stop();
    }
    server
        .stop()
        .has("the node `gm` is not in clusterpeers")
        .has_not("owls")
        .has_not("WARNING: cluster port");
}

#[test]
fn another_secret_and_none() {
    let server = server(&[("clustersecret", SECRET), ("clusterhandshake", "400")]);
    let mut other = client(&server, &[("clustersecret", OTHER)]);
    refused(
        &mut other,
        "cannot connect: the peer refuses: the secrets differ",
    );
    let mut none = client(&server, &[]);
    let call = none.ask("call", "db @echo ECHO hello");
    none.fails(call);
    // The other way round: this one has a secret, and the node there has none.
    let open = Server::start();
    let mut closed = client(&open, &[("clustersecret", SECRET)]);
    refused(&mut closed, "the peer refuses: no clustersecret here");
    for client in [other, none, closed] {
        client.stop();
    }
    open.stop()
        .has("WARNING: cluster port 0.0.0.0:")
        .has("set clustersecret, or clusterbind");
    server
        .stop()
        .has("wrong proof: its secret is another one")
        .has("it does not begin a handshake (clustersecret)");
}

/// What does not answer, such as a node of skynet (C), is given up.
#[test]
fn nobody_answers_the_handshake() {
    let (listener, port) = listen();
    let mut client = Client::with(&[("clustersecret", SECRET), ("clusterhandshake", "300")]);
    client.connect("db", port);
    let call = client.ask("call", "db @echo ECHO hello");
    let mut peer = Peer::accept(&listener);
    let first = peer.receive().expect("a frame");
    assert_eq!(first[..3], [0xf5, 1, 1]);
    // Nothing but the handshake is there.
    assert_eq!(peer.end(), b"");
    assert!(client.result(call).starts_with("failed "));
    client
        .node()
        .until_output("the peer does not answer the handshake (does it have clustersecret?)");
    client.stop();
}

/// Another node at the address than the one that is meant.
#[test]
fn the_wrong_node() {
    let server = server(&[("clustersecret", SECRET), ("nodename", "'bank'")]);
    let mut client = client(&server, &[("clustersecret", SECRET)]);
    refused(&mut client, "the peer refuses: another node is meant");
    client.stop();
    server
        .stop()
        .has("it means the node db, and this is bank (nodename)");
}

fn secrets(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("secrets");
    std::fs::write(&path, text).expect("a file");
    (dir, path)
}

fn path_key(path: &Path) -> String {
    quote(&path.display().to_string())
}

/// A secret of a node's own proves its name.
#[test]
fn secrets_of_nodes() {
    let (_dir, path) = secrets("# for all\nnode:web 0123456789abcdef\nmay fedcba9876543210\n");
    let server = server(&[("clustersecretfile", &path_key(&path))]);
    let (_web, path) = secrets("node:web 0123456789abcdef\n");
    let file = path_key(&path);
    let mut web = client(&server, &[("clustersecretfile", &file)]);
    let call = web.ask("call", "db @echo WHO");
    web.gives(call, "web true");
    let mut liar = client(
        &server,
        &[("clustersecretfile", &file), ("nodename", "'gm'")],
    );
    refused(
        &mut liar,
        "the peer refuses: this node may not connect here",
    );
    let (_may, path) = secrets("may fedcba9876543210\n");
    let file = path_key(&path);
    let mut may = client(
        &server,
        &[("clustersecretfile", &file), ("nodename", "'gm'")],
    );
    let call = may.ask("call", "db @echo WHO");
    may.gives(call, "gm false");
    for client in [web, liar, may] {
        client.stop();
    }
    server
        .stop()
        .has("it calls itself gm, with the secret of web");
}

// ---- strangers

/// The bytes of a request to a service: of a push and of a call, by name and by handle.
fn requests(server: &Server) -> Vec<u8> {
    let push = command(&[b"PUSH", b"a stranger"]);
    let call = command(&[b"ECHO", b"a stranger"]);
    [
        frame(&named(0x80, b"@echo", 0, &push)),
        frame(&named(0x80, b".echo", 0, &push)),
        frame(&numbered(0, server.handle(), 0, &push)),
        frame(&named(0x80, b"@echo", 9, &call)),
    ]
    .concat()
}

fn count(client: &mut Client) -> String {
    let call = client.ask("call", "db @echo COUNT");
    client.result(call)
}

/// Each connection is ended; what an unproved peer sends, before, within and behind a handshake, reaches no service. The
/// same bytes do reach them where nobody has to prove anything.
#[test]
fn nothing_of_a_stranger_reaches_a_service() {
    let hello = hello("db", "");
    for (auth, seen) in [("'require'", "ok 0"), ("'accept'", "ok 3")] {
        let server = server(&[
            ("clustersecret", SECRET),
            ("clusterauth", auth),
            ("clusterhandshake", "300"),
        ]);
        let requests = requests(&server);
        let mut good = client(&server, &[("clustersecret", SECRET)]);
        works(&mut good);
        let mut peer = Peer::connect(server.port());
        peer.write(&requests);
        if seen == "ok 3" {
            let answer = peer.receive().expect("an answer");
            assert!(answer.ends_with(b"a stranger"));
        } else {
            assert_eq!(peer.end(), b"");
        }
        assert!(count(&mut good).starts_with(seen), "{auth}");
        // Behind a HELLO; behind a proof that is none; a HELLO twice; a WELCOME of the client's own.
        let proof = frame(&[&[0xf5, 3][..], &[1; 32]].concat());
        let welcome = frame(&[&[0xf5, 4][..], &[1; 32]].concat());
        let long = frame(&[&[0xf5, 3][..], &[1; 5000]].concat());
        for middle in [&b""[..], &proof, &frame(&hello), &welcome, &long, b"\0\0"] {
            let mut peer = Peer::connect(server.port());
            // It may be turned away while it still writes.
            let _ = peer.try_write(&[&frame(&hello), middle, &requests].concat());
            let said = peer.end();
            assert!(!said.ends_with(b"a stranger"), "{said:?}");
        }
        assert!(count(&mut good).starts_with(seen), "{auth}");
        drop(peer);
        good.stop();
        server.stop();
    }
}

/// Frames of a handshake that was good, sent again.
#[test]
fn a_replay() {
    let server = server(&[("clustersecret", SECRET)]);
    let (listener, port) = listen();
    let mut client = Client::with(&[("clustersecret", SECRET)]);
    client.connect("db", port);
    let call = client.ask("call", "db @echo ECHO hello");
    let (mut from, mut to) = (Peer::accept(&listener), Peer::connect(server.port()));
    let hello = from.receive().expect("a hello");
    to.send(&hello);
    from.send(&to.receive().expect("a challenge"));
    let proof = from.receive().expect("a proof");
    to.send(&proof);
    from.send(&to.receive().expect("a welcome"));
    to.send(&from.receive().expect("a request"));
    from.send(&to.receive().expect("an answer"));
    client.gives(call, "hello");

    let mut again = Peer::connect(server.port());
    again.send(&hello);
    assert_eq!(again.receive().expect("a challenge")[..2], [0xf5, 2]);
    again.send(&proof);
    assert_eq!(refusal(&again.receive().expect("a refusal")), 3);
    assert_eq!(again.end(), b"");
    client.stop();
    drop((from, to));
    server.stop();
}

/// A byte now and then, nothing at all, and other protocols.
#[test]
fn slow_and_silent() {
    let server = server(&[("clustersecret", SECRET), ("clusterhandshake", "300")]);
    let mut slow = Peer::connect(server.port());
    let mut silent = Peer::connect(server.port());
    let mut half = Peer::connect(server.port());
    half.send(&hello("db", ""));
    half.receive().expect("a challenge");
    for byte in frame(&hello("db", "")).iter().take(40) {
        if slow.try_write(&[*byte]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    for peer in [&mut slow, &mut half] {
        let said = peer.end();
        assert_eq!(refusal(&said[2..]), 7);
    }
    assert_eq!(silent.end(), b"");
    let mut http = Peer::connect(server.port());
    http.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(http.end(), b"");
    let mut unknown = Peer::connect(server.port());
    unknown.send(&hello("db", "no such"));
    assert_eq!(refusal(&unknown.receive().expect("a refusal")), 2);
    unknown.end();
    let out = server.stop();
    out.has("has not proved itself within 300 ms (clusterhandshake)")
        .has("there is no secret named no such");
    // One line for what happens three times, and others for the rest.
    out.has_times("has not proved itself", 1);
}

/// Whoever proves often wrongly is answered later, and gets a line a minute.
#[test]
fn brute_force() {
    let server = server(&[("clustersecret", SECRET)]);
    let attempt = |port: u16| {
        let mut peer = Peer::connect(port);
        peer.send(&hello("db", ""));
        assert_eq!(peer.receive().expect("a challenge")[1], 2);
        peer.send(&[&[0xf5, 3][..], &[1; 32]].concat());
        assert_eq!(refusal(&peer.receive().expect("a refusal")), 3);
        peer.end();
    };
    for _ in 0..12 {
        attempt(server.port());
    }
    // It comes all the same, if the secret is right.
    let mut good = client(&server, &[("clustersecret", SECRET)]);
    works(&mut good);
    good.stop();
    server.stop().has_times("wrong proof", 1);
}

/// Ten thousand connections that say nothing: nodes with the secret get in beside them, and the port goes on.
#[test]
fn a_silent_crowd() {
    const CROWD: usize = 10_000;
    let (_, hard) = rlimit::Resource::NOFILE.get().expect("a limit");
    let _ = rlimit::Resource::NOFILE.set(hard, hard);
    if hard < CROWD as u64 + 100 {
        return skipped("10,000 descriptors", "raise the hard limit (ulimit -Hn)");
    }
    let server = server(&[("clustersecret", SECRET), ("clusterhandshake", "60000")]);
    let mut crowd: Vec<TcpStream> = Vec::new();
    let connect = || TcpStream::connect(("127.0.0.1", server.port())).expect("connect");
    for _ in 0..CROWD {
        crowd.push(connect());
    }
    let mut good = client(&server, &[("clustersecret", SECRET)]);
    works(&mut good);
    for _ in 0..100 {
        crowd.push(connect());
    }
    works(&mut good);
    // The first ones have had to go.
    let mut first = Peer::new(crowd.remove(0));
    assert_eq!(first.end(), b"");
    drop(crowd);
    good.stop();
    server.stop();
}

// ---- getting there

/// Each step of a roll-out works with nodes of the step before and of the same.
#[test]
fn roll_out() {
    let steps = ["nil", "'accept'", "'offer'", "'require'"];
    let keys = |auth: &'static str| match auth {
        "nil" => vec![],
        auth => vec![("clustersecret", SECRET), ("clusterauth", auth)],
    };
    for (i, pair) in steps.windows(2).enumerate() {
        for (from, to) in [(0, 1), (1, 0), (1, 1)] {
            let server = server(&keys(pair[to]));
            let mut client = client(&server, &keys(pair[from]));
            works(&mut client);
            let call = client.ask("call", "db @echo PEER");
            let proved = pair[from] != "nil" && pair[from] != "'accept'";
            let by = if proved { "nil secret" } else { "nil nil" };
            client.gives(call, &format!("{by} false true true"));
            client.stop();
            let out = server.stop();
            if i == 0 && to == 1 {
                out.has("is let in without a handshake (clusterauth)")
                    .has("clusterauth = \"require\" when all nodes");
            }
        }
    }
    // A handshake that fails is not made up for by a connection without one.
    let server = server(&keys("'accept'"));
    let mut client = client(
        &server,
        &[("clustersecret", OTHER), ("clusterauth", "'offer'")],
    );
    refused(&mut client, "the secrets differ");
    client.stop();
    server.stop();
}

/// A new secret, while calls go on.
#[test]
fn rotation() {
    let (_dir, path) = secrets("old 0123456789abcdef\n");
    let file = path_key(&path);
    let server = server(&[("clustersecretfile", &file)]);
    let mut loaded = client(&server, &[("clustersecretfile", &file)]);
    loaded.load("db @echo");
    let steps = [
        "old 0123456789abcdef\nnew fedcba9876543210\n",
        "new fedcba9876543210\nold 0123456789abcdef\n",
        "new fedcba9876543210\n",
    ];
    for text in steps {
        replace(&path, text);
        let mut client = client(&server, &[("clustersecretfile", &file)]);
        works(&mut client);
        client.stop();
    }
    // A file that is none keeps what there is.
    replace(&path, "too short\n");
    let mut peer = Peer::connect(server.port());
    peer.send(&hello("db", "new"));
    assert_eq!(peer.receive().expect("a challenge")[1], 2);
    let mut peer = Peer::connect(server.port());
    peer.send(&hello("db", "old"));
    assert_eq!(refusal(&peer.receive().expect("a refusal")), 2);
    peer.end();
    // No call has failed.
    loaded.stop();
    server
        .stop()
        .has_times("the old secrets are still used", 1)
        .has("secrets:1: the secret has less than 16 bytes");
}

// ---- TLS

/// Certificates in a folder; the keys of a node with one of them.
struct Certificates {
    dir: tempfile::TempDir,
    authority: Authority,
}

impl Certificates {
    fn new() -> Certificates {
        let dir = tempfile::tempdir().expect("a folder");
        let authority = Authority::new();
        let certificates = Certificates { dir, authority };
        certificates.write("ca.pem", &certificates.authority.pem());
        for name in ["db", "web", "gm"] {
            let text = certificates.authority.issue(&[name]);
            certificates.write(&format!("{name}.pem"), &text);
        }
        certificates
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("a file");
    }

    fn keys(&self, name: &str) -> Vec<(String, String)> {
        let key = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        vec![
            key("clustertls", "'mutual'"),
            key("clustercert", &path_key(&self.path(name))),
            key("clusterkey", &path_key(&self.path(name))),
            key("clusterca", &path_key(&self.path("ca.pem"))),
        ]
    }
}

fn borrowed(keys: &[(String, String)]) -> Vec<(&str, &str)> {
    let pairs = keys
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()));
    pairs.collect()
}

#[test]
fn certificates() {
    let files = Certificates::new();
    files.write("old.pem", &files.authority.issue_until(&["web"], 2020));
    files.write("alien.pem", &Authority::new().issue(&["web"]));
    let keys = files.keys("db.pem");
    let mut all = borrowed(&keys);
    all.push(("clusterpeers", "'web'"));
    let server = server(&all);
    let with = |name: &str, more: &[(&str, &str)]| {
        let keys = files.keys(name);
        let mut keys = borrowed(&keys);
        keys.extend(more);
        client(&server, &keys)
    };
    let mut web = with("web.pem", &[]);
    works(&mut web);
    let call = web.ask("call", "db @echo WHO");
    web.gives(call, "web true");
    let call = web.ask("call", "db @echo PEER");
    web.gives(call, "web tls true true true");
    let mut clients = vec![web];
    for (name, why) in [
        ("gm.pem", "closed"),
        ("old.pem", "TLS: the peer refuses"),
        ("alien.pem", "TLS: the peer refuses"),
    ] {
        let mut client = with(name, &[]);
        let call = client.ask("call", "db @echo ECHO hello");
        let result = client.result(call);
        assert!(result.starts_with("failed "), "{name}: {result}");
        client.node().until_output(why);
        clients.push(client);
    }
    // The server's certificate is that of db, and not of another node.
    let keys = files.keys("web.pem");
    let mut mistaken = Client::with(&borrowed(&keys));
    mistaken.connect("bank", server.port());
    let call = mistaken.ask("call", "bank @echo ECHO hello");
    assert!(mistaken.result(call).starts_with("failed "));
    mistaken.node().until_output("TLS: ");
    clients.push(mistaken);
    // Without TLS nobody gets in.
    let mut plain = client(&server, &[]);
    let call = plain.ask("call", "db @echo ECHO hello");
    plain.fails(call);
    clients.push(plain);
    for client in clients {
        client.stop();
    }
    server
        .stop()
        .has("a certificate of gm: none of them is in clusterpeers")
        .has("it does not begin TLS (clustertls)");
}

/// Certificates are exchanged while calls go on.
#[test]
fn other_certificates() {
    let files = Certificates::new();
    let keys = files.keys("db.pem");
    let server = server(&borrowed(&keys));
    let keys = files.keys("web.pem");
    let mut loaded = client(&server, &borrowed(&keys));
    loaded.load("db @echo");
    let another = Authority::new();
    replace(
        &files.path("ca.pem"),
        &(files.authority.pem() + &another.pem()),
    );
    replace(&files.path("db.pem"), &another.issue(&["db"]));
    replace(&files.path("web.pem"), &another.issue(&["web"]));
    let mut fresh = client(&server, &borrowed(&keys));
    works(&mut fresh);
    // The old authority counts no more.
    replace(&files.path("ca.pem"), &another.pem());
    let mut fresh_too = client(&server, &borrowed(&keys));
    works(&mut fresh_too);
    files.write("gm.pem", &files.authority.issue(&["gm"]));
    let keys = files.keys("gm.pem");
    let mut late = client(&server, &borrowed(&keys));
    refused(&mut late, "TLS: the peer refuses");
    for client in [loaded, fresh, fresh_too, late] {
        client.stop();
    }
    server.stop();
}

/// The secret alone gives TLS, without certificates; and both together.
#[test]
fn tls_by_the_secret() {
    let files = Certificates::new();
    let mutual = files.keys("db.pem");
    let web = files.keys("web.pem");
    let secret = ("clustersecret", SECRET);
    let alone = [("clustertls", "'secret'"), secret];
    let both = |keys: &[(String, String)]| -> Vec<(String, String)> {
        let secret = (secret.0.to_owned(), secret.1.to_owned());
        keys.iter().cloned().chain([secret]).collect()
    };
    let (db_both, web_both) = (both(&mutual), both(&web));
    let owned: Vec<_> = alone
        .iter()
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect();
    for (db, web) in [(&owned, &owned), (&db_both, &web_both)] {
        let server = server(&borrowed(db));
        let mut client = client(&server, &borrowed(web));
        works(&mut client);
        let big = "x".repeat(200);
        let call = client.ask("call", &format!("db @echo LEN {big}"));
        client.gives(call, "200");
        let call = client.ask("large", &format!("db {} 3000000", server.handle()));
        assert!(
            client.result(call).starts_with("failed "),
            "it is no command"
        );
        let call = client.ask("call", "db @echo BIG 1000000");
        let result = client.result(call);
        assert!(
            result.starts_with("failed ") || result.ends_with("<1000000 bytes>"),
            "{result}"
        );
        works(&mut client);
        client.stop();
        server.stop();
    }
    let server = server(&alone);
    let mut other = client(
        &server,
        &[("clustertls", "'secret'"), ("clustersecret", OTHER)],
    );
    refused(&mut other, "the secrets differ");
    // The secret, and no TLS.
    let mut plain = client(&server, &[secret]);
    refused(&mut plain, "the peer refuses: TLS is required here");
    other.stop();
    plain.stop();
    server.stop();
}

/// Who stands between two nodes, with a connection to each, cannot pass the proof on.
#[test]
#[cfg_attr(not(unix), ignore)]
fn tls_and_somebody_in_between() {
    let server = server(&[("clustertls", "'secret'"), ("clustersecret", SECRET)]);
    let (listener, port) = listen();
    let mut client = Client::with(&[("clustertls", "'secret'"), ("clustersecret", SECRET)]);
    client.connect("db", port);
    let call = client.ask("call", "db @echo ECHO hello");
    let middle = between::relay(&listener, server.port());
    assert!(client.result(call).starts_with("failed "));
    client
        .node()
        .until_output("the peer refuses: the secrets differ");
    middle.join().expect("the relay");
    client.stop();
    server.stop().has("wrong proof");
}

/// TLS on both sides, in the clear between them.
mod between {
    use std::sync::Arc;
    use std::thread::JoinHandle;

    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
    use rustls::{DigitallySignedStruct, SignatureScheme};

    use super::*;

    #[derive(Debug)]
    struct Anybody;

    impl rustls::client::danger::ServerCertVerifier for Anybody {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
            Ok(rustls::client::danger::ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![
                SignatureScheme::ECDSA_NISTP256_SHA256,
                SignatureScheme::ED25519,
            ]
        }
    }

    fn take(stream: &mut impl Read) -> Vec<u8> {
        let mut length = [0; 2];
        stream.read_exact(&mut length).expect("a length");
        let mut content = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut content).expect("a frame");
        frame(&content)
    }

    pub(super) fn relay(listener: &TcpListener, port: u16) -> JoinHandle<()> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let own = rcgen::generate_simple_self_signed(Vec::new()).expect("a certificate");
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).expect("a key");
        let server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key)
            .expect("a server");
        let client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody))
            .with_no_client_auth();
        let (near, _) = listener.accept().expect("a connection");
        let far = TcpStream::connect(("127.0.0.1", port)).expect("connect");
        std::thread::spawn(move || {
            let near_tls = rustls::ServerConnection::new(Arc::new(server)).expect("a session");
            let name = ServerName::try_from("db").expect("a name");
            let far_tls = rustls::ClientConnection::new(Arc::new(client), name).expect("a session");
            let mut near = rustls::StreamOwned::new(near_tls, near);
            let mut far = rustls::StreamOwned::new(far_tls, far);
            for _ in 0..2 {
                let forth = take(&mut near);
                far.write_all(&forth).expect("write");
                let back = take(&mut far);
                near.write_all(&back).expect("write");
            }
        })
    }
}

/// What OpenSSL sees of the port.
#[test]
fn openssl() {
    let has = Command::new("openssl").arg("version").output();
    if has.is_err() {
        return skipped("there is no openssl", "apt-get install openssl");
    }
    let files = Certificates::new();
    files.write("old.pem", &files.authority.issue_until(&["web"], 2020));
    files.write("alien.pem", &Authority::new().issue(&["web"]));
    let keys = files.keys("db.pem");
    let server = server(&borrowed(&keys));
    let connect = |arguments: &[&str]| {
        let address = format!("127.0.0.1:{}", server.port());
        let child = Command::new("openssl")
            .args(["s_client", "-connect", &address, "-ign_eof"])
            .args(arguments)
            .current_dir(files.dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.expect("openssl");
        let call = frame(&named(
            0x80,
            b"@echo",
            9,
            &command(&[b"ECHO", b"by openssl"]),
        ));
        let mut stdin = child.stdin.take().expect("a pipe");
        let mut stdout = child.stdout.take().expect("a pipe");
        let _ = stdin.write_all(&call);
        let mut said = Vec::new();
        let mut buffer = [0; 4096];
        let answered = loop {
            match stdout.read(&mut buffer) {
                Ok(n @ 1..) => said.extend_from_slice(&buffer[..n]),
                _ => break false,
            }
            if said.windows(10).any(|word| word == b"by openssl") {
                break true;
            }
        };
        let _ = child.kill();
        let _ = child.wait();
        answered
    };
    let verify = [
        "-CAfile",
        "ca.pem",
        "-verify_return_error",
        "-verify_hostname",
        "db",
    ];
    let with = |more: &[&str]| connect(&[&verify[..], more].concat());
    assert!(with(&["-cert", "web.pem", "-key", "web.pem"]), "right");
    assert!(!with(&["-cert", "old.pem", "-key", "old.pem"]), "expired");
    assert!(
        !with(&["-cert", "alien.pem", "-key", "alien.pem"]),
        "another authority"
    );
    assert!(!with(&[]), "none");
    let good = ["-cert", "web.pem", "-key", "web.pem"];
    assert!(!with(&[&good[..], &["-tls1_2"]].concat()), "TLS 1.2");
    let other = [
        "-CAfile",
        "ca.pem",
        "-verify_return_error",
        "-verify_hostname",
        "bank",
    ];
    assert!(!connect(&[&other[..], &good].concat()), "another name");
    server.stop();
}

/// A revoked certificate.
#[test]
fn revoked() {
    let run = |dir: &Path, script: &str| {
        let done = Command::new("sh")
            .args(["-ec", script])
            .current_dir(dir)
            .output();
        done.is_ok_and(|done| done.status.success())
    };
    let dir = tempfile::tempdir().expect("a folder");
    let script = "
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj /CN=ca -days 9
        for n in db web gm; do
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $n.key -out $n.csr -subj /CN=$n
            printf 'subjectAltName=DNS:%s\\nbasicConstraints=CA:FALSE\\n' $n > $n.ext
            openssl x509 -req -in $n.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 9 -extfile $n.ext -out $n.crt
            cat $n.crt $n.key > $n.pem
        done
        touch index.txt; echo 01 > crlnumber
        printf '[ca]\\ndefault_ca=d\\n[d]\\ndatabase=index.txt\\ncrlnumber=crlnumber\\ndefault_md=sha256\\ndefault_crl_days=9\\n' > ca.cnf
        openssl ca -config ca.cnf -cert ca.pem -keyfile ca.key -revoke gm.crt
        openssl ca -config ca.cnf -cert ca.pem -keyfile ca.key -gencrl -out crl.pem";
    if !run(dir.path(), script) {
        return skipped("there is no openssl", "apt-get install openssl");
    }
    let keys = |name: &str| {
        let file = |name: &str| path_key(&dir.path().join(name));
        [
            ("clustertls", "'mutual'".to_owned()),
            ("clustercert", file(&format!("{name}.pem"))),
            ("clusterca", file("ca.pem")),
            ("clustercrl", file("crl.pem")),
        ]
        .map(|(key, value)| (key.to_owned(), value))
    };
    let server = server(&borrowed(&keys("db")));
    let mut web = client(&server, &borrowed(&keys("web")));
    works(&mut web);
    let mut gm = client(&server, &borrowed(&keys("gm")));
    refused(&mut gm, "TLS: the peer refuses");
    web.stop();
    gm.stop();
    server.stop();
}

// ---- clients written from docs/cluster-security.md alone

fn python(arguments: &[&str]) -> Option<std::process::Output> {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/cluster.py");
    let done = Command::new(python).arg(script).args(arguments).output();
    match done {
        Ok(done) if done.status.code() == Some(77) => {
            let said = String::from_utf8_lossy(&done.stdout).into_owned();
            skipped(said.trim(), "install OpenSSL 3 (libssl.so.3)");
            None
        }
        Ok(done) => Some(done),
        Err(_) => {
            skipped("there is no python3", "apt-get install python3");
            None
        }
    }
}

#[test]
fn a_client_in_python() {
    let secret = SECRET.trim_matches('\'');
    for (mode, keys) in [
        ("plain", vec![("clustersecret", SECRET)]),
        (
            "tls",
            vec![("clustersecret", SECRET), ("clustertls", "'secret'")],
        ),
    ] {
        let mut keys = keys;
        keys.push(("nodename", "'db'"));
        let server = server(&keys);
        let port = server.port().to_string();
        let Some(good) = python(&[mode, &port, secret]) else {
            server.stop();
            continue;
        };
        let said = String::from_utf8_lossy(&good.stdout).into_owned();
        assert!(good.status.success(), "{good:?}");
        assert_eq!(said, "welcome by db\nanswer: from python\n");
        let bad = python(&[mode, &port, "another secret of owls"]).expect("python is there");
        let said = String::from_utf8_lossy(&bad.stdout).into_owned();
        assert_eq!(said, "refused 3: the secrets differ\n", "{bad:?}");
        server.stop();
    }
}

// ---- policy

const POLICY: &str = "
    web = { allow = { '@echo' } }
    gm = { allow = { '@*', '.echo' }, deny = { '@control' } }
    ops = { allow = { '*' }, handles = true }
    __others = { allow = { '@control' } }";

#[test]
fn who_may_call_what() {
    let (_dir, path) = secrets(POLICY);
    let file = path_key(&path);
    let (_keys, secret_file) = secrets(
        "node:web 0123456789abcdef\nnode:gm 123456789abcdef0\nnode:ops 23456789abcdef01\nany 3456789abcdef012\n",
    );
    let server = server(&[
        ("clustersecretfile", &path_key(&secret_file)),
        ("clusterpolicy", &file),
    ]);
    let handle = server.handle();
    let secret_of = |name: &str| {
        let text = std::fs::read_to_string(&secret_file).expect("the file");
        let line = text
            .lines()
            .find(|line| line.starts_with(name))
            .expect("a line");
        secrets(&format!("{line}\n"))
    };
    let table: &[(&str, &[(&str, bool)])] = &[
        (
            "node:web",
            &[
                ("@echo ECHO x", true),
                ("@control x", false),
                (".echo ECHO x", false),
            ],
        ),
        (
            "node:gm",
            &[
                ("@echo ECHO x", true),
                ("@control x", false),
                (".echo ECHO x", true),
            ],
        ),
        (
            "node:ops",
            &[
                ("@echo ECHO x", true),
                ("@control x", true),
                (".launcher x", true),
            ],
        ),
        ("any", &[("@echo ECHO x", false), ("@control x", true)]),
    ];
    for (name, calls) in table {
        let (_dir, path) = secret_of(name);
        let mut client = client(&server, &[("clustersecretfile", &path_key(&path))]);
        for (call, allowed) in *calls {
            let (address, _) = call.split_once(' ').expect("an address");
            let before = client.ask("call", &format!("db {call}"));
            let result = client.result(before);
            let refused = format!("not allowed: {address}");
            if *allowed {
                assert!(
                    !client.node().stdout().contains(&refused),
                    "{name} {call}: {result}"
                );
            } else {
                assert!(result.starts_with("failed "), "{name} {call}: {result}");
                client.node().until_output(&refused);
            }
        }
        // By the handle: only after it has been asked for.
        let by_handle = format!("db {handle} ECHO x");
        let call = client.ask("call", &by_handle);
        let result = client.result(call);
        assert_eq!(
            result.starts_with("ok x"),
            *name == "node:ops",
            "{name}: {result}"
        );
        let query = client.ask("query", "db echo");
        let asked = client.result(query);
        let call = client.ask("call", &by_handle);
        let result = client.result(call);
        let may = *name != "any";
        assert_eq!(asked.starts_with("ok "), may, "{name}: {asked}");
        assert_eq!(result.starts_with("ok x"), may, "{name}: {result}");
        // What is not allowed and expects no answer is dropped.
        if *name == "any" {
            let sent = client.ask("send", "db .echo 3");
            client.gives(sent, "");
        }
        client.stop();
    }
    server
        .stop()
        .has_times("the node web may not call @control (clusterpolicy)", 1)
        .has("a node without a name may not call .echo");
}

/// A policy that only reports; one that is read again; one that is wrong.
#[test]
fn policies_that_change() {
    let (_dir, path) = secrets("__others = { allow = { '@control' } }");
    let file = path_key(&path);
    let keys = [("clustersecret", SECRET), ("clusterpolicy", file.as_str())];
    let mut report = keys.to_vec();
    report.push(("clusterpolicymode", "'report'"));
    let reporting = server(&report);
    let mut calling = client(&reporting, &[("clustersecret", SECRET)]);
    works(&mut calling);
    works(&mut calling);
    calling.stop();
    reporting
        .stop()
        .has_times("calls @echo, which clusterpolicy does not allow", 1);

    replace(&path, "__others = { allow = { '@echo' } }");
    let server = server(&keys);
    let mut client = client(&server, &[("clustersecret", SECRET)]);
    works(&mut client);
    replace(&path, "__others = { allow = '@echo' }");
    let reload = client.ask("call", "db @echo RELOAD");
    assert!(client.result(reload).starts_with("failed "));
    works(&mut client);
    replace(&path, "__others = { allow = { '@control' } }");
    let reload = client.ask("call", "db @echo RELOAD");
    client.gives(reload, "");
    refused(&mut client, "not allowed: @echo");
    client.stop();
    server
        .stop()
        .has("clusterpolicy: ")
        .has("the old one still holds");
}

// ---- settings

/// Services see that a secret is set, and not which one.
#[test]
fn secrets_are_not_in_the_environment() {
    let server = server(&[
        ("clustersecret", SECRET),
        ("consolepassword", "'owl at night'"),
        ("etcdpassword", "'an owl'"),
    ]);
    let mut client = client(&server, &[("clustersecret", SECRET)]);
    for key in ["clustersecret", "consolepassword", "etcdpassword"] {
        let call = client.ask("call", &format!("db @echo GETENV {key}"));
        client.gives(call, "(set)");
    }
    client.stop();
    server.stop();
}

/// What cannot be used keeps the node from starting, and `check` names it.
#[test]
fn settings_that_cannot_be_used() {
    let (_dir, path) = secrets("a 0123\n");
    let file = path_key(&path);
    let missing = quote("/there/is/no/file");
    let (_policy, policy) = secrets("web = { alow = {} }");
    let policy = path_key(&policy);
    let rows: &[(&[(&str, &str)], &str)] = &[
        (
            &[("clustersecret", "'owl at night'")],
            "clustersecret has 12 bytes; at least 16",
        ),
        (
            &[("clustersecretfile", &file)],
            "secrets:1: the secret has less than 16 bytes",
        ),
        (
            &[("clustersecretfile", &missing)],
            "clustersecretfile: cannot read /there/is/no/file",
        ),
        (
            &[("clustersecret", SECRET), ("clustersecretfile", &file)],
            "clustersecret and clustersecretfile are both set",
        ),
        (
            &[("clustertls", "'secret'")],
            "clustertls = \"secret\" needs a secret",
        ),
        (
            &[("clustertls", "'mutual'")],
            "clustertls = \"mutual\" needs clustercert",
        ),
        (
            &[("clusterpeers", "'web'")],
            "clusterpeers needs clustersecret",
        ),
        (
            &[("clusterpolicy", &policy)],
            "there is no `alow` in a rule",
        ),
    ];
    for (keys, what) in rows {
        let node = |args: &[&str]| {
            let mut node = Node::source("").args(args);
            for (key, value) in *keys {
                node = node.key(key, value);
            }
            node.run()
        };
        let out = node(&["config"]);
        out.exit(1).has_error(what).has_not("owl at night");
        let out = node(&["check", "config"]);
        out.exit(1).has(what).has_not("owl at night");
    }
    for (key, value) in [
        ("clusterauth", "'maybe'"),
        ("clustertls", "'yes'"),
        ("clusterhandshake", "0"),
        ("clustertlsname", "'ip'"),
        ("clusterpolicymode", "'log'"),
    ] {
        let out = Node::source("")
            .key(key, value)
            .args(&["check", "config"])
            .run();
        out.exit(1).has(key);
    }
}

/// A secret out of `skynet keygen` can be used.
#[test]
fn keygen() {
    let made = || {
        let out = Node::bare().args(&["keygen"]).run();
        out.exit(0);
        out.stdout.trim().to_owned()
    };
    let (one, other) = (made(), made());
    assert_ne!(one, other);
    assert_eq!(one.len(), 44);
    let secret = quote(&one);
    let server = server(&[("clustersecret", &secret)]);
    let mut client = client(&server, &[("clustersecret", &secret)]);
    works(&mut client);
    client.stop();
    server.stop();
}

/// A gate in Lua has accepted the connection, and gives the agent its frames.
#[test]
fn a_gate_in_lua() {
    let node = Node::case("cluster/api", "lua_gate").key("clustersecret", SECRET);
    node.run().passed();
    // TLS is not for gates.
    let node = Node::case("cluster/api", "lua_gate")
        .key("clustersecret", SECRET)
        .key("clustertls", "'secret'");
    node.run()
        .has("dest address type (nil) must be a string or number.");
}

/// A node that is started again with the secret, on the port of one that was killed.
#[test]
fn a_node_that_comes_back() {
    let port = port();
    let keys = [("clustersecret", SECRET), ("clustertls", "'secret'")];
    let first = Server::with(port, &keys);
    let mut client = client(&first, &keys);
    works(&mut client);
    first.kill();
    let second = Server::with(port, &keys);
    let mut tries = 0;
    loop {
        let call = client.ask("call", "db @echo ECHO again");
        if client.result(call).starts_with("ok ") {
            break;
        }
        tries += 1;
        assert!(tries < 100, "it does not come back");
    }
    client.stop();
    second.stop();
}

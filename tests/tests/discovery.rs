//! `skynet.discovery`: files, name servers, redis and real members of etcd, with nodes that die, freeze and come back.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use skynet_tests::certificates::Authority;
use skynet_tests::database::Server;
use skynet_tests::etcd::Etcd;
use skynet_tests::{Node, Running, peer, quote};

const LIMIT: Duration = Duration::from_secs(120);

/// A node under `name` whose nodes come from `url`; with a port of its own if `place` is not 0.
fn node(name: &str, url: &str, place: u16) -> Node {
    let node = Node::program("discovery/node")
        .key("discovery", &quote(url))
        .key("nodename", &quote(name))
        .key("nodelabels", "\"role=room\"")
        .key("clusterbind", "\"127.0.0.1\"")
        .key("discoveryttl", "2")
        .key("discoverygrace", "1")
        .limit(LIMIT)
        .stdin();
    if place == 0 {
        return node;
    }
    node.key("nodeaddress", &quote(&format!("127.0.0.1:{place}")))
}

fn start(name: &str, url: &str) -> Running {
    let mut node = node(name, url, peer::port()).spawn();
    node.until_output("READY\n");
    node
}

/// Runs a line of Lua in the node until it prints `expected`.
fn until(node: &mut Running, line: &str, expected: &str) {
    let wanted = format!("{expected}\n");
    let mut asked = std::time::Instant::now();
    node.write(&format!("{line}\n"));
    node.until(&format!("{line}: {expected}"), |_| true);
    let mut from = 0;
    for _ in 0..1200 {
        let text = node.stdout();
        if text[from.min(text.len())..].contains(&wanted) || text.contains(&wanted) {
            return;
        }
        from = text.len();
        if asked.elapsed() > Duration::from_millis(200) {
            asked = std::time::Instant::now();
            node.write(&format!("{line}\n"));
        }
        std::thread::sleep(Duration::from_millis(20));
        assert!(node.alive(), "{}", node.stdout());
    }
    panic!("{line} never prints {expected}\n{}", node.stdout());
}

/// The nodes that `node` knows, whatever it has known before: `number` tells one question from another.
fn knows(node: &mut Running, number: u32, names: &str) {
    let line = format!("say('KNOWS{number}', names())");
    until(node, &line, &format!("KNOWS{number} [{names}]"));
}

#[test]
fn settings() {
    for (key, value, text) in [
        (
            "discovery",
            "zookeeper://here",
            "config key discovery: `zookeeper://here` begins with none of etcd:// etcds:// file: dns: redis://",
        ),
        (
            "discovery",
            "etcd://here",
            "config key discovery: `etcd://here` is not etcd://HOST:PORT",
        ),
        (
            "discovery",
            "etcd://here/game",
            "config key discovery: `here` is no host:port",
        ),
        (
            "discovery",
            "dns:nothing",
            "config key discovery: `dns:nothing` is neither",
        ),
        (
            "discovery",
            "redis://127.0.0.1:1/x",
            "config key discovery: `redis://127.0.0.1:1/x` is not",
        ),
        (
            "discovery",
            "redis://me:hidden/@127.0.0.1:1/x",
            "config key discovery: `redis://(user)@127.0.0.1:1/x` is not",
        ),
        (
            "nodelabels",
            "zone",
            "config key nodelabels: `zone` is no label",
        ),
        (
            "discoveryttl",
            "0",
            "config key discoveryttl: `0` is no number of seconds",
        ),
        (
            "discoverygrace",
            "soon",
            "config key discoverygrace: `soon` is no number",
        ),
        (
            "nodeaddress",
            "here",
            "config key nodeaddress: `here` is no host:port",
        ),
        ("etcdcert", "a.pem", "config key etcdkey: is missing"),
    ] {
        let output = node("a", "etcd://127.0.0.1:1/game", 1)
            .key(key, &quote(value))
            .run();
        output.has(text).exit(1);
        output.has("error: bootstrap can't start discoveryd");
    }
    node("a", "etcd://127.0.0.1:1/game", 1)
        .key("nodename", "nil")
        .run()
        .has("config key nodename: is missing");
}

#[test]
fn a_node_without_discovery() {
    let mut node = Node::program("discovery/node").stdin().spawn();
    node.until_output("READY\n");
    node.write("discovery.nodes()\n");
    node.until_output("this node has no discovery: set the config key `discovery`");
}

#[test]
fn a_file() {
    let mut a = node("a", "file:nodes.lua", 0)
        .file("nodes.lua", "a = '127.0.0.1:1'\nb = { address = '127.0.0.1:2', labels = { role = 'db', zone = 1 } }\n")
        .spawn();
    a.until_output("READY\n");
    let file = a.path("nodes.lua");
    let write = |text: &str| std::fs::write(&file, text).expect("a file");
    knows(&mut a, 1, "a b");
    until(&mut a, "say('DB', names { zone = 1 })", "DB [b]");
    a.write("watch()\n");
    a.until_output("EVENT up b 127.0.0.1:2\n");
    write("a = '127.0.0.1:1'\nb = {");
    a.until_output("what was known stays");
    write("a = '127.0.0.1:1'\nb = { labels = {} }");
    a.until_output("`b` has no address");
    knows(&mut a, 2, "a b");
    write("a = '127.0.0.1:3'\nc = '127.0.0.1:4'\n__nowaiting = true\n");
    a.until_output("EVENT change a 127.0.0.1:3\n");
    a.until_output("EVENT up c 127.0.0.1:4\n");
    a.until_output("EVENT down b 127.0.0.1:2\n");
    std::fs::remove_file(&file).expect("a file");
    a.until_output("No such file");
    knows(&mut a, 3, "a c");
    a.write("say('SINGLE', pcall(discovery.singleton, 'x', { service = 'x' }))\n");
    a.until_output("SINGLE false");
    a.until_output("singletons need etcd: set the config key `discovery`");
}

#[test]
#[cfg_attr(not(dnsmasq), ignore = "no dnsmasq: apt-get install dnsmasq-base")]
fn name_servers() {
    let port = peer::port();
    let start = |records: &[&str]| {
        let mut command = std::process::Command::new("dnsmasq");
        command
            .args([
                "--no-daemon",
                "--no-resolv",
                "--no-hosts",
                "--conf-file=/dev/null",
            ])
            .args([
                "--listen-address=127.0.0.1",
                "--bind-interfaces",
                "--local-ttl=1",
            ])
            .arg(format!("--port={port}"))
            .args(records);
        Running::other(command)
    };
    let srv = |name: &str, port: u16| {
        format!("--srv-host=_cluster._tcp.room.test,{name}.room.test,{port}")
    };
    let (one, two, three) = (srv("room-0", 1), srv("room-1", 2), srv("room-2", 3));
    let mut server = start(&[&one, &two]);
    server.until("dnsmasq answers", |server| {
        server.stderr().contains("started")
    });
    let mut a = node(
        "a",
        &format!("dns://127.0.0.1:{port}/_cluster._tcp.room.test"),
        0,
    )
    .spawn();
    a.until_output("READY\n");
    knows(&mut a, 1, "room-0 room-1");
    a.write("watch()\n");
    a.until_output("EVENT up room-1 room-1.room.test:2\n");
    // A server that does not answer, or knows nothing, changes nothing.
    drop(server.kill());
    let mut server = start(&["--local=/room.test/"]);
    server.until("dnsmasq answers", |server| {
        server.stderr().contains("started")
    });
    a.until_output("what was known stays for a minute");
    knows(&mut a, 2, "room-0 room-1");
    drop(server.kill());
    let mut server = start(&[&two, &three]);
    server.until("dnsmasq answers", |server| {
        server.stderr().contains("started")
    });
    a.until_output("EVENT up room-2 room-2.room.test:3\n");
    a.until_output("EVENT down room-0 room-0.room.test:1\n");
}

/// What is the same with etcd and redis.
fn nodes_come_and_go(url: &str) {
    let mut a = start("a", url);
    let mut b = start("b", url);
    knows(&mut a, 1, "a b");
    knows(&mut b, 1, "a b");
    a.write("watch()\n");
    // A node calls those that it has found, itself among them.
    for name in ["a", "b"] {
        let line = format!("say('CALL', cluster.call('{name}', '@echo', 1))");
        until(&mut a, &line, &format!("CALL {name} 1"));
    }
    // Labels
    b.write("discovery.set { load = 12, role = false, zone = 'east' }\n");
    until(
        &mut a,
        "say('EAST', names { zone = 'east', load = 12 })",
        "EAST [b]",
    );
    until(&mut a, "say('ROOMS', names { role = 'room' })", "ROOMS [a]");
    b.write("discovery.set { role = 'room' }\n");
    until(
        &mut a,
        "say('ROOMS2', names { role = 'room' })",
        "ROOMS2 [a b]",
    );
    // Who drains is picked only if there is nobody else.
    b.write("discovery.drain()\n");
    a.until_output("EVENT draining b");
    until(
        &mut a,
        "local n = {} for i = 1, 20 do n[discovery.pick({ role = 'room' }, i)] = true end say('PICK', n.a, n.b)",
        "PICK true nil",
    );
    until(
        &mut a,
        "say('LAST', discovery.pick { zone = 'east' })",
        "LAST b",
    );
    // A restart within the grace is a change, not an end.
    let address = b.stdout();
    let place: u16 = address
        .split("this node is b at 127.0.0.1:")
        .nth(1)
        .and_then(|rest| rest.split(',').next())
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    let gone = a.stdout().matches("EVENT down b").count();
    drop(b.kill());
    if place != 0 {
        let mut b = node("b", url, place).spawn();
        b.until_output("this node is b at");
        a.until_output("EVENT change b");
        assert_eq!(
            a.stdout().matches("EVENT down b").count(),
            gone,
            "{}",
            a.stdout()
        );
        until(
            &mut a,
            "say('AGAIN', cluster.call('b', '@echo', 2))",
            "AGAIN b 2",
        );
        drop(b.kill());
    }
    // A node that is gone fails its calls.
    a.until_output("EVENT down b");
    knows(&mut a, 2, "a");
    until(
        &mut a,
        "say('GONE', (pcall(cluster.call, 'b', '@echo', 3)))",
        "GONE false",
    );
}

#[test]
#[cfg_attr(
    not(redis_server),
    ignore = "no redis-server: apt-get install redis-server"
)]
fn redis() {
    let server = Server::redis_with(&["--requirepass", "secret"]);
    nodes_come_and_go(&format!(
        "redis://:secret@127.0.0.1:{}/0/game",
        server.port()
    ));
}

#[test]
#[cfg_attr(
    not(redis_server),
    ignore = "no redis-server: apt-get install redis-server"
)]
fn redis_goes_and_comes() {
    let mut server = Server::redis();
    let url = format!("redis://127.0.0.1:{}/0/game", server.port());
    let mut a = start("a", &url);
    knows(&mut a, 1, "a");
    server.kill();
    a.until_output("what was known stays");
    knows(&mut a, 2, "a");
    server.restart();
    let mut b = start("b", &url);
    knows(&mut b, 1, "a b");
}

#[test]
#[cfg_attr(
    not(etcd_server),
    ignore = "no etcd: apt-get install etcd-server etcd-client"
)]
fn etcd() {
    let etcd = Etcd::start(1, &[]);
    nodes_come_and_go(&etcd.url());
}

#[test]
#[cfg_attr(
    not(etcd_server),
    ignore = "no etcd: apt-get install etcd-server etcd-client"
)]
fn a_name_that_is_taken() {
    let etcd = Etcd::start(1, &[]);
    let mut a = start("a", &etcd.url());
    a.until_output("this node is a at");
    let mut other = start("a", &etcd.url());
    other.until_output("the node name `a` is taken by 127.0.0.1:");
    drop(a.kill());
    other.until_output("this node is a at");
}

#[test]
#[cfg_attr(
    not(etcd_server),
    ignore = "no etcd: apt-get install etcd-server etcd-client"
)]
fn etcd_is_away() {
    let mut etcd = Etcd::start(1, &[]);
    let (mut a, mut b) = (start("a", &etcd.url()), start("b", &etcd.url()));
    knows(&mut a, 1, "a b");
    knows(&mut b, 1, "a b");
    etcd.kill(0);
    a.until_output("what was known stays");
    std::thread::sleep(Duration::from_secs(4)); // two leases
    until(
        &mut a,
        "say('CALL', cluster.call('b', '@echo', 1))",
        "CALL b 1",
    );
    knows(&mut a, 2, "a b");
    etcd.restart(0);
    // Both register anew if their leases are over, and nobody was ever missing for longer than the grace.
    let mut c = start("c", &etcd.url());
    knows(&mut c, 1, "a b c");
    knows(&mut a, 3, "a b c");
    knows(&mut b, 3, "a b c");
    // The changes that a watch asks for may be gone when it comes back.
    etcd.signal("STOP");
    a.until("etcd is missed twice", |a| {
        a.stdout().matches("what was known stays").count() > 1
    });
    etcd.signal("CONT");
    etcd.ctl(&["compact", "5"]);
    let mut d = start("d", &etcd.url());
    knows(&mut d, 1, "a b c d");
    knows(&mut a, 4, "a b c d");
}

#[test]
#[cfg_attr(
    not(etcd_server),
    ignore = "no etcd: apt-get install etcd-server etcd-client"
)]
fn a_leader_is_killed() {
    let mut etcd = Etcd::start(3, &[]);
    let (mut a, mut b) = (start("a", &etcd.url()), start("b", &etcd.url()));
    knows(&mut a, 1, "a b");
    a.write("watch()\n");
    let leader = etcd.leader();
    etcd.kill(leader);
    let mut c = start("c", &etcd.url());
    knows(&mut c, 1, "a b c");
    knows(&mut a, 2, "a b c");
    knows(&mut b, 2, "a b c");
    assert!(!a.stdout().contains("EVENT down"), "{}", a.stdout());
}

#[test]
#[cfg_attr(
    not(etcd_server),
    ignore = "no etcd: apt-get install etcd-server etcd-client"
)]
fn passwords() {
    let etcd = Etcd::start(1, &["--auth-token-ttl=1"]);
    for words in [
        "user add root:secret",
        "user grant-role root root",
        "auth enable",
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        let done = etcd.ctl(&words);
        assert!(done.status.success(), "{done:?}");
    }
    let with = |name: &str, password: &str| {
        node(name, &etcd.url(), peer::port())
            .key("etcduser", "\"root\"")
            .key("etcdpassword", &quote(password))
            .spawn()
    };
    let mut wrong = with("b", "wrong");
    wrong.until_output("etcd does not let `root` in (etcduser, etcdpassword)");
    let mut a = with("a", "secret");
    a.until_output("READY\n");
    knows(&mut a, 1, "a");
    std::thread::sleep(Duration::from_secs(3)); // the token is over
    a.write("discovery.set { late = 1 }\n");
    until(&mut a, "say('LATE', names { late = 1 })", "LATE [a]");
}

#[test]
#[cfg_attr(
    not(etcd_server),
    ignore = "no etcd: apt-get install etcd-server etcd-client"
)]
fn tls() {
    let authority = Authority::new();
    let dir = tempfile::tempdir().expect("a folder");
    let path = |name: &str| dir.path().join(name).display().to_string();
    std::fs::write(path("ca.pem"), authority.pem()).expect("a file");
    std::fs::write(
        path("server.pem"),
        authority.issue(&["127.0.0.1", "localhost"]),
    )
    .expect("a file");
    std::fs::write(path("client.pem"), authority.issue(&["node"])).expect("a file");
    let flags = [
        format!("--cert-file={}", path("server.pem")),
        format!("--key-file={}", path("server.pem")),
        format!("--trusted-ca-file={}", path("ca.pem")),
        "--client-cert-auth".to_string(),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let etcd = Etcd::start(1, &flags);
    let with = |name: &str, client: &str| {
        node(name, &etcd.url(), peer::port())
            .key("etcdca", &quote(&path("ca.pem")))
            .key("etcdcert", &quote(&path(client)))
            .key("etcdkey", &quote(&path(client)))
            .spawn()
    };
    let mut a = with("a", "client.pem");
    a.until_output("READY\n");
    knows(&mut a, 1, "a");
    let mut unverified = node("b", &etcd.url(), peer::port()).spawn();
    unverified.until_output("what was known stays");
    assert!(!unverified.stdout().contains("this node is b"));
}

/// A port that cannot be opened keeps the node out; one that the application opens by itself does not.
#[test]
#[cfg_attr(
    not(etcd_server),
    ignore = "no etcd: apt-get install etcd-server etcd-client"
)]
fn ports() {
    let etcd = Etcd::start(1, &[]);
    let (_listener, port) = peer::listen();
    let mut a = node("a", &etcd.url(), port).spawn();
    a.until_output("this node is not registered, since port");
    let mut b = node("b", &etcd.url(), port)
        .key("nodeopen", "'false'")
        .spawn();
    b.until_output("READY\n");
    knows(&mut b, 1, "b");
    knows(&mut a, 1, "b");
}

/// Who has written into the log of `discovery/one`, as a store would see it that refuses a token older than the newest.
struct Writers {
    /// Tokens and their nodes.
    accepted: BTreeMap<u64, String>,
    /// Tokens of writes that were refused.
    refused: Vec<u64>,
}

impl Writers {
    fn of(log: &Path) -> Writers {
        let text = std::fs::read_to_string(log).expect("the log");
        let (mut accepted, mut refused) = (BTreeMap::new(), Vec::new());
        for line in text.lines() {
            let (token, node) = line.split_once(' ').expect("token and node");
            let token: u64 = token.parse().expect("a token");
            if accepted
                .last_key_value()
                .is_some_and(|(newest, _)| token < *newest)
            {
                refused.push(token);
            } else {
                accepted.insert(token, node.to_string());
            }
        }
        Writers { accepted, refused }
    }

    fn newest_owned(&self) -> (u64, String) {
        let (token, node) = self.newest();
        (token, node.to_owned())
    }

    fn newest(&self) -> (u64, &str) {
        let (token, node) = self
            .accepted
            .last_key_value()
            .expect("somebody has written");
        (*token, node)
    }
}

#[test]
#[cfg_attr(
    not(etcd_server),
    ignore = "no etcd: apt-get install etcd-server etcd-client"
)]
fn singletons() {
    let mut etcd = Etcd::start(1, &[]);
    let dir = tempfile::tempdir().expect("a folder");
    let log = dir.path().join("tokens");
    std::fs::write(&log, "").expect("a file");
    let run = |name: &'static str| {
        let mut node = node(name, &etcd.url(), peer::port())
            .key("tokens", &quote(&log.display().to_string()))
            .spawn();
        node.until_output("READY\n");
        node.write("discovery.singleton('one', { service = 'discovery/one', args = { 'x' } })\n");
        node.until_output("this node is");
        (name, node)
    };
    let mut a = run("a");
    a.1.until_output("this node runs the singleton one");
    let mut nodes = [a, run("b"), run("c")];
    let ask =
        "local node = discovery.whereis 'one' say('ONE', (cluster.call(node, '@one', 'who')))";
    until(&mut nodes[1].1, ask, "ONE a");
    nodes[1]
        .1
        .until("it writes", |_| !Writers::of(&log).accepted.is_empty());
    let (first, holder) = Writers::of(&log).newest_owned();
    assert_eq!(holder, "a");

    // The service dies: somebody runs another one, with a larger token.
    nodes[1]
        .1
        .write("cluster.call(discovery.whereis 'one', '@one', 'die')\n");
    nodes[1]
        .1
        .until("a second token", |_| Writers::of(&log).newest().0 > first);

    // The holder freezes for longer than its lease: another node runs one. When the first can go on, it kills its own; what
    // that has written meanwhile has an old token.
    let (second, frozen) = Writers::of(&log).newest_owned();
    for (name, node) in &mut nodes {
        if *name == frozen {
            node.signal("STOP");
        }
    }
    let other = nodes
        .iter_mut()
        .find(|(name, _)| *name != frozen)
        .expect("one");
    other
        .1
        .until("another holder", |_| Writers::of(&log).newest().0 > second);
    for (name, node) in &mut nodes {
        if *name == frozen {
            node.signal("CONT");
            node.until_output("the singleton one is killed");
        }
    }
    let killed = Writers::of(&log);
    assert!(
        killed.refused.iter().all(|token| *token == second),
        "{:?}",
        killed.refused
    );

    // etcd is away for longer than a lease: whoever holds it stops, and one runs again when etcd is back.
    etcd.kill(0);
    let (third, holder) = Writers::of(&log).newest_owned();
    for (name, node) in &mut nodes {
        if *name == holder {
            node.until_output("the singleton one is killed: etcd has not answered");
        }
    }
    let size = || std::fs::metadata(&log).expect("the log").len();
    let before = size();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(before, size(), "it still writes");
    etcd.restart(0);
    nodes[0]
        .1
        .until("one runs again", |_| Writers::of(&log).newest().0 > third);
    assert_eq!(Writers::of(&log).refused, killed.refused);
}

#[test]
#[cfg_attr(
    not(etcd_server),
    ignore = "no etcd: apt-get install etcd-server etcd-client"
)]
fn a_singleton_that_does_not_start() {
    let etcd = Etcd::start(1, &[]);
    let mut a = start("a", &etcd.url());
    a.write("discovery.singleton('no', { service = 'nothing_of_that_name' })\n");
    a.until_output("the singleton no does not start; another node may try");
    a.until("it tries again, with a new token", |a| {
        a.stdout()
            .matches("this node runs the singleton no")
            .count()
            > 1
    });
}

#[test]
#[cfg_attr(
    not(etcd_server),
    ignore = "no etcd: apt-get install etcd-server etcd-client"
)]
fn locks() {
    let mut etcd = Etcd::start(1, &[]);
    let (mut a, mut b) = (start("a", &etcd.url()), start("b", &etcd.url()));
    a.write("lock = discovery.lock('season', 2) say('A HAS IT')\n");
    a.until_output("A HAS IT\n");
    b.write("lock = discovery.lock('season', 2) say('B HAS IT', math.type(lock.token)) lock:lost(function(why) say('LOST', why) end)\n");
    std::thread::sleep(Duration::from_secs(3)); // longer than the lease, which is kept alive
    assert!(!b.stdout().contains("B HAS IT"));
    a.write("say('RELEASED', tostring(lock:release()), tostring(lock:release()))\n");
    a.until_output("RELEASED true false\n");
    b.until_output("B HAS IT integer\n");
    etcd.kill(0);
    b.until_output("LOST etcd has not answered for 1.3 s\n");
    etcd.restart(0);
    // A service that dies has no locks any more.
    a.write("skynet.newservice('discovery/locker')\n");
    a.until_output("LOCKER HAS IT\n");
    b.write("discovery.lock('other', 2) say('AFTER ITS DEATH')\n");
    std::thread::sleep(Duration::from_millis(500));
    assert!(!b.stdout().contains("AFTER ITS DEATH"));
    a.write("skynet.send('.locker', 'lua')\n");
    b.until_output("AFTER ITS DEATH\n");
}

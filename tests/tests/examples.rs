//! The examples do what their first comments say.
//!
//! Such a comment has indented blocks. The first holds the commands, of which the first is run here as it is written
//! (with the binary under test in the place of `cargo run --release --`); the second holds the lines that it prints,
//! which must come in this order, unless several services print them. Further blocks are not looked at.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use skynet_tests::database::{MongoFront, Server};
use skynet_tests::etcd::Etcd;
use skynet_tests::peer::port;
use skynet_tests::{Node, Output, Running, skipped};

fn workspace() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).to_owned()
}

/// Indented blocks of the comment that a file begins with.
fn blocks(text: &str, comment: &str) -> Vec<Vec<String>> {
    let mut blocks: Vec<Vec<String>> = vec![Vec::new()];
    for line in text.lines().map_while(|line| line.strip_prefix(comment)) {
        match line.strip_prefix("     ") {
            Some(code) => blocks.last_mut().unwrap().push(code.to_owned()),
            None if blocks.last().unwrap().is_empty() => {}
            None => blocks.push(Vec::new()),
        }
    }
    blocks.retain(|block| !block.is_empty());
    blocks
}

/// The command and what it prints.
fn promise(file: &str, comment: &str) -> (String, Vec<String>) {
    let text = std::fs::read_to_string(workspace().join(file)).expect(file);
    match blocks(&text, comment).as_slice() {
        [commands, output, ..] => (commands[0].clone(), output.clone()),
        other => panic!("{file}: fewer than two blocks: {other:?}"),
    }
}

/// Runs the command of an example in a folder of its own, and returns what it printed besides the log.
fn run(command: &str) -> (Vec<String>, Output) {
    let (before, args) = command
        .split_once("cargo run --release -- ")
        .expect("a cargo command");
    let args: Vec<&str> = args.split(' ').collect();
    let mut node = Node::bare().args(&args);
    for variable in before.split_whitespace() {
        let (key, value) = variable.split_once('=').expect("KEY=VALUE");
        node = node.env(key, value);
    }
    symlink(workspace().join("examples"), node.path("examples")).expect("symbolic link");
    let out = node.run();
    out.exit(0).no_panic();
    assert!(out.stderr.is_empty(), "{out}");
    let printed = out.stdout.lines().filter(|line| !line.starts_with('['));
    (printed.map(str::to_owned).collect(), out)
}

/// Runs the example and compares; `shape` takes away what differs from run to run.
fn check_shape(file: &str, shape: fn(&str) -> String) {
    let (command, output) = promise(file, "--");
    let (printed, out) = run(&command);
    let printed: Vec<String> = printed.iter().map(|line| shape(line)).collect();
    let mut rest = printed.iter();
    for line in output.iter().map(|line| shape(line)) {
        assert!(
            rest.any(|printed| *printed == line),
            "no {line:?} in its place\n{out}"
        );
    }
}

/// The same lines in any order: several services print them.
fn check_any_order(file: &str) {
    let (command, mut output) = promise(file, "--");
    let (mut printed, out) = run(&command);
    output.sort();
    printed.sort();
    assert_eq!(printed, output, "{out}");
}

fn check(file: &str) {
    check_shape(file, str::to_owned);
}

#[test]
fn hello() {
    check("examples/hello.lua");
}

#[test]
fn kv() {
    check("examples/kv/main.lua");
}

#[test]
fn watch() {
    check("examples/watch/main.lua");
}

#[test]
fn protocol() {
    check("examples/protocol/main.lua");
}

#[test]
fn snax() {
    check("examples/snax/main.lua");
}

#[test]
fn echo() {
    check_any_order("examples/echo/main.lua");
}

#[test]
fn web() {
    check("examples/web/main.lua");
}

#[test]
fn chat() {
    check("examples/chat/main.lua");
}

#[test]
fn gate() {
    check_any_order("examples/gate/main.lua");
}

#[test]
fn login() {
    check("examples/login/main.lua");
}

/// The server of `examples/redis`, and its port.
fn redis_server() -> (Running, u16) {
    let node = Node::bare().args(&["run", "examples/redis", "127.0.0.1:0"]);
    symlink(workspace().join("examples"), node.path("examples")).expect("symbolic link");
    let mut node = node.spawn();
    let ready = "ready for connections on 127.0.0.1:";
    node.until("the port", |node| {
        let log = node.stdout();
        log.split_once(ready)
            .is_some_and(|(_, port)| port.contains('\n'))
    });
    let log = node.stdout();
    let (_, rest) = log.split_once(ready).expect("the port");
    let port = rest.lines().next().unwrap().parse().expect("a number");
    (node, port)
}

/// Accounts and a leaderboard, in a server that the test starts.
fn database(file: &str, port: u16) {
    let (command, output) = promise(file, "--");
    let word = command.split(' ').find(|word| word.starts_with("dbport="));
    let command = command.replace(word.expect("a port"), &format!("dbport={port}"));
    let (printed, _) = run(&command);
    assert_eq!(printed, output, "{file}");
}

#[test]
#[cfg_attr(
    not(redis_server),
    ignore = "no redis-server: apt-get install redis-server"
)]
fn database_redis() {
    database("examples/database/redis.lua", Server::redis().port());
}

#[test]
#[cfg_attr(
    not(mariadb_server),
    ignore = "no mariadbd: apt-get install mariadb-server"
)]
fn database_mysql() {
    database("examples/database/mysql.lua", Server::mariadb().port());
}

#[test]
#[cfg_attr(
    not(postgres_server),
    ignore = "no PostgreSQL: apt-get install postgresql"
)]
fn database_pgsql() {
    database("examples/database/pgsql.lua", Server::postgres().port());
}

#[test]
#[cfg_attr(
    not(mongoeco),
    ignore = "no mongoeco: a Python from 3.13 on with `pip install mongoeco pymongo`, named by MONGOECO_PYTHON"
)]
fn database_mongo() {
    let server = MongoFront::start("me", "secret");
    database("examples/database/mongo.lua", server.port());
}

/// A server, which runs until it is stopped: what a client sees.
#[test]
fn redis() {
    let (node, port) = redis_server();
    let mut client = TcpStream::connect(("127.0.0.1", port)).expect("connection");
    client
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    client
        .write_all(
            b"*3\r\n$3\r\nset\r\n$6\r\ncolour\r\n$3\r\nred\r\n*2\r\n$3\r\nget\r\n$6\r\ncolour\r\n",
        )
        .unwrap();
    let mut answer = [0; 14];
    client.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"+OK\r\n$3\r\nred\r\n");
    node.signal("TERM");
    node.wait().exit(0).no_panic();
}

/// The same with the tools of Redis itself, as its first comment has it.
#[test]
fn redis_tools() {
    let tool = |name: &str| Command::new(name).arg("--version").output().is_ok();
    if !tool("redis-cli") || !tool("redis-benchmark") {
        let (what, how) = (
            "no commands redis-cli and redis-benchmark",
            "apt-get install redis-tools",
        );
        assert!(std::env::var_os("CI").is_none(), "{what}: {how}");
        skipped(what, how);
        return;
    }
    let (node, port) = redis_server();
    let port = port.to_string();
    let cli = |words: &[&str]| {
        let out = Command::new("redis-cli")
            .args(["-p", &port])
            .args(words)
            .output()
            .expect("redis-cli runs");
        String::from_utf8(out.stdout).expect("text")
    };
    for (words, want) in [
        (&["set", "colour", "red"][..], "OK"),
        (&["get", "colour"], "red"),
        (&["get", "nothing"], ""),
        (&["incrby", "n", "41"], "41"),
        (&["incr", "n"], "42"),
        (
            &["incr", "colour"],
            "ERR value is not an integer or out of range",
        ),
        (&["mset", "a", "1", "b", "2"], "OK"),
        (&["mget", "a", "b", "none"], "1\n2"),
        (&["set", "a", "3", "nx"], ""),
        (&["exists", "a", "none"], "1"),
        (&["del", "a", "b"], "2"),
        (&["keys", "c*"], "colour"),
        (&["dbsize"], "2"),
        (&["nonsense"], "ERR unknown command 'nonsense'"),
        (&["echo", "\u{e4} \r\n"], "\u{e4} \r\n"),
        (&["flushall"], "OK"),
    ] {
        assert_eq!(cli(words).trim_end(), want.trim_end(), "{words:?}");
    }
    let out = Command::new("redis-benchmark")
        .args(["-p", &port, "-t", "ping,set,get,incr,mset"])
        .args(["-n", "4800", "-c", "20", "-P", "16", "--csv"])
        .output()
        .expect("redis-benchmark runs");
    let stdout = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{stdout}");
    for test in [
        "PING_INLINE",
        "PING_MBULK",
        "SET",
        "GET",
        "INCR",
        "MSET (10 keys)",
    ] {
        assert!(
            stdout.contains(&format!("\"{test}\",")),
            "no {test}\n{stdout}"
        );
    }
    assert_eq!(cli(&["get", "counter:__rand_int__"]).trim_end(), "4800");
    node.signal("TERM");
    node.wait().exit(0).no_panic();
}

/// Two nodes, the first of which serves the second, on ports of this test's own.
#[test]
fn cluster() {
    let text = std::fs::read_to_string(workspace().join("examples/cluster/client.lua")).unwrap();
    let blocks = blocks(&text, "--");
    let [commands, output, ..] = blocks.as_slice() else {
        panic!("fewer than two blocks: {blocks:?}")
    };
    let nodes = format!(
        "db = \"127.0.0.1:{}\"\ndb2 = \"127.0.0.1:{}\"\n",
        port(),
        port()
    );
    let start = |command: &str| {
        let (_, args) = command
            .split_once("cargo run --release -- ")
            .expect("a cargo command");
        let args = args.replace("examples/cluster/nodes.lua", "nodes.lua");
        let args: Vec<&str> = args.split(' ').collect();
        let node = Node::bare().args(&args).file("nodes.lua", &nodes);
        symlink(workspace().join("examples"), node.path("examples")).expect("symbolic link");
        node.spawn()
    };
    let mut db = start(&commands[0]);
    db.until_output("serving db and db2");
    let out = start(&commands[1]).wait();
    out.exit(0).no_panic();
    let printed: Vec<&str> = out
        .stdout
        .lines()
        .filter(|line| !line.starts_with('['))
        .collect();
    assert_eq!(printed, *output, "{out}");
    db.signal("TERM");
    db.wait().exit(0).no_panic();
}

/// Two nodes of a network, on ports of their own.
#[test]
fn network() {
    let folder = workspace().join("examples/network");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("a file");
    let text = read("second.lua");
    let blocks = blocks(&text, "--");
    let [commands, output, ..] = blocks.as_slice() else {
        panic!("fewer than two blocks: {blocks:?}")
    };
    let ports = ["2013", "2526", "2527"].map(|written| (written, port().to_string()));
    let start = |command: &str| {
        let (_, config) = command
            .split_once("cargo run --release -- examples/network/")
            .expect("a cargo command");
        let mut node = Node::bare().args(&[config]);
        for name in ["common.config", config] {
            let mut text = read(name);
            for (written, port) in &ports {
                text = text.replace(written, port);
            }
            node = node.file(name, text);
        }
        symlink(workspace().join("examples"), node.path("examples")).expect("symbolic link");
        node.spawn()
    };
    let mut first = start(&commands[0]);
    first.until_output("waiting for node 2");
    let out = start(&commands[1]).wait();
    out.exit(0).no_panic();
    let printed: Vec<&str> = out
        .stdout
        .lines()
        .filter(|line| !line.starts_with('['))
        .collect();
    assert_eq!(printed, *output, "{out}");
    let first = first.wait();
    first
        .in_order(&["node 2 is there", "node 2 has gone"])
        .exit(0)
        .no_panic();
}

/// Three nodes under etcd, on ports of their own; one of them is drained.
#[test]
#[cfg_attr(
    not(etcd_server),
    ignore = "no etcd: apt-get install etcd-server etcd-client"
)]
fn rooms() {
    let etcd = Etcd::start(1, &[]);
    let url = etcd.url();
    let server = url.trim_start_matches("etcd://").trim_end_matches("/game");
    let folder = workspace().join("examples/rooms");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("a file");
    let text = read("player.lua");
    let blocks = blocks(&text, "--");
    let [commands, output, ..] = blocks.as_slice() else {
        panic!("fewer than two blocks: {blocks:?}")
    };
    let mut ports: Vec<(&str, String)> = ["8100", "2540", "2541", "2542"]
        .iter()
        .map(|written| (*written, port().to_string()))
        .collect();
    ports.push(("127.0.0.1:2379", server.to_owned()));
    let replaced = |mut text: String| {
        for (written, port) in &ports {
            text = text.replace(written, port);
        }
        text
    };
    let start = |command: &str| {
        let (_, args) = command
            .split_once("cargo run --release -- ")
            .expect("a cargo command");
        let args = replaced(args.to_owned());
        let args: Vec<&str> = args.split(' ').collect();
        let name = args[0].rsplit('/').next().expect("a file");
        let mut node = match name.ends_with(".config") {
            true => Node::bare().args(&[name]),
            false => Node::bare().args(&args),
        };
        for file in ["common.config", name]
            .into_iter()
            .filter(|file| file.ends_with(".config"))
        {
            node = node.file(file, replaced(read(file)));
        }
        symlink(workspace().join("examples"), node.path("examples")).expect("symbolic link");
        node.spawn()
    };
    let [_, nodes @ .., player] = commands.as_slice() else {
        panic!("no commands: {commands:?}")
    };
    let mut running: Vec<_> = nodes.iter().map(|command| start(command)).collect();
    running
        .last_mut()
        .expect("a lobby")
        .until_output("the lobby is open");
    let out = start(player).wait();
    let printed: Vec<&str> = out
        .stdout
        .lines()
        .filter(|line| !line.starts_with('['))
        .collect();
    let others: Vec<String> = running.iter().map(|node| node.stdout()).collect();
    assert_eq!(printed, *output, "{out}\n{others:#?}");
    for node in running {
        node.signal("TERM");
        node.wait().exit(0).no_panic();
    }
}

#[test]
fn pingpong() {
    check_shape("examples/pingpong/main.lua", |line| {
        line.replace(|c: char| c.is_ascii_digit(), "#")
            .replace("##", "#")
            .replace("##", "#")
            .replace("##", "#")
    });
}

#[test]
fn beyond() {
    check("examples/beyond/main.lua");
}

#[test]
fn config() {
    check("examples/config/node.config");
}

/// `cargo run` without a package means the command, as the first comments and the README have it.
#[test]
fn cargo_run() {
    let out = Command::new(option_env!("CARGO").unwrap_or("cargo"))
        .args(["run", "--quiet", "--", "run", "examples/hello.lua"])
        .current_dir(workspace())
        .output()
        .expect("cargo runs");
    let stdout = String::from_utf8_lossy(&out.stdout);
    assert!(
        out.status.success() && stdout.contains("hello, world\n"),
        "{stdout}\n{}",
        String::from_utf8_lossy(&out.stderr)
    );
}

/// The one in Rust is an example of the crate `skynet`.
#[test]
fn native() {
    let out = Command::new(option_env!("CARGO").unwrap_or("cargo"))
        .args(["run", "--quiet", "-p", "skynet", "--example", "native"])
        .current_dir(workspace())
        .output()
        .expect("cargo runs");
    let stdout = String::from_utf8_lossy(&out.stdout);
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{stdout}\n{stderr}");
    let mut rest = stdout.as_ref();
    for line in [
        "an apple costs\t0.5\n",
        "for 10: 20 of apple at 0.50\n",
        "for 10: 13 of pear at 0.75\n",
        "a melon\tfalse\t",
        "afterwards\tfalse\t",
    ] {
        let at = rest.find(line);
        let at = at.unwrap_or_else(|| panic!("no {line:?} in its place\n{stdout}\n{stderr}"));
        rest = &rest[at + line.len()..];
    }
}

/// Every example is run by a test above.
#[test]
fn complete() {
    let tests = include_str!("examples.rs");
    for entry in std::fs::read_dir(workspace().join("examples")).expect("examples") {
        let name = entry.expect("entry").file_name();
        let name = name.to_str().expect("a name").trim_end_matches(".lua");
        let by_path = format!("\"examples/{name}/");
        assert!(
            tests.contains(&format!("fn {name}()")) || tests.contains(&by_path),
            "no test runs the example {name}"
        );
    }
}

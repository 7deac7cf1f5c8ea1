//! One test for each sentence of `docs/semantics.md`, named after its number.

use skynet_tests::cluster::{self, Client, Server};
use skynet_tests::etcd::Etcd;
use skynet_tests::harbor::Network;
use skynet_tests::{Node, Output, Running, certificates, lua_cases, peer, quote};

lua_cases! {
    "semantics/order" {
        O1[thread = "4"];
        O2;
        O3[thread = "4"];
        O4;
        O5;
        O6;
        O7 => |out| {
            let logged: Vec<&str> = out.stdout.lines().filter(|line| line.contains("numbered ")).collect();
            assert_eq!(logged.len(), 1000, "{out}");
            assert!(logged.is_sorted(), "{out}");
        };
        D1;
        D2;
        D3;
        D4;
        D5;
        S1;
        S2 => |out| {
            out.has("Unknown session : 4242 from 777");
        };
        S3 => |out| {
            out.has_not("Unknown session");
        };
        S4;
        S5;
        S6;
        S7;
        S8[calltimeout = "50"];
        S8_off;
        B3 => |out| {
            out.has_times("last words ", 3000);
        };
    }
    "semantics/cluster" {
        N1;
        N2;
        N3 => |out| {
            out.has("cluster call [self] (127.0.0.1:").has("@nobody failed : Invalid name");
        };
        N4[calltimeout = "100"];
    }
    "semantics/code" {
        C1;
        C2;
        C3;
        C4[thread = "4"];
        C5[thread = "4"];
        C6;
    }
    "semantics/death" {
        X1[thread = "4"];
        X2 => |out| {
            out.has("told to");
        };
        X3;
        X4;
        X5 => |out| {
            out.has_times("death.lua:36 was dropped unused", 1);
        };
        X6;
        X7;
        X8 => |out| {
            out.has("Maybe forgot response session ");
        };
        X9;
        X10;
        X11 => |out| {
            out.in_order(&["closed waiting", "KILL self", "closed exiting"]);
            out.has_not("went on").has_not("fork ran").has_not("timeout ran").has_not("came back");
        };
        X12 => |out| {
            out.has_times("finalizer of the living", 1);
            out.has_times("finalizer of the killed", 1).has_times("finalizer of the exited", 1);
        };
        X13;
        X14 => |out| {
            for place in ["a handler", "a fork", "a timer", "a close", "a finalizer"] {
                out.has(&format!("a text in {place}"));
                // Of an object in a finalizer Lua says only that it is no text.
                let object = match place {
                    "a finalizer" => "error in __gc (error object is not a string)".to_owned(),
                    _ => format!("an object in {place}"),
                };
                out.has(&object);
            }
        };
        X15;
        X16[thread = "2"] => |out| {
            out.has_times("finalizer of the looping", 1).has("does not come back from its last message");
        };
        X17;
        X18;
        X19;
        X20[thread = "4"];
        X21;
        X22;
    }
    "semantics/time" {
        T1;
        T2;
        T2_services[thread = "1"];
        T3;
        T4;
        T5;
        T6;
        T7;
        T8;
        F1[thread = "1"];
        F2[thread = "1"];
        F3[thread = "2"];
        F4[thread = "2", monitorinterval = "150"] => |out| {
            // At least two looks fall into the 800 ms that it was busy.
            assert!(out.count("maybe in an endless loop") >= 2, "{out}");
            out.has("semantics/time endless").has("one message of type lua").has("stack traceback").has("time.lua:");
        };
        F5[thread = "2"] => |out| {
            out.has("signal 0");
        };
    }
    "semantics/mailbox" {
        M1 => |out| {
            let count = |text: &str| text.matches("error: May overload, message queue length = ").count();
            let (first, second) = out.stdout.split_once("it was empty").expect("the line between");
            assert!((1..=4).contains(&count(first)), "one for each doubling\n{out}");
            assert!((1..=3).contains(&count(second)), "again after it was empty\n{out}");
        };
        M2 => |out| {
            let lines = out.stdout.lines().filter(|line| line.contains("over its limit")).count();
            assert!((1..=5).contains(&lines), "{out}");
        };
        M3;
        M4;
        M5[mqlimit = "15", mqpolicy = "\"refuse\""];
        M6;
        G1 => |out| {
            out.has_times("Memory warning 3", 1).has_times("Memory warning 6", 1);
        };
        G2;
        G3;
        G4;
        G5;
    }
}

#[test]
#[allow(non_snake_case)]
fn B1() {
    let abort =
        "local skynet = require 'skynet.manager' skynet.start(function() skynet.abort() end)";
    Node::source(abort).run().exit(0).no_panic();
    // The last one: nothing but a logger beside it, which does not outlive a kill.
    let last = "local skynet = require 'skynet.manager' skynet.start(function() skynet.kill '.logger' skynet.exit() end)";
    Node::program("unused")
        .key("bootstrap", "'snlua main'")
        .file("main.lua", last)
        .run()
        .exit(0)
        .no_panic();
}

#[test]
#[allow(non_snake_case)]
fn B2() {
    for signal in ["TERM", "INT"] {
        let mut node = Node::program("boot/stop").spawn();
        node.until_output("] ready");
        node.signal(signal);
        node.wait()
            .exit(0)
            .no_panic()
            .has_times("finalizer of a child", 3)
            .has("finalizer of main");
    }
}

/// The same as B3 in the table, for an end by a signal.
#[test]
#[allow(non_snake_case)]
fn B3_signal() {
    let source = "local skynet = require 'skynet' skynet.start(function()
        for i = 1, 3000 do skynet.error(('last words %04d'):format(i)) end
        print 'all said' end)";
    let mut node = Node::source(source).spawn();
    node.until_output("all said");
    node.signal("TERM");
    node.wait().exit(0).has_times("last words ", 3000);
}

#[test]
#[allow(non_snake_case)]
fn B4() {
    let log = "local skynet = require 'skynet'
        skynet.start(function()
            skynet.sleep(20)
            skynet.dispatch('lua', function(_, _, text) print(text) skynet.ret() end)
            print 'the log has started'
        end)";
    let main = "local skynet = require 'skynet.manager'
        skynet.send('.logger', 'lua', 'written early')
        skynet.start(function() skynet.call('.logger', 'lua', 'written late') skynet.abort() end)";
    let out = Node::source(main)
        .key("logservice", "'snlua'")
        .key("logger", "'own_log'")
        .file("own_log.lua", log)
        .run();
    out.exit(0)
        .in_order(&["the log has started", "written early", "written late"]);
    let out = Node::source(
        main.replace(
            "skynet.call('.logger', 'lua', 'written late')",
            "print 'goes on'",
        )
        .as_str(),
    )
    .key("logservice", "'snlua'")
    .key("logger", "'nowhere'")
    .run();
    out.exit(0).has("goes on");
}

/// The node of the services that are called is killed.
#[test]
#[allow(non_snake_case)]
fn N5() {
    let mut network = Network::start("harbor/network", "survivor");
    network.driver.until_output("READY");
    network.workers.remove(1).kill();
    network.passed();
}

#[test]
#[allow(non_snake_case)]
fn N6() {
    for case in ["order", "messages_wait_for_a_name"] {
        Network::start("harbor/network", case).passed();
    }
}

/// A node that has left the file of nodes.
/// The bytes of a push, which reach a service of an open node.
#[test]
#[allow(non_snake_case)]
fn N7() {
    for (keys, pushes) in [
        (&[][..], "ok 1 stranger"),
        (&[("clustersecret", SECRET)], "ok 0 nil"),
        (
            &[("clustersecret", SECRET), ("clustertls", "'secret'")],
            "ok 0 nil",
        ),
    ] {
        let server = Server::with(0, keys);
        let mut client = Client::with(keys);
        client.connect("db", server.port());
        let call = client.ask("call", "db @echo ECHO hello");
        client.gives(call, "hello");
        let push = cluster::command(&[b"PUSH", b"stranger"]);
        let mut peer = peer::Peer::connect(server.port());
        peer.send(&cluster::named(0x80, b"@echo", 0, &push));
        peer.finish();
        assert_eq!(peer.end(), b"");
        let call = client.ask("call", "db @echo COUNT");
        assert_eq!(client.result(call), pushes);
        client.stop();
        server.stop();
        // Nor is anything asked of a node that proves nothing.
        if !keys.is_empty() {
            let (listener, port) = peer::listen();
            let more = [keys, &[("clusterhandshake", "200")]].concat();
            let mut client = Client::with(&more);
            client.connect("db", port);
            let call = client.ask("call", "db @echo ECHO confidential");
            let mut peer = peer::Peer::accept(&listener);
            let said = peer.end();
            assert!(!said.windows(12).any(|word| word == b"confidential"));
            assert!(client.result(call).starts_with("failed "));
            client.stop();
        }
    }
}

const SECRET: &str = "'a secret of the owls'";

#[test]
#[allow(non_snake_case)]
fn N8() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("policy.lua");
    std::fs::write(&path, "__others = { allow = { '@control' } }").expect("a file");
    let file = quote(&path.display().to_string());
    let server = Server::with(0, &[("clusterpolicy", &file)]);
    let mut client = Client::start();
    client.connect("db", server.port());
    for address in ["@echo", ".echo", ".launcher", &server.handle().to_string()] {
        let call = client.ask("call", &format!("db {address} ECHO x"));
        assert!(client.result(call).starts_with("failed "), "{address}");
    }
    let call = client.ask("call", "db @control x");
    assert!(client.result(call).starts_with("ok"));
    client.node().until_output("not allowed: .launcher");
    client.stop();
    server.stop();
}

#[test]
#[allow(non_snake_case)]
fn N9() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("secrets");
    let write = |text: &str| certificates::replace(&path, text);
    write("old 0123456789abcdef\n");
    let file = quote(&path.display().to_string());
    let keys = [("clustersecretfile", file.as_str())];
    let server = Server::with(0, &keys);
    let client = || {
        let mut client = Client::with(&keys);
        client.connect("db", server.port());
        client
    };
    let works = |client: &mut Client| {
        let call = client.ask("call", "db @echo ECHO hello");
        client.gives(call, "hello");
    };
    let mut before = client();
    works(&mut before);
    write("new fedcba9876543210\n");
    let mut after = client();
    works(&mut after);
    works(&mut before);
    for client in [before, after] {
        client.stop();
    }
    server.stop();
}

#[test]
#[allow(non_snake_case)]
fn N10() {
    let mut node = Node::program("discovery/node")
        .key("discovery", "'file:nodes.lua'")
        .key("discoverygrace", "0.1")
        .file("nodes.lua", "a = '127.0.0.1:1' b = '127.0.0.1:2'")
        .stdin()
        .spawn();
    node.until_output("READY\n");
    node.write("watch()\n");
    node.until_output("EVENT up b");
    std::fs::write(node.path("nodes.lua"), "a = '127.0.0.1:1' b = ").expect("a file");
    node.until_output("what was known stays");
    std::fs::write(node.path("nodes.lua"), "a = '127.0.0.1:1'").expect("a file");
    node.until_output("EVENT down b");
    assert_eq!(node.stdout().matches("EVENT down").count(), 1);
    node.write("say('CALLED', (pcall(cluster.call, 'b', '@x')))\n");
    node.until_output("CALLED false\n");
}

/// `discovery::singletons` has more than one node.
#[test]
#[allow(non_snake_case)]
#[cfg_attr(
    not(etcd_server),
    ignore = "no etcd: apt-get install etcd-server etcd-client"
)]
fn N11() {
    let mut etcd = Etcd::start(1, &[]);
    let mut node = Node::program("discovery/node")
        .key("discovery", &quote(&etcd.url()))
        .key("discoveryttl", "2")
        .key("nodename", "'a'")
        .key(
            "nodeaddress",
            &quote(&format!("127.0.0.1:{}", peer::port())),
        )
        .key("clusterbind", "'127.0.0.1'")
        .key("tokens", "'tokens'")
        .stdin()
        .spawn();
    node.until_output("READY\n");
    node.write("discovery.singleton('one', { service = 'discovery/one' })\n");
    let tokens = |node: &Running| {
        let text = std::fs::read_to_string(node.path("tokens")).unwrap_or_default();
        let tokens: Vec<u64> = text
            .lines()
            .filter_map(|line| line.split(' ').next()?.parse().ok())
            .collect();
        tokens
    };
    node.until("it writes", |node| !tokens(node).is_empty());
    etcd.kill(0);
    node.until_output("the singleton one is killed");
    let before = tokens(&node);
    etcd.restart(0);
    node.until("another one", |node| tokens(node).last() > before.last());
    assert!(tokens(&node).is_sorted());
}

/// A case of `tls/sockets`, in a node with certificates.
fn with_certificates(case: &str) -> Output {
    let output = certificates::node(Node::case("tls/sockets", case)).0.run();
    output.passed();
    output
}

#[test]
#[allow(non_snake_case)]
fn E1() {
    with_certificates("secret");
}

#[test]
#[allow(non_snake_case)]
fn E2() {
    with_certificates("deadlines");
}

#[test]
#[allow(non_snake_case)]
fn E3() {
    with_certificates("ends");
}

#[test]
#[allow(non_snake_case)]
fn E4() {
    with_certificates("renewed").has_times("the old one is still used", 1);
}

/// Every sentence of the document has a test here, and every test a sentence.
#[test]
fn complete() {
    let document = include_str!("../../docs/semantics.md");
    let tests = include_str!("semantics.rs");
    let sentences: Vec<&str> = document
        .lines()
        .filter_map(|line| line.strip_prefix("- **")?.split_once("**"))
        .map(|(id, _)| id)
        .collect();
    assert!(sentences.len() > 60, "{sentences:?}");
    for id in &sentences {
        let tested = tests.lines().any(|line| {
            let line = line.trim_start();
            let line = line.strip_prefix("fn ").unwrap_or(line);
            line.strip_prefix(id)
                .is_some_and(|rest| rest.starts_with([';', '[', '(', ' ']))
        });
        assert!(tested, "no test for {id}");
    }
}

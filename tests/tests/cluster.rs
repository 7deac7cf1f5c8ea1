//! Calls between two nodes: what Lua programs see of `skynet.cluster`.

use skynet_tests::{Node, Output, Running};

/// The second node, and where it listens.
fn server() -> (Running, u16) {
    let mut node = Node::program("cluster/server").spawn();
    let port = |node: &Running| {
        let text = node.stdout();
        let line = text.lines().find_map(|line| line.strip_prefix("PORT "));
        line.map(|port| port.parse().expect("a port"))
    };
    // The line may arrive in pieces.
    node.until("its port", |node| {
        node.stdout().contains("PORT ") && port(node).is_some()
    });
    node.until("the whole line", |node| {
        let text = node.stdout();
        text.rsplit("PORT ")
            .next()
            .is_some_and(|rest| rest.contains('\n'))
    });
    let port = port(&node).expect("a port");
    (node, port)
}

/// Runs one case of cluster/api.lua against a second node. What both have written.
fn run(case: &str, keys: &[(&str, &str)]) -> (Output, Output) {
    let (server, port) = server();
    let mut node = Node::case("cluster/api", case).key("peer", &format!("'127.0.0.1:{port}'"));
    for (key, value) in keys {
        node = node.key(key, value);
    }
    let output = node.run();
    output.passed();
    let server = server.kill();
    server.no_panic();
    (output, server)
}

/// One test for each case: `case [key = value] => |out, server| look;`.
macro_rules! cases {
    ($($file:literal { $($case:ident $([$($key:ident = $value:expr),*])? $(=> $look:expr)?;)* })*) => {$($(
        #[test]
        fn $case() {
            assert_eq!($file, "cluster/api");
            let keys: &[(&str, &str)] = &[$($((stringify!($key), $value)),*)?];
            let outputs = run(stringify!($case), keys);
            let _ = &outputs;
            $(
                let look: fn(&Output, &Output) = $look;
                look(&outputs.0, &outputs.1);
            )?
        }
    )*)*};
}

const CLASSES: &str = concat!("'", env!("CARGO_MANIFEST_DIR"), "/lua/snax/classes/?.lua'");

cases! {
    "cluster/api" {
        calls => |_, server| {
            server.has("socket accept from 127.0.0.1:").has("Register [server] :").has("Listen on 0.0.0.0 ");
        };
        large;
        many_at_once;
        sends_in_order;
        first_requests;
        arguments_as_they_were;
        tried_again_at_once;
        failures => |out, _| {
            out.has("@nobody failed : Invalid name")
                .has("name length is invalid, must be between 1 and 255 characters: ")
                .has("name is not a string, it's a boolean")
                .has("name is not a string, it's a table");
        };
        reasons => |out, _| {
            out.has("Close cluster sender 127.0.0.1 ").has("changenode [other] (127.0.0.1:1) failed");
        };
        deadlines => |out, _| {
            out.has_not("unknown session");
        };
        node_deadline[calltimeout = "10"];
        lost => |out, _| {
            out.has("@server failed : connection closed by the peer").has("47 more calls failed");
        };
        names => |_, server| {
            server.has("Register [other] :").has("Unregister [other] :").has_not("Unregister [never");
        };
        proxies;
        killed_sender;
        absent => |out, _| {
            out.has_times("Waiting for cluster node [server]", 1).has("Cluster node [server] resolved : 127.0.0.1:");
        };
        nowaiting => |out, _| {
            out.has("Config nowaiting = true").has("cluster node [server] is absent.");
        };
        unreachable => |out, _| {
            out.has("changenode [server] (127.0.0.1:1) failed");
        };
        down_and_up => |out, _| {
            out.has("Close cluster sender 127.0.0.1 ").has("assertion failed!");
        };
        address_changes;
        bad_config;
        opening => |out, _| {
            out.has("nobody is down");
        };
        bind[clusterbind = "'127.0.0.1'"];
        maxclient;
        events;
        explanations => |out, _| {
            out.has("query [nobody] failed : name not found")
                .has("nowhere is down: there is no node of this name")
                .has("down is down: its address is false")
                .in_order(&[
                    "cluster node [absent] is absent.",
                    "cluster: no connection to the node [absent]; clusterd has just logged why",
                ])
                .has_not("cluster.lua:");
        };
        dead_watchers;
        spaces;
        trace => |out, server| {
            out.has("-server-").has("> ");
            server.has("<TRACE (").has("tracecall begin").has("tracecall end");
        };
        services;
        sender_messages;
        frames;
        buffer_limit[clusterbuffer = "20000"] => |out, _| {
            out.has("take more than 20000 bytes (clusterbuffer): connection closed");
        };
        lua_gate;
        snax_objects[snax = CLASSES];
        in_vain;
    }
}

/// The addresses may be in a file, which is read when the cluster is first used and by each `reload()`.
#[test]
fn config_file() {
    let (_server, port) = server();
    let source = r#"
        local skynet, cluster = require "skynet", require "skynet.cluster"
        local check = require "check"
        local case = {}
        function case.only()
            check.eq("from the file", cluster.call("server", "@server", "echo", 1), 1)
            local f <close> = io.open("nodes.lua", "w")
            f:write "server = false"
            f:flush()
            cluster.reload()
            check.fails("down", "call failed", cluster.call, "server", "@server", "echo")
        end
        return check.main({}, case, ...)"#;
    Node::source(source)
        .key("case", "'only'")
        .key("cluster", "'nodes.lua'")
        .file(
            "nodes.lua",
            format!("-- $HOME is text\nserver = '127.0.0.1:{port}'\n__nowaiting = true"),
        )
        .run()
        .passed()
        .has("Config nowaiting = true");
}

/// Those who ask for a proxy while a failed one is ending are not forgotten.
#[test]
fn proxy_that_ends() {
    Node::case("cluster/api", "proxy_that_ends")
        .key("thread", "4")
        .key("cluster", "'nodes.lua'")
        .file("nodes.lua", "")
        .run()
        .passed()
        .has("cluster node [server] is absent.");
}

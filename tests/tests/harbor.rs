//! Networks of nodes with a master: three processes, and what happens when one of them goes.

use skynet_tests::harbor::{Network, master_node, node};
use skynet_tests::peer::port;

const PROGRAM: &str = "harbor/network";

/// One test for each case of a program.
macro_rules! network_cases {
    ($program:literal { $($case:ident;)* }) => {
        $(#[test]
        fn $case() {
            Network::start($program, stringify!($case)).passed();
        })*
    };
}

network_cases! {
    "harbor/network" {
        names;
        messages_wait_for_a_name;
        payloads;
        order;
        failures;
        shared_data;
        unique_services;
        channels;
        facts;
        without_harbor;
    }
}

/// There is no secret in a network: the log says so if other machines reach the master.
#[test]
fn an_open_master() {
    for (host, warns) in [("0.0.0.0", true), ("127.0.0.1", false)] {
        let at = port();
        let mut node = master_node("config/idle", 1, at)
            .key("standalone", &format!("'{host}:{at}'"))
            .spawn();
        node.until_output("KILL self");
        let line = format!("WARNING: the master's port {host}:{at} is open");
        assert_eq!(node.kill().stdout.contains(&line), warns);
    }
}

/// Scripts wait for these lines of skynet (C).
#[test]
fn lines_of_the_start() {
    let at = port();
    let mut node = master_node("config/idle", 1, at).spawn();
    node.until_output("KILL self");
    node.kill().in_order(&[
        &format!("master listen socket 127.0.0.1:{at}\n"),
        &format!("slave connect to master 127.0.0.1:{at}\n"),
    ]);
}

#[test]
fn a_killed_node() {
    let mut network = Network::start(PROGRAM, "survivor");
    network.driver.until_output("READY");
    network.workers.remove(1).kill();
    network.workers[0].until_output("slave 2 is down");
    network.workers[0].until_output("Harbor 2 is down: ");
    let out = network.passed();
    // The two calls of the case and one of multicastd; of what is published nothing goes there any more.
    out.has_times("Drop message to harbor 2", 3);
}

#[test]
fn a_node_that_is_killed_under_load() {
    let mut network = Network::start(PROGRAM, "storm");
    network.driver.until_output("READY");
    network.workers.remove(1).kill();
    network.passed().has("Harbor 2 is down: ");
}

#[test]
fn a_name_that_is_too_long() {
    let node = master_node(PROGRAM, 1, port()).key("case", "'long_name'");
    let out = node.run();
    out.passed().has("Invalid global name nnnnnnnnnnnnnnnn");
}

#[test]
fn a_killed_master() {
    let mut network = Network::start(PROGRAM, "orphan");
    network.driver.until_output("READY");
    network.workers.remove(0).kill();
    network.workers[0].until_output("Master disconnect");
    network.passed();
}

#[test]
fn the_first_node_waits_for_the_second() {
    let master = port();
    let mut first = master_node(PROGRAM, 1, master)
        .key("case", "'first'")
        .spawn();
    first.until_output("WAITING");
    let second = node(PROGRAM, 2, master, port())
        .key("case", "'worker'")
        .spawn();
    first.wait().passed();
    let out = second.kill();
    out.in_order(&["Waiting for 1 harbors", "Shakehand ready"])
        .no_panic();
}

/// Messages to a number that no node has wait, and the log tells.
#[test]
fn a_node_that_was_never_there() {
    let mut node = master_node(PROGRAM, 1, port())
        .key("case", "'absent_node'")
        .spawn();
    node.until_output("Waiting for harbor 5, which has not connected yet (messages: 2)");
    node.kill().no_panic().has_times("Waiting for harbor 5", 1);
}

/// A number is good for one node at a time: a second one does not start, until the first has gone. Then the number, and
/// the names, are free, and the others connect to the new one.
#[test]
fn a_number_twice() {
    let mut network = Network::start(PROGRAM, "successor");
    network.driver.until_output("READY");
    let second = || node(PROGRAM, 2, network.master, port()).key("case", "'worker'");
    let out = second().run();
    out.exit(1).has("connection closed").has_not("WORKING");
    network.workers[0].until_output("Slave 2 already register on 127.0.0.1:");
    network.workers.remove(1).kill();
    network.workers[0].until_output("slave 2 is down");
    network.driver.until_output("GONE");
    let mut again = second().spawn();
    again.until_output("WORKING");
    network.workers.push(again);
    network.passed();
}

#[test]
fn without_a_master() {
    let out = node(PROGRAM, 2, port(), port())
        .key("case", "'worker'")
        .run();
    out.exit(1)
        .has("Can't connect to master")
        .has_not("LAUNCH harbor")
        .has_not("WORKING");
}

#[test]
fn a_master_whose_port_is_taken() {
    let master = port();
    let mut first = master_node(PROGRAM, 1, master)
        .key("case", "'worker'")
        .spawn();
    first.until_output("WORKING");
    let out = master_node(PROGRAM, 2, master)
        .key("case", "'worker'")
        .run();
    out.exit(1)
        .has("bootstrap can't start cmaster")
        .has_not("WORKING");
    first.kill().no_panic();
}

/// `standalone`, `master` and `address` of the config.
#[test]
fn without_addresses() {
    for (key, text) in [
        ("address", "the config has no `address`"),
        ("master", "the config has no `master`"),
    ] {
        let out = master_node(PROGRAM, 1, port())
            .key("case", "'worker'")
            .key(key, "nil")
            .run();
        out.exit(1).has(text).has_not("WORKING");
    }
    let out = master_node(PROGRAM, 0, port())
        .key("case", "'worker'")
        .limit(std::time::Duration::from_secs(60))
        .spawn();
    let mut out = out;
    out.until_output("standalone has no meaning with harbor = 0");
    out.kill().has_not("WORKING");
}

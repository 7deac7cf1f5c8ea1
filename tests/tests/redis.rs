//! `skynet.db.redis` and `skynet.db.redis.cluster`: recorded conversations, bad luck, and real servers.

use skynet_tests::database::{Cluster, Server};
use skynet_tests::dialogue::{self, Plain};
use skynet_tests::peer::number_after;
use skynet_tests::{Node, lua_cases};

#[test]
fn recorded() {
    dialogue::play_all("redis.json", 153, &Plain, |_| None);
}

lua_cases! {
    "db/redis" {
        broken_utf8;
        calltimeout[calltimeout = "20"];
        depth;
        killed_in_a_pipeline;
        killed_in_a_transaction;
        killed_in_an_answer;
        lying_lengths;
        many_waiting;
        nobody_there;
        resp3;
        silence;
        silent_login;
        watcher;
    }
}

fn with(server: &Server, case: &str) -> Node {
    Node::case("db/redis", case).key("dbport", &server.port().to_string())
}

#[test]
#[cfg_attr(
    not(redis_server),
    ignore = "no redis-server: apt-get install redis-server"
)]
fn real_server() {
    let server = Server::redis();
    for case in ["real_commands", "real_resp3", "real_messages"] {
        with(&server, case).run().passed();
    }
}

#[test]
#[cfg_attr(
    not(redis_server),
    ignore = "no redis-server: apt-get install redis-server"
)]
fn real_restart() {
    let mut server = Server::redis_with(&["--appendfsync", "always"]);
    let mut node = with(&server, "real_restart").spawn();
    node.until_output("KILL\n");
    server.kill();
    std::thread::sleep(std::time::Duration::from_millis(300));
    server.restart();
    node.wait().passed();
}

#[test]
#[cfg_attr(
    not(redis_server),
    ignore = "no redis-server: apt-get install redis-server"
)]
fn real_cluster() {
    let mut cluster = Cluster::start();
    let ports: Vec<String> = cluster.ports().iter().map(u16::to_string).collect();
    let with = |case: &str| {
        let ports = format!("'{}'", ports.join(" "));
        Node::case("db/rediscluster", case).key("dbports", &ports)
    };
    for case in ["commands", "max_connections", "messages", "moving_a_slot"] {
        with(case).run().passed();
    }
    let mut node = with("failover").spawn();
    let victim = u16::try_from(number_after(&mut node, "KILL")).expect("a port");
    cluster.kill(victim);
    node.until_output("RESTART\n");
    cluster.restart(victim);
    node.wait().passed();
}

//! `skynet.db.redis`: recorded conversations, bad luck, and a real server.

use skynet_tests::database::Server;
use skynet_tests::dialogue::{self, Plain};
use skynet_tests::{Node, lua_cases};

#[test]
fn recorded() {
    dialogue::play_all("redis.json", 153, &Plain, |case| {
        (case["category"] == "cluster").then_some("cluster")
    });
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

//! `skynet.db.mongo`: recorded conversations, bad luck, and primaries that move.

use skynet_tests::database::MongoFront;
use skynet_tests::dialogue::{self, Mongo};
use skynet_tests::{Node, lua_cases};

#[test]
fn recorded() {
    dialogue::play_all("mongo.json", 128, &Mongo::default(), |case| {
        (case["name"] == "t-enable-without-alias").then_some("the alias `mongo` is there")
    });
}

lua_cases! {
    "db/mongo" {
        any_order;
        connection_strings;
        documents;
        failover;
        killed_in_an_answer;
        lying_answers;
        many_waiting;
        native_half;
        scram_sha256;
        silence;
    }
}

/// By mongoeco, behind a front for logins.
#[test]
#[cfg_attr(
    not(mongoeco),
    ignore = "no mongoeco: a Python from 3.13 on with `pip install mongoeco pymongo`, named by MONGOECO_PYTHON"
)]
fn live() {
    let server = MongoFront::start("me", "s\u{fc}\u{df}es geheimnis");
    let port = server.port().to_string();
    for case in [
        "logins",
        "documents",
        "cursors",
        "changes",
        "indexes",
        "aggregates",
        "many",
    ] {
        let node = Node::case("db/mongolive", case).key("dbport", &port);
        node.run().passed();
    }
}

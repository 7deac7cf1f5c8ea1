//! `skynet.db.mongo`: recorded conversations, bad luck, and primaries that move.

use skynet_tests::dialogue::{self, Mongo};
use skynet_tests::lua_cases;

#[test]
fn recorded() {
    dialogue::play_all("mongo.json", 128, &Mongo::default(), |case| {
        (case["name"] == "t-enable-without-alias").then_some("the alias `mongo` is there")
    });
}

lua_cases! {
    "db/mongo" {
        any_order;
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

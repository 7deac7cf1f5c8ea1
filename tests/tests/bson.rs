//! `bson`: the recorded cases, and what lies beside them.

use skynet_tests::{Node, lua_cases, vectors};

#[test]
fn recorded_cases() {
    let lua = vectors::cases_as_lua("bson.json");
    vectors::count(lua.lines().count() - 2, 186);
    Node::case("bson/vectors", "all")
        .file("vectors_bson.lua", lua)
        .run()
        .passed();
}

lua_cases! {
    "bson/vectors" {
        embedded;
        hostile;
        ids;
        makeindex;
        nasty_tables;
        published;
    }
}

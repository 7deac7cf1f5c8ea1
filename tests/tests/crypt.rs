//! `skynet.crypt` and `md5`: the recorded cases, and what lies beside them.

use skynet_tests::{Node, lua_cases, vectors};

#[test]
fn recorded_cases() {
    let lua = vectors::cases_as_lua("crypt.json");
    vectors::count(lua.lines().count() - 2, 367);
    Node::case("crypt/vectors", "all")
        .file("vectors_crypt.lua", lua)
        .run()
        .passed();
}

lua_cases! {
    "crypt/vectors" {
        arguments;
        names;
        published;
        random;
        round_trips;
        sealed;
    }
}

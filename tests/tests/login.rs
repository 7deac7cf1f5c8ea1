//! Login servers and message gates: the recorded conversations, the whole path of a player, and what strangers do.

use skynet_tests::{Node, lua_cases, vectors};

#[test]
fn recorded_cases() {
    let lua = vectors::cases_as_lua("gate.json");
    vectors::count(lua.lines().count() - 2, 35);
    Node::case("login/vectors", "all")
        .file("vectors_gate.lua", lua)
        .run()
        .passed();
}

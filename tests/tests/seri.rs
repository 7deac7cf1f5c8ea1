//! The pack format through the Lua API: the recorded vectors, and what Lua values can do to it.

use skynet_tests::{Node, lua_cases, vectors};

/// A node beside which the vectors lie as a Lua file.
fn with_vectors(case: &str) -> Node {
    let lua = vectors::cases_as_lua("seri.json");
    let count = lua.lines().count() - 2;
    vectors::count(count, 264);
    Node::case("seri/vectors", case)
        .key("cases", &count.to_string())
        .file("vectors_seri.lua", lua)
}

#[test]
fn recorded_vectors() {
    with_vectors("all").run().passed();
}

#[test]
fn recorded_vectors_through_messages() {
    with_vectors("through_messages").run().passed();
}

lua_cases! {
    "seri/vectors" {
        arguments;
        deep;
        long_strings;
        long_strings_that_are_replaced;
        nasty_pairs;
        pairs_given_twice;
        pairs_that_change_the_outer_table;
        random_bytes;
        strings_are_dispatched;
        tables_of_all_sizes;
        under_a_memory_limit;
    }
}

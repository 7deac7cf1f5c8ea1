//! `skynet.crypt` and `md5`: the recorded cases, and what lies beside them.

use std::process::Command;

use skynet_tests::{Node, lua_cases, skynet, vectors};

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

lua_cases! {
    "crypt/passwords" {
        killed_meanwhile;
        many_at_once;
        right_and_wrong;
        stopping_meanwhile;
        strings_that_are_none;
        too_many;
    }
}

#[test]
fn passwords_without_a_node() {
    let output = Command::new(skynet())
        .args(["lua", "-e"])
        .arg(
            "local crypt = require 'skynet.crypt' \
             local hash = crypt.password_hash('secret', { memory = 64 }) \
             print(crypt.password_verify('secret', hash), crypt.password_verify('x', hash), pcall(crypt.password_verify, 'x', 'y'))",
        )
        .output()
        .expect("it runs");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "true\tfalse\tfalse\tnot an argon2 password hash in PHC form\n"
    );
}

#[test]
fn a_main_chunk_cannot_wait() {
    let main = r#"
        local skynet = require "skynet" require "skynet.manager"
        print(pcall(require "skynet.crypt".password_hash, "x"))
        skynet.start(function() skynet.abort() end)"#;
    let output = Node::source(main).run();
    output
        .exit(0)
        .has("attempt to yield from outside a coroutine");
}

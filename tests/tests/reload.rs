//! New code in services that run: `skynet.reload`, `codecache.clear(path)`, the key `codewatch`.

use skynet_tests::console::{Console, started};
use skynet_tests::{Node, lua_cases};

lua_cases! {
    "reload/modules" {
        classes;
        conflicts;
        functions;
        held_elsewhere;
        hooks;
        references;
        state;
        untouched;
    }
    "reload/node" {
        one_file_of_the_cache;
        one_that_cannot;
        one_that_does_not_answer[thread = "4"];
        options;
        several_services;
        text;
        under_load[thread = "4"];
        watched_files[codewatch = "\"true\""];
    }
}

mod replacement {
    use super::*;

    lua_cases! {
        "reload/replace" {
            failures;
            names_and_state;
            requests_under_way;
            under_a_supervisor;
            under_load[thread = "4"];
            unique_services;
        }
    }
}

/// The console's `reload`.
#[test]
fn from_the_console() {
    let main = "local skynet = require 'skynet'
        local rules = require 'rules'
        skynet.start(function()
            skynet.newservice('debug_console', '127.0.0.1', 0)
            print('READY', rules.rule())
            skynet.dispatch('lua', function() skynet.retpack(rules.rule()) end)
        end)";
    let rules = |n: u32| format!("return {{ rule = function() return {n} end }}");
    let node = Node::source(main).file("rules.lua", rules(1));
    let file = node.path("rules.lua");
    let (node, port) = started(node, "READY\t1");
    let mut console = Console::enter(port);
    std::fs::write(file, rules(2)).expect("a file");
    let first = "rules: ./rules.lua, loaded by 1 services of 1 classes\n  changed: rules.rule\n";
    assert_eq!(
        console.ok("reload rules dry"),
        format!("{first}nothing was done\n")
    );
    assert_eq!(
        console.ok("reload rules main canary 1"),
        format!("{first}done in 1 services\n")
    );
    assert!(
        console
            .error("reload")
            .contains("Need the name of a module")
    );
    assert!(
        console
            .error("reload rules canary many")
            .contains("Need a number")
    );
    assert!(
        console
            .error("reload rules nobody")
            .contains("there is no Lua service nobody")
    );
    node.kill();
}

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
        other_names;
        own_message_function;
            requests_under_way;
        settled;
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

/// The console's `replace`.
#[test]
fn replaced_from_the_console() {
    let main = "local skynet = require 'skynet'
        require 'skynet.manager'
        local version = ...
        local n = 0
        require('skynet.replace').state(function() return n end, function(m) n = m end)
        skynet.dispatch('lua', function() n = n + 1 skynet.retpack(version, n) end)
        skynet.start(function()
            if version then return end
            skynet.newservice('debug_console', '127.0.0.1', 0)
            skynet.name('.old', skynet.newservice(SERVICE_NAME, 'v1'))
            print('READY', skynet.call('.old', 'lua'))
        end)";
    let (node, port) = started(Node::source(main), "READY\tv1\t1");
    let mut console = Console::enter(port);
    assert!(
        console
            .ok("replace .old main state v2")
            .ends_with("\tmain\n")
    );
    let answer = console.ok("call .old 1");
    assert!(answer.contains("v2") && answer.contains('2'), "{answer}");
    console.ok("replace .old main v3");
    assert!(console.ok("call .old 1").contains("v3"));
    assert!(
        console
            .error("replace .old")
            .contains("Need the name of a service")
    );
    node.kill();
}

//! `skynet.dns`: the recorded cases, and what name servers and strangers do beside them.

use skynet_tests::{Node, lua_cases, script, vectors};

#[test]
fn recorded_cases() {
    let slow = |case: &serde_json::Value| case["slow"] == true;
    let played = script::play("dns.json", Node::program("script/stage"), |case| {
        !slow(case)
    });
    vectors::count(played, 61);
}

/// Cases that take half a minute each.
#[test]
fn recorded_slow_cases() {
    let slow = |case: &serde_json::Value| case["slow"] == true;
    let played = script::play("dns.json", Node::program("script/stage"), slow);
    vectors::count(played, 2);
}

lua_cases! {
    "dns/servers" {
        chance;
        crowd;
        mistakes;
        services;
        several;
        strangers;
        system;
        times;
        truncated;
    }
}

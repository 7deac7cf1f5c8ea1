//! Supervisors: `skynet.supervisor` and the config key `supervise`.

use skynet_tests::console::{Console, started};
use skynet_tests::{Node, lua_cases};

lua_cases! {
    "supervision/policy" {
        delays;
        model;
    }
    "supervision/keep" {
        begun_and_waiting;
        callback;
        given_up;
        kept_by_hand;
        keep_specs;
        old_answers;
        same_place;
        strategy;
        under_load[thread = "4"];
    }
    "supervision/tree" {
        bad_specs;
        by_hand;
        first_start_fails;
        give_up;
        modules;
        names;
        no_orphans;
        random_kills;
        reasons[thread = "4"];
        shutdown[thread = "4"];
        start_fails_again;
        strategies;
        stuck_and_saved[thread = "4"];
        tree;
    }
}

/// A service that lives for a moment, or fails when it starts.
const SERVICE: &str = "local skynet = require 'skynet'
    local how = ...
    skynet.start(function()
        if how == 'fails' then
            error 'it does not start'
        end
        print('started', how)
        skynet.timeout(5, function()
            if how == 'ends' then
                skynet.exit()
            elseif how == 'aborts' then
                require('skynet.manager').abort()
            end
        end)
    end)";

fn node_with(spec: &str) -> Node {
    Node::program("unused")
        .key("start", "nil")
        .key("supervise", "\"tree.lua\"")
        .file("child.lua", SERVICE)
        .file("tree.lua", spec)
}

#[test]
fn the_key_supervise() {
    let spec = "return { { id = 'a', service = 'child', args = { 'stays' } },
        { id = 'b', service = 'child', args = { 'ends' }, restart = 'transient' } }";
    let mut node = node_with(spec).spawn();
    node.until_output("started\tstays");
    node.until_output("started\tends");
    node.kill().has_not("LAUNCH snlua main");

    // With a start service besides.
    let out = node_with(spec).key("start", "\"child aborts\"").run();
    out.exit(0)
        .in_order(&["started\tstays", "started\tends", "started\taborts"]);
}

#[test]
fn trees_that_do_not_start() {
    for (spec, why) in [
        ("return 1", "tree.lua returns no table"),
        ("return {", "config key supervise: "),
        ("error 'broken'", "broken"),
        (
            "return { { id = 'a' } }",
            "child 'a': needs one of service, supervisor, module",
        ),
        (
            "return { { id = 'a', service = 'child', args = { 'fails' } } }",
            "child 'a' has ended: init: ",
        ),
    ] {
        let out = node_with(spec).key("startfail", "\"stop\"").run();
        out.exit(1).has(why).has(
            "the supervision tree 'tree.lua' has failed; the node stops (config key startfail)",
        );
    }
    let mut node = node_with("return 1").spawn();
    node.until_output("the supervision tree 'tree.lua' has failed; the node goes on without it");
    node.kill();
}

/// The root of the tree gives up.
#[test]
fn a_tree_that_gives_up() {
    let spec = "return { intensity = 2, period = 100, backoff = { 0 },
        { id = 'a', service = 'child', args = { 'ends' } } }";
    let out = node_with(spec).key("startfail", "\"stop\"").run();
    out.exit(1).has_times("started\tends", 3).has(
        "error: supervisor: child 'a' has ended: exit; more than 2 restarts in 100 seconds; the supervisor and its \
         children end",
    );
}

#[test]
fn what_check_says() {
    let check = |file: &str, text: &str| {
        let config = format!("harbor = 0\nsupervise = '{file}'\n");
        let node = Node::bare().args(&["check", "node.cfg"]);
        node.file("node.cfg", config).file("tree.lua", text).run()
    };
    check("tree.lua", "return {}").exit(0);
    check("tree.lua", "return {").exit(1).has("tree.lua");
    let out = check("nowhere.lua", "");
    out.exit(1).has("there is no file `nowhere.lua`");
}

/// The console's `tree`, with the supervisor `supervisord` at the root and another one below it.
#[test]
fn what_the_console_shows() {
    let spec = "return { strategy = 'rest_for_one', period = 60, backoff = { 0 },
        { id = 'console', service = 'debug_console', args = { '127.0.0.1', 0 } },
        { id = 'low', supervisor = 'low' },
        { id = 'a', service = 'child', args = { 'stays' }, name = '.a' } }";
    let low = "local skynet = require 'skynet'
        skynet.start(function()
            require('skynet.supervisor').start {
                { id = 'b', service = 'child', args = { 'stays' }, restart = 'temporary' } }
            print 'READY'
        end)";
    let (node, port) = started(node_with(spec).file("low.lua", low), "READY");
    let mut console = Console::enter(port);
    // Addresses are not known beforehand.
    let plain = |text: &str| {
        let words = text.split(' ').map(|word| match word.strip_prefix(':') {
            Some(hex) if hex.trim().len() == 8 => word.replace(hex.trim(), "X"),
            _ => word.to_owned(),
        });
        words.collect::<Vec<_>>().join(" ")
    };
    let expected = |a: &str, restarts: u32| {
        format!(
            "X\n  rest_for_one, at most 3 restarts in 60 s, {restarts} so far\n  \
             console :X debug_console (permanent) running, restarts: 0\n  \
             low :X low (permanent) running, restarts: 0\n    \
             one_for_one, at most 3 restarts in 5 s, 0 so far\n    \
             b :X child (temporary) running, restarts: 0\n  {a}"
        )
    };
    let mut shown = |restarts: &str| {
        let text =
            skynet_tests::console::until(&mut console, "tree", |text| text.contains(restarts));
        let text = text.strip_suffix("<CMD OK>\n").expect("it works");
        let (_, rest) = text.split_once('\n').expect("lines");
        plain(&format!("X\n{rest}"))
    };
    let a = "a :X child (permanent) running, restarts: 0\n";
    assert_eq!(shown(" 0 so far"), expected(a, 0));
    let mut killer = Console::enter(port);
    killer.ok("kill .a");
    let text = shown("restarts: 1,");
    let a = "a :X child (permanent) running, restarts: 1, last end: kill :X\n";
    assert_eq!(text, expected(a, 1));
    node.kill();
}

//! What error messages say: the thing, the place, the remedy.

use skynet_tests::{Node, lua_cases, skipped};

fn source(text: &str) -> Node {
    Node::source(&format!(
        "local skynet = require 'skynet'\nrequire 'skynet.manager'\n{text}"
    ))
}

mod places {
    use super::*;

    lua_cases! {
        "messages/places" {
            services;
            modules [snax = r#""./?.lua""#];
            handlers;
            protocols;
            arguments;
        }
    }
}

mod start {
    use super::*;

    #[test]
    fn a_log_file_that_cannot_be_opened() {
        let out = source("").key("logger", "'no/such/folder/node.log'").run();
        out.exit(1).has_error("Can't launch logger service");
        out.has_error(
            "cannot open the log file no/such/folder/node.log: No such file or directory",
        );
        out.has_error("the config key logger names it");
        let out = source("").key("logservice", "'nosuch'").run();
        out.exit(1)
            .has_error("Can't launch nosuch service\nthere is no such module");
    }

    #[test]
    fn a_log_file_that_cannot_be_opened_again() {
        let mut node = source(
            "skynet.start(function() skynet.timeout(100, function() skynet.abort() end) skynet.error 'begun' end)",
        )
        .key("logger", "'logs/node.log'")
        .file("logs/keep", "")
        .spawn();
        let log = node.path("logs/node.log");
        let text = move || std::fs::read_to_string(&log).unwrap_or_default();
        node.until("the first lines", |_| text().contains("begun"));
        std::fs::rename(node.path("logs"), node.path("moved")).expect("rename");
        node.signal("HUP");
        let moved = node.path("moved/node.log");
        let text = move || std::fs::read_to_string(&moved).unwrap_or_default();
        node.until("the complaint", |_| {
            text()
                .contains("cannot open the log file logs/node.log again: No such file or directory")
        });
        node.wait().exit(0);
    }

    #[test]
    fn a_variable_of_the_config_that_is_not_set() {
        let out = Node::config("thread = 2\n-- home of $SKYNET_TEST_NOBODY\n").run();
        out.exit(1)
            .has_error("os.getenv() failed: SKYNET_TEST_NOBODY\nconfig:2: $SKYNET_TEST_NOBODY: set the environment variable");
        let out = Node::config("thread = 2\nstart = {}").run();
        out.exit(1)
            .has_error("Invalid config table key = start\nconfig:2: start: write a string, a number or a boolean");
        let out = Node::config("harbor = 0\nmqlimit = 1\nmqpolicy = 'drop'").run();
        out.exit(1)
            .has_error("config:3: mqpolicy = `drop`: write \"warn\" or \"refuse\"");
    }
}

/// Modules that are not part of this version are said to be so; the list of places is the usual one.
#[test]
fn modules_of_skynet_that_are_not_there() {
    let out = source(
        r#"skynet.start(function()
            for _, name in ipairs { "lfs", "no_such_module" } do
                local ok, text = pcall(function()
                    local module = require(name)
                    return module
                end)
                assert(not ok and text:find("module '" .. name .. "' not found:", 1, true), text)
                assert(text:find("no file './" .. name:gsub("%.", "/") .. ".lua'", 1, true), text)
                assert(text:find "^%./main%.lua:%d+: module ", text)
                print(name, text:match "([^\n\t]*)$")
            end
            skynet.abort()
        end)"#,
    )
    .run();
    out.exit(0);
    out.has("lfs\t(lfs is a C module of its own: build it for Lua 5.5");
    out.has("no_such_module\t(add the folder of a Lua module to the config key lua_path");
}

/// All workers are stuck: the log service has none, so standard error tells, and so does the end of an orderly stop.
#[test]
fn stuck_workers() {
    let mut node = source("print 'spinning' while true do end")
        .key("thread", "1")
        .key("monitorinterval", "200")
        .key("shutdowntimeout", "300")
        .spawn();
    node.until("the monitor's text", |node| {
        node.stderr()
            .contains("error: :00000008 (snlua main) has been handling one message for")
    });
    node.signal("TERM");
    let out = node.wait();
    out.exit(1)
        .has_error("error: all workers are stuck, and the log with them")
        .has_error("skynet: services did not stop within 300 ms")
        .has_error("skynet: :00000008 (snlua main) has not come back from a message for");
}

/// With a worker left, the log tells too what keeps a stop from its end: a daemon has no standard error.
#[test]
fn a_stop_that_takes_too_long() {
    let mut node = source("print 'spinning' while true do end")
        .key("thread", "2")
        .key("shutdowntimeout", "300")
        .spawn();
    node.until_output("spinning");
    node.signal("TERM");
    node.wait()
        .exit(1)
        .has("[:00000000] SIGTERM: the node stops")
        .has("[:00000000] services did not stop within 300 ms")
        .has("[:00000000] :00000008 (snlua main) has not come back from a message for");
}

/// A log service in Lua that does not start cannot log why; the node goes on, as that of skynet (C). A preload script
/// that is missing is named with its key.
#[test]
fn log_service_and_preload() {
    let silent = |name: &str, text: &str| {
        let out = source("skynet.start(function() print 'GOES ON' skynet.abort() end)")
            .key("logservice", "'snlua'")
            .key("logger", &format!("'{name}'"))
            .file(
                "failing.lua",
                "local skynet = require 'skynet'
                skynet.start(function() skynet.error 'a last line' skynet.sleep(1) error 'as told' end)",
            )
            .run();
        out.exit(0).has("GOES ON").has_error(text);
        out.has_error("the log service (config keys logservice and logger) does not start");
        out
    };
    silent("nowhere", "lua loader error : cannot open ");
    silent("failing", "init service failed: ./failing.lua:2: as told")
        .has_error("[:00000001] a last line");
    let mut node = source("").key("preload", "'./nowhere.lua'").spawn();
    node.until_output("cannot open ./nowhere.lua: No such file or directory\n(the config key preload names the file)");
    node.kill().no_panic();
}

/// A log service in Lua: `before` in its main chunk, `body` in its start function.
fn own_log(main: &str, before: &str, body: &str) -> Node {
    let log = format!(
        r#"
        local skynet = require "skynet.manager"
        local function take()
            skynet.register_protocol {{
                name = "text", id = skynet.PTYPE_TEXT, unpack = skynet.tostring,
                dispatch = function(_, source, text) print(("LOG %d %s"):format(source, text)) end,
            }}
            skynet.dispatch("lua", function(_, _, text) print("LUA " .. text) end)
        end
        {before}
        skynet.start(function() {body} end)
        "#
    );
    source(main)
        .key("logservice", "'snlua'")
        .key("logger", "'own_log'")
        .file("own_log.lua", log)
}

/// Nobody can write to a log service in Lua before its start function has ended, however long it takes; its own lines
/// wait too, and come in order.
#[test]
fn a_log_service_that_starts_slowly() {
    let main = "skynet.error 'from main' skynet.send('.logger', 'lua', 'a message')
        skynet.start(function() skynet.timeout(5, skynet.abort) end)";
    let body = "skynet.error 'its second' skynet.sleep(20) take() skynet.error 'its third'";
    let out = own_log(main, "skynet.error 'its first'", body).run();
    out.exit(0).has_not("Unknown").in_order(&[
        "LOG 1 its first",
        "LOG 1 its second",
        "LOG 1 its third",
        "LOG 2 LAUNCH snlua bootstrap",
        "LOG 8 from main",
        "LUA a message",
    ]);
    assert_eq!(out.stderr, "", "{out}");
}

/// What waits has a bound.
#[test]
fn a_log_service_that_says_much_before_it_starts() {
    let main = "skynet.start(function() skynet.timeout(5, skynet.abort) end)";
    let before =
        "take() for i = 1, 30 do skynet.error(('%02d '):format(i) .. ('x'):rep(100000)) end";
    let out = own_log(main, before, "").run();
    out.exit(0)
        .has("LOG 1 10 x")
        .has_not("LOG 1 11 x")
        .has("LOG 0 error: 20 lines are missing here")
        .has("LOG 2 LAUNCH snlua bootstrap");
}

/// The start does not wait for ever.
#[test]
fn a_log_service_that_never_starts() {
    let main = "skynet.start(function() print 'GOES ON' skynet.abort() end)";
    let node = own_log(main, "take()", "skynet.wait()").key("logtimeout", "50");
    node.run().exit(0).has("GOES ON").has_error(
        "error: the log service own_log has not started within 50 ms (config key logtimeout)",
    );
}

/// It may have a message function of its own; then it has started when its main script has run.
#[test]
fn a_log_service_with_a_message_function_of_its_own() {
    let main = "skynet.start(function() skynet.timeout(5, skynet.abort) end)";
    let log = "require('skynet.core').callback(function(kind, msg, size)
        if kind == 0 then print('LOG ' .. require('skynet').tostring(msg, size)) end
    end)";
    let node = own_log(main, "", "")
        .file("own_log.lua", log)
        .key("logtimeout", "3600000");
    node.run().exit(0).has("LOG LAUNCH snlua bootstrap");
}

/// A first service that is not there ends the node, also after it has waited for the log.
#[test]
fn a_first_service_that_is_missing() {
    let node = own_log("", "take()", "").key("bootstrap", "'no_such_service'");
    node.run()
        .exit(1)
        .has("LOG 0 Bootstrap error : no_such_service");
    let node = own_log("", "error 'as told'", "").key("bootstrap", "'no_such_service'");
    node.run().exit(1).has_error("as told");
}

/// A log on a full disk.
#[test]
fn a_log_that_cannot_be_written() {
    if !std::path::Path::new("/dev/full").exists() {
        skipped("no /dev/full", "run the tests on Linux");
        return;
    }
    let main = r#"
        local skynet = require "skynet"
        require "skynet.manager"
        skynet.start(function()
            skynet.error "lost"
            skynet.sleep(1)
            skynet.error "lost too"
            skynet.sleep(1)
            skynet.abort()
        end)
    "#;
    let out = Node::source(main).key("logger", "'/dev/full'").run();
    out.exit(0);
    let text = "the log cannot be written to /dev/full: No space left on device; its lines are lost until it can";
    assert_eq!(out.stderr.matches(text).count(), 1, "{out}");
}

/// Whoever has launched such a service waits, as in skynet (C).
#[test]
fn a_script_without_a_start() {
    let mut node = Node::source("local skynet = require 'skynet'").spawn();
    node.until_output("warning: the script has not called skynet.start");
    node.signal("TERM");
    node.wait().exit(0);
}

//! What existing programs rely on, one line of the checklist after the other; what is not here is tested with its part.

use skynet_tests::{Node, lua_cases};

lua_cases! {
    "checklist/core" {
        roles_inside_one_file;
        exit_inside_a_handler;
        exit_with_a_call_outstanding;
        calls_in_sequence_and_in_parallel;
        ret_for_a_send;
        responses_fired_by_a_timer_loop;
        packed_values;
        deadline_by_hand => |out| {
            out.has_not("Unknown session");
        };
        term_of_an_unknown_global_name;
        launch_and_kill_for_long;
        local_and_global_names;
        ping_of_every_service;
        launcher_commands;
        debug_injection;
        close_variables;
        timeouts_in_order;
        sleep_zero_starves_nobody[thread = "1"];
        exit_of_the_start_service_with_others => |out| {
            out.in_order(&["KILL self", "outlived the start service"]);
        };
        overload => |out| {
            assert!((1..=3).contains(&out.count("error: May overload, message queue length = ")), "{out}");
        };
    }
}

mod network {
    use super::*;

    lua_cases! {
        "checklist/rpc" {
            sproto_rpc => |out| {
                out.has_times("lua call [", 2).has("Invalid unpack stream");
            };
        }
    }
}

/// Services that are named, line by line, on standard input.
#[test]
fn console() {
    let main = r#"
        local skynet = require "skynet"
        skynet.start(function() skynet.newservice "console" skynet.error "ready" end)
    "#;
    let child = r#"
        local skynet = require "skynet.manager"
        local name = ...
        skynet.start(function() skynet.error("child says " .. tostring(name)) if name == "last" then skynet.abort() end end)
    "#;
    let mut node = Node::source(main).file("child.lua", child).stdin().spawn();
    node.until_output("] ready");
    node.write("child first\n\nno_such_service\nchild last\n");
    let out = node.wait();
    out.exit(0)
        .in_order(&["child says first", "child says last"])
        .has("no_such_service")
        .has("[:00000009] LAUNCH snlua console")
        .has("[:0000000a] LAUNCH snlua child first");
}

/// Recorded lines of one trace: begin, call, request at the other side, response, end.
#[test]
fn trace_across_services() {
    let main = r#"
        local skynet = require "skynet.manager"
        if ... then
            return skynet.start(function()
                skynet.dispatch("lua", function() skynet.sleep(1) skynet.retpack(skynet.tracetag()) end)
            end)
        end
        skynet.start(function()
            skynet.trace "begin"
            local child = skynet.newservice(SERVICE_NAME, "child")
            local tag = skynet.call(child, "lua")
            print(tag == skynet.tracetag() and "same tag" or "another tag")
            skynet.abort()
        end)
    "#;
    let out = Node::source(main).run();
    out.exit(0).has("same tag");
    let lines: Vec<&str> = out
        .stdout
        .lines()
        .filter(|line| line.contains("<TRACE :00000008-"))
        .collect();
    for event in [
        " trace begin",
        " call : ",
        " request",
        " sleep",
        " resume",
        " response",
        " end",
    ] {
        assert!(
            lines.iter().any(|line| line.contains(event)),
            "no {event}\n{out}"
        );
    }
    assert!(
        lines
            .iter()
            .any(|line| line.contains(" call : ") && line.contains("main.lua:")),
        "{out}"
    );
    assert!(
        lines.iter().any(|line| line.starts_with("[:00000009]")),
        "the other service's lines\n{out}"
    );
}

/// The edge cases that were observed on skynet (C).
mod edges {
    use super::*;

    lua_cases! {
        "checklist/edges" {
            a_dead_handle;
            a_handle_as_text;
            handle_0;
            a_callee_that_raises => |out| {
                out.has("a text").has_times("lua call [", 2);
            };
            a_callee_that_exits;
            a_callee_that_is_killed;
            a_send_in_the_mailbox_of_the_dead;
            a_callee_that_forgets => |out| {
                out.has("Maybe forgot response session ");
            };
            a_type_that_is_not_registered;
            a_stray_answer => |out| {
                out.has("Unknown session : 12345 from ");
            };
            services_that_do_not_start;
            an_answer_without_values;
            fork_and_exit;
            wakeup_twice;
            patch_of_the_launcher;
        }
    }
}

/// The folder of old names need not be on disk; an own module of such a name comes first.
#[test]
fn old_module_names() {
    let main = r#"
        local skynet = require "skynet.manager"
        for _, name in ipairs { "cluster", "datacenter", "dns", "mqueue", "socket", "stm" } do
            assert(require(name) == require("skynet." .. name), name)
        end
        print("own", require "snax")
        print("none", pcall(require, "nothing"))
        skynet.start(skynet.abort)
    "#;
    let node = |path: &str| {
        Node::source(main)
            .file("snax.lua", "return 'an own module'")
            .key("lua_path", &format!("'{path}'"))
    };
    let out = node("./?.lua;./lualib/compat10/?.lua").run();
    out.exit(0).has("own\tan own module").has("none\tfalse");
    node("./?.lua")
        .key("shutdowntimeout", "1000")
        .spawn()
        .until_output("module 'cluster' not found");
}

/// What the service prints: each service's memory, and sums.
#[test]
fn cmemory() {
    let out = Node::source(
        r#"
        local skynet = require "skynet.manager"
        skynet.start(function()
            print("ended", skynet.newservice "cmemory")
            skynet.abort()
        end)
    "#,
    )
    .run();
    out.exit(0)
        .in_order(&[":00000008 ", "Total memory:\t", "Total block:\t", "ended"]);
    let line = out
        .stdout
        .lines()
        .find(|line| line.starts_with(":00000008 "));
    let kilobytes = line.and_then(|line| line[10..].strip_suffix('K'));
    let kilobytes: f64 = kilobytes.and_then(|k| k.parse().ok()).expect("a number");
    assert!((1.0..10_000.0).contains(&kilobytes), "{out}");
}

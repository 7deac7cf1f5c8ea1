//! The Lua API, function by function, with its edge cases.

use skynet_tests::{Node, lua_cases};

mod core {
    use super::*;

    lua_cases! {
        "api/core" {
            send_sessions;
            send_payloads;
            send_addresses;
            redirect;
            genid;
            commands;
            error_lines => |out| {
                out.has("] one 2 nil true 1.5").has("] metamethod");
                out.has("] nil");
                assert!(out.bytes.windows(8).any(|w| w == b"bin\x01ary\n"), "{out}");
            };
            harbor;
            callback;
            callback_forward;
            trace => |out| {
                let line = |tag: &str| {
                    let line = out.stdout.lines().find(|line| line.contains(tag));
                    line.unwrap_or_else(|| panic!("no {tag}\n{out}")).to_string()
                };
                assert!(line("<TRACE tag1> ").ends_with(" plain"), "{out}");
                let level = line("<TRACE tag2> ");
                assert!(level.contains(" level : ") && level.contains("core.lua:"), "{out}");
                assert!(line("<TRACE tag3> ").contains(" other : "), "{out}");
                let ns = line("<TRACE tag1> ");
                let ns = ns.split("<TRACE tag1> ").nth(1).unwrap().split(' ').next().unwrap();
                assert!(ns.parse::<u64>().is_ok(), "{ns}");
            };
            clocks;
            tostring_and_trash;
            admit;
            shown;
        }
    }
}

mod send {
    use super::*;

    lua_cases! {
        "api/send" {
            send;
            call;
            call_addresses;
            call_failures => |out| {
                out.has("as told").has("lua call [").has("stack traceback");
            };
            call_unregistered_type;
            rawcall;
            redirect;
            stray_response => |out| {
                out.has("Unknown session : 4711 from ");
            };
            forgotten_answer => |out| {
                out.has("Maybe forgot response session ").has("send.lua:");
            };
            many_calls_at_once;
            call_self;
        }
    }
}

mod reply {
    use super::*;

    lua_cases! {
        "api/reply" {
            ret => |out| {
                out.has("first ret: true").has("second ret: ").has("No session");
                out.has("ret on send: false").has("second ret on send: ");
            };
            context => |out| {
                out.has("after ret: nil true").has("in a fork: nil nil");
            };
            ignoreret => |out| {
                out.has("ret after ignoreret: ").has_not("Maybe forgot");
            };
            response => |out| {
                out.has("ret after response: ").has("second response: ").has("Can't response more than once");
                out.has("TEST before and after: true ").has("response on send: ").has_not("Maybe forgot");
            };
            response_false;
            response_to_the_dead;
            ret_to_the_dead;
        }
    }
}

mod select {
    use super::*;

    lua_cases! {
        "api/select" {
            completion_order;
            values;
            failures;
            timeout;
            late_answers_are_quiet => |out| {
                out.has_not("Unknown session");
            };
            leaving_the_loop => |out| {
                out.has_not("Unknown session");
            };
            blocking_in_the_loop;
            misuse;
            death_while_waiting;
        }
    }
}

mod time {
    use super::*;

    lua_cases! {
        "api/time" {
            clocks;
            sleep;
            wakeup_of_a_sleeper;
            wait;
            tokens;
            woken_in_order;
            the_timer_after_break => |out| {
                out.has_not("Unknown session");
            };
            timeout;
            timeout_that_fails => |out| {
                out.has("timer error");
            };
            outside_a_coroutine;
        }
    }
}

mod task {
    use super::*;

    lua_cases! {
        "api/task" {
            fork;
            fork_errors => |out| {
                out.has("first fork error").has("second fork error");
            };
            fork_many;
            killthread_of_a_fork;
            killthread_of_a_waiting_one;
            killthread_of_a_sleeper => |out| {
                out.has_not("Unknown session");
            };
            killthread_in_a_call => |out| {
                out.has_not("Unknown session");
            };
            killthread_of_a_handler;
            task;
            task_init;
            uniqtask;
            trace_timeout;
        }
    }
}

mod service {
    use super::*;

    lua_cases! {
        "api/service" {
            newservice => |out| {
                out.has("init service failed: ").has("start goes wrong").has("chunk goes wrong");
                out.has("attempt to yield from outside a coroutine").has("no_such_service.lua");
            };
            uniqueservice;
            uniqueservice_waiting;
            start_order;
            identity;
            env;
            stat;
            profile_off[profile = "false"];
            debug_protocol => |out| {
                out.has("Turn trace log true for lua").has("GC ").has(" Kb -> ").has("Kill x : Not found");
            };
            own_debug_command;
            term;
            unknown_global_name;
            awaited_global_names => |out| {
                out.has_times("Waiting for the global name", 1).has("Waiting for the global name [FORGOTTEN]");
            };
            memlimit_only_once => |out| {
                out.has("Set memory limit to 64.00 M");
            };
            queries_of_harbor;
        }
    }
}

mod protocol {
    use super::*;

    lua_cases! {
        "api/protocol" {
            constants;
            register;
            dispatch;
            own_protocol;
            unknown_custom;
            unknown_default => |out| {
                out.has("Unknown request (50): unregistered");
                out.has("Unknown request (registered): without dispatch");
                out.has(r"Unknown request (50): \x1b[31m\n[:00000001] forged");
                out.has("Response message : answer");
                out.has("Unknown session : 31 from ");
            };
        }
    }
}

mod manager {
    use super::*;

    lua_cases! {
        "api/manager" {
            launch;
            kill;
            names;
            forward_type;
            filter;
            own_dispatcher => |out| {
                out.has("refused here");
            };
            replaced;
            monitor;
            abort => |out| {
                out.has_not("survived");
            };
        }
    }
}

mod require {
    use super::*;

    lua_cases! {
        "api/require" {
            how_to_put_it_right => |out| {
                out.has("(add the folder of a service to the config key luaservice)");
            };
            names_of_functions => |out| {
                out.has_not("skynet.manager");
            };
            in_a_coroutine;
            concurrently;
            failing;
            odd_results;
            nested;
            init_outside;
            init_in_the_main_chunk;
            failing_init => |out| {
                out.has("init goes wrong");
            };
        }
    }
}

mod queue {
    use super::*;

    lua_cases! {
        "api/queue" {
            exclusive;
            values;
            errors;
            independent;
            mqueue;
        }
    }
}

mod modules {
    use super::*;

    lua_cases! {
        "api/modules" {
            codecache;
            cached_files;
            code_is_not_shared_state;
            service;
            datacenter;
        }
    }
}

mod trace {
    use super::*;

    lua_cases! {
        "api/trace" {
            tag => |out| {
                out.has("> ").has(" trace begin of the test").has(" request").has(" response").has(" end").has(" error");
                let calls = out.stdout.lines().filter(|line| line.contains("<TRACE ") && line.contains(" call : "));
                assert!(calls.filter(|line| line.contains("trace.lua:")).count() >= 3, "{out}");
            };
            tracecall => |out| {
                out.has("<TRACE forced-tag> ").has("tracecall begin").has("tracecall end");
            };
            traceproto;
            places => |out| {
                // By the application itself; whom it calls traces on with its tag.
                let own = out.stdout.lines().filter(|line| line.starts_with("[:00000008] <TRACE "));
                let places: Vec<_> = own
                    .filter_map(|line| line.split_once(" call : ").or(line.split_once(" sleep : ")))
                    .map(|(_, places)| places)
                    .collect();
                assert_eq!(places.len(), 8, "{places:#?}\n{out}");
                for place in places {
                    let first = place.split(' ').next().expect("a place");
                    let known = ["/api/trace.lua:", "/lib/check.lua:"];
                    assert!(known.iter().any(|file| first.contains(file)), "{place}\n{out}");
                }
            };
        }
    }
}

mod services {
    use super::*;

    lua_cases! {
        "api/services" {
            late_ones_are_told_apart[thread = "2"];
            killed_while_it_starts;
            exits_while_it_starts;
            dead_singletons_stay;
            list_of_what_is_pending;
            service_functions => |out| {
                out.has("No dispatch function");
            };
        }
    }
}

mod commands {
    use super::*;

    lua_cases! {
        "api/commands" {
            names => |out| {
                out.has("error: Can't register global name global in C");
                out.has("error: Can't set global name global in C");
            };
            lifetime => |out| {
                out.has("error: Can't convert garbage to handle");
            };
            environment;
            stat;
            signals => |out| {
                out.has_times("Current Memory ", 1);
            };
            registry;
            second_service_mgr => |out| {
                out.has(".service is already register by ");
            };
            launcher_texts => |out| {
                out.has("Invalid text command nonsense");
            };
            loglaunch[logpath = "'./'"];
            harbor_in_a_single_node => |out| {
                out.has("Can't connect to other harbor in single node mode");
            };
        }
    }
}

mod optional {
    use super::*;

    lua_cases! {
        "api/optional" {
            sockets;
            channels;
            gates;
            clusters;
            shared;
            channels_of_many;
            datacenters;
            launches;
        }
    }
}

mod original {
    use super::*;

    lua_cases! {
        "api/original" {
            replaced_start;
            replaced_library;
            replaced_exit;
            replaced_error;
            dropped_response => |out| {
                let place = out.stdout.split("the place is ").nth(1).and_then(|l| l.lines().next());
                let place = place.expect("a line").to_string();
                let lines: Vec<_> = out.stdout.lines().filter(|l| l.contains("dropped unused")).collect();
                assert!(lines.len() == 1 && lines[0].contains(&place), "{place}\n{out}");
            };
            falses;
            user;
            exchanged_protocols;
            inherited_protocols;
            small_things;
            collector;
            budget;
            warnings => |out| {
                assert_eq!(out.count("Memory warning"), 1, "{out}");
                out.has("Memory warning 80.");
            };
        }
    }
}

/// What a failing handler logs: who sent what, the message, a traceback, and the colours around it.
#[test]
fn error_line() {
    let out = Node::source(
        r#"
        local skynet = require "skynet.manager"
        skynet.start(function()
            skynet.dispatch("lua", function() error "the reason" end)
            skynet.send(skynet.self(), "lua", "abc")
            skynet.timeout(2, skynet.abort)
        end)
        "#,
    )
    .run();
    out.exit(0);
    let line = out
        .stdout
        .lines()
        .find(|line| line.contains("the reason"))
        .expect("logged");
    assert!(line.starts_with("[:00000008] lua call ["), "{out}");
    assert!(line.contains(" : 0 msgsz = 4] error : \u{1b}[31m"), "{out}");
    out.has("stack traceback").has("\u{1b}[0m");
}

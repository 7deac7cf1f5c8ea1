//! Login servers and message gates: the recorded conversations, the whole path of a player, and what strangers do.

use skynet_tests::{Node, Output, lua_cases, vectors, workspace};

/// A text as Lua source.
fn quote(text: &str) -> String {
    format!("[[{text}]]")
}

#[test]
fn recorded_cases() {
    let lua = vectors::cases_as_lua("gate.json");
    vectors::count(lua.lines().count() - 2, 35);
    Node::case("login/vectors", "all")
        .file("vectors_gate.lua", lua)
        .run()
        .passed();
}

lua_cases! {
    "login/server" {
        answers => |out| {
            out.has_times("connect from 127.0.0.1:", 14)
                .has("invalid client (fd = ")
                .has("Invalid password")
                .has("error = challenge failed")
                .has(": Invalid base64 text")
                .has("error = auth_handler has not returned server and uid")
                .has("You are not allowed to login");
        };
        replay => |out| {
            out.has_times("error = challenge failed", 3);
        };
        one_at_a_time => |out| {
            out.has_times("error = User held is logging in already", 3);
        };
        several_at_a_time;
        gone => |out| {
            out.has_times("auth failed: socket (fd = ", 4).has_times("error = socket error", 4);
        };
        pieces;
        long_lines => |out| {
            out.has_times("socket buffer overflow: fd=", 20).has_times("error = socket error", 20);
        };
        time_is_over => |out| {
            out.has_times("closed: no complete login within 0.5 s", 2);
        };
        unfinished => |out| {
            out.has("closed: too many clients have not finished");
        };
        thinking => |out| {
            out.has("closed: 4 clients wait for auth_handler");
        };
        chance;
        mistakes => |out| {
            out.has("login_handler is missing")
                .has("command_handler is missing")
                .has("auth_handler is missing")
                .has_times("port is missing, or not a number", 2)
                .has("instance has to be above 0")
                .has("Listen failed on 127.0.0.1 ");
        };
    }
}

/// The options that a case wants of its gate.
fn gate(case: &str, conf: &str) -> Output {
    let out = Node::case("login/gate", case)
        .key("gate_conf", &quote(conf))
        .run();
    out.passed();
    out
}

mod gate {
    use super::*;

    lua_cases! {
        "login/gate" {
            handshakes;
            answers => |out| {
                out.has("the handler has failed")
                    .has("attempt to concatenate a table value")
                    .has("string length does not fit in given size");
            };
            asked_again;
            conflict => |out| {
                out.in_order(&["Conflict session 38", "Invalid package Conflict session 38 : wait"]);
            };
            users => |out| {
                out.has("the user dXNlcg==@c2VydmVyMQ==#MQ== is logged in already")
                    .has("the user dXNlcg==@c2VydmVyMQ==#MQ== is not logged in")
                    .has("unknown command nonsense")
                    .has("servername is missing");
            };
            malformed => |out| {
                out.has_times("Invalid package a request has a session of 4 bytes at its end", 3);
            };
            chance;
        }
    }

    #[test]
    fn expiry() {
        gate("expiry", "{ expired_number = 4 }");
    }

    #[test]
    fn strangers() {
        gate("strangers", "{ timeout = 50 }").has("no handshake from 127.0.0.1:");
    }

    #[test]
    fn flood() {
        gate("flood", "{ maxpending = 10 }").has_times(
            "Invalid package the user has 10 requests without an answer",
            2,
        );
    }

    #[test]
    fn no_reader() {
        gate("no_reader", "{ maxoutput = 200000 }");
    }
}

/// Login server, gate and agents of `examples/login`.
mod path {
    use super::*;

    fn play(case: &str) {
        let examples = workspace().join("examples/login/?.lua");
        let lua = skynet_tests::lua_dir();
        let path = format!("{}/?.lua;{}", lua.display(), examples.display());
        Node::case("login/path", case)
            .key("luaservice", &quote(&path))
            .run()
            .passed();
    }

    #[test]
    fn players() {
        play("players");
    }

    #[test]
    fn from_elsewhere() {
        play("from_elsewhere");
    }

    #[test]
    fn strangers() {
        play("strangers");
    }
}

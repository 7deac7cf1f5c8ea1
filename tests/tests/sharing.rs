//! Data that services share: multicast channels, sharedata, datasheet, stm, memory, sproto, sharemap.

use skynet_tests::{Node, lua_cases, vectors};

mod multicast {
    use super::*;

    lua_cases! {
        "sharing/multicast" {
            ten_subscribers;
            order;
            channels;
            handlers => |out| {
                out.has("bad news").has("unreadable").has_not("Maybe forgot");
            };
            end_of_subscribers;
            one_payload;
            killed_holders;
            core;
            foreign_channel;
            filtered;
        }
    }

    /// A subscriber that never handles a message, as far as the daemon knows.
    const DEAF: &str = r#"
        local skynet = require "skynet"
        local id = ...
        skynet.start(function()
            local daemon = skynet.queryservice "multicastd"
            skynet.call(daemon, "lua", "SUB", math.tointeger(id))
            skynet.fork(function() local stop = skynet.hpc() + 1000000 while skynet.hpc() < stop do end end)
        end)
    "#;

    #[test]
    fn undelivered() {
        let out = Node::case("sharing/multicast", "undelivered")
            .file("deaf.lua", DEAF)
            .run();
        out.passed();
    }

    /// Another node's daemon: it knows the protocol by its number only.
    const FAR: &str = r#"
        local skynet = require "skynet"
        local listener = math.tointeger(...)
        skynet.register_protocol {
            name = "bytes", id = skynet.PTYPE_MULTICAST, unpack = skynet.unpack,
            dispatch = function(channel, source, ...)
                skynet.ignoreret()
                skynet.send(listener, "lua", "far", channel, source, ...)
            end,
        }
        skynet.dispatch("lua", function(_, _, ...) skynet.send(listener, "lua", "far", ...) end)
        skynet.start(function() end)
    "#;

    #[test]
    fn foreign_subscriber() {
        let out = Node::case("sharing/multicast", "foreign_subscriber")
            .file("far.lua", FAR)
            .run();
        out.passed();
    }
}

mod sharedata {
    use super::*;

    lua_cases! {
        "sharing/sharedata" {
            values;
            errors => |out| {
                out.has("Unknown data type number").has("on purpose").has("Invalid key 1.5");
                out.has("Invalid key type boolean").has("Unsupport value type function");
            };
            sources;
            update;
            atomic;
            delete;
            deepcopy;
            child_alone;
            lifetime;
            old_versions_go;
            keys;
            old_name;
        }
    }
}

/// With the files of a C installation on the paths, whose Lua side of these modules would not fit this native one.
#[test]
fn in_a_folder_of_skynet_c() {
    let mut node = Node::source(
        r#"
        local skynet = require "skynet"
        require "skynet.manager"
        skynet.start(function()
            require "skynet.multicast".new():publish "x"
            require "skynet.sharedata".new("d", { 1 })
            local shared = require "skynet.sharedata".query "d"
            require "skynet.datasheet.builder".new("d", { 2 })
            local sheet = require "skynet.datasheet".query "d"
            print("shared " .. shared[1] .. sheet[1])
            skynet.abort()
        end)
    "#,
    )
    .key("lua_path", "\"./?.lua;./?/init.lua\"")
    .key("luaservice", "\"./?.lua\"");
    for file in [
        "skynet/multicast.lua",
        "skynet/sharedata.lua",
        "skynet/sharedata/corelib.lua",
        "skynet/datasheet/init.lua",
        "skynet/datasheet/builder.lua",
        "skynet/datasheet/dump.lua",
        "multicastd.lua",
        "sharedatad.lua",
    ] {
        node = node.file(file, "error 'another file'");
    }
    node.run().exit(0).has("shared 12").has_not("another file");
}

mod datasheet {
    use super::*;

    lua_cases! {
        "sharing/datasheet" {
            compile;
            query;
            update;
            depth;
            old_versions_go;
            versions;
        }
    }
}

mod stm {
    use super::*;

    lua_cases! {
        "sharing/stm" {
            stm;
            stm_errors;
            stm_concurrent;
            memory => |out| {
                out.has("dump all service mem:").has("kb ").has("+total: ");
            };
            harbor => |out| {
                out.has("Can't connect to other harbor in single node mode");
            };
            old_names;
        }
    }
}

mod sproto {
    use super::*;

    #[test]
    fn recorded() {
        let cases = vectors::cases_as_lua("sproto.json");
        let count = cases.lines().count() - 2;
        vectors::count(count, 241);
        let out = Node::case("sharing/sproto", "recorded")
            .key("cases", &count.to_string())
            .file("vectors_sproto.lua", cases)
            .file(
                "schemas.lua",
                vectors::part_as_lua("sproto.json", "schemas"),
            )
            .run();
        out.passed();
    }

    lua_cases! {
        "sharing/sproto" {
            objects;
            decode_into;
            metamethods;
            loader;
            rpc;
            random_bytes;
            sharemap;
        }
    }
}

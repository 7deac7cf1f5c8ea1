//! What no other test uses: parts of libraries, services asked by message, config keys that only applications read.

use skynet_tests::{Node, lua_cases};

lua_cases! {
    "api/rest" {
        requests_with_a_function_for_the_answer;
        init_service;
        tracelog => |out| {
            out.has("<TRACE tag> ").has(" plain").has(" with a place : ").has("rest.lua:");
        };
        debug_commands;
        inject;
        injectcode;
        harbor_of_a_single_node => |out| {
            out.has("Can't connect to other harbor in single node mode");
        };
        datacenter_by_message;
        service_manager_by_message;
        launcher_by_message;
        shared_documents_by_parts;
        sharedatad_by_message;
        sheets_as_bytes;
        packages;
        schemas_by_parts;
        abort_by_command;
    }
    "net/driver" {
        datagrams;
        streams;
    }
}

#[test]
fn foreign_descriptors() {
    let mut node = Node::case("net/driver", "foreign_descriptors")
        .stdin()
        .spawn();
    node.until_output("ready");
    node.write("a line\n");
    node.wait().passed();
}

/// Keys that the runtime only hands on.
#[test]
fn keys_for_applications() {
    let main = r#"
        local skynet = require "skynet"
        require "skynet.manager"
        skynet.start(function()
            print(skynet.getenv "certfile", skynet.getenv "keyfile", skynet.getenv "own")
            skynet.abort()
        end)
    "#;
    Node::source(main)
        .key("certfile", "'a.pem'")
        .key("keyfile", "'b.pem'")
        .key("own", "1.5")
        .run()
        .exit(0)
        .has("a.pem\tb.pem\t1.5");
}

/// `enablessl`: a service holds the constructor's result of `ltls.init.c` for the whole node.
#[test]
fn enablessl() {
    let module = "return { constructor = function() require('skynet').error 'constructed' end }";
    let main = r#"
        local skynet = require "skynet"
        require "skynet.manager"
        skynet.start(function() print(require("skynet.service").query "ltls_holder" ~= nil) skynet.abort() end)
    "#;
    Node::source(main)
        .file("ltls/init/c.lua", module)
        .key("lua_path", "'./?.lua'")
        .key("enablessl", "true")
        .run()
        .exit(0)
        // What is printed and the log have no common order.
        .has("constructed")
        .has("true");
}

/// An object for a service of another node, which here is the same one.
#[test]
fn cluster_snax() {
    let class = "function response.double(n) return 2 * n end \
        function init() require('skynet.snax').enablecluster() end";
    let main = r#"
        local skynet = require "skynet"
        require "skynet.manager"
        local cluster = require "skynet.cluster"
        local snax = require "skynet.snax"
        skynet.start(function()
            local _, port = cluster.open(0)
            cluster.reload { here = "127.0.0.1:" .. port }
            local unique = snax.uniqueservice "twice"
            print("by its address", cluster.snax("here", "twice", unique.handle).req.double(4))
            print("the unique one", cluster.snax("here", "twice").req.double(21))
            skynet.abort()
        end)
    "#;
    let output = Node::source(main)
        .file("twice.lua", class)
        .key("snax", "'./?.lua'")
        .run();
    output
        .exit(0)
        .has("by its address\t8")
        .has("the unique one\t42");
}

#[test]
fn consoleaddress() {
    let main = r#"
        local skynet = require "skynet"
        require "skynet.manager"
        skynet.start(function() skynet.newservice("debug_console", 0) skynet.abort() end)
    "#;
    Node::source(main)
        .key("consoleaddress", "'127.0.0.2'")
        .run()
        .exit(0)
        .has("Start debug console at 127.0.0.2:");
}

//! What no other test uses: parts of libraries, services asked by message, config keys that only applications read.

use skynet_tests::{Node, lua_cases, skipped};

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

/// Services that print at the same time do not get into each other's lines, except with stock Lua.
#[test]
fn printed_lines_are_whole() {
    if std::env::var_os("SKYNET_TEST_STOCK").is_some() {
        skipped("Lua as it is published", "run without SKYNET_TEST_STOCK");
        return;
    }
    let main = r#"
        local skynet = require "skynet"
        require "skynet.manager"
        local id = ...
        if id then
            skynet.start(function()
                skynet.dispatch("lua", function()
                    for i = 1, 500 do
                        print("a line", i, ("x"):rep(100), "of", id)
                    end
                    skynet.ret()
                end)
            end)
            return
        end
        skynet.start(function()
            local requests = skynet.request()
            for i = 1, 4 do
                requests:add { skynet.newservice(SERVICE_NAME, i), "lua" }
            end
            for _ in requests:select() do
            end
            skynet.abort()
        end)
    "#;
    let out = Node::source(main).key("thread", "4").run();
    out.exit(0);
    let x = "x".repeat(100);
    for service in 1..=4 {
        for i in 1..=500 {
            let line = format!("a line\t{i}\t{x}\tof\t{service}");
            assert!(out.stdout.lines().any(|whole| whole == line), "{line}");
        }
    }
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

/// `enablessl`: a service calls the constructor of `ltls.init.c`, and `ltls.c` can be used in the whole node.
#[test]
fn enablessl() {
    let main = r#"
        local skynet = require "skynet"
        require "skynet.manager"
        skynet.start(function() print(require("skynet.service").query "ltls_holder" ~= nil, (pcall(require, "ltls.c"))) skynet.abort() end)
    "#;
    Node::source(main)
        .key("enablessl", "true")
        .run()
        .exit(0)
        .has("true\ttrue");
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

/// A client of a node that is a plain Lua program: it has sockets, sproto and standard input.
#[test]
fn client_program() {
    let server = r#"
        local skynet = require "skynet"
        local socket = require "skynet.socket"
        local sproto = require "sproto"
        local schema = sproto.parse ".greeting { text 0 : string }"
        skynet.start(function()
            local id, _, port = socket.listen("127.0.0.1", 0)
            socket.start(id, function(fd)
                socket.start(fd)
                while true do
                    local head = socket.read(fd, 2)
                    if not head then
                        break
                    end
                    local greeting = schema:decode("greeting", socket.read(fd, (">I2"):unpack(head)))
                    socket.write(fd, (">s2"):pack(schema:encode("greeting", { text = greeting.text:upper() })))
                end
                socket.close(fd)
                print "server: the client has gone"
            end)
            print("port", port, "end")
        end)
    "#;
    let client = r#"
        local socket = require "client.socket"
        local sproto = require "sproto"
        local schema = sproto.parse ".greeting { text 0 : string }"
        local port = math.tointeger(...)
        print("refused", pcall(socket.connect, "127.0.0.1", 1))
        print("no such", pcall(socket.recv, 999))
        local fd = socket.connect("127.0.0.1", port)
        print("nothing yet", select('#', socket.recv(fd)))
        local function receive(size)
            local text = ""
            while #text < size do
                local part = socket.recv(fd)
                if part == "" then
                    error "closed"
                elseif part then
                    text = text .. part
                else
                    socket.usleep(1000)
                end
            end
            return text
        end
        local function ask(text)
            local packet = (">s2"):pack(schema:encode("greeting", { text = text }))
            socket.send(fd, packet)
            return schema:decode("greeting", receive(#packet):sub(3)).text
        end
        print("answer", ask "hello", #ask(("x"):rep(60000)))
        local line
        repeat
            line = socket.readstdin()
            socket.usleep(1000)
        until line
        print("typed", line, ask(line))
        socket.shutdown(fd, "w")
        print("at the end", pcall(receive, 1))
        socket.close(fd)
        print("closed", pcall(socket.send, fd, "x"))
        while true do
            socket.readstdin()
            socket.usleep(1000)
        end
    "#;
    let mut node = Node::source(server).spawn();
    node.until_output("\tend");
    let text = node.stdout();
    let port = text.split("port\t").nth(1).expect("port");
    let port = port.split('\t').next().expect("number").to_owned();
    let mut program = Node::bare()
        .file("client.lua", client)
        .args(&["lua", "client.lua", &port])
        .stdin()
        .spawn();
    program.until_output("answer");
    program.write("typed text\n");
    program.until_output("closed\t");
    program.close_stdin();
    let out = program.wait();
    out.exit(1)
        .has("refused\tfalse\tConnect 127.0.0.1 1 failed")
        .has("no such\tfalse\tsocket error: Bad file descriptor")
        .has("nothing yet\t0")
        .has("answer\tHELLO\t60000")
        .has("typed\ttyped text\tTYPED TEXT")
        .has("at the end\tfalse\tclient.lua:15: closed")
        .has("closed\tfalse\tsocket error: Bad file descriptor");
    node.until_output("server: the client has gone");
}

//! The config file: evaluation, conversions, errors and what the keys do.

use skynet_tests::{Node, Output, lua_cases, lua_dir};

/// Runs a config that shows some keys as the services see them.
fn show(keys: &str, config: &str) -> Output {
    let lua = lua_dir().display();
    let text = format!(
        "harbor = 0\nstart = \"config/values\"\nluaservice = \"{lua}/?.lua\"\nshow = [[{keys}]]\n{config}"
    );
    let out = Node::config(&text).run();
    out.exit(0).no_panic();
    out
}

/// Runs a config that the node refuses.
fn refused(config: &str) -> Output {
    let out = Node::config(config).run();
    out.exit(1).no_panic();
    out
}

#[test]
fn conversions() {
    let out = show(
        "yes no int hex float whole negative text empty absent unknown.key big",
        r#"
        yes = true no = false int = 16 hex = 0x10 float = 1.5 whole = 12.0 negative = -3
        text = "a b" empty = "" absent = nil big = 1 << 40
        _ENV["unknown.key"] = "allowed"
        "#,
    );
    for line in [
        "yes=<true>",
        "no=<false>",
        "int=<16>",
        "hex=<16>",
        "float=<1.5>",
        "whole=<12.0>",
        "negative=<-3>",
        "text=<a b>",
        "empty=<>",
        "absent=nil",
        "unknown.key=<allowed>",
        "big=<1099511627776>",
    ] {
        out.has(line);
    }
}

#[test]
fn defaults_are_written_back() {
    let out = show(
        "thread cpath harbor bootstrap logservice profile daemon logger standalone start",
        "",
    );
    for line in [
        "thread=<8>",
        "cpath=<./cservice/?.so>",
        "harbor=<0>",
        "bootstrap=<snlua bootstrap>",
        "logservice=<logger>",
        "profile=<true>",
        "daemon=nil",
        "logger=nil",
        "standalone=<true>",
        "start=<config/values>",
    ] {
        out.has(line);
    }
}

/// The text that scripts know, and a line that says where and what to write.
#[test]
fn values_out_of_range() {
    refused("harbor = 0\nthread = 'four'")
        .has_error("Invalid thread 0 , should be in [1,1024]")
        .has_error("config:2: thread = `four`: write a whole number from 1 to 1024");
    refused("harbor = 0\n\nmqpolicy = 'drop'")
        .has_error("config:3: mqpolicy = `drop`: write \"warn\" or");
    refused("cpath = './x.so'").has_error("Invalid C service path");
}

#[test]
fn a_chunk_without_libraries() {
    refused("x = os.time()")
        .has_error("config:1: ")
        .has_error("'os'");
    refused("x = 1\ny = string.rep('x', 3)")
        .has_error("config:2: ")
        .has_error("'string'");
    show("include print", "print = nil")
        .has("include=nil")
        .has("print=nil");
}

#[test]
fn environment_variables() {
    let lua = lua_dir().display().to_string();
    let config = r#"
        -- a comment with $TEST_NAME in it
        thread = 2 harbor = 0 start = "config/values"
        luaservice = "$TEST_DIR/?.lua"
        show = "a b c"
        a = "$TEST_NAME-x$TEST_NUMBER"
        b = $TEST_NUMBER
        c = "100 $ and $"
    "#;
    let node = |text: &str| {
        Node::config(text)
            .env("TEST_DIR", &lua)
            .env("TEST_NAME", "name")
            .env("TEST_NUMBER", "12")
    };
    node(config)
        .run()
        .exit(0)
        .has("a=<name-x12>")
        .has("b=<12>")
        .has("c=<100 $ and $>");
    let out = node("-- even $NO_SUCH_VARIABLE here\n").run();
    out.exit(1)
        .has_error("os.getenv() failed: NO_SUCH_VARIABLE");
}

#[test]
fn includes() {
    let lua = lua_dir().display();
    let node = Node::config(&format!(
        r#"
        root = "$TEST_ROOT"
        before = "set before"
        include "sub/one.cfg"
        include "last.cfg"
        thread = 2 harbor = 0 start = "config/values" luaservice = "{lua}/?.lua"
        show = "seen from_one from_two from_three from_last from_absolute root"
        "#
    ))
    .file(
        "sub/one.cfg",
        "seen = before from_one = true include \"deeper/two.cfg\" include \"three.cfg\"",
    )
    .file("sub/deeper/two.cfg", "from_two = root .. '/two'")
    .file("sub/three.cfg", "from_three = '$TEST_ROOT/three'")
    .file(
        "last.cfg",
        "from_last = from_one include \"$TEST_ABSOLUTE\"",
    )
    .file("absolute.cfg", "from_absolute = 1");
    let absolute = node.path("absolute.cfg").display().to_string();
    let out = node
        .env("TEST_ROOT", "/root")
        .env("TEST_ABSOLUTE", &absolute)
        .run();
    out.exit(0);
    for line in [
        "seen=<set before>",
        "from_one=<true>",
        "from_two=</root/two>",
        "from_three=</root/three>",
        "from_last=<true>",
        "from_absolute=<1>",
        "root=</root>",
    ] {
        out.has(line);
    }
}

#[test]
fn includes_that_fail() {
    refused("include \"nosuch.cfg\"")
        .has_error("nosuch.cfg")
        .has_error("No such file or directory");
    let out = Node::config("include \"broken.cfg\"")
        .file("broken.cfg", "a = 1\nb = = 2")
        .run();
    out.exit(1).has_error("broken.cfg:2: ");
}

#[test]
fn a_config_in_another_folder() {
    let lua = lua_dir().display();
    let out = Node::bare()
        .file("etc/node.cfg", format!(
            "include \"common.cfg\"\nstart = \"config/values\" luaservice = \"{lua}/?.lua\" show = \"common\""
        ))
        .file("etc/common.cfg", "thread = 2 harbor = 0 common = \"beside it\"")
        .args(&["etc/node.cfg"])
        .run();
    out.exit(0).has("common=<beside it>");
}

#[test]
fn missing_config() {
    let out = Node::bare().args(&["nofile.cfg"]).run();
    out.exit(1)
        .has_error("[skynet config]:")
        .has_error(": ./nofile.cfg: No such file or directory");
}

#[test]
fn broken_config() {
    refused("a = 1\nb = $\n")
        .has_error("[skynet config]:")
        .has_error("config:2: unexpected symbol near '$'");
    refused("local t = nil\nx = t.field").has_error("config:2: attempt to index a nil value");
    refused("error 'by hand'").has_error("config:1: attempt to call a nil value (global 'error')");
    refused("thread = ").has_error("config:1: unexpected symbol near <eof>");
}

#[test]
fn config_that_does_not_end() {
    refused("while true do end").has_error("config:1: ");
    refused("local function f() return 1 + f() end x = f()").has_error("config");
    refused("local t = 'x' while true do t = t .. t end").has_error("config");
}

#[test]
fn invalid_tables() {
    refused("_ENV[1] = 'x'").has_error("Invalid config table");
    refused("_ENV[true] = 'x'").has_error("Invalid config table");
    refused("a = {}").has_error("Invalid config table key = a");
    refused("f = function() end").has_error("Invalid config table key = f");
}

#[test]
fn invalid_thread() {
    for thread in ["0", "-1", "1025", "\"zero\""] {
        let shown = thread.parse::<i64>().unwrap_or(0);
        refused(&format!("harbor = 0 thread = {thread}"))
            .has_error(&format!("Invalid thread {shown} , should be in [1,1024]"));
    }
}

#[test]
fn invalid_paths() {
    refused("thread = 2 harbor = 0 cpath = 'no mark'").has_error("Invalid C service path");
}

#[test]
fn log_service_that_cannot_start() {
    refused("harbor = 0 thread = 2 logservice = 'nosuch'").has_error("Can't launch nosuch service");
    refused("harbor = 0 thread = 2 logger = './no/such/folder/file.log'")
        .has_error("Can't launch logger service");
}

#[test]
fn bootstrap_that_cannot_start() {
    let out = refused("harbor = 0 thread = 2 bootstrap = 'nosuch with args'");
    out.has("[:00000000] Bootstrap error : nosuch with args");
}

#[test]
fn standalone_in_a_single_node() {
    let mut node = Node::program("config/values")
        .key("standalone", "\"127.0.0.1:1\"")
        .spawn();
    node.until_output("KILL self");
    assert!(node.alive(), "the process keeps running");
    node.kill().has("standalone");
}

/// The paths of a C installation that is not there: everything needed is in the binary.
#[test]
fn paths_of_a_c_installation() {
    let out = Node::source(r#"require "skynet.manager" require "skynet".start(function() print "up" require "skynet".abort() end)"#)
        .key("cpath", "\"./cservice/?.so\"")
        .key("lualoader", "\"./lualib/loader.lua\"")
        .key("lua_path", "\"./lualib/?.lua;./lualib/?/init.lua\"")
        .key("lua_cpath", "\"./luaclib/?.so\"")
        .key("luaservice", "\"./service/?.lua;./test/?.lua;./?.lua\"")
        .run();
    out.exit(0).has("up");
}

const ANSWERS: &str = r#"
    local skynet = require "skynet"
    skynet.start(function() skynet.dispatch("lua", function() skynet.retpack(ANSWER) end) end)
"#;

#[test]
fn service_search() {
    let answers = |text: &str| ANSWERS.replace("ANSWER", text);
    let lua = lua_dir().display();
    let out = Node::case("config/service", "search")
        .key(
            "luaservice",
            &format!("\"./first/?.lua;./second/?.lua;./dir/?/init.lua;{lua}/?.lua\""),
        )
        .file("first/both.lua", "this does not compile")
        .file("second/both.lua", answers("\"second\""))
        .file("first/hidden.lua", answers("\"first\""))
        .file("second/hidden.lua", answers("\"second\""))
        .file(
            "dir/packaged/init.lua",
            answers("SERVICE_NAME, SERVICE_PATH, require \"beside\""),
        )
        .file("dir/packaged/beside.lua", "return \"module in the folder\"")
        .run();
    out.passed();
    for file in [
        "./first/nowhere.lua",
        "./second/nowhere.lua",
        "./dir/nowhere/init.lua",
    ] {
        out.has(&format!("cannot open {file}"));
    }
}

#[test]
fn preload() {
    let out = Node::case("config/service", "preload")
        .key("preload", "\"./preload.lua\"")
        .file("preload.lua", "PRELOADED = table.concat({ ... }, ' ')")
        .run();
    out.passed();
}

/// The modules for services made from a function and for shared tables ask for their services when they are used, so a
/// preload script may require them although it runs in the services that start a node, too.
#[test]
fn preload_of_modules_with_services() {
    let main = r#"
        local skynet = require "skynet"
        local service = require "skynet.service"
        require "skynet.manager"
        local function counter(from)
            local skynet = require "skynet"
            local n = from
            skynet.dispatch("lua", function()
                n = n + 1
                skynet.retpack(n)
            end)
        end
        skynet.start(function()
            local handle = service.new("counter", counter, 5)
            print("counted", skynet.call(handle, "lua"), service.query "counter" == handle)
            shared.loadtable("t", { x = 7 })
            print("shared", shared.query("t").x)
            print("closed", service.close "counter", service.close "counter")
            skynet.abort()
        end)
    "#;
    let out = Node::source(main)
        .key("preload", "\"./preload.lua\"")
        .file(
            "preload.lua",
            "require 'skynet.service' shared = require 'skynet.sharetable'",
        )
        .run();
    out.has("counted\t6\ttrue")
        .has("shared\t7")
        .has("closed\ttrue\tfalse");
}

#[test]
fn log_service_in_lua() {
    let logger = r#"
        local skynet = require "skynet"
        skynet.register_protocol {
            name = "text", id = skynet.PTYPE_TEXT, unpack = skynet.tostring,
            dispatch = function(_, address, line) print(("mine %08x %.1f %s"):format(address, skynet.time(), line)) end,
        }
        skynet.register_protocol {
            name = "SYSTEM", id = skynet.PTYPE_SYSTEM, unpack = function(...) return ... end,
            dispatch = function() print "mine: reopen" end,
        }
        skynet.start(function() end)
    "#;
    let node = || {
        Node::case("config/service", "log_service")
            .key("logservice", "\"snlua\"")
            .key("logger", "\"mylogger\"")
            .file("mylogger.lua", logger)
    };
    let out = node().run();
    out.passed().has(" through my own logger").has_not("[:0");
    assert!(
        out.stdout
            .lines()
            .any(|line| line.starts_with("mine 00000008 ")
                && line.ends_with("through my own logger")),
        "{out}"
    );
    let mut running = node().key("start", "\"config/idle\"").spawn();
    running.until_output("KILL self");
    running.signal("HUP");
    running.until_output("mine: reopen");
}

#[test]
fn log_file() {
    let node = Node::source(r#"
        local skynet = require "skynet.manager"
        skynet.start(function() skynet.error("a line\nand a second") print "not in the log" skynet.abort() end)
    "#)
    .key("logger", "\"./node.log\"")
    .file("node.log", "old line\n");
    let path = node.path("node.log");
    let running = node.spawn();
    // The folder goes with the node, so the file is read while the node is still held.
    let text = {
        let mut running = running;
        running.until("the end of the log", |_| {
            std::fs::read_to_string(&path).is_ok_and(|text| text.contains("a second\n"))
        });
        let text = std::fs::read_to_string(&path).unwrap();
        running
            .wait()
            .exit(0)
            .has("not in the log")
            .has_not("a line");
        text
    };
    assert!(text.starts_with("old line\n"), "appended\n{text}");
    let line = text
        .lines()
        .find(|line| line.ends_with("a line"))
        .expect(&text);
    // dd/mm/yy HH:MM:SS.cc [:xxxxxxxx] text
    let shape: String = line
        .chars()
        .map(|c| if c.is_ascii_digit() { '9' } else { c })
        .collect();
    assert_eq!(shape, "99/99/99 99:99:99.99 [:99999999] a line");
    assert!(
        text.contains("\nand a second\n"),
        "a second line has no prefix\n{text}"
    );
}

#[test]
fn log_rotation() {
    let node = Node::program("config/idle").key("logger", "\"./node.log\"");
    let (path, rotated) = (node.path("node.log"), node.path("node.log.1"));
    let mut running = node.spawn();
    let has = |path: &std::path::Path, text: &str| {
        std::fs::read_to_string(path).is_ok_and(|file| file.contains(text))
    };
    running.until("the log of the start", |_| has(&path, "KILL self"));
    std::fs::rename(&path, &rotated).unwrap();
    running.signal("HUP");
    running.until("a new file", |_| path.exists());
    running.until("lines in the new file", |_| has(&path, "tick"));
    assert!(!has(&path, "KILL self"));
    running.signal("TERM");
    running.wait().exit(0);
}

lua_cases! {
    "config/service" {
        globals[lua_cpath = "'./native/?.so'"];
        arguments;
        message_log[logpath = "\"./\""] => |out| {
            out.has("Open log file").has("Close log file :").has("error: Can't convert");
        };
        message_log_of_sockets[logpath = "\"./\""];
    }
}

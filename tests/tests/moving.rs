//! Moving over from skynet (C): a team exchanges the program and leaves its installation where it is, on all paths of
//! the config. Its Lua libraries win and call the native halves of this program; its C libraries are never opened; its
//! loader prepares services.

use std::collections::BTreeSet;

use skynet_tests::installation::Installation;
use skynet_tests::{Node, Output, lua_dir, workspace};

/// The modules and services that ARCHITECTURE.md says always come from the program.
fn core() -> BTreeSet<String> {
    let text = std::fs::read_to_string(workspace().join("ARCHITECTURE.md")).expect("the map");
    let lists = ["* Core modules: ", "* Core services: "].map(|head| {
        let rest = text.split(head).nth(1).expect("the list");
        rest.split('.')
            .take_while(|part| !part.contains("\n\n"))
            .collect::<Vec<_>>()
            .join(".")
    });
    let names = lists
        .iter()
        .flat_map(|list| list.split('`').skip(1).step_by(2));
    names.map(str::to_owned).collect()
}

fn made() -> Installation {
    let core = core();
    assert!(
        core.contains("skynet.socket") && core.contains("service_cell"),
        "{core:?}"
    );
    Installation::made(|name| core.contains(name))
}

/// The cases of a Lua test program.
fn cases(file: &str) -> Vec<String> {
    let path = lua_dir().join(file).with_extension("lua");
    let text = std::fs::read_to_string(path).expect("the program");
    let names = text
        .lines()
        .filter_map(|line| line.strip_prefix("function case."));
    let names: Vec<String> = names
        .filter_map(|line| Some(line.split_once('(')?.0.to_owned()))
        .collect();
    assert!(!names.is_empty(), "{file}");
    names
}

fn all(installation: &Installation, file: &str) {
    for case in cases(file) {
        eprintln!("{file} {case}");
        let out = installation
            .around(Node::case(file, &case).key("thread", "2"))
            .run();
        out.passed()
            .has_not("ANOTHER LIBRARY")
            .has_not("the core of another program");
    }
}

/// The programs of the checklist, and of libraries that have native halves.
const PROGRAMS: &[&str] = &[
    "checklist/core",
    "checklist/edges",
    "api/modules",
    "api/queue",
    "api/services",
    "net/gate",
    "sharing/sharedata",
    "sharing/stm",
    "moving/cluster",
];

#[test]
fn programs_beside_an_installation() {
    let installation = made();
    for file in PROGRAMS {
        all(&installation, file);
    }
}

#[test]
fn programs_beside_a_real_installation() {
    let Some(installation) = Installation::real() else {
        return;
    };
    for file in PROGRAMS {
        all(&installation, file);
    }
}

skynet_tests::lua_cases! {
    "moving/cluster" {
        called;
        calls;
    }
}

const MAIN: &str = r#"
    local skynet = require "skynet.manager"
    skynet.start(function()
        for _, name in ipairs { "sproto", "sprotoparser", "snax.gateserver", "snax.interface", "skynet.queue", "skynet.snax" } do
            require(name)
            print("FROM", name, FROM_INSTALLATION and FROM_INSTALLATION[name])
        end
        local sproto = require("sproto").parse ".P { name 0 : string }"
        print("SPROTO", sproto:decode("P", sproto:encode("P", { name = "x" })).name)
        print("MAIN", LOADED_BY, skynet.newservice "console" ~= nil)
        local service = require "skynet.service"
        local cell = service.new("cell", function()
            local skynet = require "skynet"
            skynet.start(function()
                skynet.dispatch("lua", function() skynet.retpack(LOADED_BY, PRELOADED) end)
            end)
        end)
        print("CELL", skynet.call(cell, "lua"))
        for _, name in ipairs { "skynet.of_another_program", "skynet.crypt", "sproto.core", "client.socket" } do
            print("REQUIRE", name, pcall(require, name))
        end
        skynet.abort()
    end)
"#;

fn beside(installation: &Installation) -> Node {
    let node = installation.around(Node::source(MAIN));
    node.file("preload.lua", "PRELOADED = 'preloaded'")
        .key("preload", "'./preload.lua'")
}

fn halves(out: &Output) {
    out.exit(0)
        .has("SPROTO\tx")
        .has("REQUIRE\tskynet.crypt\ttrue")
        .has("REQUIRE\tsproto.core\ttrue")
        .has("REQUIRE\tclient.socket\ttrue")
        .has("REQUIRE\tskynet.of_another_program\tfalse")
        .has_not("ANOTHER LIBRARY");
}

/// Files of the installation win, native halves are this program's, its loader and preload prepare what
/// `skynet.service` makes.
#[test]
fn its_libraries_win() {
    let installation = made();
    let out = beside(&installation).run();
    halves(&out);
    for name in [
        "sproto",
        "sprotoparser",
        "snax.gateserver",
        "snax.interface",
        "skynet.queue",
        "skynet.snax",
    ] {
        out.has(&format!("FROM\t{name}\ttrue"));
    }
    out.has("MAIN\tthe loader of the installation\ttrue");
    out.has("CELL\tthe loader of the installation\tpreloaded");
    let skynet = installation.path("luaclib/skynet.so");
    out.has(&format!(
        "library '{skynet}' is not opened: it is skynet (C)'s own library, made for that program only; \
         of the modules in it skynet.of.another.program is not here"
    ));
}

#[test]
fn libraries_of_a_real_installation_win() {
    if let Some(installation) = Installation::real() {
        halves(&beside(&installation).run());
    }
}

/// Started in the folder of the installation with a config that has no paths: what is not in `./lualib` is in the
/// program, not in `./luaclib/skynet.so`.
#[test]
fn in_its_folder() {
    let installation = made();
    let main = "local skynet = require 'skynet.manager'
        skynet.start(function()
            require 'skynet.snax' require 'sproto' require 'skynet.mqueue' require 'skynet.datacenter'
            print 'FOUND' skynet.abort()
        end)";
    let mut node = Node::config("thread = 2 harbor = 0 start = 'main' lua_path = './app/?.lua'")
        .file("service/main.lua", main);
    for library in [
        "luaclib/skynet.so",
        "luaclib/sproto.so",
        "luaclib/client.so",
        "cservice/gate.so",
    ] {
        node = node.file(
            library,
            std::fs::read(installation.path(library)).expect("it"),
        );
    }
    node.run().exit(0).has("FOUND").has_not("ANOTHER LIBRARY");
}

/// With a loader of the application the key `preload` is that loader's, and may be a list of files.
#[test]
fn preload_is_the_loaders() {
    let loader = r#"
        local words = {}
        for word in (...):gmatch "%S+" do words[#words + 1] = word end
        SERVICE_NAME = words[1]
        local main
        for pattern in LUA_SERVICE:gmatch "[^;]+" do
            main = main or loadfile((pattern:gsub("?", SERVICE_NAME)))
        end
        package.path, package.cpath = LUA_PATH, LUA_CPATH
        for file in LUA_PRELOAD:gmatch "[^;]+" do assert(loadfile(file))() end
        require = require("skynet.require").require
        main(table.unpack(words, 2))
    "#;
    let snax = "function response.who() return PRELOADED end";
    let main = "local skynet = require 'skynet.manager'
        skynet.start(function()
            print('MAIN', PRELOADED)
            print('SNAX', require('skynet.snax').newservice('class').req.who())
            skynet.abort()
        end)";
    let node = Node::source(main)
        .file("loader.lua", loader)
        .file("one.lua", "PRELOADED = 'one'")
        .file("two.lua", "PRELOADED = PRELOADED .. ' two'")
        .file("class.lua", snax)
        .key("lualoader", "'./loader.lua'")
        .key("snax", "'./?.lua'")
        .key("preload", "'./one.lua;./two.lua;'");
    node.run().exit(0).has("MAIN\tone two").has("SNAX\tone two");
}

/// A loader that reads files in its own way is not asked for what it cannot find.
#[test]
fn a_loader_that_does_not_use_loadfile() {
    let loader = r#"
        local name = (...):match "%S+"
        local file = assert(io.open("./" .. name .. ".lua"))
        package.path, package.cpath = LUA_PATH, LUA_CPATH
        require = require("skynet.require").require
        assert(load(file:read "a"))()
    "#;
    let main = "local skynet = require 'skynet.manager'
        skynet.start(function()
            local cell = require('skynet.service').new('cell', function()
                local skynet = require 'skynet'
                skynet.start(function() skynet.dispatch('lua', function() skynet.retpack 'there' end) end)
            end)
            print('CELL', skynet.call(cell, 'lua'))
            skynet.abort()
        end)";
    let node = Node::source(main)
        .file("loader.lua", loader)
        .key("lualoader", "'./loader.lua'");
    node.run().exit(0).has("CELL\tthere");
}

/// A config that asks for TLS where there is none: it is said, and the node goes on.
#[test]
fn enablessl_without_tls() {
    let out = Node::source("local skynet = require 'skynet.manager' skynet.start(function() print 'STARTED' skynet.abort() end)")
        .key("enablessl", "true")
        .key("preload", "'./preload.lua'")
        .file("preload.lua", "package.preload['ltls.init.c'] = function() error 'no library' end")
        .run();
    out.exit(0)
        .has("STARTED")
        .has("error: enablessl = true, but there is no TLS: ");
}

/// `skynet check` compiles the files on the paths, and names modules that nobody has and what the libraries are.
#[test]
fn check_looks_at_the_files() {
    let installation = made();
    let luaclib = installation.path("luaclib/?.so");
    let config = format!(
        "harbor = 0 start = 'main' luaservice = './service/?.lua;./test/?/init.lua' lua_path = './lib/?.lua'\nlua_cpath = '{luaclib}'"
    );
    let check = |node: Node| {
        node.file("node.cfg", &config)
            .args(&["check", "node.cfg"])
            .run()
    };
    let node = || {
        Node::bare()
            .file("service/main.lua", "require 'skynet' require 'own' require 'skynet.snax' require 'string'")
            .file("lib/own.lua", "require('skynet.crypt') -- require 'comment'\nrequire 'skynet.of_another_program'\nrequire 'nobodys'")
            .file("test/one/init.lua", "require 'beside' pcall(require, 'perhaps') require 'nobodys'")
            .file("test/one/beside.lua", "")
    };
    let out = check(node());
    out.exit(0)
        .has("nobody has the module `nobodys`, which is required by lib/own.lua:3, and by 1 more")
        .has("nobody has the module `skynet.of_another_program`, which is required by lib/own.lua:2: library ")
        .has("/luaclib/skynet.so` is never a part of this node: it is skynet (C)'s own library")
        .has_times("nobody has the module", 2);
    let out = check(node().file("lib/loop.lua", "for i = 1, 3 do\n  i = i + 1\nend"));
    out.exit(0)
        .has("./lib/loop.lua:2: assigns to the variable of a for loop, which Lua 5.5 refuses")
        .has("copy it to a local variable first");
}

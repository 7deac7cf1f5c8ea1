//! Which file wins: the core always comes from the binary, everything else that ships gives way to a file on the search
//! paths, and an application's own loader changes neither.

use skynet_tests::Node;

/// What a loader of an application does, on disk only.
const LOADER: &str = r#"
    local words = {}
    for word in (...):gmatch "%S+" do words[#words + 1] = word end
    SERVICE_NAME = words[1]
    local main, reason
    for pattern in LUA_SERVICE:gmatch "[^;]+" do
        main, reason = loadfile((pattern:gsub("?", SERVICE_NAME)))
        if main then break end
    end
    assert(main, reason)
    package.path, package.cpath = LUA_PATH, LUA_CPATH
    require = require("skynet.require").require
    LOADED_BY = "the own loader"
    main(table.unpack(words, 2))
"#;

const MAIN: &str = r#"
    local skynet = require "skynet"
    require "skynet.manager"
    skynet.start(function()
        print("main by " .. tostring(LOADED_BY))
        skynet.newservice "console"
        print("queue: " .. tostring(require "skynet.queue"))
        print("manager: " .. type(require "skynet.manager"))
        require "skynet.sharetable"
        skynet.abort()
    end)
"#;

/// A service that says where it is from.
const OWN: &str = r#"
    local skynet = require "skynet"
    print "own console"
    skynet.start(function() end)
"#;

fn node() -> Node {
    Node::config("thread = 2 harbor = 0 start = 'app' luaservice = './service/?.lua' lua_path = './lualib/?.lua'")
        .file("service/app.lua", MAIN)
}

#[test]
fn the_core_comes_from_the_binary() {
    let out = node()
        .file("service/bootstrap.lua", "error 'another bootstrap'")
        .file("service/launcher.lua", "error 'another launcher'")
        .file("lualib/skynet.lua", "error 'another skynet'")
        .file("lualib/skynet/manager.lua", "error 'another manager'")
        .file("lualib/skynet/sharetable.lua", "error 'another sharetable'")
        .run();
    out.exit(0).has("manager: table").has_not("another");
}

#[test]
fn the_rest_gives_way() {
    let out = node()
        .file("service/console.lua", OWN)
        .file("lualib/skynet/queue.lua", "return 'own queue'")
        .run();
    out.exit(0).has("own console").has("queue: own queue");
    node().run().exit(0).has_not("own");
}

/// Found as a config that names the loader of a C installation, in a folder without that installation's services.
#[test]
fn an_own_loader_changes_neither() {
    let out = node()
        .file("lualib/loader.lua", LOADER)
        .file("service/launcher.lua", "error 'another launcher'")
        .run();
    out.exit(0)
        .has("main by the own loader")
        .has("manager: table")
        .has_not("another");
    let out = node()
        .file("lualib/loader.lua", LOADER)
        .file("service/console.lua", OWN)
        .run();
    out.exit(0).has("own console");
}

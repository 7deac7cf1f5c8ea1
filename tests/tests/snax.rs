//! snax: services with methods, their classes, and patches to running ones.

use skynet_tests::{Node, lua_cases};

const CLASSES: &str = concat!(
    "\"",
    env!("CARGO_MANIFEST_DIR"),
    "/lua/snax/classes/?.lua\""
);

/// A folder that does not exist comes first.
const TWO_FOLDERS: &str = concat!(
    "\"/nowhere/?.lua;",
    env!("CARGO_MANIFEST_DIR"),
    "/lua/snax/classes/?.lua\""
);

const LOADER: &str = concat!(
    "\"",
    env!("CARGO_MANIFEST_DIR"),
    "/lua/snax/custom_loader.lua\""
);

/// With the folder where `custom_globals` is.
const MODULES: &str = concat!(
    "\"",
    env!("CARGO_MANIFEST_DIR"),
    "/lua/lib/?.lua;",
    env!("CARGO_MANIFEST_DIR"),
    "/lua/snax/?.lua\""
);

lua_cases! {
    "api/optional" {
        snax[snax = CLASSES];
    }
    "snax/objects" {
        methods[snax = CLASSES];
        object[snax = CLASSES];
        unknown_methods[snax = CLASSES];
        errors[snax = CLASSES] => |out| {
            out.has("thing.lua:27: on request").has("thing.lua:31: on post").has("stack traceback:");
        };
        bind[snax = CLASSES];
        raw[snax = CLASSES];
        failing_init[snax = CLASSES] => |out| {
            out.has("no way");
        };
        no_such_class[snax = CLASSES];
        no_config;
        before_init[snax = CLASSES] => |out| {
            out.has("Init first").has_times("Already init", 3);
        };
        protocol[snax = CLASSES];
        called_post[snax = CLASSES] => |out| {
            out.has("Maybe forgot response");
        };
        enablecluster[snax = CLASSES];
        kill[snax = CLASSES] => |out| {
            out.in_order(&["exit of thing: a,1", "KILL self"]);
        };
        kill_with_requests[snax = CLASSES];
        exit_in_a_post[snax = CLASSES] => |out| {
            out.in_order(&["exit of thing: x,y", "KILL self"]).has_not("not reached").has_not("traceback");
        };
        printf[snax = CLASSES] => |out| {
            out.has("] text and 0042");
        };
        profile[snax = CLASSES];
        critical_section[snax = CLASSES];
        unique[snax = CLASSES];
        unique_fails[snax = CLASSES];
        global[snax = CLASSES];
        compat;
    }
    "snax/classes" {
        interface[snax = CLASSES];
        mistakes[snax = CLASSES];
        client_side[snax = CLASSES];
        folder[snax = CLASSES];
        custom[snax = CLASSES, snax_interface_g = "\"custom_globals\"", snax_loader = LOADER, lua_path = MODULES];
        no_custom_globals[snax = CLASSES];
        search_path[snax = TWO_FOLDERS];
    }
    "snax/hotfix" {
        variables[snax = CLASSES];
        results[snax = CLASSES];
        response[snax = CLASSES];
        functions[snax = CLASSES];
        new_variables[snax = CLASSES];
        ambiguous[snax = CLASSES];
        failures[snax = CLASSES];
        system_functions[snax = CLASSES] => |out| {
            out.has("the new exit\targument").has_not("the old exit");
        };
        globals[snax = CLASSES];
        running_method[snax = CLASSES];
    }
}

/// `snax <name> <arguments>` on standard input.
#[test]
fn console() {
    let main = r#"
        local skynet = require "skynet"
        skynet.start(function() skynet.newservice "console" skynet.error "ready" end)
    "#;
    let class = "function init(...) print('the class has got', ...) end";
    let mut node = Node::source(main)
        .file("class.lua", class)
        .key("snax", "\"./?.lua\"")
        .stdin()
        .spawn();
    node.until_output("ready");
    node.write("snax class a b\n");
    node.until_output("the class has got\ta\tb");
    node.kill().has("LAUNCH snlua snaxd class");
}

/// What ships gives way to a file of an application; its functions may be generated, say.
#[test]
fn own_interface() {
    let interface = r#"
        local function where() return SERVICE_NAME, SERVICE_PATH end
        return function()
            return {
                { 1, "system", "init" }, { 2, "system", "exit" }, { 3, "system", "hotfix" }, { 4, "system", "profile" },
                { 5, "response", "where", where },
            }, "./classes/?.lua"
        end
    "#;
    let main = r#"
        local skynet = require "skynet.manager"
        local snax = require "skynet.snax"
        skynet.start(function()
            local made = snax.newservice "made"
            print(made.req.where())
            print(snax.hotfix(made, "function response.where() end function hotfix() return 'patched' end"))
            print("now", (made.req.where()))
            skynet.abort()
        end)
    "#;
    let out = Node::source(main)
        .file("snax/interface.lua", interface)
        .run();
    out.exit(0)
        .in_order(&["made\t./classes/made/", "patched", "now\tnil"]);
}

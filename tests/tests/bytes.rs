//! Arguments, the environment, files and names are bytes for Lua code: older programs are written in GBK.

use skynet_tests::Node;
use skynet_tests::console::Console;

/// `\xd6\xd0` is one character in GBK, and no UTF-8. Everything is shown in hexadecimal.
const MAIN: &[u8] = b"
local skynet = require 'skynet'
require 'skynet.manager'
local ODD <const> = '\\xd6\\xd0'
local function show(what, ...)
    local values = table.pack(...)
    for i = 1, values.n do
        values[i] = tostring(values[i]):gsub('[^ -~]', function(c) return ('<%02x>'):format(c:byte()) end)
    end
    print(what .. ' ' .. table.concat(values, ' '))
end
local function file(name, text)
    local f = assert(io.open(name, 'w'))
    f:write(text)
    f:close()
end
skynet.start(function()
    show('env', skynet.getenv 'odd', skynet.getenv(ODD))
    skynet.setenv('x' .. ODD, ODD)
    show('setenv', skynet.getenv('x' .. ODD))
    file('./' .. ODD .. '.lua', [[
        local skynet = require 'skynet'
        local name = SERVICE_NAME
        local args = { ... }
        skynet.start(function()
            skynet.dispatch('lua', function(_, _, what)
                if what == 'fail' then error 'failed' end
                skynet.retpack(name, table.unpack(args))
            end)
        end)
    ]])
    local child = skynet.newservice(ODD, ODD .. 'a', 'b')
    show('child', skynet.call(child, 'lua'))
    skynet.name('.' .. ODD, child)
    show('name', skynet.localname('.' .. ODD) == child, skynet.call('.' .. ODD, 'lua') == ODD)
    skynet.name(ODD, child)
    show('global', skynet.call(ODD, 'lua'))
    show('query', require('skynet.core').command('QUERY', '.' .. ODD) == (':%x'):format(child))
    file('./m' .. ODD .. '.lua', 'return { ... }')
    show('require', table.unpack((require('m' .. ODD))))
    show('missing', select(2, pcall(require, 'n' .. ODD)))
    show('loadfile', loadfile('./m' .. ODD .. '.lua') ~= nil, loadfile('./n' .. ODD .. '.lua'))
    show('dofile', dofile('./m' .. ODD .. '.lua') ~= nil)
    file('./t' .. ODD .. '.lua', 'return { x = 1 }')
    local sharetable = require 'skynet.sharetable'
    sharetable.loadfile('./t' .. ODD .. '.lua')
    show('sharetable', sharetable.query('./t' .. ODD .. '.lua').x)
    show('list', skynet.call('.launcher', 'lua', 'LIST')[skynet.address(child)])
    file('./i' .. ODD .. '.lua', 'print(\"injected\", ...)')
    show('unique', skynet.uniqueservice(ODD) == skynet.queryservice(ODD))
    skynet.newservice('debug_console', 0)
    print 'READY'
end)
";

#[test]
fn arguments_environment_files_and_names() {
    let config = b"thread = 2 harbor = 0 start = 'main' luaservice = './?.lua' lua_path = './?.lua'\nodd = '\xd6\xd0' _ENV['\xd6\xd0'] = 'key'";
    let node = Node::bare().file("main.lua", MAIN).file("c.cfg", config);
    let mut node = node.args(&["c.cfg"]).spawn();
    node.until_output("READY\n");
    let mut port = None;
    node.until("the console's port", |node| {
        let out = node.stdout();
        let line = out.split("Start debug console at 127.0.0.1:").nth(1);
        port = line.and_then(|rest| rest.split_once('\n')?.0.parse().ok());
        port.is_some()
    });
    let mut console = Console::enter(port.expect("a port"));
    console.stream_write(b"inject .\xd6\xd0 ./i\xd6\xd0.lua \xd6\n");
    assert!(
        console
            .until(&["<CMD OK>\n"])
            .contains("injected\t\u{fffd}")
    );
    console.stream_write(b"stack .\xd6\xd0\n");
    assert!(console.until(&["<CMD OK>\n"]).contains("no coroutine"));
    node.signal("TERM");
    let out = node.wait();
    out.exit(0);
    for line in [
        "env <d6><d0> key",
        "setenv <d6><d0>",
        "child <d6><d0> <d6><d0>a b",
        "name true true",
        "global <d6><d0> <d6><d0>a b",
        "query true",
        "require m<d6><d0> ./m<d6><d0>.lua",
        "loadfile true nil cannot open ./n<d6><d0>.lua: No such file or directory",
        "dofile true",
        "sharetable 1",
        "list snlua <d6><d0> <d6><d0>a b",
        "unique true",
    ] {
        out.has(line);
    }
    out.has("module 'n<d6><d0>' not found:")
        .has("no file './n<d6><d0>.lua'");
    out.has("LAUNCH snlua \u{fffd}\u{fffd} \u{fffd}\u{fffd}a b");
    assert!(!out.stdout.contains('\u{10ffd6}'), "{out}");
}

#[test]
fn arguments_of_the_command() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().expect("folder");
    let main = folder
        .path()
        .join(std::ffi::OsStr::from_bytes(b"\xd6\xd0.lua"));
    let source = "local skynet = require 'skynet.manager' local arg = ...
        skynet.start(function() print('ARG', arg == '\\xd6\\xd0', SERVICE_NAME == '\\xd6\\xd0') skynet.abort() end)";
    std::fs::write(&main, source).expect("file");
    let mut command = std::process::Command::new(skynet_tests::skynet());
    command
        .arg("run")
        .arg(&main)
        .arg(std::ffi::OsStr::from_bytes(b"\xd6\xd0"));
    let out = command.output().expect("it runs");
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(
        out.status.success() && text.contains("ARG\ttrue\ttrue\n"),
        "{text}{}",
        String::from_utf8_lossy(&out.stderr)
    );
}

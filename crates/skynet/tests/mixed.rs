//! Services in Rust and in Lua on one node.

mod support;

use skynet::boot;
use skynet::config::{Config, Settings};
use skynet::kernel::Handle;
use skynet::service::{
    Actor, Addr, Cx, Error, Handler, Request, Value, Values, args, module, table,
};
use skynet::supervisor::{Restart, Strategy, Supervisor};
use std::fs;
use std::future::pending;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;
use support::{LIMIT, stop};

/// Answers to Lua, and asks back.
struct Native;

impl Actor for Native {
    async fn request(&self, cx: &Cx, request: &Request) -> Result<Values, Error> {
        let mut values = request.values()?;
        match values.first().and_then(Value::as_str) {
            Some("echo") => Ok(values.split_off(1)),
            Some("back") => cx.call(request.source(), &values[1..]).await,
            Some("fail") => Err("on purpose".into()),
            Some("panic") => panic!("on purpose"),
            Some("never") => pending().await,
            Some("exit") => {
                cx.exit();
                Ok(args!["not delivered, or delivered: either is in order"])
            }
            Some("newservice") => {
                let name = values.get(1).and_then(Value::as_str).ok_or("which?")?;
                Ok(args![i64::from(cx.newservice(name).await?.0)])
            }
            Some("deadline") => {
                let answer = cx.call(request.source(), args!["sleep", 100_000]);
                match answer.within(Duration::from_millis(10)).await {
                    Err(Error::Timeout) => Ok(args!["timeout"]),
                    other => Err(format!("{other:?}").into()),
                }
            }
            Some("value") => {
                // What only Rust services understand fails, and says so.
                let lua = Addr::<Native>::new(request.source());
                cx.tell(lua, Vec::<String>::new())?;
                match cx.ask(lua, Vec::<String>::new()).await {
                    Err(Error::CallFailed) => Ok(args!["no such message"]),
                    other => Err(format!("{other:?}").into()),
                }
            }
            Some("watch") => {
                let whom = values.get(1).and_then(Value::as_int).ok_or("whom?")?;
                match cx.call(Handle(whom as u32), args!["never"]).await {
                    Err(Error::CallFailed) => Ok(args!["it died"]),
                    other => Err(format!("{other:?}").into()),
                }
            }
            _ => Err("what?".into()),
        }
    }
}

impl Handler<Vec<String>> for Native {
    type Answer = usize;

    async fn handle(&self, _: &Cx, texts: Vec<String>) -> Result<usize, Error> {
        Ok(texts.len())
    }
}

/// Tells the test how it went.
struct Report(Mutex<Sender<Values>>);

impl Actor for Report {
    async fn request(&self, _: &Cx, request: &Request) -> Result<Values, Error> {
        self.0.lock().unwrap().send(request.values()?)?;
        Ok(args![])
    }
}

/// A Lua service and an actor under one supervisor.
fn tree() -> Supervisor {
    Supervisor::new(Strategy::RestForOne)
        .backoff([Duration::ZERO])
        .lua("child", Restart::Permanent, "child named")
        .child("native", Restart::Permanent, || Native)
}

/// Runs `body` in the start function of a Lua service, with `native`, a handle; returns what it returns.
fn lua(body: &str) -> Values {
    let folder = tempfile::tempdir().unwrap();
    let main = format!(
        "local skynet = require 'skynet' require 'skynet.manager'
        local commands = {{}}
        function commands.double(x) return x * 2 end
        function commands.sleep(cs) skynet.sleep(cs) return cs end
        function commands.fail() error 'in lua' end
        local function test(native) {body} end
        skynet.start(function()
            skynet.dispatch('lua', function(_, _, command, ...) skynet.retpack(commands[command](...)) end)
            local native = skynet.launch 'native'
            skynet.call(skynet.launch 'report', 'lua', pcall(test, native))
        end)"
    );
    fs::write(folder.path().join("main.lua"), main).unwrap();
    let child = "local skynet = require 'skynet' require 'skynet.manager' skynet.start(function()
        if ... == 'broken' then error 'broken' end
        if ... == 'named' then skynet.name('.child', skynet.self()) end
        skynet.dispatch('lua', function(_, _, command)
            if command ~= 'never' then return skynet.retpack(skynet.self()) end
            skynet.fork(function() skynet.kill(skynet.self()) end)
            skynet.wait()
        end)
    end)";
    fs::write(
        folder.path().join("child.lua"),
        format!("local mode = ... {}", child.replace("...", "mode")),
    )
    .unwrap();

    let mut config = Config::default();
    config.set("harbor", "0");
    config.set("thread", "2");
    config.set("logger", "/dev/null");
    config.set("luaservice", format!("{}/?.lua", folder.path().display()));
    let (sender, receiver) = channel();
    let sender = Mutex::new(sender);
    let node = boot::start_with(&Settings::new(&config).unwrap(), |builder| {
        let builder = builder.module("native", module(|| Native));
        builder.module("tree", module(tree)).module(
            "report",
            module(move || Report(Mutex::new(sender.lock().unwrap().clone()))),
        )
    })
    .unwrap();
    node.run();
    let result = receiver.recv_timeout(LIMIT);
    stop(&node);
    let mut values = result.expect("the Lua service reports");
    assert_eq!(values.remove(0), Value::from(true), "{values:?}");
    values
}

#[test]
fn lua_calls_rust() {
    assert_eq!(
        lua("return skynet.call(native, 'lua', 'echo', 1, 2.5, 'x', true, nil, {a = {1, 2}})"),
        args![1, 2.5, "x", true, (), table! { "a" => [1, 2] }]
    );
    assert_eq!(lua("return skynet.call(native, 'lua', 'echo')"), args![]);
}

#[test]
fn rust_calls_lua_while_lua_waits_for_it() {
    assert_eq!(
        lua("return skynet.call(native, 'lua', 'back', 'double', 21)"),
        args![42]
    );
    assert_eq!(
        lua("return skynet.call(native, 'lua', 'back', 'sleep', 2)"),
        args![2]
    );
}

#[test]
fn errors_cross_the_border() {
    let failed = args![false, "call failed"];
    for what in ["'fail'", "'panic'", "'what'", "'back', 'fail'"] {
        let body = format!("return pcall(skynet.call, native, 'lua', {what})");
        assert_eq!(lua(&body), failed, "{what}");
    }
}

#[test]
fn nobody_waits_for_a_dead_rust_service() {
    let body = "
        local results = {}
        for i = 1, 3 do
            skynet.fork(function()
                local ok = pcall(skynet.call, native, 'lua', 'never')
                results[#results + 1] = ok
            end)
        end
        skynet.sleep(1)
        skynet.kill(native)
        while #results < 3 do skynet.sleep(1) end
        return results[1], results[2], results[3], pcall(skynet.call, native, 'lua', 'echo')";
    let values = lua(body);
    assert_eq!(values[..4], args![false, false, false, false]);
    let body = "pcall(skynet.call, native, 'lua', 'exit') return pcall(skynet.call, native, 'lua', 'echo')";
    assert_eq!(lua(body)[0], Value::from(false));
}

#[test]
fn nobody_waits_for_a_dead_lua_service() {
    let body = "
        local child = skynet.newservice 'child'
        return skynet.call(native, 'lua', 'watch', child)";
    assert_eq!(lua(body), args!["it died"]);
}

#[test]
fn a_tree_of_both() {
    let body = "
        local tree = skynet.launch 'tree'
        local function child(before)
            while true do
                local handle = skynet.localname '.child'
                if handle and handle ~= before then return handle end
                skynet.sleep(1)
            end
        end
        local first = child()
        skynet.kill(first)
        local second = child(first)
        local own = skynet.call(second, 'lua') == second
        local ended
        skynet.watch(second, function(_, reason) ended = reason end)
        skynet.kill(tree)
        while not ended do skynet.sleep(1) end
        return own, ended";
    assert_eq!(lua(body), args![true, "kill"]);
}

#[test]
fn rust_has_deadlines() {
    assert_eq!(
        lua("return skynet.call(native, 'lua', 'deadline')"),
        args!["timeout"]
    );
}

#[test]
fn values_of_rust_types_mean_nothing_to_lua() {
    assert_eq!(
        lua("return skynet.call(native, 'lua', 'value')"),
        args!["no such message"]
    );
}

#[test]
fn rust_starts_lua_services() {
    let body = "
        local child = skynet.call(native, 'lua', 'newservice', 'child')
        return child == skynet.call(child, 'lua', 'self'), pcall(skynet.call, native, 'lua', 'newservice', 'child broken')";
    assert_eq!(lua(body), args![true, false, "call failed"]);
}

#[test]
fn rust_services_answer_many() {
    let body = "
        local done, sum = 0, 0
        for i = 1, 200 do
            skynet.fork(function()
                for j = 1, 10 do
                    local answer = skynet.call(native, 'lua', 'echo', j)
                    sum = sum + answer
                end
                done = done + 1
            end)
        end
        while done < 200 do skynet.sleep(1) end
        return sum";
    assert_eq!(lua(body), args![11_000]);
}

//! The process: command line, boot log, exit codes, signals, daemon mode, stopping.

use std::path::Path;

use skynet_tests::{Node, Output, lua_dir, running};

/// A program for `skynet run` that prints its arguments.
const MAIN: &str = r#"
    local skynet = require "skynet.manager"
    local args = { ... }
    skynet.start(function()
        print("args", #args, table.concat(args, "|"))
        skynet.abort()
    end)
"#;

/// Runs the command without a node's config.
fn command(args: &[&str]) -> Output {
    let out = Node::bare().args(args).run();
    out.no_panic();
    out
}

#[test]
fn no_argument() {
    let out = command(&[]);
    out.exit(1).has_error("usage: skynet configfilename");
    assert!(out.stderr.lines().count() >= 2, "{out}");
}

#[test]
fn help_and_version() {
    command(&["--help"])
        .exit(0)
        .has("run")
        .has("lua")
        .has("check");
    command(&["--version"]).exit(0).has("skynet");
}

#[test]
fn boot_log() {
    let mut node = Node::program("config/idle").spawn();
    node.until_output("KILL self");
    node.signal("TERM");
    let out = node.wait();
    let lines: Vec<&str> = out
        .stdout
        .lines()
        .filter(|line| !line.contains("tick"))
        .take(8)
        .collect();
    let want = [
        "[:00000002] LAUNCH snlua bootstrap",
        "[:00000003] LAUNCH snlua launcher",
        "[:00000004] LAUNCH snlua cdummy",
        "[:00000005] LAUNCH harbor 0 4",
        "[:00000006] LAUNCH snlua datacenterd",
        "[:00000007] LAUNCH snlua service_mgr",
        "[:00000008] LAUNCH snlua config/idle",
        "[:00000002] KILL self",
    ];
    assert_eq!(lines, want, "{out}");
}

#[test]
fn missing_start_script() {
    let mut node = Node::program("nosuch").spawn();
    node.until_output("[:00000002] KILL self");
    node.until_output("[:00000008] KILL self");
    assert!(node.alive(), "the process keeps running");
    node.kill().has("cannot open ").has("nosuch.lua");
}

#[test]
fn failing_start_script() {
    let mut node = Node::source("error 'start script fails'").spawn();
    node.until_output("[:00000002] KILL self");
    assert!(node.alive(), "the process keeps running");
    node.kill()
        .has("start script fails")
        .has("error: the start service 'main' has failed");
}

#[test]
fn a_failing_start_script_that_stops_the_node() {
    for source in [
        "error 'start script fails'",
        "local skynet = require 'skynet' skynet.start(function() error 'start script fails' end)",
    ] {
        let out = Node::source(source).key("startfail", "\"stop\"").run();
        out.exit(1).has("start script fails").has(
            "error: the start service 'main' has failed; the node stops (config key startfail)",
        );
    }
    Node::program("nosuch")
        .key("startfail", "\"stop\"")
        .run()
        .exit(1);
    let out = Node::source("").key("startfail", "\"perhaps\"").run();
    out.exit(1)
        .has_error("startfail = `perhaps`: write \"continue\" or \"stop\"");
}

#[test]
fn failing_bootstrap_script() {
    let mut node = Node::program("nosuch")
        .key("bootstrap", "\"snlua nosuch_bootstrap\"")
        .spawn();
    node.until_output("[:00000002] KILL self");
    assert!(node.alive(), "the process keeps running");
}

#[test]
fn bootstrap_of_ones_own() {
    let out = Node::program("unused")
        .key("bootstrap", "\"snlua main with args\"")
        .file("main.lua", MAIN)
        .run();
    out.exit(0)
        .has("args\t2\twith|args")
        .has("[:00000002] LAUNCH snlua main with args")
        .has_not("launcher");
}

#[test]
fn ends_with_its_last_service() {
    let out = Node::program("unused")
        .key("bootstrap", "\"snlua main\"")
        .file("main.lua", "local skynet = require 'skynet.manager' skynet.start(function() skynet.kill('.logger') skynet.exit() end)")
        .run();
    out.exit(0).no_panic();
}

#[test]
fn abort_in_the_main_chunk() {
    let out = Node::source("require 'skynet.manager' require 'skynet'.abort()").run();
    out.exit(0).no_panic();
}

#[test]
fn start_service_that_exits() {
    let mut node =
        Node::source("local skynet = require 'skynet' skynet.start(skynet.exit)").spawn();
    node.until_output("[:00000002] KILL self");
    node.until_output("[:00000008] KILL self");
    assert!(node.alive(), "the node runs on");
    node.kill().no_panic();
}

#[test]
fn many_nodes_start_and_stop() {
    for threads in ["1", "2", "3", "16"] {
        for _ in 0..3 {
            let out = Node::source(MAIN).key("thread", threads).run();
            out.exit(0).no_panic().has("args\t0");
        }
    }
}

#[test]
fn run_a_file() {
    let node = Node::bare()
        .file("app/main.lua", MAIN)
        .args(&["run", "app/main.lua", "one", "-2"]);
    node.run().exit(0).no_panic().has("args\t2\tone|-2");
}

#[test]
fn run_finds_what_is_beside_the_file() {
    let main = r#"
        local skynet = require "skynet.manager"
        local helper = require "helper"
        skynet.start(function()
            local other = skynet.newservice "other"
            print(helper, skynet.call(other, "lua"))
            skynet.abort()
        end)
    "#;
    let other = r#"
        local skynet = require "skynet"
        skynet.start(function() skynet.dispatch("lua", function() skynet.retpack(require "helper") end) end)
    "#;
    let out = Node::bare()
        .file("app/main.lua", main)
        .file("app/helper.lua", "return 'helper'")
        .file("app/other.lua", other)
        .args(&["run", "app/main.lua"])
        .run();
    out.exit(0).has("helper\thelper");
}

#[test]
fn run_a_missing_file() {
    let out = command(&["run", "nosuch.lua"]);
    assert_ne!(out.status.code(), Some(0), "{out}");
    out.has_error("nosuch.lua");
}

#[test]
fn run_a_failing_file() {
    for (source, why) in [
        ("error 'in the main chunk'", "in the main chunk"),
        (
            "require 'skynet'.start(function() error 'in the start function' end)",
            "in the start function",
        ),
        ("x = = 1", "main.lua:1:"),
        ("require 'no.such.module'", "config key lua_path"),
    ] {
        let node = Node::bare().file("main.lua", source);
        let out = node.args(&["run", "main.lua"]).run();
        out.exit(1);
        let told = [&out.stdout, &out.stderr].map(|text| text.contains(why));
        assert!(told.contains(&true), "{source}\n{out}");
    }
}

#[test]
fn run_with_an_unknown_option() {
    for args in [&["run", "--bad"][..], &["run", "-t", "2", "--bad", "x.lua"]] {
        command(args).exit(2).has_error("--bad").has_error("Usage:");
    }
}

#[test]
fn plain_lua() {
    let out = Node::bare()
        .file(
            "plain.lua",
            "print(_VERSION, arg[0], ...) os.exit(select('#', ...))",
        )
        .args(&["lua", "plain.lua", "a", "b"])
        .run();
    out.exit(2).has("Lua 5.5\tplain.lua\ta\tb");
    command(&["lua", "-e", "print(1 + 1)"]).exit(0).has("2");
    let out = command(&["lua", "-e", "error 'plain error'"]);
    out.exit(1)
        .has_error("plain error")
        .has_error("stack traceback");
    command(&["lua", "nosuch.lua"])
        .exit(1)
        .has_error("nosuch.lua");
    // Clients' modules are found, but a message about one that is not has nothing but what the stand-alone `lua` says.
    command(&[
        "lua",
        "-e",
        "package.path = '?.lua' package.cpath = '?.so' local _, text = pcall(require, 'no_such') print(#text, text == \"module \
         'no_such' not found:\\n\\tno field package.preload['no_such']\\n\\tno file 'no_such.lua'\\n\\tno file 'no_such.so'\")",
    ])
    .exit(0)
    .has("\ttrue");
}

#[test]
fn plain_lua_from_standard_input() {
    let mut node = Node::bare().args(&["lua", "-"]).stdin().spawn();
    node.write("print('from stdin', 6 * 7)\n");
    node.close_stdin();
    node.wait().exit(0).has("from stdin\t42");
}

#[test]
fn check_a_config() {
    let check = |text: &str| {
        Node::bare()
            .file("node.cfg", text)
            .file("broken.lua", "x = = 1")
            .args(&["check", "node.cfg"])
            .run()
    };
    let lua = lua_dir().display();
    check(&format!(
        "thread = 2\nharbor = 0\nstart = 'idle'\nluaservice = '{lua}/config/?.lua'\n"
    ))
    .exit(0)
    .has_not("LAUNCH");
    for (text, wants) in [
        ("thread = 2\nharbor = 0\nthread = 5000\n", "thread"),
        ("x = = 1", "node.cfg:1"),
        ("harbor = 0\nx = {}", "x"),
        (
            "harbor = 0\nstart = 'broken'\nluaservice = './?.lua'",
            "broken.lua:1:",
        ),
        (
            "harbor = 0\nenablessl = true\nthreads = 3\nthread = 2",
            "node.cfg:3: threads: warning:",
        ),
    ] {
        let out = check(text);
        assert_ne!(out.status.code(), Some(0), "{text}\n{out}");
        assert!(
            out.stdout.contains(wants) || out.stderr.contains(wants),
            "{text}\n{out}"
        );
    }
}

#[test]
fn term_and_int_stop_in_order() {
    for signal in ["TERM", "INT"] {
        let mut node = Node::program("boot/stop").spawn();
        node.until_output("] ready");
        node.signal(signal);
        let out = node.wait();
        out.exit(0)
            .no_panic()
            .has(&format!("[:00000000] SIG{signal}: the node stops"))
            .has_times("finalizer of a child", 3)
            .has_times("finalizer of main", 1);
    }
}

/// Programs that run others often signal the process and then its group. That is one wish: the stop stays an orderly
/// one.
#[test]
fn two_signals_at_once_are_one() {
    let mut node = Node::program("boot/stop").spawn();
    node.until_output("] ready");
    // Both wait for the process, however long it takes to send them.
    for signal in ["STOP", "TERM", "INT", "CONT"] {
        node.signal(signal);
    }
    let out = node.wait();
    out.exit(0)
        .no_panic()
        .has("the node stops")
        .has_times("finalizer of a child", 3)
        .has_times("finalizer of main", 1);
}

/// A service that never returns cannot hold the process until the deadline: a second signal ends it at once.
#[test]
fn second_signal_stops_at_once() {
    let mut node = Node::program("boot/stop")
        .key("busy", "1")
        .key("thread", "2")
        .key("shutdowntimeout", "3600000")
        .spawn();
    node.until_output("] spinning");
    // How soon the first one is seen depends on the machine.
    for _ in 0..300 {
        node.signal("TERM");
        std::thread::sleep(std::time::Duration::from_millis(200));
        if !node.alive() {
            break;
        }
    }
    node.wait().exit(128 + 15).no_panic();
}

#[test]
fn pipe_signal_is_ignored() {
    let mut node = Node::program("config/idle").spawn();
    node.until_output("tick");
    node.signal("PIPE");
    let ticks = |text: &str| text.matches("tick").count();
    let before = ticks(&node.stdout());
    node.until("life after SIGPIPE", |node| {
        ticks(&node.stdout()) > before + 2
    });
}

#[test]
fn hangup_without_a_log_file() {
    let mut node = Node::program("config/idle").spawn();
    node.until_output("tick");
    node.signal("HUP");
    let ticks = |text: &str| text.matches("tick").count();
    let before = ticks(&node.stdout());
    node.until("life after SIGHUP", |node| {
        ticks(&node.stdout()) > before + 2
    });
}

fn pid_in(file: &Path) -> Option<u32> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// Waits for something that another process does.
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = std::time::Instant::now();
    while !condition() {
        assert!(
            started.elapsed().as_secs() < 30,
            "waited too long for {what}"
        );
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// What keeps a daemon from starting is told by the process in the foreground.
#[test]
fn daemon_that_cannot_start() {
    let node = Node::program("config/idle")
        .key("daemon", "\"./node.pid\"")
        .key("logger", "\"./no/such/folder/node.log\"");
    let pid_file = node.path("node.pid");
    node.run().exit(1).has_error("Can't launch logger service");
    assert!(!pid_file.exists());
}

/// The lock on the pid file decides whether a node runs. Its pid may belong to somebody else by now, here to this test.
#[test]
fn daemon_with_a_stale_pid_file() {
    let node = Node::program("config/idle")
        .key("daemon", "\"./node.pid\"")
        .key("logger", "\"./node.log\"")
        .file("node.pid", std::process::id().to_string());
    let pid_file = node.path("node.pid");
    let foreground = node.spawn();
    let pid = || pid_in(&pid_file).filter(|&pid| pid != std::process::id());
    until("another pid", || pid().is_some());
    let pid = pid().expect("a pid");
    let _guard = KillOnDrop(pid);
    running::signal(pid, "TERM");
    until("the pid file to go", || !pid_file.exists());
    foreground.wait().exit(0);
}

/// Ends a daemon that a failing test would leave behind.
struct KillOnDrop(u32);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        if Path::new(&format!("/proc/{}", self.0)).exists() {
            running::signal(self.0, "KILL");
        }
    }
}

#[test]
fn daemon() {
    let node = Node::program("config/idle")
        .key("daemon", "\"./node.pid\"")
        .key("logger", "\"./node.log\"");
    let (pid_file, log) = (node.path("node.pid"), node.path("node.log"));
    let config = node.path("config");
    let foreground = node.spawn();
    let foreground_pid = foreground.pid();
    until("the pid of another process", || {
        pid_in(&pid_file).is_some_and(|pid| pid != foreground_pid)
    });
    let pid = pid_in(&pid_file).expect("pid file");
    let _guard = KillOnDrop(pid);
    until("the log", || {
        std::fs::read_to_string(&log).is_ok_and(|text| text.contains("tick"))
    });
    assert!(std::fs::read_to_string(&pid_file).unwrap().ends_with('\n'));

    // A second one is refused while the first lives.
    let second = Node::bare().args(&[&format!("{}/config2", config.parent().unwrap().display())]);
    let lua = lua_dir().display();
    std::fs::write(
        config.with_file_name("config2"),
        format!(
            "thread = 1 harbor = 0 start = 'config/idle' luaservice = '{lua}/?.lua' daemon = '{}'",
            pid_file.display()
        ),
    )
    .unwrap();
    second
        .run()
        .exit(1)
        .has_error(&format!("Skynet is already running, pid = {pid}."));
    assert!(
        Path::new(&format!("/proc/{pid}")).exists(),
        "the first one lives"
    );

    running::signal(pid, "TERM");
    until("the pid file to go", || !pid_file.exists());
    foreground.wait().exit(0).has_not("tick");
}

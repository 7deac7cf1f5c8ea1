//! The command: plain Lua, checks, refusals and exit codes that need no behaviour of services.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Far longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);

fn skynet(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skynet"));
    command.current_dir(folder).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

/// Waits for the end, within the limit.
fn ended(mut child: Child) -> Output {
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > LIMIT {
            child.kill().unwrap();
            panic!("it hangs: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    child.wait_with_output().unwrap()
}

/// Exit code, standard output and standard error of a run.
fn run(folder: &TempDir, args: &[&str]) -> (i32, String, String) {
    let child = skynet(folder.path()).args(args).spawn().unwrap();
    outcome(ended(child))
}

fn outcome(output: Output) -> (i32, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().expect("no signal"),
        text(output.stdout),
        text(output.stderr),
    )
}

fn piped(folder: &TempDir, args: &[&str], input: &str) -> (i32, String, String) {
    let mut child = skynet(folder.path())
        .args(args)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    outcome(ended(child))
}

#[test]
fn no_argument_is_told_in_two_lines() {
    let (code, out, err) = run(&folder(&[]), &[]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert_eq!(err.lines().count(), 2);
    assert_eq!(err.lines().last(), Some("usage: skynet configfilename"));
}

#[test]
fn configuration_errors_go_to_standard_error_as_they_are() {
    let files = [
        ("a.cfg", "a = 1\nb = $"),
        ("t.cfg", "thread = 0"),
        ("v.cfg", "x = {}"),
    ];
    let folder = folder(&files);
    for (file, text) in [
        (
            "no.cfg",
            "[skynet config]:1: ./no.cfg: No such file or directory\n",
        ),
        (
            "a.cfg",
            "[skynet config]:1: a.cfg:2: unexpected symbol near '$'\n",
        ),
        (
            "t.cfg",
            "Invalid thread 0 , should be in [1,1024]\n\
             t.cfg:1: thread = `0`: write a whole number from 1 to 1024, such as 8\n",
        ),
        (
            "v.cfg",
            "Invalid config table key = x\nv.cfg:1: x: write a string, a number or a boolean\n",
        ),
    ] {
        assert_eq!(
            run(&folder, &[file]),
            (1, String::new(), text.to_owned()),
            "{file}"
        );
    }
}

#[test]
fn a_node_of_a_network_without_an_address_ends() {
    let (code, out, err) = run(&folder(&[("c", "thread = 1")]), &["c"]);
    assert_eq!((code, err.as_str()), (1, ""));
    assert!(
        out.contains("the config has no `address`") && out.contains("harbor = 0 is a single node"),
        "{out}"
    );
}

#[test]
fn check_prints_findings_with_their_lines() {
    let folder = folder(&[
        (
            "good",
            "harbor = 0\nstart = 'a'\nluaservice = './?.lua'\nlogger = nil",
        ),
        ("a.lua", ""),
        ("bad", "include 'more'\nstart = 'nothing'\nthread = 2000"),
        ("more", "harbor = 0\n\nthreads = 3"),
        (
            "cluster",
            "harbor = 0\nstart = 'nothing'\ncluster = 'nodes'\nclusterbind = '127.0.0.1:80'\nclusterbuffer = 'much'",
        ),
        (
            "nodes",
            "db = '$HOME:80'\nother = '10.0.0.1'\nnone = false\n__nowaiting = true",
        ),
        ("broken", "a = 1\nb = ="),
        ("table", "\na = {}"),
        ("loop", "harbor = 0\nwhile true do end"),
    ]);
    assert_eq!(
        run(&folder, &["check", "good"]),
        (0, String::new(), String::new())
    );
    let (code, out, _) = run(&folder, &["check", "bad"]);
    assert_eq!(
        (code, out.as_str()),
        (
            1,
            "bad:2: start: no service `nothing`: there is no ./service/nothing.lua \
             (add its folder to `luaservice`, or start the node in the right folder)\n\
             bad:3: thread: `2000` is out of range or not a number (set it to a number from 1 to 1024)\n\
             more:3: threads: warning: unknown key that looks like `thread`, which is set, too \
             (remove it, or rename it if it is the application's own)\n"
        )
    );
    assert_eq!(
        run(&folder, &["check", "cluster"]),
        (
            1,
            "cluster:2: start: no service `nothing`: there is no ./service/nothing.lua \
             (add its folder to `luaservice`, or start the node in the right folder)\n\
             cluster:4: clusterbind: `127.0.0.1:80` is no address of this machine \
             (write an IP address or the name of this machine; the port is that of `cluster.open`)\n\
             cluster:5: clusterbuffer: `much` is out of range or not a number \
             (set it to a whole number from 1 to 2147483647)\n\
             nodes:2: other: Invalid address 10.0.0.1 \
             (write \"host:port\", \"[IPv6 address]:port\" or false)\n"
                .to_owned(),
            String::new()
        )
    );
    for (file, text) in [
        (
            "broken",
            "[skynet config]:1: broken:2: unexpected symbol near '='\n",
        ),
        (
            "table",
            "table:2: Invalid config table key = a\ntable:2: a: write a string, a number or a boolean\n",
        ),
        (
            "loop",
            "loop:2: the configuration has not ended after 200000000 instructions\n",
        ),
    ] {
        assert_eq!(
            run(&folder, &["check", file]),
            (1, text.to_owned(), String::new()),
            "{file}"
        );
    }
}

#[test]
fn lua_runs_code_files_and_standard_input() {
    let folder = folder(&[
        (
            "f.lua",
            "#!/usr/bin/env skynet\nprint(arg[0], arg[1], #arg, ...)",
        ),
        ("m.lua", "return { x = 'module' }"),
    ]);
    let done = |out: &str| (0, out.to_owned(), String::new());
    assert_eq!(
        run(&folder, &["lua", "f.lua", "a", "-b"]),
        done("f.lua\ta\t2\ta\t-b\n")
    );
    assert_eq!(
        run(&folder, &["lua", "-e", "x = 1", "-e", "print(x, arg[1])"]),
        done("1\tlua\n")
    );
    assert_eq!(
        run(&folder, &["lua", "-l", "m", "-e", "print(m.x)"]),
        done("module\n")
    );
    assert_eq!(
        run(&folder, &["lua", "-e", "y = 2", "f.lua", "z"]),
        done("f.lua\tz\t1\tz\n")
    );
    assert_eq!(piped(&folder, &["lua"], "print(1, ...)"), done("1\n"));
    assert_eq!(
        piped(&folder, &["lua", "-", "a"], "print(arg[0], ...)"),
        done("-\ta\n")
    );
    assert_eq!(run(&folder, &["lua", "-e", "os.exit(3)"]).0, 3);
}

#[test]
fn lua_errors_have_a_traceback() {
    let folder = folder(&[
        ("f.lua", "local function f() error 'deep' end\nf()"),
        ("s.lua", "x = ="),
    ]);
    let (code, out, err) = run(&folder, &["lua", "f.lua"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(
        err.starts_with("skynet: f.lua:1: deep\nstack traceback:\n"),
        "{err}"
    );
    assert!(err.contains("f.lua:2: in main chunk"), "{err}");
    let syntax = "skynet: s.lua:1: unexpected symbol near '='\n";
    assert_eq!(
        run(&folder, &["lua", "s.lua"]),
        (1, String::new(), syntax.to_owned())
    );
    assert!(
        run(&folder, &["lua", "no.lua"])
            .2
            .starts_with("skynet: cannot open no.lua")
    );
    let table = "skynet: (error object is a table value)\n";
    let (code, _, err) = run(&folder, &["lua", "-e", "error {}"]);
    assert_eq!((code, err.lines().next()), (1, table.lines().next()));
    let own = "error(setmetatable({}, { __tostring = function() return 'own text' end }))";
    assert_eq!(run(&folder, &["lua", "-e", own]).2, "skynet: own text\n");
    // What comes after an error is not run.
    assert_eq!(
        run(&folder, &["lua", "-e", "error 'x'", "-e", "print 'y'"]).1,
        ""
    );
}

#[test]
fn lua_ends_when_nobody_reads() {
    let folder = folder(&[]);
    let mut child = skynet(folder.path())
        .args(["lua", "-e", "while true do print 'y' end"])
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let status = ended(child).status;
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&status),
        Some(13),
        "SIGPIPE"
    );
}

#[test]
fn c_modules_find_the_lua_api() {
    let folder = folder(&[(
        "probe.c",
        "typedef struct lua_State lua_State;\n\
         extern const char *lua_pushfstring(lua_State *L, const char *format, ...);\n\
         extern long long luaL_checkinteger(lua_State *L, int index);\n\
         extern void lua_pushcclosure(lua_State *L, int (*f)(lua_State *), int n);\n\
         static int twice(lua_State *L) {\n\
             lua_pushfstring(L, \"twice %d\", (int)luaL_checkinteger(L, 1) * 2);\n\
             return 1;\n\
         }\n\
         int luaopen_probe(lua_State *L) { lua_pushcclosure(L, twice, 0); return 1; }\n",
    )]);
    let compiler = Command::new("cc")
        .current_dir(folder.path())
        .args(["-shared", "-fPIC", "-o", "probe.so", "probe.c"])
        .output()
        .unwrap();
    assert!(compiler.status.success(), "{compiler:?}");
    let code =
        "package.cpath = './?.so' print(require 'probe' (21)) print(pcall(require 'probe', 'x'))";
    let (code, out, err) = run(&folder, &["lua", "-e", code]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(
        out.starts_with("twice 42\nfalse\tbad argument #1 to"),
        "{out}"
    );
}

const IDLE: &str =
    "local skynet = require 'skynet' skynet.start(function() print 'up' io.stdout:flush() end)";

/// Starts `skynet run`, and waits for `up` in the output.
fn started(
    folder: &TempDir,
    args: &[&str],
) -> (Child, std::io::BufReader<std::process::ChildStdout>) {
    use std::io::BufRead;
    let mut child = skynet(folder.path()).arg("run").args(args).spawn().unwrap();
    let mut output = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while line.trim_end() != "up" {
        line.clear();
        assert!(
            output.read_line(&mut line).unwrap() > 0,
            "{:?}",
            ended(child)
        );
    }
    (child, output)
}

fn kill(child: &Child, signal: &str) {
    let status = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn run_stops_in_order_at_a_signal() {
    let folder = folder(&[("main.lua", IDLE)]);
    for signal in ["-TERM", "-INT"] {
        let (child, _output) = started(&folder, &["main.lua"]);
        kill(&child, signal);
        assert_eq!(ended(child).status.code(), Some(0), "{signal}");
    }
}

/// Matches in C, for longer than anybody waits: it cannot be interrupted.
const BUSY: &str = "local skynet = require 'skynet' require 'skynet.manager' skynet.start(function() \
                    skynet.fork(function() print 'up' io.stdout:flush() \
                    string.find(('a'):rep(60), ('a*'):rep(30) .. 'b') end) end)";

/// Loops, and catches what could end the loop, as often as it comes.
const LOOPING: &str = "local skynet = require 'skynet' skynet.start(function() skynet.dispatch('lua', function() \
                       while true do pcall(function() while true do end end) end end) end)";

/// Lets the service loop, does something, and stops the node.
fn stopped_beside_a_loop(what: &str, service: &str) -> (i32, String, String) {
    let main = format!(
        "local skynet = require 'skynet' require 'skynet.manager' skynet.start(function() \
         local it = skynet.newservice 'service' skynet.send(it, 'lua') skynet.sleep(10) {what} end)"
    );
    let folder = folder(&[("main.lua", main.as_str()), ("service.lua", service)]);
    run(
        &folder,
        &["run", "-t", "2", "-s", "shutdowntimeout=20000", "main.lua"],
    )
}

#[test]
fn a_loop_ends_with_its_service_and_lets_the_node_stop() {
    for what in ["skynet.abort()", "skynet.kill(it) skynet.abort()"] {
        let (code, log, _) = stopped_beside_a_loop(what, LOOPING);
        assert_eq!(code, 0, "{what}: {log}");
        assert!(
            log.contains("snlua service has ended and does not come back from its last message: it is interrupted"),
            "{what}: {log}"
        );
    }
}

#[test]
fn an_abort_that_takes_too_long_ends_with_1() {
    let main = BUSY.replace("print 'up'", "skynet.abort() print 'up'");
    let folder = folder(&[("main.lua", main.as_str())]);
    let (code, _, err) = run(
        &folder,
        &["run", "-t", "2", "-s", "shutdowntimeout=50", "main.lua"],
    );
    assert_eq!(code, 1);
    assert!(
        err.starts_with("skynet: services did not stop within 50 ms\n"),
        "{err}"
    );
    assert!(
        err.contains("(snlua main) has not come back from a message for "),
        "{err}"
    );
}

#[test]
fn a_stop_that_takes_too_long_ends_with_1() {
    let folder = folder(&[("main.lua", BUSY)]);
    let (child, _output) = started(
        &folder,
        &["-t", "2", "-s", "shutdowntimeout=50", "main.lua"],
    );
    kill(&child, "-TERM");
    let output = ended(child);
    assert_eq!(output.status.code(), Some(1));
    let err = String::from_utf8(output.stderr).unwrap();
    let (first, second) = err.split_once('\n').expect("two lines");
    assert_eq!(first, "skynet: services did not stop within 50 ms");
    assert!(
        second.starts_with("skynet: :00000009 (snlua main) has not come back from a message for "),
        "{err}"
    );
}

#[test]
fn a_second_signal_ends_at_once() {
    let folder = folder(&[("main.lua", BUSY)]);
    let (mut child, _output) = started(&folder, &["-t", "2", "main.lua"]);
    kill(&child, "-TERM");
    // Signals of the same number merge while they are pending, so the second is another one, some time later.
    let begun = Instant::now();
    while begun.elapsed() < LIMIT && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(50));
        // It may be gone by now.
        let _ = Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .stderr(Stdio::null())
            .status()
            .unwrap();
    }
    assert_eq!(ended(child).status.code(), Some(128 + 2));
}

#[test]
fn run_fails_if_the_service_does_not_start() {
    let folder = folder(&[
        ("syntax.lua", "x = ="),
        ("chunk.lua", "error 'in the chunk'"),
        (
            "start.lua",
            "require 'skynet'.start(function() error 'in start' end)",
        ),
        (
            "exit.lua",
            "local skynet = require 'skynet.manager' skynet.start(function() skynet.abort() end)",
        ),
        (
            "kv/main.lua",
            "local skynet = require 'skynet.manager' skynet.start(function() print 'main of kv' skynet.abort() end)",
        ),
    ]);
    let (code, out, err) = run(&folder, &["run", "syntax.lua"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert_eq!(err, "skynet: syntax.lua:1: unexpected symbol near '='\n");
    let (code, out, err) = run(&folder, &["run", "no.lua"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(
        err.starts_with("skynet: cannot open no.lua: No such file"),
        "{err}"
    );
    for (file, reason) in [("chunk.lua", "in the chunk"), ("start.lua", "in start")] {
        let (code, out, err) = run(&folder, &["run", file]);
        assert_eq!(code, 1, "{out}{err}");
        assert!(out.contains(reason), "the log tells why\n{out}");
        assert!(
            err.starts_with(&format!("skynet: {file} was not started: ")),
            "{err}"
        );
    }
    assert_eq!(run(&folder, &["run", "exit.lua"]).0, 0);
    let (code, out, _) = run(&folder, &["run", "kv"]);
    assert_eq!(code, 0);
    assert!(out.contains("main of kv\n"));
}

#[test]
fn a_bootstrap_that_cannot_start_is_logged() {
    let (code, out, err) = run(
        &folder(&[("c", "harbor = 0 bootstrap = 'nosuch a b'")]),
        &["c"],
    );
    assert_eq!((code, err.as_str()), (1, ""));
    assert!(
        out.contains("[:00000000] Bootstrap error : nosuch a b\n\n"),
        "{out}"
    );
}

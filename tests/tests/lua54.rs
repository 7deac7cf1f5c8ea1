//! Sources of Lua 5.4: files that assign to the variables of `for` loops, everywhere where code is loaded.
//!
//! Lua 5.4 itself is the oracle: random programs have the same output in both. Without the command `lua5.4` (package
//! `lua5.4`; `LUA54` names another one) that test is skipped, and says so.

use std::fmt::Write as _;
use std::process::{Command, Output, Stdio};

use skynet_tests::{Node, skipped, skynet};

/// Made of random statements about loops and their variables.
struct Program {
    seed: u64,
    text: String,
    /// Variables that may be used and assigned, the innermost last; and whether it is a loop's.
    scope: Vec<&'static str>,
    labels: usize,
}

const NAMES: [&str; 4] = ["i", "j", "k", "i"];

impl Program {
    fn random(seed: u64) -> String {
        let mut program = Program {
            seed: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            text: "local fs = {}\nlocal x = 0\n".to_owned(),
            scope: vec!["x"],
            labels: 0,
        };
        program.a_loop(1);
        program.block(0);
        program.line(1, "for n, f in ipairs(fs) do out('call', n, f(), f()) end");
        program.text
    }

    fn below(&mut self, n: usize) -> usize {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed % n as u64) as usize
    }

    fn one(&mut self, of: &[&'static str]) -> &'static str {
        of[self.below(of.len())]
    }

    fn line(&mut self, depth: usize, text: &str) {
        let _ = writeln!(self.text, "{:1$}{text}", "", depth);
    }

    fn variable(&mut self) -> &'static str {
        let scope = std::mem::take(&mut self.scope);
        let last = self.below(3) > 0;
        let name = if last {
            scope[scope.len() - 1]
        } else {
            self.one(&scope)
        };
        self.scope = scope;
        name
    }

    fn block(&mut self, depth: usize) {
        for _ in 0..1 + self.below(4) {
            self.statement(depth + 1);
        }
    }

    fn statement(&mut self, depth: usize) {
        let v = self.variable();
        match self.below(if depth > 4 { 10 } else { 14 }) {
            0 => self.line(depth, &format!("out({v})")),
            1 => {
                let by = self.one(&["1", "-1", "0.5", "x", "3"]);
                self.line(depth, &format!("{v} = {v} + {by}"));
            }
            2 => {
                let w = self.variable();
                self.line(depth, &format!("{v}, {w} = {w}, {v}"));
            }
            3 => self.line(
                depth,
                &format!("fs[#fs + 1] = function() {v} = {v} + 1 return {v} end"),
            ),
            4 => self.line(depth, &format!("fs[#fs + 1] = function() return {v} end")),
            5 => {
                let other = self.one(&["'text'", "nil", "{}", "7", "1e15", "x"]);
                self.line(
                    depth,
                    &format!("do local old = {v} {v} = {other} out({v}) {v} = old end"),
                );
            }
            6 => self.line(
                depth,
                &format!("do local c <close> = closer 'block' local s <const> = {v} out(s) end"),
            ),
            7 => self.line(
                depth,
                &format!("if #fs > 0 then out('fs', fs[#fs]()) end out({v})"),
            ),
            8 => self.line(
                depth,
                &format!("local function f() {v} = 2 end f() out({v})"),
            ),
            9 => self.line(depth, &format!("function {v}() end {v} = 4")),
            10 => {
                self.line(depth, &format!("if odd({v}) then"));
                self.block(depth);
                self.line(depth, "end");
            }
            11 => {
                self.line(depth, "repeat local n = tick()");
                self.block(depth);
                self.line(depth, "until n % 2 == 0");
            }
            _ => self.a_loop(depth),
        }
    }

    fn a_loop(&mut self, depth: usize) {
        let name = self.one(&NAMES);
        let inside = self.scope.len();
        let kind = self.below(8);
        let head = match kind {
            0 => format!("for {name} = 1, 3 do"),
            1 => format!("for {name} = 3, 1, -1 do"),
            2 => format!("for {name} = 0.5, 2, 0.5 do"),
            3 => format!("for {name} = math.maxinteger - 1, math.maxinteger do"),
            4 => {
                let last = self.variable();
                format!("for {name} = 1, number({last}) do")
            }
            5 => {
                let second = self.one(&["v", name]);
                format!("for {name}, {second} in ipairs {{ 5, 6.5, 7 }} do")
            }
            6 => format!("for {name} in counter(3) do"),
            _ => format!("for {name}, v, w in counter(2), nil, nil, closer 'loop' do"),
        };
        self.line(depth, &format!("{head} tick()"));
        self.scope.push(name);
        self.block(depth);
        let label = self.labels;
        self.labels += 1;
        match self.below(3) {
            // Some releases of Lua 5.4 do not close the fourth value of a loop that is left by `break`.
            0 if kind < 7 => {
                let v = self.variable();
                self.line(depth + 1, &format!("if odd({v}) then break end"));
            }
            1 => {
                let v = self.variable();
                self.line(depth + 1, &format!("if odd({v}) then goto l{label} end"));
                self.line(depth + 1, &format!("do {name} = {name} out({name}) end"));
                self.line(depth + 1, &format!("::l{label}::"));
            }
            _ => {}
        }
        self.scope.truncate(inside);
        self.line(depth, "end");
    }
}

/// What the programs use. Lua 5.5 writes floats with all their digits, so that `out` fixes how many.
const AROUND: &str = r#"
local lines, ticks
local function show(v)
	if math.type(v) == 'float' then return ('%.10g'):format(v) end
	local kind = type(v)
	return (kind == 'table' or kind == 'function') and kind or tostring(v)
end
function out(...)
	local all = table.pack(...)
	for i = 1, all.n do all[i] = show(all[i]) end
	if #lines < 200 then lines[#lines + 1] = table.concat(all, ' ') end
end
function tick()
	ticks = ticks + 1
	if ticks > 300 then error('enough', 0) end
	return ticks
end
function odd(v) return type(v) == 'number' and v % 2 >= 1 end
function number(v) return type(v) == 'number' and v < 4 and v or 2 end
function closer(name) return setmetatable({}, { __close = function() out('close', name) end }) end
function counter(n) local i = 0 return function(_, control) i = i + 1 if i <= n then return i, control, n end end end
function run(source)
	lines, ticks = {}, 0
	local f = assert(load(source, '=p'))
	out(pcall(f))
	print(table.concat(lines, '\n'))
end
"#;

fn lua54() -> Option<String> {
    let command = std::env::var("LUA54").unwrap_or_else(|_| "lua5.4".to_owned());
    let version = Command::new(&command).arg("-v").output();
    if version.is_ok_and(|v| String::from_utf8_lossy(&v.stdout).starts_with("Lua 5.4")) {
        return Some(command);
    }
    skipped(
        &format!("no command {command}"),
        "apt-get install lua5.4, or set LUA54",
    );
    None
}

fn run(mut command: Command) -> Output {
    command.stdin(Stdio::null()).output().expect("it runs")
}

#[test]
fn random_programs_mean_what_they_mean_in_lua_5_4() {
    let Some(oracle) = lua54() else { return };
    let count: u64 = std::env::var("LUA54_PROGRAMS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(1500);
    let folder = tempfile::tempdir().expect("folder");
    let mut file = AROUND.to_owned();
    for seed in 1..=count {
        let _ = writeln!(
            file,
            "print 'program {seed}' run[==[\n{}]==]",
            Program::random(seed)
        );
    }
    let path = folder.path().join("programs.lua");
    std::fs::write(&path, file).expect("written");
    let mut theirs = Command::new(oracle);
    theirs.arg(&path);
    let mut ours = Command::new(skynet());
    ours.args(["lua", "--lua54", "true"]).arg(&path);
    let (theirs, ours) = (run(theirs), run(ours));
    let [theirs_said, ours_said] =
        [&theirs, &ours].map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let parts = |text: &str| -> Vec<String> {
        let parts = text.split("program ").skip(1);
        parts.map(str::to_owned).collect()
    };
    let (theirs_parts, ours_parts) = (parts(&theirs_said), parts(&ours_said));
    for (seed, (theirs, ours)) in (1..).zip(theirs_parts.iter().zip(&ours_parts)) {
        assert_eq!(theirs, ours, "program {seed}:\n{}", Program::random(seed));
    }
    assert_eq!(theirs_parts.len() as u64, count, "{theirs:?}");
    assert_eq!(ours_parts.len() as u64, count, "{ours:?}");
    // Most of them have run to their end.
    let ended = theirs_said.matches("\ntrue\n").count() as u64;
    assert!(ended > count / 2, "{ended} of {count}");
}

/// Assigns to the variable of a loop, in line 2.
const OLD: &str = "local all = {} for i = 1, 3 do\n i = i * 2 all[#all + 1] = i end return table.concat(all, ' ')";
const REFUSED: &str = "old.lua:2: attempt to assign to const variable 'i'";
const TOLD: &str = "old.lua:2: assigns to the variable of a for loop";

/// A node whose files are all of Lua 5.4.
fn node(lua54: Option<&str>) -> Node {
    let main = r#"
        for i = 1, 2 do i = i + 1 end
        local skynet = require "skynet" require "skynet.manager"
        local text = [[for i = 1, 1 do i = 7 return i end]]
        skynet.start(function()
            print("require", pcall(require, "old"))
            local f, why = loadfile "./lualib/old.lua" print("loadfile", f and f() or why)
            f, why = require "skynet.codecache".loadfile "./lualib/old.lua" print("codecache", f and f() or why)
            require "skynet.codecache".clear()
            print("dofile", pcall(dofile, "./lualib/old.lua"))
            f, why = load(text) print("load", f and f() or why)
            local n = 0
            f, why = load(function() n = n + 1 return text:sub(n, n) end, "=pieces") print("pieces", f and f() or why)
            local ok, service = pcall(skynet.newservice, "service54") print("service", ok)
            require "skynet.codecache".mode "OFF"
            f, why = loadfile "./lualib/old.lua" print("off", f and f() or why)
            print("sharetable", pcall(require "skynet.sharetable".loadstring, "t", "for i = 1, 1 do i = 2 end return {}"))
            skynet.abort()
        end)"#;
    let main = match lua54 {
        Some("false") => main.replacen("for i = 1, 2 do i = i + 1 end", "", 1),
        _ => main.to_owned(),
    };
    let node = Node::source(&main)
        .file("lualib/old.lua", OLD)
        .file(
            "service54.lua",
            "for i = 1, 1 do i = 2 end require 'skynet'.start(function() end)",
        )
        .key("luaservice", "'./?.lua'")
        .key("lua_path", "'./lualib/?.lua'");
    match lua54 {
        Some(value) => node.key("lua54", value),
        None => node,
    }
}

#[test]
fn they_are_loaded_everywhere_with_one_log_line_for_each_file() {
    let output = node(None).run();
    output
        .exit(0)
        .has("require\ttrue\t2 4 6")
        .has("loadfile\t2 4 6")
        .has("codecache\t2 4 6")
        .has("dofile\ttrue\t2 4 6")
        .has("off\t2 4 6")
        .has("load\t7")
        .has("pieces\t7")
        .has("service\ttrue")
        .has("sharetable\ttrue")
        .has_times(TOLD, 1)
        .has_times("main.lua:2: assigns to", 1)
        .has_times("service54.lua:1: assigns to", 1)
        .has_times(
            "[string \"for i = 1, 1 do i = 7 return i end\"]:1: assigns to",
            1,
        )
        .has_times("pieces:1: assigns to", 1)
        .has("lua54 = true");
}

#[test]
fn silently_if_the_config_wants_that() {
    let output = node(Some("true")).run();
    output
        .exit(0)
        .has("require\ttrue\t2 4 6")
        .has("load\t7")
        .has("service\ttrue")
        .has_not("assigns to");
}

#[test]
fn and_refused_with_luas_own_text_if_it_wants_that() {
    let output = node(Some("false")).run();
    output
        .exit(0)
        .has("require\tfalse")
        .has_times(REFUSED, 5)
        .has("load\t[string \"for i = 1, 1 do i = 7 return i end\"]:1: attempt to assign to const variable 'i'")
        .has("pieces\tpieces:1: attempt to assign to const variable 'i'")
        .has("service\tfalse")
        .has("sharetable\tfalse")
        .has_not("assigns to");
}

#[test]
fn another_error_of_the_file_is_the_one_that_is_told() {
    let output = Node::source(
        r#"
        local skynet = require "skynet" require "skynet.manager"
        skynet.start(function()
            print(load "for i = 1, 2 do i = 1 end\nlocal c <const> = 1 c = 2")
            print(load "local c <const> = 1 c = 2")
            print(load "for i = 1, 2 do i = 1 end\nlocal = 3")
            print(load "for i = 1, 2 do i = 1")
            print(load "for i = 1, 2 do\nlocal c <const> = i c = 1 end")
            print(load(string.dump(load "for i = 1, 2 do i = 5 end return 'dum' .. 'ped'"))())
            skynet.abort()
        end)"#,
    )
    .run();
    output
        .exit(0)
        .has("]:2: attempt to assign to const variable 'c'")
        .has("]:1: attempt to assign to const variable 'c'")
        .has("]:2: <name> expected near '='")
        .has("'end' expected near <eof>")
        .has("dumped");
}

/// The files that a check of the config finds.
fn checked(lua54: &str) -> String {
    let folder = tempfile::tempdir().expect("folder");
    let config = format!(
        "harbor = 0 start = 'old' luaservice = './?.lua'\nlua_path = './lib/?.lua' {lua54}"
    );
    std::fs::write(folder.path().join("c.config"), config).expect("written");
    std::fs::write(folder.path().join("old.lua"), OLD).expect("written");
    std::fs::create_dir(folder.path().join("lib")).expect("made");
    std::fs::write(folder.path().join("lib/module.lua"), OLD).expect("written");
    let mut command = Command::new(skynet());
    command
        .args(["check", "c.config"])
        .current_dir(folder.path());
    String::from_utf8_lossy(&run(command).stdout).into_owned()
}

#[test]
fn a_check_of_the_config_names_them() {
    for lua54 in ["", "lua54 = 'warn'"] {
        let said = checked(lua54);
        for file in ["./old.lua:2", "./lib/module.lua:2"] {
            let line = said.lines().find(|line| line.contains(file)).expect(file);
            assert!(line.contains("warning: "), "{said}");
            assert!(line.contains("lua54 = true"), "{said}");
        }
    }
    assert_eq!(checked("lua54 = true").matches(".lua:2").count(), 0);
    let said = checked("lua54 = false");
    assert_eq!(said.matches("does not compile").count(), 2, "{said}");
    assert!(said.contains("or set lua54 = true"), "{said}");
    assert!(checked("lua54 = 'maybe'").contains("set it to \"warn\", true or false"));
}

#[test]
fn the_interpreter_takes_them() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("old.lua");
    std::fs::write(
        &file,
        format!("{OLD}, print(load 'for i = 1, 1 do i = 8 return i end'())"),
    )
    .expect("written");
    let run = |options: &[&str]| {
        let mut command = Command::new(skynet());
        command.arg("lua").args(options).arg(&file);
        run(command)
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let warned = run(&[]);
    assert!(warned.status.success(), "{warned:?}");
    assert_eq!(text(&warned.stdout), "8\n");
    assert_eq!(
        text(&warned.stderr)
            .matches("old.lua:2: assigns to")
            .count(),
        1,
        "{warned:?}"
    );
    assert!(text(&warned.stderr).contains("--lua54 true"), "{warned:?}");
    let silent = run(&["--lua54", "true"]);
    assert_eq!(
        (text(&silent.stdout).as_str(), silent.stderr.len()),
        ("8\n", 0)
    );
    let refused = run(&["--lua54=false"]);
    assert!(
        !refused.status.success() && text(&refused.stderr).contains(REFUSED),
        "{refused:?}"
    );
}

/// Programs of the table in docs/migrating.md, and what they print here.
const MET: [(&str, &str); 12] = [
    ("print(0.1 + 0.2)", "0.30000000000000004"),
    ("print(2^53)", "9007199254740992.0"),
    ("print(pcall(error, nil))", "false\t<no error object>"),
    (
        "collectgarbage(\"setpause\", 100)",
        "invalid option 'setpause'",
    ),
    (
        "collectgarbage(\"setstepmul\", 200)",
        "invalid option 'setstepmul'",
    ),
    ("print(math.pow)", "nil"),
    ("print(utf8.offset(\"abc\", 2))", "2\t2"),
    ("print(debug.setcstacklimit)", "nil"),
    ("setmetatable({}, { __gc = 1 })", "error in __gc"),
    ("print(load(\"\\27Lua\\x54\"))", "version mismatch"),
    ("__call", "'__call' chain too long"),
    ("debug.getlocal(1, n)", "(for state) (for state) i"),
];

#[test]
fn what_else_such_files_meet_is_as_the_manual_says() {
    let manual = include_str!("../../docs/migrating.md");
    for (program, said) in MET {
        assert!(manual.contains(program), "{program}");
        let code = match program {
            "__call" => {
                "local f = print for i = 1, 20 do f = setmetatable({}, { __call = f }) end print(pcall(f))"
            }
            "debug.getlocal(1, n)" => {
                "for i = 1, 1 do print(debug.getlocal(1, 1) .. ' ' .. debug.getlocal(1, 2) .. ' ' .. debug.getlocal(1, 3)) end"
            }
            other => other,
        };
        let mut command = Command::new(skynet());
        command.args(["lua", "-e", code]);
        let output = run(command);
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert!(text.contains(said), "{program}: {text}");
    }
    for (program, closed) in [
        ("global = 1 print(global)", "1"),
        ("local global = { global = 2 } print(global.global)", "2"),
        ("function global() return 3 end print(global())", "3"),
        (
            "print(coroutine.resume(coroutine.create(function() print(coroutine.close(coroutine.running())) end)))",
            "true",
        ),
        (
            "collectgarbage('param', 'pause', 100) collectgarbage('param', 'stepmul', 200) print 'set'",
            "set",
        ),
    ] {
        let mut command = Command::new(skynet());
        command.args(["lua", "-e", program]);
        assert_eq!(String::from_utf8_lossy(&run(command).stdout).trim(), closed);
    }
}

#[test]
fn a_program_that_makes_such_sources_does_not_fill_the_log() {
    let output = Node::source(
        r#"
        local skynet = require "skynet" require "skynet.manager"
        skynet.start(function()
            for n = 1, 1500 do assert(load("for i = 1, 1 do i = " .. n .. " end")) end
            skynet.abort()
        end)"#,
    )
    .run();
    output
        .exit(0)
        .has_times("]:1: assigns to", 1000)
        .has_times("the log does not name more of them", 1);
}

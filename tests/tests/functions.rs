//! The function table, docs/functions.md: every function, constant, service, command and config key has a line with its state and a test
//! that uses it. What there is comes from the code; that a test exists and names the thing, from the tests themselves.
//!
//! `BLESS=1 cargo test -p skynet-tests --test functions` writes the lines; those whose test is still good are kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use skynet_tests::meta;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("workspace")
        .to_owned()
}

fn read(file: &str) -> String {
    let path = workspace().join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{file}: {e}"))
}

// ---- what there is

/// How a test has to name a thing.
#[derive(Clone, Copy)]
enum Naming {
    /// Behind a dot or colon: `skynet.send`, `channel:publish`.
    Member,
    /// As a word.
    Word,
}

/// One line of the table.
struct Item {
    shown: String,
    word: String,
    naming: Naming,
    /// The test has to name this module too.
    module: String,
}

/// What existing programs rely on, and the test of it; an empty one where there is nothing to test yet.
const RELIED_ON: &[(&str, &str)] = &[
    (
        "several roles in one file, by arguments",
        "checklist::roles_inside_one_file",
    ),
    (
        "a call to a service that exits in its handler fails",
        "checklist::exit_inside_a_handler",
    ),
    (
        "a service exits while its own call is outstanding",
        "checklist::exit_with_a_call_outstanding",
    ),
    (
        "100,000 calls one after the other and in parallel",
        "checklist::calls_in_sequence_and_in_parallel",
    ),
    (
        "an answer to a send is harmless",
        "checklist::ret_for_a_send",
    ),
    (
        "response closures in a table, fired by a timer",
        "checklist::responses_fired_by_a_timer_loop",
    ),
    (
        "services made from a function, one of each name",
        "api_edge::service",
    ),
    (
        "a deadline by fork, sleep and wakeup",
        "checklist::deadline_by_hand",
    ),
    ("select over several requests", "api_edge::completion_order"),
    (
        "select: blocking calls in the loop",
        "api_edge::blocking_in_the_loop",
    ),
    ("select: fields of requests, failures", "api_edge::failures"),
    ("select: the flag of the timeout", "api_edge::timeout"),
    (
        "a call to an unknown global name, ended by TERM",
        "checklist::term_of_an_unknown_global_name",
    ),
    (
        "to-be-closed variables at errors and at the end",
        "checklist::close_variables",
    ),
    (
        "services come and go for long",
        "checklist::launch_and_kill_for_long",
    ),
    (
        "handles are not reused while they are in use",
        "lifetime::handles_are_not_reused",
    ),
    ("forks before an exit never run", "checklist::fork_and_exit"),
    (
        "handle numbers go round after 24 bits",
        "crates/kernel/src/registry::numbers_wrap_after_24_bits_and_skip_zero",
    ),
    ("abort in the main chunk", "boot::abort_in_the_main_chunk"),
    (
        "the node outlives its start service",
        "checklist::exit_of_the_start_service_with_others",
    ),
    (
        "local and global names of one service",
        "checklist::local_and_global_names",
    ),
    (
        "a patch to the launcher by injection",
        "checklist::debug_injection",
    ),
    (
        "a ping of every service that the launcher lists",
        "checklist::ping_of_every_service",
    ),
    (
        "an exit monitor that tells watchers",
        "lifetime::exit_monitor_redirects",
    ),
    ("a log service in Lua", "config::log_service_in_lua"),
    ("a preload script", "config::preload"),
    ("a config with include", "config::includes"),
    (
        "a config with environment variables and comments",
        "config::environment_variables",
    ),
    (
        "timeouts in order, never early",
        "checklist::timeouts_in_order",
    ),
    (
        "a sleep that is interrupted",
        "api_edge::wakeup_of_a_sleeper",
    ),
    (
        "an endless loop of sleep(0)",
        "checklist::sleep_zero_starves_nobody",
    ),
    ("where timers were made", "api_edge::trace_timeout"),
    ("coroutines that block", "coroutines::blocking_inside"),
    ("coroutines: the status blocked", "coroutines::status"),
    ("coroutines: the thread below", "coroutines::thread"),
    ("coroutines: close", "coroutines::close"),
    (
        "CPU time of a chain of coroutines",
        "coroutines::profile_of_a_chain",
    ),
    (
        "a critical section in a snax service",
        "snax::critical_section",
    ),
    ("endless loops are noticed", "timers::endless"),
    ("overload is noticed", "checklist::overload"),
    ("a memory limit", "dispatch::limit"),
    (
        "packed values of every kind",
        "seri::recorded_vectors_through_messages",
    ),
    (
        "packed values: proxies, long keys, binary data",
        "checklist::packed_values",
    ),
    (
        "datasheets that are updated while they are read",
        "sharing::versions",
    ),
    (
        "sharedata: updates, sub-tables that vanish",
        "sharing::update",
    ),
    ("sharedata: delete", "sharing::delete"),
    ("sharetable: load and query", "shared::load_and_read"),
    ("sharetable: update in place", "shared::update"),
    ("stm: copies to other services", "sharing::stm"),
    ("sharemap with a schema file", "sharing::sharemap"),
    ("multicast: ten subscribers", "sharing::ten_subscribers"),
    ("multicast: channels as values", "sharing::channels"),
    (
        "multicast: channels of other nodes",
        "sharing::foreign_channel",
    ),
    ("datacenter: get, set, wait", "api_edge::datacenter"),
    ("snax: objects, methods, errors", "snax::methods"),
    ("snax: patches with local variables", "snax::variables"),
    ("snax: results of a patch", "snax::results"),
    ("snax: objects as text", "snax::object"),
    ("snax: exit inside a method", "snax::exit_in_a_post"),
    ("snax: profile", "snax::profile"),
    ("snax: unique services", "snax::unique"),
    ("the debug console over TCP", "console::session_services"),
    (
        "the debug console by GET and POST",
        "console::http_requests",
    ),
    (
        "the service console on standard input",
        "checklist::console",
    ),
    ("a message log that can be parsed", "config::message_log"),
    (
        "a trace through several services",
        "checklist::trace_across_services",
    ),
    ("daemon mode", "boot::daemon"),
    ("log rotation", "config::log_rotation"),
    ("a network of nodes with a master", "harbor::names"),
    ("gate, watchdog and agents", "gate::watchdog"),
    ("old names of modules", "checklist::old_module_names"),
    ("sproto requests of clients", "sharing::rpc"),
    ("socket channels: requests in a row", "net::order"),
    ("UDP", "net::dial_and_listen"),
];

/// What is tested through something else: a section, or one line of it, and the test.
const THROUGH: &[(&str, &str, &str)] = &[
    ("Module skynet.debugchannel", "", "console::breakpoints"),
    ("Module skynet.remotedebug", "", "console::session_debugger"),
    ("Debug protocol", "REMOTEDEBUG", "console::session_debugger"),
];

/// What there is not, and why.
const ABSENT: &[(&str, &str, &str)] = &[];

/// Is it the native half of a module, which only the other half uses? It is tested through that.
fn is_half(module: &str) -> bool {
    let used_by_others = [
        "skynet.core",
        "skynet.cluster.core",
        "skynet.multicast.core",
        "sproto.core",
    ];
    module == "skynet.consolefront"
        || module.ends_with(".core") && !used_by_others.contains(&module)
}

fn words(text: &[&str]) -> Vec<Item> {
    text.iter()
        .map(|word| Item {
            shown: (*word).to_owned(),
            word: (*word).to_owned(),
            naming: Naming::Word,
            module: String::new(),
        })
        .collect()
}

/// All that is in the table, by section.
fn items() -> Vec<(String, Vec<Item>)> {
    let mut sections: Vec<(String, Vec<Item>)> = Vec::new();
    for module in meta::modules(&workspace().join("meta")) {
        if is_half(&module.name) {
            continue;
        }
        let mut lines = Vec::new();
        let methods = module.classes.iter().flat_map(|class| &class.methods);
        for function in module.functions.iter().chain(methods) {
            let is_module = module.functions.len() == 1 && !function.call.contains(['.', ':']);
            lines.push(Item {
                shown: function.call.clone(),
                word: match is_module {
                    true => module.name.clone(),
                    false => function.name.clone(),
                },
                naming: match is_module {
                    true => Naming::Word,
                    false => Naming::Member,
                },
                module: module.name.clone(),
            });
        }
        for field in &module.fields {
            lines.push(Item {
                shown: format!("{}.{}", module.name, field.name),
                word: field.name.clone(),
                naming: Naming::Word,
                module: module.name.clone(),
            });
        }
        sections.push((format!("Module {}", module.name), lines));
    }
    sections.push(("Services".to_owned(), services()));
    sections.push((
        "Commands of the launcher".to_owned(),
        words(&[
            "LAUNCH",
            "LOGLAUNCH",
            "LIST",
            "STAT",
            "MEM",
            "GC",
            "KILL",
            "QUERY",
            "REMOVE",
            "LAUNCHOK",
        ]),
    ));
    sections.push((
        "Commands of the other services".to_owned(),
        words(&[
            "GLAUNCH",
            "GQUERY",
            "UPDATE",
            "WAIT",
            "REGISTER",
            "QUERYNAME",
            "CONNECT",
            "LINK",
            "LINKMASTER",
        ]),
    ));
    sections.push(("Debug protocol".to_owned(), debug_commands()));
    sections.push(("Text commands".to_owned(), text_commands()));
    sections.push(("Config keys".to_owned(), config_keys()));
    sections.push(("Functions for C".to_owned(), c_functions()));
    sections.push(("Debug console".to_owned(), console_commands()));
    sections
}

/// Files of `service/`, and the modules of the kernel.
fn services() -> Vec<Item> {
    // Helpers of others, which nobody starts by name.
    let internal = ["service_cell", "service_provider", "skynet_run"];
    let mut names: BTreeSet<String> = ["snlua", "logger", "harbor"].map(str::to_owned).into();
    for entry in std::fs::read_dir(workspace().join("service")).expect("service/") {
        let path = entry.expect("entry").path();
        let name = path.file_stem().and_then(|n| n.to_str()).expect("a name");
        if !internal.contains(&name) {
            names.insert(name.to_owned());
        }
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    words(&names)
}

fn debug_commands() -> Vec<Item> {
    let source = read("lualib/skynet/debugcmds.lua");
    let names: BTreeSet<&str> = source
        .lines()
        .filter_map(|line| line.strip_prefix("function command.")?.split('(').next())
        .collect();
    assert!(names.len() > 10, "{names:?}");
    words(&names.into_iter().collect::<Vec<_>>())
}

/// The table at the top of the file.
fn text_commands() -> Vec<Item> {
    let source = read("crates/kernel/src/command.rs");
    let rows = source
        .lines()
        .filter_map(|line| line.strip_prefix("//! | `"));
    let names: Vec<&str> = rows
        .flat_map(|row| {
            row.split(" | ")
                .next()
                .unwrap_or(row)
                .split(['`', ',', ' '])
        })
        .filter(|word| !word.is_empty())
        .collect();
    assert!(names.len() > 15, "{names:?}");
    words(&names)
}

fn config_keys() -> Vec<Item> {
    let source = read("crates/lua/src/config/keys.rs");
    let (_, list) = source
        .split_once("pub const KEYS: &[Key] = &[")
        .expect("the keys");
    let (list, _) = list.split_once("\n];").expect("their end");
    let names: Vec<&str> = list
        .split("key(")
        .skip(1)
        .filter_map(|entry| entry.split('"').nth(1))
        .collect();
    words(&names)
}

fn c_functions() -> Vec<Item> {
    let source =
        read("crates/cabi/include/skynet.h") + &read("crates/cabi/include/skynet_malloc.h");
    let mut names: Vec<&str> = source
        .lines()
        .filter(|line| line.contains('(') && !line.starts_with([' ', '/', '#', '\t']))
        .filter_map(|line| line.split('(').next()?.rsplit([' ', '*']).next())
        .filter(|name| name.starts_with("skynet_"))
        .collect();
    names.dedup();
    assert!(names.len() > 15, "{names:?}");
    words(&names)
}

/// The commands that the console's `help` lists.
fn console_commands() -> Vec<Item> {
    let source = read("service/debug_console.lua");
    let native = ["top", "calls", "stack", "profile", "signal"];
    let names: BTreeSet<&str> = source
        .lines()
        .filter_map(|line| line.strip_prefix("about.")?.split(' ').next())
        .chain(native)
        .collect();
    assert!(names.len() > 30, "{names:?}");
    let mut items = words(&names.into_iter().collect::<Vec<_>>());
    for item in &mut items {
        item.module = "<CMD OK>".to_owned();
    }
    items
}

// ---- what is tested

/// A test, and the text in which it may name what it uses.
struct Test {
    /// `file::name`.
    id: String,
    /// Its own text.
    body: String,
    /// The text that it shares with other tests: the helpers and roles of its Lua file.
    shared: usize,
}

struct Tests {
    tests: Vec<Test>,
    shared: Vec<String>,
}

fn tests() -> Tests {
    let mut all = Tests {
        tests: Vec::new(),
        shared: vec![String::new()],
    };
    let mut files: Vec<PathBuf> = std::fs::read_dir(workspace().join("tests/tests"))
        .expect("tests")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .collect();
    files.sort();
    for name in [
        "crates/skynet/tests/command",
        "crates/lua/src/config/tests",
        "crates/lua/src/config/settings",
        "crates/kernel/src/registry",
    ] {
        rust_tests(&mut all, name, &read(&format!("{name}.rs")));
    }
    for file in files {
        let name = file.file_stem().and_then(|n| n.to_str()).expect("a name");
        // What only compares texts is no test of behaviour.
        if ![
            "documents",
            "functions",
            "harness",
            "manual",
            "meta",
            "precedence",
        ]
        .contains(&name)
        {
            let source = std::fs::read_to_string(&file).expect("source");
            rust_tests(&mut all, name, &source);
            lua_tests(&mut all, name, &source);
        }
    }
    all
}

/// Functions behind `#[test]`. They share what is in their file, and the Lua programs that are named in it.
fn rust_tests(all: &mut Tests, file: &str, source: &str) {
    let mut shared = source.to_owned();
    for word in source.split('"').filter(|word| word.len() < 40) {
        let lua = word.trim_end_matches(".lua");
        shared += &optional(&format!("tests/lua/{lua}.lua"));
    }
    all.shared.push(shared);
    for part in source.split("#[test]\n").skip(1) {
        let Some((_, rest)) = part.split_once("fn ") else {
            continue;
        };
        let name = rest.split('(').next().unwrap_or_default();
        // A macro makes its tests itself.
        if name.starts_with('$') {
            continue;
        }
        let body = rest.split("\n}\n").next().unwrap_or(rest);
        all.tests.push(Test {
            id: format!("{file}::{name}"),
            body: body.to_owned() + &included(body),
            shared: all.shared.len() - 1,
        });
    }
}

fn optional(file: &str) -> String {
    std::fs::read_to_string(workspace().join(file)).unwrap_or_default()
}

/// Programs in C and recorded sessions that a test uses.
fn included(body: &str) -> String {
    let mut text = String::new();
    if body.contains("case(") {
        for file in ["probe", "plain", "ask"] {
            text += &read(&format!("tests/c/{file}.c"));
        }
    }
    for word in body.split('"').filter(|word| word.len() < 40) {
        text += &optional(&format!("tests/tests/sessions/{word}"));
    }
    text
}

/// The cases of the macro `lua_cases!` and the like, and those that are run by `Node::case`.
fn lua_tests(all: &mut Tests, file: &str, source: &str) {
    let lua = |path: &str| {
        let path = workspace().join(format!("tests/lua/{path}.lua"));
        std::fs::read_to_string(path).unwrap_or_default()
    };
    let mut add = |path: &str, case: &str, id: String, extra: &str| {
        let text = lua(path);
        let mut body = String::new();
        let mut rest = String::new();
        let mut inside = false;
        for line in text.lines() {
            if line.starts_with("function ")
                || line.starts_with("local function ")
                || line.starts_with("case.")
            {
                inside = line.contains(&format!("case.{case}("))
                    || line.starts_with(&format!("case.{case} "));
            }
            let target = if inside { &mut body } else { &mut rest };
            *target += line;
            target.push('\n');
        }
        if body.is_empty() {
            return;
        }
        all.shared.push(rest);
        all.tests.push(Test {
            id,
            body: body + extra,
            shared: all.shared.len() - 1,
        });
    };
    for part in source.split("cases! {").skip(1) {
        let part = part.split("\n}\n").next().unwrap_or(part);
        let mut path = String::new();
        for line in part.lines() {
            let line = line.trim();
            if let Some(rest) = line.strip_prefix('"')
                && let Some(name) = rest.strip_suffix("\" {")
            {
                path = name.to_owned();
            }
            let end = line
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(line.len());
            let rest = &line[end..];
            if end > 0 && (rest.starts_with([';', '[']) || rest.starts_with(" =>")) {
                let case = &line[..end];
                add(&path, case, format!("{file}::{case}"), rest);
            }
        }
    }
    // `fn x() { ... case("name") ... }` in files with one Lua program.
    for part in source.split("#[test]\n").skip(1) {
        let Some((_, rest)) = part.split_once("fn ") else {
            continue;
        };
        let name = rest.split('(').next().unwrap_or_default();
        let body = rest.split("\n}\n").next().unwrap_or(rest);
        if let Some(path) = source
            .split("Node::case(\"")
            .nth(1)
            .and_then(|r| r.split('"').next())
            && body.contains(&format!("case(\"{name}\")"))
        {
            add(path, name, format!("{file}::{name}"), "");
        }
    }
}

fn names(text: &str, item: &Item) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(item.word.as_str()).any(|(at, word)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        let whole = !after.is_some_and(is_part);
        match item.naming {
            Naming::Member => whole && before.is_some_and(|c| c == '.' || c == ':'),
            Naming::Word => whole && !before.is_some_and(is_part),
        }
    })
}

impl Tests {
    fn backs(&self, test: &Test, item: &Item) -> bool {
        let shared = &self.shared[test.shared];
        let of_module = test.body.contains(&item.module) || shared.contains(&item.module);
        of_module && (names(&test.body, item) || names(shared, item))
    }

    /// The best test of a thing: one whose name says so, then one that names it itself, in a file that is about it.
    fn best(&self, section: &str, item: &Item) -> Option<&Test> {
        let topic = section
            .rsplit(['.', ' '])
            .next()
            .unwrap_or(section)
            .to_lowercase();
        let word = item
            .word
            .rsplit('.')
            .next()
            .unwrap_or_default()
            .to_lowercase();
        let mut best: Option<(u32, &Test)> = None;
        for test in self.tests.iter().filter(|test| self.backs(test, item)) {
            let (file, name) = test.id.split_once("::").expect("an id");
            // Tests of the program come before those of its parts.
            let mut score = 10 * u32::from(!file.contains('/'));
            score += 8 * u32::from(names(&test.body, item));
            score += 6 * u32::from(name.to_lowercase().split('_').any(|part| part == word));
            score += 4 * u32::from(name.to_lowercase().contains(&topic));
            score += 4 * u32::from(file.contains(&topic));
            // Short ones have little else in them.
            score += u32::from(test.body.len() < 1500);
            if best.is_none_or(|(other, _)| score > other) {
                best = Some((score, test));
            }
        }
        best.map(|(_, test)| test)
    }
}

// ---- the table

const HEAD: &str = "# Function table

Every function, constant, service, command and config key, its state, and a test that uses it. `file::name` is a test of
`tests/tests/file.rs`, or of the file itself if it has a path; `cargo test -p skynet-tests --test file name` runs it. A test compares this page with the code and the tests, and
`BLESS=1 cargo test -p skynet-tests --test functions` brings it up to date.
";

#[test]
fn table() {
    let tests = tests();
    assert!(tests.tests.len() > 300, "{}", tests.tests.len());
    let file = workspace().join("docs/functions.md");
    let old = std::fs::read_to_string(&file).unwrap_or_default();
    let mut chosen: BTreeMap<(String, String), String> = BTreeMap::new();
    let mut section = String::new();
    for line in old.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            section = heading.to_owned();
        }
        let cells: Vec<&str> = line.split(" | ").collect();
        if let [name, _, test] = cells[..] {
            let name = name.trim_start_matches("| ").trim_matches('`');
            let test = test.trim_end_matches(" |").trim_matches('`');
            chosen.insert((section.clone(), name.to_owned()), test.to_owned());
        }
    }
    let mut new = HEAD.to_owned();
    let mut without = Vec::new();
    for (section, items) in items() {
        let _ = write!(new, "\n## {section}\n\n| | state | test |\n|---|---|---|\n");
        for item in items {
            let absent = ABSENT
                .iter()
                .find(|(at, what, _)| *at == section && *what == item.shown);
            if let Some((.., why)) = absent {
                let _ = writeln!(new, "| `{}` | no: {why} | |", item.shown);
                continue;
            }
            let through = THROUGH
                .iter()
                .find(|(at, what, _)| *at == section && (what.is_empty() || *what == item.shown));
            if let Some((.., id)) = through {
                assert!(tests.tests.iter().any(|test| test.id == *id), "{id}");
                let _ = writeln!(new, "| `{}` | yes | `{id}` |", item.shown);
                continue;
            }
            let kept = chosen
                .get(&(section.clone(), item.shown.clone()))
                .and_then(|id| {
                    tests
                        .tests
                        .iter()
                        .find(|test| test.id == *id && tests.backs(test, &item))
                });
            match kept.or_else(|| tests.best(&section, &item)) {
                Some(test) => {
                    let _ = writeln!(new, "| `{}` | yes | `{}` |", item.shown, test.id);
                }
                None => without.push(format!("{section}: {}", item.shown)),
            }
        }
    }
    let _ = write!(
        new,
        "\n## What programs rely on\n\n| | state | test |\n|---|---|---|\n"
    );
    for (what, id) in RELIED_ON {
        if id.is_empty() {
            let _ = writeln!(new, "| {what} | no | |");
        } else if tests.tests.iter().any(|test| test.id == *id) {
            let _ = writeln!(new, "| {what} | yes | `{id}` |");
        } else {
            without.push(format!("{what}: {id}"));
        }
    }
    assert!(without.is_empty(), "no test names:\n{}", without.join("\n"));
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(file, new).expect("the table is written");
    } else {
        assert!(
            old == new,
            "docs/functions.md is out of date; BLESS=1 writes it"
        );
    }
}

//! What there is, from the code: the lines of the table.

use std::collections::BTreeSet;

use skynet_tests::meta;

use crate::{read, workspace};

/// How a test has to name a thing.
#[derive(Clone, Copy)]
pub enum Naming {
    /// Behind a dot or colon: `skynet.send`, `channel:publish`.
    Member,
    /// As a word.
    Word,
}

/// One line of the table.
pub struct Item {
    pub shown: String,
    pub word: String,
    pub naming: Naming,
    /// The test has to name this module too.
    pub module: String,
}

/// What is tested through something else: a section, or one line of it, and the test.
pub const THROUGH: &[(&str, &str, &str)] = &[
    ("Module skynet.debugchannel", "", "console::breakpoints"),
    ("Module skynet.remotedebug", "", "console::session_debugger"),
    // The recordings use all of it.
    (
        "Module skynet.db.mongo",
        "client:stats()",
        "mongo::killed_in_an_answer",
    ),
    ("Module skynet.db.mongo", "", "mongo::recorded"),
    ("Debug protocol", "RELOAD", "reload::several_services"),
    ("Debug protocol", "REPLACE", "reload::names_and_state"),
    ("Debug protocol", "TAKESTATE", "reload::names_and_state"),
    ("Debug protocol", "REMOTEDEBUG", "console::session_debugger"),
    ("Module skynet.socket", "socket.bind(osfd)", "net::stdin"),
    (
        "Module skynet.socketdriver",
        "socketdriver.bind(osfd)",
        "rest::foreign_descriptors",
    ),
    (
        "Module skynet.socketdriver",
        "socketdriver.feed(id, service)",
        "net::gate_flood",
    ),
];

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
pub fn items() -> Vec<(String, Vec<Item>)> {
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
    let source = read("crates/node/src/config/keys.rs");
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
    let headers = ["skynet.h", "skynet_malloc.h", "skynet_socket.h"];
    let source = headers.map(|name| read(&format!("crates/cabi/include/{name}")));
    let source = source.concat();
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

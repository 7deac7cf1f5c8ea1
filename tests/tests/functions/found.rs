//! The tests that there are, and what each of them names.

use std::path::PathBuf;

use crate::items::{Item, Naming};
use crate::{read, workspace};

/// A test, and the text in which it may name what it uses.
pub struct Test {
    /// `file::name`.
    pub id: String,
    /// Its own text.
    body: String,
    /// The text that it shares with other tests: the helpers and roles of its Lua file.
    shared: usize,
}

pub struct Tests {
    pub tests: Vec<Test>,
    shared: Vec<String>,
}

pub fn tests() -> Tests {
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
        "crates/node/src/config/tests",
        "crates/node/src/config/settings",
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
        for file in ["probe", "plain", "ask", "wire"] {
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
    pub fn backs(&self, test: &Test, item: &Item) -> bool {
        let shared = &self.shared[test.shared];
        let of_module = test.body.contains(&item.module) || shared.contains(&item.module);
        of_module && (names(&test.body, item) || names(shared, item))
    }

    /// The best test of a thing: one whose name says so, then one that names it itself, in a file that is about it.
    pub fn best(&self, section: &str, item: &Item) -> Option<&Test> {
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

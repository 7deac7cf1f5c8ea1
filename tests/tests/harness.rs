//! The harness itself: no case is forgotten, and no failure goes unnoticed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use skynet_tests::{Node, lua_dir};

/// The names of the cases that a Lua file defines.
fn cases(text: &str) -> Vec<&str> {
    let defined = text
        .lines()
        .filter_map(|line| line.strip_prefix("function case."));
    defined
        .map(|rest| rest.split('(').next().unwrap())
        .collect()
}

fn texts(folder: &Path, extension: &str, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            texts(&path, extension, found);
        } else if path.extension().is_some_and(|ext| ext == extension) {
            found.push((
                path.display().to_string(),
                std::fs::read_to_string(&path).unwrap(),
            ));
        }
    }
}

#[test]
fn every_lua_case_is_run() {
    let mut programs = Vec::new();
    texts(lua_dir(), "lua", &mut programs);
    let mut tests = Vec::new();
    for folder in ["tests", "src"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        texts(&folder, "rs", &mut tests);
    }
    let mut total = 0;
    for (path, program) in &programs {
        let file = path.strip_prefix(lua_dir().to_str().unwrap()).unwrap();
        let file = format!(
            "\"{}\"",
            file.trim_start_matches('/').trim_end_matches(".lua")
        );
        for case in cases(program) {
            total += 1;
            let named = |text: &str| {
                text.split(|c: char| !c.is_alphanumeric() && c != '_')
                    .any(|word| word == case)
            };
            let run = tests
                .iter()
                .any(|(_, text)| text.contains(&file) && named(text));
            assert!(run, "{path}: no test runs the case {case}");
        }
    }
    assert!(total > 250, "{total} cases found");
}

/// A case is only as good as its failure: each of these must not pass.
#[test]
fn failures_are_seen() {
    let main = |body: &str| {
        format!(
            "local skynet = require 'skynet' local check = require 'check'
            local case = {{ only = function() {body} end }}
            return check.main({{}}, case, ...)"
        )
    };
    for (what, body) in [
        ("a check that fails", "check.eq('name', 1, 2)"),
        ("an error", "check.ok('name', true) error 'x'"),
        ("no check at all", "local _"),
        (
            "a node that ends before the case",
            "check.ok('name', true) skynet.abort() skynet.wait {}",
        ),
        (
            "a wrong error text",
            "check.fails('name', 'other text', error, 'x')",
        ),
        ("integer and float", "check.eq('name', 1, 1.0)"),
        (
            "one value too many",
            "check.returns('name', { 1 }, function() return 1, nil end)",
        ),
    ] {
        let output = Node::source(&main(body)).key("case", "'only'").run();
        assert!(
            catch_unwind(AssertUnwindSafe(|| output.passed())).is_err(),
            "{what}\n{output}"
        );
    }
    Node::source(&main("check.eq('name', { 1, { 'x' } }, { 1, { 'x' } })"))
        .key("case", "'only'")
        .run()
        .passed();
}

/// Whoever leaves out a test says so in a way that is not captured, and how to get what is missing.
#[test]
fn what_is_skipped_is_told() {
    let mut tests = Vec::new();
    for folder in ["tests", "src", "../crates"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        texts(&folder, "rs", &mut tests);
    }
    for (file, text) in &tests {
        for macro_name in ["println!", "print!"] {
            let told = text.split(macro_name).skip(1).any(|rest| {
                rest.trim_start_matches(['(', '"', ' ', '\n'])
                    .starts_with("skip")
            });
            assert!(!told, "{file}: use `skynet_tests::skipped`");
        }
    }
    // In a process of its own, whose output can be seen.
    let program = std::env::current_exe().expect("this program");
    let out = std::process::Command::new(program)
        .args(["--exact", "leaves_something_out"])
        .output()
        .expect("it runs");
    let said =
        String::from_utf8_lossy(&out.stderr).into_owned() + &String::from_utf8_lossy(&out.stdout);
    assert!(said.contains("skipped: no moon; look at night\n"), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}

/// For the test above.
#[test]
fn leaves_something_out() {
    if std::env::args().any(|arg| arg == "leaves_something_out") {
        skynet_tests::skipped("no moon", "look at night");
    }
}

//! The function table, docs/functions.md: every function, constant, service, command and config key has a line with its
//! state and a test that uses it. What there is comes from the code; that a test exists and names the thing, from the
//! tests themselves.
//!
//! `BLESS=1 cargo test -p skynet-tests --test functions` writes the lines; those whose test is still good are kept.

mod found;
mod items;
mod relied_on;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use items::THROUGH;
use relied_on::RELIED_ON;

/// The folder of the sources.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("workspace")
        .to_owned()
}

/// A file of theirs.
fn read(file: &str) -> String {
    let path = workspace().join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{file}: {e}"))
}

const HEAD: &str = "# Function table

Every function, constant, service, command and config key, its state, and a test that uses it. `file::name` is a test of
`tests/tests/file.rs`, or of the file itself if it has a path; `cargo test -p skynet-tests --test file name` runs it. A test compares this page with the code and the tests, and
`BLESS=1 cargo test -p skynet-tests --test functions` brings it up to date.
";

#[test]
fn table() {
    let tests = found::tests();
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
    for (section, items) in items::items() {
        let _ = write!(new, "\n## {section}\n\n| | state | test |\n|---|---|---|\n");
        for item in items {
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
        if tests.tests.iter().any(|test| test.id == *id) {
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

//! The documents say what the code says: sentences and their tests, config keys, lists, links, and the README's
//! program.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use skynet_tests::Node;

fn workspace() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).to_owned()
}

fn read(file: &str) -> String {
    std::fs::read_to_string(workspace().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// The part of a document from one heading to the next.
fn section(file: &str, heading: &str) -> String {
    let text = read(file);
    let start = text
        .find(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("{file} has no {heading:?}"));
    let body = &text[start + heading.len() + 2..];
    body.split("\n## ").next().unwrap_or(body).to_owned()
}

/// What stands in backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The texts in quotes of a Rust list that begins after `start`.
fn list<'a>(code: &'a str, start: &str) -> Vec<&'a str> {
    let (_, rest) = code
        .split_once(start)
        .unwrap_or_else(|| panic!("no {start:?}"));
    let (list, _) = rest.split_once("];").expect("the list's end");
    list.split('"').skip(1).step_by(2).collect()
}

fn set<'a>(items: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    items.into_iter().collect()
}

/// Every sentence of the semantics has a test of its number, and every test of such a name a sentence.
#[test]
fn sentences_and_their_tests() {
    let document = read("docs/semantics.md");
    let sentences: Vec<&str> = document
        .lines()
        .filter_map(|line| line.strip_prefix("- **")?.split_once("**"))
        .map(|(id, _)| id)
        .collect();
    assert!(sentences.len() > 60, "{sentences:?}");
    let unique = set(sentences.iter().copied());
    assert_eq!(unique.len(), sentences.len(), "a number is used twice");

    // A test is `fn B1()`, or a case `O1;`, `O2[...]`, `O7 => ...` of the macro; `S8_off` is a further one of S8.
    let code = read("tests/tests/semantics.rs");
    let tests: BTreeSet<&str> = code
        .lines()
        .filter_map(|line| {
            let line = line.trim_start();
            let line = line.strip_prefix("fn ").unwrap_or(line);
            let end = line.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
            let (name, rest) = line.split_at(end);
            let id = name.split('_').next()?;
            let number = id.strip_prefix(|c: char| c.is_ascii_uppercase())?;
            let is_id = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
            (is_id && rest.starts_with([';', '[', '(', ' '])).then_some(id)
        })
        .collect();
    let untested: Vec<_> = unique.difference(&tests).collect();
    assert!(
        untested.is_empty(),
        "sentences without a test: {untested:?}"
    );
    let unsaid: Vec<_> = tests.difference(&unique).collect();
    assert!(unsaid.is_empty(), "tests without a sentence: {unsaid:?}");
}

/// docs/config.md has every key that the runtime reads, with its default, and no other.
#[test]
fn config_keys() {
    let document = read("docs/config.md");
    let mut described: Vec<(String, String)> = Vec::new();
    for heading in ["## Keys of skynet (C)", "## Keys that are new"] {
        for row in section("docs/config.md", heading).lines() {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            if let [_, key, default, ..] = cells[..]
                && let Some(key) = key.strip_prefix('`')
            {
                let default = default.trim_matches('`');
                described.push((key.trim_end_matches('`').to_owned(), default.to_owned()));
            }
        }
    }
    assert!(document.contains("skynet check"));
    described.sort();

    let code = read("crates/node/src/config/keys.rs");
    let (_, code) = code
        .split_once("pub const KEYS: &[Key] = &[")
        .expect("the list of keys");
    let (code, _) = code.split_once("\n];").expect("its end");
    let mut known: Vec<(String, String)> = code
        .split("key(")
        .skip(1)
        .map(|entry| {
            let texts: Vec<&str> = entry.split('"').collect();
            let default = match texts[2].contains("Some(") {
                true => texts[3],
                false => "none",
            };
            (texts[1].to_owned(), default.to_owned())
        })
        .collect();
    known.sort();
    assert!(known.len() > 25, "{known:?}");
    assert_eq!(described, known);
}

/// ARCHITECTURE.md has the lists of the core.
#[test]
fn core_lists() {
    let document = section("ARCHITECTURE.md", "## Which file wins");
    let listed = |start: &str| {
        let (_, item) = document
            .split_once(start)
            .unwrap_or_else(|| panic!("no {start:?}"));
        // The item may go on in further lines, which are indented.
        let end = item.find("\n*").or_else(|| item.find("\n\n"));
        set(quoted(&item[..end.expect("the item's end")]))
    };
    let embedded = read("crates/modules/src/embedded.rs");
    let modules = read("crates/modules/src/lib.rs");
    let node = read("crates/node/src/lib.rs");
    let native = "pub const NATIVE: Native = &[";
    assert_eq!(
        listed("* Native modules:"),
        set(list(&modules, native)
            .into_iter()
            .chain(list(&node, native)))
    );
    assert_eq!(
        listed("* Core modules:"),
        set(list(&embedded, "pub const CORE_MODULES: &[&str] = &["))
    );
    assert_eq!(
        listed("* Core services:"),
        set(list(&embedded, "pub const CORE_SERVICES: &[&str] = &["))
    );
}

/// ARCHITECTURE.md names the files that hold unsafe code.
#[test]
fn unsafe_files() {
    fn visit(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).expect("folder") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                visit(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).expect("source");
                let is_unsafe = |line: &str| {
                    let line = line.trim_start();
                    !line.starts_with("//")
                        && ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"]
                            .iter()
                            .any(|form| line.contains(form))
                };
                if text.lines().any(is_unsafe) {
                    let crates = workspace().join("crates");
                    let name = path.strip_prefix(crates).expect("below crates");
                    found.insert(name.display().to_string());
                }
            }
        }
    }
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(workspace().join("crates")).expect("crates") {
        let source = entry.expect("entry").path().join("src");
        if source.is_dir() {
            visit(&source, &mut found);
        }
    }
    let section = section("ARCHITECTURE.md", "## Unsafe code");
    let named: BTreeSet<String> = quoted(section.as_ref())
        .into_iter()
        .filter(|name| name.contains("/src/") && name.ends_with(".rs"))
        .map(str::to_owned)
        .collect();
    assert_eq!(named, found);
}

/// Links to files of the repository lead somewhere, and so do those to headings. Every link to a file of ours leads to
/// one, and to a heading of it; those of the manual to a page of the manual, since a book that is built has nothing
/// else.
#[test]
fn links() {
    let summary = read("docs/SUMMARY.md");
    let mut pages: Vec<String> = targets(&summary)
        .into_iter()
        .map(|page| format!("docs/{page}"))
        .collect();
    pages.push("docs/SUMMARY.md".into());
    let others = [
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "fuzz/README.md",
    ];
    let mut count = 0;
    for file in pages.iter().map(String::as_str).chain(others) {
        let text = read(file);
        let folder = Path::new(file).parent().expect("folder");
        for target in targets(&text) {
            if target.starts_with("http") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = match path {
                "" => PathBuf::from(file),
                path => plain(&folder.join(path)),
            };
            assert!(workspace().join(&path).exists(), "{file}: {target}");
            let path = path.to_str().expect("a name");
            if file.starts_with("docs/") {
                // What is no page, such as figures, is copied into the book.
                let figures = path.starts_with("docs/") && !path.ends_with(".md");
                assert!(
                    figures || pages.iter().any(|page| page == path),
                    "{file}: {target} is no page of the manual: name the file without a link"
                );
            }
            if !anchor.is_empty() {
                let text = read(path);
                let mut headings = text
                    .lines()
                    .filter_map(|line| line.strip_prefix('#'))
                    .map(|line| anchor_of(line.trim_start_matches('#').trim()));
                assert!(
                    headings.any(|heading| heading == anchor),
                    "{file}: {target}"
                );
            }
            count += 1;
        }
    }
    assert!(count > 100, "{count} links");
}

/// The targets of a page's links. What stands between backticks is code.
fn targets(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for (at, _) in line.match_indices("](") {
            let code = line[..at].matches('`').count() % 2 == 1;
            if !code {
                found.extend(line[at + 2..].split(')').next());
            }
        }
    }
    found
}

/// Without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

/// What a heading is called in links.
fn anchor_of(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// Files that ARCHITECTURE.md and README.md name exist.
#[test]
fn files_that_are_named() {
    for file in ["ARCHITECTURE.md", "README.md", "docs/rust-services.md"] {
        let text = read(file);
        let names = quoted(&text);
        let paths = names.iter().filter(|name| {
            let first = name.split('/').next().unwrap_or_default();
            name.contains('/')
                && !name.contains(['*', ' ', '<', '?'])
                && [
                    "crates", "kernel", "lua", "skynet", "tests", "docs", "examples", "meta",
                ]
                .contains(&first)
        });
        for path in paths {
            let at = |folder: &str| workspace().join(folder).join(path);
            // Without the word `src`, in running text.
            let short = path.replacen('/', "/src/", 1);
            let exists = at("").exists()
                || at("crates").exists()
                || workspace().join("crates").join(short).exists()
                || *path == "target/release/skynet";
            assert!(exists, "{file}: {path}");
        }
    }
}

/// The program of the README prints what is said there.
#[test]
fn readme_program() {
    let text = read("README.md");
    let block = |fence: &str| {
        let (_, rest) = text.split_once(fence).expect(fence);
        rest.split_once("```")
            .expect("the block's end")
            .0
            .to_owned()
    };
    let out = Node::bare()
        .file("main.lua", block("```lua\n"))
        .args(&["run", "main.lua"])
        .run();
    out.exit(0).no_panic();
    let printed: String = out
        .stdout
        .lines()
        .filter(|line| !line.starts_with('['))
        .flat_map(|line| [line, "\n"])
        .collect();
    assert_eq!(printed, block("```text\n"), "{out}");
}

/// The README names every example.
#[test]
fn readme_examples() {
    let text = read("README.md");
    for entry in std::fs::read_dir(workspace().join("examples")).expect("examples") {
        let name = entry.expect("entry").file_name();
        let name = name.to_str().expect("a name");
        assert!(text.contains(&format!("examples/{name}")), "{name}");
    }
}

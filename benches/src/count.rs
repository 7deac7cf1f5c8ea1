//! How many instructions hot paths take: figures that do not depend on how busy a machine is, so that a change that
//! costs something is seen at once.
//!
//! A path is a workload that does one thing. It is run twice under callgrind, with two numbers of operations; the
//! difference of the instructions, divided by that of the operations, is what one operation takes, without the start
//! and the end of the node. The node has one worker and a fixed seed of hashes. What is left of chance is the time: the
//! timer thread ticks, and a turn ends after a millisecond. So only the worker's instructions count, except where other
//! threads are the point.
//!
//! The stored figures are `instructions.json`: what they were made with, how much more is allowed, and the counts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};

use crate::args::{CountArgs, Mode, Other};
use crate::cargo;
use crate::crowd::Crowd;
use crate::machine;
use crate::node::{Binary, Outcome, Settings};
use crate::workload::{Kind, Workload};

/// Whose instructions count.
#[derive(Clone, Copy, PartialEq)]
enum Threads {
    /// Those of the worker.
    Worker,
    /// Those of all threads.
    All,
}

/// What runs a path.
#[derive(Clone, Copy, PartialEq)]
enum Runner {
    /// A node of the command, with a workload in Lua.
    Node(Kind),
    /// The example `actors` of the crate `skynet`, with this shape.
    Actors(&'static str),
}

/// A path: the workload of that name, with these numbers of operations.
struct Hot {
    name: &'static str,
    few: u64,
    many: u64,
    runner: Runner,
    threads: Threads,
    /// How much more than the usual tolerance is allowed: where threads wait for each other, they look for work for a
    /// while, and how often depends on the time.
    slack: f64,
    about: &'static str,
}

const fn hot(name: &'static str, few: u64, many: u64, about: &'static str) -> Hot {
    Hot {
        name,
        few,
        many,
        runner: Runner::Node(Kind::Node),
        threads: Threads::Worker,
        slack: 1.0,
        about,
    }
}

const PATHS: &[Hot] = &[
    hot(
        "call",
        2_000,
        22_000,
        "a call to another service and its answer",
    ),
    hot("send", 2_500, 42_500, "a one-way message, sent and handled"),
    hot("yield", 2_000, 42_000, "once round the own mailbox"),
    hot("fork", 2_000, 42_000, "a coroutine is made, runs and ends"),
    Hot {
        threads: Threads::All,
        ..hot(
            "timer",
            2_000,
            42_000,
            "a timer is made and fires; all threads",
        )
    },
    hot("spawn", 50, 250, "a service of a few lines is launched"),
    hot(
        "spawnlarge",
        20,
        120,
        "a service with 5,000 lines of code is launched",
    ),
    hot(
        "pack",
        2_000,
        42_000,
        "the arguments of a request are packed",
    ),
    hot("unpack", 2_000, 42_000, "and unpacked"),
    hot(
        "calltable",
        500,
        4_500,
        "a call that carries a table both ways",
    ),
    hot(
        "netpack",
        1_600,
        41_600,
        "a frame of 62 bytes is split off what was read",
    ),
    hot(
        "request",
        2_000,
        42_000,
        "a cluster's request is taken apart",
    ),
    Hot {
        runner: Runner::Node(Kind::Tcp),
        threads: Threads::All,
        slack: 4.0,
        ..hot(
            "echo",
            500,
            4_500,
            "a line of 64 bytes goes round a loopback connection; all threads",
        )
    },
    Hot {
        runner: Runner::Node(Kind::Cluster),
        threads: Threads::All,
        slack: 4.0,
        ..hot(
            "cluster",
            300,
            3_300,
            "a call to another node, the caller's side; all threads",
        )
    },
    actors("tell", "tell", "a message of a Rust type, told and handled"),
    actors("ask", "ask", "a question of a Rust type and its answer"),
    actors("asklua", "call", "the same with values in the pack format"),
];

const fn actors(name: &'static str, shape: &'static str, about: &'static str) -> Hot {
    Hot {
        runner: Runner::Actors(shape),
        ..hot(name, 2_000, 42_000, about)
    }
}

/// How much more than stored is allowed if it was made with other tools: another compiler may well differ by more than
/// a change of the code.
const OTHER_TOOLS: f64 = 0.15;

/// How much more is allowed, if the file does not say.
const TOLERANCE: f64 = 0.05;

/// Does what the command line says; false if a path takes more instructions than it may.
pub fn run(args: &CountArgs) -> anyhow::Result<bool> {
    let paths = select(&args.paths)?;
    let Some(valgrind) = valgrind() else {
        if args.paths.is_empty() && !args.bless {
            println!("skipped: there is no valgrind (apt-get install valgrind)");
            return Ok(true);
        }
        bail!("there is no valgrind (apt-get install valgrind)");
    };
    let own = match &args.binary {
        Some(path) => path.clone(),
        None => {
            // Beside the command, where it is looked for.
            if paths
                .iter()
                .any(|path| matches!(path.runner, Runner::Actors(_)))
            {
                cargo::build(cargo::ACTORS, &args.profile)?;
            }
            cargo::build(cargo::SKYNET, &args.profile)?
        }
    };
    let mut binaries = vec![Other {
        label: "now".into(),
        path: own,
    }];
    binaries.extend(args.against.iter().cloned());

    let tools = tools(&binaries[0].path, &valgrind);
    let stored = if args.against.is_empty() {
        read()?
    } else {
        Value::Null
    };
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let mut table = Table::new(&binaries, &stored, &tools);
    for path in &paths {
        let mut counts = Vec::new();
        for binary in &binaries {
            let count = path.count(binary, folder.path());
            counts.push(count.with_context(|| format!("{} on {}", path.name, binary.label))?);
        }
        table.row(path, &counts);
    }
    if args.bless {
        bless(&table, &stored, &tools)?;
        return Ok(true);
    }
    Ok(table.end())
}

fn select(names: &[String]) -> anyhow::Result<Vec<&'static Hot>> {
    if names.is_empty() {
        return Ok(PATHS.iter().collect());
    }
    let find = |name: &String| {
        let found = PATHS.iter().find(|path| path.name == name);
        let all: Vec<_> = PATHS.iter().map(|path| path.name).collect();
        found.with_context(|| format!("there is no path `{name}`, only {}", all.join(" ")))
    };
    names.iter().map(find).collect()
}

impl Hot {
    /// Instructions of one operation.
    fn count(&self, binary: &Other, folder: &Path) -> anyhow::Result<f64> {
        let few = self.instructions(self.few, binary, folder)?;
        let many = self.instructions(self.many, binary, folder)?;
        Ok((many as f64 - few as f64) / (self.many - self.few) as f64)
    }

    /// Instructions of a whole run.
    fn instructions(&self, n: u64, binary: &Other, folder: &Path) -> anyhow::Result<u64> {
        let output = folder.join("callgrind");
        // A file for each thread; the first one is empty.
        remove(folder)?;
        let settings = settings(folder, &output)?;
        match self.runner {
            Runner::Node(kind) => self.run_node(kind, n, binary, &settings)?,
            Runner::Actors(shape) => run_actors(shape, n, binary, &settings)?,
        }
        let mut threads = Vec::new();
        for file in fs::read_dir(folder)? {
            let file = file?;
            if file.file_name().to_string_lossy().starts_with("callgrind-") {
                threads.extend(totals(&fs::read_to_string(file.path())?));
            }
        }
        let count = match self.threads {
            // It does everything here: nobody else comes near it.
            Threads::Worker => threads.iter().max().copied(),
            Threads::All => threads.iter().copied().reduce(|a, b| a + b),
        };
        count.context("callgrind wrote no figures")
    }

    fn run_node(
        &self,
        kind: Kind,
        n: u64,
        binary: &Other,
        settings: &Settings,
    ) -> anyhow::Result<()> {
        let workload = Workload {
            name: self.name,
            kind,
            n,
            smoke: n,
            operation: "",
            about: self.about,
            once: true,
        };
        let binary = Binary {
            label: binary.label.clone(),
            path: binary.path.canonicalize()?,
            mode: Mode::Config,
        };
        match settings.run(&binary, &workload, n) {
            Outcome::Done(_) => Ok(()),
            Outcome::Skipped(reason) | Outcome::Failed(reason) => bail!("{reason}"),
        }
    }
}

/// Runs the example, which lies in a folder beside the command.
fn run_actors(shape: &str, n: u64, binary: &Other, settings: &Settings) -> anyhow::Result<()> {
    let command = binary.path.canonicalize()?;
    let program = command.with_file_name("examples").join("actors");
    if !program.exists() {
        bail!("there is no {}", program.display());
    }
    let [first, wrap @ ..] = &settings.wrap[..] else {
        bail!("nothing counts");
    };
    let mut command = Command::new(first);
    command
        .args(wrap)
        .arg(&program)
        .args([shape, &n.to_string()]);
    command.envs(settings.environment.iter().cloned());
    let output = command.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("it ended with {}: {said}", output.status);
    }
    Ok(())
}

/// Takes the files of the last run away.
fn remove(folder: &Path) -> anyhow::Result<()> {
    for file in fs::read_dir(folder)? {
        let file = file?;
        if file.file_name().to_string_lossy().starts_with("callgrind") {
            fs::remove_file(file.path())?;
        }
    }
    Ok(())
}

fn settings(folder: &Path, output: &Path) -> anyhow::Result<Settings> {
    let mut settings = Settings::new(folder)?;
    settings.threads = 1;
    settings.limit = Duration::from_secs(300);
    settings.crowd = Crowd { idle: 0, busy: 0 };
    settings.environment = vec![("SKYNET_HASHSEED".into(), "1".into())];
    let words = [
        "valgrind",
        "-q",
        "--tool=callgrind",
        "--separate-threads=yes",
    ];
    settings.wrap = words.map(str::to_owned).into();
    let file = format!("--callgrind-out-file={}", output.display());
    settings.wrap.push(file);
    Ok(settings)
}

/// The sum in one of callgrind's files.
pub fn totals(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("totals: "))?;
    line.trim().parse().ok()
}

/// Its version, if there is one.
pub fn valgrind() -> Option<String> {
    let mut command = Command::new("valgrind");
    let output = command.arg("--version").stderr(Stdio::null()).output();
    let text = String::from_utf8(output.ok()?.stdout).ok()?;
    Some(text.trim().strip_prefix("valgrind-")?.to_owned())
}

/// What the counts depend on beside the project's own code.
pub fn tools(binary: &Path, valgrind: &str) -> Value {
    let bytes = fs::read(binary).unwrap_or_default();
    let mut libc = Command::new("getconf");
    let libc = libc.arg("GNU_LIBC_VERSION").stderr(Stdio::null()).output();
    let libc = libc
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok());
    json!({
        "rust compiler": machine::compiler(&bytes, b"rustc version "),
        "c compiler": machine::compiler(&bytes, b"GCC: ("),
        "c library": libc.map(|text| text.trim().to_owned()),
        "lua-src": cargo::locked("lua-src"),
        "libmimalloc-sys": cargo::locked("libmimalloc-sys"),
        "valgrind": valgrind,
    })
}

/// The stored figures.
pub fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.json")
}

fn read() -> anyhow::Result<Value> {
    let file = file();
    match fs::read(&file) {
        Ok(text) => {
            serde_json::from_slice(&text).with_context(|| format!("cannot use {}", file.display()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Value::Null),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

fn bless(table: &Table, stored: &Value, tools: &Value) -> anyhow::Result<()> {
    let counts = stored["counts"].as_object();
    let mut counts: Map<String, Value> = counts.cloned().unwrap_or_default();
    counts.retain(|name, _| PATHS.iter().any(|path| path.name == name));
    for (name, count) in &table.counts {
        counts.insert((*name).into(), json!(count.round()));
    }
    let tolerance = stored["tolerance"].as_f64().unwrap_or(TOLERANCE);
    let json = json!({ "tolerance": tolerance, "tools": tools, "counts": counts });
    let file = file();
    let text = serde_json::to_string_pretty(&json)? + "\n";
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    println!("stored");
    Ok(())
}

/// What is printed, line by line, since a run takes a while.
struct Table<'a> {
    stored: &'a Value,
    against: Vec<String>,
    /// How much more is allowed.
    tolerance: f64,
    /// The tools that differ: name, then, now.
    differ: Vec<(String, String, String)>,
    counts: Vec<(&'static str, f64)>,
    over: Vec<&'static str>,
    under: Vec<&'static str>,
    new: Vec<&'static str>,
}

impl<'a> Table<'a> {
    fn new(binaries: &[Other], stored: &'a Value, tools: &Value) -> Table<'a> {
        let mut differ = Vec::new();
        if let (Some(then), Some(now)) = (stored["tools"].as_object(), tools.as_object()) {
            for (name, value) in now {
                if then.get(name) != Some(value) {
                    let then = then.get(name).map_or("unknown".into(), Value::to_string);
                    differ.push((name.clone(), then, value.to_string()));
                }
            }
        }
        let tolerance = stored["tolerance"].as_f64().unwrap_or(TOLERANCE);
        let tolerance = if differ.is_empty() {
            tolerance
        } else {
            tolerance.max(OTHER_TOOLS)
        };
        let against: Vec<_> = binaries[1..].iter().map(|b| b.label.clone()).collect();
        let mut head = format!("{:<11}{:>10}", "path", "now");
        let columns: &[String] = &against;
        if columns.is_empty() {
            head += &format!("{:>10}{:>9}", "stored", "");
        }
        for label in columns {
            head += &format!("{label:>10}{:>9}", "");
        }
        println!("{head}  instructions of");
        Table {
            stored,
            against,
            tolerance,
            differ,
            counts: Vec::new(),
            over: Vec::new(),
            under: Vec::new(),
            new: Vec::new(),
        }
    }

    fn row(&mut self, path: &Hot, counts: &[f64]) {
        let now = counts[0];
        let mut line = format!("{:<11}{now:>10.0}", path.name);
        let more = |then: f64| now / then - 1.0;
        let column = |then: f64| format!("{then:>10.0}{:>+8.1}%", more(then) * 100.0);
        if self.against.is_empty() {
            match self.stored["counts"][path.name].as_f64() {
                Some(then) => {
                    line += &column(then);
                    let tolerance = self.tolerance * path.slack;
                    if more(then) > tolerance {
                        self.over.push(path.name);
                    } else if more(then) < -tolerance {
                        self.under.push(path.name);
                    }
                }
                None => {
                    line += &format!("{:>10}{:>9}", "–", "");
                    self.new.push(path.name);
                }
            }
        }
        for &then in &counts[1..] {
            line += &column(then);
        }
        println!("{line}  {}", path.about);
        self.counts.push((path.name, now));
    }

    /// Says what is to be said; false if something takes too many instructions.
    fn end(&self) -> bool {
        for (name, then, now) in &self.differ {
            println!("the stored figures were made with another {name}: {then}, now {now}");
        }
        let bless = "`cargo run -p skynet-bench -- count --bless` stores them";
        if !self.under.is_empty() {
            let names = self.under.join(", ");
            println!(
                "fewer instructions than before, so the stored figures should follow: {names}; {bless}"
            );
        }
        if !self.new.is_empty() {
            println!("not stored yet: {}; {bless}", self.new.join(", "));
        }
        if !self.over.is_empty() {
            let percent = self.tolerance * 100.0;
            let names = self.over.join(", ");
            println!(
                "FAILED: more than {percent:.0} % above the stored figures: {names}; if that is meant to be, {bless}"
            );
        }
        self.over.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callgrinds_sum_is_read() {
        assert_eq!(totals("version: 1\nsummary: 5\n\ntotals: 42\n"), Some(42));
        assert_eq!(totals("version: 1\n"), None);
    }

    #[test]
    fn every_path_has_a_stored_count() {
        let stored = read().unwrap();
        for path in PATHS {
            assert!(stored["counts"][path.name].is_f64(), "{}", path.name);
            assert!(path.many > path.few);
        }
        let counts = stored["counts"].as_object().unwrap();
        assert_eq!(counts.len(), PATHS.len());
        assert!(stored["tools"]["rust compiler"].is_string());
    }

    #[test]
    fn more_than_the_tolerance_fails_and_other_tools_widen_it() {
        let stored =
            json!({ "tolerance": 0.05, "tools": { "c": "1" }, "counts": { "call": 100.0 } });
        let check = |tools: Value, count| {
            let binary = Other {
                label: "now".into(),
                path: "x".into(),
            };
            let mut table = Table::new(&[binary], &stored, &tools);
            table.row(&PATHS[0], &[count]);
            table.end()
        };
        assert!(check(json!({ "c": "1" }), 104.0));
        assert!(!check(json!({ "c": "1" }), 106.0));
        assert!(check(json!({ "c": "2" }), 106.0));
        assert!(!check(json!({ "c": "2" }), 116.0));
    }
}

//! Lua programs beside Lua as it is published: how fast the interpreter is.
//!
//! Ten programs are of the kinds that game servers run, five are classics (`benches/lua/programs`). Each runs in a bare
//! interpreter with this project's Lua, and in one with the same sources without the patch, both with the same
//! allocator, seed of hashes and collector. Instructions are the difference of two sizes, so that the start does not
//! count; times are processor time, the best of several runs in turn. LuaJIT runs beside for orientation, where it is
//! installed and understands the program.
//!
//! The stored counts are `lua.json`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};

use crate::args::LuaArgs;
use crate::cargo;
use crate::count;

struct Program {
    name: &'static str,
    /// Of the kinds that game servers run; the others are classics.
    game: bool,
    /// The sizes for counting.
    few: u64,
    many: u64,
}

const fn game(name: &'static str, few: u64, many: u64) -> Program {
    Program {
        name,
        game: true,
        few,
        many,
    }
}

const fn classic(name: &'static str, few: u64, many: u64) -> Program {
    Program {
        name,
        game: false,
        few,
        many,
    }
}

const PROGRAMS: [Program; 15] = [
    game("entity", 20, 120),
    game("aoi", 4, 20),
    game("skill", 200, 1_700),
    game("inventory", 200, 1_200),
    game("json", 5, 30),
    game("text", 50, 450),
    game("dispatch", 300, 2_300),
    game("astar", 1, 3),
    game("bytes", 50, 350),
    game("rank", 3, 13),
    classic("fib", 10, 23),
    classic("nbody", 100, 1_100),
    classic("trees", 2, 22),
    classic("tasks", 50, 350),
    classic("sieve", 1, 8),
];

/// How much larger the programs are for their times.
const LONGER: u64 = 30;

/// How much more instructions than stored are allowed; with other tools, as for the hot paths.
const TOLERANCE: f64 = 0.03;
const OTHER_TOOLS: f64 = 0.15;

impl Program {
    fn file(&self) -> PathBuf {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("lua/programs");
        folder.join(self.name).with_extension("lua")
    }

    /// Instructions between the two sizes.
    fn count(&self, interpreter: &Path, folder: &Path) -> anyhow::Result<u64> {
        let [few, many] = [self.few, self.many].map(|n| self.instructions(interpreter, n, folder));
        Ok(many? - few?)
    }

    fn instructions(&self, interpreter: &Path, n: u64, folder: &Path) -> anyhow::Result<u64> {
        let file = folder.join("callgrind");
        let output = Command::new("valgrind")
            .args(["-q", "--tool=callgrind"])
            .arg(format!("--callgrind-out-file={}", file.display()))
            .arg(interpreter)
            .arg(self.file())
            .arg(n.to_string())
            .stdin(Stdio::null())
            .output()
            .context("cannot start valgrind")?;
        if !output.status.success() {
            bail!("{}: {}", self.name, String::from_utf8_lossy(&output.stderr));
        }
        count::totals(&fs::read_to_string(&file)?).context("callgrind wrote no figures")
    }

    /// Seconds of processor time, and what it said; none if it failed.
    fn time(&self, interpreter: &Path) -> Option<(f64, Vec<u8>)> {
        let n = match self.name {
            // Its time grows by more than its size.
            "fib" => 30,
            _ => self.many * LONGER,
        };
        let clock = Path::new(env!("CARGO_MANIFEST_DIR")).join("lua/clock.lua");
        let mut command = Command::new(interpreter);
        command.arg(clock).arg(self.file()).arg(n.to_string());
        let output = command.stdin(Stdio::null()).output().ok()?;
        let seconds = String::from_utf8(output.stderr).ok()?.parse().ok()?;
        output.status.success().then_some((seconds, output.stdout))
    }
}

/// Does what the command line says; false if a program takes more instructions than it may.
pub fn run(args: &LuaArgs) -> anyhow::Result<bool> {
    let programs = select(&args.programs)?;
    let valgrind = count::valgrind();
    if valgrind.is_none() && (args.check || args.bless) {
        println!("skipped: there is no valgrind (apt-get install valgrind)");
        return Ok(!args.bless);
    }
    let now = cargo::build(cargo::LUA, &args.profile)?;
    let folder = tempfile::tempdir().context("no temporary folder")?;
    if args.check {
        let tools = count::tools(&now, &valgrind.unwrap_or_default());
        return check(&programs, &now, &tools, folder.path());
    }
    let published = cargo::build(cargo::PUBLISHED_LUA, &args.profile)?;
    let jit = PathBuf::from("luajit");
    let jit = Command::new(&jit).arg("-v").output().ok().map(|_| jit);
    if jit.is_none() {
        println!("skipped: LuaJIT beside, since there is no luajit (apt-get install luajit)");
    }
    if valgrind.is_none() {
        println!("skipped: instructions, since there is no valgrind (apt-get install valgrind)");
    }
    println!(
        "| program | instructions, published | here | seconds, published | here: times as fast | LuaJIT |"
    );
    println!("|---|---:|---:|---:|---:|---:|");
    let mut means = [Mean::default(), Mean::default()];
    let mut counts = Map::new();
    for program in &programs {
        let mean = &mut means[usize::from(!program.game)];
        let mut line = format!("| {} |", program.name);
        if valgrind.is_some() {
            let old = program.count(&published, folder.path())?;
            let new = program.count(&now, folder.path())?;
            let ratio = new as f64 / old as f64;
            mean.instructions.push(ratio);
            line += &format!(" {:.1} M | {ratio:.3} |", old as f64 / 1e6);
            counts.insert(
                program.name.into(),
                json!({ "published": old, "here": new }),
            );
        } else {
            line += " – | – |";
        }
        let times = times(program, &[&published, &now], jit.as_deref(), args.runs)?;
        let factor = times.published / times.here;
        mean.times.push(factor);
        line += &format!(" {:.3} | {factor:.2} |", times.published);
        line += &match times.jit {
            Some(jit) => format!(" {:.2} |", times.published / jit),
            None => " – |".into(),
        };
        println!("{line}");
    }
    for (name, mean) in ["game", "classic"].iter().zip(&means) {
        if !mean.times.is_empty() {
            let instructions = geometric(&mean.instructions);
            let times = geometric(&mean.times);
            println!("| **{name}** | | **{instructions:.3}** | | **{times:.2}** | |");
        }
    }
    if args.bless {
        let tools = count::tools(&now, &valgrind.unwrap_or_default());
        let mut all = stored()?["counts"].as_object().cloned().unwrap_or_default();
        all.retain(|name, _| PROGRAMS.iter().any(|program| program.name == name));
        all.extend(counts);
        let json = json!({ "tolerance": TOLERANCE, "tools": tools, "counts": all });
        fs::write(file(), serde_json::to_string_pretty(&json)? + "\n")
            .context("cannot write the counts")?;
        println!("stored");
    }
    Ok(true)
}

#[derive(Default)]
struct Mean {
    instructions: Vec<f64>,
    times: Vec<f64>,
}

fn geometric(factors: &[f64]) -> f64 {
    let sum: f64 = factors.iter().map(|factor| factor.ln()).sum();
    (sum / factors.len() as f64).exp()
}

struct Times {
    published: f64,
    here: f64,
    jit: Option<f64>,
}

/// The best times of several runs in turn. What the two say has to be the same.
fn times(
    program: &Program,
    two: &[&Path; 2],
    jit: Option<&Path>,
    runs: u32,
) -> anyhow::Result<Times> {
    let mut best = [f64::INFINITY; 3];
    for _ in 0..runs {
        let mut said = Vec::new();
        for (best, interpreter) in best.iter_mut().zip(two) {
            let run = program.time(interpreter);
            let (seconds, output) = run
                .with_context(|| format!("{} fails on {}", program.name, interpreter.display()))?;
            *best = best.min(seconds);
            said.push(output);
        }
        if said[0] != said[1] {
            bail!("{} does not say the same on both", program.name);
        }
        if let Some((seconds, _)) = jit.and_then(|jit| program.time(jit)) {
            best[2] = best[2].min(seconds);
        }
    }
    Ok(Times {
        published: best[0],
        here: best[1],
        jit: best[2].is_finite().then_some(best[2]),
    })
}

/// Compares the counts with those that are stored.
fn check(programs: &[&Program], now: &Path, tools: &Value, folder: &Path) -> anyhow::Result<bool> {
    let stored = stored()?;
    let same = stored["tools"] == *tools;
    let tolerance = match same {
        true => stored["tolerance"].as_f64().unwrap_or(TOLERANCE),
        false => OTHER_TOOLS,
    };
    if !same {
        println!(
            "the counts were stored with other tools: {}, now {tools}",
            stored["tools"]
        );
    }
    let mut good = true;
    for program in programs {
        let count = program.count(now, folder)? as f64;
        let Some(before) = stored["counts"][program.name]["here"].as_f64() else {
            println!(
                "{:<10} {count:>12} is not stored: run with --bless",
                program.name
            );
            good = false;
            continue;
        };
        let over = count > before * (1.0 + tolerance);
        let mark = if over { "  more than is allowed" } else { "" };
        println!(
            "{:<10} {count:>12} {:>+6.1} %{mark}",
            program.name,
            (count / before - 1.0) * 100.0
        );
        good &= !over;
    }
    Ok(good)
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("lua.json")
}

fn stored() -> anyhow::Result<Value> {
    match fs::read(file()) {
        Ok(text) => serde_json::from_slice(&text).context("cannot use lua.json"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Value::Null),
        Err(error) => Err(error).context("cannot read lua.json"),
    }
}

fn select(names: &[String]) -> anyhow::Result<Vec<&'static Program>> {
    if names.is_empty() {
        return Ok(PROGRAMS.iter().collect());
    }
    let find = |name: &String| {
        let all: Vec<_> = PROGRAMS.iter().map(|program| program.name).collect();
        let found = PROGRAMS.iter().find(|program| program.name == name);
        found.with_context(|| format!("there is no program `{name}`, only {}", all.join(" ")))
    };
    names.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_has_a_file_and_every_file_is_a_program() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("lua/programs");
        let files = fs::read_dir(folder).unwrap().count();
        assert_eq!(files, PROGRAMS.len());
        for program in &PROGRAMS {
            assert!(program.file().exists(), "{}", program.name);
            assert!(program.few < program.many);
        }
    }

    #[test]
    fn means_are_geometric() {
        assert!((geometric(&[0.5, 2.0]) - 1.0).abs() < 1e-12);
    }
}

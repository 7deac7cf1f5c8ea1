//! The benchmark kit: runs the workloads of `lua/` on one or several skynet binaries, each several times and in turn, so
//! that a change of the machine's speed hits all alike, and prints and compares the figures. docs/performance.md tells how
//! to use it.
//!
//! A run is a node of its own: [`node`] starts it with a configuration made for it, and it prints what it measured. [`results`]
//! collects the figures and writes them, [`table`] shows them, [`machine`] says where they come from.

mod args;
mod code;
mod crowd;
mod kernel;
mod machine;
mod node;
mod proc;
mod results;
mod table;
mod workload;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Parser as _;
use serde_json::{Value, json};

use args::{Args, Mode};
use crowd::Crowd;
use node::{Binary, Outcome, Settings};
use results::{Baseline, Results};
use workload::{Kind, Workload};

/// Lines of the code base that `spawnlarge` loads.
const CODE_LINES: usize = 5000;

/// The label of the figures of the kernel's own benchmark.
const KERNEL: &str = "kernel";

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("skynet-bench: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Does what the command line says; false if a workload failed.
fn run(args: &Args) -> anyhow::Result<bool> {
    if args.list {
        for workload in workload::ALL {
            let rate = match workload.operation {
                "" => String::new(),
                operation => format!(" ({operation}/s)"),
            };
            println!("{:<12} {}{rate}", workload.name, workload.about);
        }
        return Ok(true);
    }
    let workloads = select(&args.workloads)?;
    let binaries = binaries(args)?;
    let temporary = tempfile::tempdir().context("no temporary folder")?;
    let folder = args.prepare.as_deref().unwrap_or(temporary.path());
    let settings = settings(args, folder)?;
    if args.prepare.is_some() {
        prepare(&settings, &binaries, &workloads, args)?;
        return Ok(true);
    }

    // Before the work, so that a wrong name does not cost it.
    let baseline = args.baseline.as_deref().map(Baseline::read).transpose()?;
    let targets = match &args.targets {
        None => None,
        Some(file) => {
            let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("targets.json");
            Some(table::Targets::read(file.as_ref().unwrap_or(&own))?)
        }
    };
    let machine = machine::machine();
    println!("{}", machine::line(&machine));
    let results = measure(args, &settings, &binaries, &workloads)?;
    let settings = json!({
        "runs": runs(args), "threads": args.threads, "scale": args.scale, "smoke": args.smoke,
        "mode": args.mode.name(), "set": args.set,
    });

    if args.smoke {
        let ran = results.series.iter().map(|series| &series.workload);
        let ran: std::collections::BTreeSet<_> = ran.collect();
        println!("{} workloads ran", ran.len());
    } else {
        if let Some(baseline) = &baseline {
            warn_of_differences(baseline, &settings, &machine);
        }
        let others: Vec<&str> = binaries[1..].iter().map(|b| b.label.as_str()).collect();
        let first = &binaries[0].label;
        let table = table::table(
            &results,
            first,
            &others,
            baseline.as_ref(),
            targets.as_ref(),
        );
        println!("\n{table}");
    }
    for (workload, binary, reason) in &results.skipped {
        println!("skipped {workload} on {binary}: {reason}");
    }
    for (workload, binary, reason) in &results.failed {
        println!("FAILED {workload} on {binary}: {reason}");
    }
    if let Some(file) = &args.json {
        let mut json = json!({
            "time": machine::now(), "machine": machine, "settings": settings, "source": machine::source(),
            "binaries": binaries.iter().map(machine::binary).collect::<Vec<Value>>(),
        });
        for (key, value) in results.json() {
            json[key] = value;
        }
        let text = serde_json::to_string_pretty(&json)? + "\n";
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(results.failed.is_empty())
}

fn runs(args: &Args) -> u32 {
    if args.smoke { 1 } else { args.runs }
}

/// The workloads of these names, all if there is none.
fn select(names: &[String]) -> anyhow::Result<Vec<&'static Workload>> {
    if names.is_empty() {
        return Ok(workload::ALL.iter().collect());
    }
    let find = |name: &String| {
        let found = workload::ALL.iter().find(|workload| workload.name == name);
        found.with_context(|| format!("there is no workload `{name}`; --list shows them"))
    };
    names.iter().map(find).collect()
}

fn binaries(args: &Args) -> anyhow::Result<Vec<Binary>> {
    let own = match &args.binary {
        Some(path) => path.clone(),
        None => beside_this("skynet")?,
    };
    let mut all = vec![Binary {
        label: "skynet-rs".into(),
        path: own,
        mode: args.mode,
    }];
    all.extend(args.against.iter().map(|other| Binary {
        label: other.label.clone(),
        path: other.path.clone(),
        mode: Mode::Config,
    }));
    for index in 0..all.len() {
        let (path, label) = (&all[index].path, &all[index].label);
        if !path.is_file() {
            let build = "cargo build --release -p skynet";
            bail!("there is no {}; build it first (`{build}`)", path.display());
        }
        if all[..index].iter().any(|other| other.label == *label) || label == KERNEL {
            bail!("two binaries are called {label}; use --against LABEL=PATH");
        }
        all[index].path = path.canonicalize()?;
    }
    Ok(all)
}

/// A program of the profile that this one was built with.
fn beside_this(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("where is this program?")?;
    Ok(own.with_file_name(name))
}

fn settings(args: &Args, folder: &Path) -> anyhow::Result<Settings> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let folder = folder.canonicalize()?;
    fs::write(folder.join("bench_code.lua"), code::module(CODE_LINES))
        .with_context(|| format!("cannot write to {}", folder.display()))?;
    Ok(Settings {
        lua: Path::new(env!("CARGO_MANIFEST_DIR")).join("lua"),
        folder,
        threads: args.threads,
        set: args.set.clone(),
        log: args.smoke,
        limit: Duration::from_secs(if args.smoke { 60 } else { args.limit }),
        idle: if args.smoke {
            Duration::from_millis(200)
        } else {
            Duration::from_secs(10)
        },
        crowd: if args.smoke {
            Crowd {
                idle: 100,
                busy: 50,
            }
        } else {
            Crowd {
                idle: 10_000,
                busy: 1_000,
            }
        },
    })
}

/// How many operations a workload has this time.
fn size(workload: &Workload, args: &Args) -> u64 {
    if args.smoke {
        return workload.smoke;
    }
    let n = (workload.n as f64 * args.scale).round() as u64;
    // The workloads divide it by up to 64 and expect something to be left.
    if workload.n == 0 { 0 } else { n.max(64) }
}

/// Writes the configurations, and prints how to run each workload by hand.
fn prepare(
    settings: &Settings,
    binaries: &[Binary],
    workloads: &[&Workload],
    args: &Args,
) -> anyhow::Result<()> {
    for binary in binaries {
        let command = settings.command(binary, "bench")?;
        let mut line = command.get_program().to_string_lossy().into_owned();
        for word in command.get_args() {
            line += &format!(" '{}'", word.to_string_lossy());
        }
        for workload in workloads {
            let more = match workload.kind {
                Kind::Node | Kind::Idle => "",
                Kind::Tcp | Kind::Gate => " BENCH_PORT=28700",
                Kind::Cluster => " BENCH_NODE=127.0.0.1:28700",
            };
            println!(
                "BENCH={} N={}{more} {line}",
                workload.name,
                size(workload, args)
            );
        }
        if workloads
            .iter()
            .any(|workload| workload.kind == Kind::Cluster)
        {
            settings.command(binary, "bench_node")?;
            println!(
                "# the cluster workloads need a second node of the service bench_node, with the same BENCH_NODE"
            );
        }
    }
    Ok(())
}

/// Runs everything. The binaries take turns within a workload, the workloads within a run.
fn measure(
    args: &Args,
    settings: &Settings,
    binaries: &[Binary],
    workloads: &[&Workload],
) -> anyhow::Result<Results> {
    let mut results = Results::default();
    let entry = |workload: &str, label: &str, reason| (workload.into(), label.into(), reason);
    for run in 1..=runs(args) {
        for workload in workloads {
            for binary in binaries {
                let label = &binary.label;
                let gone = |list: &[(String, String, String)]| {
                    list.iter()
                        .any(|(w, b, _)| w == workload.name && b == label)
                };
                // What failed or was skipped once would do so again.
                if gone(&results.skipped) || gone(&results.failed) {
                    continue;
                }
                if !args.smoke {
                    eprintln!("run {run}: {} on {label}", workload.name);
                }
                match settings.run(binary, workload, size(workload, args)) {
                    Outcome::Done(metrics) => results.add(workload.name, label, metrics),
                    Outcome::Skipped(reason) => {
                        results.skipped.push(entry(workload.name, label, reason));
                    }
                    Outcome::Failed(reason) => {
                        results.failed.push(entry(workload.name, label, reason));
                    }
                }
            }
        }
        if args.kernel {
            if !args.smoke {
                eprintln!("run {run}: the kernel's own benchmark");
            }
            let program = binaries[0].path.with_file_name("examples/bench");
            let seconds = if args.smoke { 0.05 } else { 1.0 };
            let metrics = kernel::run(&program, args.threads, seconds).context(
                "the kernel's own benchmark (cargo build --release -p skynet-kernel --example bench)",
            )?;
            results.add(KERNEL, &binaries[0].label, metrics);
        }
    }
    Ok(results)
}

/// Says why a comparison with the baseline may mean little.
fn warn_of_differences(baseline: &Baseline, settings: &Value, machine: &Value) {
    for key in ["threads", "scale", "smoke", "mode", "set"] {
        if baseline.settings[key] != settings[key] {
            let (then, now) = (&baseline.settings[key], &settings[key]);
            println!("the baseline was made with another `{key}`: {then}, now {now}");
        }
    }
    for key in ["cpu", "cores", "kernel"] {
        if baseline.machine[key] != machine[key] {
            println!(
                "the baseline was made on another machine: its {key} was {}",
                baseline.machine[key]
            );
        }
    }
}

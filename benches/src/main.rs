//! The benchmark kit: runs the workloads of `lua/` on one or several skynet binaries, each several times and in turn,
//! so that a change of the machine's speed hits all alike, and prints and compares the figures. docs/performance.md
//! tells how to use it.
//!
//! A run is a node of its own: [`node`] starts it with a configuration made for it, and it prints what it measured.
//! [`results`] collects the figures and writes them, [`table`] shows them, [`machine`] says where they come from.

mod args;
mod cargo;
mod code;
mod count;
mod crowd;
mod database;
mod document;
mod flame;
mod kernel;
mod lua;
mod machine;
mod mongo;
mod node;
mod pace;
mod peers;
mod proc;
mod results;
mod scaling;
mod svg;
mod table;
mod workload;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Parser as _;
use serde_json::{Value, json};

use args::{Args, Cli, Mode, RecordArgs, Task};
use crowd::Crowd;
use node::{Binary, Outcome, Settings};
use peers::Peers;
use results::{Baseline, Results};
use scaling::Points;
use workload::{Kind, Workload};

/// The label of the figures of the kernel's own benchmark.
const KERNEL: &str = "kernel";

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.task {
        None => run(&cli.args),
        Some(Task::Count(args)) => count::run(args),
        Some(Task::Lua(args)) => lua::run(args),
        Some(Task::Record(args)) => record(args),
        Some(Task::Render) => document::write(cargo::root()).map(|()| true),
        Some(Task::Flame(args)) => flame::run(args),
    };
    match done {
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
    // Likewise what is built.
    let profile = cargo::profile()?;
    let kernel = match args.kernel {
        true => Some(cargo::build(cargo::KERNEL, &profile)?),
        false => None,
    };
    let peers = match args.peers {
        true => Some(Peers::build(&profile)?),
        false => None,
    };
    let machine = machine::machine();
    println!("{}", machine::line(&machine));
    let mut report = Report {
        head: json!({
            "time": machine::now(), "machine": machine, "source": machine::source(),
            "settings": {
                "runs": runs(args), "threads": args.threads, "scale": args.scale, "smoke": args.smoke,
                "mode": args.mode.name(), "set": args.set,
            },
            "binaries": binaries.iter().map(machine::binary).collect::<Vec<Value>>(),
        }),
        file: args.json.clone(),
        places: vec![settings.folder.clone(), cargo::root().to_owned()],
        ..Report::default()
    };
    let mut plan = Plan {
        args,
        settings,
        binaries: &binaries,
        workloads: &workloads,
        kernel,
        peers,
    };
    plan.measure(&mut report)?;
    let Report {
        head,
        results,
        peers,
        ..
    } = &report;
    if args.smoke {
        let ran = results.series.iter().map(|series| &series.workload);
        let ran: std::collections::BTreeSet<_> = ran.collect();
        println!("{} workloads ran", ran.len());
    } else {
        if let Some(baseline) = &baseline {
            warn_of_differences(baseline, &head["settings"], &head["machine"]);
        }
        let mut others: Vec<&str> = binaries[1..].iter().map(|b| b.label.as_str()).collect();
        if results.has(peers::POSTGRES) {
            others.push(peers::POSTGRES);
        }
        let first = &binaries[0].label;
        let table = table::table(results, first, &others, baseline.as_ref(), targets.as_ref());
        println!("\n{table}");
        if !peers.series.is_empty() {
            println!("{}", peers::table(peers));
        }
    }
    for (workload, binary, reason) in results.skipped.iter().chain(&peers.skipped) {
        println!("skipped {workload} on {binary}: {reason}");
    }
    for (workload, binary, reason) in results.failed.iter().chain(&peers.failed) {
        println!("FAILED {workload} on {binary}: {reason}");
    }
    Ok(results.failed.is_empty() && peers.failed.is_empty())
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
        None => cargo::build(cargo::SKYNET, &cargo::profile()?)?,
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
            bail!("there is no {}", path.display());
        }
        if all[..index].iter().any(|other| other.label == *label) || label == KERNEL {
            bail!("two binaries are called {label}; use --against LABEL=PATH");
        }
        all[index].path = path.canonicalize()?;
    }
    Ok(all)
}

fn settings(args: &Args, folder: &Path) -> anyhow::Result<Settings> {
    let mut settings = Settings::new(folder)?;
    settings.threads = args.threads;
    settings.set = args.set.clone();
    settings.log = args.smoke;
    settings.limit = Duration::from_secs(args.limit);
    if args.smoke {
        settings.limit = settings.limit.max(Duration::from_secs(60));
        settings.idle = Duration::from_millis(200);
        settings.crowd = Crowd {
            idle: 100,
            busy: 50,
        };
    }
    Ok(settings)
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
                Kind::Tcp | Kind::Gate | Kind::Clients => " BENCH_PORT=28700",
                Kind::Cluster => " BENCH_NODE=127.0.0.1:28700",
                Kind::ClientsOfTwo => " BENCH_PORT=28701 BENCH_NODE=127.0.0.1:28700",
                Kind::Database(_) => " BENCH_PORT=THE_PORT_OF_THE_SERVER",
            };
            println!(
                "BENCH={} N={}{more} {line}",
                workload.name,
                size(workload, args)
            );
        }
        if workloads
            .iter()
            .any(|workload| matches!(workload.kind, Kind::Cluster | Kind::ClientsOfTwo))
        {
            settings.command(binary, "bench_node")?;
            println!(
                "# the cluster workloads need a second node of the service bench_node, with the same BENCH_NODE"
            );
        }
    }
    Ok(())
}

/// What is to be run.
struct Plan<'a> {
    args: &'a Args,
    settings: Settings,
    binaries: &'a [Binary],
    workloads: &'a [&'static Workload],
    /// The kernel's own benchmark.
    kernel: Option<PathBuf>,
    peers: Option<Peers>,
}

impl Plan<'_> {
    /// Runs everything. The binaries take turns within a workload, the workloads within a run. What has been measured
    /// is saved each time, and what fails is a line of the results: nothing that was measured is lost.
    fn measure(&mut self, report: &mut Report) -> anyhow::Result<()> {
        let smoke = self.args.smoke;
        for run in 1..=runs(self.args) {
            for workload in self.workloads {
                if workload.once && run > 1 {
                    continue;
                }
                for binary in self.binaries {
                    self.say(run, &format!("{} on {}", workload.name, binary.label));
                    let n = size(workload, self.args);
                    report.results.try_add(workload.name, &binary.label, || {
                        self.settings.run(binary, workload, n)
                    });
                }
                if let (Some(peers), Kind::Database(database::Kind::Postgres)) =
                    (&self.peers, workload.kind)
                {
                    self.say(run, &format!("{} on {}", workload.name, peers::POSTGRES));
                    report.results.try_add(workload.name, peers::POSTGRES, || {
                        let n = size(workload, self.args);
                        let (servers, threads) = (&self.settings.servers, self.args.threads);
                        peers.postgres(servers, workload.name, n, threads)
                    });
                }
                report.save()?;
            }
            if let Some(program) = &self.kernel {
                self.say(run, "the kernel's own benchmark");
                let seconds = if smoke { 0.05 } else { 1.0 };
                let label = &self.binaries[0].label;
                report.results.try_add(KERNEL, label, || {
                    match kernel::run(program, self.args.threads, seconds) {
                        Ok(metrics) => Outcome::Done(metrics),
                        Err(error) => Outcome::Failed(format!("{error:#}")),
                    }
                });
                report.save()?;
            }
            if let Some(peers) = &self.peers {
                self.say(run, "other actor crates");
                let seconds = if smoke { 0.001 } else { 0.4 };
                peers.measure(seconds, self.args.threads, &mut report.peers);
                report.save()?;
            }
            // Many points, which are drawn and not compared: twice will do.
            if self.args.scaling && run <= 2 {
                self.say(run, "the diagrams' points");
                let label = self.binaries[0].label.clone();
                let failed = &mut report.results.failed;
                scaling::measure(
                    &mut self.settings,
                    &self.binaries[0],
                    smoke,
                    &mut report.points,
                    &mut |what, reason| failed.push((what, label.clone(), reason)),
                );
                report.save()?;
            }
        }
        Ok(())
    }

    fn say(&self, run: u32, what: &str) {
        if !self.args.smoke {
            eprintln!("run {run}: {what}");
        }
    }
}

/// What has been measured, and the file for it.
#[derive(Default)]
struct Report {
    /// Machine, settings and the like.
    head: Value,
    results: Results,
    /// The shapes of traffic on other crates, as workloads, and the crates as binaries.
    peers: Results,
    points: Points,
    file: Option<PathBuf>,
    /// Folders whose names mean nothing elsewhere.
    places: Vec<PathBuf>,
}

impl Report {
    /// Writes the file, if there is to be one.
    fn save(&self) -> anyhow::Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let mut json = self.head.clone();
        for (key, value) in self.results.json() {
            json[key] = value;
        }
        let [(_, peers), _, (_, failed)] = self.peers.json();
        json["peers"] = peers;
        if let (Some(all), Some(more)) = (json["failed"].as_array_mut(), failed.as_array()) {
            all.extend(more.iter().cloned());
        }
        json["scaling"] = scaling::json(&self.points);
        let mut text = serde_json::to_string_pretty(&json)? + "\n";
        for place in &self.places {
            text = text.replace(&format!("{}/", place.display()), "");
        }
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }
}

/// Measures all that the document shows, and writes it.
fn record(args: &RecordArgs) -> anyhow::Result<bool> {
    let figures = cargo::root().join(document::FIGURES);
    let runs = args.runs.to_string();
    let words = [
        "skynet-bench",
        "--kernel",
        "--peers",
        "--scaling",
        "--targets",
        "--runs",
        &runs,
        "--json",
    ];
    let words = words
        .map(OsString::from)
        .into_iter()
        .chain([figures.into()]);
    let complete = run(&Cli::parse_from(words).args)?;
    document::write(cargo::root())?;
    Ok(complete)
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

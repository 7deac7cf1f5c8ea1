//! The kernel beside other actor crates: runs `benches/peers`, which has the same traffic on each of them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use crate::cargo::{self, Program};
use crate::database::{Kind, Servers};
use crate::node::{Outcome, metrics};
use crate::results::Results;

/// The program; it has a workspace of its own.
const PEERS: Program = Program {
    package: "skynet-bench-peers",
    kind: "--bin",
    name: "peers",
    workspace: "benches/peers",
    features: None,
};

/// The metric of all its results.
pub const METRIC: &str = "ns";

/// The label of the driver that the workloads with PostgreSQL are compared with.
pub const POSTGRES: &str = "tokio-postgres";

/// The program, built, and what it has.
pub struct Peers {
    program: PathBuf,
    /// Crates, the project's own ones first.
    pub implementations: Vec<String>,
    /// Kinds of traffic.
    pub shapes: Vec<String>,
}

impl Peers {
    /// Builds it.
    pub fn build(profile: &str) -> anyhow::Result<Peers> {
        let program = cargo::build(PEERS, profile)?;
        let list = run(&program, &["list"])?;
        let mut lines = list
            .lines()
            .map(|line| line.split(' ').map(str::to_owned).collect());
        let (Some(implementations), Some(shapes)) = (lines.next(), lines.next()) else {
            bail!("it does not say what it has");
        };
        Ok(Peers {
            program,
            implementations,
            shapes,
        })
    }

    /// The same as a workload with PostgreSQL, by the crate `tokio-postgres`.
    pub fn postgres(&self, servers: &Servers, workload: &str, n: u64, threads: u32) -> Outcome {
        if let Some(reason) = Servers::missing(Kind::Postgres) {
            return Outcome::Skipped(reason.into());
        }
        let measure = || {
            let port = servers.port(Kind::Postgres)?.to_string();
            let words = [
                POSTGRES,
                workload,
                &port,
                &n.to_string(),
                &threads.to_string(),
            ];
            metrics(run(&self.program, &words)?.trim())
        };
        match measure() {
            Ok(metrics) => Outcome::Done(metrics),
            Err(error) => Outcome::Failed(format!("{error:#}")),
        }
    }

    /// All shapes on all crates in turn, each for about so many seconds.
    pub fn measure(&self, seconds: f64, threads: u32, results: &mut Results) {
        for shape in &self.shapes {
            for name in &self.implementations {
                let words = [name, shape, &seconds.to_string(), &threads.to_string()];
                results.try_add(shape, name, || {
                    let value = run(&self.program, &words).and_then(|text| nanoseconds(&text));
                    match value {
                        Ok(value) => Outcome::Done(vec![(METRIC.into(), value)]),
                        Err(error) => Outcome::Failed(format!("{error:#}")),
                    }
                });
            }
        }
    }
}

fn run(program: &Path, words: &[impl AsRef<std::ffi::OsStr>]) -> anyhow::Result<String> {
    let output = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    if !output.status.success() {
        bail!("it ended with {}", output.status);
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// `kameo.tell 123.4`.
fn nanoseconds(text: &str) -> anyhow::Result<f64> {
    let word = text.split_whitespace().nth(1);
    let value = word.and_then(|word| word.parse().ok());
    value.with_context(|| format!("not a result: {text}"))
}

/// The names in `results`, in the order in which they came: shapes and crates.
pub fn names(results: &Results) -> (Vec<String>, Vec<String>) {
    let (mut shapes, mut crates) = (Vec::new(), Vec::new());
    for series in &results.series {
        for (list, name) in [
            (&mut shapes, &series.workload),
            (&mut crates, &series.binary),
        ] {
            if !list.contains(name) {
                list.push(name.clone());
            }
        }
    }
    (shapes, crates)
}

/// A table: nanoseconds a message, and how many times those of the kernel.
pub fn table(results: &Results) -> String {
    let (shapes, crates) = names(results);
    let mut head = vec!["ns a message".to_owned()];
    head.extend(crates.iter().cloned());
    let mut rows = vec![head];
    for shape in &shapes {
        let find = |name: &String| results.find(shape, METRIC, name);
        let first = crates.first().and_then(find);
        let mut row = vec![shape.clone()];
        for name in &crates {
            row.push(match (find(name), first) {
                (Some(own), Some(first)) if Some(name) != crates.first() => {
                    format!("{:.0} ({:.1}×)", own.median, own.median / first.median)
                }
                (Some(own), _) => format!("{:.0}", own.median),
                (None, _) => "–".into(),
            });
        }
        rows.push(row);
    }
    crate::table::layout(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_to_the_first() {
        let mut results = Results::default();
        for (name, value) in [("kernel", 50.0), ("other", 125.0)] {
            results.add("tell", name, vec![(METRIC.into(), value)]);
        }
        let table = table(&results);
        assert!(table.contains("|     50 | 125 (2.5×) |"), "{table}");
        assert_eq!(nanoseconds("a.b 12.50\n").unwrap(), 12.5);
        assert!(nanoseconds("a.b").is_err());
    }
}

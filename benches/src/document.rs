//! The figures in docs/performance.md and the pictures beside it, out of docs/performance.json, so that they cannot
//! differ.
//!
//! A part that is written by the kit stands between the lines `<!-- kit: NAME -->` and `<!-- kit: end -->`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::crowd;
use crate::peers;
use crate::results::{Baseline, Results};
use crate::scaling;
use crate::svg;
use crate::table::{self, Targets};

/// The document, and where its pictures and raw figures are, below the project's folder.
const DOCUMENT: &str = "docs/performance.md";
/// The raw figures.
pub const FIGURES: &str = "docs/performance.json";
const PLOTS: &str = "docs/plots";

/// Files with their contents.
type Files = Vec<(PathBuf, String)>;

/// Writes the parts of the document and the pictures.
pub fn write(root: &Path) -> anyhow::Result<()> {
    for (file, text) in render(root)? {
        let file = root.join(file);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// What the document and its pictures have to be.
fn render(root: &Path) -> anyhow::Result<Files> {
    let figures = root.join(FIGURES);
    let baseline = Baseline::read(&figures)?;
    let json: Value = serde_json::from_slice(&fs::read(&figures)?)?;
    let targets = Targets::read(&root.join("benches/targets.json"))?;
    let points = scaling::parse(&json["scaling"]).context("points that cannot be read")?;
    let compared = Results::parse(&json["peers"]).unwrap_or_default();

    let results = &baseline.results;
    let first = &baseline.label;
    let shown = |name: &str| name != "kernel" && !name.starts_with("mem");
    let parts = [
        ("machine", machine(&json)),
        (
            "results",
            table::table(
                &results.only(shown).without(is_timed),
                first,
                &[],
                None,
                Some(&targets),
            ),
        ),
        (
            "kernel",
            table::table(
                &results.only(|name| name == "kernel"),
                first,
                &[],
                None,
                None,
            ),
        ),
        ("latency", latency(results, first)),
        ("peers", peers::table(&compared)),
        ("memory", memory(results, first)),
    ];
    let mut document = fs::read_to_string(root.join(DOCUMENT))?;
    for (name, text) in parts {
        document = replace(&document, name, &text)?;
    }
    let mut files = vec![(DOCUMENT.into(), document)];
    let mut picture =
        |name: &str, text| files.push((Path::new(PLOTS).join(format!("{name}.svg")), text));
    for (name, text) in scaling::draw(&points) {
        picture(name, text);
    }
    if !compared.series.is_empty() {
        picture("peers", bars(&compared));
    }
    Ok(files)
}

/// Puts a text between a part's two lines.
fn replace(document: &str, name: &str, text: &str) -> anyhow::Result<String> {
    let (begin, end) = (format!("<!-- kit: {name} -->\n"), "<!-- kit: end -->");
    let Some((before, rest)) = document.split_once(&begin) else {
        bail!("{DOCUMENT} has no part `{name}`");
    };
    let (_, after) = rest.split_once(end).context("a part without an end")?;
    Ok(format!(
        "{before}{begin}\n{}\n\n{end}{after}",
        text.trim_end()
    ))
}

/// When, where, and from what.
fn machine(json: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("unknown").to_owned();
    let (machine, settings) = (&json["machine"], &json["settings"]);
    let binary = &json["binaries"][0];
    format!(
        "{}, {} cores, {} GB; Linux {}; load of the minute before: {}. {}. {} workers, {} runs, of which the median is shown.",
        text(&machine["cpu"]),
        machine["cores"],
        machine["memory_kb"].as_f64().unwrap_or(0.0).round() as u64 >> 20,
        text(&machine["kernel"]),
        machine["load_before"],
        text(&binary["compiler"]),
        settings["threads"],
        settings["runs"],
    )
}

/// What things weigh: the metric, its unit, and what it is.
const WEIGHTS: &[(&str, &str, &str)] = &[
    (
        "spawn.kb_each",
        "KB",
        "a service of a few lines, launched with 5,000 others",
    ),
    ("idle10k.kb_each", "KB", "the same, of 10,000"),
    ("idle100k.kb_each", "KB", "the same, of 100,000"),
    (
        "spawnlarge.kb_each",
        "KB",
        "a service with 5,000 lines of code",
    ),
    (
        "sharetable.kb_each",
        "KB",
        "an open shared table of 50 MB, in each service",
    ),
    (
        "kernel.service_bytes",
        "B",
        "a service written in Rust that has nothing: mailbox, context, place in the table of handles",
    ),
    (
        "memmessage.bytes",
        "B",
        "a message of 50 bytes in a mailbox",
    ),
    (
        "memcast.bytes",
        "B",
        "a multicast message of 1 MB, of each subscriber",
    ),
    (
        "memcall.bytes",
        "B",
        "a call that waits for its answer: both sides, each with its coroutine",
    ),
    ("memsleep.bytes", "B", "a coroutine that sleeps"),
    ("memtimer.bytes", "B", "a timer"),
    (
        "memsocket.bytes",
        "B",
        "one end of a connection, with a coroutine that reads",
    ),
    (
        "gate.conn_bytes",
        "B",
        "a client of the service `gate`: socket, gate, agent",
    ),
    ("gatenative.conn_bytes", "B", "a client of the native gate"),
    ("idle.rss_mb", "MB", "a node that does nothing"),
];

/// Is it one of the metrics of [`crowd::LOADS`], which have a table of their own?
fn is_timed(metric: &str) -> bool {
    crowd::LOADS
        .iter()
        .any(|load| metric.starts_with(&format!("at{load}_")))
}

/// What messages take at several loads.
fn latency(results: &Results, binary: &str) -> String {
    let head = [
        "workload",
        "load",
        "offered",
        "kept",
        "p50",
        "p99",
        "p99.9",
        "sent late: p50",
        "p99",
        "machine busy",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for workload in crate::workload::ALL {
        let Some(rate) = results.find(workload.name, "", binary) else {
            continue;
        };
        for load in crowd::LOADS {
            let find = |name: &str| {
                let found = results.find(workload.name, &format!("at{load}_{name}"), binary)?;
                Some(table::value(found.median, crate::workload::unit(name).0))
            };
            let Some(p50) = find("p50_us") else {
                continue;
            };
            let offered = rate.median * f64::from(load) / 100.0;
            let mut row = vec![
                format!("`{}`", workload.name),
                format!("{load} %"),
                table::value(offered, "/s"),
                find("kept_pct").unwrap_or_default(),
                p50,
            ];
            let others = ["p99_us", "p999_us", "late50_us", "late99_us", "busy_pct"];
            row.extend(others.map(|name| find(name).unwrap_or_default()));
            rows.push(row);
        }
    }
    table::layout(&rows)
}

fn memory(results: &Results, binary: &str) -> String {
    let mut rows = vec![vec![
        "memory of".to_owned(),
        "each".into(),
        "workload".into(),
    ]];
    for (metric, unit, about) in WEIGHTS {
        let (workload, name) = metric.split_once('.').unwrap_or((metric, ""));
        let found = results.find(workload, name, binary);
        let value = found.map_or("–".into(), |summary| table::value(summary.median, unit));
        rows.push(vec![(*about).into(), value, format!("`{workload}`")]);
    }
    table::layout(&rows)
}

/// Millions of messages a second on each crate.
fn bars(results: &Results) -> String {
    let (shapes, crates) = peers::names(results);
    let rate = |shape: &str, name: &String| {
        let summary = results.find(shape, peers::METRIC, name)?;
        Some(1e9 / summary.median)
    };
    let groups: Vec<_> = shapes
        .iter()
        .map(|shape| {
            (
                shape.clone(),
                crates.iter().map(|name| rate(shape, name)).collect(),
            )
        })
        .collect();
    let crates: Vec<&str> = crates.iter().map(String::as_str).collect();
    svg::bars("Actors in Rust", "messages a second", &crates, &groups)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cargo::root;
    use crate::workload;

    /// `cargo run -p skynet-bench -- render` makes it pass.
    #[test]
    fn the_document_shows_the_stored_figures() {
        for (file, text) in render(root()).unwrap() {
            let found = fs::read_to_string(root().join(&file)).unwrap_or_default();
            assert!(
                found == text,
                "{} is not what the figures say; `skynet-bench render` writes it",
                file.display()
            );
        }
    }

    #[test]
    fn stored_figures_name_no_place() {
        let text = fs::read_to_string(root().join(FIGURES)).unwrap();
        for place in ["/tmp/", "/home/", "/root/", "/target/"] {
            assert!(!text.contains(place), "{place}");
        }
    }

    #[test]
    fn every_workload_is_described_and_has_its_limit() {
        let text = fs::read_to_string(root().join(DOCUMENT)).unwrap();
        let part = |heading: &str| {
            let (_, rest) = text
                .split_once(heading)
                .unwrap_or_else(|| panic!("no {heading}"));
            rest.split("\n## ").next().unwrap().to_owned()
        };
        let (what, limits) = (
            part("\n## What is measured\n"),
            part("\n## What limits each\n"),
        );
        for workload in workload::ALL {
            let name = format!("`{}`", workload.name);
            assert!(what.contains(&name), "{name} is not described");
            assert!(limits.contains(&name), "{name}: what limits it?");
        }
    }

    #[test]
    fn parts_are_replaced() {
        let text = "a\n<!-- kit: x -->\nold\n<!-- kit: end -->\nb\n";
        let new = replace(text, "x", "new\n").unwrap();
        assert_eq!(new, "a\n<!-- kit: x -->\n\nnew\n\n<!-- kit: end -->\nb\n");
        assert_eq!(replace(&new, "x", "new").unwrap(), new);
        assert!(replace(text, "y", "").is_err());
    }
}

//! The table that is printed.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;

use crate::results::{Baseline, Results, Summary};
use crate::workload::unit;

/// Named sets of targets, each a column: a set's name, and its targets by the name of the metric.
///
/// The file is a list of `{"name": ..., "targets": {"call": 1000000, "spawn.kb_each": 20, ...}}`.
pub struct Targets(Vec<(String, Value)>);

impl Targets {
    /// Reads a file like `targets.json`.
    pub fn read(path: &Path) -> anyhow::Result<Targets> {
        let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let read = || {
            let json: Value = serde_json::from_slice(&text)?;
            let set =
                |set: &Value| Some((set["name"].as_str()?.to_owned(), set["targets"].clone()));
            let sets = json.as_array().map(|sets| sets.iter().map(set).collect());
            anyhow::Ok(Targets(
                sets.flatten().context("it is not a file of targets")?,
            ))
        };
        read().with_context(|| format!("cannot use {}", path.display()))
    }
}

/// The figures of the binary `first`, beside those of others, of an earlier run and the targets.
///
/// A ratio says how many times better the first binary is, so more than 1 is good for every unit. A `~` before it says
/// that the ranges overlap: the difference may be noise.
pub fn table(
    results: &Results,
    first: &str,
    others: &[&str],
    baseline: Option<&Baseline>,
    targets: Option<&Targets>,
) -> String {
    let mut head = vec!["workload".to_owned(), first.to_owned(), "min – max".into()];
    for other in others {
        head.extend([(*other).to_owned(), "ratio".into()]);
    }
    if baseline.is_some() {
        head.extend(["baseline".into(), "ratio".into()]);
    }
    let sets = targets.map_or(&[][..], |targets| &targets.0);
    head.extend(sets.iter().map(|(name, _)| name.clone()));

    let mut rows = vec![head];
    let mut seen: Vec<String> = Vec::new();
    // Rows of workloads that only another binary could run are shown too.
    for series in &results.series {
        let name = series.name();
        if seen.contains(&name) {
            continue;
        }
        let (unit, more) = unit(&series.metric);
        let find = |results: &Results, binary: &str| {
            results.find(&series.workload, &series.metric, binary)
        };
        let own = find(results, first);
        let mut row = vec![
            name.clone(),
            own.map_or("–".into(), |own| value(own.median, unit)),
            own.map_or("–".into(), |own| {
                format!("{} – {}", digits(own.min, unit), digits(own.max, unit))
            }),
        ];
        let mut compare = |other: Option<Summary>| {
            row.push(other.map_or("–".into(), |other| value(other.median, unit)));
            row.push(match (own, other) {
                (Some(own), Some(other)) => ratio(&own, &other, more),
                _ => "–".into(),
            });
        };
        for other in others {
            compare(find(results, other));
        }
        if let Some(baseline) = baseline {
            // The kernel's figures stand under a label of their own.
            let label = if series.workload == "kernel" {
                first
            } else {
                &baseline.label
            };
            compare(find(&baseline.results, label));
        }
        for (_, set) in sets {
            row.push(match set[&name].as_f64() {
                Some(target) => value(target, unit),
                None => String::new(),
            });
        }
        rows.push(row);
        seen.push(name);
    }
    layout(&rows)
}

/// How many times better `own` is.
fn ratio(own: &Summary, other: &Summary, more: bool) -> String {
    let ratio = if more {
        own.median / other.median
    } else {
        other.median / own.median
    };
    if !ratio.is_finite() {
        return "–".into();
    }
    let noise = if own.apart(other) { "" } else { "~" };
    format!("{noise}{ratio:.2}")
}

/// A value with its unit.
pub fn value(number: f64, unit: &str) -> String {
    let text = digits(number, unit);
    match (unit, text.ends_with(['k', 'M'])) {
        ("", _) => text,
        ("/s", true) => text + unit,
        _ => format!("{text} {unit}"),
    }
}

/// Three significant digits or all before the point; with k and M for rates.
fn digits(number: f64, unit: &str) -> String {
    let (scaled, factor) = match number.abs() {
        n if unit == "/s" && n >= 1e6 => (number / 1e6, " M"),
        n if unit == "/s" && n >= 1e4 => (number / 1e3, " k"),
        _ => (number, ""),
    };
    let digits = match scaled.abs() {
        n if n >= 100.0 || n == 0.0 => 0,
        n if n >= 10.0 => 1,
        _ => 2,
    };
    format!("{scaled:.digits$}{factor}")
}

/// Columns of equal width, as a Markdown table: readable on a terminal and in a document.
pub fn layout(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            text += &if column == 0 {
                format!("| {cell:<width$} ")
            } else {
                format!("| {cell:>width$} ")
            };
        }
        text += "|\n";
        if index == 0 {
            for (column, width) in widths.iter().enumerate() {
                text += &format!(
                    "|{}{}",
                    "-".repeat(width + 1),
                    [":", "-"][usize::from(column == 0)]
                );
            }
            text += "|\n";
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_three_digits() {
        assert_eq!(value(2_345_678.0, "/s"), "2.35 M/s");
        assert_eq!(value(12_345.0, "/s"), "12.3 k/s");
        assert_eq!(value(5_123.0, "/s"), "5123 /s");
        assert_eq!(value(26.04, "KB"), "26.0 KB");
        assert_eq!(value(74_512.0, "µs"), "74512 µs");
        assert_eq!(value(0.0, "ms"), "0 ms");
        assert_eq!(digits(2_345_678.0, "/s"), "2.35 M");
    }

    #[test]
    fn a_ratio_above_one_is_better_whatever_the_unit() {
        let at = |n: f64| Summary::of(&[n - 0.1, n, n + 0.1]).unwrap();
        assert_eq!(ratio(&at(4.0), &at(2.0), true), "2.00");
        assert_eq!(ratio(&at(4.0), &at(2.0), false), "0.50");
        assert_eq!(ratio(&at(2.0), &at(2.1), true), "~0.95");
        let zero = Summary::of(&[0.0]).unwrap();
        assert_eq!(ratio(&zero, &zero, false), "–");
    }

    #[test]
    fn rows_of_all_binaries_are_shown() {
        let mut results = Results::default();
        results.add("call", "a", vec![(String::new(), 2e6)]);
        results.add("call", "b", vec![(String::new(), 1e6)]);
        results.add("only", "b", vec![("x_us".into(), 3.0)]);
        let table = table(&results, "a", &["b"], None, None);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 4, "{table}");
        assert!(
            lines[2].contains("2.00 M/s") && lines[2].contains("|  2.00 |"),
            "{table}"
        );
        assert!(lines[3].starts_with("| only.x_us"), "{table}");
    }
}

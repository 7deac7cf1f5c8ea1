//! Collected figures, and their file.
//!
//! The file is one JSON object: `machine`, `settings`, `source`, `binaries`, `results`, `skipped` and `failed`, and as
//! they were asked for, `peers` and `scaling`. A result, also of `peers`, is
//! `{workload, metric, unit, higher_is_better, binary, values}` with one value for each run; the metric is empty for
//! the rate, in operations a second.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::node::Outcome;
use crate::workload::unit;

/// One metric of a workload on one binary.
#[derive(Clone)]
pub struct Series {
    /// The workload, or `kernel`.
    pub workload: String,
    /// The metric, empty for the rate.
    pub metric: String,
    /// The binary's label.
    pub binary: String,
    /// A value for each run, in the order of the runs.
    pub values: Vec<f64>,
}

/// The figures of a whole run of the kit.
#[derive(Default)]
pub struct Results {
    /// In the order in which they came.
    pub series: Vec<Series>,
    /// Workload, binary, reason.
    pub skipped: Vec<(String, String, String)>,
    /// Workload, binary, reason.
    pub failed: Vec<(String, String, String)>,
}

/// Median and extremes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// The middle value, or the mean of the middle two.
    pub median: f64,
    /// The lowest value.
    pub min: f64,
    /// The highest value.
    pub max: f64,
}

impl Summary {
    /// Of at least one value.
    pub fn of(values: &[f64]) -> Option<Summary> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            (sorted[middle - 1] + sorted[middle]) / 2.0
        };
        Some(Summary { median, min, max })
    }

    /// Whether no value of one is within the range of the other, so that a difference is more than noise.
    pub fn apart(&self, other: &Summary) -> bool {
        self.min > other.max || self.max < other.min
    }
}

impl Series {
    /// `workload` or `workload.metric`, as in the file of targets.
    pub fn name(&self) -> String {
        match self.metric.as_str() {
            "" => self.workload.clone(),
            metric => format!("{}.{metric}", self.workload),
        }
    }
}

impl Results {
    /// Adds what one run measured.
    pub fn add(&mut self, workload: &str, binary: &str, metrics: Vec<(String, f64)>) {
        for (metric, value) in metrics {
            match self.find_mut(workload, &metric, binary) {
                Some(series) => series.values.push(value),
                None => self.series.push(Series {
                    workload: workload.into(),
                    metric,
                    binary: binary.into(),
                    values: vec![value],
                }),
            }
        }
    }

    /// Runs a workload on a binary, unless that failed or was skipped before: it would be so again.
    pub fn try_add(&mut self, workload: &str, binary: &str, run: impl FnOnce() -> Outcome) {
        let known = |list: &[(String, String, String)]| {
            list.iter().any(|(w, b, _)| w == workload && b == binary)
        };
        if known(&self.skipped) || known(&self.failed) {
            return;
        }
        let entry = |reason| (workload.to_owned(), binary.to_owned(), reason);
        match run() {
            Outcome::Done(metrics) => self.add(workload, binary, metrics),
            Outcome::Skipped(reason) => self.skipped.push(entry(reason)),
            Outcome::Failed(reason) => self.failed.push(entry(reason)),
        }
    }

    /// The summary of a metric of a workload on a binary.
    pub fn find(&self, workload: &str, metric: &str, binary: &str) -> Option<Summary> {
        let mut all = self.series.iter();
        let found =
            all.find(|s| s.workload == workload && s.metric == metric && s.binary == binary)?;
        Summary::of(&found.values)
    }

    /// Whether there is any figure of a binary.
    pub fn has(&self, binary: &str) -> bool {
        self.series.iter().any(|series| series.binary == binary)
    }

    fn find_mut(&mut self, workload: &str, metric: &str, binary: &str) -> Option<&mut Series> {
        let mut all = self.series.iter_mut();
        all.find(|s| s.workload == workload && s.metric == metric && s.binary == binary)
    }

    /// Those of some workloads.
    pub fn only(&self, keep: impl Fn(&str) -> bool) -> Results {
        let chosen = self.series.iter().filter(|series| keep(&series.workload));
        Results {
            series: chosen.cloned().collect(),
            ..Results::default()
        }
    }

    /// Without some metrics.
    pub fn without(mut self, drop: impl Fn(&str) -> bool) -> Results {
        self.series.retain(|series| !drop(&series.metric));
        self
    }

    /// What [`json`](Results::json) calls `results`, read.
    pub fn parse(json: &Value) -> Option<Results> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let mut results = Results::default();
        for entry in json.as_array()? {
            let values = entry["values"].as_array()?;
            results.series.push(Series {
                workload: text(&entry["workload"])?,
                metric: text(&entry["metric"])?,
                binary: text(&entry["binary"])?,
                values: values.iter().map(Value::as_f64).collect::<Option<_>>()?,
            });
        }
        Some(results)
    }

    /// The file's `results`, `skipped` and `failed`.
    pub fn json(&self) -> [(&'static str, Value); 3] {
        let reasons = |list: &[(String, String, String)]| -> Value {
            let entry = |(workload, binary, reason): &(String, String, String)| json!({ "workload": workload, "binary": binary, "reason": reason });
            list.iter().map(entry).collect()
        };
        let series = self.series.iter().map(|series| {
            let (unit, more) = unit(&series.metric);
            json!({
                "workload": series.workload, "metric": series.metric, "unit": unit, "higher_is_better": more,
                "binary": series.binary, "values": series.values,
            })
        });
        [
            ("results", series.collect()),
            ("skipped", reasons(&self.skipped)),
            ("failed", reasons(&self.failed)),
        ]
    }
}

/// Results that were written before, with the settings they were made with.
pub struct Baseline {
    /// The figures of all its binaries.
    pub results: Results,
    /// The label of its first binary, which is what one compares with.
    pub label: String,
    /// Its `settings`.
    pub settings: Value,
    /// Its `machine`.
    pub machine: Value,
}

impl Baseline {
    /// Reads a file that `--json` wrote.
    pub fn read(path: &Path) -> anyhow::Result<Baseline> {
        let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let read = || {
            let json: Value = serde_json::from_slice(&text)?;
            Baseline::parse(&json).context("it is not a file of results")
        };
        read().with_context(|| format!("cannot use {}", path.display()))
    }

    fn parse(json: &Value) -> Option<Baseline> {
        let results = Results::parse(&json["results"])?;
        Some(Baseline {
            results,
            label: json["binaries"][0]["label"].as_str()?.to_owned(),
            settings: json["settings"].clone(),
            machine: json["machine"].clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let summary = |values: &[f64]| Summary::of(values).map(|s| (s.min, s.median, s.max));
        assert_eq!(summary(&[3.0, 1.0, 2.0]), Some((1.0, 2.0, 3.0)));
        assert_eq!(summary(&[4.0, 1.0, 2.0, 3.0]), Some((1.0, 2.5, 4.0)));
        assert_eq!(summary(&[]), None);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut results = Results::default();
        for value in [1.0, 2.5] {
            results.add("call", "skynet", vec![(String::new(), value)]);
        }
        let mut json = json!({ "binaries": [{ "label": "skynet" }], "settings": 1, "machine": 2 });
        for (key, value) in results.json() {
            json[key] = value;
        }
        let read = Baseline::parse(&json).unwrap();
        assert_eq!(read.label, "skynet");
        let summary = read.results.find("call", "", "skynet").unwrap();
        assert_eq!((summary.min, summary.max), (1.0, 2.5));
        assert!(Baseline::parse(&json!({ "results": [{}] })).is_none());
    }
}

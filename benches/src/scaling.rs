//! How rates change with the size of a message, the number of services and the number of workers, and the diagrams of
//! that.

use serde_json::{Value, json};

use crate::node::{Binary, Outcome, Settings};
use crate::results::Summary;
use crate::svg::{Frame, Line, lines};
use crate::workload::{Kind, Workload};

/// What is varied.
#[derive(Clone, Copy, PartialEq)]
enum Vary {
    /// Bytes in a message: `BENCH_SIZE`.
    Bytes,
    /// Services: `BENCH_SIZE`.
    Services,
    /// Worker threads.
    Workers,
}

/// One line of a diagram: a workload with so many operations at each point.
struct Series {
    workload: &'static str,
    kind: Kind,
    operations: u64,
}

/// A diagram.
pub struct Plot {
    /// Its file, without the ending.
    pub name: &'static str,
    title: &'static str,
    x: &'static str,
    y: &'static str,
    vary: Vary,
    points: &'static [u64],
    series: &'static [Series],
}

const fn series(workload: &'static str, kind: Kind, operations: u64) -> Series {
    Series {
        workload,
        kind,
        operations,
    }
}

/// All of them. The workloads `payload…` and `ringof`, `pairsof` are in `lua/workloads/scaling.lua`.
pub const PLOTS: &[Plot] = &[
    Plot {
        name: "payload",
        title: "Messages that carry a string",
        x: "size of the string",
        y: "messages a second",
        vary: Vary::Bytes,
        points: &[8, 64, 512, 4096, 32768, 262_144, 2_097_152],
        series: &[
            series("payloadcall", Kind::Node, 150_000),
            series("payloadsend", Kind::Node, 300_000),
            series("payloadcluster", Kind::Cluster, 40_000),
        ],
    },
    Plot {
        name: "services",
        title: "Many services",
        x: "services",
        y: "messages a second",
        vary: Vary::Services,
        points: &[2, 8, 32, 128, 512, 2048, 8192],
        series: &[
            series("ringof", Kind::Node, 200_000),
            series("pairsof", Kind::Node, 300_000),
        ],
    },
    Plot {
        name: "workers",
        title: "Worker threads",
        x: "worker threads",
        y: "operations a second",
        vary: Vary::Workers,
        points: &[1, 2, 3, 4, 8],
        series: &[
            series("pairs16", Kind::Node, 400_000),
            series("fanin", Kind::Node, 400_000),
            series("call", Kind::Node, 300_000),
            series("tcpecho", Kind::Tcp, 50_000),
            series("cluster64", Kind::Cluster, 80_000),
        ],
    },
];

/// Operations at a point: fewer where each takes longer.
fn operations(plot: &Plot, series: &Series, at: u64, smoke: bool) -> u64 {
    if smoke {
        return 640.max(2 * at.min(1000));
    }
    match plot.vary {
        // Some hundred megabytes in all.
        Vary::Bytes => {
            let bytes = if series.kind == Kind::Cluster {
                128 << 20
            } else {
                1 << 30
            };
            series.operations.min(bytes / at).max(64)
        }
        _ => series.operations,
    }
}

/// What was measured: plot, workload, x, and a value for each run.
pub type Points = Vec<(String, String, u64, Vec<f64>)>;

/// Measures all points once. What fails is given to `failed`.
pub fn measure(
    settings: &mut Settings,
    binary: &Binary,
    smoke: bool,
    points: &mut Points,
    failed: &mut impl FnMut(String, String),
) {
    let threads = settings.threads;
    for plot in PLOTS {
        // The least and the most will do for a smoke run.
        let last = plot.points.len() - 1;
        let chosen = plot.points.iter().enumerate();
        for series in plot.series {
            for (_, &at) in chosen
                .clone()
                .filter(|(i, _)| !smoke || *i == 0 || *i == last)
            {
                settings.threads = match plot.vary {
                    Vary::Workers => at as u32,
                    _ => threads,
                };
                let n = operations(plot, series, at, smoke);
                let workload = Workload {
                    name: series.workload,
                    kind: series.kind,
                    n,
                    smoke: n,
                    operation: "",
                    about: "",
                    once: false,
                };
                settings.environment = vec![("BENCH_SIZE".into(), at.to_string())];
                let value = match settings.run(binary, &workload, n) {
                    Outcome::Done(metrics) => metrics[0].1,
                    Outcome::Skipped(reason) | Outcome::Failed(reason) => {
                        failed(format!("{} {} at {at}", plot.name, series.workload), reason);
                        continue;
                    }
                };
                let known = points.iter_mut().find(|(name, workload, x, _)| {
                    name == plot.name && workload == series.workload && *x == at
                });
                match known {
                    Some((.., values)) => values.push(value),
                    None => {
                        points.push((plot.name.into(), series.workload.into(), at, vec![value]))
                    }
                }
            }
        }
    }
    settings.threads = threads;
    settings.environment.clear();
}

/// The `scaling` of the file of results.
pub fn json(points: &Points) -> Value {
    let entry = |(plot, workload, x, values): &(String, String, u64, Vec<f64>)| json!({ "plot": plot, "workload": workload, "x": x, "values": values });
    points.iter().map(entry).collect()
}

/// The same, read.
pub fn parse(json: &Value) -> Option<Points> {
    let Some(list) = json.as_array() else {
        return Some(Points::new());
    };
    let entry = |entry: &Value| {
        let values = entry["values"].as_array()?.iter().map(Value::as_f64);
        Some((
            entry["plot"].as_str()?.to_owned(),
            entry["workload"].as_str()?.to_owned(),
            entry["x"].as_u64()?,
            values.collect::<Option<_>>()?,
        ))
    };
    list.iter().map(entry).collect()
}

/// The diagrams, each with its name; none of what was not measured.
pub fn draw(points: &Points) -> Vec<(&'static str, String)> {
    let mut pictures = Vec::new();
    for plot in PLOTS {
        let of = |series: &Series| {
            let own = points
                .iter()
                .filter(|(name, workload, ..)| name == plot.name && workload == series.workload);
            let median = |values: &[f64]| Summary::of(values).map(|summary| summary.median);
            Line {
                label: label(series.workload).into(),
                points: own
                    .filter_map(|(_, _, x, values)| Some((*x as f64, median(values)?)))
                    .collect(),
            }
        };
        let all: Vec<Line> = plot.series.iter().map(of).collect();
        if all.iter().all(|line| line.points.is_empty()) {
            continue;
        }
        let frame = Frame {
            title: plot.title,
            x: plot.x,
            y: plot.y,
            bytes: plot.vary == Vary::Bytes,
            log: plot.vary == Vary::Bytes,
        };
        pictures.push((plot.name, lines(&frame, &all)));
    }
    pictures
}

/// What the legend says.
fn label(workload: &str) -> &str {
    match workload {
        "payloadcall" => "call",
        "payloadsend" => "send",
        "payloadcluster" => "call to another node, 16 at a time",
        "ringof" => "a token round a ring: hops",
        "pairsof" => "calls in pairs, all at once",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_written_read_and_drawn() {
        let points = vec![
            ("workers".to_owned(), "call".to_owned(), 1, vec![1e6]),
            (
                "workers".to_owned(),
                "call".to_owned(),
                2,
                vec![1.5e6, 2.5e6],
            ),
        ];
        let read = parse(&json(&points)).unwrap();
        assert_eq!(read, points);
        let pictures = draw(&read);
        assert_eq!(pictures.len(), 1);
        assert_eq!(pictures[0].0, "workers");
        assert!(pictures[0].1.contains("worker threads"));
        assert!(parse(&json!([{}])).is_none());
    }

    #[test]
    fn large_messages_are_fewer() {
        let (plot, call) = (&PLOTS[0], &PLOTS[0].series[0]);
        assert_eq!(operations(plot, call, 8, false), 150_000);
        assert_eq!(operations(plot, call, 2_097_152, false), 512);
    }
}

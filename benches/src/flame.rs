//! Flame graphs: where the processor time of a workload goes, by function.
//!
//! perf samples the node (its clock event, so that virtual machines without counters will do) while it runs a workload
//! several times as long as usual. The stacks are folded here, and drawn as SVG: a frame for each function with its
//! callers below it, as wide as its share.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::args::{FlameArgs, Mode};
use crate::cargo;
use crate::node::{Binary, Outcome, Settings};
use crate::svg::{Svg, escape};
use crate::workload;

/// What is drawn if nothing is named.
const USUAL: [&str; 5] = ["call", "send", "spawn", "tcpecho", "cluster64"];
/// How much longer than usual a workload runs.
const LONGER: u64 = 4;
/// Frames of a smaller part are left out.
const LEAST: f64 = 0.002;
const WIDTH: f64 = 1200.0;
const ROW: f64 = 17.0;

/// Draws what the command line names.
pub fn run(args: &FlameArgs) -> anyhow::Result<bool> {
    let binary = match &args.binary {
        Some(path) => path.canonicalize()?,
        None => cargo::build(cargo::SKYNET, "release")?,
    };
    let binary = Binary {
        label: "skynet-rs".into(),
        path: binary,
        mode: Mode::Config,
    };
    fs::create_dir_all(&args.folder)?;
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let names: Vec<&str> = match args.workloads.is_empty() {
        true => USUAL.into(),
        false => args.workloads.iter().map(String::as_str).collect(),
    };
    for name in names {
        let mut all = workload::ALL.iter();
        let workload = all.find(|workload| workload.name == name);
        let workload = workload.with_context(|| format!("there is no workload `{name}`"))?;
        let data = folder.path().join("perf.data");
        let mut settings = Settings::new(folder.path())?;
        settings.limit = Duration::from_secs(120);
        settings.wrap = perf(args.rate, &data);
        match settings.run(&binary, workload, workload.n * LONGER) {
            Outcome::Done(_) => {}
            Outcome::Skipped(reason) | Outcome::Failed(reason) => bail!("{name}: {reason}"),
        }
        let stacks = folded(&data).with_context(|| name.to_owned())?;
        let title = format!("{name}: {}", workload.about);
        let file = args.folder.join(format!("{name}.svg"));
        fs::write(&file, draw(&title, &stacks))?;
        println!("{}", file.display());
    }
    Ok(true)
}

/// The command that samples what follows it.
fn perf(rate: u32, data: &Path) -> Vec<String> {
    let rate = rate.to_string();
    // The program has no frame pointers, but unwinding tables.
    let words = [
        "perf",
        "record",
        "-q",
        "-e",
        "cpu-clock",
        "-F",
        &rate,
        "--call-graph",
        "dwarf,16384",
        "-o",
    ];
    let mut words: Vec<String> = words.map(str::to_owned).into();
    words.extend([data.display().to_string(), "--".into()]);
    words
}

/// Stacks, outermost function first, and the number of their samples.
type Stacks = BTreeMap<Vec<String>, u64>;

fn folded(data: &Path) -> anyhow::Result<Stacks> {
    let output = Command::new("perf")
        .args(["script", "--no-inline", "-F", "comm,ip,sym", "-i"])
        .arg(data)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .context("cannot start perf")?;
    if !output.status.success() {
        bail!("perf script ended with {}", output.status);
    }
    Ok(fold(&String::from_utf8_lossy(&output.stdout)))
}

/// What `perf script` prints: a line with the thread's name, its stack from the inside out, an empty line.
fn fold(text: &str) -> Stacks {
    let mut stacks = Stacks::new();
    for sample in text.split("\n\n") {
        let mut lines = sample.lines().filter(|line| !line.is_empty());
        let Some(thread) = lines.next() else {
            continue;
        };
        let mut stack: Vec<String> = lines.filter_map(function).collect();
        // What runs a thread says nothing.
        if let Some(start) = stack
            .iter()
            .rposition(|name| name.contains("__rust_begin_short_backtrace"))
        {
            stack.truncate(start);
        }
        stack.dedup_by(|a, b| a == "[unknown]" && b == "[unknown]");
        stack.push(threads(thread.trim()));
        stack.reverse();
        *stacks.entry(stack).or_default() += 1;
    }
    stacks
}

/// The mark of functions of the system, as other tools write it.
const SYSTEM: &str = "_[k]";

/// A line of a stack: address and function.
fn function(line: &str) -> Option<String> {
    let (address, name) = line.trim().split_once(' ')?;
    // The upper half of the addresses is the system's.
    let system = address.len() == 16 && address.starts_with('f');
    Some(plain(name) + if system { SYSTEM } else { "" })
}

/// Threads of one kind are one.
fn threads(name: &str) -> String {
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-');
    name.trim().to_owned()
}

/// A function's name without hashes, paths of types and arguments.
fn plain(name: &str) -> String {
    let name = name.split("+0x").next().unwrap_or(name).trim();
    let name = match name.rsplit_once("::h") {
        Some((rest, hash)) if hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
            rest
        }
        _ => name,
    };
    let mut text = String::new();
    let mut depth = 0;
    for c in name.replace("->", "→").chars() {
        match c {
            '<' => depth += 1,
            '>' => depth -= 1,
            _ if depth == 0 => text.push(c),
            // `<Type as Trait>::method` begins with what is inside.
            _ if depth == 1 && text.is_empty() => text.push(c),
            _ => {}
        }
    }
    if let Some(inner) = name.strip_prefix('<') {
        // The type and the method.
        let inner = inner.split([' ', '>', '<']).next().unwrap_or("");
        let method = name.rsplit("::").next().unwrap_or("");
        let kind = inner.rsplit("::").next().unwrap_or("");
        return format!("{kind}::{method}");
    }
    let parts: Vec<&str> = text.split("::").filter(|part| !part.is_empty()).collect();
    parts[parts.len().saturating_sub(2)..].join("::")
}

/// A frame and what is above it.
#[derive(Default)]
struct Frame {
    samples: u64,
    above: BTreeMap<String, Frame>,
}

impl Frame {
    fn height(&self, least: u64) -> usize {
        let shown = self.above.values().filter(|frame| frame.samples >= least);
        1 + shown.map(|frame| frame.height(least)).max().unwrap_or(0)
    }
}

fn draw(title: &str, stacks: &Stacks) -> String {
    let mut root = Frame::default();
    for (stack, samples) in stacks {
        root.samples += samples;
        let mut frame = &mut root;
        for name in stack {
            frame = frame.above.entry(name.clone()).or_default();
            frame.samples += samples;
        }
    }
    let least = ((root.samples as f64 * LEAST) as u64).max(1);
    let height = ROW * root.height(least) as f64 + 44.0;
    let mut svg = Svg::new(WIDTH, height);
    svg.raw("<style>.h0 { fill: #f2c48d } .h1 { fill: #efb5a0 } .h2 { fill: #e8d48a } .h3 { fill: #b9d6a3 } .h4 { fill: #a9cbe0 } .t { fill: #1b1b1b; font-size: 11px }</style>");
    let more = " font-size=\"16\" font-weight=\"600\"";
    svg.text("ink", (8.0, 24.0), "start", more, title);
    let samples = format!("{} samples", root.samples);
    svg.text("faint", (WIDTH - 8.0, 24.0), "end", "", &samples);
    let mut at = WIDTH / 2.0;
    for (hue, label) in LEGEND {
        svg.raw(&format!(
            "<rect class=\"h{hue}\" x=\"{at}\" y=\"14\" width=\"12\" height=\"12\"/>"
        ));
        svg.text("faint", (at + 17.0, 24.0), "start", "", label);
        at += 30.0 + 7.0 * label.len() as f64;
    }
    let scale = (WIDTH - 16.0) / root.samples.max(1) as f64;
    let all = root.samples;
    children(&mut svg, &root, (8.0, height - 6.0), scale, least, all);
    svg.end()
}

fn children(
    svg: &mut Svg,
    frame: &Frame,
    (mut x, y): (f64, f64),
    scale: f64,
    least: u64,
    all: u64,
) {
    for (name, child) in &frame.above {
        if child.samples < least {
            continue;
        }
        let width = child.samples as f64 * scale;
        let percent = child.samples as f64 * 100.0 / all as f64;
        // About 6.2 units a letter.
        let room = (width / 6.2) as usize;
        let plain = name.trim_end_matches(SYSTEM);
        let letters = plain.chars().count();
        let shown: String = match room {
            0..=3 => String::new(),
            _ if letters <= room => plain.to_owned(),
            _ => plain.chars().take(room - 1).chain(['…']).collect(),
        };
        let text = match shown.is_empty() {
            true => String::new(),
            false => format!(
                "<text class=\"t\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                x + 2.0,
                y - 4.5,
                escape(&shown)
            ),
        };
        svg.raw(&format!(
            "<g><title>{} {percent:.1} %</title><rect class=\"h{}\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.0}\"/>{text}</g>",
            escape(plain),
            hue(name),
            y - ROW,
            (width - 0.6).max(0.4),
            ROW - 1.0
        ));
        children(svg, child, (x, y - ROW), scale, least, all);
        x += width;
    }
}

/// The colour: what a function belongs to.
fn hue(name: &str) -> usize {
    let begins = |all: &[&str]| all.iter().any(|start| name.starts_with(start));
    if name.ends_with(SYSTEM) {
        SYSTEM_HUE
    } else if begins(&["lua", "ll_", "str_", "resume", "unroll", "close_state"]) {
        LUA_HUE
    } else if begins(&["mi_", "_mi_"]) {
        ALLOCATOR_HUE
    } else if name.contains("::") {
        RUST_HUE
    } else {
        OTHER_HUE
    }
}

const RUST_HUE: usize = 0;
const SYSTEM_HUE: usize = 1;
const OTHER_HUE: usize = 2;
const ALLOCATOR_HUE: usize = 3;
const LUA_HUE: usize = 4;

/// What the colours mean.
const LEGEND: [(usize, &str); 5] = [
    (RUST_HUE, "Rust"),
    (LUA_HUE, "Lua"),
    (ALLOCATOR_HUE, "allocator"),
    (SYSTEM_HUE, "system"),
    (OTHER_HUE, "other C, threads"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_become_stacks() {
        let text = "worker-0\n\t ab12 inner+0x3\n\t cd12 <a::B<C> as d::E>::outer::h0123456789abcdef\n\t cd13 std::sys::backtrace::__rust_begin_short_backtrace::h0123456789abcdef\n\t 1 start\n\n\
                    worker-1\n\t ab12 inner\n\t cd12 <a::B<C> as d::E>::outer\n\n";
        let stacks = fold(text);
        assert_eq!(function(" ffffffff81 x+0x1").unwrap(), "x");
        assert_eq!(function(" ffffffff812bb120 x+0x1").unwrap(), "x_[k]");
        let expected: Vec<String> = ["worker", "B::outer", "inner"].map(String::from).into();
        assert_eq!(stacks.into_iter().collect::<Vec<_>>(), [(expected, 2)]);
    }

    #[test]
    fn names_are_short() {
        assert_eq!(plain("skynet_kernel::worker::run"), "worker::run");
        assert_eq!(
            plain("core::ptr::drop_in_place<alloc::vec::Vec<u8>>"),
            "ptr::drop_in_place"
        );
        assert_eq!(plain("luaV_execute"), "luaV_execute");
    }

    #[test]
    fn small_frames_are_left_out() {
        let mut stacks = Stacks::new();
        stacks.insert(vec!["worker".into(), "large".into()], 9_999);
        stacks.insert(vec!["worker".into(), "tiny".into()], 1);
        let picture = draw("a", &stacks);
        assert!(picture.contains("<title>large 100.0 %</title>"));
        assert!(!picture.contains("tiny"));
    }
}

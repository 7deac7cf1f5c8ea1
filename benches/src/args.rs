//! The command line.

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand, ValueEnum};

/// Runs the project's workloads on a skynet binary, or on several in turn, and prints and compares the figures.
#[derive(Parser)]
#[command(name = "skynet-bench", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// Something else than running workloads.
    #[command(subcommand)]
    pub task: Option<Task>,

    /// What to run.
    #[command(flatten)]
    pub args: Args,
}

/// Other things that the kit does.
#[derive(Subcommand)]
pub enum Task {
    /// Count the instructions of hot paths, and compare them with the stored figures
    Count(CountArgs),
    /// Run Lua programs beside Lua as it is published, and count their instructions
    Lua(LuaArgs),
    /// Measure everything that docs/performance.md shows, and write its tables and pictures. Takes about eight minutes
    /// on a quiet machine
    Record(RecordArgs),
    /// Write the tables and pictures of docs/performance.md from docs/performance.json
    Render,
    /// Draw flame graphs of workloads, with perf
    Flame(FlameArgs),
}

/// Counting instructions.
#[derive(clap::Args)]
pub struct CountArgs {
    /// Paths to count; all if none is named
    #[arg(value_name = "PATH")]
    pub paths: Vec<String>,

    /// Store the counts, instead of comparing with those that are stored
    #[arg(long, conflicts_with = "against")]
    pub bless: bool,

    /// The profile that `skynet` is built with
    #[arg(long, value_name = "NAME", default_value = "release")]
    pub profile: String,

    /// The binary to look at, instead of building one
    #[arg(long, value_name = "PATH")]
    pub binary: Option<PathBuf>,

    /// Compare with another binary, instead of with the stored figures
    #[arg(long, value_name = "[LABEL=]PATH")]
    pub against: Vec<Other>,
}

/// Running Lua programs.
#[derive(clap::Args)]
pub struct LuaArgs {
    /// Programs to run; all if none is named
    #[arg(value_name = "PROGRAM")]
    pub programs: Vec<String>,

    /// Only count the instructions of this Lua, and compare them with the stored counts
    #[arg(long, conflicts_with = "bless")]
    pub check: bool,

    /// Store the counts
    #[arg(long)]
    pub bless: bool,

    /// How often every program runs for its time; the best counts
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: u32,

    /// The profile that both are built with
    #[arg(long, value_name = "NAME", default_value = "release")]
    pub profile: String,
}

/// Measuring everything.
#[derive(clap::Args)]
pub struct RecordArgs {
    /// How often every workload runs
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: u32,
}

/// Drawing flame graphs.
#[derive(clap::Args)]
pub struct FlameArgs {
    /// Where to write them
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,

    /// Workloads to look at; call, send, spawn, tcpecho and cluster64 if none is named
    #[arg(value_name = "WORKLOAD")]
    pub workloads: Vec<String>,

    /// The binary to look at, instead of building one in release mode
    #[arg(long, value_name = "PATH")]
    pub binary: Option<PathBuf>,

    /// Samples a second
    #[arg(long, value_name = "N", default_value_t = 997)]
    pub rate: u32,
}

/// Running workloads.
#[derive(clap::Args)]
pub struct Args {
    /// Workloads to run; all if none is named. `--list` shows them
    #[arg(value_name = "WORKLOAD")]
    pub workloads: Vec<String>,

    /// Show the workloads and end
    #[arg(long)]
    pub list: bool,

    /// Every workload once, so small that it takes a moment; fails if one fails. The figures mean nothing
    #[arg(long)]
    pub smoke: bool,

    /// How often every workload runs
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: u32,

    /// The binary to measure, instead of building one with the profile of this program
    #[arg(long, value_name = "PATH")]
    pub binary: Option<PathBuf>,

    /// Another skynet binary, run in turn with the first. With a `lualib` folder beside it, that is its installation
    #[arg(long, value_name = "[LABEL=]PATH")]
    pub against: Vec<Other>,

    /// How the first binary is started
    #[arg(long, value_enum, default_value_t = Mode::Config)]
    pub mode: Mode,

    /// Worker threads of a node
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    pub threads: u32,

    /// Set a configuration key of every node, for example `profile=false`
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub set: Vec<(String, String)>,

    /// Multiply the size of every workload
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = positive)]
    pub scale: f64,

    /// Kill a node that runs for longer, and count that as a failure
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub limit: u64,

    /// Also run the kernel's own benchmark
    #[arg(long)]
    pub kernel: bool,

    /// Also run the kernel beside other actor crates (benches/peers, which takes minutes to build the first time)
    #[arg(long)]
    pub peers: bool,

    /// Also run the points of the diagrams: sizes of messages, numbers of services and of workers
    #[arg(long)]
    pub scaling: bool,

    /// Write the raw results there
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Compare with raw results that were written before
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,

    /// Show the project's targets beside the figures; from benches/targets.json if no file is named
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    pub targets: Option<Option<PathBuf>>,

    /// Run nothing; write a configuration for each workload there and print the commands, to use with a profiler
    #[arg(long, value_name = "FOLDER")]
    pub prepare: Option<PathBuf>,
}

/// How a node is started.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// `skynet CONFIG`
    Config,
    /// `skynet run MAIN.lua`
    Run,
}

impl Mode {
    /// The word for it on the command line and in the raw results.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Config => "config",
            Mode::Run => "run",
        }
    }
}

/// A binary with the label that the table gives it.
#[derive(Clone)]
pub struct Other {
    /// The heading of its column.
    pub label: String,
    /// The file.
    pub path: PathBuf,
}

impl std::str::FromStr for Other {
    type Err = String;

    fn from_str(text: &str) -> Result<Other, String> {
        let (label, path) = match text.split_once('=') {
            Some((label, path)) if !label.contains('/') => (label.to_owned(), path),
            _ => {
                let folder = Path::new(text).parent().and_then(Path::file_name);
                let label = folder.map_or(text.into(), |name| name.to_string_lossy());
                (label.into_owned(), text)
            }
        };
        if label.is_empty() || path.is_empty() {
            return Err("a label or path is empty".into());
        }
        Ok(Other {
            label,
            path: path.into(),
        })
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.into(), value.into())),
        _ => Err("not KEY=VALUE".into()),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
        _ => Err("not a positive number".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn a_binary_is_labelled_by_its_folder_or_explicitly() {
        let label = |text: &str| text.parse::<Other>().map(|other| other.label);
        assert_eq!(label("/opt/old/skynet").unwrap(), "old");
        assert_eq!(label("c=/opt/x/skynet").unwrap(), "c");
        assert_eq!(label("skynet").unwrap(), "skynet");
        assert!(label("=x").is_err());
    }
}

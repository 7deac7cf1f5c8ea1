//! Starting nodes: what they are configured with, what they print, and how they end.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};

use crate::args::Mode;
use crate::code;
use crate::crowd::{self, Crowd};
use crate::database::Servers;
use crate::proc;
use crate::workload::{Kind, Workload};

/// How long a node that is to be idle settles before it is measured.
const SETTLE: Duration = Duration::from_secs(1);

/// What runs the workloads: a binary and how it is started.
pub struct Binary {
    /// The heading of its column.
    pub label: String,
    /// The file, absolute.
    pub path: PathBuf,
    /// How a node is started.
    pub mode: Mode,
}

/// What is the same for all runs.
pub struct Settings {
    /// The folder of the Lua files.
    pub lua: PathBuf,
    /// A folder for configurations, logs and generated code.
    pub folder: PathBuf,
    /// Worker threads of a node.
    pub threads: u32,
    /// More configuration keys.
    pub set: Vec<(String, String)>,
    /// Whether the nodes write a log, which is shown when a run fails. Otherwise it is thrown away, since a line for
    /// every launched service would be part of the figures.
    pub log: bool,
    /// How long a node may run.
    pub limit: Duration,
    /// How long an idle node is measured.
    pub idle: Duration,
    /// The clients of a gate.
    pub crowd: Crowd,
    /// More environment variables.
    pub environment: Vec<(String, String)>,
    /// A program and its arguments that run the first node of a workload: a profiler. Empty for none.
    pub wrap: Vec<String>,
    /// Servers of databases.
    pub servers: Servers,
}

/// Lines of the code base that `spawnlarge` loads.
const CODE_LINES: usize = 5000;

/// The clients of workloads that time calls.
const CLIENTS: Crowd = Crowd { idle: 0, busy: 64 };

/// The figures of one run.
pub enum Outcome {
    /// A metric's name, empty for the rate, and its value.
    Done(Vec<(String, f64)>),
    /// The binary cannot run this workload.
    Skipped(String),
    /// It went wrong.
    Failed(String),
}

impl Settings {
    /// The usual ones, with this folder for files.
    pub fn new(folder: &Path) -> anyhow::Result<Settings> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let folder = folder.canonicalize()?;
        fs::write(folder.join("bench_code.lua"), code::module(CODE_LINES))
            .with_context(|| format!("cannot write to {}", folder.display()))?;
        Ok(Settings {
            lua: Path::new(env!("CARGO_MANIFEST_DIR")).join("lua"),
            folder,
            threads: 2,
            set: Vec::new(),
            log: false,
            limit: Duration::from_secs(60),
            idle: Duration::from_secs(10),
            crowd: Crowd {
                idle: 10_000,
                busy: 1_000,
            },
            environment: Vec::new(),
            wrap: Vec::new(),
            servers: Servers::default(),
        })
    }

    /// Runs `workload` with `n` operations once.
    pub fn run(&self, binary: &Binary, workload: &Workload, n: u64) -> Outcome {
        match self.try_run(binary, workload, n) {
            Ok(outcome) => outcome,
            Err(error) => Outcome::Failed(format!("{error:#}")),
        }
    }

    fn try_run(&self, binary: &Binary, workload: &Workload, n: u64) -> anyhow::Result<Outcome> {
        let mut environment = vec![("BENCH", workload.name.to_owned()), ("N", n.to_string())];
        let (mut second, mut port) = (None, 0);
        match workload.kind {
            Kind::Node | Kind::Idle => {}
            Kind::Tcp => {
                crowd::raise_limit()?;
                environment.push(("BENCH_PORT", free_port()?.to_string()));
            }
            Kind::Database(kind) => {
                if let Some(reason) = Servers::missing(kind) {
                    return Ok(Outcome::Skipped(reason.into()));
                }
                environment.push(("BENCH_PORT", self.servers.port(kind)?.to_string()));
            }
            Kind::Gate => {
                crowd::raise_limit()?;
                port = free_port()?;
                environment[1].1 = self.crowd.len().to_string();
                environment.push(("BENCH_PORT", port.to_string()));
            }
            Kind::Clients => {
                port = free_port()?;
                environment.push(("BENCH_PORT", port.to_string()));
            }
            Kind::Cluster | Kind::ClientsOfTwo => {
                if workload.kind == Kind::ClientsOfTwo {
                    port = free_port()?;
                    environment.push(("BENCH_PORT", port.to_string()));
                }
                let address = format!("127.0.0.1:{}", free_port()?);
                let node = self.start(binary, "bench_node", &[("BENCH_NODE", address.clone())])?;
                environment.push(("BENCH_NODE", address));
                node.line(Instant::now() + self.limit)?
                    .context("the second node ended")?;
                second = Some(node);
            }
        }
        let mut node = self.start(binary, "bench", &environment)?;
        let outcome = self.follow(&mut node, workload, n, port);
        drop(second);
        match outcome {
            Ok(outcome) => Ok(outcome),
            Err(error) if self.log => Err(anyhow!("{error:#}\n{}", node.log_end())),
            Err(error) => Err(error),
        }
    }

    /// Reads what the node says until it ends or is ready to be measured.
    fn follow(
        &self,
        node: &mut Node,
        workload: &Workload,
        n: u64,
        port: u16,
    ) -> anyhow::Result<Outcome> {
        let deadline = Instant::now() + self.limit;
        let mut outcome = None;
        while let Some(line) = node.line(deadline)? {
            // Anything else was printed by a service.
            if let Some(rest) = strip(&line, "RESULT", workload.name) {
                outcome = Some(Outcome::Done(metrics(rest)?));
            } else if let Some(reason) = strip(&line, "SKIPPED", workload.name) {
                outcome = Some(Outcome::Skipped(reason.to_owned()));
            } else if let Some(reason) = strip(&line, "FAILED", workload.name) {
                bail!("{}", reason.replace(" | ", "\n    "));
            } else if let Some(rest) = strip(&line, "READY", workload.name) {
                let run = |crowd| crowd::Run {
                    crowd,
                    messages: n,
                    idle: self.idle,
                    pid: node.child.id(),
                    port,
                    deadline,
                };
                let metrics = match workload.kind {
                    Kind::Gate => run(self.crowd).measure_gate(),
                    Kind::Clients | Kind::ClientsOfTwo => run(CLIENTS).measure(),
                    _ => self.idle(node, rest),
                };
                return Ok(Outcome::Done(metrics?));
            }
        }
        let status = node.child.wait()?;
        match outcome {
            Some(outcome) if status.success() => Ok(outcome),
            Some(_) => bail!("the node ended with {status}"),
            None => bail!("the node ended with {status} and said nothing"),
        }
    }

    fn idle(&self, node: &mut Node, rest: &str) -> anyhow::Result<Vec<(String, f64)>> {
        let mut metrics = pairs(rest)?;
        thread::sleep(SETTLE.min(self.idle));
        let pid = node.child.id();
        let before = proc::usage(pid).context("the node does not run")?;
        thread::sleep(self.idle);
        let after = proc::usage(pid).context("the node ended")?;
        if let Some(status) = node.child.try_wait()? {
            bail!("the node ended with {status}");
        }
        let cpu = after.cpu.saturating_sub(before.cpu);
        let switches = after.switches.saturating_sub(before.switches);
        metrics.push(("cpu_ms".into(), cpu.as_secs_f64() * 1e3));
        metrics.push(("switches".into(), switches as f64));
        metrics.push(("rss_mb".into(), proc::rss_kb(pid)? as f64 / 1024.0));
        Ok(metrics)
    }

    fn start(
        &self,
        binary: &Binary,
        main: &str,
        environment: &[(&str, String)],
    ) -> anyhow::Result<Node> {
        let log = self.folder.join(format!("{main}.log"));
        let _ = fs::remove_file(&log);
        let plain = self.command(binary, main)?;
        let mut command = match &self.wrap[..] {
            [program, words @ ..] if main == "bench" => {
                let mut command = Command::new(program);
                command
                    .args(words)
                    .arg(plain.get_program())
                    .args(plain.get_args());
                command
            }
            _ => plain,
        };
        command
            .envs(self.environment.iter().map(|(key, value)| (key, value)))
            .envs(environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {}", binary.path.display()))?;
        let stdout = child.stdout.take().expect("stdout is a pipe");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Node { child, lines, log })
    }

    /// The command that starts a node with the service `main`.
    pub fn command(&self, binary: &Binary, main: &str) -> anyhow::Result<Command> {
        let mut command = Command::new(&binary.path);
        let keys = self.keys(binary, main);
        match binary.mode {
            Mode::Config => {
                let mut text = String::new();
                for (key, value) in &keys {
                    // Lua's long brackets take any text but their own end.
                    let _ = writeln!(text, "{key} = [==[{value}]==]");
                }
                let file = self.folder.join(format!("{}.{main}.config", binary.label));
                fs::write(&file, text)
                    .with_context(|| format!("cannot write {}", file.display()))?;
                command.arg(file);
            }
            Mode::Run => {
                command
                    .arg("run")
                    .args(["--threads", &self.threads.to_string()]);
                for (key, value) in keys.iter().filter(|(key, _)| key != "start") {
                    command.args(["--set", &format!("{key}={value}")]);
                }
                command.arg(self.lua.join(format!("{main}.lua")));
            }
        }
        Ok(command)
    }

    fn keys(&self, binary: &Binary, main: &str) -> Vec<(String, String)> {
        let (lua, folder) = (self.lua.display(), self.folder.display());
        let log = if self.log {
            self.folder.join(format!("{main}.log"))
        } else {
            PathBuf::from("/dev/null")
        };
        let mut luaservice = format!("{lua}/?.lua");
        let mut lua_path = format!("{lua}/?.lua;{folder}/?.lua");
        let mut keys: Vec<(String, String)> = Vec::new();
        let mut put = |key: &str, value: String| keys.push((key.to_owned(), value));
        put("thread", self.threads.to_string());
        put("harbor", "0".into());
        put("start", main.into());
        put("logger", log.display().to_string());
        if let Some(root) = installation(&binary.path) {
            let root = root.display();
            luaservice += &format!(";{root}/service/?.lua");
            lua_path += &format!(";{root}/lualib/?.lua;{root}/lualib/?/init.lua");
            put("bootstrap", "snlua bootstrap".into());
            put("lualoader", format!("{root}/lualib/loader.lua"));
            put("lua_cpath", format!("{root}/luaclib/?.so"));
            put("cpath", format!("{root}/cservice/?.so"));
        }
        put("luaservice", luaservice);
        put("lua_path", lua_path);
        for (key, value) in &self.set {
            keys.retain(|(other, _)| other != key);
            keys.push((key.clone(), value.clone()));
        }
        keys
    }
}

/// The folder of a binary that brings its Lua files along.
fn installation(binary: &Path) -> Option<&Path> {
    let folder = binary.parent()?;
    folder.join("lualib/loader.lua").is_file().then_some(folder)
}

/// A port that nobody listens on. Somebody else may take it before the node does; then the run fails.
fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no free port")?;
    Ok(listener.local_addr()?.port())
}

/// A running node, killed when this is dropped.
struct Node {
    child: Child,
    lines: Receiver<String>,
    log: PathBuf,
}

impl Node {
    /// The next line that it prints, or none if its output has ended.
    fn line(&self, deadline: Instant) -> anyhow::Result<Option<String>> {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(left) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => bail!("the node did not end in time"),
        }
    }

    /// The last lines of its log.
    fn log_end(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let mut end = String::from("    its log ends with:");
        for line in &lines[lines.len().saturating_sub(15)..] {
            let _ = write!(end, "\n    {line}");
        }
        end
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Both fail only for a process that has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What follows `word name` in a line.
fn strip<'a>(line: &'a str, word: &str, name: &str) -> Option<&'a str> {
    let rest = line.strip_prefix(word)?.strip_prefix(' ')?;
    let rest = rest.strip_prefix(name)?;
    (rest.is_empty() || rest.starts_with(' ')).then(|| rest.trim())
}

/// `<operations> <seconds> [<metric>=<value> ...]`. Without operations there is no rate.
pub fn metrics(text: &str) -> anyhow::Result<Vec<(String, f64)>> {
    let parse = || {
        let (operations, rest) = text.split_once(' ')?;
        let (seconds, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        Some((
            operations.parse::<f64>().ok()?,
            seconds.parse::<f64>().ok()?,
            rest,
        ))
    };
    let (operations, seconds, rest) = parse().with_context(|| format!("not a result: {text}"))?;
    let mut metrics = Vec::new();
    if operations > 0.0 {
        if seconds <= 0.0 {
            bail!("{operations} operations in no time");
        }
        metrics.push((String::new(), operations / seconds));
    }
    metrics.extend(pairs(rest)?);
    Ok(metrics)
}

fn pairs(text: &str) -> anyhow::Result<Vec<(String, f64)>> {
    text.split_ascii_whitespace()
        .map(|word| {
            let (name, value) = word.split_once('=').context("not a metric")?;
            Ok((name.to_owned(), value.parse()?))
        })
        .collect::<anyhow::Result<_>>()
        .with_context(|| format!("not metrics: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_read() {
        let line = "RESULT spawn 100 0.500000 kb_each=20.5";
        let rest = strip(line, "RESULT", "spawn").unwrap();
        let expected = vec![(String::new(), 200.0), ("kb_each".to_owned(), 20.5)];
        assert_eq!(metrics(rest).unwrap(), expected);
        assert_eq!(metrics("0 0 a_bytes=1").unwrap().len(), 1);
        assert!(strip(line, "RESULT", "spaw").is_none());
        assert!(strip("READY idle", "READY", "idle") == Some(""));
        for wrong in ["", "1", "a 1", "1 0.0", "1 1 x", "1 1 x=y"] {
            assert!(metrics(wrong).is_err(), "{wrong}");
        }
    }
}

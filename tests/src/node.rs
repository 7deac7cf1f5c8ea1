//! What a test starts: a folder, a config, arguments.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::{Output, Running, skynet};

/// The folder of the Lua test programs.
pub fn lua_dir() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/lua"))
}

/// A node that has not been started yet, in a folder of its own, which is also its working directory.
pub struct Node {
    dir: TempDir,
    keys: Vec<(String, String)>,
    config: Option<String>,
    args: Vec<String>,
    env: Vec<(String, String)>,
    stdin: bool,
    limit: Duration,
}

impl Node {
    /// A node without a config or arguments.
    pub fn bare() -> Node {
        Node {
            dir: tempfile::Builder::new()
                .prefix("skynet-test-")
                .tempdir()
                .expect("temporary folder"),
            keys: Vec::new(),
            config: None,
            args: Vec::new(),
            env: Vec::new(),
            stdin: false,
            limit: default_limit(),
        }
    }

    /// A standalone node with two workers (or `SKYNET_TEST_THREADS`) that starts the Lua service `name`, which is
    /// looked for in the folder of the test programs and in the node's own folder.
    pub fn program(name: &str) -> Node {
        let lua = lua_dir().display().to_string();
        Node::bare()
            .key("thread", &threads())
            .key("harbor", "0")
            .key("start", &quote(name))
            .key("luaservice", &quote(&format!("{lua}/?.lua;./?.lua")))
            .key("lua_path", &quote(&format!("{lua}/lib/?.lua;./?.lua")))
    }

    /// The case `case` of the test program `file`.
    pub fn case(file: &str, case: &str) -> Node {
        Node::program(file).key("case", &quote(case))
    }

    /// A standalone node that starts the given Lua source as its main service `main`.
    pub fn source(source: &str) -> Node {
        Node::program("main").file("main.lua", source)
    }

    /// A node that is started with exactly this config text.
    pub fn config(text: &str) -> Node {
        let mut node = Node::bare();
        node.config = Some(text.to_string());
        node
    }

    /// Sets a config key to a Lua expression, instead of an earlier value; "nil" removes it.
    pub fn key(mut self, key: &str, expression: &str) -> Node {
        self.keys.retain(|(name, _)| name != key);
        self.keys.push((key.to_string(), expression.to_string()));
        self
    }

    /// The Lua expression that a config key has been set to.
    pub fn value(&self, key: &str) -> Option<&str> {
        let set = self.keys.iter().find(|(name, _)| name == key);
        set.map(|(_, value)| value.as_str())
    }

    /// Puts a file into the node's folder, making the folders on its way.
    pub fn file(self, path: &str, text: impl AsRef<[u8]>) -> Node {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("folder");
        std::fs::write(path, text).expect("file");
        self
    }

    /// The full path of a file in the node's folder.
    pub fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// Uses these arguments instead of a config file.
    pub fn args(mut self, args: &[&str]) -> Node {
        self.args = args.iter().map(|arg| arg.to_string()).collect();
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, key: &str, value: &str) -> Node {
        self.env.push((key.to_string(), value.to_string()));
        self
    }

    /// Keeps standard input open, for [`Running::write`]; it is empty otherwise.
    pub fn stdin(mut self) -> Node {
        self.stdin = true;
        self
    }

    /// Gives it another time limit than the usual one.
    pub fn limit(mut self, limit: Duration) -> Node {
        self.limit = limit;
        self
    }

    /// Starts it.
    pub fn spawn(mut self) -> Running {
        if self.config.is_none() && !self.keys.is_empty() {
            let lines = self
                .keys
                .iter()
                .map(|(key, value)| format!("{key} = {value}\n"));
            self.config = Some(lines.collect());
        }
        let mut args = std::mem::take(&mut self.args);
        if let Some(text) = self.config.take() {
            std::fs::write(self.path("config"), text).expect("config file");
            if args.is_empty() {
                args.push("config".to_string());
            }
        }
        let mut command = Command::new(skynet());
        command
            .args(&args)
            .current_dir(self.dir.path())
            .envs(self.env.iter().map(|(key, value)| (key, value)))
            .stdin(if self.stdin {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Running::start(command, self.dir, self.limit)
    }

    /// Starts it and waits until it has ended.
    pub fn run(self) -> Output {
        self.spawn().wait()
    }
}

/// How long a node may run. No test takes nearly this long: what does is hung. `SKYNET_TEST_SECONDS` changes it, for
/// sanitizers and other slow ways to run the binary.
fn default_limit() -> Duration {
    let seconds = std::env::var("SKYNET_TEST_SECONDS").ok();
    Duration::from_secs(seconds.map_or(60, |text| {
        text.parse().expect("SKYNET_TEST_SECONDS is a number")
    }))
}

fn threads() -> String {
    std::env::var("SKYNET_TEST_THREADS").unwrap_or_else(|_| "2".to_string())
}

/// A Lua string literal.
pub fn quote(text: &str) -> String {
    let mut literal = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => literal.extend(['\\', byte as char]),
            b' '..=b'~' => literal.push(byte as char),
            _ => literal.push_str(&format!("\\{byte:03}")),
        }
    }
    literal.push('"');
    literal
}

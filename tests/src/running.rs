//! A started node.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Output;

/// How often a condition is looked at while a test waits for it.
const POLL: Duration = Duration::from_millis(5);

/// A running node. It is killed when this is dropped.
pub struct Running {
    child: Child,
    dir: TempDir,
    stdout: Captured,
    stderr: Captured,
    started: Instant,
    limit: Duration,
}

/// A stream that a thread of ours reads, so that the node never blocks on a full pipe.
struct Captured {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Captured {
    fn start(mut stream: impl Read + Send + 'static) -> Captured {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&bytes);
        let reader = std::thread::spawn(move || {
            let mut chunk = [0; 8192];
            while let Ok(length @ 1..) = stream.read(&mut chunk) {
                shared.lock().unwrap().extend_from_slice(&chunk[..length]);
            }
        });
        Captured {
            bytes,
            reader: Some(reader),
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }

    fn finish(&mut self) -> Vec<u8> {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("reader thread");
        }
        std::mem::take(&mut self.bytes.lock().unwrap())
    }
}

impl Running {
    pub(crate) fn start(mut command: Command, dir: TempDir, limit: Duration) -> Running {
        let mut child = command.spawn().expect("the binary starts");
        let stdout = Captured::start(child.stdout.take().expect("stdout"));
        let stderr = Captured::start(child.stderr.take().expect("stderr"));
        Running {
            child,
            dir,
            stdout,
            stderr,
            started: Instant::now(),
            limit,
        }
    }

    /// Another program than a node, which is watched, told things and ended in the same way.
    pub fn other(mut command: Command) -> Running {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // Building the binary must not count for the time of this program.
        crate::skynet();
        let dir = tempfile::tempdir().expect("temporary folder");
        Running::start(command, dir, Duration::from_secs(180))
    }

    /// The full path of a file in the node's folder.
    pub fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that it has had so far.
    pub fn peak_kib(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("status");
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number.expect("VmHWM").parse().expect("a number")
    }

    /// What it has written to standard output so far.
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What it has written to standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits until `condition` holds; `what` says what is waited for if it never does.
    pub fn until(&mut self, what: &str, mut condition: impl FnMut(&Running) -> bool) {
        while !condition(self) {
            if let Some(status) = self.child.try_wait().expect("wait") {
                // The last output may arrive after the process has gone.
                std::thread::sleep(Duration::from_millis(50));
                assert!(
                    condition(self),
                    "ended ({status}) before: {what}\n{}",
                    self.report()
                );
                return;
            }
            assert!(
                self.started.elapsed() < self.limit,
                "waited too long for: {what}\n{}",
                self.report()
            );
            std::thread::sleep(POLL);
        }
    }

    /// Waits until standard output contains `text`.
    pub fn until_output(&mut self, text: &str) {
        self.until(&format!("output {text:?}"), |node| {
            node.stdout().contains(text)
        });
    }

    /// Sends a signal, by its name without SIG.
    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Writes to its standard input.
    pub fn write(&mut self, text: &str) {
        let stdin = self.child.stdin.as_mut().expect("stdin is kept open");
        stdin
            .write_all(text.as_bytes())
            .and_then(|()| stdin.flush())
            .expect("write to the node");
    }

    /// Closes its standard input.
    pub fn close_stdin(&mut self) {
        self.child.stdin = None;
    }

    /// True while it runs.
    pub fn alive(&mut self) -> bool {
        self.child.try_wait().expect("wait").is_none()
    }

    /// Waits until it has ended. It is killed, and the test fails, if it hangs.
    pub fn wait(mut self) -> Output {
        let status = self.wait_status();
        Output::new(self.stdout.finish(), self.stderr.finish(), status)
    }

    /// Kills it and returns what it has written.
    pub fn kill(mut self) -> Output {
        self.child.kill().expect("kill");
        self.wait()
    }

    fn wait_status(&mut self) -> ExitStatus {
        loop {
            if let Some(status) = self.child.try_wait().expect("wait") {
                return status;
            }
            assert!(
                self.started.elapsed() < self.limit,
                "the node hangs\n{}",
                self.report()
            );
            std::thread::sleep(POLL);
        }
    }

    fn report(&self) -> String {
        format!(
            "--- stdout\n{}\n--- stderr\n{}",
            self.stdout.text(),
            self.stderr.text()
        )
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process, by the signal's name without SIG.
pub fn signal(pid: u32, name: &str) {
    let status = Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .status()
        .expect("kill runs");
    assert!(status.success(), "kill -s {name} {pid}");
}

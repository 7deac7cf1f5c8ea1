//! Signals to a running node.
//!
//! SIGTERM and SIGINT stop it in order, with a deadline; another of them, later than a moment, ends the process at once. (Who
//! runs a command often signals both the process and its group, as `timeout` does: one wish, two signals.) SIGHUP makes the
//! log service reopen its file. SIGPIPE is ignored already: Rust's runtime does so before `main`.

use super::NAME;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level;
use skynet_kernel::{Handle, Node};
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// What the log service may take for the last lines before the process ends.
const TO_LOG: Duration = Duration::from_millis(100);

/// What arrives so soon after a signal belongs to it.
const SAME_WISH: Duration = Duration::from_millis(50);

/// Signals that arrive from now on, to be given to a node later.
pub struct Caught(Signals);

/// Begins to catch signals, before there is a node, so that none is lost meanwhile.
pub fn catch() -> io::Result<Caught> {
    Signals::new([SIGTERM, SIGINT, SIGHUP]).map(Caught)
}

impl Caught {
    /// Gives what was and will be caught to `node`, which has `timeout` for an orderly stop.
    pub fn govern(mut self, node: Arc<Node>, timeout: Duration) -> io::Result<()> {
        let work = move || {
            let mut first = None;
            for signal in self.0.forever() {
                match first {
                    _ if signal == SIGHUP => node.reopen_log(),
                    None => {
                        first = Some(Instant::now());
                        stop(&node, signal, timeout);
                    }
                    Some(time) if time.elapsed() < SAME_WISH => {}
                    // Not `exit`: workers still run, and nothing may be torn down under them.
                    Some(_) => low_level::exit(128 + signal),
                }
            }
        };
        thread::Builder::new()
            .name("signals".into())
            .spawn(work)
            .map(drop)
    }
}

/// Begins an orderly stop, and ends the process with 1 if it still runs after `timeout`. In a thread of its own: the next signal must be
/// seen at once, however busy node and machine are.
fn stop(node: &Arc<Node>, signal: i32, timeout: Duration) {
    let own = node.clone();
    let work = move || {
        let node = own;
        let name = low_level::signal_name(signal).unwrap_or("a signal");
        node.log(Handle::NONE, format!("{name}: the node stops").as_bytes());
        // Services that are being stopped cannot be asked for their names any more.
        let names = node.services();
        node.shutdown();
        thread::sleep(timeout);
        // A daemon has no standard error.
        let say = |line: String| {
            eprintln!("{NAME}: {line}");
            node.log(Handle::NONE, line.as_bytes());
        };
        say(format!(
            "services did not stop within {} ms",
            timeout.as_millis()
        ));
        for worker in node.workers() {
            if worker.current.is_none() {
                continue;
            }
            let known = names.iter().find(|info| info.handle == worker.current);
            say(format!(
                "{} ({}) has not come back from a message for {:.1} s",
                worker.current,
                known.map_or("a service started meanwhile", |info| &info.description),
                worker.busy.as_secs_f64()
            ));
        }
        // If a worker is free, the log service writes these lines meanwhile.
        thread::sleep(TO_LOG);
        low_level::exit(1);
    };
    if thread::Builder::new()
        .name("deadline".into())
        .spawn(work)
        .is_err()
    {
        eprintln!("{NAME}: no thread for the deadline; a second signal ends the process at once");
        node.shutdown();
    }
}

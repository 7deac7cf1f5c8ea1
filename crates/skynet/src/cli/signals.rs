//! Signals to a running node.
//!
//! SIGTERM and SIGINT stop it in order; another of them, later than a moment, ends the process at once. (Who runs a
//! command often signals both the process and its group, as `timeout` does: one wish, two signals.) SIGHUP makes the
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
    /// Gives what was and will be caught to `node`.
    pub fn govern(mut self, node: Arc<Node>) -> io::Result<()> {
        let work = move || {
            let mut first = None;
            for signal in self.0.forever() {
                match first {
                    _ if signal == SIGHUP => node.reopen_log(),
                    None => {
                        first = Some(Instant::now());
                        stop(&node, signal);
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

/// Begins an orderly stop. In a thread of its own: the next signal must be seen at once, however busy node and machine
/// are.
fn stop(node: &Arc<Node>, signal: i32) {
    let own = node.clone();
    let work = move || {
        let name = low_level::signal_name(signal).unwrap_or("a signal");
        own.log(Handle::NONE, format!("{name}: the node stops").as_bytes());
        own.shutdown();
    };
    if thread::Builder::new()
        .name("stop".into())
        .spawn(work)
        .is_err()
    {
        node.shutdown();
    }
}

/// Says which services have not come back from their last message for so long, and ends the process with status 1.
pub fn give_up(node: &Node, timeout: Duration) -> ! {
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
        let context = node.context_or_leaving(worker.current);
        say(format!(
            "{} ({}) has not come back from a message for {:.1} s",
            worker.current,
            context.map_or_else(|| "gone".to_owned(), |context| context.description()),
            worker.busy.as_secs_f64()
        ));
    }
    // If a worker is free, the log service writes these lines meanwhile.
    thread::sleep(TO_LOG);
    // Not `exit`: workers still run, and nothing may be torn down under them.
    low_level::exit(1)
}

//! A node whose use of memory, descriptors and log is looked at from outside.

use std::time::{Duration, Instant};

use skynet_tests::{Node, Running};

/// How long the node may take for what is expected of it.
pub const LIMIT: Duration = Duration::from_secs(120);

/// What a node uses.
#[derive(Clone, Copy, Debug)]
pub struct Use {
    /// The most memory that it has had, in KiB.
    pub peak_kib: u64,
    /// Open descriptors.
    pub descriptors: usize,
    /// Bytes that it has written to its log.
    pub log: usize,
}

/// What a node may use, beyond what it used before.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// See [`Use::peak_kib`].
    pub peak_kib: u64,
    /// See [`Use::log`].
    pub log: usize,
}

/// A running node, and what it used when it had started.
pub struct Watched {
    /// The node.
    pub node: Running,
    before: Use,
}

impl Watched {
    /// Starts a node, and waits until it has written `ready` and another character.
    pub fn start(node: Node, ready: &str) -> Watched {
        raise_descriptor_limit();
        let mut node = node.limit(LIMIT).stdin().spawn();
        node.until_output(ready);
        let before = usage(&node);
        Watched { node, before }
    }

    /// What it uses now.
    pub fn usage(&self) -> Use {
        usage(&self.node)
    }

    /// Checks that it has not used more at any time.
    pub fn within(&self, bounds: Bounds) {
        let (now, before) = (self.usage(), self.before);
        let (memory, log) = (now.peak_kib - before.peak_kib, now.log - before.log);
        println!("{memory} KiB of memory, {log} bytes of log");
        assert!(
            memory <= bounds.peak_kib,
            "{memory} KiB: {before:?}, {now:?}"
        );
        assert!(
            log <= bounds.log,
            "{log} bytes of log:\n{}",
            self.node.stdout()
        );
    }

    /// Waits until it has as many descriptors as in the beginning, and `more`.
    pub fn has_descriptors_and(&mut self, more: usize) {
        let allowed = self.before.descriptors + more;
        self.node.until("descriptors are closed", |node| {
            usage(node).descriptors <= allowed
        });
    }

    /// Tells the program a line, and waits until it has written `answer`.
    pub fn ask(&mut self, line: &str, answer: &str) {
        let before = self.node.stdout().matches(answer).count();
        self.node.write(&format!("{line}\n"));
        self.node.until(answer, |node| {
            node.stdout().matches(answer).count() > before
        });
    }
}

fn usage(node: &Running) -> Use {
    let open = std::fs::read_dir(format!("/proc/{}/fd", node.pid()));
    Use {
        peak_kib: node.peak_kib(),
        descriptors: open.expect("the node runs").count(),
        log: node.stdout().len() + node.stderr().len(),
    }
}

/// A crowd of strangers needs descriptors, too.
pub fn raise_descriptor_limit() {
    rlimit::increase_nofile_limit(u64::MAX).expect("a limit of descriptors");
}

/// Does something until it works, or takes too long.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

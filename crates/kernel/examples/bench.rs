//! How long a message takes, for typical shapes of traffic between native services.
//!
//! `cargo run --profile quick -p skynet-kernel --example bench [-- workers [seconds [profile]]]`

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use skynet_kernel::*;

/// Counts.
struct Sink(Shared);

/// Sends so many messages to the sink in one go, and again whenever the sink acknowledges them.
struct Source(Shared, Handle, usize);

#[derive(Clone)]
struct Shared {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
}

impl Service for Sink {
    fn handle(&mut self, cx: &Arc<Context>, message: Message) {
        let count = &self.0.count;
        count.store(count.load(Relaxed) + 1, Relaxed);
        if message.session != 0 {
            let _ = cx.send(
                message.source,
                kind::RESPONSE,
                message.session,
                Payload::EMPTY,
            );
        }
    }
}

impl Service for Source {
    fn handle(&mut self, cx: &Arc<Context>, _message: Message) {
        if self.0.stop.load(Relaxed) {
            return;
        }
        for left in (0..self.2).rev() {
            let session = i32::from(left == 0);
            let _ = cx.send(self.1, kind::LUA, session, Payload::from_slice(b"12345678"));
        }
    }
}

fn main() {
    let mut args = std::env::args()
        .skip(1)
        .map(|a| a.parse::<f64>().expect("a number"));
    let workers = args.next().unwrap_or(2.0) as usize;
    let seconds = Duration::from_secs_f64(args.next().unwrap_or(1.0));
    let profile = args.next().unwrap_or(1.0) != 0.0;
    println!("{workers} workers, profile {profile}: ns per message");

    let only = std::env::var("ONLY").unwrap_or_default();
    // A ring of two is a pair that plays ping-pong.
    for (name, rings, length) in [
        ("pair", 1, 2),
        ("ring of 512", 1, 512),
        ("16 pairs", 16, 2),
        ("200 pairs", 200, 2),
    ] {
        if !name.contains(&only) {
            continue;
        }
        run(name, workers, profile, seconds, |node, shared| {
            let mut first = Vec::new();
            for _ in 0..rings {
                let ring: Vec<Handle> = (0..length)
                    .map(|_| launch(node, RingMember::make(shared, length)))
                    .collect();
                first.push(ring[0]);
            }
            first
        });
    }
    for (name, sources) in [("flood", 1), ("fan-in of 8", 8)] {
        if !name.contains(&only) {
            continue;
        }
        run(name, workers, profile, seconds, |node, shared| {
            let sink = launch(node, {
                let shared = shared.clone();
                factory(move || Sink(shared.clone()))
            });
            let source = |_| {
                let shared = shared.clone();
                launch(node, factory(move || Source(shared.clone(), sink, 1000)))
            };
            let sources: Vec<Handle> = (0..sources).map(source).collect();
            // Each has two lots under way.
            sources.iter().chain(&sources).copied().collect()
        });
    }
    crowd(workers);
    latency(workers);
}

/// A member of a ring: passes every message on to the next handle; the last one to the first.
struct RingMember {
    shared: Shared,
    length: u32,
    next: Handle,
    handled: u64,
}

impl RingMember {
    fn make(shared: &Shared, length: u32) -> Factory {
        let shared = shared.clone();
        factory(move || RingMember {
            shared: shared.clone(),
            length,
            next: Handle::NONE,
            handled: 0,
        })
    }
}

impl Service for RingMember {
    fn init(&mut self, cx: &Arc<Context>, _param: &str) -> Result<(), InitError> {
        // Rings are launched one after another, from handle 2 on.
        let index = cx.handle().0 - 2;
        let start = index / self.length * self.length;
        self.next = Handle(start + (index - start + 1) % self.length + 2);
        Ok(())
    }

    fn handle(&mut self, cx: &Arc<Context>, mut message: Message) {
        self.handled += 1;
        if !self.shared.stop.load(Relaxed) {
            let _ = cx.send(self.next, kind::LUA, 1, message.take_payload());
        }
    }
}

impl Drop for RingMember {
    fn drop(&mut self) {
        self.shared.count.fetch_add(self.handled, Relaxed);
    }
}

fn launch(node: &Arc<Node>, factory: Factory) -> Handle {
    node.add_module("bench", factory);
    node.launch(Handle::NONE, "bench", "").unwrap()
}

struct Quiet;

impl Service for Quiet {
    fn handle(&mut self, _cx: &Arc<Context>, _message: Message) {}
}

fn start(workers: usize, profile: bool) -> Arc<Node> {
    Node::builder()
        .threads(workers)
        .profile(profile)
        .module("quiet", factory(|| Quiet))
        .log_service("quiet", None)
        .start()
        .unwrap()
}

fn run(
    name: &str,
    workers: usize,
    profile: bool,
    time: Duration,
    setup: impl FnOnce(&Arc<Node>, &Shared) -> Vec<Handle>,
) {
    let shared = Shared {
        stop: Arc::default(),
        count: Arc::default(),
    };
    let node = start(workers, profile);
    for first in setup(&node, &shared) {
        let _ = node.send(
            Handle::NONE,
            first,
            kind::LUA,
            1,
            Payload::from_slice(b"12345678"),
        );
    }
    let cpu = cpu_seconds();
    let begin = Instant::now();
    node.run();
    std::thread::sleep(time);
    shared.stop.store(true, Relaxed);
    let elapsed = begin.elapsed();
    let cpu = (cpu_seconds() - cpu) / elapsed.as_secs_f64();
    let counted = shared.count.load(Relaxed);
    let parks: u64 = node.workers().iter().map(|w| w.parks).sum();
    node.shutdown();
    node.wait();
    // Rings report when they are dropped, sinks as they go.
    let count = if counted > 0 {
        counted
    } else {
        shared.count.load(Relaxed)
    };
    let ns = elapsed.as_nanos() as f64 / count as f64;
    println!(
        "{name:>16} {ns:8.1}   ({:.1} M/s, {cpu:.2} cores, {parks} parks)",
        1e3 / ns
    );
}

/// What a service costs that does nothing.
fn crowd(workers: usize) {
    const COUNT: usize = 100_000;
    let node = start(workers, true);
    node.run();
    let before = resident_bytes();
    let begin = Instant::now();
    for _ in 0..COUNT {
        node.launch(Handle::NONE, "quiet", "").unwrap();
    }
    let launched = begin.elapsed();
    let bytes = (resident_bytes() - before) as f64 / COUNT as f64;
    let begin = Instant::now();
    node.shutdown();
    node.wait();
    let (up, down) = (
        launched.as_nanos() as f64,
        begin.elapsed().as_nanos() as f64,
    );
    let each = |ns: f64| ns / COUNT as f64;
    let (up, down) = (each(up), each(down));
    println!(
        "{:>16} {up:8.1} ns up, {down:.1} ns down",
        "100000 services"
    );
    println!("{:>16} {bytes:8.1} bytes", "service");
}

/// Memory of this process.
fn resident_bytes() -> i64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages = statm
        .split(' ')
        .nth(1)
        .and_then(|n| n.parse::<i64>().ok())
        .expect("a number");
    pages * 4096
}

/// From a thread that is no worker to a parked worker and back.
fn latency(workers: usize) {
    let node = start(workers, true);
    let (tx, rx) = std::sync::mpsc::channel();
    struct Reply(std::sync::mpsc::Sender<()>);
    impl Service for Reply {
        fn handle(&mut self, _cx: &Arc<Context>, _message: Message) {
            let _ = self.0.send(());
        }
    }
    let reply = launch(&node, factory(move || Reply(tx.clone())));
    node.run();
    let mut times = Vec::new();
    for _ in 0..200 {
        std::thread::sleep(Duration::from_millis(1));
        let begin = Instant::now();
        node.send(Handle::NONE, reply, kind::LUA, 0, Payload::EMPTY)
            .unwrap();
        rx.recv().unwrap();
        times.push(begin.elapsed());
    }
    times.sort();
    println!(
        "{:>16} {:8.1} µs median",
        "wake and reply",
        times[100].as_nanos() as f64 / 1e3
    );
    std::thread::sleep(Duration::from_millis(200));
    let (parks, cpu) = (
        node.workers().iter().map(|w| w.parks).sum::<u64>(),
        cpu_seconds(),
    );
    std::thread::sleep(Duration::from_millis(500));
    let woken = node.workers().iter().map(|w| w.parks).sum::<u64>() - parks;
    println!(
        "{:>16} {:8.3} ms CPU in 500 ms, {woken} wake-ups",
        "idle",
        (cpu_seconds() - cpu) * 1e3
    );
    node.shutdown();
    node.wait();
}

/// Processor time of this process.
fn cpu_seconds() -> f64 {
    let mut ts = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `ts` is a valid place to write to.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut ts) };
    ts.tv_sec as f64 + ts.tv_nsec as f64 * 1e-9
}

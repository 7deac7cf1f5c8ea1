//! The same traffic between actors on the project's kernel, on its public trait `Actor`, and on other actor crates.
//!
//! `peers IMPLEMENTATION SHAPE [SECONDS [THREADS]]` prints `<implementation>.<shape> <ns a message>`; `peers list` what
//! there is. The kit runs it: `cargo run --release -p skynet-bench -- --peers`.
//!
//! | shape | a message is |
//! |---|---|
//! | `tell` | one of a source to a sink, in lots of 1,000; the sink acknowledges each lot, and two are under way |
//! | `fanin` | the same, from 8 sources to one sink |
//! | `ask` | a request and its answer, one outstanding |
//! | `ask16` | the same with 16 pairs |
//! | `ring` | a hop of a token that goes round 512 actors |
//!
//! `peers tokio-postgres WORKLOAD PORT ROWS THREADS` is the same as the workload of that name of
//! `benches/lua/workloads/databases.lua`, by that crate.
//!
//! A message carries 8 bytes. All run with as many threads, with unbounded mailboxes, and mimalloc allocates for all.
//! What sets the actors up is not in the time; the number of messages is chosen so that it takes about as long as asked
//! for.

mod actix;
mod actor;
mod kameo;
mod kernel;
mod postgres;
mod ractor;
mod values;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Messages of a lot.
const LOT: u64 = 1000;
/// Members of a ring.
const RING: usize = 512;

/// What the traffic looks like.
#[derive(Clone, Copy)]
enum Shape {
    /// So many sources send to one sink.
    Tell { sources: usize },
    /// So many pairs, each with one request outstanding.
    Ask { pairs: usize },
    /// A token goes round.
    Ring,
}

const SHAPES: [(&str, Shape); 5] = [
    ("tell", Shape::Tell { sources: 1 }),
    ("fanin", Shape::Tell { sources: 8 }),
    ("ask", Shape::Ask { pairs: 1 }),
    ("ask16", Shape::Ask { pairs: 16 }),
    ("ring", Shape::Ring),
];

/// Sets the actors up, sends `n` messages on so many threads, and returns how long these took.
type Run = fn(shape: Shape, n: u64, threads: usize) -> anyhow::Result<Duration>;

const IMPLEMENTATIONS: [(&str, Run); 6] = [
    ("kernel", kernel::run),
    ("Actor", |shape, n, threads| {
        own(actor::run(shape, n, threads))
    }),
    ("values", |shape, n, threads| {
        own(values::run(shape, n, threads))
    }),
    ("kameo", kameo::run),
    ("ractor", ractor::run),
    ("actix", actix::run),
];

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == "list") {
        let names = |names: &[&str]| names.join(" ");
        println!("{}", names(&IMPLEMENTATIONS.map(|(name, _)| name)));
        println!("{}", names(&SHAPES.map(|(name, _)| name)));
        return Ok(());
    }
    if let [first, rest @ ..] = &words[..]
        && first == "tokio-postgres"
    {
        println!("{}", postgres::run(rest)?);
        return Ok(());
    }
    let (Some(implementation), Some(shape)) = (words.first(), words.get(1)) else {
        bail!("peers IMPLEMENTATION SHAPE [SECONDS [THREADS]]");
    };
    let run = IMPLEMENTATIONS
        .iter()
        .find(|(name, _)| name == implementation);
    let (_, run) = run.with_context(|| format!("no implementation {implementation}"))?;
    let found = SHAPES.iter().find(|(name, _)| name == shape);
    let (_, shaped) = *found.with_context(|| format!("no shape {shape}"))?;
    let seconds: f64 = words.get(2).map_or(Ok(1.0), |word| word.parse())?;
    let threads: usize = words.get(3).map_or(Ok(2), |word| word.parse())?;

    // Multiples of what the shapes divide it by.
    let unit = 8 * LOT;
    let mut n = unit;
    loop {
        let took = run(shaped, n, threads)?.as_secs_f64();
        if took >= seconds * 0.7 {
            println!("{implementation}.{shape} {:.2}", took * 1e9 / n as f64);
            return Ok(());
        }
        let factor = (seconds / took.max(1e-6)).clamp(1.5, 20.0);
        n = ((n as f64 * factor) as u64).div_ceil(unit) * unit;
    }
}

/// The error of a service as any error.
fn own<T>(result: Result<T, skynet::service::Error>) -> anyhow::Result<T> {
    result.map_err(|error| anyhow::anyhow!("{error}"))
}

/// What the last actor of a run says to the main thread.
#[derive(Clone)]
struct Done(Sender<()>);

impl Done {
    fn new() -> (Done, Receiver<()>) {
        let (sender, receiver) = channel();
        (Done(sender), receiver)
    }

    /// This part of the work is done.
    fn say(&self) {
        // Nobody listens only when the run has failed.
        let _ = self.0.send(());
    }
}

/// Waits until so many parts are done.
fn wait(done: &Receiver<()>, parts: usize, began: Instant) -> anyhow::Result<Duration> {
    for _ in 0..parts {
        let patience = Duration::from_secs(60);
        done.recv_timeout(patience).context("it does not end")?;
    }
    Ok(began.elapsed())
}

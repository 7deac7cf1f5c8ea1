//! The project's public trait for services in Rust: messages of Rust types, and `async` functions that handle them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use skynet::kernel::{Node, Service, factory};
use skynet::service::{Actor, Addr, Cx, Error, Handler, start};

use crate::{Done, LOT, RING, Shape, wait};

struct Quiet;

impl Service for Quiet {
    fn handle(&mut self, _: &Arc<skynet::kernel::Context>, _: skynet::kernel::Message) {}
}

/// Begin.
struct Go;

/// What a source sends.
struct Tell(#[expect(dead_code, reason = "what is carried")] u64);

struct Source {
    sink: Addr<Sink>,
    left: AtomicU64,
}

impl Actor for Source {}

impl Handler<Go> for Source {
    type Answer = ();

    /// One of the two rows of lots that are under way.
    async fn handle(&self, cx: &Cx, _: Go) -> Result<(), Error> {
        loop {
            let left = self.left.load(Relaxed);
            let lot = left.min(LOT);
            if lot == 0 {
                return Ok(());
            }
            self.left.store(left - lot, Relaxed);
            for left in 1..lot {
                cx.tell(self.sink, Tell(left))?;
            }
            cx.ask(self.sink, Tell(0)).await?;
        }
    }
}

struct Sink {
    left: AtomicU64,
    done: Done,
}

impl Actor for Sink {}

impl Handler<Tell> for Sink {
    type Answer = ();

    async fn handle(&self, _: &Cx, _: Tell) -> Result<(), Error> {
        let left = self.left.load(Relaxed) - 1;
        self.left.store(left, Relaxed);
        if left == 0 {
            self.done.say();
        }
        Ok(())
    }
}

struct Ask(u64);

struct Callee;

impl Actor for Callee {}

impl Handler<Ask> for Callee {
    type Answer = u64;

    async fn handle(&self, _: &Cx, ask: Ask) -> Result<u64, Error> {
        Ok(ask.0)
    }
}

struct Caller {
    callee: Addr<Callee>,
    left: u64,
    done: Done,
}

impl Actor for Caller {}

impl Handler<Go> for Caller {
    type Answer = ();

    async fn handle(&self, cx: &Cx, _: Go) -> Result<(), Error> {
        for left in 0..self.left {
            cx.ask(self.callee, Ask(left)).await?;
        }
        self.done.say();
        Ok(())
    }
}

struct Token(u64);

struct Member {
    index: usize,
    all: Arc<OnceLock<Vec<Addr<Member>>>>,
    done: Done,
}

impl Actor for Member {}

impl Handler<Token> for Member {
    type Answer = ();

    async fn handle(&self, cx: &Cx, Token(left): Token) -> Result<(), Error> {
        if left == 0 {
            self.done.say();
        } else if let Some(all) = self.all.get() {
            cx.tell(all[(self.index + 1) % all.len()], Token(left - 1))?;
        }
        Ok(())
    }
}

pub fn run(shape: Shape, n: u64, threads: usize) -> Result<Duration, Error> {
    let (done, finished) = Done::new();
    let node = Node::builder()
        .threads(threads)
        .module("quiet", factory(|| Quiet))
        .log_service("quiet", None)
        .start()?;
    node.run();
    let cx = Cx::outside(&node)?;
    let began;
    let mut parts = 1;
    match shape {
        Shape::Tell { sources } => {
            let left = AtomicU64::new(n);
            let sink = start(&node, Sink { left, done })?;
            let mut first = Vec::new();
            for _ in 0..sources {
                let left = AtomicU64::new(n / sources as u64);
                let source = start(&node, Source { sink, left })?;
                first.extend([source, source]);
            }
            began = Instant::now();
            for source in first {
                cx.tell(source, Go)?;
            }
        }
        Shape::Ask { pairs } => {
            parts = pairs;
            let mut callers = Vec::new();
            for _ in 0..pairs {
                let callee = start(&node, Callee)?;
                let (left, done) = (n / pairs as u64, done.clone());
                callers.push(start(&node, Caller { callee, left, done })?);
            }
            began = Instant::now();
            for caller in callers {
                cx.tell(caller, Go)?;
            }
        }
        Shape::Ring => {
            let all = Arc::new(OnceLock::new());
            let mut members = Vec::new();
            for index in 0..RING {
                let (all, done) = (all.clone(), done.clone());
                members.push(start(&node, Member { index, all, done })?);
            }
            let first = members[0];
            let _ = all.set(members);
            began = Instant::now();
            cx.tell(first, Token(n))?;
        }
    }
    let took = wait(&finished, parts, began)?;
    node.shutdown();
    node.wait();
    Ok(took)
}

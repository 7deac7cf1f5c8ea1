//! The project's public trait for services in Rust: values in the pack format, requests as `async` functions.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use skynet::kernel::{Handle, Node, Payload, Service, factory, kind};
use skynet::service::{Actor, Cx, Error, Request, Values, args, module};
use skynet::wire::seri;

use crate::{Done, LOT, RING, Shape, wait};

struct Quiet;

impl Service for Quiet {
    fn handle(&mut self, _: &Arc<skynet::kernel::Context>, _: skynet::kernel::Message) {}
}

struct Source {
    sink: Handle,
    left: AtomicU64,
}

impl Actor for Source {
    /// One of the two rows of lots that are under way.
    async fn request(&self, cx: &Cx, _: Request) -> Result<Values, Error> {
        loop {
            let left = self.left.load(Relaxed);
            let lot = left.min(LOT);
            if lot == 0 {
                return Ok(args![]);
            }
            self.left.store(left - lot, Relaxed);
            for left in 1..lot {
                cx.send(self.sink, args![left as i64])?;
            }
            cx.call(self.sink, args![0]).await?;
        }
    }
}

struct Sink {
    left: AtomicU64,
    done: Done,
}

impl Actor for Sink {
    async fn request(&self, _: &Cx, request: Request) -> Result<Values, Error> {
        number(&request)?;
        let left = self.left.load(Relaxed) - 1;
        self.left.store(left, Relaxed);
        if left == 0 {
            self.done.say();
        }
        Ok(args![])
    }
}

struct Callee;

impl Actor for Callee {
    async fn request(&self, _: &Cx, request: Request) -> Result<Values, Error> {
        request.values()
    }
}

struct Caller {
    callee: Handle,
    left: u64,
    done: Done,
}

impl Actor for Caller {
    async fn request(&self, cx: &Cx, _: Request) -> Result<Values, Error> {
        for left in 0..self.left {
            cx.call(self.callee, args![left as i64]).await?;
        }
        self.done.say();
        Ok(args![])
    }
}

struct Member {
    index: usize,
    all: Arc<OnceLock<Vec<Handle>>>,
    done: Done,
}

impl Actor for Member {
    async fn request(&self, cx: &Cx, request: Request) -> Result<Values, Error> {
        let left = number(&request)?;
        if left == 0 {
            self.done.say();
        } else if let Some(all) = self.all.get() {
            cx.send(all[(self.index + 1) % all.len()], args![left - 1])?;
        }
        Ok(args![])
    }
}

fn number(request: &Request) -> Result<i64, Error> {
    let values = request.values()?;
    Ok(values.first().and_then(|value| value.as_int()).unwrap_or(0))
}

fn launch<A: Actor>(
    node: &Arc<Node>,
    make: impl FnOnce() -> A + Send + 'static,
) -> anyhow::Result<Handle> {
    let make = std::sync::Mutex::new(Some(make));
    let module = module(move || {
        let make = make.lock().ok().and_then(|mut make| make.take());
        make.expect("it is launched once")()
    });
    node.add_module("peer", module);
    node.launch(Handle::NONE, "peer", "")
        .context("not launched")
}

pub fn run(shape: Shape, n: u64, threads: usize) -> anyhow::Result<Duration> {
    let (done, finished) = Done::new();
    let node = Node::builder()
        .threads(threads)
        .module("quiet", factory(|| Quiet))
        .log_service("quiet", None)
        .start()?;
    node.run();
    let mut first = Vec::new();
    let mut parts = 1;
    let mut token = 0;
    match shape {
        Shape::Tell { sources } => {
            let left = AtomicU64::new(n);
            let sink = launch(&node, move || Sink { left, done })?;
            for _ in 0..sources {
                let left = AtomicU64::new(n / sources as u64);
                let source = launch(&node, move || Source { sink, left })?;
                first.extend([source, source]);
            }
        }
        Shape::Ask { pairs } => {
            parts = pairs;
            for _ in 0..pairs {
                let callee = launch(&node, || Callee)?;
                let (left, done) = (n / pairs as u64, done.clone());
                first.push(launch(&node, move || Caller { callee, left, done })?);
            }
        }
        Shape::Ring => {
            token = n;
            let all = Arc::new(OnceLock::new());
            let mut handles = Vec::new();
            for index in 0..RING {
                let (all, done) = (all.clone(), done.clone());
                handles.push(launch(&node, move || Member { index, all, done })?);
            }
            first.push(handles[0]);
            let _ = all.set(handles);
        }
    }
    let began = Instant::now();
    for handle in first {
        let payload = seri::pack(&args![token as i64])?;
        node.send(
            Handle::NONE,
            handle,
            kind::LUA,
            0,
            Payload::from_slice(&payload),
        )?;
    }
    let took = wait(&finished, parts, began)?;
    node.shutdown();
    node.wait();
    Ok(took)
}

//! The project's services in Rust, as services in Lua see them: values in the pack format.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use skynet::kernel::{Handle, Node, Service, factory};
use skynet::service::{Actor, Cx, Error, Request, Values, args, start};

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
    async fn request(&self, cx: &Cx, _: &Request) -> Result<Values, Error> {
        loop {
            let left = self.left.load(Relaxed);
            let lot = left.min(LOT);
            if lot == 0 {
                return Ok(args![]);
            }
            self.left.store(left - lot, Relaxed);
            for left in 1..lot {
                cx.send(self.sink, left as i64)?;
            }
            cx.call(self.sink, 0).await?;
        }
    }
}

struct Sink {
    left: AtomicU64,
    done: Done,
}

impl Actor for Sink {
    async fn request(&self, _: &Cx, request: &Request) -> Result<Values, Error> {
        request.read::<i64>()?;
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
    async fn request(&self, _: &Cx, request: &Request) -> Result<Values, Error> {
        Ok(args![request.read::<i64>()?])
    }
}

struct Caller {
    callee: Handle,
    left: u64,
    done: Done,
}

impl Actor for Caller {
    async fn request(&self, cx: &Cx, _: &Request) -> Result<Values, Error> {
        for left in 0..self.left {
            cx.call(self.callee, left as i64).to::<i64>().await?;
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
    async fn request(&self, cx: &Cx, request: &Request) -> Result<Values, Error> {
        let left: i64 = request.read()?;
        if left == 0 {
            self.done.say();
        } else if let Some(all) = self.all.get() {
            cx.send(all[(self.index + 1) % all.len()], left - 1)?;
        }
        Ok(args![])
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
    let mut first = Vec::new();
    let mut parts = 1;
    let mut token = 0;
    match shape {
        Shape::Tell { sources } => {
            let left = AtomicU64::new(n);
            let sink = start(&node, Sink { left, done })?.handle();
            for _ in 0..sources {
                let left = AtomicU64::new(n / sources as u64);
                let source = start(&node, Source { sink, left })?.handle();
                first.extend([source, source]);
            }
        }
        Shape::Ask { pairs } => {
            parts = pairs;
            for _ in 0..pairs {
                let callee = start(&node, Callee)?.handle();
                let (left, done) = (n / pairs as u64, done.clone());
                first.push(start(&node, Caller { callee, left, done })?.handle());
            }
        }
        Shape::Ring => {
            token = n;
            let all = Arc::new(OnceLock::new());
            let mut handles = Vec::new();
            for index in 0..RING {
                let (all, done) = (all.clone(), done.clone());
                handles.push(start(&node, Member { index, all, done })?.handle());
            }
            first.push(handles[0]);
            let _ = all.set(handles);
        }
    }
    let began = Instant::now();
    let cx = Cx::outside(&node)?;
    for handle in first {
        cx.send(handle, token as i64)?;
    }
    let took = wait(&finished, parts, began)?;
    node.shutdown();
    node.wait();
    Ok(took)
}

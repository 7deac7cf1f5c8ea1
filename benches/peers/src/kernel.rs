//! The project's kernel: services that get raw messages.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use skynet::kernel::{Context, Handle, Message, Node, Payload, Service, factory, kind};

use crate::{Done, LOT, RING, Shape, wait};

struct Quiet;

impl Service for Quiet {
    fn handle(&mut self, _: &Arc<Context>, _: Message) {}
}

struct Source {
    sink: Handle,
    left: u64,
}

impl Service for Source {
    fn handle(&mut self, cx: &Arc<Context>, _: Message) {
        let lot = self.left.min(LOT);
        self.left -= lot;
        for left in (0..lot).rev() {
            let payload = Payload::from_slice(&left.to_ne_bytes());
            let _ = cx.send(self.sink, kind::LUA, i32::from(left == 0), payload);
        }
    }
}

struct Sink {
    left: u64,
    done: Done,
}

impl Service for Sink {
    fn handle(&mut self, cx: &Arc<Context>, message: Message) {
        self.left -= 1;
        if message.session != 0 {
            let _ = cx.send(
                message.source,
                kind::RESPONSE,
                message.session,
                Payload::EMPTY,
            );
        }
        if self.left == 0 {
            self.done.say();
        }
    }
}

struct Callee;

impl Service for Callee {
    fn handle(&mut self, cx: &Arc<Context>, mut message: Message) {
        let payload = message.take_payload();
        let _ = cx.send(message.source, kind::RESPONSE, message.session, payload);
    }
}

struct Caller {
    callee: Handle,
    left: u64,
    done: Done,
}

impl Service for Caller {
    fn handle(&mut self, cx: &Arc<Context>, _: Message) {
        if self.left == 0 {
            return self.done.say();
        }
        self.left -= 1;
        let payload = Payload::from_slice(&self.left.to_ne_bytes());
        let _ = cx.send(self.callee, kind::LUA, cx.new_session(), payload);
    }
}

struct Member {
    index: usize,
    all: Arc<OnceLock<Vec<Handle>>>,
    done: Done,
}

impl Service for Member {
    fn handle(&mut self, cx: &Arc<Context>, message: Message) {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(message.payload());
        let left = u64::from_ne_bytes(bytes);
        if left == 0 {
            return self.done.say();
        }
        if let Some(all) = self.all.get() {
            let next = all[(self.index + 1) % all.len()];
            let payload = Payload::from_slice(&(left - 1).to_ne_bytes());
            let _ = cx.send(next, kind::LUA, 0, payload);
        }
    }
}

/// Launches what `make` makes, once.
fn launch<S: Service>(
    node: &Arc<Node>,
    make: impl FnOnce() -> S + Send + 'static,
) -> anyhow::Result<Handle> {
    let make = std::sync::Mutex::new(Some(make));
    let factory = factory(move || {
        let make = make.lock().ok().and_then(|mut make| make.take());
        make.expect("it is launched once")()
    });
    node.add_module("peer", factory);
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
    let kick = |handle, left: u64| {
        let payload = Payload::from_slice(&left.to_ne_bytes());
        node.send(Handle::NONE, handle, kind::LUA, 0, payload)
    };
    let mut first = Vec::new();
    let mut parts = 1;
    let mut token = 0;
    match shape {
        Shape::Tell { sources } => {
            let sink = launch(&node, move || Sink { left: n, done })?;
            for _ in 0..sources {
                let left = n / sources as u64;
                let source = launch(&node, move || Source { sink, left })?;
                // Two lots under way.
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
        kick(handle, token)?;
    }
    let took = wait(&finished, parts, began)?;
    node.shutdown();
    node.wait();
    Ok(took)
}

//! Helpers of the kernel's tests: a log in memory, services made of closures, and waiting with a
//! limit that only detects hangs.
#![allow(dead_code)]

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use skynet_kernel::*;

/// How long anything may take before a test is considered to hang.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The lines of a node's log, as `[:%08x] text`.
#[derive(Clone, Default)]
pub struct Log(Arc<(Mutex<Vec<String>>, Condvar)>);

struct LogService(Log);

impl Service for LogService {
    fn handle(&mut self, _cx: &Arc<Context>, message: Message) {
        let text = String::from_utf8_lossy(message.payload());
        let line = match message.kind {
            kind::TEXT => format!("[{}] {text}", message.source),
            other => format!("<{}>", kind::name(other).unwrap()),
        };
        self.0.0.0.lock().unwrap().push(line);
        self.0.0.1.notify_all();
    }
}

impl Log {
    pub fn factory(&self) -> Factory {
        let log = self.clone();
        factory(move || LogService(log.clone()))
    }

    pub fn lines(&self) -> Vec<String> {
        self.0.0.lock().unwrap().clone()
    }

    /// Waits for a line that contains `part`.
    pub fn wait_for(&self, part: &str) -> String {
        let lines = self.0.0.lock().unwrap();
        let found = |lines: &Vec<String>| lines.iter().find(|line| line.contains(part)).cloned();
        let (lines, timeout) = self
            .0
            .1
            .wait_timeout_while(lines, LIMIT, |lines| found(lines).is_none())
            .unwrap();
        assert!(!timeout.timed_out(), "no line with {part:?} in {lines:#?}");
        found(&lines).unwrap()
    }

    pub fn count(&self, part: &str) -> usize {
        self.lines()
            .iter()
            .filter(|line| line.contains(part))
            .count()
    }
}

/// A node with a log in memory; not running yet.
pub fn node(threads: usize) -> (Arc<Node>, Log) {
    with(threads, |builder| builder)
}

pub fn with(threads: usize, settings: impl FnOnce(NodeBuilder) -> NodeBuilder) -> (Arc<Node>, Log) {
    let log = Log::default();
    let builder = Node::builder()
        .threads(threads)
        .module("log", log.factory())
        .log_service("log", None);
    (settings(builder).start().unwrap(), log)
}

type Handler = Box<dyn FnMut(&Arc<Context>, Message) + Send>;

struct Closure(Handler);

impl Service for Closure {
    fn handle(&mut self, cx: &Arc<Context>, message: Message) {
        (self.0)(cx, message)
    }
}

/// Launches a service made of a closure.
pub fn spawn(
    node: &Arc<Node>,
    handler: impl FnMut(&Arc<Context>, Message) + Send + 'static,
) -> Handle {
    let handler = Mutex::new(Some(Box::new(handler) as Handler));
    let module = format!("closure-{:p}", Box::into_raw(Box::new(0u8)));
    node.add_module(
        &module,
        factory(move || Closure(handler.lock().unwrap().take().expect("launched once"))),
    );
    node.launch(Handle::NONE, &module, "").unwrap()
}

/// What a probe saw of a message: kind, source, session, payload.
pub type Seen = (u8, Handle, i32, Vec<u8>);

/// A service that passes on what it gets.
pub fn probe(node: &Arc<Node>) -> (Handle, Receiver<Seen>) {
    let (tx, rx) = channel();
    let handle = spawn(node, move |_, message| {
        let _ = tx.send((
            message.kind,
            message.source,
            message.session,
            message.payload().to_vec(),
        ));
    });
    (handle, rx)
}

pub fn receive<T>(rx: &Receiver<T>) -> T {
    rx.recv_timeout(LIMIT).expect("a message within the limit")
}

/// Waits until `condition` holds.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub fn stop(node: &Arc<Node>) {
    node.shutdown();
    node.wait();
}

pub fn tell(node: &Node, dest: Handle, text: &str) {
    node.send(Handle::NONE, dest, kind::TEXT, 0, Payload::from(text))
        .unwrap();
}

/// Something to wait at until somebody else opens it.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    pub fn pass(&self) {
        let guard = self.0.0.lock().unwrap();
        let (_guard, timeout) = self
            .0
            .1
            .wait_timeout_while(guard, LIMIT, |open| !*open)
            .unwrap();
        assert!(!timeout.timed_out(), "the gate was never opened");
    }
}

/// Tells when it is dropped.
pub struct OnDrop<T: Send>(pub Option<T>, pub Sender<T>);

impl<T: Send> Drop for OnDrop<T> {
    fn drop(&mut self) {
        let _ = self.1.send(self.0.take().unwrap());
    }
}

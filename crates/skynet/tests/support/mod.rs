//! A node with a service that drives a test.

use skynet::kernel::{Factory, Handle, Node};
use skynet::service::{Actor, Cx, Error, Request, Values, args, module};
use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Far longer than anything here takes; a test that is still running then hangs.
pub const LIMIT: Duration = Duration::from_secs(60);

type Script = Box<dyn FnOnce(Cx) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// Runs its script as `started`, and tells when that has ended.
struct Driver {
    script: Mutex<Option<Script>>,
    done: Mutex<Option<Sender<()>>>,
}

impl Actor for Driver {
    async fn started(&self, cx: &Cx, _: &str) -> Result<(), Error> {
        let script = self.script.lock().unwrap().take().ok_or("started twice")?;
        let done = self.done.lock().unwrap().take().ok_or("started twice")?;
        script(cx.clone()).await;
        done.send(())?;
        Ok(())
    }

    async fn request(&self, _: &Cx, _: &Request) -> Result<Values, Error> {
        Ok(args!["driver"])
    }
}

/// Runs `script` as a service of a node with `modules`; returns after an orderly stop of the node.
///
/// # Panics
/// If the script panics, or anything hangs.
#[allow(dead_code, reason = "not every test file needs it")]
pub fn drive<F>(
    threads: usize,
    modules: Vec<(&str, Factory)>,
    script: impl FnOnce(Cx) -> F + Send + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let (sender, receiver) = channel();
    let driver: Mutex<Option<Driver>> = Mutex::new(Some(Driver {
        script: Mutex::new(Some(Box::new(|cx| Box::pin(script(cx))))),
        done: Mutex::new(Some(sender)),
    }));
    let mut builder = Node::builder()
        .threads(threads)
        .log_service("logger", Some("/dev/null"));
    for (name, factory) in modules {
        builder = builder.module(name, factory);
    }
    let node = builder
        .module(
            "driver",
            module(move || driver.lock().unwrap().take().expect("one driver")),
        )
        .start()
        .unwrap();
    node.launch(Handle::NONE, "driver", "")
        .expect("the driver has no reason to fail");
    node.run();
    let outcome = receiver.recv_timeout(LIMIT);
    stop(&node);
    outcome.expect("the script panicked or hangs");
}

/// Stops a node in order.
///
/// # Panics
/// If it does not stop.
pub fn stop(node: &Arc<Node>) {
    node.shutdown();
    let (sender, receiver) = channel();
    let waiting = node.clone();
    std::thread::spawn(move || {
        waiting.wait();
        // Nobody listens any more if it took too long.
        let _ = sender.send(());
    });
    receiver
        .recv_timeout(LIMIT)
        .expect("the node does not stop");
}

/// Waits until something has come about.
///
/// # Panics
/// If it does not.
#[allow(dead_code, reason = "not every test file needs it")]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

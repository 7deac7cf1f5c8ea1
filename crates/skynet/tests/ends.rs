//! Ends of messages and tasks that run code of their own, and that nobody sees unless the log has them.

mod support;

use skynet::kernel::{Limit, Policy};
use skynet::service::{Actor, Addr, Cx, Error, Handler, Node, Request, Responder, Values, args};
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{drive, stop};

#[derive(Default)]
struct Target {
    kept: Mutex<Vec<Responder>>,
}

impl Actor for Target {
    async fn request(&self, cx: &Cx, request: &Request) -> Result<Values, Error> {
        match request.read()? {
            "nobody" => cx.call(".nobody", "x").await,
            "boom" => {
                let _boom = Boom;
                pending().await
            }
            "beside" => {
                cx.spawn(async {
                    let _boom = Boom;
                    pending().await
                });
                Ok(args![])
            }
            "keep" => {
                self.kept.lock().unwrap().push(request.defer());
                Ok(args![])
            }
            "release" => {
                let kept = std::mem::take(&mut *self.kept.lock().unwrap());
                for (n, responder) in kept.into_iter().enumerate() {
                    responder.send(n as i64)?;
                }
                Ok(args![])
            }
            "asks itself" => {
                drop(cx.ask(cx.addr::<Target>(), Boom));
                Ok(args![])
            }
            "pause" => {
                cx.sleep(Duration::from_millis(50)).await;
                Ok(args![])
            }
            "exit" => {
                cx.exit();
                pending().await
            }
            _ => Ok(args![]),
        }
    }
}

struct Boom;

impl Drop for Boom {
    fn drop(&mut self) {
        panic!("a destructor that panics");
    }
}

struct Tick;

impl Handler<Tick> for Target {
    type Answer = ();

    async fn handle(&self, _: &Cx, _: Tick) -> Result<(), Error> {
        Ok(())
    }
}

/// Sends and logs when it is dropped.
struct Loud {
    cx: Cx,
    to: Addr<Target>,
    drops: Arc<AtomicUsize>,
}

impl Drop for Loud {
    fn drop(&mut self) {
        // Whether it is taken depends on whose end this is.
        let _ = self.cx.tell(self.to, Tick);
        drop(self.cx.ask(self.to, Tick));
        self.cx.log("dropped");
        self.drops.fetch_add(1, SeqCst);
    }
}

impl Handler<Loud> for Target {
    type Answer = Loud;

    async fn handle(&self, _: &Cx, loud: Loud) -> Result<Loud, Error> {
        Ok(loud)
    }
}

/// Wherever a message ends, what it carries may send when it is dropped, to the same service, too.
#[test]
fn messages_that_send_when_they_are_dropped() {
    let drops = Arc::new(AtomicUsize::new(0));
    let counted = drops.clone();
    drive(2, vec![], |cx| async move {
        let start = || cx.start(Target::default()).unwrap();
        let loud = |to| Loud {
            cx: cx.clone(),
            to,
            drops: counted.clone(),
        };
        let (alive, full, ends, killed) = (start(), start(), start(), start());
        // Refused.
        cx.ask(full, Tick).await.unwrap();
        let limit = Limit {
            max: 0,
            policy: Policy::Refuse,
        };
        let context = cx.node().context(full.handle()).unwrap();
        context.set_mailbox_limit(Some(limit));
        assert!(cx.tell(full, loud(full)).is_err());
        assert!(cx.ask(full, loud(alive)).await.is_err());
        // Answered to nobody, and to somebody.
        for _ in 0..50 {
            drop(cx.ask(alive, loud(alive)));
        }
        drop(cx.ask(alive, loud(alive)).await.unwrap());
        // Left in the mailbox of one that ends, or taken by nobody any more.
        let end = cx.call(ends, "exit");
        for _ in 0..50 {
            let _ = cx.tell(ends, loud(ends));
            drop(cx.ask(ends, loud(alive)));
            let _ = cx.tell(killed, loud(killed));
        }
        cx.kill(killed);
        assert!(end.await.is_err());
        assert!(cx.tell(ends, loud(ends)).is_err());
    });
    assert_eq!(drops.load(SeqCst), 2 + 51 + 150 + 1);
}

/// Runs a script with a node whose log is returned.
fn logged(name: &str, script: impl FnOnce(&Arc<Node>)) -> String {
    let path = std::env::temp_dir().join(format!("skynet-{name}-{}", std::process::id()));
    let node = Node::builder()
        .threads(2)
        .log_service("logger", Some(path.to_str().unwrap()))
        .start()
        .unwrap();
    node.run();
    script(&node);
    stop(&node);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    text
}

/// Two destructors that panic one after the other are two errors in the log; other tasks, claims and waits end as ever.
#[test]
fn destructors_that_panic() {
    let text = logged("destructors", |node| {
        let cx = Cx::outside(node).unwrap();
        let target = cx.start(Target::default()).unwrap();
        let calls = ["boom", "boom", "keep", "boom"].map(|command| cx.call(target, command));
        cx.call(target, "beside").wait().unwrap();
        let own = node.context(target.handle()).unwrap();
        assert!(matches!(
            cx.call(target, "exit").wait(),
            Err(Error::CallFailed)
        ));
        for call in calls {
            assert!(matches!(call.wait(), Err(Error::CallFailed)));
        }
        assert!(own.retired());
        cx.call(cx.start(Target::default()).unwrap(), "echo")
            .wait()
            .unwrap();
    });
    let line = "error: a task panicked while it was dropped: a destructor that panics";
    assert_eq!(text.matches(line).count(), 4, "{text}");
}

struct Other;

impl Actor for Other {}

impl Handler<Boom> for Target {
    type Answer = Boom;

    async fn handle(&self, cx: &Cx, boom: Boom) -> Result<Boom, Error> {
        cx.sleep(Duration::from_millis(5)).await;
        Ok(boom)
    }
}

/// Values that are not taken may panic as well: neither the sender nor the one that got them ends.
#[test]
fn values_that_nobody_takes() {
    let text = logged("values", |node| {
        let cx = Cx::outside(node).unwrap();
        let (target, other) = (
            cx.start(Target::default()).unwrap(),
            cx.start(Other).unwrap(),
        );
        let wrong = Addr::<Target>::new(other.handle());
        cx.tell(wrong, Boom).expect("it is there");
        assert!(cx.ask(wrong, Boom).wait().is_err());
        // Asked by a service that does not wait for the answer.
        for _ in 0..2 {
            cx.call(target, "asks itself").wait().unwrap();
        }
        cx.call(target, "pause").wait().unwrap();
        for handle in [target.handle(), other.handle()] {
            assert!(
                node.context(handle)
                    .is_some_and(|context| !context.retired())
            );
        }
        cx.call(target, "echo").wait().unwrap();
    });
    for (what, count) in [("a message", 2), ("an answer", 2)] {
        let line = format!("error: {what} panicked while it was dropped: a destructor that panics");
        assert_eq!(text.matches(&line).count(), count, "{text}");
    }
}

#[test]
fn a_handler_that_finds_nobody_says_so() {
    let text = logged("nobody", |node| {
        let cx = Cx::outside(node).unwrap();
        let target = cx.start(Target::default()).unwrap();
        let answer = cx.call(target, "nobody").wait();
        assert!(matches!(answer, Err(Error::CallFailed)));
    });
    let why = Error::NoService.to_string();
    assert!(text.contains(&format!("failed: {why}")), "{text}");
}

#[test]
fn many_answers_are_given_later() {
    drive(2, vec![], |cx| async move {
        let target = cx.start(Target::default()).unwrap();
        for count in [1_000, 10, 3_000] {
            let calls: Vec<_> = (0..count).map(|_| cx.call(target, "keep")).collect();
            cx.call(target, "release").await.unwrap();
            for (n, call) in calls.into_iter().enumerate() {
                assert_eq!(call.to::<i64>().await.unwrap(), n as i64);
            }
        }
        let kept: Vec<_> = (0..100).map(|_| cx.call(target, "keep")).collect();
        assert!(cx.call(target, "exit").await.is_err());
        for call in kept {
            assert!(matches!(call.await, Err(Error::CallFailed)));
        }
    });
}

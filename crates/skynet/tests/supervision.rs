//! Supervisors in Rust, at work.

mod support;

use skynet::service::{Actor, Cx, Departure, Error, Handle, Request, Values, args};
use skynet::supervisor::{Restart, Strategy, Supervisor};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::drive;

/// What the children have done: "start a".
type Events = Arc<Mutex<Vec<String>>>;

/// Notes its start under its name, and has that name.
struct Child {
    name: &'static str,
    events: Events,
    fails: Arc<AtomicBool>,
}

impl Actor for Child {
    async fn started(&self, cx: &Cx, _: &str) -> Result<(), Error> {
        if self.fails.load(SeqCst) {
            return Err("it does not start".into());
        }
        self.events
            .lock()
            .unwrap()
            .push(format!("start {}", self.name));
        cx.name(self.name);
        Ok(())
    }

    async fn request(&self, cx: &Cx, request: &Request) -> Result<Values, Error> {
        if request.read::<&str>()? == "exit" {
            cx.exit();
        }
        Ok(args![])
    }
}

struct Stage {
    cx: Cx,
    events: Events,
    fails: Arc<AtomicBool>,
}

impl Stage {
    fn new(cx: &Cx) -> Stage {
        Stage {
            cx: cx.clone(),
            events: Events::default(),
            fails: Arc::default(),
        }
    }

    fn child(&self, name: &'static str) -> impl Fn() -> Child + Send + Sync + use<> {
        let (events, fails) = (self.events.clone(), self.fails.clone());
        move || Child {
            name,
            events: events.clone(),
            fails: fails.clone(),
        }
    }

    /// The events, once there are so many.
    async fn events(&self, count: usize) -> Vec<String> {
        while self.events.lock().unwrap().len() < count {
            self.cx.sleep(Duration::from_millis(1)).await;
        }
        // What comes too much.
        self.cx.sleep(Duration::from_millis(30)).await;
        std::mem::take(&mut *self.events.lock().unwrap())
    }

    /// Who has a name, other than `before`.
    async fn named(&self, name: &str, before: Option<Handle>) -> Handle {
        loop {
            match self.cx.query(name) {
                Some(handle) if Some(handle) != before => return handle,
                _ => self.cx.sleep(Duration::from_millis(1)).await,
            }
        }
    }

    fn three(&self, strategy: Strategy) -> Supervisor {
        Supervisor::new(strategy)
            .backoff([Duration::ZERO])
            .child("a", Restart::Permanent, self.child("a"))
            .child("b", Restart::Transient, self.child("b"))
            .child("c", Restart::Temporary, self.child("c"))
    }
}

#[test]
fn strategies() {
    drive(2, vec![], |cx| async move {
        for (strategy, after) in [
            (Strategy::OneForOne, vec!["start b"]),
            (Strategy::OneForAll, vec!["start a", "start b"]),
            (Strategy::RestForOne, vec!["start b"]),
        ] {
            let stage = Stage::new(&cx);
            let tree = cx.start(stage.three(strategy)).unwrap();
            assert_eq!(stage.events(3).await, ["start a", "start b", "start c"]);
            let (a, c) = (stage.named(".a", None).await, stage.named(".c", None).await);
            let end_of_c = cx.watch(c);
            cx.kill(".b");
            assert_eq!(stage.events(after.len()).await, after, "{strategy:?}");
            if strategy == Strategy::OneForOne {
                assert_eq!(cx.query(".c"), Some(c));
            } else {
                assert_eq!(end_of_c.await, Departure::Killed(tree.handle()));
            }
            let stays = strategy != Strategy::OneForAll;
            assert_eq!(cx.query(".a") == Some(a), stays);
            let ends = [".a", ".b"].map(|name| cx.watch(name));
            cx.kill(tree.handle());
            for end in ends {
                assert_eq!(end.await, Departure::Killed(tree.handle()));
            }
        }
    });
}

#[test]
fn who_comes_back() {
    drive(2, vec![], |cx| async move {
        let stage = Stage::new(&cx);
        let tree = cx.start(stage.three(Strategy::OneForOne)).unwrap();
        stage.events(3).await;
        let before = stage.named(".a", None).await;
        for name in [".a", ".b", ".c"] {
            let end = cx.watch(name);
            cx.send(name, "exit").unwrap();
            assert_eq!(end.await, Departure::Exit);
        }
        assert_eq!(stage.events(1).await, ["start a"], "the permanent one only");
        stage.named(".a", Some(before)).await;
        assert_eq!((cx.query(".b"), cx.query(".c")), (None, None));
        cx.kill(tree.handle());
    });
}

#[test]
fn too_often() {
    drive(2, vec![], |cx| async move {
        let stage = Stage::new(&cx);
        let tree = stage.three(Strategy::OneForOne);
        let tree = cx
            .start(tree.intensity(2, Duration::from_secs(100)))
            .unwrap();
        stage.events(3).await;
        let end = cx.watch(tree.handle());
        let end_of_b = cx.watch(".b");
        let mut before = None;
        for _ in 0..3 {
            let now = stage.named(".a", before).await;
            before = Some(now);
            cx.kill(now);
        }
        match end.await {
            Departure::Intensity(why) => {
                assert!(why.contains("child 'a' has ended: kill"), "{why}")
            }
            other => panic!("{other}"),
        }
        assert_eq!(end_of_b.await, Departure::Killed(tree.handle()));
    });
}

/// At first it ends the supervisor; later it is a failure like others.
#[test]
fn starts_that_fail() {
    drive(2, vec![], |cx| async move {
        let stage = Stage::new(&cx);
        let tree = stage.three(Strategy::OneForOne);
        let tree = cx
            .start(tree.intensity(3, Duration::from_secs(100)))
            .unwrap();
        stage.events(3).await;
        let end = cx.watch(tree.handle());
        stage.fails.store(true, SeqCst);
        cx.kill(".a");
        assert!(matches!(end.await, Departure::Intensity(_)));
    });
}

#[test]
fn trees_and_waiting() {
    drive(2, vec![], |cx| async move {
        let stage = Stage::new(&cx);
        let (a, b) = (Arc::new(stage.child("a")), Arc::new(stage.child("b")));
        let lower = move || {
            let (a, b) = (a.clone(), b.clone());
            Supervisor::new(Strategy::OneForOne)
                .intensity(0, Duration::from_secs(100))
                .child("a", Restart::Permanent, move || a())
                .child("b", Restart::Permanent, move || b())
        };
        let upper = Supervisor::new(Strategy::OneForOne)
            .backoff([Duration::from_millis(20)])
            .child("lower", Restart::Permanent, lower);
        let upper = cx.start(upper).unwrap();
        stage.events(2).await;
        cx.kill(".a");
        assert_eq!(
            stage.events(2).await,
            ["start a", "start b"],
            "by the upper one"
        );
        let ends = [".a", ".b"].map(|name| cx.watch(name));
        cx.kill(upper.handle());
        for end in ends {
            assert!(matches!(end.await, Departure::Killed(_)), "no orphans");
        }
    });
}

//! How actors begin, what code that is no service leaves behind, and futures that somebody looks at before they are
//! awaited.

mod support;

use skynet::kernel::{Limit, Policy};
use skynet::service::{Actor, Addr, Cx, Error, Handle, Handler, Node, module};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use support::{LIMIT, eventually};

fn node(threads: usize) -> Arc<Node> {
    let node = Node::builder().threads(threads);
    node.log_service("logger", Some("/dev/null"))
        .start()
        .unwrap()
}

fn end(node: &Node) {
    node.shutdown();
    node.wait();
}

/// What `now_or_never` of the crate `futures` does.
fn look<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

struct Panics;

impl Actor for Panics {
    async fn started(&self, cx: &Cx, _: &str) -> Result<(), Error> {
        // Requests are there before it happens.
        cx.sleep(Duration::from_millis(20)).await;
        panic!("in started");
    }
}

impl Handler<i64> for Panics {
    type Answer = i64;
    async fn handle(&self, _: &Cx, n: i64) -> Result<i64, Error> {
        Ok(n)
    }
}

#[test]
fn an_actor_that_panics_while_it_starts_is_ended() {
    let node = node(2);
    node.run();
    let cx = Cx::outside(&node).unwrap();
    let it = cx.start(Panics).unwrap();
    let asked: Vec<_> = (0..3).map(|n| cx.ask(it, n)).collect();
    for ask in asked {
        assert!(matches!(
            ask.within(LIMIT).wait(),
            Err(Error::CallFailed | Error::NoService)
        ));
    }
    eventually("it ends", || !node.is_alive(it.handle()));
    assert!(matches!(cx.ask(it, 1).wait(), Err(Error::NoService)));
    end(&node);
}

/// Tells its arguments, and what it is sent.
struct Tells(Sender<String>);

impl Actor for Tells {
    async fn started(&self, _: &Cx, args: &str) -> Result<(), Error> {
        self.0.send(format!("args {args}")).unwrap();
        Ok(())
    }
}

impl Handler<&'static str> for Tells {
    type Answer = ();
    async fn handle(&self, _: &Cx, what: &'static str) -> Result<(), Error> {
        self.0.send(format!("told {what}")).unwrap();
        Ok(())
    }
}

/// Handles are easy to guess, so that messages can be there before the actor's own first one.
#[test]
fn a_message_that_comes_first_is_not_taken_for_the_arguments() {
    struct Early;

    impl Actor for Early {}

    impl Handler<Arc<Node>> for Early {
        type Answer = Handle;
        async fn handle(&self, cx: &Cx, node: Arc<Node>) -> Result<Handle, Error> {
            let launched = std::thread::spawn(move || node.launch(Handle::NONE, "tells", "own"));
            // As soon as there is somebody, a message is sent: mostly before the launch is over.
            let next = cx.handle().0 + 1;
            let mut candidates = (next..next + 4).cycle();
            candidates.any(|next| cx.tell(Addr::<Tells>::new(Handle(next)), "early").is_ok());
            Ok(launched.join().unwrap().unwrap())
        }
    }

    let node = node(2);
    let (tx, rx) = channel();
    node.add_module("tells", module(move || Tells(tx.clone())));
    node.run();
    let cx = Cx::outside(&node).unwrap();
    for _ in 0..300 {
        let early = cx.start(Early).unwrap();
        let launched = cx.ask(early, node.clone()).within(LIMIT).wait().unwrap();
        assert_eq!(rx.recv_timeout(LIMIT).unwrap(), "args own");
        assert_eq!(rx.recv_timeout(LIMIT).unwrap(), "told early");
        cx.kill(early);
        cx.kill(launched);
    }
    end(&node);
}

struct Slow;

impl Actor for Slow {
    async fn started(&self, cx: &Cx, _: &str) -> Result<(), Error> {
        let limit = Limit {
            max: 10,
            policy: Policy::Refuse,
        };
        cx.context().set_mailbox_limit(Some(limit));
        // Until the node ends.
        cx.sleep(LIMIT).await;
        Ok(())
    }
}

impl Handler<i64> for Slow {
    type Answer = i64;
    async fn handle(&self, _: &Cx, n: i64) -> Result<i64, Error> {
        Ok(n)
    }
}

#[test]
fn messages_before_an_actor_has_started_count_for_its_limit() {
    let node = node(2);
    let cx = Cx::outside(&node).unwrap();
    let it = cx.start(Slow).unwrap();
    node.run();
    let context = node.context(it.handle()).unwrap();
    // It has set its limit, and waits.
    let mut asked = Vec::new();
    eventually("it refuses", || {
        let mut ask = cx.ask(it, 7);
        match look(&mut ask) {
            Poll::Ready(result) => {
                assert!(matches!(result, Err(Error::Refused { limit: 10 })));
                true
            }
            Poll::Pending => {
                asked.push(ask);
                // Until the worker has come by once, nothing is limited.
                std::thread::sleep(Duration::from_millis(2));
                false
            }
        }
    });
    eventually("all are held", || context.mqlen() == asked.len());
    assert!(asked.len() >= 10);
    for _ in 0..100 {
        assert!(matches!(cx.tell(it, 1), Err(Error::Refused { limit: 10 })));
    }
    end(&node);
}

struct Doubles;

impl Actor for Doubles {}

impl Handler<i64> for Doubles {
    type Answer = i64;
    async fn handle(&self, _: &Cx, n: i64) -> Result<i64, Error> {
        Ok(n * 2)
    }
}

/// Asks, looks with another waker first, and waits then.
struct Peeks(Addr<Doubles>);

impl Actor for Peeks {}

struct Peek {
    /// How often it looks.
    times: usize,
    /// Has the future a deadline?
    within: bool,
}

impl Handler<Peek> for Peeks {
    type Answer = i64;
    async fn handle(&self, cx: &Cx, Peek { times, within }: Peek) -> Result<i64, Error> {
        let mut ask = cx.ask(self.0, 21);
        if within {
            ask = ask.within(LIMIT);
        }
        let mut sleep = cx.sleep(Duration::from_millis(1));
        for _ in 0..times {
            assert!(look(&mut sleep).is_pending());
            if let Poll::Ready(done) = look(&mut ask) {
                return done;
            }
        }
        sleep.await;
        ask.await
    }
}

#[test]
fn a_look_with_another_waker_loses_no_answer() {
    let node = node(2);
    node.run();
    let cx = Cx::outside(&node).unwrap();
    let doubles = cx.start(Doubles).unwrap();
    let peeks = cx.start(Peeks(doubles)).unwrap();
    for times in [0, 1, 2] {
        for within in [false, true] {
            let answer = cx.ask(peeks, Peek { times, within }).within(LIMIT).wait();
            assert_eq!(answer.unwrap(), 42, "{times} looks");
        }
    }
    end(&node);
}

#[test]
fn what_outside_code_has_used_goes_with_its_last_use() {
    let node = node(2);
    let before = node.handles().len();
    // Some before the node runs.
    drop(Cx::outside(&node).unwrap());
    let cx = Cx::outside(&node).unwrap();
    node.run();
    for _ in 0..1000 {
        drop(Cx::outside(&node).unwrap());
    }
    eventually("they go", || node.services().len() == before + 1);
    let doubles = cx.start(Doubles).unwrap();
    // A clone, a call, and a task keep it, one after the other.
    let clone = cx.clone();
    drop(cx);
    let ask = clone.ask(doubles, 4);
    let (tx, rx) = channel();
    let (go, gone) = (clone.clone(), tx.clone());
    clone.spawn(async move {
        let answer = go.ask(doubles, 5).await;
        drop(go);
        gone.send(answer.unwrap()).unwrap();
    });
    assert_eq!(rx.recv_timeout(LIMIT).unwrap(), 10);
    let handle = clone.handle();
    drop(clone);
    assert_eq!(ask.within(LIMIT).wait().unwrap(), 8);
    eventually("it goes", || !node.is_alive(handle));
    // A task without a hand of its own.
    let last = Cx::outside(&node).unwrap();
    let (handle, waiter) = (last.handle(), last.sleep(Duration::from_millis(20)));
    last.spawn(async move {
        waiter.await;
        tx.send(1).unwrap();
    });
    drop(last);
    assert!(node.is_alive(handle));
    assert_eq!(rx.recv_timeout(LIMIT).unwrap(), 1);
    eventually("it goes", || !node.is_alive(handle));
    assert_eq!(node.handles().len(), before + 1, "the actor is there");
    end(&node);
}

//! Messages of Rust types between services, and code that is no service.

mod support;

use skynet::kernel::{Doing, Limit, Policy, kind};
use skynet::service::{
    Actor, Addr, Cx, Error, Handle, Handler, Node, Request, Responder, Value, Values, args, start,
    table, wait,
};
use std::collections::BTreeMap;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Wake, Waker};
use std::time::{Duration, Instant};
use support::{LIMIT, drive, stop};

#[derive(Default)]
struct Counter {
    sum: AtomicI64,
    /// Drops of what the messages carried.
    seen: Arc<AtomicUsize>,
}

impl Actor for Counter {
    async fn request(&self, _: &Cx, request: &Request) -> Result<Values, Error> {
        let (command, n): (&str, Option<i64>) = request.read()?;
        match command {
            "add" => Ok(args![
                self.sum.fetch_add(n.unwrap_or(1), SeqCst) + n.unwrap_or(1)
            ]),
            other => Err(format!("there is no command {other}").into()),
        }
    }
}

struct Add(i64);

impl Handler<Add> for Counter {
    type Answer = i64;

    async fn handle(&self, _: &Cx, Add(n): Add) -> Result<i64, Error> {
        Ok(self.sum.fetch_add(n, SeqCst) + n)
    }
}

/// Larger than a message, and not to be cloned.
struct Text(Box<str>, [u64; 9]);

impl Handler<Text> for Counter {
    type Answer = (Box<str>, u64);

    async fn handle(&self, _: &Cx, text: Text) -> Result<Self::Answer, Error> {
        Ok((text.0, text.1.iter().sum()))
    }
}

enum Odd {
    Fail,
    Panic,
    Never,
    Exit,
    Sleep(u64),
    /// Asks another one, which may be itself.
    Ask(Addr<Counter>, i64),
}

impl Handler<Odd> for Counter {
    type Answer = i64;

    async fn handle(&self, cx: &Cx, odd: Odd) -> Result<i64, Error> {
        match odd {
            Odd::Fail => Err("as it was told".into()),
            Odd::Panic => panic!("as it was told"),
            Odd::Never => pending().await,
            Odd::Exit => {
                cx.exit();
                pending().await
            }
            Odd::Sleep(ms) => {
                cx.sleep(Duration::from_millis(ms)).await;
                Ok(0)
            }
            Odd::Ask(other, n) => cx.ask(other, Add(n)).await,
        }
    }
}

/// Tells when it is dropped.
struct Guard(Arc<AtomicUsize>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Handler<Guard> for Counter {
    type Answer = Guard;

    async fn handle(&self, _: &Cx, guard: Guard) -> Result<Guard, Error> {
        self.seen.fetch_add(1, SeqCst);
        Ok(guard)
    }
}

/// Runs `script` as a service of a node with a counter.
fn counting<F>(threads: usize, script: impl FnOnce(Cx, Addr<Counter>) -> F + Send + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    drive(threads, vec![], |cx| {
        let counter = cx.start(Counter::default()).unwrap();
        script(cx, counter)
    });
}

#[test]
fn an_answer_is_a_value_of_its_type() {
    counting(2, |cx, counter| async move {
        assert_eq!(cx.ask(counter, Add(40)).await.unwrap(), 40);
        assert_eq!(cx.ask(counter, Add(2)).await.unwrap(), 42);
        let text = Text("a text".into(), [1; 9]);
        let (text, sum) = cx.ask(counter, text).await.unwrap();
        assert_eq!((&*text, sum), ("a text", 9));
    });
}

#[test]
fn what_is_told_is_handled_in_order() {
    counting(2, |cx, counter| async move {
        for i in 1..=1000 {
            cx.tell(counter, Add(i)).unwrap();
        }
        cx.tell(counter, Odd::Fail).unwrap();
        assert_eq!(cx.ask(counter, Add(0)).await.unwrap(), 500_500);
    });
}

#[test]
fn many_wait_at_once_on_one_worker() {
    counting(1, |cx, counter| async move {
        let sleeping = cx.ask(counter, Odd::Sleep(30));
        let own = cx.ask(counter, Odd::Ask(counter, 5));
        let asked: Vec<_> = (0..5_000).map(|_| cx.ask(counter, Add(1))).collect();
        for ask in asked {
            ask.await.unwrap();
        }
        assert!(own.await.is_ok());
        assert_eq!(cx.ask(counter, Add(0)).await.unwrap(), 5_005);
        assert_eq!(sleeping.await.unwrap(), 0);
    });
}

#[test]
fn errors_panics_and_death_fail_the_asker() {
    counting(2, |cx, counter| async move {
        for odd in [Odd::Fail, Odd::Panic] {
            let answer = cx.ask(counter, odd).await;
            assert!(matches!(answer, Err(Error::CallFailed)), "{answer:?}");
            assert!(cx.ask(counter, Add(1)).await.is_ok());
        }
        let late = cx.ask(counter, Odd::Never).within(Duration::from_millis(5));
        assert!(matches!(late.await, Err(Error::Timeout)));
        let never = cx.ask(counter, Odd::Never);
        let exit = cx.ask(counter, Odd::Exit);
        let after = cx.ask(counter, Add(1));
        for ask in [never, exit, after] {
            let answer = ask.await;
            assert!(
                matches!(answer, Err(Error::CallFailed | Error::NoService)),
                "{answer:?}"
            );
        }
        assert!(matches!(cx.tell(counter, Add(1)), Err(Error::NoService)));
    });
}

#[test]
fn a_call_can_be_awaited_by_another_task_and_by_several_at_once() {
    counting(2, |cx, counter| async move {
        // Begun here, polled here once, and awaited elsewhere.
        let mut slow = cx.ask(counter, Odd::Sleep(20));
        let polled =
            std::future::poll_fn(|task| Poll::Ready(Pin::new(&mut slow).poll(task).is_pending()));
        assert!(polled.await);
        let (sender, receiver) = tokio::sync::oneshot::channel();
        cx.spawn(async move {
            let _ = sender.send(slow.await);
        });
        assert_eq!(receiver.await.unwrap().unwrap(), 0);

        let (sender, receiver) = tokio::sync::oneshot::channel();
        let slow = cx.ask(counter, Odd::Sleep(20));
        std::thread::spawn(move || {
            let _ = sender.send(wait(slow));
        });
        assert_eq!(receiver.await.unwrap().unwrap(), 0);

        // Several in one task, by other wakers than its own.
        let asks = (0..50).map(|n| cx.ask(counter, Odd::Sleep(n % 7)));
        let mut asks: Vec<_> = asks.map(|ask| Some(ask.within(LIMIT))).collect();
        std::future::poll_fn(|task| {
            let waker = Waker::from(Arc::new(Through(task.waker().clone())));
            let mut other = std::task::Context::from_waker(&waker);
            for place in &mut asks {
                let poll = place.as_mut().map(|ask| Pin::new(ask).poll(&mut other));
                if let Some(Poll::Ready(answer)) = poll {
                    assert_eq!(answer.unwrap(), 0);
                    *place = None;
                }
            }
            match asks.iter().all(Option::is_none) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    });
}

/// A waker that wakes another one.
struct Through(Waker);

impl Wake for Through {
    fn wake(self: Arc<Self>) {
        self.0.wake_by_ref();
    }
}

#[test]
fn values_are_dropped_once_whoever_has_them() {
    let drops = Arc::new(AtomicUsize::new(0));
    let dropped = drops.clone();
    counting(2, move |cx, counter| async move {
        let guard = || Guard(dropped.clone());
        let back = cx.ask(counter, guard()).await.unwrap();
        assert_eq!(dropped.load(SeqCst), 0);
        drop(back);
        cx.tell(counter, guard()).unwrap();
        // The asker has gone before the answer comes.
        drop(cx.ask(counter, guard()));
        // The receiver does not take it, or does not exist.
        let other = cx.start(Echo(Mutex::default())).unwrap();
        assert!(
            cx.ask(Addr::<Counter>::new(other.handle()), guard())
                .await
                .is_err()
        );
        assert!(
            cx.tell(Addr::<Counter>::new(Handle(0xffff)), guard())
                .is_err()
        );
        let full = cx.start(Counter::default()).unwrap();
        let limit = Limit {
            max: 0,
            policy: Policy::Refuse,
        };
        cx.node()
            .context(full.handle())
            .unwrap()
            .set_mailbox_limit(Some(limit));
        let refused = cx.tell(full, guard());
        assert!(
            matches!(refused, Err(Error::Refused { limit: 0 })),
            "{refused:?}"
        );
        cx.ask(counter, Add(0)).await.unwrap();
        // Six by now, but for an answer that is still on its way here.
        while dropped.load(SeqCst) < 6 {
            cx.sleep(Duration::from_millis(1)).await;
        }
        // Handled by nobody, since the receiver ends first.
        let last = cx.ask(counter, Odd::Exit);
        let _ = cx.tell(counter, guard());
        assert!(last.await.is_err());
    });
    assert_eq!(drops.load(SeqCst), 7);
}

#[test]
fn an_address_of_another_type_fails() {
    struct Other;
    impl Actor for Other {}
    impl Handler<Add> for Other {
        type Answer = i64;
        async fn handle(&self, _: &Cx, _: Add) -> Result<i64, Error> {
            Ok(-1)
        }
    }
    counting(2, |cx, counter| async move {
        let wrong = Addr::<Other>::new(counter.handle());
        assert!(matches!(
            cx.ask(wrong, Add(1)).await,
            Err(Error::CallFailed)
        ));
        cx.tell(wrong, Add(1)).unwrap();
        assert_eq!(cx.ask(counter, Add(1)).await.unwrap(), 1);
        // A service that takes bytes only.
        let logger = Addr::<Other>::new(cx.node().find_name("logger").unwrap());
        cx.tell(logger, Add(1)).unwrap();
        // Without handlers, `lua` messages fail.
        let other = cx.start(Other).unwrap();
        assert!(matches!(cx.call(other, "x").await, Err(Error::CallFailed)));
    });
}

#[test]
fn values_of_the_pack_format_are_rust_types() {
    counting(2, |cx, counter| async move {
        let sum: i64 = cx.call(counter, ("add", 40)).to().await.unwrap();
        assert_eq!(sum, 40);
        assert_eq!(cx.call(counter, ("add", 1)).await.unwrap(), args![41]);
        // nil, and an argument that is missing.
        assert_eq!(
            cx.call(counter, ("add", None::<i64>))
                .to::<i64>()
                .await
                .unwrap(),
            42
        );
        assert_eq!(cx.call(counter, "add").to::<(i64,)>().await.unwrap(), (43,));
        let wrong = cx.call(counter, "add").to::<String>().await;
        let text = wrong.unwrap_err().to_string();
        assert_eq!(text, "value 1 is 44, not a text");
        let missing = cx.call(counter, "add").to::<(i64, i64)>().await;
        let text = missing.unwrap_err().to_string();
        assert_eq!(text, "value 2 is nothing, not an integer (i64)");
    });
}

/// Answers with its arguments, in other hands.
struct Echo(Mutex<Vec<Responder>>);

impl Actor for Echo {
    async fn request(&self, _: &Cx, request: &Request) -> Result<Values, Error> {
        type Row<'a> = (
            bool,
            u8,
            f64,
            &'a str,
            &'a [u8],
            Option<Value>,
            Vec<u8>,
            Handle,
        );
        let (b, n, x, text, bytes, any, owned, handle): Row<'_> = request.read()?;
        let row = (b, n, x, text, bytes, any.as_ref(), &owned, handle);
        request.defer().send(row)?;
        self.0.lock().unwrap().push(request.defer());
        Ok(args!["not the answer"])
    }
}

#[test]
fn rows_of_all_kinds_of_values() {
    counting(2, |cx, _| async move {
        let echo = cx.start(Echo(Mutex::default())).unwrap();
        let table = table! { "a" => [1, 2] };
        let row = (
            true,
            255u8,
            2,
            "text",
            b"\xff",
            &table,
            "owned".to_owned(),
            echo,
        );
        let row = (
            row.0,
            row.1,
            row.2,
            row.3,
            row.4,
            row.5,
            row.6,
            row.7.handle(),
        );
        let answer = cx.call(echo, row).await.unwrap();
        let handle = i64::from(echo.handle().0);
        let expected = args![true, 255, 2.0, "text", b"\xff", table, "owned", handle];
        assert_eq!(answer, expected);
        for wrong in [
            args![1],
            args![true, 256],
            args![true, 1, "x"],
            args![true, 1, 1, b"\xff"],
        ] {
            let answer = cx.call(echo, &wrong).await;
            assert!(matches!(answer, Err(Error::CallFailed)), "{wrong:?}");
        }
    });
}

#[derive(Debug, PartialEq, Clone)]
struct Player {
    name: String,
    level: u16,
    friends: Vec<String>,
    guild: Option<String>,
}

skynet::record!(Player {
    name,
    level,
    friends,
    guild,
});

/// Answers with what it was sent, by way of Rust types.
struct Mirror;

impl Actor for Mirror {
    async fn request(&self, cx: &Cx, request: &Request) -> Result<Values, Error> {
        match request.read()? {
            "player" => {
                let (_, player): (&str, Player) = request.read()?;
                cx.call(cx.handle(), ("again", &player)).await
            }
            "lists" => {
                let (_, a, b): (&str, Vec<i64>, Vec<Vec<u8>>) = request.read()?;
                cx.call(cx.handle(), ("again", a, b)).await
            }
            "twice" => {
                request.answer("once")?;
                request.answer("twice")?;
                request.defer().send("thrice")?;
                Err("it has been answered".into())
            }
            "too deep" => {
                let deep = (0..40).fold(Value::Nil, |inner, _| Value::from([inner]));
                request.answer(deep)?;
                Ok(args![])
            }
            "map" => {
                let (_, map): (&str, BTreeMap<String, Option<i64>>) = request.read()?;
                cx.call(cx.handle(), ("again", map)).await
            }
            _ => {
                let mut values: Vec<Value> = request.read()?;
                values.remove(0);
                Ok(values)
            }
        }
    }
}

#[test]
fn structures_lists_and_maps() {
    counting(2, |cx, _| async move {
        let mirror = cx.start(Mirror).unwrap();
        let mut player = Player {
            name: "ann".into(),
            level: 7,
            friends: vec!["bob".into(), "cid".into()],
            guild: None,
        };
        let got: Player = cx.call(mirror, ("player", &player)).to().await.unwrap();
        assert_eq!(got, player);
        let as_table = cx.call(mirror, ("player", &player)).await.unwrap();
        let friends = Value::from(["bob", "cid"]);
        let expected = table! { "name" => "ann", "level" => 7, "friends" => friends };
        assert_eq!(as_table, args![expected.clone()]);
        player.guild = Some("g".into());
        let all: Vec<Player> = cx
            .call(mirror, ("again", vec![player.clone(), player.clone()]))
            .to::<(Vec<Player>,)>()
            .await
            .unwrap()
            .0;
        assert_eq!(all, [player.clone(), player]);

        // What is not known is skipped, whatever it is; what is missing is named.
        let mut more = expected.clone();
        more.insert("more", table! { "deep" => [1, 2] });
        more.insert(1, "in the array");
        assert!(
            cx.call(mirror, ("again", &more))
                .to::<Player>()
                .await
                .is_ok()
        );
        let mut less = expected;
        less.insert("level", ());
        let error = cx.call(mirror, ("again", &less)).to::<Player>().await;
        assert_eq!(error.unwrap_err().to_string(), "the field level is missing");
        let error = cx.call(mirror, ("again", 5)).to::<Player>().await;
        let text = error.unwrap_err().to_string();
        assert_eq!(text, "value 1 is 5, not a table with names");

        let once: String = cx.call(mirror, "twice").to().await.unwrap();
        assert_eq!(once, "once");
        let failed = cx.call(mirror, "too deep").await;
        assert!(matches!(failed, Err(Error::CallFailed)));

        let lists = cx.call(mirror, ("lists", [1, 2, 3], [b"a", b"b"])).await;
        assert_eq!(lists.unwrap(), args![[1, 2, 3], ["a", "b"]]);
        let map = cx.call(mirror, ("map", table! { "a" => 1, "b" => 2 }));
        assert_eq!(map.await.unwrap(), args![table! { "a" => 1, "b" => 2 }]);
        let mixed = cx.call(mirror, ("again", table! { 1 => 1, "b" => 2 }));
        let error = mixed.to::<(Vec<i64>,)>().await.unwrap_err().to_string();
        assert_eq!(error, "value 1 is \"b\", not the end of a list");
        let deep = (0..20).fold(Value::Nil, |inner, _| Value::from([inner]));
        let read = cx.call(mirror, ("again", deep)).to::<Vec<Value>>().await;
        assert_eq!(read.unwrap().len(), 1);
    });
}

#[test]
fn code_that_is_no_service() {
    let node = Node::builder()
        .threads(2)
        .log_service("logger", Some("/dev/null"))
        .start()
        .unwrap();
    let counter = start(&node, Counter::default()).unwrap();
    let cx = Cx::outside(&node).unwrap();
    cx.tell(counter, Add(1)).unwrap();
    let early = cx.ask(counter, Add(1));
    node.run();
    assert_eq!(early.wait().unwrap(), 2);
    assert_eq!(
        cx.call(counter, ("add", 40)).to::<i64>().wait().unwrap(),
        42
    );
    assert_eq!(cx.call(counter, ("add", 1)).wait().unwrap(), args![43]);
    let late = cx.ask(counter, Odd::Never).within(Duration::from_millis(5));
    assert!(matches!(late.wait(), Err(Error::Timeout)));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let cx = cx.clone();
            scope.spawn(move || {
                for _ in 0..200 {
                    cx.ask(counter, Add(1)).wait().unwrap();
                }
            });
        }
    });
    assert_eq!(cx.ask(counter, Add(0)).wait().unwrap(), 843);
    // It waits for the answer that never comes, and then it does not: the node ends.
    let never = cx.ask(counter, Odd::Never);
    stop(&node);
    assert!(matches!(
        never.wait(),
        Err(Error::CallFailed | Error::Closed)
    ));
    assert!(cx.ask(counter, Add(1)).wait().is_err());
}

#[test]
fn a_service_does_not_wait() {
    counting(1, |cx, counter| async move {
        let waits = cx.ask(counter, Add(1));
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| waits.wait()));
        assert!(outcome.is_err());
    });
}

#[test]
fn those_who_look_in_see_the_message_s_type() {
    let node = Node::builder()
        .threads(2)
        .log_service("logger", Some("/dev/null"))
        .start()
        .unwrap();
    let (a, b) = (
        start(&node, Counter::default()).unwrap(),
        start(&node, Asker(Mutex::new(None))).unwrap(),
    );
    node.run();
    let cx = Cx::outside(&node).unwrap();
    let asked = cx.ask(b, a);
    let end = Instant::now() + LIMIT;
    let report = loop {
        let report = node.inspect(b.handle(), true, Duration::from_millis(100));
        match report {
            Ok(report) if !report.tasks.is_empty() => break report,
            _ => assert!(Instant::now() < end),
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let task = &report.tasks[0];
    assert_eq!(task.doing, Doing::Call(a.handle()));
    assert_eq!(task.request.map(|(source, _)| source), Some(cx.handle()));
    let expected = "typed::Asker::handle(skynet::service::typed::Addr<typed::Counter>)";
    assert_eq!(task.stack, [expected]);
    drop(asked);
    stop(&node);
}

/// Asks for what never comes.
struct Asker(Mutex<Option<i64>>);

impl Actor for Asker {}

impl Handler<Addr<Counter>> for Asker {
    type Answer = ();

    async fn handle(&self, cx: &Cx, counter: Addr<Counter>) -> Result<(), Error> {
        let answer = cx.ask(counter, Odd::Never).await?;
        *self.0.lock().unwrap() = Some(answer);
        Ok(())
    }
}

#[test]
fn a_trace_tag_is_no_message() {
    counting(2, |cx, counter| async move {
        cx.send_raw(counter, kind::TRACE, "tag").unwrap();
        assert_eq!(cx.call(counter, ("add", 1)).await.unwrap(), args![1]);
    });
}

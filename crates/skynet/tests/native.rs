//! Services written in Rust: calls, answers, errors, time, tasks, and the end.

mod support;

use skynet::kernel::{Handle, kind};
use skynet::service::{Actor, Cx, Error, Request, Responder, Value, Values, args, module};
use std::future::{Future, pending};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant};
use support::{LIMIT, drive};

const SHORT: Duration = Duration::from_millis(20);

/// Does what the first value says.
#[derive(Default)]
struct Servant {
    count: AtomicUsize,
    kept: Mutex<Vec<Responder>>,
}

impl Actor for Servant {
    async fn started(&self, cx: &Cx, args: &str) -> Result<(), Error> {
        match args.split_once(' ') {
            Some(("name", name)) => assert!(cx.name(name)),
            Some(("fail", reason)) => return Err(reason.into()),
            Some(("slow", milliseconds)) => {
                cx.sleep(Duration::from_millis(milliseconds.parse()?)).await;
                self.count.store(100, Ordering::Relaxed);
            }
            _ => {}
        }
        Ok(())
    }

    async fn request(&self, cx: &Cx, request: &Request) -> Result<Values, Error> {
        let values = request.values()?;
        match values.first().and_then(Value::as_str) {
            Some("echo") => Ok(values[1..].to_vec()),
            Some("count") => Ok(args![self.count.fetch_add(1, Ordering::Relaxed) as i64]),
            Some("who") => Ok(args![i64::from(request.source().0), request.is_call()]),
            Some("fail") => Err("as it was told".into()),
            Some("panic") => panic!("as it was told"),
            Some("never") => pending().await,
            Some("exit") => {
                cx.exit();
                pending().await
            }
            Some("sleep") => {
                let milliseconds = values[1].as_int().ok_or("how long?")?;
                cx.sleep(Duration::from_millis(milliseconds as u64)).await;
                Ok(args![milliseconds])
            }
            Some("ask") => {
                let other = Handle(values[1].as_int().ok_or("whom?")? as u32);
                cx.call(other, &values[2..]).await
            }
            Some("keep") => {
                self.kept.lock().unwrap().push(request.defer());
                Ok(args!["not the answer"])
            }
            Some("release") => {
                let kept = std::mem::take(&mut *self.kept.lock().unwrap());
                for (i, responder) in kept.into_iter().enumerate() {
                    responder.send(&args![i as i64])?;
                }
                Ok(args![])
            }
            Some("forget") => {
                self.kept.lock().unwrap().clear();
                Ok(args![])
            }
            Some("too deep") => {
                let deep = (0..40).fold(Value::Nil, |inner, _| Value::from([inner]));
                Ok(vec![deep])
            }
            _ => Err("what?".into()),
        }
    }

    async fn message(&self, _: &Cx, request: &Request) -> Result<Values, Error> {
        match request.kind() {
            kind::TEXT => {
                let mut bytes = request.payload().to_vec();
                bytes.reverse();
                request.defer().send_raw(bytes)?;
                Ok(args![])
            }
            kind => Err(Error::Unhandled { kind }),
        }
    }
}

/// A node with servants.
fn servants<F>(threads: usize, script: impl FnOnce(Cx, Handle) -> F + Send + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    drive(threads, vec![("servant", module(Servant::default))], |cx| {
        let servant = cx.launch("servant", "").expect("it has no reason to fail");
        script(cx, servant)
    });
}

fn handle(handle: Handle) -> i64 {
    i64::from(handle.0)
}

#[test]
fn a_call_returns_the_values() {
    servants(2, |cx, servant| async move {
        let answer = cx
            .call(servant, args!["echo", 1, 2.5, "three", true, ()])
            .await
            .unwrap();
        assert_eq!(answer, args![1, 2.5, "three", true, ()]);
        assert_eq!(cx.call(servant, args!["echo"]).await.unwrap(), args![]);
        let big = "x".repeat(100_000);
        assert_eq!(
            cx.call(servant, args!["echo", big.as_str()]).await.unwrap(),
            args![big]
        );
    });
}

#[test]
fn the_caller_is_known() {
    servants(2, |cx, servant| async move {
        let answer = cx.call(servant, args!["who"]).await.unwrap();
        assert_eq!(answer, args![handle(cx.handle()), true]);
    });
}

#[test]
fn addresses_are_handles_and_names() {
    servants(2, |cx, _| async move {
        let named = cx.launch("servant", "name friend").unwrap();
        assert_eq!(cx.call(named, args!["echo", 1]).await.unwrap(), args![1]);
        assert_eq!(cx.query(".friend"), Some(named));
        for address in [
            ".friend".to_owned(),
            format!(":{:x}", named.0),
            format!("{named}"),
        ] {
            assert_eq!(cx.call(address, args!["echo", 2]).await.unwrap(), args![2]);
        }
        assert!(matches!(
            cx.call(".nobody", args![]).await,
            Err(Error::NoService)
        ));
        assert!(matches!(
            cx.call(Handle(0xffff), args![]).await,
            Err(Error::NoService)
        ));
        assert!(matches!(cx.send(".nobody", args![]), Err(Error::NoService)));
    });
}

#[test]
fn a_send_is_handled_in_order_and_never_answered() {
    servants(2, |cx, servant| async move {
        for _ in 0..100 {
            cx.send(servant, args!["count"]).unwrap();
        }
        cx.send(servant, args!["fail"]).unwrap();
        assert_eq!(cx.call(servant, args!["count"]).await.unwrap(), args![100]);
    });
}

#[test]
fn errors_and_panics_fail_the_call_only() {
    servants(2, |cx, servant| async move {
        for what in ["fail", "panic", "nonsense", "too deep"] {
            let answer = cx.call(servant, args![what]).await;
            assert!(
                matches!(answer, Err(Error::CallFailed)),
                "{what}: {answer:?}"
            );
            assert_eq!(cx.call(servant, args!["echo", 1]).await.unwrap(), args![1]);
        }
    });
}

#[test]
fn values_that_cannot_be_packed_fail_before_the_call() {
    servants(2, |cx, servant| async move {
        let deep = (0..40).fold(Value::Nil, |inner, _| Value::from([inner]));
        assert!(matches!(
            cx.call(servant, [deep.clone()]).await,
            Err(Error::Seri(_))
        ));
        assert!(matches!(cx.send(servant, [deep]), Err(Error::Seri(_))));
    });
}

#[test]
fn calls_overlap_on_one_worker() {
    // Neither waiting for a call nor for time holds the only worker.
    servants(1, |cx, servant| async move {
        let slow = cx.call(servant, args!["sleep", 50]);
        let fast = cx.call(servant, args!["echo", 1]);
        let forward = cx.call(servant, args!["ask", handle(servant), "echo", 2]);
        assert_eq!(fast.await.unwrap(), args![1]);
        assert_eq!(forward.await.unwrap(), args![2]);
        assert_eq!(slow.await.unwrap(), args![50]);
    });
}

#[test]
fn services_can_call_each_other_in_a_circle() {
    servants(1, |cx, first| async move {
        let second = cx.launch("servant", "").unwrap();
        let (a, b) = (handle(first), handle(second));
        let answer = cx
            .call(first, args!["ask", b, "ask", a, "ask", b, "echo", "x"])
            .await;
        assert_eq!(answer.unwrap(), args!["x"]);
    });
}

#[test]
fn many_calls_wait_at_once() {
    servants(2, |cx, servant| async move {
        let calls: Vec<_> = (0..10_000)
            .map(|i| cx.call(servant, args!["echo", i]))
            .collect();
        for (i, call) in calls.into_iter().enumerate() {
            assert_eq!(call.await.unwrap(), args![i as i64]);
        }
    });
}

#[test]
fn sessions_wrap_around_those_that_wait() {
    servants(2, |cx, servant| async move {
        let early: Vec<_> = (0..20).map(|_| cx.call(servant, args!["keep"])).collect();
        cx.context().set_session(i32::MAX - 10);
        for i in 0..100 {
            assert_eq!(cx.call(servant, args!["echo", i]).await.unwrap(), args![i]);
        }
        cx.send(servant, args!["release"]).unwrap();
        for (i, call) in early.into_iter().enumerate() {
            assert_eq!(call.await.unwrap(), args![i as i64]);
        }
    });
}

#[test]
fn an_answer_can_be_given_later() {
    servants(2, |cx, servant| async move {
        let calls: Vec<_> = (0..3).map(|_| cx.call(servant, args!["keep"])).collect();
        cx.call(servant, args!["release"]).await.unwrap();
        for (i, call) in calls.into_iter().enumerate() {
            assert_eq!(call.await.unwrap(), args![i as i64]);
        }
        let forgotten = cx.call(servant, args!["keep"]);
        cx.call(servant, args!["forget"]).await.unwrap();
        assert!(matches!(forgotten.await, Err(Error::CallFailed)));
    });
}

#[test]
fn nobody_waits_for_the_dead() {
    servants(2, |cx, servant| async move {
        // Begun, kept for later, and not even begun.
        let never = cx.call(servant, args!["never"]);
        let kept = cx.call(servant, args!["keep"]);
        let slow = cx.call(servant, args!["sleep", 100_000]);
        cx.call(servant, args!["echo"]).await.unwrap();
        let last = cx.call(servant, args!["exit"]);
        let after = cx.call(servant, args!["echo"]);
        for call in [never, kept, slow, last, after] {
            let answer = call.await;
            assert!(
                matches!(answer, Err(Error::CallFailed | Error::NoService)),
                "{answer:?}"
            );
        }
        assert!(matches!(
            cx.call(servant, args!["echo"]).await,
            Err(Error::NoService)
        ));

        let victim = cx.launch("servant", "").unwrap();
        let never = cx.call(victim, args!["never"]);
        cx.call(victim, args!["echo"]).await.unwrap();
        cx.node().kill(cx.handle(), victim);
        assert!(matches!(never.await, Err(Error::CallFailed)));
    });
}

#[test]
fn a_death_that_is_told_fails_all_calls_to_it() {
    servants(2, |cx, servant| async move {
        let never = cx.call(servant, args!["never"]);
        // ERROR with session 0: the source is gone.
        let told = cx
            .node()
            .send(servant, cx.handle(), kind::ERROR, 0, b"".as_slice().into());
        told.unwrap();
        assert!(matches!(never.await, Err(Error::CallFailed)));
    });
}

#[test]
fn a_deadline_ends_the_call_and_its_late_answer() {
    servants(2, |cx, servant| async move {
        let started = Instant::now();
        let late = cx.call(servant, args!["sleep", 60]).within(SHORT).await;
        assert!(matches!(late, Err(Error::Timeout)), "{late:?}");
        assert!(started.elapsed() >= SHORT);
        let timely = cx.call(servant, args!["sleep", 1]).within(LIMIT).await;
        assert_eq!(timely.unwrap(), args![1]);
        // The late answer comes meanwhile and disturbs nothing.
        cx.sleep(Duration::from_millis(80)).await;
        assert_eq!(cx.call(servant, args!["echo", 1]).await.unwrap(), args![1]);
    });
}

#[test]
fn sleep_is_never_early() {
    servants(1, |cx, _| async move {
        let started = Instant::now();
        cx.sleep(Duration::from_micros(1500)).await;
        assert!(started.elapsed() >= Duration::from_micros(1500));
        cx.sleep(Duration::ZERO).await;
        let long = cx.sleep(Duration::from_secs(100_000));
        drop(long);
    });
}

#[test]
fn other_types_and_raw_bytes() {
    servants(2, |cx, servant| async move {
        let answer = cx.call_raw(servant, kind::TEXT, "abc").await.unwrap();
        assert_eq!(answer.as_slice(), b"cba");
        let unhandled = cx.call_raw(servant, kind::CLIENT, "abc").await;
        assert!(matches!(unhandled, Err(Error::CallFailed)));
        let no_values = cx.call_raw(servant, kind::LUA, vec![0xffu8; 3]).await;
        assert!(matches!(no_values, Err(Error::CallFailed)));
        cx.send_raw(servant, kind::TEXT, "x").unwrap();
        assert_eq!(cx.call(servant, args!["echo"]).await.unwrap(), args![]);
    });
}

#[test]
fn requests_wait_for_the_start() {
    servants(2, |cx, _| async move {
        let slow = cx.launch("servant", "slow 30").unwrap();
        assert_eq!(cx.call(slow, args!["count"]).await.unwrap(), args![100]);
    });
}

#[test]
fn a_failed_start_ends_the_service() {
    servants(2, |cx, _| async move {
        let failing = cx.launch("servant", "fail on purpose").unwrap();
        let answer = cx.call(failing, args!["echo"]).await;
        assert!(
            matches!(answer, Err(Error::CallFailed | Error::NoService)),
            "{answer:?}"
        );
    });
}

#[test]
fn wakers_work_from_other_threads() {
    let runtime = Arc::new(tokio::runtime::Builder::new_multi_thread().build().unwrap());
    let outside = runtime.clone();
    servants(1, move |cx, servant| async move {
        let (sender, mut receiver) = tokio::sync::mpsc::channel(4);
        let producer = outside.spawn(async move {
            for i in 0..2_000 {
                sender.send(i).await.unwrap();
                if i % 100 == 0 {
                    // Lets the service fall asleep, so that a wake-up has something to wake.
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        });
        let mut expected = 0;
        while let Some(i) = receiver.recv().await {
            assert_eq!(i, expected);
            expected += 1;
            if i % 500 == 0 {
                cx.call(servant, args!["echo"]).await.unwrap();
            }
        }
        assert_eq!(expected, 2_000);
        producer.await.unwrap();

        let (sender, receiver) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            std::thread::sleep(SHORT);
            sender.send("from a thread").unwrap();
        });
        assert_eq!(receiver.await.unwrap(), "from a thread");
    });
}

#[test]
fn other_threads_can_call_through_the_service() {
    let runtime = Arc::new(
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .build()
            .unwrap(),
    );
    let outside = runtime.clone();
    servants(2, move |cx, servant| async move {
        let callers: Vec<_> = (0..4)
            .map(|caller| {
                let cx = cx.clone();
                outside.spawn(async move {
                    for i in 0..500 {
                        let answer = cx.call(servant, args!["echo", caller, i]).await.unwrap();
                        assert_eq!(answer, args![caller, i]);
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.await.unwrap();
        }
    });
}

/// Gives its `Cx` away and lives until it is killed.
struct Lender(Arc<Mutex<Option<Cx>>>);

impl Actor for Lender {
    async fn started(&self, cx: &Cx, _: &str) -> Result<(), Error> {
        *self.0.lock().unwrap() = Some(cx.clone());
        Ok(())
    }

    async fn request(&self, _: &Cx, _: &Request) -> Result<Values, Error> {
        Ok(args![])
    }
}

#[test]
fn what_other_threads_wait_for_ends_with_the_service() {
    let lent = Arc::new(Mutex::new(None));
    let lender = lent.clone();
    let modules = vec![
        ("servant", module(Servant::default)),
        ("lender", module(move || Lender(lender.clone()))),
    ];
    drive(2, modules, |cx| async move {
        let servant = cx.launch("servant", "").unwrap();
        let lender = cx.launch("lender", "").unwrap();
        cx.call(lender, args![]).await.unwrap();
        let borrowed = lent.lock().unwrap().take().unwrap();
        let never = borrowed.call(servant, args!["never"]);
        let night = borrowed.sleep(Duration::from_secs(100_000));
        cx.node().kill(cx.handle(), lender);
        assert!(matches!(never.await, Err(Error::Closed)));
        night.await;
        assert!(matches!(
            borrowed.call(servant, args!["echo"]).await,
            Err(Error::Closed)
        ));
        borrowed.sleep(LIMIT).await;
        borrowed.spawn(async { unreachable!("the service is gone") });
    });
}

/// Counts those that are alive.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(count: &Arc<AtomicUsize>) -> Alive {
        count.fetch_add(1, Ordering::SeqCst);
        Alive(count.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn tasks_run_beside_each_other_and_end_with_the_service() {
    let alive = Arc::new(AtomicUsize::new(0));
    let inside = alive.clone();
    servants(2, move |cx, _| async move {
        let done = Arc::new(AtomicUsize::new(0));
        for i in 0..300 {
            let (task, done, alive) = (cx.clone(), done.clone(), Alive::new(&inside));
            cx.spawn(async move {
                task.sleep(Duration::from_millis(i % 7)).await;
                done.fetch_add(1, Ordering::SeqCst);
                drop(alive);
            });
        }
        while done.load(Ordering::SeqCst) < 300 {
            cx.sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(inside.load(Ordering::SeqCst), 0);
        for _ in 0..10 {
            let alive = Alive::new(&inside);
            cx.spawn(async move {
                pending::<()>().await;
                drop(alive);
            });
        }
        // They have begun before the node stops.
        cx.sleep(SHORT).await;
        assert_eq!(inside.load(Ordering::SeqCst), 10);
    });
    assert_eq!(alive.load(Ordering::SeqCst), 0, "the node has stopped");
}

#[test]
fn a_task_that_is_always_ready_starves_nobody() {
    servants(1, |cx, servant| async move {
        let stop = Arc::new(AtomicBool::new(false));
        let (seen, spins) = (stop.clone(), Arc::new(AtomicUsize::new(0)));
        let counted = spins.clone();
        cx.spawn(std::future::poll_fn(move |task| {
            counted.fetch_add(1, Ordering::Relaxed);
            if seen.load(Ordering::Relaxed) {
                return Poll::Ready(());
            }
            task.waker().wake_by_ref();
            Poll::Pending
        }));
        for i in 0..50 {
            assert_eq!(cx.call(servant, args!["echo", i]).await.unwrap(), args![i]);
        }
        cx.sleep(Duration::from_millis(5)).await;
        stop.store(true, Ordering::Relaxed);
        assert!(spins.load(Ordering::Relaxed) > 50);
    });
}

#[test]
fn a_panicking_task_ends_alone() {
    servants(2, |cx, servant| async move {
        cx.spawn(async { panic!("on purpose") });
        cx.sleep(Duration::from_millis(1)).await;
        assert_eq!(cx.call(servant, args!["echo", 1]).await.unwrap(), args![1]);
    });
}

#[test]
fn full_mailboxes_refuse() {
    use skynet::kernel::{Limit, Policy};
    servants(2, |cx, _| async move {
        let slow = cx.launch("servant", "slow 100000").unwrap();
        let context = cx.node().context(slow).unwrap();
        // Requests are taken out of the mailbox at once and held, so the limit is made to bite by a service that is
        // busy.
        context.set_mailbox_limit(Some(Limit {
            max: 0,
            policy: Policy::Refuse,
        }));
        let answer = cx.call(slow, args!["echo"]).await;
        assert!(
            matches!(answer, Err(Error::Refused { limit: 0 })),
            "{answer:?}"
        );
        assert!(matches!(
            cx.send(slow, args!["echo"]),
            Err(Error::Refused { limit: 0 })
        ));
    });
}

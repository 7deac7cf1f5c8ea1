//! What services written in Rust show to those who look into a node.

mod support;

use skynet::kernel::{Doing, Handle, InspectError, Node, TaskReport, factory};
use skynet::service::{Actor, Cx, Error, Request, Value, Values, args, module};
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::LIMIT;

/// Waits for what the first value says.
struct Waiter;

impl Actor for Waiter {
    async fn started(&self, cx: &Cx, args: &str) -> Result<(), Error> {
        match args {
            "slow" => cx.sleep(LIMIT).await,
            "busy" => {
                let own = cx.clone();
                cx.spawn(async move { own.sleep(LIMIT).await });
            }
            _ => {}
        }
        Ok(())
    }

    async fn request(&self, cx: &Cx, request: &Request) -> Result<Values, Error> {
        let values = request.values()?;
        let next = Handle(values.get(1).and_then(Value::as_int).unwrap_or(0) as u32);
        match values.first().and_then(Value::as_str) {
            Some("call") => cx.call(next, &values[2..]).await,
            Some("late") => cx.call(next, args!["forever"]).within(LIMIT).await,
            Some("both") => {
                let (one, two) = (
                    cx.call(next, args!["forever"]),
                    cx.call(next, args!["forever"]),
                );
                one.await?;
                two.await
            }
            Some("sleep") => {
                cx.sleep(LIMIT).await;
                Ok(args![])
            }
            _ => pending().await,
        }
    }
}

fn node() -> Arc<Node> {
    Node::builder()
        .threads(2)
        .log_service("logger", Some("/dev/null"))
        .module("waiter", module(|| Waiter))
        .module("deaf", factory(|| Deaf))
        .start()
        .unwrap()
}

/// A service of the kernel's own trait, which tells nothing.
struct Deaf;

impl skynet::kernel::Service for Deaf {
    fn handle(&mut self, _: &Arc<skynet::kernel::Context>, _: skynet::kernel::Message) {}
}

fn launch(node: &Node, param: &str) -> Handle {
    node.launch(Handle::NONE, "waiter", param).unwrap()
}

fn send(node: &Node, to: Handle, session: i32, values: Values) {
    let bytes = skynet::wire::seri::pack(&values).unwrap();
    let source = node.find_name("logger").unwrap();
    node.send(source, to, skynet::kernel::kind::LUA, session, bytes.into())
        .unwrap();
}

/// The tasks of a service, as soon as they fulfil a condition.
fn tasks(node: &Node, of: Handle, wanted: impl Fn(&[TaskReport]) -> bool) -> Vec<TaskReport> {
    let end = Instant::now() + LIMIT;
    loop {
        match node.inspect(of, true, Duration::from_millis(100)) {
            Ok(report) if wanted(&report.tasks) => return report.tasks,
            Ok(_) | Err(InspectError::Busy) => {}
            Err(error) => panic!("{error}"),
        }
        assert!(
            Instant::now() < end,
            "never as wanted: {:?}",
            node.inspect(of, true, Duration::from_millis(100))
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn number(handle: Handle) -> i64 {
    i64::from(handle.0)
}

#[test]
fn calls_have_their_callee_age_and_request() {
    let node = node();
    let (a, b) = (launch(&node, ""), launch(&node, ""));
    let logger = node.find_name("logger").unwrap();
    send(&node, a, 7, args!["call", number(b), "sleep"]);
    node.run();
    let old =
        |tasks: &[TaskReport]| tasks.len() == 1 && tasks[0].age_ms.is_some_and(|age| age >= 20);
    let of_a = tasks(&node, a, old);
    assert_eq!(of_a[0].doing, Doing::Call(b));
    assert_eq!(of_a[0].request, Some((logger, 7)));
    assert_eq!(of_a[0].stack, ["inspect::Waiter::request"]);
    let of_b = tasks(&node, b, old);
    assert_eq!(of_b[0].doing, Doing::Sleep);
    assert_eq!(of_b[0].request, Some((a, of_a[0].session)));
    support::stop(&node);
}

#[test]
fn a_ring_can_be_followed() {
    let node = node();
    let ring = [launch(&node, ""), launch(&node, ""), launch(&node, "")];
    let [a, b, c] = ring.map(number);
    send(
        &node,
        ring[0],
        1,
        args!["call", b, "call", c, "call", a, "forever"],
    );
    node.run();
    for (from, to) in [(0, 1), (1, 2), (2, 0)] {
        tasks(&node, ring[from], |tasks| {
            tasks.iter().any(|task| task.doing == Doing::Call(ring[to]))
        });
    }
    support::stop(&node);
}

#[test]
fn one_task_with_several_waits() {
    let node = node();
    let (a, b) = (launch(&node, ""), launch(&node, ""));
    send(&node, a, 1, args!["both", number(b)]);
    node.run();
    let both = tasks(&node, a, |tasks| tasks.len() == 2);
    assert!(both.iter().all(|task| task.doing == Doing::Call(b)));
    assert_ne!(both[0].session, both[1].session);
    // The timer of a deadline is not shown beside the call.
    send(&node, b, 1, args!["late", number(a)]);
    let late = tasks(&node, b, |tasks| tasks.len() == 3);
    let calls = late.iter().filter(|task| task.doing == Doing::Call(a));
    assert_eq!(calls.count(), 1);
    // What waits for something else than a message is suspended.
    let others = late.iter().filter(|task| task.doing == Doing::Wait);
    assert_eq!(others.count(), 2);
    support::stop(&node);
}

#[test]
fn requests_before_the_start_and_spawned_tasks() {
    let node = node();
    let (slow, busy) = (launch(&node, "slow"), launch(&node, "busy"));
    send(&node, slow, 9, args!["forever"]);
    node.run();
    let of_slow = tasks(&node, slow, |tasks| tasks.len() == 2);
    assert_eq!(of_slow[0].doing, Doing::Sleep);
    assert_eq!(of_slow[0].stack, ["inspect::Waiter::started"]);
    assert_eq!(of_slow[1].doing, Doing::Ready);
    assert_eq!(of_slow[1].request.map(|(_, session)| session), Some(9));
    let of_busy = tasks(&node, busy, |tasks| tasks.len() == 1);
    assert!(of_busy[0].stack[0].contains("Waiter"), "{of_busy:?}");
    assert!(of_busy[0].stack[0].ends_with("(spawned)"), "{of_busy:?}");
    support::stop(&node);
}

#[test]
fn other_services_tell_nothing() {
    let node = node();
    let deaf = node.launch(Handle::NONE, "deaf", "").unwrap();
    let told = node.inspect(deaf, true, Duration::from_millis(100));
    assert_eq!(told, Err(InspectError::Opaque));
    support::stop(&node);
}

//! How long a service may go on before others have their turn, and how long one that sleeps is kept.

mod support;

use skynet::kernel::{self, Context, Delay, Message, Payload, kind};
use skynet::service::Cx;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};
use support::drive;

/// Hands its messages to a function.
struct Listener<F>(F);

impl<F: FnMut(Message) + Send + 'static> kernel::Service for Listener<F> {
    fn handle(&mut self, _: &Arc<Context>, message: Message) {
        (self.0)(message);
    }
}

fn listen(cx: &Cx, hear: impl FnMut(Message) + Send + 'static) -> kernel::Handle {
    let service = Box::new(Listener(hear));
    cx.node().launch_service("listener", "", service).unwrap()
}

/// Waits until `flag` is set and somebody who has set it wakes everybody in `wakers`.
async fn set(flag: &AtomicBool, wakers: &Mutex<Vec<Waker>>) {
    std::future::poll_fn(|task| {
        if flag.load(Relaxed) {
            return Poll::Ready(());
        }
        wakers.lock().unwrap().push(task.waker().clone());
        Poll::Pending
    })
    .await;
}

#[test]
fn many_tasks_that_are_woken_at_once_are_more_than_one_turn() {
    const TASKS: usize = 2000;
    drive(1, vec![], |cx| async move {
        let (polls, at) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(None)));
        let neighbour = {
            let (polls, at) = (polls.clone(), at.clone());
            listen(&cx, move |_| {
                at.lock().unwrap().get_or_insert(polls.load(Relaxed));
            })
        };
        let (open, wakers) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<_>>::default());
        for _ in 0..TASKS {
            let (open, wakers, polls) = (open.clone(), wakers.clone(), polls.clone());
            cx.spawn(async move {
                set(&open, &wakers).await;
                polls.fetch_add(1, Relaxed);
                let began = Instant::now();
                while began.elapsed() < Duration::from_micros(50) {
                    std::hint::spin_loop();
                }
            });
        }
        while wakers.lock().unwrap().len() < TASKS {
            cx.sleep(Duration::from_millis(1)).await;
        }
        // In one go: the neighbour has a message, and all tasks are ready.
        open.store(true, Relaxed);
        cx.send_raw(neighbour, kind::TEXT, Payload::EMPTY).unwrap();
        let all: Vec<Waker> = std::mem::take(&mut *wakers.lock().unwrap());
        all.into_iter().for_each(Waker::wake);
        while polls.load(Relaxed) < TASKS {
            cx.sleep(Duration::from_millis(1)).await;
        }
        let before = at.lock().unwrap().expect("it has been told");
        // A turn is a millisecond: some twenty of them.
        assert!(before <= 500, "the neighbour waited for {before} tasks");
    });
}

#[test]
fn sleep_ends_in_the_millisecond_in_which_its_time_has_passed() {
    drive(1, vec![], |cx| async move {
        let fired = Arc::new(AtomicBool::new(false));
        let heard = fired.clone();
        let other = listen(&cx, move |message| {
            heard.store(message.kind == kind::RESPONSE, Relaxed);
        });
        let other = cx.node().context(other).unwrap();
        // A timer that is made earlier and due one millisecond later. If this thread is held up in between, the sleep
        // may be due later than that, so that one time of many is enough.
        let mut earlier = 0;
        for _ in 0..50 {
            fired.store(false, Relaxed);
            other.timeout(1, Delay::Ms(6));
            cx.sleep(Duration::from_millis(5)).await;
            earlier += usize::from(!fired.load(Relaxed));
            while !fired.load(Relaxed) {
                cx.sleep(Duration::from_millis(1)).await;
            }
        }
        assert!(earlier > 0, "each time a timer of 6 ms came before");
    });
}

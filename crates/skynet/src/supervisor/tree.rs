//! A supervisor at work.

use super::policy::{Decision, Policy};
use super::spec::{Child, Start};
use crate::service::{Cx, Departure, Error, Sleep, Watch, args};
use skynet_kernel::{Handle, kind};
use skynet_wire::seri;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

/// What a child in Lua may take to exit in order.
const SHUTDOWN: Duration = Duration::from_secs(5);
/// What one that was killed may take to come back from its last message.
const LAST_MESSAGE: Duration = Duration::from_secs(5);

/// A child that runs.
struct Life {
    handle: Handle,
    end: Watch,
}

pub(super) struct Tree {
    cx: Cx,
    policy: Policy,
    children: Vec<Child>,
    lives: Vec<Option<Life>>,
    /// Those that are started when the time has passed.
    rounds: Vec<(Sleep, Vec<usize>)>,
    began: Instant,
}

enum Event {
    Ended(usize, Departure),
    Due(Vec<usize>),
}

impl Tree {
    pub(super) fn new(cx: &Cx, policy: Policy, children: Vec<Child>) -> Tree {
        Tree {
            cx: cx.clone(),
            policy,
            lives: children.iter().map(|_| None).collect(),
            children,
            rounds: Vec::new(),
            began: Instant::now(),
        }
    }

    /// The first start.
    pub(super) async fn start_all(&mut self) -> Result<(), Error> {
        for child in 0..self.children.len() {
            if let Err(departure) = self.start(child).await {
                let id = &self.children[child].id;
                let text = format!("supervisor: child '{id}' has ended: {departure}");
                self.stop(self.policy.running()).await;
                return Err(text.into());
            }
        }
        Ok(())
    }

    async fn start(&mut self, child: usize) -> Result<(), Departure> {
        let (handle, end) = match &self.children[child].start {
            Start::Rust(start) => {
                let ready = Arc::new(Ready::default());
                let told = ready.clone();
                let on_start = Box::new(move || told.tell());
                let failed = |error: Error| Departure::Init(error.to_string());
                let handle = start(&self.cx, on_start).map_err(failed)?;
                if let Some(context) = self.cx.node().context(handle) {
                    context.bind(self.cx.handle());
                }
                let mut end = self.cx.watch(handle);
                started(&ready, &mut end).await?;
                (handle, end)
            }
            Start::Lua(words) => {
                let handle = self.launch(words).await?;
                (handle, self.cx.watch(handle))
            }
        };
        self.lives[child] = Some(Life { handle, end });
        self.policy.started(child, self.began.elapsed());
        Ok(())
    }

    /// A Lua service, once its start function has ended.
    async fn launch(&self, words: &[String]) -> Result<Handle, Departure> {
        let failed = |error: Error| Departure::Init(error.to_string());
        let mut request = args!["LAUNCHBOUND", false, "snlua"];
        for word in words {
            request.push(word.as_str().into());
        }
        let answer = self.cx.call(".launcher", request).to();
        let (handle, reason, text): (Option<Handle>, Option<String>, Option<String>) =
            answer.await.map_err(failed)?;
        handle.ok_or_else(|| {
            let reason = reason.as_deref().unwrap_or("exit");
            let text = text.unwrap_or_default();
            Departure::from_words(reason, &text).unwrap_or(Departure::Gone)
        })
    }

    /// Works until the supervisor ends.
    pub(super) async fn run(mut self) {
        loop {
            match self.event().await {
                Event::Ended(child, departure) => {
                    self.lives[child] = None;
                    self.on_end(child, departure).await;
                }
                Event::Due(round) => self.begin(round).await,
            }
        }
    }

    async fn event(&mut self) -> Event {
        poll_fn(|task| {
            for (child, life) in self.lives.iter_mut().enumerate() {
                if let Some(life) = life
                    && let Poll::Ready(departure) = Pin::new(&mut life.end).poll(task)
                {
                    return Poll::Ready(Event::Ended(child, departure));
                }
            }
            let due = self
                .rounds
                .iter_mut()
                .position(|(sleep, _)| Pin::new(sleep).poll(task).is_ready());
            match due {
                Some(at) => Poll::Ready(Event::Due(self.rounds.swap_remove(at).1)),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Starts those of a round, until one fails: that is an end of it.
    async fn begin(&mut self, round: Vec<usize>) {
        for child in round {
            if self.lives[child].is_none()
                && let Err(departure) = self.start(child).await
            {
                return Box::pin(self.on_end(child, departure)).await;
            }
        }
    }

    async fn on_end(&mut self, child: usize, departure: Departure) {
        let what = format!("child '{}' has ended: {departure}", self.children[child].id);
        match self.policy.ended(child, &departure, self.began.elapsed()) {
            Decision::Nothing => {}
            Decision::GiveUp => {
                let text = format!("{what}, and was started again too often");
                self.cx.log(format!(
                    "error: supervisor: {text}; the supervisor and its children end"
                ));
                self.cx.context().set_departure(Departure::Intensity(text));
                self.stop(self.policy.running()).await;
                self.cx.exit();
                std::future::pending::<()>().await;
            }
            Decision::Restart { stop, start, delay } => {
                self.cx.log(format!(
                    "warning: supervisor: {what}; it is started again in {} ms",
                    delay.as_millis()
                ));
                self.stop(stop).await;
                for (_, round) in &mut self.rounds {
                    round.retain(|child| !start.contains(child));
                }
                if delay.is_zero() {
                    self.begin(start).await;
                } else {
                    self.rounds.push((self.cx.sleep(delay), start));
                }
            }
        }
    }

    /// Ends children, one after another, and waits for their ends.
    async fn stop(&mut self, children: Vec<usize>) {
        for child in children {
            let Some(mut life) = self.lives[child].take() else {
                continue;
            };
            if matches!(self.children[child].start, Start::Lua(_)) {
                let exit = seri::pack(&args!["EXIT"]).unwrap_or_default();
                let _ = self.cx.send_raw(life.handle, kind::DEBUG, exit);
                if self.ended_within(&mut life, SHUTDOWN).await {
                    continue;
                }
            }
            self.cx.kill(life.handle);
            if !self.ended_within(&mut life, LAST_MESSAGE).await {
                let id = &self.children[child].id;
                self.cx.log(format!(
                    "error: supervisor: child '{id}' does not come back from its last message"
                ));
            }
        }
    }

    async fn ended_within(&self, life: &mut Life, time: Duration) -> bool {
        let mut over = self.cx.sleep(time);
        poll_fn(|task| {
            if Pin::new(&mut life.end).poll(task).is_ready() {
                return Poll::Ready(true);
            }
            Pin::new(&mut over).poll(task).map(|()| false)
        })
        .await
    }
}

/// Whether an actor has started, and who waits for that.
#[derive(Default)]
struct Ready(Mutex<(bool, Option<Waker>)>);

impl Ready {
    fn state(&self) -> MutexGuard<'_, (bool, Option<Waker>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        let waker = {
            let mut state = self.state();
            state.0 = true;
            state.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Waits until an actor has started, or has ended before.
async fn started(ready: &Ready, end: &mut Watch) -> Result<(), Departure> {
    poll_fn(|task| {
        let mut state = ready.state();
        if state.0 {
            return Poll::Ready(Ok(()));
        }
        state.1 = Some(task.waker().clone());
        drop(state);
        Pin::new(&mut *end).poll(task).map(Err)
    })
    .await
}

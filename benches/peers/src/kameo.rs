//! kameo: an actor is a tokio task, with a mailbox for boxed messages.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use kameo::Actor;
use kameo::actor::{ActorRef, Spawn as _};
use kameo::mailbox;
use kameo::message::{Context, Message};

use crate::{Done, LOT, RING, Shape, wait};

/// Begin, or go on.
struct Go;

/// What a source sends; the last of a lot says who wants to know.
struct Tell(
    #[expect(dead_code, reason = "what is carried")] u64,
    Option<ActorRef<Source>>,
);

#[derive(Actor)]
struct Source {
    sink: ActorRef<Sink>,
    left: u64,
}

impl Message<Go> for Source {
    type Reply = ();

    async fn handle(&mut self, _: Go, cx: &mut Context<Self, ()>) {
        let lot = self.left.min(LOT);
        self.left -= lot;
        for left in (0..lot).rev() {
            let who = (left == 0).then(|| cx.actor_ref().clone());
            let _ = self.sink.tell(Tell(left, who)).await;
        }
    }
}

#[derive(Actor)]
struct Sink {
    left: u64,
    done: Done,
}

impl Message<Tell> for Sink {
    type Reply = ();

    async fn handle(&mut self, tell: Tell, _: &mut Context<Self, ()>) {
        self.left -= 1;
        if let Some(who) = tell.1 {
            let _ = who.tell(Go).await;
        }
        if self.left == 0 {
            self.done.say();
        }
    }
}

struct Ask(u64);

#[derive(Actor)]
struct Callee;

impl Message<Ask> for Callee {
    type Reply = u64;

    async fn handle(&mut self, ask: Ask, _: &mut Context<Self, u64>) -> u64 {
        ask.0
    }
}

#[derive(Actor)]
struct Caller {
    callee: ActorRef<Callee>,
    left: u64,
    done: Done,
}

impl Message<Go> for Caller {
    type Reply = ();

    async fn handle(&mut self, _: Go, _: &mut Context<Self, ()>) {
        for left in 0..self.left {
            let _ = self.callee.ask(Ask(left)).await;
        }
        self.done.say();
    }
}

struct Token(u64);

#[derive(Actor)]
struct Member {
    index: usize,
    all: Arc<OnceLock<Vec<ActorRef<Member>>>>,
    done: Done,
}

impl Message<Token> for Member {
    type Reply = ();

    async fn handle(&mut self, token: Token, _: &mut Context<Self, ()>) {
        if token.0 == 0 {
            self.done.say();
        } else if let Some(all) = self.all.get() {
            let next = &all[(self.index + 1) % all.len()];
            let _ = next.tell(Token(token.0 - 1)).await;
        }
    }
}

fn spawn<A: Actor<Args = A>>(actor: A) -> ActorRef<A> {
    A::spawn_with_mailbox(actor, mailbox::unbounded())
}

pub fn run(shape: Shape, n: u64, threads: usize) -> anyhow::Result<Duration> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()?;
    let (done, finished) = Done::new();
    runtime
        .block_on(async {
            let began;
            let mut parts = 1;
            match shape {
                Shape::Tell { sources } => {
                    let sink = spawn(Sink { left: n, done });
                    let left = n / sources as u64;
                    let make = |_| {
                        spawn(Source {
                            sink: sink.clone(),
                            left,
                        })
                    };
                    let sources: Vec<_> = (0..sources).map(make).collect();
                    began = Instant::now();
                    for source in sources.iter().chain(&sources) {
                        source.tell(Go).await?;
                    }
                }
                Shape::Ask { pairs } => {
                    parts = pairs;
                    let make = |_| {
                        let (left, done) = (n / pairs as u64, done.clone());
                        spawn(Caller {
                            callee: spawn(Callee),
                            left,
                            done,
                        })
                    };
                    let callers: Vec<_> = (0..pairs).map(make).collect();
                    began = Instant::now();
                    for caller in &callers {
                        caller.tell(Go).await?;
                    }
                }
                Shape::Ring => {
                    let all = Arc::new(OnceLock::new());
                    let make = |index| {
                        let (all, done) = (all.clone(), done.clone());
                        spawn(Member { index, all, done })
                    };
                    let members: Vec<_> = (0..RING).map(make).collect();
                    let first = members[0].clone();
                    let _ = all.set(members);
                    began = Instant::now();
                    first.tell(Token(n)).await?;
                }
            }
            anyhow::Ok((began, parts))
        })
        .and_then(|(began, parts)| wait(&finished, parts, began))
}

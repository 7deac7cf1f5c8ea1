//! actix: an actor belongs to a thread (an arbiter), and sends within it or to others.
//!
//! Who goes where is up to the program. Pairs stay together, neighbours in a ring too, sources are spread; that is what
//! was quickest.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use actix::{
    Actor, Addr, Arbiter, AsyncContext as _, Context, Handler, Message, ResponseFuture, System,
};

use crate::{Done, LOT, RING, Shape, wait};

/// Begin, or go on.
#[derive(Message)]
#[rtype(result = "()")]
struct Go;

/// What a source sends; the last of a lot says who wants to know.
#[derive(Message)]
#[rtype(result = "()")]
struct Tell(
    #[expect(dead_code, reason = "what is carried")] u64,
    Option<Addr<Source>>,
);

struct Source {
    sink: Addr<Sink>,
    left: u64,
}

impl Actor for Source {
    type Context = Context<Self>;
}

impl Handler<Go> for Source {
    type Result = ();

    fn handle(&mut self, _: Go, cx: &mut Context<Self>) {
        let lot = self.left.min(LOT);
        self.left -= lot;
        for left in (0..lot).rev() {
            // Goes in however full the mailbox is.
            self.sink
                .do_send(Tell(left, (left == 0).then(|| cx.address())));
        }
    }
}

struct Sink {
    left: u64,
    done: Done,
}

impl Actor for Sink {
    type Context = Context<Self>;
}

impl Handler<Tell> for Sink {
    type Result = ();

    fn handle(&mut self, tell: Tell, _: &mut Context<Self>) {
        self.left -= 1;
        if let Some(who) = tell.1 {
            who.do_send(Go);
        }
        if self.left == 0 {
            self.done.say();
        }
    }
}

#[derive(Message)]
#[rtype(result = "u64")]
struct Ask(u64);

struct Callee;

impl Actor for Callee {
    type Context = Context<Self>;
}

impl Handler<Ask> for Callee {
    type Result = u64;

    fn handle(&mut self, ask: Ask, _: &mut Context<Self>) -> u64 {
        ask.0
    }
}

struct Caller {
    callee: Addr<Callee>,
    left: u64,
    done: Done,
}

impl Actor for Caller {
    type Context = Context<Self>;
}

impl Handler<Go> for Caller {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Go, _: &mut Context<Self>) -> ResponseFuture<()> {
        let (callee, n, done) = (self.callee.clone(), self.left, self.done.clone());
        Box::pin(async move {
            for left in 0..n {
                let _ = callee.send(Ask(left)).await;
            }
            done.say();
        })
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Token(u64);

struct Member {
    index: usize,
    all: Arc<OnceLock<Vec<Addr<Member>>>>,
    done: Done,
}

impl Actor for Member {
    type Context = Context<Self>;
}

impl Handler<Token> for Member {
    type Result = ();

    fn handle(&mut self, token: Token, _: &mut Context<Self>) {
        if token.0 == 0 {
            self.done.say();
        } else if let Some(all) = self.all.get() {
            all[(self.index + 1) % all.len()].do_send(Token(token.0 - 1));
        }
    }
}

pub fn run(shape: Shape, n: u64, threads: usize) -> anyhow::Result<Duration> {
    let system = System::new();
    let (done, finished) = Done::new();
    let took = system.block_on(async move {
        let arbiters: Vec<Arbiter> = (0..threads).map(|_| Arbiter::new()).collect();
        let at = |index: usize| arbiters[index % threads].handle();
        let began;
        let mut parts = 1;
        match shape {
            Shape::Tell { sources } => {
                let sink = Sink::start_in_arbiter(&at(0), move |_| Sink { left: n, done });
                let left = n / sources as u64;
                let make = |index| {
                    let sink = sink.clone();
                    Source::start_in_arbiter(&at(index + 1), move |_| Source { sink, left })
                };
                let sources: Vec<_> = (0..sources).map(make).collect();
                began = Instant::now();
                for source in sources.iter().chain(&sources) {
                    source.do_send(Go);
                }
            }
            Shape::Ask { pairs } => {
                parts = pairs;
                let make = |index| {
                    let callee = Callee::start_in_arbiter(&at(index), |_| Callee);
                    let (left, done) = (n / pairs as u64, done.clone());
                    Caller::start_in_arbiter(&at(index), move |_| Caller { callee, left, done })
                };
                let callers: Vec<_> = (0..pairs).map(make).collect();
                began = Instant::now();
                for caller in &callers {
                    caller.do_send(Go);
                }
            }
            Shape::Ring => {
                let all = Arc::new(OnceLock::new());
                let make = |index| {
                    let (all, done) = (all.clone(), done.clone());
                    let arbiter = at(index * threads / RING);
                    Member::start_in_arbiter(&arbiter, move |_| Member { index, all, done })
                };
                let members: Vec<_> = (0..RING).map(make).collect();
                let first = members[0].clone();
                let _ = all.set(members);
                began = Instant::now();
                first.do_send(Token(n));
            }
        }
        // This thread has nothing else to do: the actors live in the arbiters.
        let took = wait(&finished, parts, began);
        for arbiter in arbiters {
            arbiter.stop();
            let _ = arbiter.join();
        }
        took
    });
    System::current().stop();
    took
}

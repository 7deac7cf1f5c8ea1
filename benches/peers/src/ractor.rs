//! ractor: an actor is a tokio task, with a mailbox for messages of one type.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};

use crate::{Done, LOT, RING, Shape, wait};

/// Begin, or go on.
struct Go;

/// What a source sends; the last of a lot says who wants to know.
struct Tell(
    #[expect(dead_code, reason = "what is carried")] u64,
    Option<ActorRef<Go>>,
);

struct Source;

impl Actor for Source {
    type Msg = Go;
    type State = (ActorRef<Tell>, u64);
    type Arguments = (ActorRef<Tell>, u64);

    async fn pre_start(
        &self,
        _: ActorRef<Go>,
        arguments: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(arguments)
    }

    async fn handle(
        &self,
        me: ActorRef<Go>,
        _: Go,
        (sink, left): &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let lot = LOT.min(*left);
        *left -= lot;
        for left in (0..lot).rev() {
            sink.cast(Tell(left, (left == 0).then(|| me.clone())))?;
        }
        Ok(())
    }
}

struct Sink;

impl Actor for Sink {
    type Msg = Tell;
    type State = (u64, Done);
    type Arguments = (u64, Done);

    async fn pre_start(
        &self,
        _: ActorRef<Tell>,
        arguments: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(arguments)
    }

    async fn handle(
        &self,
        _: ActorRef<Tell>,
        tell: Tell,
        (left, done): &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        *left -= 1;
        if let Some(who) = tell.1 {
            who.cast(Go)?;
        }
        if *left == 0 {
            done.say();
        }
        Ok(())
    }
}

struct Ask(u64, RpcReplyPort<u64>);

struct Callee;

impl Actor for Callee {
    type Msg = Ask;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Ask>, _: ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<Ask>,
        ask: Ask,
        _: &mut (),
    ) -> Result<(), ActorProcessingErr> {
        ask.1.send(ask.0)?;
        Ok(())
    }
}

struct Caller;

impl Actor for Caller {
    type Msg = Go;
    type State = (ActorRef<Ask>, u64, Done);
    type Arguments = (ActorRef<Ask>, u64, Done);

    async fn pre_start(
        &self,
        _: ActorRef<Go>,
        arguments: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(arguments)
    }

    async fn handle(
        &self,
        _: ActorRef<Go>,
        _: Go,
        (callee, n, done): &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        for left in 0..*n {
            callee.call(|port| Ask(left, port), None).await?;
        }
        done.say();
        Ok(())
    }
}

struct Token(u64);

struct Member;

struct Place {
    index: usize,
    all: Arc<OnceLock<Vec<ActorRef<Token>>>>,
    done: Done,
}

impl Actor for Member {
    type Msg = Token;
    type State = Place;
    type Arguments = Place;

    async fn pre_start(
        &self,
        _: ActorRef<Token>,
        place: Place,
    ) -> Result<Place, ActorProcessingErr> {
        Ok(place)
    }

    async fn handle(
        &self,
        _: ActorRef<Token>,
        token: Token,
        place: &mut Place,
    ) -> Result<(), ActorProcessingErr> {
        if token.0 == 0 {
            place.done.say();
        } else if let Some(all) = place.all.get() {
            all[(place.index + 1) % all.len()].cast(Token(token.0 - 1))?;
        }
        Ok(())
    }
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
                    let (sink, _) = Actor::spawn(None, Sink, (n, done)).await?;
                    let mut all = Vec::new();
                    for _ in 0..sources {
                        let arguments = (sink.clone(), n / sources as u64);
                        all.push(Actor::spawn(None, Source, arguments).await?.0);
                    }
                    began = Instant::now();
                    for source in all.iter().chain(&all) {
                        source
                            .cast(Go)
                            .map_err(|error| anyhow::anyhow!("{error}"))?;
                    }
                }
                Shape::Ask { pairs } => {
                    parts = pairs;
                    let mut callers = Vec::new();
                    for _ in 0..pairs {
                        let (callee, _) = Actor::spawn(None, Callee, ()).await?;
                        let arguments = (callee, n / pairs as u64, done.clone());
                        callers.push(Actor::spawn(None, Caller, arguments).await?.0);
                    }
                    began = Instant::now();
                    for caller in &callers {
                        caller
                            .cast(Go)
                            .map_err(|error| anyhow::anyhow!("{error}"))?;
                    }
                }
                Shape::Ring => {
                    let all = Arc::new(OnceLock::new());
                    let mut members = Vec::new();
                    for index in 0..RING {
                        let (all, done) = (all.clone(), done.clone());
                        let place = Place { index, all, done };
                        members.push(Actor::spawn(None, Member, place).await?.0);
                    }
                    let first = members[0].clone();
                    let _ = all.set(members);
                    began = Instant::now();
                    let sent = first.cast(Token(n));
                    sent.map_err(|error| anyhow::anyhow!("{error}"))?;
                }
            }
            anyhow::Ok((began, parts))
        })
        .and_then(|(began, parts)| wait(&finished, parts, began))
}

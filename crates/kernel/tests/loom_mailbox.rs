//! Model of the mailbox: senders, the worker's turns and retirement, in every interleaving.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p skynet-kernel --release --test loom_mailbox`
#![cfg(loom)]

use std::collections::VecDeque;

use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::sync::{Arc, Mutex};
use loom::thread;
use skynet_kernel::internals::{Body, Borrowed, Mailbox, Pushed, Refusal, Step};
use skynet_kernel::{Handle, Message, Payload, kind};

#[derive(Default)]
struct Actor {
    batch: VecDeque<Message>,
    /// Sessions handled, in order.
    handled: Vec<i32>,
}

impl Body for Actor {
    type Card = ();
    fn batch(&mut self) -> &mut VecDeque<Message> {
        &mut self.batch
    }
}

const ME: Handle = Handle(7);

/// A mailbox with a run queue of its own, which must never hold the mailbox twice.
struct World {
    mailbox: Mailbox<Actor>,
    queued: AtomicUsize,
    /// Handled and unhandled sessions after the end.
    end: Mutex<Option<(Vec<i32>, Vec<i32>)>>,
}

impl World {
    fn new() -> Arc<World> {
        let world = World {
            mailbox: Mailbox::default(),
            queued: AtomicUsize::new(0),
            end: Mutex::new(None),
        };
        world.mailbox.open(ME, (), None);
        Arc::new(world)
    }

    fn schedule(&self) {
        assert_eq!(self.queued.fetch_add(1, Relaxed), 0, "scheduled twice");
    }

    fn send(&self, session: i32) -> Result<(), Refusal> {
        let message = Message::new(kind::LUA, Handle::NONE, session, Payload::EMPTY);
        let Pushed { schedule, .. } = self.mailbox.push(ME, |place| *place = message, || false)?;
        if schedule {
            self.schedule();
        }
        Ok(())
    }

    /// Runs one turn of at most `budget` messages if the mailbox is in the run queue.
    fn work(&self, budget: usize) {
        if self.queued.compare_exchange(1, 0, Relaxed, Relaxed).is_ok() {
            self.turn(budget);
        }
    }

    /// Runs one turn of at most `budget` messages, if there is one to be had: the caller took the mailbox from the run
    /// queue, perhaps not alone.
    fn turn(&self, mut budget: usize) {
        let mut turn = self.mailbox.begin();
        loop {
            match turn {
                Step::Run(mut actor) | Step::Overloaded(mut actor) => {
                    while budget > 0 {
                        let Some(message) = actor.batch.pop_front() else {
                            break;
                        };
                        actor.handled.push(message.session);
                        budget -= 1;
                    }
                    turn = self.mailbox.end_turn(actor, budget > 0);
                }
                Step::Finish(actor) => {
                    let left = actor.batch.iter().map(|m| m.session);
                    let left = left
                        .chain(self.mailbox.remains().iter().map(|m| m.session))
                        .collect();
                    let previous = self.end.lock().unwrap().replace((actor.handled, left));
                    assert!(previous.is_none(), "finished twice");
                    self.mailbox.clear();
                    return;
                }
                Step::Shrink(actor) => turn = self.mailbox.end_turn(actor, budget > 0),
                Step::Idle => return,
                Step::Requeue => return self.schedule(),
            }
        }
    }

    /// Looks at the actor, if it is to be had.
    fn look(&self) -> bool {
        let Borrowed::Lent(actor) = self.mailbox.borrow(ME) else {
            return false;
        };
        if self.mailbox.give_back(actor) {
            self.schedule();
        }
        true
    }

    /// Works until there is nothing left to do, then retires the actor and says what it has handled.
    fn finish(&self) -> (Vec<i32>, Vec<i32>) {
        while self.queued.load(Relaxed) > 0 {
            self.work(1);
        }
        assert_eq!(self.mailbox.waiting(), 0, "an idle mailbox with messages");
        if self.mailbox.retire(ME, false) == Some(true) {
            self.schedule();
        }
        self.work(1);
        self.end
            .lock()
            .unwrap()
            .take()
            .expect("a retired actor is finished")
    }
}

#[test]
fn nothing_is_lost_and_order_is_kept() {
    loom::model(|| {
        let world = World::new();
        assert!(!world.mailbox.start(Box::default()));
        let sender = thread::spawn({
            let world = world.clone();
            move || {
                world.send(1).unwrap();
                world.send(2).unwrap();
            }
        });
        let worker = thread::spawn({
            let world = world.clone();
            move || {
                world.work(1);
                world.work(2);
            }
        });
        world.send(10).unwrap();
        sender.join().unwrap();
        worker.join().unwrap();
        let (handled, left) = world.finish();
        assert!(left.is_empty());
        assert_eq!(handled.len(), 3);
        assert_eq!(
            handled.iter().filter(|&&s| s < 10).collect::<Vec<_>>(),
            [&1, &2]
        );
    });
}

#[test]
fn messages_during_the_launch_are_kept() {
    loom::model(|| {
        let world = World::new();
        let sender = thread::spawn({
            let world = world.clone();
            move || world.send(1).unwrap()
        });
        if world.mailbox.start(Box::default()) {
            world.schedule();
        }
        sender.join().unwrap();
        assert_eq!(world.finish(), (vec![1], vec![]));
    });
}

#[test]
fn every_accepted_message_is_handled_or_left_over_when_retired() {
    loom::model(|| {
        let world = World::new();
        world.mailbox.start(Box::default());
        let sender = thread::spawn({
            let world = world.clone();
            move || {
                (1..3)
                    .filter(|&session| world.send(session).is_ok())
                    .collect::<Vec<i32>>()
            }
        });
        let killer = thread::spawn({
            let world = world.clone();
            move || {
                if world.mailbox.retire(ME, false) == Some(true) {
                    world.schedule();
                }
            }
        });
        world.work(1);
        let accepted = sender.join().unwrap();
        killer.join().unwrap();
        world.work(1);
        let (mut seen, left) = world.end.lock().unwrap().take().expect("finished");
        seen.extend(left);
        assert_eq!(seen, accepted);
        assert_eq!(world.send(3), Err(Refusal::Gone));
    });
}

#[test]
fn a_draining_mailbox_handles_what_it_has() {
    loom::model(|| {
        let world = World::new();
        world.mailbox.start(Box::default());
        world.send(1).unwrap();
        let worker = thread::spawn({
            let world = world.clone();
            move || world.work(2)
        });
        let accepted = if world.send(2).is_ok() {
            vec![1, 2]
        } else {
            vec![1]
        };
        if world.mailbox.retire(ME, true) == Some(true) {
            world.schedule();
        }
        worker.join().unwrap();
        world.work(9);
        assert_eq!(world.end.lock().unwrap().take(), Some((accepted, vec![])));
    });
}

/// A sender that still holds the address of a recycled mailbox does not reach the new owner.
#[test]
fn a_recycled_mailbox_refuses_the_old_handle() {
    loom::model(|| {
        let world = World::new();
        world.mailbox.start(Box::default());
        let sender = thread::spawn({
            let world = world.clone();
            move || world.send(1).is_ok()
        });
        if world.mailbox.retire(ME, false) == Some(true) {
            world.schedule();
        }
        let left = loop {
            // The sender may have made the mailbox runnable without having queued it yet.
            world.work(1);
            if let Some((_, left)) = world.end.lock().unwrap().take() {
                break left;
            }
            thread::yield_now();
        };
        world.mailbox.open(Handle(8), (), None);
        assert!(!world.mailbox.start(Box::default()));
        let sent = sender.join().unwrap();
        assert_eq!(left, if sent { vec![1] } else { vec![] });
        assert_eq!(world.mailbox.waiting(), 0);
    });
}

/// Somebody looks at the actor between its turns: idle, in the run queue, taken from there meanwhile.
#[test]
fn a_look_loses_nothing() {
    loom::model(|| {
        let world = World::new();
        assert!(!world.mailbox.start(Box::default()));
        let sender = thread::spawn({
            let world = world.clone();
            move || {
                world.send(1).unwrap();
                world.send(2).unwrap();
            }
        });
        let worker = thread::spawn({
            let world = world.clone();
            move || world.work(1)
        });
        world.look();
        sender.join().unwrap();
        worker.join().unwrap();
        assert!(world.look());
        assert_eq!(world.finish(), (vec![1, 2], vec![]));
    });
}

/// The actor is retired while somebody looks at it.
#[test]
fn a_look_at_the_dying() {
    loom::model(|| {
        let world = World::new();
        world.mailbox.start(Box::default());
        world.send(1).unwrap();
        let killer = thread::spawn({
            let world = world.clone();
            move || {
                if world.mailbox.retire(ME, false) == Some(true) {
                    world.schedule();
                }
            }
        });
        let worker = thread::spawn({
            let world = world.clone();
            move || world.work(1)
        });
        world.look();
        killer.join().unwrap();
        worker.join().unwrap();
        world.work(1);
        let (mut seen, left) = world.end.lock().unwrap().take().expect("finished");
        seen.extend(left);
        assert_eq!(seen, [1]);
        assert!(!world.look());
    });
}

/// A robbed slot may give the mailbox to two workers. Meanwhile it may even be scheduled again.
#[test]
fn of_two_who_took_the_mailbox_one_has_the_turn() {
    loom::model(|| {
        let world = World::new();
        assert!(!world.mailbox.start(Box::default()));
        world.send(1).unwrap();
        world.queued.store(0, Relaxed);
        let robber = thread::spawn({
            let world = world.clone();
            move || world.turn(2)
        });
        let sender = thread::spawn({
            let world = world.clone();
            move || world.send(2).unwrap()
        });
        world.turn(2);
        robber.join().unwrap();
        sender.join().unwrap();
        assert_eq!(world.finish(), (vec![1, 2], vec![]));
    });
}

/// The same while somebody looks at the actor.
#[test]
fn a_late_turn_of_a_lent_actor_leaves_it_to_the_borrower() {
    loom::model(|| {
        let world = World::new();
        assert!(!world.mailbox.start(Box::default()));
        world.send(1).unwrap();
        world.queued.store(0, Relaxed);
        let robber = thread::spawn({
            let world = world.clone();
            move || world.turn(1)
        });
        let looker = thread::spawn({
            let world = world.clone();
            move || world.look()
        });
        world.turn(1);
        robber.join().unwrap();
        looker.join().unwrap();
        assert_eq!(world.finish(), (vec![1], vec![]));
    });
}

//! Model of the handle table: a look-up while services come and go, in every interleaving.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p skynet-kernel --release --test loom_registry`
#![cfg(loom)]

use std::collections::VecDeque;
use std::ptr::NonNull;

use loom::sync::Arc;
use loom::thread;
use skynet_kernel::internals::{Body, Mailbox, Registry};
use skynet_kernel::{Handle, Message, Payload, kind};

struct Nobody(VecDeque<Message>);

impl Body for Nobody {
    type Card = ();
    fn batch(&mut self) -> &mut VecDeque<Message> {
        &mut self.0
    }
}

fn come(registry: &Registry<Nobody>) -> Handle {
    let open = |handle, mailbox: &Mailbox<Nobody>| mailbox.open(handle, (), None);
    registry.allocate(open).unwrap().0
}

/// Ends a service, and keeps its mailbox from being used again: the next one gets a new mailbox. Returns the messages
/// that are left.
fn go(registry: &Registry<Nobody>, handle: Handle) -> usize {
    let mailbox = registry.remove(handle).unwrap();
    mailbox.retire(handle, false);
    let left = mailbox.remains().len();
    mailbox.clear();
    left
}

fn send(registry: &Registry<Nobody>, to: Handle) -> bool {
    let message = Message::new(kind::LUA, Handle::NONE, 1, Payload::EMPTY);
    registry
        .find(to)
        .is_some_and(|mailbox| mailbox.push(to, |place| *place = message, || true).is_ok())
}

/// The sender's look-up may meet the handle of the old service beside the new one's mailbox, which it has to see as it
/// was made.
#[test]
fn a_look_up_while_its_place_gets_another_mailbox() {
    loom::model(|| {
        let registry = Arc::new(Registry::new(0));
        let first = come(&registry);
        // Number 5 is the next one that falls on the place of number 1, of four.
        for _ in 0..3 {
            let handle = come(&registry);
            go(&registry, handle);
        }
        let other = registry.clone();
        let changes = thread::spawn(move || {
            let left = go(&other, first);
            (left, come(&other))
        });
        let accepted = send(&registry, first);
        let (left, second) = changes.join().unwrap();
        assert_eq!(second, Handle(5));
        assert_eq!(left, usize::from(accepted), "lost, or in another's mailbox");
        assert!(registry.find(first).is_none());
        assert_eq!(go(&registry, second), 0);
    });
}

/// A mailbox is used again while somebody still means the service before.
#[test]
fn a_look_up_while_its_mailbox_is_used_again() {
    loom::model(|| {
        let registry = Arc::new(Registry::new(0));
        let first = come(&registry);
        let other = registry.clone();
        let changes = thread::spawn(move || {
            let mailbox = NonNull::from(other.find(first).unwrap());
            let left = go(&other, first);
            other.recycle(mailbox);
            (left, come(&other))
        });
        let accepted = send(&registry, first);
        let (left, second) = changes.join().unwrap();
        assert_eq!(left, usize::from(accepted));
        assert_eq!(go(&registry, second), 0);
    });
}

/// The table grows while somebody sends to a service that stays, and to one that comes.
#[test]
fn a_look_up_while_the_table_grows() {
    loom::model(|| {
        let registry = Arc::new(Registry::new(0));
        let stays = come(&registry);
        let next = Handle(stays.0 + 1);
        let other = registry.clone();
        let changes = thread::spawn(move || {
            for _ in 0..2 {
                come(&other);
            }
        });
        let early = send(&registry, next);
        assert!(send(&registry, stays));
        changes.join().unwrap();
        assert!(send(&registry, next));
        assert_eq!(go(&registry, stays), 1);
        assert_eq!(go(&registry, next), 1 + usize::from(early));
    });
}

//! Reactors: they wait for the system, and deal with what it reports.
//!
//! A reactor is a [`Poller`]: idle workers wait in it, and if all are busy for long, a thread of its own does
//! (the kernel's `post.rs` tells who and when). It sleeps until a descriptor of one of its sockets becomes ready,
//! a socket is to be looked at (`deadlines.rs`), or somebody interrupts.
//!
//! Edges come once, so a socket must be dealt with until the system has nothing more. A socket that
//! has a lot is left after a few reads, so that others get their turn; the reactor remembers it and
//! does not sleep before it is done (`Pass::Again`).
//!
//! # Few wake-ups
//! A worker that reads an event runs the service that it is for, and no other thread is woken. What goes to several
//! services is shared with a sibling, and the events of a round are handed over together (`outbox.rs`). If answers use
//! to come within microseconds, the worker looks for them a few times before it sleeps (`eager.rs`).

use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use mio::{Events, Poll, Token};
use skynet_kernel::{Node, Poller, Wait, lock};

use crate::defer::Deferred;
use crate::eager::{self, Eagerness};
use crate::engine::Engine;
use crate::error::text;
use crate::input::{Buffers, stream};
use crate::io::Io;
use crate::ready::{Pass, Ready};
use crate::secure;
use crate::socket::State;

/// The token of an interruption; ids have 31 bits.
pub(crate) const WAKE: Token = Token(usize::MAX);

/// Sockets after which the services get what there is for them.
const DELIVER_EVERY: usize = 16;
/// Events taken from the system at once.
const EVENTS: usize = 1024;
/// Time between two attempts, if the system does not even let us wait.
const PAUSE: Duration = Duration::from_millis(100);

pub(crate) struct Reactor {
    engine: Arc<Engine>,
    /// Its number.
    index: usize,
    /// Only whoever holds the post uses it.
    inner: Mutex<Inner>,
}

struct Inner {
    poll: Poll,
    events: Events,
    buffers: Buffers,
    again: Vec<Ready>,
    deferred: Deferred,
    eagerness: Eagerness,
}

impl Reactor {
    pub(crate) fn new(engine: Arc<Engine>, index: usize, poll: Poll) -> Reactor {
        Reactor {
            engine,
            index,
            inner: Mutex::new(Inner {
                poll,
                events: Events::with_capacity(EVENTS),
                buffers: Buffers::default(),
                again: Vec::new(),
                deferred: Deferred::default(),
                eagerness: Eagerness::default(),
            }),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }
}

impl Poller for Reactor {
    fn wait(&self, wait: Wait) -> bool {
        if self.engine.stopped.load(Relaxed) {
            return false;
        }
        let mut inner = self.inner();
        let inner = &mut *inner;
        let timeout = match wait {
            Wait::Glance => Some(Duration::ZERO),
            Wait::Sleep | Wait::Quiet => inner.timeout(&self.engine, self.index),
        };
        let sleeps = timeout != Some(Duration::ZERO);
        let outcome = match wait {
            Wait::Quiet if sleeps => eager::wait(&mut inner.eagerness, |look| {
                inner.poll.poll(&mut inner.events, look.or(timeout))?;
                Ok(!inner.events.is_empty())
            }),
            _ => inner.poll.poll(&mut inner.events, timeout),
        };
        if let Err(error) = outcome {
            inner.events.clear();
            if error.kind() != io::ErrorKind::Interrupted {
                let text = format!("socket-server error: poll: {}", text(&error));
                self.engine.log(&text);
                thread::sleep(PAUSE);
            }
        }
        let mut events = inner.events.iter();
        events.any(|event| event.token() != WAKE)
            || !inner.again.is_empty()
            || self.engine.deadlines[self.index].is_due()
            || self.engine.flow.has_relieved(self.index)
    }

    fn deal(&self) -> bool {
        if self.engine.stopped.load(Relaxed) {
            return false;
        }
        let Some(node) = self.engine.node.upgrade() else {
            return false;
        };
        let mut inner = self.inner();
        inner.round(&node, &self.engine, self.index);
        !inner.again.is_empty()
    }

    fn interrupt(&self) {
        // A reactor that cannot be woken must not sleep.
        let _ = self.engine.wakers[self.index].wake();
    }
}

impl Inner {
    /// Deals with everything that is due.
    fn round(&mut self, node: &Node, engine: &Engine, index: usize) {
        let outbox = &engine.outboxes[index];
        outbox.open();
        let again = std::mem::take(&mut self.again);
        let released = self.deferred.released(&engine.flow, index);
        let slots = &engine.slots;
        let released = released
            .into_iter()
            .filter_map(|id| slots.lock(id)?.deferred.take());
        let due = due(engine, index);
        let events = self.events.iter().filter(|event| event.token() != WAKE);
        let ready: Vec<_> = events
            .map(Ready::new)
            .chain(again)
            .chain(due)
            .chain(released)
            .collect();
        let mut wake = false;
        for (count, &ready) in ready.iter().enumerate() {
            if count % DELIVER_EVERY == DELIVER_EVERY - 1 {
                wake |= outbox.deliver(node, &engine.flow, false);
            }
            self.handle(engine, ready);
        }
        wake |= outbox.deliver(node, &engine.flow, true);
        if wake {
            engine.wake();
        }
    }

    /// How long there is nothing to do but to wait for the system.
    fn timeout(&self, engine: &Engine, index: usize) -> Option<Duration> {
        match self.again.is_empty() {
            true => engine.deadlines[index].timeout(),
            false => Some(Duration::ZERO),
        }
    }

    fn handle(&mut self, engine: &Engine, mut ready: Ready) {
        let Some(mut socket) = engine.slots.lock(ready.id) else {
            return;
        };
        if socket.state == State::Connecting {
            if !(ready.output || ready.error || ready.hangup) {
                return;
            }
            engine.finish_connect(socket);
            let Some(again) = engine.slots.lock(ready.id) else {
                return;
            };
            socket = again;
            if socket.state == State::Connecting {
                return;
            }
        }
        let waited = socket.deferred.take();
        if let Some(deferred) = waited {
            ready.add(deferred);
        }
        if (ready.input || ready.finished) && !socket.reading {
            socket.missed = true;
        }
        if let Some(service) = engine.defer(&mut socket, &ready) {
            if waited.is_none() {
                self.deferred.add(service, socket.id);
            }
            // The owner gets the input that has come before it hears that writing failed.
            if ready.output && !ready.error && !ready.hangup {
                engine.flush(socket);
            }
            return;
        }
        let pass = match socket.state {
            State::Listen if socket.reading => engine.accept(socket),
            State::Listen => Pass::Done,
            _ => match socket.io {
                Io::Udp(_) if socket.reading => engine.receive(socket, &mut self.buffers.other),
                Io::Secure(_) => secure::stream(engine, socket, &mut ready, &mut self.buffers),
                _ => stream(engine, socket, &mut ready, &mut self.buffers),
            },
        };
        match pass {
            Pass::Done => {}
            Pass::Again => self.again.push(ready),
        }
    }
}

/// Deals with sockets that are to be looked at now; listeners among them are to be tried again.
fn due(engine: &Engine, index: usize) -> Vec<Ready> {
    let mut listeners = Vec::new();
    for id in engine.deadlines[index].take_due() {
        match engine.slots.lock(id) {
            Some(socket) if socket.state == State::Listen => listeners.push(Ready {
                id,
                input: true,
                output: false,
                finished: false,
                error: false,
                hangup: false,
            }),
            Some(socket) => engine.deadline(socket),
            None => {}
        }
    }
    listeners
}

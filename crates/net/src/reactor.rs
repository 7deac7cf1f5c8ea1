//! Reactors: they wait for the system, and deal with what it reports.
//!
//! A reactor is a [`Poller`]: idle workers wait in it, and if all are busy for long, a thread of its own does
//! (the kernel's `post.rs` tells who and when). It sleeps until a descriptor of one of its sockets becomes ready,
//! a starved listener is due, or somebody interrupts. What is ready is read into one block per
//! reactor. Little is copied into a message of its size; much becomes the message, and the reactor takes another block.
//!
//! Edges come once, so a socket must be dealt with until the system has nothing more. A socket that
//! has a lot is left after a few reads, so that others get their turn; the reactor remembers it and
//! does not sleep before it is done (`Pass::Again`).
//!
//! # Few wake-ups
//! A worker that reads an event runs the service that it is for, and no other thread is woken. What goes to several services
//! is shared with a sibling, and the events of a round are handed over together (`outbox.rs`). If answers use to come
//! within microseconds, the worker looks for them a few times before it sleeps (`eager.rs`).

use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Poll, Token};
use skynet_kernel::{GrowingPayload, Handle, Message, Node, Poller, Wait};

use crate::SocketId;
use crate::eager::{self, Eagerness};
use crate::engine::Engine;
use crate::error::text;
use crate::event::{self, EventKind};
use crate::fill::Got;
use crate::flow::Held;
use crate::io::Io;
use crate::slots::Entry;
use crate::socket::{Socket, State};

/// The token of an interruption; ids have 31 bits.
pub(crate) const WAKE: Token = Token(usize::MAX);

/// Bytes of one read, and of one message at most. Somewhat more than the usual block, or the largest
/// frame of a gate, so that a read of one is short: it needs no second one to see that nothing is left.
const READ: usize = 68 * 1024;
/// Bytes of a read from which on the block becomes the message. Less would make a message take more than twice its size.
const WHOLE: usize = READ / 2;
/// Reads of one socket in one go.
const READS: usize = 4;
/// Sockets after which the services get what there is for them.
const DELIVER_EVERY: usize = 16;
/// Events taken from the system at once.
const EVENTS: usize = 1024;
/// Time between two attempts, if the system does not even let us wait.
const PAUSE: Duration = Duration::from_millis(100);

/// How one go at a socket ended.
pub(crate) enum Pass {
    /// Nothing more until the next edge.
    Done,
    /// There may be more.
    Again,
    /// To be tried again then.
    Later(Instant),
}

/// What the system says about a socket.
#[derive(Clone, Copy)]
pub(crate) struct Ready {
    id: SocketId,
    input: bool,
    output: bool,
    /// The peer will not send any more: after the last bytes comes the end.
    finished: bool,
    /// An error is kept for the socket.
    error: bool,
    /// Nothing works any more, in either direction.
    hangup: bool,
}

impl Ready {
    fn new(event: &Event) -> Ready {
        let (read_closed, write_closed) = (event.is_read_closed(), event.is_write_closed());
        Ready {
            id: event.token().0 as SocketId,
            input: event.is_readable(),
            output: event.is_writable(),
            finished: read_closed,
            error: event.is_error(),
            hangup: read_closed && write_closed,
        }
    }

    fn add(&mut self, other: Ready) {
        self.input |= other.input;
        self.output |= other.output;
        self.finished |= other.finished;
        self.error |= other.error;
        self.hangup |= other.hangup;
    }
}

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
    later: Vec<(Instant, SocketId)>,
    held: Held,
    eagerness: Eagerness,
}

/// Where is read to.
struct Buffers {
    /// Of connections. Empty between two reads.
    block: GrowingPayload,
    /// Of anything else.
    other: Box<[u8]>,
}

impl Reactor {
    pub(crate) fn new(engine: Arc<Engine>, index: usize, poll: Poll) -> Reactor {
        Reactor {
            engine,
            index,
            inner: Mutex::new(Inner {
                poll,
                events: Events::with_capacity(EVENTS),
                buffers: Buffers {
                    block: GrowingPayload::new(),
                    other: vec![0; READ].into_boxed_slice(),
                },
                again: Vec::new(),
                later: Vec::new(),
                held: Held::default(),
                eagerness: Eagerness::default(),
            }),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
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
            Wait::Sleep | Wait::Quiet => inner.timeout(),
        };
        let outcome = match (wait, timeout) {
            (Wait::Quiet, None) => eager::wait(&mut inner.eagerness, |timeout| {
                inner.poll.poll(&mut inner.events, timeout)?;
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
            || inner.is_due()
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
        // A reactor that can't be woken does not sleep either.
        let _ = self.engine.wakers[self.index].wake();
    }
}

impl Inner {
    /// Deals with everything that is due.
    fn round(&mut self, node: &Node, engine: &Engine, index: usize) {
        let outbox = &engine.outboxes[index];
        outbox.open();
        let again = std::mem::take(&mut self.again);
        let released = self.held.released(&engine.flow, index);
        let slots = &engine.slots;
        let released = released
            .into_iter()
            .filter_map(|id| slots.lock(id)?.held.take());
        let starved = self.starved();
        let events = self.events.iter().filter(|event| event.token() != WAKE);
        let ready: Vec<_> = events
            .map(Ready::new)
            .chain(again)
            .chain(starved)
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

    fn timeout(&self) -> Option<Duration> {
        if !self.again.is_empty() {
            return Some(Duration::ZERO);
        }
        let next = self.later.iter().map(|&(at, _)| at).min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    /// Is there something to do besides the events?
    fn is_due(&self) -> bool {
        !self.again.is_empty()
            || !self.later.is_empty() && {
                let now = Instant::now();
                self.later.iter().any(|&(at, _)| at <= now)
            }
    }

    /// Listeners that are to be tried again now.
    fn starved(&mut self) -> Vec<Ready> {
        if self.later.is_empty() {
            return Vec::new();
        }
        let now = Instant::now();
        let due = self.later.extract_if(.., |&mut (at, _)| at <= now);
        due.map(|(_, id)| Ready {
            id,
            input: true,
            output: false,
            finished: false,
            error: false,
            hangup: false,
        })
        .collect()
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
        let waited = socket.held.take();
        if let Some(held) = waited {
            ready.add(held);
        }
        if (ready.input || ready.finished) && !socket.reading {
            socket.missed = true;
        }
        if let Some(service) = hold(engine, &mut socket, &ready) {
            if waited.is_none() {
                self.held.add(service, socket.id);
            }
            // That writing fails is not to be heard before what came in.
            if ready.output && !ready.error && !ready.hangup {
                engine.flush(socket);
            }
            return;
        }
        let pass = match socket.state {
            State::Listen if socket.reading => engine.accept(socket),
            State::Listen => Pass::Done,
            _ if socket.is_udp() && socket.reading => {
                engine.receive(socket, &mut self.buffers.other)
            }
            _ => stream(engine, socket, &mut ready, &mut self.buffers),
        };
        match pass {
            Pass::Done => {}
            Pass::Again => self.again.push(ready),
            Pass::Later(at) => self.later.push((at, ready.id)),
        }
    }
}

/// Which service does it have to wait for? Then it keeps what has been said of its input.
#[inline]
fn hold(engine: &Engine, socket: &mut Socket, ready: &Ready) -> Option<Handle> {
    let input = ready.input || ready.finished || ready.error || ready.hangup;
    if !input || !socket.reading || socket.state == State::Listen {
        return None;
    }
    let service = if engine.flow.is_congested(socket.owner) {
        socket.owner
    } else if !socket.feeds.is_none() && engine.is_fed_up(socket.feeds) {
        socket.feeds
    } else {
        return None;
    };
    socket.held = Some(Ready {
        output: false,
        ..*ready
    });
    Some(service)
}

/// Reads, then writes, then sees to what has gone wrong.
fn stream(
    engine: &Engine,
    mut socket: Entry<'_>,
    ready: &mut Ready,
    buffers: &mut Buffers,
) -> Pass {
    let mut told = false;
    if socket.reading && (ready.input || ready.finished) {
        match read(engine, &mut socket, ready, buffers) {
            Input::Empty => {}
            Input::More => {
                if ready.output {
                    ready.output = false;
                    engine.flush(socket);
                }
                return Pass::Again;
            }
            Input::End => {
                socket.reading = false;
                if socket.state == State::HalfWrite {
                    engine.destroy_and_tell(socket);
                    return Pass::Done;
                }
                socket.state = State::HalfRead;
                engine.tell_close(&mut socket);
            }
            Input::Failed(error) => {
                engine.tell(&socket, EventKind::Error, 0, &text(&error));
                told = true;
            }
        }
    }
    if ready.error
        && !told
        && let Some(error) = socket.io.take_error()
    {
        engine.tell(&socket, EventKind::Error, 0, &text(&error));
    }
    if ready.hangup {
        engine.destroy_and_tell(socket);
    } else if ready.output {
        engine.flush(socket);
    }
    Pass::Done
}

/// Reads once into the block that the owner has given.
fn fill(engine: &Engine, socket: &mut Socket) -> io::Result<Got> {
    let Some(fill) = &mut socket.fill else {
        return Err(io::ErrorKind::NotFound.into());
    };
    let io = &socket.io;
    let mut got = fill.read(|block, pieces| io.read_between(block, pieces))?;
    socket.read += got.n as u64;
    if let Some(rest) = got.rest.take()
        && let Some(fill) = socket.fill.take()
    {
        let (block, taken) = fill.finish();
        let message = event::message_around(EventKind::Filled, socket.id, taken, block);
        engine.emit(socket.owner, socket.id, message);
        if !rest.is_empty() {
            let len = rest.len() as i32;
            let message = event::message(EventKind::Data, socket.id, len, [&rest, &[]]);
            engine.emit(socket.owner, socket.id, message);
        }
    }
    Ok(got)
}

impl Buffers {
    /// Reads once: how many bytes, and the message that has them. `None`: the peer has finished.
    #[inline]
    fn read(&mut self, socket: &Socket) -> io::Result<Option<(usize, Message)>> {
        if !matches!(socket.io, Io::Tcp(_)) {
            let n = socket.io.read(&mut self.other)?;
            let data = [&self.other[..n], &[]];
            let message = event::message(EventKind::Data, socket.id, n as i32, data);
            return Ok((n > 0).then_some((n, message)));
        }
        let block = &mut self.block;
        block.reserve_total(READ + event::TRAILER);
        let n = socket.io.read_into(block, READ)?;
        if n >= WHOLE {
            let block = std::mem::take(block);
            let message = event::message_around(EventKind::Data, socket.id, n, block);
            return Ok(Some((n, message)));
        }
        let data = [block.as_slice(), &[]];
        let message = event::message(EventKind::Data, socket.id, n as i32, data);
        block.truncate(0);
        Ok((n > 0).then_some((n, message)))
    }
}

/// What reading came to.
enum Input {
    /// The system has nothing more for now.
    Empty,
    /// Others should have their turn.
    More,
    /// The peer has finished.
    End,
    Failed(io::Error),
}

fn read(engine: &Engine, socket: &mut Socket, ready: &Ready, buffers: &mut Buffers) -> Input {
    // A short read has emptied a TCP socket, unless the end was announced; a terminal gives one
    // line at a time.
    let short_is_empty = !ready.finished && matches!(socket.io, Io::Tcp(_));
    let mut reads = 0;
    let outcome = loop {
        if socket.fill.is_some() {
            match fill(engine, socket) {
                Ok(Got { n: 0, .. }) => break Input::End,
                Ok(got) => {
                    // It is several reads' worth.
                    reads += READS / 2;
                    if got.short && short_is_empty {
                        break Input::Empty;
                    }
                    if reads >= READS {
                        break Input::More;
                    }
                    continue;
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => break Input::Empty,
                    io::ErrorKind::Interrupted => continue,
                    _ => break Input::Failed(error),
                },
            }
        }
        match buffers.read(socket) {
            Ok(None) => break Input::End,
            Ok(Some((n, message))) => {
                socket.read += n as u64;
                engine.emit(socket.owner, socket.id, message);
                reads += 1;
                if n < READ && short_is_empty {
                    break Input::Empty;
                }
                if reads >= READS {
                    break Input::More;
                }
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => break Input::Empty,
                io::ErrorKind::Interrupted => {}
                _ => break Input::Failed(error),
            },
        }
    };
    if reads > 0 {
        socket.rtime = engine.now_cs();
    }
    outcome
}

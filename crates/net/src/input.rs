//! The way of bytes in, and what follows from what the system says about a stream.
//!
//! What is ready is read into one block per reactor. Little is copied into a message of its size; much becomes the
//! message, and the reactor takes another block. A socket that has a lot is left after a few reads, so that others get
//! their turn.

use std::io;

use skynet_kernel::{GrowingPayload, Message};

use crate::engine::Engine;
use crate::error::text;
use crate::event::{self, EventKind};
use crate::fill::Got;
use crate::io::Io;
use crate::ready::{Pass, Ready};
use crate::slots::Entry;
use crate::socket::{Socket, State};

/// Bytes of one read, and of one message at most. Somewhat more than the usual block, or the largest
/// frame of a gate, so that a read of one is short: it needs no second one to see that nothing is left.
pub(crate) const READ: usize = 68 * 1024;
/// Bytes of a read from which on the block becomes the message. Less would make a message take more than twice its
/// size.
const WHOLE: usize = READ / 2;
/// Reads of one socket in one go.
pub(crate) const READS: usize = 4;
/// Where is read to.
pub(crate) struct Buffers {
    /// Of connections. Empty between two reads.
    block: GrowingPayload,
    /// Of anything else.
    pub(crate) other: Box<[u8]>,
    /// What has been decrypted.
    pub(crate) plain: Vec<u8>,
}

impl Default for Buffers {
    fn default() -> Buffers {
        Buffers {
            block: GrowingPayload::new(),
            other: vec![0; READ].into_boxed_slice(),
            plain: Vec::new(),
        }
    }
}

/// Reads, then writes, then sees to what has gone wrong.
pub(crate) fn stream(
    engine: &Engine,
    mut socket: Entry<'_>,
    ready: &mut Ready,
    buffers: &mut Buffers,
) -> Pass {
    let mut told = false;
    if socket.lingers {
        return engine.forget_input(socket, ready, &mut buffers.other);
    }
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

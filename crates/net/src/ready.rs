//! What the system says about a socket, and how dealing with it ended.

use mio::event::Event;

use crate::SocketId;

/// What the system says about a socket.
#[derive(Clone, Copy)]
pub(crate) struct Ready {
    pub(crate) id: SocketId,
    pub(crate) input: bool,
    pub(crate) output: bool,
    /// The peer will not send any more: after the last bytes comes the end.
    pub(crate) finished: bool,
    /// An error is kept for the socket.
    pub(crate) error: bool,
    /// Nothing works any more, in either direction.
    pub(crate) hangup: bool,
}

impl Ready {
    pub(crate) fn new(event: &Event) -> Ready {
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

    pub(crate) fn add(&mut self, other: Ready) {
        self.input |= other.input;
        self.output |= other.output;
        self.finished |= other.finished;
        self.error |= other.error;
        self.hangup |= other.hangup;
    }
}

/// How one go at a socket ended.
pub(crate) enum Pass {
    /// Nothing more until the next edge.
    Done,
    /// There may be more.
    Again,
}

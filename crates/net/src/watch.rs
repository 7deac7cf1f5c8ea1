//! What the reactors watch: a descriptor is registered once for input, and once more when output has to wait.

use std::io;

use mio::unix::SourceFd;
use mio::{Interest, Token};

use crate::engine::Engine;
use crate::socket::Socket;

impl Engine {
    /// Lets a reactor watch a socket.
    pub(crate) fn register(&self, socket: &mut Socket, output: bool) -> io::Result<()> {
        let Some(fd) = socket.io.fd() else {
            return Ok(());
        };
        let registry = &self.registries[self.reactor(socket.id)];
        let interest = if output {
            Interest::READABLE | Interest::WRITABLE
        } else {
            Interest::READABLE
        };
        let token = Token(socket.id as usize);
        if socket.registered {
            registry.reregister(&mut SourceFd(&fd), token, interest)?;
        } else {
            registry.register(&mut SourceFd(&fd), token, interest)?;
        }
        socket.registered = true;
        socket.watch_output = output;
        Ok(())
    }

    /// Input is wanted from now on.
    pub(crate) fn want_input(&self, socket: &mut Socket) -> io::Result<()> {
        socket.reading = true;
        if socket.missed || !socket.registered {
            socket.missed = false;
            // After registering again, the system reports readiness again.
            self.register(socket, socket.watch_output)?;
        }
        Ok(())
    }

    /// Output waits although the system takes more: a new edge is needed.
    pub(crate) fn continue_output(&self, socket: &mut Socket) -> io::Result<()> {
        socket.missed = false;
        self.register(socket, true)
    }

    /// Output waits. From the first time on the socket stays watched for both directions: as edges
    /// come once, that costs nothing while there is no output.
    pub(crate) fn want_output(&self, socket: &mut Socket) -> io::Result<()> {
        if socket.watch_output {
            return Ok(());
        }
        // Registering anew may bring an edge of input as well.
        socket.missed = false;
        self.register(socket, true)
    }
}

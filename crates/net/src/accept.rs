//! Accepting connections.
//!
//! When the process runs out of descriptors (or anything else is wrong with the system), a connection
//! that waits can't be taken, and asking again at once would spin. The listener then backs off: its owner gets
//! one ERROR, connections stay in the backlog, and the reactor tries again after 10 ms, 20 ms … 1 s.
//! The episode is over, and the next one reported again, once the backlog has been emptied.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use skynet_wire::netaddr::peer_text;

use crate::engine::Engine;
use crate::error::{Error, text};
use crate::event::EventKind;
use crate::io::Io;
use crate::ready::Pass;
use crate::slots::Entry;
use crate::socket::{Socket, Starved, State};

/// Connections taken in one go, before other sockets have their turn.
const BURST: usize = 64;
const FIRST_DELAY: Duration = Duration::from_millis(10);
const LONGEST_DELAY: Duration = Duration::from_secs(1);

impl Engine {
    pub(crate) fn accept(&self, mut listener: Entry<'_>) -> Pass {
        if let Some(starved) = listener.starved
            && Instant::now() < starved.until
        {
            // Further connections do not end the pause earlier.
            return Pass::Done;
        }
        for _ in 0..BURST {
            let Io::Listener(io) = &listener.io else {
                return Pass::Done;
            };
            match io.accept() {
                Ok((stream, peer)) => {
                    let made = self.accepted(&mut listener, stream.into(), peer);
                    match made {
                        Ok(()) => {
                            listener.read += 1;
                            listener.rtime = self.now_cs();
                        }
                        Err(Error::Io(error)) => return self.starve(listener, &error),
                        // The connection has been closed: there is no slot for it.
                        Err(_) => {}
                    }
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => {
                        listener.starved = None;
                        return Pass::Done;
                    }
                    // The peer has closed the connection already.
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                    _ => return self.starve(listener, &error),
                },
            }
        }
        Pass::Again
    }

    #[cold]
    fn starve(&self, mut listener: Entry<'_>, error: &io::Error) -> Pass {
        let delay = match listener.starved {
            Some(starved) => (starved.delay * 2).min(LONGEST_DELAY),
            None => {
                self.tell(&listener, EventKind::Error, 0, &text(error));
                FIRST_DELAY
            }
        };
        let until = Instant::now() + delay;
        listener.starved = Some(Starved { delay, until });
        self.look_later(listener.id, until);
        Pass::Done
    }
    /// A connection has come in on a listener.
    fn accepted(
        &self,
        listener: &mut Socket,
        stream: std::net::TcpStream,
        peer: SocketAddr,
    ) -> Result<(), Error> {
        let mut entry = self.allocate(listener.owner, State::Paccept)?;
        let socket = socket2::Socket::from(stream);
        self.configure(&socket);
        entry.address = Some(peer);
        entry.cap = listener.cap;
        entry.lingering = listener.lingering.clone();
        if let Some(listening) = &mut listener.listening {
            return self.greet(listening, entry, socket);
        }
        entry.io = Io::Tcp(socket);
        if let Err(error) = self.register(&mut entry, false) {
            self.destroy(entry);
            return Err(Error::Io(error));
        }
        self.tell(
            listener,
            EventKind::Accept,
            entry.id,
            &peer_text(peer).to_string(),
        );
        Ok(())
    }
}

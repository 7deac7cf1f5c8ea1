//! The listener of a console, and its connections.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use rustc_hash::FxHashMap;
use skynet_kernel::{Handle, Node};
use socket2::SockRef;

use super::connection::Connection;

/// Connections at one time. Each has two threads.
const MOST: usize = 64;
/// Of a thread; what a command needs is on the heap.
pub(super) const STACK: usize = 256 << 10;
/// A peer that does not read its answer for so long is dropped.
const WRITE_LIMIT: Duration = Duration::from_secs(10);

/// One console.
pub(crate) struct Front {
    pub(super) node: Weak<Node>,
    /// The Lua service.
    pub(super) owner: Handle,
    pub(super) password: Option<String>,
    listener: TcpListener,
    connections: Mutex<FxHashMap<u64, Arc<Connection>>>,
    stopped: AtomicBool,
    /// Last number that was given to a connection or a command.
    last: AtomicU64,
}

impl Front {
    /// Listens, and serves from now on.
    pub(crate) fn listen(
        node: &Arc<Node>,
        owner: Handle,
        ip: &str,
        port: u16,
        password: Option<String>,
    ) -> io::Result<(Arc<Front>, SocketAddr)> {
        let listener = TcpListener::bind((ip, port))?;
        let address = listener.local_addr()?;
        let front = Arc::new(Front {
            node: Arc::downgrade(node),
            owner,
            password,
            listener,
            connections: Mutex::default(),
            stopped: AtomicBool::new(false),
            last: AtomicU64::new(0),
        });
        let listening = Arc::clone(&front);
        spawn("console", move || listening.accept())?;
        Ok((front, address))
    }

    fn accept(self: &Arc<Front>) {
        while !self.stopped() {
            match self.listener.accept() {
                Ok((stream, peer)) => {
                    if let Err(error) = self.welcome(stream, peer) {
                        self.log(&format!("error: console: {peer}: {error}"));
                    }
                }
                // The listener was shut down, or there are no descriptors left.
                Err(_) => thread::sleep(Duration::from_millis(100)),
            }
        }
    }

    fn welcome(self: &Arc<Front>, stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
        stream.set_write_timeout(Some(WRITE_LIMIT))?;
        // Answers are written whole; a prompt should not wait for more.
        stream.set_nodelay(true)?;
        if self.connections().len() >= MOST {
            return (&stream).write_all(b"Too many connections\n");
        }
        let connection = Arc::new(Connection::new(self.number(), stream, peer.to_string()));
        self.connections()
            .insert(connection.id, Arc::clone(&connection));
        if self.stopped() {
            connection.shut();
        }
        let front = Arc::clone(self);
        let (id, serving) = (connection.id, Arc::clone(&connection));
        let spawned = spawn("console", move || {
            serving.serve(&front);
            serving.shut();
            front.connections().remove(&id);
        });
        if spawned.is_err() {
            self.connections().remove(&id);
        }
        spawned
    }

    /// Ends everything. Threads that are in the middle of a command leave after it.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Relaxed);
        // Makes `accept` return.
        let _ = SockRef::from(&self.listener).shutdown(Shutdown::Both);
        for connection in self.connections().values() {
            connection.shut();
        }
    }

    pub(super) fn stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }

    /// A number for a connection or a command.
    pub(super) fn number(&self) -> u64 {
        self.last.fetch_add(1, Relaxed) + 1
    }

    /// The connection of that number.
    pub(super) fn connection(&self, id: u64) -> Option<Arc<Connection>> {
        self.connections().get(&id).cloned()
    }

    fn connections(&self) -> MutexGuard<'_, FxHashMap<u64, Arc<Connection>>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A log line of the console's service.
    pub(super) fn log(&self, line: &str) {
        if let Some(node) = self.node.upgrade() {
            node.log(self.owner, line.as_bytes());
        }
    }
}

/// Starts a thread, which nobody waits for.
pub(super) fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = thread::Builder::new()
        .name(name.to_owned())
        .stack_size(STACK);
    thread.spawn(body).map(drop)
}

//! The listener of a console, and its connections.
//!
//! Each connection has two threads, so there are not many ([`MOST`]). When one more comes, another has to leave: one
//! that has not shown a password or given a command yet, of the address with the most of those, the one that has been
//! still for longest. Some seats are never taken by connections that are known ([`KNOWN`]), so newcomers push each
//! other out and nobody else.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::thread;
use std::time::{Duration, Instant};

use rustc_hash::{FxHashMap, FxHashSet};
use skynet_kernel::{Handle, Node, lock};
use socket2::SockRef;

use super::connection::{Connection, PENALTY, Seat};

/// Connections at one time. Each has two threads.
const MOST: usize = 64;
/// Those of them that have given a password or a command.
const KNOWN: usize = 48;
/// The same with those that are about to leave.
const THREADS: usize = 2 * MOST;
/// Log lines a second that a peer can cause without a command.
const NOTES: u32 = 50;
/// Of a thread; what a command needs is on the heap. Lua's compiler is the deepest that runs there.
pub(super) const STACK: usize = 512 << 10;
const TOO_MANY: &str = "Too many connections";
/// A peer that does not read its answer for so long is dropped.
const WRITE_LIMIT: Duration = Duration::from_secs(10);

/// One console.
pub(crate) struct Front {
    pub(super) node: Weak<Node>,
    /// The Lua service.
    pub(super) owner: Handle,
    pub(super) password: Option<Vec<u8>>,
    /// The commands of the Lua service; none: every line is one.
    commands: Option<FxHashSet<Vec<u8>>>,
    listener: TcpListener,
    connections: Mutex<FxHashMap<u64, Arc<Connection>>>,
    stopped: AtomicBool,
    /// Last number that was given to a connection or a command.
    last: AtomicU64,
    notes: Mutex<Notes>,
    /// When the last wrong password came.
    wrong: Mutex<Option<Instant>>,
}

/// Log lines of the second that began at `since`.
#[derive(Default)]
struct Notes {
    since: Option<Instant>,
    written: u32,
    left_out: u64,
}

impl Front {
    /// Listens, and serves from now on.
    pub(crate) fn listen(
        node: &Arc<Node>,
        owner: Handle,
        ip: &str,
        port: u16,
        password: Option<Vec<u8>>,
        commands: Option<FxHashSet<Vec<u8>>>,
    ) -> io::Result<(Arc<Front>, SocketAddr)> {
        let addresses: Vec<SocketAddr> = (ip, port).to_socket_addrs()?.collect();
        let within = |address: &SocketAddr| address.ip().to_canonical().is_loopback();
        if password.is_none() && !addresses.iter().all(within) {
            let why = "whoever can connect there could run any code, and there is no password; \
                       set consolepassword in the config, or listen on 127.0.0.1";
            return Err(io::Error::other(why));
        }
        let listener = TcpListener::bind(&addresses[..])?;
        let address = listener.local_addr()?;
        let front = Arc::new(Front {
            node: Arc::downgrade(node),
            owner,
            password,
            commands,
            listener,
            connections: Mutex::default(),
            stopped: AtomicBool::new(false),
            last: AtomicU64::new(0),
            notes: Mutex::default(),
            wrong: Mutex::default(),
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
                        self.note(&format!("error: console: {peer}: {error}"));
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
        SockRef::from(&stream).set_keepalive(true)?;
        if !self.room() {
            return (&stream).write_all(format!("{TOO_MANY}\n").as_bytes());
        }
        let connection = Arc::new(Connection::new(self.number(), stream, peer));
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

    /// Makes room for one more.
    fn room(&self) -> bool {
        let connections = self.connections();
        if connections.len() >= THREADS {
            return false;
        }
        let seats = seats(&connections);
        if seats.len() < MOST {
            return true;
        }
        let Some(id) = victim(seats.iter().filter(|(_, seat)| !seat.known)) else {
            return false;
        };
        if let Some(connection) = connections.get(&id) {
            connection.make_room(&format!("{TOO_MANY}: newer ones need the room"));
        }
        true
    }

    /// One more is known: another one leaves if that is too many.
    pub(super) fn limit_known(&self, newest: u64) {
        let connections = self.connections();
        let mut seats = seats(&connections);
        seats.retain(|(_, seat)| seat.known);
        if seats.len() <= KNOWN {
            return;
        }
        let others = || seats.iter().filter(|(id, _)| *id != newest);
        let id = victim(others().filter(|(_, seat)| !seat.busy)).or_else(|| victim(others()));
        if let Some(connection) = id.and_then(|id| connections.get(&id)) {
            connection.make_room(&format!("{TOO_MANY}: this one has been still for longest"));
        }
    }

    /// A wrong password has been given.
    pub(super) fn wrong(&self) {
        *lock(&self.wrong) = Some(Instant::now());
    }

    /// Whether that was not long ago.
    pub(super) fn wrong_lately(&self) -> bool {
        let wrong = *lock(&self.wrong);
        wrong.is_some_and(|at| at.elapsed() < PENALTY)
    }

    /// Whether there is such a command.
    pub(super) fn is_command(&self, name: &[u8]) -> bool {
        let commands = self.commands.as_ref();
        commands.is_none_or(|commands| commands.contains(name))
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
        lock(&self.connections)
    }

    /// A log line that a peer can cause without giving a command: not too many of them.
    pub(super) fn note(&self, line: &str) {
        let mut notes = lock(&self.notes);
        let now = Instant::now();
        if notes
            .since
            .is_none_or(|since| now - since >= Duration::from_secs(1))
        {
            let left_out = notes.left_out;
            *notes = Notes {
                since: Some(now),
                ..Notes::default()
            };
            if left_out > 0 {
                self.log(&format!("console: {left_out} more lines about connections"));
            }
        }
        if notes.written < NOTES {
            notes.written += 1;
            self.log(line);
        } else {
            notes.left_out += 1;
        }
    }

    /// A log line of the console's service.
    pub(super) fn log(&self, line: &str) {
        if let Some(node) = self.node.upgrade() {
            node.log(self.owner, line.as_bytes());
        }
    }
}

/// Those who do not leave already.
fn seats(connections: &FxHashMap<u64, Arc<Connection>>) -> Vec<(u64, Seat)> {
    let all = connections.iter().map(|(&id, one)| (id, one.seat()));
    all.filter(|(_, seat)| !seat.leaving).collect()
}

/// Of the address with the most of them, the one that has been still for longest.
fn victim<'a>(seats: impl Iterator<Item = &'a (u64, Seat)> + Clone) -> Option<u64> {
    let mut crowds: FxHashMap<_, usize> = FxHashMap::default();
    for (_, seat) in seats.clone() {
        *crowds.entry(seat.ip).or_default() += 1;
    }
    let last = seats.max_by_key(|(id, seat)| {
        let crowd = crowds.get(&seat.ip).copied();
        (crowd, std::cmp::Reverse((seat.since, *id)))
    });
    last.map(|(id, _)| *id)
}

/// Starts a thread, which nobody waits for.
pub(super) fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = thread::Builder::new()
        .name(name.to_owned())
        .stack_size(STACK);
    thread.spawn(body).map(drop)
}

//! A server that the node connects to.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::bytes::{Expected, show};
use super::list;
use crate::vectors;

/// What a server waits for, at most.
const LIMIT: Duration = Duration::from_secs(20);
/// Between the pieces of an answer.
const PAUSE: Duration = Duration::from_millis(15);

/// What a protocol needs beyond bytes that are compared as they are.
pub trait Dialect: Clone + Send + Sync + 'static {
    /// What it keeps of one exchange.
    type Talk: Default;

    /// Compares what has come with what was recorded. `Ok(None)`: more has to come.
    ///
    /// # Errors
    /// What is different.
    fn heard(
        &self,
        talk: &mut Self::Talk,
        exchange: &Json,
        bytes: &[u8],
    ) -> Result<Option<()>, String>;

    /// The recorded answer as it has to be sent.
    fn answer(&self, talk: &Self::Talk, exchange: &Json) -> Vec<Vec<u8>>;
}

/// A protocol whose bytes are always the same.
#[derive(Clone)]
pub struct Plain;

impl Dialect for Plain {
    type Talk = ();

    fn heard(&self, (): &mut (), exchange: &Json, bytes: &[u8]) -> Result<Option<()>, String> {
        let want = Expected::of(&exchange["recv"]);
        if bytes.len() < want.len() {
            return Ok(None);
        }
        if want.is(bytes) {
            return Ok(Some(()));
        }
        Err(format!("got {}, want {}", show(bytes), want.show()))
    }

    fn answer(&self, (): &(), exchange: &Json) -> Vec<Vec<u8>> {
        Exchange(exchange).pieces()
    }
}

/// One exchange of a recorded connection.
pub struct Exchange<'a>(pub &'a Json);

impl Exchange<'_> {
    /// What is to be sent, in pieces.
    pub fn pieces(&self) -> Vec<Vec<u8>> {
        match &self.0["send"] {
            Json::Null => Vec::new(),
            Json::Array(pieces) => pieces.iter().map(vectors::bytes).collect(),
            all => vec![vectors::bytes(all)],
        }
    }
}

/// A server that plays its part of a case.
pub struct Server {
    port: u64,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<(), String>>,
}

impl Server {
    /// Listens.
    pub fn start<D: Dialect>(server: &Json, dialect: &D) -> Server {
        let port = server["port"].as_u64().expect("a port");
        let address = ("127.0.0.1", u16::try_from(port).expect("a port"));
        let listener = TcpListener::bind(address).expect("the port is free");
        listener.set_nonblocking(true).expect("nonblocking");
        let stop = Arc::new(AtomicBool::new(false));
        let (server, dialect, seen) = (server.clone(), dialect.clone(), Arc::clone(&stop));
        let thread = std::thread::spawn(move || match server.get("rules") {
            Some(_) => by_rules(&server, &listener, &seen),
            None => by_script(&server, &listener, &dialect, &seen),
        });
        Server { port, stop, thread }
    }

    /// Ends it, after the service that it has talked to; `Err` says what was different.
    pub fn finish(self) -> Result<(), String> {
        self.stop.store(true, Relaxed);
        let outcome = self.thread.join().expect("no panic in a server");
        outcome.map_err(|why| format!("server {}: {why}", self.port))
    }
}

fn by_script<D: Dialect>(
    server: &Json,
    listener: &TcpListener,
    dialect: &D,
    stop: &Arc<AtomicBool>,
) -> Result<(), String> {
    let mut connections: VecDeque<Json> = list(server, "connections").to_vec().into();
    let mut threads = Vec::new();
    let mut seen = 0;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                seen += 1;
                let Some(script) = connections.pop_front() else {
                    continue;
                };
                let (dialect, stop) = (dialect.clone(), Arc::clone(stop));
                threads.push(std::thread::spawn(move || {
                    Connection::new(stream).play(&script, &dialect, &stop)
                }));
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if stop.load(Relaxed) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    for (number, thread) in threads.into_iter().enumerate() {
        let played = thread.join().expect("no panic in a connection");
        played.map_err(|why| format!("connection {}: {why}", number + 1))?;
    }
    match server["seen"].as_u64() {
        Some(want) if want != seen => Err(format!("{seen} connections, want {want}")),
        _ => Ok(()),
    }
}

struct Connection {
    stream: TcpStream,
    heard: Vec<u8>,
}

/// The connection was ended by the node.
struct Ended;

impl Connection {
    fn new(stream: TcpStream) -> Connection {
        stream.set_nonblocking(false).expect("blocking");
        stream.set_nodelay(true).expect("nodelay");
        let short = Some(Duration::from_millis(20));
        stream.set_read_timeout(short).expect("timeout");
        stream.set_write_timeout(Some(LIMIT)).expect("timeout");
        Connection {
            stream,
            heard: Vec::new(),
        }
    }

    /// What has come in a short time.
    fn hear(&mut self) -> Result<(), Ended> {
        let mut bytes = [0; 65536];
        match self.stream.read(&mut bytes) {
            Ok(0) => Err(Ended),
            Ok(n) => {
                self.heard.extend_from_slice(&bytes[..n]);
                Ok(())
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(()),
            Err(_) => Err(Ended),
        }
    }

    fn play<D: Dialect>(
        mut self,
        script: &Json,
        dialect: &D,
        stop: &AtomicBool,
    ) -> Result<(), String> {
        let exchanges = script.as_array().map(Vec::as_slice).unwrap_or_default();
        for (number, exchange) in exchanges.iter().enumerate() {
            let number = number + 1;
            let mut talk = D::Talk::default();
            if exchange.get("recv").is_some() {
                let started = Instant::now();
                loop {
                    let done = dialect.heard(&mut talk, exchange, &self.heard);
                    if done
                        .map_err(|why| format!("exchange {number}: {why}"))?
                        .is_some()
                    {
                        break;
                    }
                    if self.hear().is_err() || started.elapsed() > LIMIT {
                        let got = show(&self.heard);
                        return Err(format!("exchange {number}: ended after {got}"));
                    }
                }
                self.heard.clear();
            }
            if let Some(ms) = exchange["delay"].as_u64() {
                std::thread::sleep(Duration::from_millis(ms));
            }
            for (at, piece) in dialect.answer(&talk, exchange).iter().enumerate() {
                if at > 0 {
                    std::thread::sleep(PAUSE);
                }
                if let Err(error) = self.stream.write_all(piece) {
                    return Err(format!("exchange {number}: {error}"));
                }
            }
            if exchange["half_close"] == true {
                let _ = self.stream.shutdown(Shutdown::Write);
            }
            if exchange["close"] == true {
                return self.nothing_more();
            }
            if exchange["reset"] == true {
                let linger = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
                return linger.map_err(|error| error.to_string());
            }
        }
        // It stays open as long as the service lives.
        while self.hear().is_ok() {
            if !self.heard.is_empty() || stop.load(Relaxed) && !self.linger() {
                break;
            }
        }
        self.nothing_more()
    }

    /// The service has been ended: its connection ends, too. False when it has.
    fn linger(&mut self) -> bool {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(5) {
            if self.hear().is_err() {
                return false;
            }
        }
        true
    }

    fn nothing_more(self) -> Result<(), String> {
        match self.heard.is_empty() {
            true => Ok(()),
            false => Err(format!("also got {}", show(&self.heard))),
        }
    }
}

// Servers of Redis that answer by rules.

fn by_rules(server: &Json, listener: &TcpListener, stop: &AtomicBool) -> Result<(), String> {
    let mut rules = list(server, "rules").to_vec();
    let mut connections: Vec<Connection> = Vec::new();
    let mut log: Vec<String> = Vec::new();
    let mut quiet = 0;
    // After the end of the service, what it has sent is still read.
    while quiet < 5 {
        quiet = if stop.load(Relaxed) { quiet + 1 } else { 0 };
        match listener.accept() {
            Ok((stream, _)) => {
                let connection = Connection::new(stream);
                let short = Some(Duration::from_millis(1));
                connection.stream.set_read_timeout(short).expect("timeout");
                connections.push(connection);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(error) => return Err(error.to_string()),
        }
        connections.retain_mut(|connection| {
            let ended = connection.hear().is_err();
            while let Some((command, size)) = command(&connection.heard) {
                connection.heard.drain(..size);
                log.push(command.clone());
                let first = command.split(' ').next().unwrap_or_default().to_string();
                let Some(rule) = rules.iter_mut().find(|rule| {
                    let name = rule["cmd"].as_str().expect("a command");
                    (name == command || name == first) && rule["n"].as_u64() != Some(0)
                }) else {
                    continue;
                };
                if let Some(n) = rule["n"].as_u64() {
                    rule["n"] = (n - 1).into();
                }
                for piece in Exchange(rule).pieces() {
                    let _ = connection.stream.write_all(&piece);
                }
                if rule["close"] == true {
                    return false;
                }
            }
            !ended
        });
    }
    let want: Vec<&str> = list(server, "log")
        .iter()
        .map(|line| line.as_str().expect("a line"))
        .collect();
    match log == want {
        true => Ok(()),
        false => Err(format!("commands {log:?}, want {want:?}")),
    }
}

/// The first whole command, its words joined by blanks, and its size in bytes.
fn command(bytes: &[u8]) -> Option<(String, usize)> {
    let mut at = 0;
    let mut line = || -> Option<(u8, i64, usize)> {
        let rest = &bytes[at..];
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        let number = std::str::from_utf8(&rest[1..end]).ok()?.parse().ok()?;
        at += end + 2;
        let here = at;
        if let (b'$', Ok(size)) = (rest[0], usize::try_from(number)) {
            at += size + 2;
        }
        Some((rest[0], number, here))
    };
    let (_, count, _) = line()?;
    let mut words = Vec::new();
    for _ in 0..count {
        let (_, size, start) = line()?;
        // A word that is not there leaves no trace in the recordings.
        let Ok(size) = usize::try_from(size) else {
            continue;
        };
        words.push(String::from_utf8_lossy(bytes.get(start..start + size)?).into_owned());
    }
    (at <= bytes.len()).then(|| (words.join(" "), at))
}

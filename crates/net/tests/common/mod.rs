//! Helpers of the socket tests: a node whose services record the events they get.
#![allow(dead_code)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use skynet_kernel::*;
use skynet_net::*;

/// How long anything may take before a test is considered to hang.
pub const LIMIT: Duration = Duration::from_secs(60);

/// An event, owned.
#[derive(Clone, PartialEq, Eq)]
pub struct Event {
    pub kind: EventKind,
    pub id: SocketId,
    pub ud: i32,
    pub data: Vec<u8>,
}

impl Event {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.data).into_owned()
    }
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.text();
        let short: String = text.chars().take(60).collect();
        write!(f, "{:?} id={} ud={} {short:?}", self.kind, self.id, self.ud)
    }
}

struct Recorder(Sender<Event>);

impl Service for Recorder {
    fn handle(&mut self, _: &Arc<Context>, message: Message) {
        if message.kind != kind::SOCKET {
            return;
        }
        assert_eq!((message.source, message.session), (Handle::NONE, 0));
        let event = SocketEvent::parse(message.payload()).expect("an event");
        let _ = self.0.send(Event {
            kind: event.kind,
            id: event.id,
            ud: event.ud,
            data: event.data.to_vec(),
        });
    }
}

/// A service that records, and the test's end of it.
pub struct Probe {
    pub handle: Handle,
    events: Receiver<Event>,
}

impl Probe {
    pub fn next(&self) -> Event {
        self.events
            .recv_timeout(LIMIT)
            .expect("an event within the limit")
    }

    /// The next event, if one comes soon.
    pub fn poll(&self) -> Option<Event> {
        self.events.recv_timeout(Duration::from_millis(20)).ok()
    }

    /// The next event, which is of this kind.
    pub fn expect(&self, kind: EventKind, id: SocketId) -> Event {
        let event = self.next();
        assert_eq!((event.kind, event.id), (kind, id), "{event:?}");
        event
    }

    pub fn expect_text(&self, kind: EventKind, id: SocketId, text: &str) {
        let event = self.expect(kind, id);
        assert_eq!(event.text(), text, "{event:?}");
    }

    /// `count` bytes of one socket, in as many events as they come.
    pub fn expect_data(&self, id: SocketId, count: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < count {
            let event = self.expect(EventKind::Data, id);
            assert_eq!(event.ud as usize, event.data.len());
            all.extend(event.data);
        }
        assert_eq!(all.len(), count);
        all
    }

    /// Nothing has arrived by now.
    pub fn expect_nothing(&self) {
        if let Ok(event) = self.events.try_recv() {
            panic!("unexpected {event:?}");
        }
    }
}

/// The lines of the log.
#[derive(Clone, Default)]
pub struct Log(Arc<(Mutex<Vec<String>>, Condvar)>);

struct LogService(Log);

impl Service for LogService {
    fn handle(&mut self, _: &Arc<Context>, message: Message) {
        let line = String::from_utf8_lossy(message.payload()).into_owned();
        self.0.0.0.lock().unwrap().push(line);
        self.0.0.1.notify_all();
    }
}

impl Log {
    pub fn wait_for(&self, part: &str) {
        let lines = self.0.0.lock().unwrap();
        let (lines, timeout) = self
            .0
            .1
            .wait_timeout_while(lines, LIMIT, |lines| {
                !lines.iter().any(|l| l.contains(part))
            })
            .unwrap();
        assert!(!timeout.timed_out(), "no {part:?} in {lines:#?}");
    }
}

pub struct World {
    pub node: Arc<Node>,
    pub net: Arc<Net>,
    pub log: Log,
}

impl World {
    pub fn new() -> World {
        World::with(NetOptions::default())
    }

    pub fn with(options: NetOptions) -> World {
        let log = Log::default();
        let lines = log.clone();
        let node = Node::builder()
            .threads(2)
            .module("log", factory(move || LogService(lines.clone())))
            .log_service("log", None)
            .start()
            .unwrap();
        node.run();
        let net = Net::new(&node, options).unwrap();
        World { node, net, log }
    }

    pub fn probe(&self) -> Probe {
        let (sender, events) = channel();
        let sender = Mutex::new(Some(sender));
        self.node.add_module(
            "probe",
            factory(move || Recorder(sender.lock().unwrap().take().expect("launched once"))),
        );
        let handle = self.node.launch(Handle::NONE, "probe", "").unwrap();
        Probe { handle, events }
    }

    /// A listener that accepts; its id and address.
    pub fn listener(&self, probe: &Probe) -> (SocketId, SocketAddr) {
        let id = self.net.listen(probe.handle, "127.0.0.1", 0, 128).unwrap();
        let bound = probe.expect(EventKind::Connect, id);
        let port = u16::try_from(bound.ud).unwrap();
        self.net.start(probe.handle, id);
        probe.expect_text(EventKind::Connect, id, "start");
        (id, SocketAddr::from(([127, 0, 0, 1], port)))
    }

    /// A started connection from outside: its id, and the outside end.
    pub fn connection(&self, probe: &Probe) -> (SocketId, TcpStream) {
        let (listener, address) = self.listener(probe);
        let peer = TcpStream::connect(address).unwrap();
        peer.set_read_timeout(Some(LIMIT)).unwrap();
        peer.set_write_timeout(Some(LIMIT)).unwrap();
        let id = probe.expect(EventKind::Accept, listener).ud;
        self.net.shutdown(listener);
        probe.expect(EventKind::Close, listener);
        self.net.start(probe.handle, id);
        probe.expect_text(EventKind::Connect, id, "start");
        (id, peer)
    }

    /// What was asked of the engine before has taken effect, and its events have arrived: every
    /// service is fed in order, so a late event would come before one that is provoked now.
    pub fn settle(&self, probe: &Probe) {
        self.net.start(probe.handle, -5);
        probe.expect_text(EventKind::Error, -5, "invalid socket");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.net.stop();
        self.node.shutdown();
        self.node.wait();
    }
}

pub fn read_exactly(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

/// Everything up to the end.
pub fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

pub fn write(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
}

/// Waits until `condition` holds.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// An outside listener on any port.
pub fn outside() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Bytes that show where they are.
pub fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|i| ((i / 7) ^ (i >> 9)) as u8).collect()
}

/// Says that a test is left out, also where output is captured.
pub fn no_ipv6() {
    use std::io::Write;
    let _ = writeln!(
        std::io::stderr(),
        "skipped: no IPv6 on this machine; sysctl net.ipv6.conf.lo.disable_ipv6=0, or a kernel that has it"
    );
}

//! The other end of a node's connections, played by a test.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::time::Duration;

use crate::Running;

/// After this time a connection is taken to hang.
const LIMIT: Duration = Duration::from_secs(60);

/// A port where nobody listens, for something that is started, killed and started again on it.
///
/// It is below those that the system gives to connections. One of these could be taken by somebody else while nobody
/// listens; and a connection to a dead port of that range may, by chance, be made from the very same port, to itself.
pub fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let step = NEXT.fetch_add(1, Relaxed);
        let port = 10_000
            + (std::process::id() as u16)
                .wrapping_mul(97)
                .wrapping_add(step)
                % 20_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A listener on a port that the system chooses, and the port.
pub fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let port = listener.local_addr().expect("address").port();
    (listener, port)
}

/// The number that a node has written after a word, as in `PORT 8888`.
pub fn number_after(node: &mut Running, word: &str) -> u32 {
    let find = |text: String| -> Option<u32> {
        let (_, rest) = text.split_once(&format!("{word} "))?;
        let (line, _) = rest.split_once('\n')?;
        line.trim().parse().ok()
    };
    node.until(&format!("a number after {word}"), |node| {
        find(node.stdout()).is_some()
    });
    find(node.stdout()).expect("it was there")
}

/// The port that a node has written as `PORT <number>`.
pub fn port_of(node: &mut Running) -> u16 {
    u16::try_from(number_after(node, "PORT")).expect("a port")
}

/// A frame: two bytes of length, the highest first, and the content.
pub fn frame(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("a frame of at most 65535 bytes");
    [&length.to_be_bytes()[..], content].concat()
}

/// A connection with a node that fails a test instead of hanging.
pub struct Peer {
    stream: TcpStream,
}

impl Clone for Peer {
    /// Another view of the same connection.
    fn clone(&self) -> Peer {
        Peer::new(self.stream.try_clone().expect("a descriptor"))
    }
}

impl Peer {
    /// Connects to a node on this machine.
    pub fn connect(port: u16) -> Peer {
        Peer::new(TcpStream::connect(("127.0.0.1", port)).expect("connect"))
    }

    /// The next connection of a node.
    pub fn accept(listener: &TcpListener) -> Peer {
        // A listener has no timeout of its own.
        listener.set_nonblocking(true).expect("nonblocking");
        let started = std::time::Instant::now();
        loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).expect("blocking");
                    return Peer::new(stream);
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    assert!(started.elapsed() < LIMIT, "nobody connects");
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err(e) => panic!("accept: {e}"),
            }
        }
    }

    /// Takes over a connection.
    pub fn new(stream: TcpStream) -> Peer {
        stream.set_read_timeout(Some(LIMIT)).expect("timeout");
        stream.set_write_timeout(Some(LIMIT)).expect("timeout");
        stream.set_nodelay(true).expect("nodelay");
        Peer { stream }
    }

    /// The own address.
    pub fn address(&self) -> SocketAddr {
        self.stream.local_addr().expect("address")
    }

    /// Writes all bytes.
    pub fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("write");
    }

    /// Writes as long as the other side takes it; how it ended.
    pub fn try_write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Writes a frame with this content.
    pub fn send(&mut self, content: &[u8]) {
        self.write(&frame(content));
    }

    /// Writes byte by byte.
    pub fn dribble(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write(&[*byte]);
        }
    }

    /// Reads exactly this many bytes.
    pub fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).expect("read");
        bytes
    }

    /// The content of the next frame; none if the other side has closed the connection between two frames.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        let mut length = [0; 2];
        match self.stream.read(&mut length[..1]) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::ConnectionReset => return None,
            Err(e) => panic!("no frame: {e}"),
        }
        self.stream.read_exact(&mut length[1..]).expect("a length");
        let mut content = vec![0; u16::from_be_bytes(length).into()];
        self.stream.read_exact(&mut content).expect("a frame");
        Some(content)
    }

    /// Waits until the other side has ended the connection, in whatever way; returns what it wrote before.
    pub fn end(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(e) => assert_eq!(e.kind(), ErrorKind::ConnectionReset, "{e}"),
        }
        rest
    }

    /// Says that nothing more comes.
    pub fn finish(&mut self) {
        self.stream.shutdown(Shutdown::Write).expect("shutdown");
    }

    /// Ends the connection by a reset.
    pub fn abort(self) {
        socket2::SockRef::from(&self.stream)
            .set_linger(Some(Duration::ZERO))
            .expect("linger");
    }

    /// Ends the connection so that the other side sees a reset: something that it wrote is left unread.
    pub fn reset(self) {
        let waiting = self
            .stream
            .peek(&mut [0])
            .expect("something to leave unread");
        assert_eq!(waiting, 1);
    }
}

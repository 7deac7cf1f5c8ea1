//! A peer of the debug console.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::{Node, Running};

/// One connection to a console.
pub struct Console {
    /// To be written to as one likes.
    pub stream: TcpStream,
    /// What came and has not been looked at.
    rest: String,
}

/// What everybody reads first.
pub const WELCOME: &str = "Welcome to skynet console\n";

impl Console {
    /// Connects.
    pub fn open(port: u16) -> Console {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the console listens");
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .expect("timeout");
        Console {
            stream,
            rest: String::new(),
        }
    }

    /// After the welcome. While a crowd is being put out, somebody who comes may be told that there are too many, and comes
    /// again.
    pub fn enter(port: u16) -> Console {
        for _ in 0..300 {
            let mut console = Console::open(port);
            match console.greeting().as_deref() {
                Some(WELCOME) => return console,
                None | Some("Too many connections\n") => {
                    std::thread::sleep(Duration::from_millis(50))
                }
                Some(other) => panic!("{other:?}"),
            }
        }
        panic!("the console lets nobody in");
    }

    /// The first line; none if the console hangs up before.
    fn greeting(&mut self) -> Option<String> {
        let mut line = Vec::new();
        let mut byte = [0];
        while line.last() != Some(&b'\n') {
            match self.stream.read(&mut byte) {
                Ok(1) => line.push(byte[0]),
                _ => return None,
            }
        }
        String::from_utf8(line).ok()
    }

    /// Types something.
    pub fn write(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).expect("write");
    }

    /// Types bytes.
    pub fn stream_write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("write");
    }

    /// Everything up to the first of `ends`.
    pub fn until(&mut self, ends: &[&str]) -> String {
        loop {
            let found = ends
                .iter()
                .filter_map(|end| Some(self.rest.find(end)? + end.len()));
            if let Some(at) = found.min() {
                let rest = self.rest.split_off(at);
                return std::mem::replace(&mut self.rest, rest);
            }
            let mut chunk = [0; 4096];
            let length = self.stream.read(&mut chunk).expect("an answer in time");
            assert!(length > 0, "the console hung up after {:?}", self.rest);
            self.rest
                .push_str(&String::from_utf8_lossy(&chunk[..length]));
        }
    }

    /// Types a command; its answer with the last line.
    pub fn command(&mut self, line: &str) -> String {
        self.write(&format!("{line}\n"));
        self.until(&["<CMD OK>\n", "<CMD Error>\n"])
    }

    /// The answer to a command that works, without the last line.
    pub fn ok(&mut self, line: &str) -> String {
        let answer = self.command(line);
        let text = answer.strip_suffix("<CMD OK>\n");
        text.unwrap_or_else(|| panic!("{line}: {answer}"))
            .to_owned()
    }

    /// The answer to a command that fails.
    pub fn error(&mut self, line: &str) -> String {
        let answer = self.command(line);
        let text = answer.strip_suffix("<CMD Error>\n");
        text.unwrap_or_else(|| panic!("{line}: {answer}"))
            .to_owned()
    }

    /// Everything until the console hangs up.
    pub fn end(mut self) -> String {
        let mut bytes = Vec::new();
        self.stream
            .read_to_end(&mut bytes)
            .expect("the end in time");
        self.rest + &String::from_utf8_lossy(&bytes)
    }
}

/// A node with the services of `lua/console/node.lua`, and the port of its console.
pub fn node(change: impl FnOnce(Node) -> Node) -> (Running, u16) {
    started(change(Node::program("console/node")), "CONSOLE")
}

/// A node that has written `ready`, and the port of its console.
pub fn started(node: Node, ready: &str) -> (Running, u16) {
    let mut node = node.spawn();
    node.until_output(ready);
    let port = port(&mut node);
    (node, port)
}

/// The port of a node's console, when it has been logged: `print` and the log have no order.
pub fn port(node: &mut Running) -> u16 {
    let mut port = None;
    node.until("the console's port", |node| {
        let out = node.stdout();
        let line = out.split("Start debug console at ").nth(1);
        let line =
            line.and_then(|rest| Some(rest.split_once('\n')?.0.rsplit_once(':')?.1.to_owned()));
        port = line.and_then(|port| port.trim().parse().ok());
        port.is_some()
    });
    port.expect("a port")
}

/// Waits until the answer to a command has what is wanted.
pub fn until(console: &mut Console, line: &str, wanted: impl Fn(&str) -> bool) -> String {
    for _ in 0..600 {
        let answer = console.command(line);
        if wanted(&answer) {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{line}: {}", console.command(line));
}

/// The answer to a request over HTTP.
pub fn http(port: u16, request: &str) -> String {
    let mut console = Console::open(port);
    console.write(request);
    console.end()
}

//! Nodes of a cluster for tests that play the other nodes: one that is called, one that calls, and the bytes between
//! them.

use std::time::Duration;

use crate::peer::{number_after, port_of};
use crate::{Node, Output, Running};

/// Time for a node to do all that a test wants of it.
const LIMIT: Duration = Duration::from_secs(180);

/// A packed string of less than 64 KB.
pub fn packed(text: &[u8]) -> Vec<u8> {
    let mut bytes = match u8::try_from(text.len()) {
        Ok(n @ ..32) => vec![n << 3 | 4],
        _ => {
            let length = u16::try_from(text.len()).expect("a short text");
            [&[0x15][..], &length.to_le_bytes()].concat()
        }
    };
    bytes.extend(text);
    bytes
}

/// Several packed strings: a command, for instance.
pub fn command(words: &[&[u8]]) -> Vec<u8> {
    words.iter().flat_map(|word| packed(word)).collect()
}

/// A request to a name; a large one if `kind` says so, and then `rest` is its size.
pub fn named(kind: u8, name: &[u8], session: u32, rest: &[u8]) -> Vec<u8> {
    let length = u8::try_from(name.len()).expect("a short name");
    [&[kind, length][..], name, &session.to_le_bytes(), rest].concat()
}

/// The same to a handle.
pub fn numbered(kind: u8, handle: u32, session: u32, rest: &[u8]) -> Vec<u8> {
    [
        &[kind][..],
        &handle.to_le_bytes(),
        &session.to_le_bytes(),
        rest,
    ]
    .concat()
}

/// A part of a large request.
pub fn part(kind: u8, session: u32, data: &[u8]) -> Vec<u8> {
    [&[kind][..], &session.to_le_bytes(), data].concat()
}

/// An answer.
pub fn response(session: u32, kind: u8, rest: &[u8]) -> Vec<u8> {
    [&session.to_le_bytes()[..], &[kind], rest].concat()
}

/// A size as it is written.
pub fn size(n: usize) -> [u8; 4] {
    u32::try_from(n).expect("a size").to_le_bytes()
}

/// The session of a small request to a handle.
pub fn session(request: &[u8]) -> u32 {
    assert_eq!(request[0], 0, "a small request by number");
    u32::from_le_bytes(request[5..9].try_into().expect("four bytes"))
}

/// A node that is called: `lua/cluster/wire.lua`, with a service as `@echo` and `.echo`.
pub struct Server {
    node: Running,
    port: u16,
    handle: u32,
}

impl Server {
    /// On a port that the system chooses.
    pub fn start() -> Server {
        Server::on(0)
    }

    /// On this port.
    pub fn on(port: u16) -> Server {
        Server::with(port, &[])
    }

    /// With more config keys.
    pub fn with(port: u16, keys: &[(&str, &str)]) -> Server {
        let mut node = Node::case("cluster/wire", "server")
            .key("port", &port.to_string())
            .limit(LIMIT)
            .stdin();
        for (key, value) in keys {
            node = node.key(key, value);
        }
        let mut node = node.spawn();
        let handle = number_after(&mut node, "HANDLE");
        let port = port_of(&mut node);
        Server { node, port, handle }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The running node.
    pub fn node(&self) -> &Running {
        &self.node
    }

    /// Of the service.
    pub fn handle(&self) -> u32 {
        self.handle
    }

    /// Ends it without a warning.
    pub fn kill(self) {
        self.node.kill();
    }

    /// Ends it when no connection is left; checks that it has nothing to complain about.
    pub fn stop(mut self) -> Output {
        self.node.write("stop\n");
        let out = self.node.wait();
        out.passed();
        out
    }
}

/// A node that calls: `lua/cluster/driver.lua`, which does what it is told.
pub struct Client {
    node: Running,
    calls: u32,
}

impl Default for Client {
    fn default() -> Client {
        Client::start()
    }
}

impl Client {
    /// Without addresses.
    pub fn start() -> Client {
        Client::with(&[])
    }

    /// With more config keys.
    pub fn with(keys: &[(&str, &str)]) -> Client {
        let mut node = Node::case("cluster/driver", "run").limit(LIMIT).stdin();
        for (key, value) in keys {
            node = node.key(key, value);
        }
        let mut node = node.spawn();
        node.until_output("READY");
        Client { node, calls: 0 }
    }

    /// Where the node of this name is from now on.
    pub fn connect(&mut self, name: &str, port: u16) {
        self.reload(name, &format!("127.0.0.1:{port}"));
    }

    /// Sets an entry: an address, `false`, or an option.
    pub fn reload(&mut self, name: &str, value: &str) {
        let line = format!("RELOADED {name} {value}\n");
        let before = self.node.stdout().matches(&line).count();
        self.node.write(&format!("reload {name} {value}\n"));
        self.node
            .until(&line, |node| node.stdout().matches(&line).count() > before);
    }

    /// The running node.
    pub fn node(&mut self) -> &mut Running {
        &mut self.node
    }

    /// Thirty coroutines that make calls until the end.
    pub fn load(&mut self, to: &str) {
        self.node.write(&format!("load 30 {to}\n"));
    }

    /// Ends it without a warning.
    pub fn kill(self) {
        self.node.kill();
    }

    /// Starts a request; its number.
    pub fn ask(&mut self, what: &str, rest: &str) -> u32 {
        self.calls += 1;
        self.node.write(&format!("{what} {} {rest}\n", self.calls));
        self.calls
    }

    /// Its one result.
    pub fn result(&mut self, number: u32) -> String {
        let line = format!("RESULT {number} ");
        self.node.until(&line, |node| {
            let text = node.stdout();
            text.split_once(&line)
                .is_some_and(|(_, rest)| rest.contains('\n'))
        });
        let text = self.node.stdout();
        assert_eq!(text.matches(&line).count(), 1, "results of {number}");
        let (_, rest) = text.split_once(&line).expect("it was there");
        rest.lines().next().expect("a line").to_string()
    }

    /// It has failed, without a reason.
    pub fn fails(&mut self, number: u32) {
        let result = self.result(number);
        assert!(
            result.starts_with("failed ") && result.ends_with("call failed"),
            "{result}"
        );
    }

    /// It has succeeded with these values.
    pub fn gives(&mut self, number: u32, values: &str) {
        assert_eq!(
            self.result(number).trim_end(),
            format!("ok {values}").trim_end()
        );
    }

    /// Ends it; nothing may be left of connections and calls.
    pub fn stop(mut self) -> Output {
        self.node.write("stop\n");
        let out = self.node.wait();
        out.passed();
        out
    }
}

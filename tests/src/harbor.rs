//! Networks of nodes with a master, and the bytes between them, for tests that play some of the nodes.

use std::net::TcpListener;

use crate::cluster::packed;
use crate::node::quote;
use crate::peer::{Peer, listen, port};
use crate::{Node, Running};

/// A message between a node and the master: one byte of length and packed values.
pub fn message(values: &[u8]) -> Vec<u8> {
    let length = u8::try_from(values.len()).expect("a short message");
    [&[length][..], values].concat()
}

/// `C`, `H`: the address of a node.
pub fn node_at(kind: u8, id: u8, port: u16) -> Vec<u8> {
    let address = packed(format!("127.0.0.1:{port}").as_bytes());
    message(&[&[0x0c, kind, 0x0a, id][..], &address].concat())
}

/// `N`, `R`: whose a name is.
pub fn name_is(kind: u8, name: &str, handle: u32) -> Vec<u8> {
    let handle = handle.to_le_bytes();
    let name = packed(name.as_bytes());
    message(&[&[0x0c, kind][..], &name, &[0x22], &handle].concat())
}

/// `Q`: a question for a name.
pub fn whose(name: &str) -> Vec<u8> {
    message(&[&[0x0c, b'Q'][..], &packed(name.as_bytes())].concat())
}

/// `W`: so many nodes will connect.
pub fn welcome(count: u8) -> Vec<u8> {
    match count {
        0 => message(&[0x0c, b'W', 0x02]),
        _ => message(&[0x0c, b'W', 0x0a, count]),
    }
}

/// `D`: a node has gone.
pub fn gone(id: u8) -> Vec<u8> {
    message(&[0x0c, b'D', 0x0a, id])
}

/// The next message of a master or of a node, with its length.
pub fn read_message(peer: &mut Peer) -> Vec<u8> {
    let length = peer.read(1);
    let values = peer.read(length[0].into());
    [length, values].concat()
}

/// A packet between nodes.
pub fn packet(kind: u8, source: u32, dest: u32, session: i32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len() + 12).expect("a length");
    let dest = u32::from(kind) << 24 | dest & 0xff_ffff;
    [
        &length.to_be_bytes()[..],
        payload,
        &source.to_be_bytes(),
        &dest.to_be_bytes(),
        &session.to_be_bytes(),
    ]
    .concat()
}

/// The next packet, with its length.
pub fn read_packet(peer: &mut Peer) -> Vec<u8> {
    let length = peer.read(4);
    let count = u32::from_be_bytes(length[..].try_into().expect("four bytes"));
    [length, peer.read(count as usize)].concat()
}

/// A node of ours as part of a network, whose services are looked for as those of [`Node::program`].
pub fn node(program: &str, id: u8, master: u16, address: u16) -> Node {
    let at = |port: u16| quote(&format!("127.0.0.1:{port}"));
    Node::program(program)
        .key("harbor", &id.to_string())
        .key("master", &at(master))
        .key("address", &at(address))
}

/// A node of ours that has the master, too.
pub fn master_node(program: &str, id: u8, master: u16) -> Node {
    node(program, id, master, port()).key("standalone", &quote(&format!("127.0.0.1:{master}")))
}

/// A node of ours (2) in a network whose master, and other node (3), are played by a test.
pub struct Slave {
    /// The node.
    pub node: Running,
    /// Its connection to the master.
    pub master: Peer,
    /// Where the other node listens.
    pub listener: TcpListener,
    /// The port of that.
    pub port: u16,
}

impl Slave {
    /// Starts a node, and welcomes it as the first one.
    pub fn start(node: impl FnOnce(u16, u16) -> Node) -> Slave {
        let (master, at) = listen();
        let (listener, port) = listen();
        let address = crate::peer::port();
        let node = node(at, address).spawn();
        let mut master = Peer::accept(&master);
        assert_eq!(read_message(&mut master), node_at(b'H', 2, address));
        master.write(&welcome(0));
        Slave {
            node,
            master,
            listener,
            port,
        }
    }

    /// Has the other node announced, and takes the node's connection. The other's id is still to be sent.
    pub fn announce(&mut self) -> Peer {
        self.master.write(&node_at(b'C', 3, self.port));
        let mut peer = Peer::accept(&self.listener);
        assert_eq!(peer.read(1), [2], "the node's own id");
        peer
    }

    /// As the master: the other node has `SERVICE`, and answers the report that every node makes when it starts.
    pub fn let_start(&mut self) -> Peer {
        assert_eq!(read_message(&mut self.master), whose("SERVICE"));
        self.master.write(&name_is(b'N', "SERVICE", 0x0300_0009));
        let mut peer = self.announce();
        peer.write(&[3]);
        let report = read_packet(&mut peer);
        let session = i32::from_be_bytes(report[report.len() - 4..].try_into().expect("four"));
        peer.write(&packet(1, 0x0300_0009, 0x06, session, b"\0"));
        peer
    }
}

/// Three nodes that run the same program: 1, which has the master, and 2 as workers, 3 with a case.
pub struct Network {
    /// The port of the master.
    pub master: u16,
    /// The workers.
    pub workers: Vec<Running>,
    /// The node with the case.
    pub driver: Running,
}

impl Network {
    /// Starts the nodes one after another.
    pub fn start(program: &str, case: &str) -> Network {
        let master = port();
        let worker = quote("worker");
        let mut workers = Vec::new();
        for id in 1..=2 {
            let node = match id {
                1 => master_node(program, id, master),
                _ => node(program, id, master, port()),
            };
            let mut node = node.key("case", &worker).spawn();
            node.until_output("WORKING");
            workers.push(node);
        }
        let driver = node(program, 3, master, port()).key("case", &quote(case));
        Network {
            master,
            workers,
            driver: driver.spawn(),
        }
    }

    /// Waits until the case has passed, and ends the workers. What the node with the case has written.
    pub fn passed(self) -> crate::Output {
        let out = self.driver.wait();
        out.passed();
        for worker in self.workers {
            worker.kill().no_panic().has_not("FAIL ");
        }
        out
    }
}

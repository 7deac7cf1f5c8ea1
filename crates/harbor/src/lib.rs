//! The network of nodes with a master: messages from any service to any other by its handle, whose high byte is the
//! number of the node, and to names that the whole network knows.
//!
//! Three services make it, as in skynet (C):
//!
//! | service | where | what it does |
//! |---|---|---|
//! | `cmaster` | on the node with `standalone` | knows the nodes and the names, tells each node of the others |
//! | `cslave` (`.cslave`) | on every node | talks to the master; makes and accepts connections, and hands them over |
//! | `harbor` | on every node | has the connections: messages out and in |
//!
//! The first two are Lua services that ship (`service/cmaster.lua`, `service/cslave.lua`): they do little, and seldom.
//! The third is here.
//!
//! # The way of a message
//! A message to somebody who is not on this node gets to the service `harbor` as a SYSTEM message (`envelope.rs`),
//! which the sender's own thread has put together as it goes on the wire. The turn of the service appends it to what is
//! to be written to that node, and writes when it ends; so the busier a connection, the more packets in a system call,
//! and a lone one waits for nothing. On the other node the reactor gives the bytes to its `harbor`, whose turn takes
//! the packets apart and sends each to its receiver.
//!
//! # Who fails a call
//! `harbor` notes every request that leaves (`calls.rs`), and takes the note out when an answer comes back. An answer
//! without a note, or from another node than was asked, is dropped. When the connection ends, the requests that are
//! left get an ERROR, as do those that still wait for a connection or come later. So nobody waits for a dead node.

mod calls;
mod command;
mod envelope;
mod links;
mod names;
mod service;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use skynet_kernel::{
    Destination, GlobalBacklog, Handle, Message, Network, Node, NodeBuilder, SendError, factory,
    kind,
};
use skynet_net::LazyNet;

/// Types whose messages mean something within their node only.
fn stays_here(kind: u8) -> bool {
    matches!(kind, kind::SYSTEM | kind::HARBOR | kind::SOCKET)
}

/// The way from any service to the service `harbor`.
#[derive(Default)]
struct Outbound {
    /// The service's handle, 0 while there is none.
    service: AtomicU32,
    directory: Arc<names::Directory>,
}

impl Network for Outbound {
    fn send(&self, node: &Node, to: Destination<'_>, message: Message) -> Result<(), SendError> {
        if stays_here(message.kind) {
            let line = format!(
                "error: A message of type {} can't be sent to another node",
                message.kind
            );
            node.log(message.source, line.as_bytes());
            return Err(SendError::NoService);
        }
        let service = Handle(self.service.load(Relaxed));
        // Should the service end before it gets to it, the kernel fails a request by its session; that of an answer is
        // the receiver's.
        let session = if message.is_request() {
            message.session
        } else {
            0
        };
        let sealed = envelope::seal(to, &message)?;
        node.send(message.source, service, kind::SYSTEM, session, sealed)
    }

    fn backlog(&self, name: &str) -> Option<GlobalBacklog> {
        self.directory.backlog(&envelope::name(name.as_bytes()))
    }
}

/// Makes a node part of a network: adds the service `harbor`, and lets messages out through it.
pub fn install(builder: NodeBuilder, net: Arc<LazyNet>) -> NodeBuilder {
    let outbound = Arc::new(Outbound::default());
    let network = Arc::clone(&outbound);
    builder.network(network).module(
        "harbor",
        factory(move || service::Harbor::new(Arc::clone(&net), Arc::clone(&outbound))),
    )
}

//! Standard input as messages: `skynet.core.stdin`, for the service `console`.
//!
//! The lines are read on a thread of their own, since reading blocks and cannot be interrupted. (The socket engine
//! could take the descriptor, but it would have to make it non-blocking, and with it everybody's terminal.) The thread
//! holds no part of the node, so that a node can end while the thread still waits for input. It ends with the input, or
//! with the service.

use std::io::{self, BufRead as _};
use std::sync::{Arc, Weak};
use std::thread;

use skynet_kernel::{Handle, Node, Payload, SendError, kind};

use crate::api::service;
use skynet_vm::native::{Fault, native, results};

/// Sends the lines until the input, the receiver or the node ends.
fn read_lines(node: &Weak<Node>, receiver: Handle) {
    for line in io::stdin().lock().split(b'\n') {
        let Ok(line) = line else { return };
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        let Some(node) = node.upgrade() else { return };
        let payload = Payload::from_slice(line);
        if let Err(SendError::NoService) = node.send(receiver, receiver, kind::TEXT, 0, payload) {
            return;
        }
    }
}

native! {
    /// `stdin()`: this service gets each line, without its end, as a message of the type `text` from itself.
    stdin = |l| {
        let svc = service(l)?;
        let (node, receiver) = (Arc::downgrade(svc.cx.node()), svc.cx.handle());
        thread::Builder::new()
            .name("stdin".to_owned())
            .spawn(move || read_lines(&node, receiver))
            .map_err(|e| Fault::from(format!("no thread for standard input: {e}")))?;
        results(0)
    };
}

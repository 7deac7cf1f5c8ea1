//! Standard input as a service: the module `stdin`, for the Lua service `console`.
//!
//! Its parameter is the address of a service (`:0000000a` or `.name`), which gets each line, without its end, as a TEXT message.
//! The lines are read on a thread of their own, since reading blocks and cannot be interrupted. The thread holds no part of the
//! node, so that a node can end while the thread still waits for input; the service does not keep a node alive either.
//! It ends with the input, or with the receiver.

use std::io::{self, BufRead as _};
use std::sync::{Arc, Weak};
use std::thread;

use skynet_kernel::{Context, Handle, InitError, Message, Node, Payload, SendError, Service, kind};

/// The service of the module `stdin`.
#[derive(Default)]
pub struct Stdin;

impl Service for Stdin {
    fn init(&mut self, cx: &Arc<Context>, param: &str) -> Result<(), InitError> {
        let receiver = cx
            .node()
            .resolve(param.trim())
            .ok_or_else(|| InitError::new(format!("stdin: no service {param}")))?;
        cx.reserve();
        let node = Arc::downgrade(cx.node());
        let source = cx.handle();
        thread::Builder::new()
            .name("stdin".to_owned())
            .spawn(move || {
                read_lines(&node, source, receiver);
                if let Some(node) = node.upgrade() {
                    // Any message from itself tells the service to end. It may be gone already.
                    let _ = node.send(source, source, kind::SYSTEM, 0, Payload::EMPTY);
                }
            })
            .map_err(|e| InitError::new(format!("stdin: {e}")))?;
        Ok(())
    }

    fn handle(&mut self, cx: &Arc<Context>, message: Message) {
        if message.source == cx.handle() {
            cx.exit();
        }
    }
}

/// Sends the lines until the input, the receiver or the node ends.
fn read_lines(node: &Weak<Node>, source: Handle, receiver: Handle) {
    for line in io::stdin().lock().split(b'\n') {
        let Ok(line) = line else { return };
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        let Some(node) = node.upgrade() else { return };
        if let Err(SendError::NoService) =
            node.send(source, receiver, kind::TEXT, 0, Payload::from_slice(line))
        {
            return;
        }
    }
}

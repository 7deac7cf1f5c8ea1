//! Code that is no service: it has a service that does nothing but lend its [`Cx`].

use super::host::Host;
use super::{Actor, Cx, Error};
use skynet_kernel::{Context, InitError, Message, Node, Report, Service};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

struct Nobody;

impl Actor for Nobody {}

/// Runs what an actor's tasks would be, here the calls of other threads, and lends its `Cx` before anything is
/// dispatched.
struct Lender {
    host: Host<Nobody>,
    sender: Sender<Cx>,
}

impl Service for Lender {
    fn init(&mut self, cx: &Arc<Context>, param: &str) -> Result<(), InitError> {
        self.host.init(cx, param)?;
        // The node may end while it is there.
        cx.reserve();
        let lent = self.host.cx().ok_or_else(|| InitError::new("no cx"))?;
        self.sender
            .send(lent)
            .map_err(|error| InitError::new(error.to_string()))
    }

    fn handle(&mut self, cx: &Arc<Context>, message: Message) {
        self.host.handle(cx, message);
    }

    fn turn_end(&mut self, cx: &Arc<Context>) {
        self.host.turn_end(cx);
    }

    fn report(&mut self, stacks: bool) -> Option<Report> {
        self.host.report(stacks)
    }
}

impl Cx {
    /// A hand on the node for code that is no service: the main function, tests, other runtimes. Its calls can be
    /// awaited anywhere, or [waited](super::wait) for. It does not keep the node from ending; drop or keep it as you
    /// like. It has a service of its own on the node, which ends when its clones and calls are dropped and its tasks
    /// have ended.
    ///
    /// # Errors
    /// If the node is about to stop.
    pub fn outside(node: &Arc<Node>) -> Result<Cx, Error> {
        let (sender, receiver) = channel();
        let host = Host::lender(Nobody);
        let lender = node.launch_service("outside", "", Box::new(Lender { host, sender }));
        lender.ok_or(Error::Closed)?;
        receiver.try_recv().map_err(|_| Error::Closed)
    }
}

//! Code that is no service: it has a service that does nothing but lend its [`Cx`].
//!
//! A service has one table of the calls that wait, one mailbox for their answers, and one worker at a time that deals
//! with them. So that several threads do not wait for each other, each has a service of its own behind the same `Cx`,
//! a *shard*.

use super::host::Host;
use super::shared::{Hold, Shards};
use super::{Actor, Cx, Error};
use skynet_kernel::{Context, InitError, Message, Node, Report, Service};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread;

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

/// Starts a service that does nothing but lend its `Cx`.
fn lend(node: &Node) -> Result<Cx, Error> {
    let (sender, receiver) = channel();
    let host = Host::lender(Nobody);
    let lender = node.launch_service("outside", "", Box::new(Lender { host, sender }));
    lender.ok_or(Error::Closed)?;
    receiver.try_recv().map_err(|_| Error::Closed)
}

/// The services of one `Cx` at most. There are as many as there can be threads at the same time, and some, so that few
/// meet in one.
fn shards() -> usize {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    (2 * processors).clamp(4, 128)
}

/// The number of this thread.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    NUMBER.with(|number| *number)
}

impl Cx {
    /// A hand on the node for code that is no service: the main function, tests, other runtimes. Its calls can be
    /// awaited anywhere, or [waited](super::wait) for. It does not keep the node from ending; drop or keep it as you
    /// like.
    ///
    /// It has a service of its own on the node, which ends when its clones and calls are dropped and its tasks have
    /// ended. Each further thread that makes calls has another one, up to twice as many as there are processors, so
    /// that threads do not wait for each other. A callee sees the handle of that service as the sender of a call;
    /// [`handle`](Cx::handle) is the first one's.
    ///
    /// # Errors
    /// If the node is about to stop.
    pub fn outside(node: &Arc<Node>) -> Result<Cx, Error> {
        let cx = lend(node)?;
        let others = (1..shards()).map(|_| OnceLock::new()).collect();
        let first = thread_number();
        // This cannot fail: nobody else has this Cx yet.
        let _ = cx.shared.shards.set(Shards { first, others });
        Ok(cx)
    }

    /// What the calls of this thread go through.
    #[inline]
    pub(super) fn of_thread(&self) -> &Hold {
        match self.shared.shards.get() {
            Some(shards) => self.shard(shards),
            None => &self.shared,
        }
    }

    fn shard<'a>(&'a self, shards: &'a Shards) -> &'a Hold {
        // The tasks of this Cx run in the turns of its first service.
        if !skynet_kernel::current().is_none() || self.context().retired() {
            return &self.shared;
        }
        let count = shards.others.len() + 1;
        match thread_number().wrapping_sub(shards.first) % count {
            0 => &self.shared,
            n => {
                let made = || lend(self.node()).ok().map(|cx| cx.shared);
                let shard = shards.others[n - 1].get_or_init(made);
                shard.as_ref().unwrap_or(&self.shared)
            }
        }
    }
}

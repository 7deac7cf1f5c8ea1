//! Code that is no service: it has a service that does nothing but lend its [`Cx`].

use super::host::Host;
use super::{Actor, Cx, Error};
use skynet_kernel::{Context, InitError, Message, Node, Report, Service};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::task::{self, Poll, Wake, Waker};
use std::thread::{self, Thread};

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

pub(super) fn cx(node: &Node) -> Result<Cx, Error> {
    let (sender, receiver) = channel();
    let host = Host::lender(Nobody);
    let lender = node.launch_service("outside", "", Box::new(Lender { host, sender }));
    lender.ok_or(Error::Closed)?;
    receiver.try_recv().map_err(|_| Error::Closed)
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Blocks this thread until `future` is ready: for the main function, tests, and other threads of a program.
///
/// # Panics
/// In a service, where it would take the worker away from all others: there it is `future.await`.
pub fn wait<F: Future>(future: F) -> F::Output {
    assert!(
        skynet_kernel::current().is_none(),
        "a service has to await, not to wait"
    );
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = task::Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

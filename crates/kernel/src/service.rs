//! What a service is to the kernel.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use crate::context::Context;
use crate::error::InitError;
use crate::footprint::Touched;
use crate::mailbox::Body;
use crate::message::Message;
use crate::report::{Report, Samples};

/// An actor: state that is touched by one thread at a time, driven by messages.
///
/// It may move between workers from message to message. A panic in [`handle`](Service::handle) is
/// caught: the service is retired, the request that it worked on is answered with an ERROR, and the
/// node goes on. The object is dropped on a worker, after its last turn; its destructor may still
/// send messages and log.
pub trait Service: Send + 'static {
    /// Runs on the thread that launches the service, before anything is dispatched to it. Messages
    /// that arrive meanwhile are kept. An error makes the launch fail.
    fn init(&mut self, _cx: &Arc<Context>, _param: &str) -> Result<(), InitError> {
        Ok(())
    }

    /// Handles one message.
    fn handle(&mut self, cx: &Arc<Context>, message: Message);

    /// The service has ended and shall drop what it has, but stay: it fails what it has begun, and holds the messages
    /// that come, until [`Context::take_revival`] says that it starts anew. False if it cannot do that; then it is
    /// dropped.
    fn fall(&mut self, _cx: &Arc<Context>) -> bool {
        false
    }

    /// Called after the last of the messages that were handled in one go.
    fn turn_end(&mut self, _cx: &Arc<Context>) {}

    /// Tells what memory is touched in every turn, so that it can be fetched while the turn before is still running
    /// (see [`Touched`]). Asked after some turns, and now and then later, on the thread of a turn.
    fn footprint(&self, _trail: &mut Touched) {}

    /// What it tells about itself; [`Node::inspect`](crate::Node::inspect) asks while it does not
    /// run, on a thread that is no worker. It must not send, nor run code of the application.
    fn report(&mut self, _stacks: bool) -> Option<Report> {
        None
    }

    /// How other threads reach the service while it is busy. Asked once, after its creation and
    /// before `init`.
    fn interrupts(&self) -> Option<Arc<dyn Interrupt>> {
        None
    }
}

/// The side of a service that other threads may call at any time, concurrently with its turns.
pub trait Interrupt: Send + Sync {
    /// The command `SIGNAL`.
    fn signal(&self, number: i32);

    /// The service has ended, and has not come back from its last message for a second: the running code shall give up,
    /// whatever it catches. Called again and again until it has. By default it is signal 0.
    fn end(&self) {
        self.signal(0);
    }

    /// The monitor suspects an endless loop in the message that is being handled: tell the log what
    /// is going on.
    fn stuck(&self) {}

    /// Bytes of memory that the service has allocated, if that is known.
    fn memory(&self) -> Option<usize> {
        None
    }

    /// The running code shall send a report, as soon as it can. Nothing has to come.
    fn report(&self, _stacks: bool, _reply: Sender<Report>) {}

    /// From now on [`sample`](Self::sample) puts samples there; none: nowhere any more. False if
    /// that is not possible.
    fn profile(&self, _samples: Option<&Arc<Samples>>) -> bool {
        false
    }

    /// The running code shall note where it is. False if the service does not run.
    fn sample(&self) -> bool {
        false
    }
}

/// Makes a service of one module.
pub type Factory = Arc<dyn Fn() -> Box<dyn Service> + Send + Sync>;

/// Finds a module that nobody has registered, for instance in a file. `None`: there is none of that name. An
/// error is why it cannot be had; it goes to the log. What is found is asked for once.
pub type ModuleLoader = Arc<dyn Fn(&str) -> Result<Option<Factory>, String> + Send + Sync>;

/// A factory from a function or closure that makes the service.
pub fn factory<S: Service>(make: impl Fn() -> S + Send + Sync + 'static) -> Factory {
    Arc::new(move || Box::new(make()))
}

/// A service as it lies in its mailbox.
pub(crate) struct Resident {
    pub(crate) service: Box<dyn Service>,
    pub(crate) context: Arc<Context>,
    pub(crate) batch: VecDeque<Message>,
    /// Turns so far.
    pub(crate) turns: u32,
}

impl Body for Resident {
    type Card = Arc<Context>;

    #[inline]
    fn batch(&mut self) -> &mut VecDeque<Message> {
        &mut self.batch
    }
}

pub(crate) type Mailbox = crate::mailbox::Mailbox<Resident>;

/// A push touches one cache line of a mailbox.
#[cfg(all(not(loom), target_pointer_width = "64"))]
const _: () = assert!(Mailbox::PUSHED <= 64);

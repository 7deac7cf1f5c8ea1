//! Services that are started anew in place: same handle, names and mailbox.
//!
//! A service that is *kept* does not go when it ends: it *falls*. Its worker makes it drop what it has
//! ([`Service::fall`](crate::Service::fall)), and its keeper is told why, by a RESPONSE with the session that it has
//! chosen. From then on the service holds what comes, until the keeper revives it, or ends it for good. When it has
//! started anew, the keeper is told `up`.
//!
//! Whether a service is to fall is a bit of its flags, which the worker looks at anyway.

use std::sync::Arc;

use crate::context::{Context, FALLEN, KEPT, REVIVED};
use crate::departure::Departure;
use crate::message::{Handle, Message, Payload, kind};
use crate::node::Node;
use crate::poison::lock;
use crate::service::Service;

/// What the keeper is told when the service has started anew, in the place of a reason.
const UP: &[u8] = b"up";

impl Context {
    /// From now on the service falls when it ends, and `keeper` is told by this session; 0: it ends as others do.
    /// Nobody keeps it any more when the keeper has ended.
    pub fn keep(&self, keeper: Handle, session: i32) {
        lock(&self.end).get_or_insert_default().keeper = (session > 0).then_some((keeper, session));
        self.set_flag(KEPT, session > 0);
    }

    /// A service that has fallen starts anew.
    pub fn revive(&self) {
        self.set_flag(REVIVED, true);
        self.poke();
    }

    /// Has the service been told to start anew? Once.
    pub fn take_revival(&self) -> bool {
        let revived = self.flags() & REVIVED != 0;
        // Only what was seen is taken: it may be told between the two.
        if revived {
            self.set_flag(REVIVED, false);
        }
        revived
    }

    /// Has it ended, for good or not, and is about to drop what it has?
    pub fn is_ending(&self) -> bool {
        self.flags() & FALLEN != 0 || self.retired()
    }

    /// It has started anew.
    pub fn risen(&self) {
        self.tell_keeper(UP.to_vec());
    }

    /// Is this the message that makes a worker look at the service?
    pub fn is_poke(&self, message: &Message) -> bool {
        message.kind == kind::RESPONSE && message.session == 0 && message.source == self.handle()
    }

    fn poke(&self) {
        let message = Message::new(kind::RESPONSE, self.handle(), 0, Payload::EMPTY);
        self.node()
            .push_all(self.handle(), std::iter::once(message));
    }

    /// False if nobody keeps it any more.
    fn tell_keeper(&self, text: Vec<u8>) -> bool {
        let keeper = lock(&self.end).as_ref().and_then(|end| end.keeper);
        keeper.is_some_and(|(keeper, session)| {
            let message = Message::new(kind::RESPONSE, self.handle(), session, Payload::from(text));
            self.node().push_all(keeper, std::iter::once(message))
        })
    }
}

impl Node {
    /// Lets a kept service fall in the place of its end. False if it has to go.
    pub(crate) fn let_fall(&self, handle: Handle, departure: &Departure) -> bool {
        let Some(context) = self.context(handle) else {
            return false;
        };
        if context.flags() & KEPT == 0 {
            return false;
        }
        if context.flags() & FALLEN != 0 {
            // One that does not come back from its message has to go.
            return !matches!(departure, Departure::Stuck(_));
        }
        {
            let mut end = lock(&context.end);
            let end = end.get_or_insert_default();
            let known = end.departure.as_ref().unwrap_or(departure);
            let goes = match known {
                // What it has may be in any state.
                Departure::Panic(_) | Departure::Stop => true,
                Departure::Restart(successor) => !successor.is_none(),
                _ => false,
            };
            let keeper = end.keeper.map(|(keeper, _)| keeper);
            if goes || keeper.is_none_or(|keeper| self.context(keeper).is_none()) {
                return false;
            }
            end.departure.get_or_insert_with(|| departure.clone());
        }
        context.set_flag(FALLEN, true);
        context.poke();
        true
    }
}

/// Makes a service fall that is to; or it goes, if it cannot, or nobody keeps it any more.
#[cold]
pub(crate) fn fall(service: &mut dyn Service, context: &Arc<Context>) {
    let node = context.node();
    let stays = !context.retired() && service.fall(context);
    let departure = lock(&context.end)
        .as_mut()
        .and_then(|end| end.departure.take())
        .unwrap_or(Departure::Gone);
    context.set_flag(FALLEN, false);
    if stays {
        node.ends.tell(context.handle());
    }
    if !stays || !context.tell_keeper(departure.to_bytes()) {
        context.keep(Handle::NONE, 0);
        node.dismiss(context.handle(), departure);
    }
}

//! Messages that a service leaves behind when it ends, and who has to hear of it.
//!
//! Each request fails by itself. Whoever has sent anything else learns that the service has gone, once and by an ERROR
//! with session 0: the session of an answer, for instance, is the receiver's, and would be mistaken for one of the
//! sender's own. What one sender gets is put into its mailbox under one lock.

use crate::message::{Handle, Message, Payload, kind};
use crate::node::Node;

/// See the module's description.
#[derive(Default)]
pub(crate) struct Dropped {
    /// Senders and sessions of requests, in the order of the messages.
    requests: Vec<(Handle, i32)>,
    /// Senders of other messages.
    others: Vec<Handle>,
}

impl Dropped {
    /// This message is not handled by anybody.
    pub(crate) fn note(&mut self, message: &Message) {
        if message.source.is_none() {
            return;
        }
        if message.is_request() {
            self.requests.push((message.source, message.session));
        } else if self.others.last() != Some(&message.source) {
            self.others.push(message.source);
        }
    }

    /// Tells the senders, in the name of the service that has gone.
    pub(crate) fn tell(self, node: &Node, dead: Handle) {
        let Dropped {
            mut requests,
            mut others,
        } = self;
        // Stable, so that the requests of one sender fail in their order.
        requests.sort_by_key(|&(source, _)| source);
        others.sort_unstable();
        others.dedup();
        // Behind the requests that fail by themselves.
        requests.extend(others.into_iter().map(|source| (source, 0)));
        for run in requests.chunk_by(|(a, _), (b, _)| a == b) {
            let errors = run
                .iter()
                .map(|&(_, session)| Message::new(kind::ERROR, dead, session, Payload::EMPTY));
            node.push_all(run[0].0, errors);
        }
    }
}

//! What is left of a service that has fallen, until it has started anew in place.

use std::collections::VecDeque;

use skynet_kernel::{Context, Message, Payload, kind};

use super::{Svc, is_request};

/// Messages that a service holds which has fallen; more are refused.
const MAX_HELD: usize = 100_000;

#[derive(Default)]
pub(super) struct Place {
    /// The next one, while its start function runs.
    pub(super) rising: Option<Box<Svc>>,
    /// What is for the next one.
    pub(super) held: VecDeque<Message>,
}

/// Is this what a start function may wait for?
pub(super) fn is_for_start(message: &Message) -> bool {
    matches!(message.kind, kind::RESPONSE | kind::ERROR | kind::SOCKET)
}

fn fail(cx: &Context, message: &Message) {
    if is_request(message.kind, message.session) {
        let _ = cx.send(message.source, kind::ERROR, message.session, Payload::EMPTY);
    }
}

impl Place {
    /// Keeps a message for the next one. Answers, and what comes from sockets, were for the one that has fallen.
    pub(super) fn hold(&mut self, cx: &Context, message: Message) {
        if is_for_start(&message) {
            return;
        }
        if self.held.len() < MAX_HELD {
            self.held.push_back(message);
        } else {
            fail(cx, &message);
        }
    }

    /// There is no next one.
    pub(super) fn fail_all(&mut self, cx: &Context) {
        for message in self.held.drain(..) {
            fail(cx, &message);
        }
    }
}

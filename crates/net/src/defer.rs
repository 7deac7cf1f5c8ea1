//! Input that waits until a service has caught up; see [`crate::flow`].

use std::collections::HashMap;

use skynet_kernel::Handle;

use crate::SocketId;
use crate::engine::Engine;
use crate::event::EventKind;
use crate::flow::Flow;
use crate::ready::Ready;
use crate::socket::{Socket, State};

/// Sockets of one reactor that wait for the relief of their owner.
#[derive(Default)]
pub(crate) struct Deferred(HashMap<Handle, Vec<SocketId>>);

impl Deferred {
    pub(crate) fn add(&mut self, owner: Handle, id: SocketId) {
        self.0.entry(owner).or_default().push(id);
    }

    /// Those that may be read again.
    pub(crate) fn released(&mut self, flow: &Flow, reactor: usize) -> Vec<SocketId> {
        flow.take_relieved(reactor)
            .iter()
            .filter_map(|owner| self.0.remove(owner))
            .flatten()
            .collect()
    }
}

impl Engine {
    /// Which service does the input of a socket have to wait for? Then it keeps what has been said of it.
    #[inline]
    pub(crate) fn defer(&self, socket: &mut Socket, ready: &Ready) -> Option<Handle> {
        let input = ready.input || ready.finished || ready.error || ready.hangup;
        if !input || !socket.reading || socket.state == State::Listen {
            return None;
        }
        let service = if self.flow.is_congested(socket.owner) {
            socket.owner
        } else if !socket.consumer.is_none() && self.is_consumer_congested(socket.consumer) {
            socket.consumer
        } else {
            return None;
        };
        socket.deferred = Some(Ready {
            output: false,
            ..*ready
        });
        Some(service)
    }

    /// Its mailbox is asked: what waits there did not come from here.
    fn is_consumer_congested(&self, service: Handle) -> bool {
        if self.flow.is_congested(service) {
            return true;
        }
        let Some(node) = self.node.upgrade() else {
            return false;
        };
        if !self.flow.congests(&node, service) {
            return false;
        }
        let over = self.flow.note(&node, service);
        if over {
            self.wake();
        }
        !over
    }

    /// The input of a socket ends up at this service, too.
    pub(crate) fn set_consumer(&self, id: SocketId, service: Handle) {
        let Some(mut socket) = self.slots.lock(id) else {
            return;
        };
        let changes = std::mem::replace(&mut socket.consumer, service) != service;
        if changes && socket.deferred.take().is_some() {
            // It may wait for the relief of another service.
            socket.missed = true;
            if socket.reading && self.want_input(&mut socket).is_err() {
                self.tell(&socket, EventKind::Error, 0, "enable read failed");
            }
        }
    }
}

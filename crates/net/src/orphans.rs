//! What becomes of the sockets of a service that has ended.
//!
//! Nobody can close a socket whose owner has gone: its events reach nobody, a listener would go on accepting, and
//! connections would stay until the process has no descriptors left. So the engine closes what a service owned when it
//! ends, as [`Net::close`] does: what waits to be sent is sent.
//!
//! A socket that its owner has [abandoned](crate::Net::abandon) is on its way to another service, which may not have
//! started it yet. It is left for [`HAND_OVER`], without reading, and then closed unless somebody has started it.
//!
//! [`Net::close`]: crate::Net::close

use std::time::{Duration, Instant};

use skynet_kernel::Handle;

use crate::SocketId;
use crate::engine::Engine;

/// How long an abandoned socket waits for its next owner.
const HAND_OVER: Duration = Duration::from_secs(30);

impl Engine {
    /// A service has ended.
    pub(crate) fn owner_ended(&self, owner: Handle) {
        // A listener may be accepting just now: what it has accepted is in the next set.
        while let Some(ids) = self.owners.take(owner) {
            for id in ids {
                self.orphaned(owner, id);
            }
        }
    }

    fn orphaned(&self, owner: Handle, id: SocketId) {
        let Some(mut socket) = self.slots.lock(id) else {
            return;
        };
        if socket.owner != owner {
            return;
        }
        // A later service with the same handle does not own these sockets.
        socket.owner = Handle::NONE;
        if !socket.abandoned {
            return self.close_entry(socket, false);
        }
        socket.reading = false;
        socket.missed = true;
        let until = Instant::now() + HAND_OVER;
        socket.orphaned = Some(until);
        self.look_later(id, until);
    }

    /// The owner has given a socket away.
    pub(crate) fn abandon(&self, owner: Handle, id: SocketId) {
        if let Some(mut socket) = self.slots.lock(id)
            && socket.owner == owner
        {
            socket.abandoned = true;
        }
    }
}

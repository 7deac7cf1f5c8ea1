//! Hearing of the ends of other services.

use super::calls::RawCall;
use super::cx::{Address, Cx};
use super::shared::Hold;
use skynet_kernel::{Departure, Handle};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

/// The end of another service: what [`Cx::watch`] makes. Dropping the future takes the watch back.
#[must_use = "nobody hears of the end if nobody waits for it"]
pub struct Watch {
    shared: Hold,
    /// Whom, and the session by which it is told; none: it has ended.
    watched: Option<(Handle, i32)>,
    notice: RawCall,
}

impl Watch {
    fn new(shared: &Hold, target: Option<Handle>) -> Watch {
        let notice = RawCall::unsent(shared);
        let watched = target.zip(notice.session());
        let watched = watched.filter(|(target, session)| shared.context.watch(*target, *session));
        Watch {
            shared: shared.clone(),
            watched,
            notice,
        }
    }
}

impl Future for Watch {
    type Output = Departure;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Departure> {
        let this = self.get_mut();
        if this.watched.is_none() {
            return Poll::Ready(Departure::Gone);
        }
        let result = match Pin::new(&mut this.notice).poll(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(result) => result,
        };
        this.watched = None;
        // An error is the end of this service itself.
        let departure = result
            .ok()
            .and_then(|payload| Departure::from_bytes(payload.as_slice()));
        Poll::Ready(departure.unwrap_or(Departure::Gone))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some((target, session)) = self.watched {
            self.shared.context.unwatch(target, session);
        }
    }
}

impl Cx {
    /// The end of another service of this node, and why it has ended. It is told once, behind everything that the
    /// service has sent. [`Departure::Gone`] for one that is not there.
    pub fn watch(&self, service: impl Into<Address>) -> Watch {
        Watch::new(self.of_thread(), self.query(service))
    }

    /// Links this service and another one of this node: when one of them ends otherwise than by its own exit, the other
    /// is ended too, unless it is in Lua and traps (`skynet.trapexit`). False if the other is not there.
    pub fn link(&self, service: impl Into<Address>) -> bool {
        self.query(service)
            .is_some_and(|handle| self.context().link(handle))
    }

    /// Takes a link back.
    pub fn unlink(&self, service: impl Into<Address>) {
        if let Some(handle) = self.query(service) {
            self.context().unlink(handle);
        }
    }
}

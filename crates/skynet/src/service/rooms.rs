//! Where the futures of an actor's methods lie.
//!
//! Each type of future has a size of its own, so that a task needs memory. Most tasks end at their first poll; what they lay in is kept for the
//! next one of that type.

use super::host::Seat;
use std::any::{Any, TypeId};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};

/// A room with the future of a method in it; empty when that has ended.
pub(super) trait Method<A>: Send {
    /// Polls the future, and drops it if it is ready.
    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Seat<A>>;

    /// Keeps the room for the next one.
    fn recycle(self: Pin<Box<Self>>, spares: &mut Spares);
}

impl<A, F: Future<Output = Seat<A>> + Send + 'static> Method<A> for Option<F> {
    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Seat<A>> {
        let future = self.as_mut().as_pin_mut();
        let seat = ready!(future.expect("it is polled until it ends").poll(cx));
        self.set(None);
        Poll::Ready(seat)
    }

    fn recycle(self: Pin<Box<Self>>, spares: &mut Spares) {
        spares.give(self);
    }
}

/// Empty rooms, one for each type of future that has ended: a handler that does not wait allocates nothing.
#[derive(Default)]
pub(super) struct Spares(Vec<(TypeId, Box<dyn Any + Send>)>);

pub(super) type Room<F> = Pin<Box<Option<F>>>;

impl Spares {
    fn find<F: Send + 'static>(&mut self) -> Option<&mut Option<Room<F>>> {
        let wanted = TypeId::of::<F>();
        let (_, rooms) = self.0.iter_mut().find(|(id, _)| *id == wanted)?;
        rooms.downcast_mut()
    }

    #[inline]
    pub(super) fn take<F: Send + 'static>(&mut self) -> Room<F> {
        let spare = self.find::<F>().and_then(Option::take);
        spare.unwrap_or_else(|| Box::pin(None))
    }

    #[inline]
    fn give<F: Send + 'static>(&mut self, room: Room<F>) {
        match self.find() {
            Some(place) => *place = Some(room),
            None => self.0.push((TypeId::of::<F>(), Box::new(Some(room)))),
        }
    }
}

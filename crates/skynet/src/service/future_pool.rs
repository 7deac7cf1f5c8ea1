//! Where the futures of an actor's methods lie.
//!
//! Each type of future has a size of its own, so that a task needs memory. Most tasks end at their first poll; what
//! they lay in is kept for the next one of that type.

use std::any::{Any, TypeId};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};

/// The memory of a method's future, with the future in it; empty when that has ended. `R` is what the future ends with.
pub(super) trait Method<R>: Send {
    /// Polls the future, and drops it if it is ready.
    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<R>;

    /// Keeps the memory for the next one.
    fn recycle(self: Pin<Box<Self>>, pool: &mut FuturePool);
}

impl<R, F: Future<Output = R> + Send + 'static> Method<R> for Option<F> {
    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<R> {
        let future = self.as_mut().as_pin_mut();
        let output = ready!(future.expect("it is polled until it ends").poll(cx));
        self.set(None);
        Poll::Ready(output)
    }

    fn recycle(self: Pin<Box<Self>>, pool: &mut FuturePool) {
        pool.give(self);
    }
}

/// Memory of futures that have ended, for one of each type: a handler that does not wait allocates nothing.
#[derive(Default)]
pub(super) struct FuturePool(Vec<(TypeId, Box<dyn Any + Send>)>);

pub(super) type Allocation<F> = Pin<Box<Option<F>>>;

impl FuturePool {
    fn find<F: Send + 'static>(&mut self) -> Option<&mut Option<Allocation<F>>> {
        let wanted = TypeId::of::<F>();
        let (_, spare) = self.0.iter_mut().find(|(id, _)| *id == wanted)?;
        spare.downcast_mut()
    }

    #[inline]
    pub(super) fn take<F: Send + 'static>(&mut self) -> Allocation<F> {
        let spare = self.find::<F>().and_then(Option::take);
        spare.unwrap_or_else(|| Box::pin(None))
    }

    #[inline]
    fn give<F: Send + 'static>(&mut self, allocation: Allocation<F>) {
        match self.find() {
            Some(place) => *place = Some(allocation),
            None => self.0.push((TypeId::of::<F>(), Box::new(Some(allocation)))),
        }
    }
}

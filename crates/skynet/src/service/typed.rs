//! Messages between services in Rust, as values of Rust types: nothing is packed, and the compiler knows who takes
//! what.
//!
//! A message travels as a value in the place of bytes ([`Parcel`]). Its type's label is the function that runs the
//! handler, so that the receiver needs no table of what it takes. It says which actor it is for, too: one that comes to
//! an actor of another type fails.

use super::about::About;
use super::calls::RawCall;
use super::host::{Core, Entry};
use super::request::{Claim, origin};
use super::{Actor, Address, Cx, Error};
use skynet_kernel::{Handle, Message, Parcel, Payload, kind};
use std::any::Any;
use std::fmt;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

/// An actor that takes messages of the type `M` from other services in Rust.
///
/// ```
/// use skynet::service::{Actor, Cx, Error, Handler};
/// use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
///
/// #[derive(Default)]
/// struct Counter(AtomicI64);
///
/// impl Actor for Counter {}
///
/// struct Add(i64);
///
/// impl Handler<Add> for Counter {
///     type Answer = i64;
///
///     async fn handle(&self, _: &Cx, Add(n): Add) -> Result<i64, Error> {
///         Ok(self.0.fetch_add(n, Relaxed) + n)
///     }
/// }
///
/// # fn main() -> Result<(), Error> {
/// let node = skynet::kernel::Node::builder().start()?;
/// node.run();
/// let cx = Cx::outside(&node)?;
/// let counter = cx.start(Counter::default())?;
/// cx.tell(counter, Add(40))?;
/// assert_eq!(cx.ask(counter, Add(2)).wait()?, 42);
/// node.shutdown();
/// node.wait();
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "the actor `{Self}` has no handler for the message `{M}`",
    label = "no `impl Handler<{M}> for {Self}`"
)]
pub trait Handler<M: Send + 'static>: Actor {
    /// What those who [`ask`](super::Cx::ask) get.
    type Answer: Send + 'static;

    /// Handles a message. It may be written as `async fn`. The result of one that was only [told](super::Cx::tell) is
    /// ignored.
    ///
    /// An error is logged, and fails the asker with [`Error::CallFailed`]. So does a panic, which ends this task only.
    fn handle(
        &self,
        cx: &Cx,
        message: M,
    ) -> impl Future<Output = Result<Self::Answer, Error>> + Send;
}

/// The address of an actor of a known type. It is a [`Handle`], and costs no more.
pub struct Addr<A> {
    handle: Handle,
    actor: PhantomData<fn(A)>,
}

impl<A> Addr<A> {
    /// The address of the service `handle`, which is said to be such an actor. If it is not, messages to it fail.
    pub const fn new(handle: Handle) -> Addr<A> {
        Addr {
            handle,
            actor: PhantomData,
        }
    }

    /// The handle, for all who do not know the type.
    pub const fn handle(self) -> Handle {
        self.handle
    }
}

impl<A> Clone for Addr<A> {
    fn clone(&self) -> Addr<A> {
        *self
    }
}

impl<A> Copy for Addr<A> {}

impl<A> PartialEq for Addr<A> {
    fn eq(&self, other: &Addr<A>) -> bool {
        self.handle == other.handle
    }
}

impl<A> Eq for Addr<A> {}

impl<A> Hash for Addr<A> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.handle.hash(state);
    }
}

impl<A> fmt::Debug for Addr<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Addr({} {})", self.handle, std::any::type_name::<A>())
    }
}

impl<A> From<Addr<A>> for Address {
    fn from(addr: Addr<A>) -> Address {
        Address::Handle(addr.handle())
    }
}

impl Cx {
    /// The own address, to be sent to others: `cx.addr::<Self>()` in a handler.
    pub fn addr<A: Actor>(&self) -> Addr<A> {
        Addr::new(self.handle())
    }

    /// Sends a message to an actor, without an answer. Nothing is packed.
    ///
    /// # Errors
    /// If the address does not take it.
    #[inline]
    pub fn tell<A: Handler<M>, M: Send + 'static>(
        &self,
        to: Addr<A>,
        message: M,
    ) -> Result<(), Error> {
        let sent = self
            .shared
            .context
            .send(to.handle(), kind::VALUE, 0, letter::<A, M>(message));
        sent.map_err(Error::of_send)
    }

    /// Sends a message to an actor, whose answer is the future. It is sent at once.
    ///
    /// The future fails with [`Error::CallFailed`] if the actor fails or dies, so that it never waits for the dead.
    #[inline]
    pub fn ask<A: Handler<M>, M: Send + 'static>(&self, to: Addr<A>, message: M) -> Ask<A::Answer> {
        let letter = letter::<A, M>(message);
        let call = RawCall::new(self.of_thread(), Some(to.handle()), kind::VALUE, letter);
        Ask::new(call)
    }
}

/// A message on its way to the actor `A`.
struct Letter<A, M>(M, PhantomData<fn(A)>);

impl<A: Handler<M>, M: Send + 'static> Parcel for Letter<A, M> {
    const LABEL: &'static (dyn Any + Send + Sync) = &Entry::<A>(open::<A, M>);
}

/// An answer on its way back.
struct Answer<T>(T);

impl<T: Send + 'static> Parcel for Answer<T> {}

fn letter<A: Handler<M>, M: Send + 'static>(message: M) -> Payload {
    Payload::value(Letter::<A, M>(message, PhantomData))
}

/// Runs the handler of a message.
fn open<A: Handler<M>, M: Send + 'static>(core: &mut Core<A>, mut message: Message) {
    let (source, session) = origin(&message);
    let Ok(Letter(value, _)) = message.take_payload().into_value::<Letter<A, M>>() else {
        unreachable!("a letter has the label that led here");
    };
    let refs = core.refs();
    let task = async move {
        let claim = Claim::new(&refs.cx, source, session);
        let result = refs.actor.handle(&refs.cx, value).await;
        claim.conclude(result, |claim, answer| {
            claim.give(Payload::value(Answer(answer)))
        });
        refs
    };
    core.start(task, || {
        About::of_handler::<A, M>().working_on(source, session)
    });
}

/// The answer to what was asked, when it comes. The question has been sent already; dropping the future gives the
/// answer up.
#[must_use = "the answer is lost if nobody waits for it"]
pub struct Ask<T> {
    call: RawCall,
    answer: PhantomData<fn() -> T>,
}

impl<T: Send + 'static> Ask<T> {
    fn new(call: RawCall) -> Ask<T> {
        Ask {
            call,
            answer: PhantomData,
        }
    }

    /// Gives the answer this long, from now on; then it fails with [`Error::Timeout`].
    pub fn within(self, time: Duration) -> Ask<T> {
        Ask::new(self.call.within(time))
    }

    /// Blocks this thread until the answer is there. Not for services: see [`wait`](super::wait).
    ///
    /// # Errors
    /// As the future's.
    pub fn wait(self) -> Result<T, Error> {
        super::wait(self)
    }
}

impl<T: Send + 'static> Future for Ask<T> {
    type Output = Result<T, Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.call).poll(cx).map(|result| {
            let answer = result?.into_value::<Answer<T>>();
            // An answer of another type counts as a failure.
            answer
                .map(|Answer(answer)| answer)
                .map_err(|_| Error::CallFailed)
        })
    }
}

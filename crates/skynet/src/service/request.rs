//! A message for a service, and the claim of its sender to an answer.
//!
//! The claim is one value, shared by the request, by what the service made of it, and by the task that handles it. It is settled
//! once: by an answer, by an error, or when the last of them is dropped, which is an error, too. So nobody waits for ever.

use super::calls::lock;
use super::host::Shared;
use super::{Error, Value, Values};
use skynet_kernel::{Context, Handle, Message, Payload, kind};
use skynet_wire::seri;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

/// A message that has been sent to the service.
pub struct Request {
    message: Message,
    claim: Arc<Claim>,
    shared: Arc<Shared>,
}

impl Request {
    pub(super) fn new(shared: &Arc<Shared>, message: Message) -> Request {
        let claim = Arc::new(Claim {
            context: shared.context.clone(),
            source: message.source,
            // A multicast message's session is its channel.
            session: if message.kind == kind::MULTICAST {
                0
            } else {
                message.session.max(0)
            },
            deferred: AtomicBool::new(false),
            settled: AtomicBool::new(false),
        });
        Request {
            message,
            claim,
            shared: shared.clone(),
        }
    }

    pub(super) fn claim(&self) -> Arc<Claim> {
        self.claim.clone()
    }

    /// The sender.
    pub fn source(&self) -> Handle {
        self.message.source
    }

    /// The sender's session; 0 if it does not wait for an answer.
    pub fn session(&self) -> i32 {
        self.message.session
    }

    /// The type, one of [`skynet_kernel::kind`] or an own one.
    pub fn kind(&self) -> u8 {
        self.message.kind
    }

    /// Does the sender wait for an answer?
    pub fn is_call(&self) -> bool {
        self.claim.session != 0
    }

    /// The bytes.
    pub fn payload(&self) -> &[u8] {
        self.message.payload()
    }

    /// The values that the bytes are, if they are packed values.
    ///
    /// # Errors
    /// [`Error::Seri`].
    pub fn values(&self) -> Result<Values, Error> {
        seri::unpack(self.payload()).map_err(Error::Seri)
    }

    /// Takes the answer out of the handler's result: it is given later, from anywhere, by the [`Responder`]. Only
    /// the first one made of a request can answer.
    pub fn defer(&self) -> Responder {
        if !self.claim.deferred.swap(true, Ordering::Relaxed) && self.is_call() {
            // A service that ends fails all requests that it has, also those in other hands.
            let mut deferred = lock(&self.shared.deferred);
            deferred.retain(|claim: &Weak<Claim>| claim.strong_count() > 0);
            deferred.push(Arc::downgrade(&self.claim));
        }
        Responder {
            claim: self.claim.clone(),
        }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("source", &self.source())
            .field("session", &self.session())
            .field("kind", &self.kind())
            .field("bytes", &self.payload().len())
            .finish()
    }
}

/// The means to answer a request. Dropping it unused fails the request.
pub struct Responder {
    claim: Arc<Claim>,
}

impl Responder {
    /// Answers with values.
    ///
    /// # Errors
    /// If they cannot be packed, or the answer cannot be sent; then the request fails.
    pub fn send(self, values: &[Value]) -> Result<(), Error> {
        self.claim.answer(values)
    }

    /// Answers with bytes.
    ///
    /// # Errors
    /// If they cannot be sent; then the request fails.
    pub fn send_raw(self, payload: impl Into<Payload>) -> Result<(), Error> {
        self.claim.settle(kind::RESPONSE, payload.into())
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.claim.fail();
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder")
            .field("source", &self.claim.source)
            .field("session", &self.claim.session)
            .finish()
    }
}

/// The claim of a sender to an answer.
pub(super) struct Claim {
    context: Arc<Context>,
    source: Handle,
    /// 0 if there is no claim.
    session: i32,
    /// The handler's result is not the answer.
    deferred: AtomicBool,
    settled: AtomicBool,
}

impl Claim {
    pub(super) fn is_deferred(&self) -> bool {
        self.deferred.load(Ordering::Relaxed)
    }

    pub(super) fn answer(&self, values: &[Value]) -> Result<(), Error> {
        if self.session == 0 {
            return Ok(());
        }
        match seri::pack(values) {
            Ok(bytes) => self.settle(kind::RESPONSE, Payload::from(bytes)),
            Err(error) => {
                self.fail();
                Err(Error::Seri(error))
            }
        }
    }

    pub(super) fn fail(&self) {
        // If the sender is gone, nobody needs to know.
        let _ = self.settle(kind::ERROR, Payload::EMPTY);
    }

    fn settle(&self, kind: u8, payload: Payload) -> Result<(), Error> {
        if self.session == 0 || self.settled.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.context
            .send(self.source, kind, self.session, payload)
            .map_err(|error| {
                if kind == kind::RESPONSE {
                    // Too large, or the like: the caller shall not wait for it.
                    let _ =
                        self.context
                            .send(self.source, kind::ERROR, self.session, Payload::EMPTY);
                }
                Error::of_send(error)
            })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.fail();
    }
}

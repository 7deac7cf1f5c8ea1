//! A message for a service, and the claim of its sender to an answer.
//!
//! The claim lies in the task that handles the message. It is settled once: by the handler's result, or when the task
//! is dropped, which is an error. A handler that takes it over with [`Request::defer`] gets it as a [`Responder`],
//! which does the same when it is dropped. So nobody waits for ever.

use super::shared::Deferred;
use super::{Cx, Error, Pack, Unpack, Values};
use skynet_kernel::{Handle, Message, Payload, kind, lock};
use skynet_wire::seri;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

/// A message that has been sent to the service.
pub struct Request {
    cx: Cx,
    message: Message,
    /// A [`Responder`] has the claim.
    deferred: AtomicBool,
}

impl Request {
    pub(super) fn new(cx: Cx, message: Message) -> Request {
        Request {
            cx,
            message,
            deferred: AtomicBool::new(false),
        }
    }

    pub(super) fn cx(&self) -> &Cx {
        &self.cx
    }

    /// Gives back what [`new`](Self::new) was given.
    pub(super) fn into_cx(self) -> Cx {
        self.cx
    }

    /// What is to become of its sender's wait.
    pub(super) fn claim(&self) -> Claim<'_> {
        let (source, session) = origin(&self.message);
        Claim {
            cx: &self.cx,
            source,
            session,
            deferred: Some(&self.deferred),
        }
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
        self.message.is_request()
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

    /// The values as those of Rust types; texts can be borrowed: `let (command, n): (&str, i64) = request.read()?`.
    ///
    /// Further values are ignored, as by a function in Lua; `Option` stands for one that may be nil or missing.
    ///
    /// # Errors
    /// If they are not of these types, or the bytes are no packed values.
    pub fn read<'a, T: Unpack<'a>>(&'a self) -> Result<T, Error> {
        super::pack::read(self.payload())
    }

    /// Answers now, with values of Rust types. What the handler returns is no answer any more; a second answer is
    /// ignored.
    ///
    /// # Errors
    /// If the values cannot be packed, or the answer cannot be sent; then the request fails.
    pub fn answer(&self, values: impl Pack) -> Result<(), Error> {
        let (source, session) = origin(&self.message);
        if self.deferred.swap(true, Ordering::Relaxed) || session == 0 {
            return Ok(());
        }
        match super::pack::payload(&values) {
            Ok(payload) => respond(&self.cx, source, session, payload),
            Err(error) => {
                refuse(&self.cx, source, session);
                Err(error)
            }
        }
    }

    /// Takes the answer out of the handler's result: it is given later, from anywhere, by the [`Responder`]. Only
    /// the first one made of a request can answer.
    pub fn defer(&self) -> Responder {
        let first = !self.deferred.swap(true, Ordering::Relaxed);
        let (source, session) = origin(&self.message);
        let later = Arc::new(Later {
            cx: self.cx.clone(),
            source,
            session,
            settled: AtomicBool::new(!first || session == 0),
        });
        if first && self.is_call() {
            // A service that ends fails all requests that it has, also those in other hands.
            let mut deferred = lock(&self.cx.shared.deferred);
            if deferred.len() == deferred.capacity() {
                // Allocation for as many more, so that looking at all of them is rare.
                deferred.retain(|later| later.strong_count() > 0);
                let live = deferred.len();
                deferred.reserve(live.max(8));
            }
            let later: Weak<dyn Deferred> = Arc::<Later>::downgrade(&later);
            deferred.push(later);
        }
        Responder { later }
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
    later: Arc<Later>,
}

impl Responder {
    /// Answers with values.
    ///
    /// # Errors
    /// If they cannot be packed, or the answer cannot be sent; then the request fails.
    pub fn send(self, values: impl Pack) -> Result<(), Error> {
        self.later.settle(super::pack::payload(&values)?)
    }

    /// Answers with bytes.
    ///
    /// # Errors
    /// If they cannot be sent; then the request fails.
    pub fn send_raw(self, payload: impl Into<Payload>) -> Result<(), Error> {
        self.later.settle(payload.into())
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.later.fail();
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder")
            .field("source", &self.later.source)
            .field("session", &self.later.session)
            .finish()
    }
}

/// A claim that has left its handler.
struct Later {
    cx: Cx,
    source: Handle,
    session: i32,
    settled: AtomicBool,
}

impl Deferred for Later {
    fn fail(&self) {
        if !self.settled.swap(true, Ordering::AcqRel) {
            refuse(&self.cx, self.source, self.session);
        }
    }
}

impl Later {
    fn settle(&self, payload: Payload) -> Result<(), Error> {
        if self.settled.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        respond(&self.cx, self.source, self.session, payload)
    }
}

/// The claim of a sender to an answer.
pub(super) struct Claim<'a> {
    cx: &'a Cx,
    source: Handle,
    /// 0 if there is no claim.
    session: i32,
    /// Has a [`Responder`] taken it?
    deferred: Option<&'a AtomicBool>,
}

impl<'a> Claim<'a> {
    pub(super) fn new(cx: &'a Cx, source: Handle, session: i32) -> Claim<'a> {
        Claim {
            cx,
            source,
            session,
            deferred: None,
        }
    }

    /// Does its holder owe an answer?
    fn is_owed(&self) -> bool {
        let deferred = self
            .deferred
            .is_some_and(|flag| flag.load(Ordering::Relaxed));
        self.session != 0 && !deferred
    }

    /// Settles it by the handler's result, of which `answer` makes the answer.
    pub(super) fn conclude<T>(
        mut self,
        result: Result<T, Error>,
        answer: impl FnOnce(&mut Claim<'a>, T) -> Result<(), Error>,
    ) {
        let error = match result {
            Ok(value) if self.is_owed() => match answer(&mut self, value) {
                // The sender has ended meanwhile.
                Ok(()) | Err(Error::NoService) => return,
                Err(error) => error,
            },
            Ok(_) => return,
            Err(error) => error,
        };
        self.complain(&error);
    }

    #[cold]
    fn complain(&self, error: &Error) {
        let (cx, session, source) = (self.cx, self.session, self.source);
        cx.log(format!(
            "error: request {session} from {source} failed: {error}"
        ));
    }

    pub(super) fn answer(&mut self, values: &Values) -> Result<(), Error> {
        self.give(super::pack::payload(values)?)
    }

    /// Gives the answer.
    pub(super) fn give(&mut self, payload: Payload) -> Result<(), Error> {
        let session = std::mem::take(&mut self.session);
        respond(self.cx, self.source, session, payload)
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if self.is_owed() {
            refuse(self.cx, self.source, self.session);
        }
    }
}

fn respond(cx: &Cx, source: Handle, session: i32, payload: Payload) -> Result<(), Error> {
    let sent = cx
        .shared
        .context
        .send(source, kind::RESPONSE, session, payload);
    sent.map_err(|error| {
        // The answer may be too large, for instance. The caller must not wait for it.
        refuse(cx, source, session);
        Error::of_send(error)
    })
}

fn refuse(cx: &Cx, source: Handle, session: i32) {
    // If the sender has ended, it needs no answer.
    let _: Result<_, _> = cx
        .shared
        .context
        .send(source, kind::ERROR, session, Payload::EMPTY);
}

/// Who has sent a message, and which answer they wait for; no session if none.
pub(super) fn origin(message: &Message) -> (Handle, i32) {
    match message.is_request() {
        true => (message.source, message.session),
        false => (message.source, 0),
    }
}

//! What a service knows about itself, and how it acts on the rest of the node.

use std::any::Any;
use std::ptr::NonNull;
use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering::AcqRel, Ordering::Relaxed,
};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use crate::clock;
use crate::departure::{Departure, End};
use crate::error::SendError;
use crate::expiry::{Delay, Expiry};
use crate::limit::Limit;
use crate::message::{Handle, Message, Payload, kind};
use crate::msglog::MessageLog;
use crate::node::Node;
use crate::poison::lock;
use crate::service::{Interrupt, Mailbox};
use crate::timers::TimerKey;

/// The service has been retired: its turn ends after the current message.
pub(crate) const RETIRED: u8 = 1;
/// Its messages are written to a file before they are dispatched.
pub(crate) const LOGGING: u8 = 2;

/// It has been dropped.
pub(crate) const GONE: u8 = 4;
/// Those who watched it have been told.
pub(crate) const TOLD: u8 = 8;
/// Errors of its code end it.
pub(crate) const FATAL: u8 = 16;
/// Somebody starts it anew in place when it ends.
pub(crate) const KEPT: u8 = 32;
/// It is to fall: to drop what it has, and stay.
pub(crate) const FALLEN: u8 = 64;
/// It has fallen, and is to start anew.
pub(crate) const REVIVED: u8 = 128;

/// One per service. It may be kept and used by other threads; it outlives the service, but not the
/// usefulness of most methods.
pub struct Context {
    node: Arc<Node>,
    handle: Handle,
    mailbox: NonNull<Mailbox>,
    /// Session given out last.
    session: AtomicU32,
    /// RETIRED, LOGGING: what a worker must look at for every message.
    flags: AtomicU8,
    /// Counts as a live service.
    counted: AtomicBool,
    endless: AtomicBool,
    /// Messages handled. This and the next two are written by the worker that runs the service
    /// only.
    messages: AtomicU64,
    /// Timers set so far.
    timers: AtomicUsize,
    /// Ticks spent in the service.
    cpu: AtomicU64,
    /// Ticks when the current message was begun; 0 without profiling.
    began: AtomicU64,
    module: Box<str>,
    description: Mutex<Option<String>>,
    interrupt: OnceLock<Arc<dyn Interrupt>>,
    message_log: Mutex<Option<MessageLog>>,
    extension: OnceLock<Box<dyn Any + Send + Sync>>,
    /// Made when somebody wants to know of its end, or it ends.
    pub(crate) end: Mutex<Option<Box<End<Context>>>>,
}

// SAFETY: `mailbox` leads to a mailbox of `node`, which lives as long as the node and synchronises
// itself.
unsafe impl Send for Context {}
// SAFETY: as above; everything else is atomic or locked.
unsafe impl Sync for Context {}

impl Context {
    pub(crate) fn new(
        node: Arc<Node>,
        handle: Handle,
        mailbox: NonNull<Mailbox>,
        module: &str,
        param: &str,
    ) -> Context {
        let description = if param.is_empty() {
            None
        } else {
            Some(format!("{module} {param}"))
        };
        Context {
            node,
            handle,
            mailbox,
            session: AtomicU32::new(0),
            flags: AtomicU8::new(0),
            counted: AtomicBool::new(true),
            endless: AtomicBool::new(false),
            messages: AtomicU64::new(0),
            timers: AtomicUsize::new(0),
            cpu: AtomicU64::new(0),
            began: AtomicU64::new(0),
            module: module.into(),
            description: Mutex::new(description),
            interrupt: OnceLock::new(),
            message_log: Mutex::new(None),
            extension: OnceLock::new(),
            end: Mutex::new(None),
        }
    }

    /// The node that the service lives on.
    #[inline]
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// The service's handle.
    #[inline]
    pub fn handle(&self) -> Handle {
        self.handle
    }

    /// The module that the service was launched from.
    pub fn module(&self) -> &str {
        &self.module
    }

    /// A new session: 1, 2, … 0x7fffffff, then 1 again. The caller skips those that it still uses.
    #[inline]
    pub fn new_session(&self) -> i32 {
        loop {
            let session = self.session.fetch_add(1, Relaxed).wrapping_add(1) & 0x7fff_ffff;
            if session != 0 {
                return session as i32;
            }
        }
    }

    /// As [`new_session`](Self::new_session), for the code that handles the service's messages, while nobody else asks
    /// for sessions of this service: without the price of an atomic operation.
    #[inline]
    pub fn next_session(&self) -> i32 {
        let last = self.session.load(Relaxed) & 0x7fff_ffff;
        let session = if last == 0x7fff_ffff { 1 } else { last + 1 };
        self.session.store(session, Relaxed);
        session as i32
    }

    /// The session given out last; 0 for none.
    pub fn last_session(&self) -> i32 {
        (self.session.load(Relaxed) & 0x7fff_ffff) as i32
    }

    /// Sets the session that counts as given out last. For tests of the wrap-around.
    pub fn set_session(&self, last: i32) {
        self.session.store(last as u32, Relaxed);
    }

    /// Sends a message from this service.
    #[inline]
    pub fn send(
        &self,
        dest: Handle,
        kind: u8,
        session: i32,
        payload: Payload,
    ) -> Result<(), SendError> {
        self.node.send(self.handle, dest, kind, session, payload)
    }

    /// Sends a message to this service itself, to be handled before any other. For [`init`](crate::Service::init):
    /// others may have guessed the handle, and have sent messages already.
    ///
    /// # Errors
    /// The service has been killed.
    pub fn send_first(&self, kind: u8, payload: Payload) -> Result<(), SendError> {
        let message = Message::new(kind, self.handle, 0, payload);
        match self.mailbox().push_first(self.handle, message) {
            None => Err(SendError::NoService),
            Some(schedule) => {
                if schedule {
                    self.node.wake(self.mailbox());
                }
                Ok(())
            }
        }
    }

    /// Sends a RESPONSE with this session, source 0 and no payload, to this service after `delay`.
    /// The key can cancel it; `None` if the message is in the mailbox already.
    pub fn timeout(&self, session: i32, delay: Delay) -> Option<TimerKey> {
        let when = match delay {
            Delay::Cs(cs) if cs > 0 => self.node.clock.after_cs(cs as u64),
            Delay::Ms(ms) if ms > 0 => self.node.clock.after_ms(ms),
            Delay::After(time) if !time.is_zero() => self.node.clock.after(time),
            _ => {
                self.node.deliver(self.handle, kind::RESPONSE, session);
                return None;
            }
        };
        // A number that is a little too low does no harm, nor does one that is too high.
        self.timers.store(self.timers.load(Relaxed) + 1, Relaxed);
        let (node, handle) = (&self.node, self.handle);
        let expiry = Expiry { handle, session };
        let wake = || node.scheduler.parking().alarm().ring();
        Some(node.timers.add(when, handle.0, expiry, wake))
    }

    /// Ends the service (command `EXIT`): logs `KILL self` and retires it. The current message is
    /// finished first.
    pub fn exit(&self) {
        self.log("KILL self");
        self.node.dismiss(self.handle, Departure::Exit);
    }

    /// Has the service been retired?
    #[inline]
    pub fn retired(&self) -> bool {
        self.flags.load(Relaxed) & RETIRED != 0
    }

    /// Sends a line to the log.
    pub fn log(&self, text: impl AsRef<[u8]>) {
        self.node.log(self.handle, text.as_ref());
    }

    /// Does not count as a live service any more: the node may stop while it is there. For helpers
    /// of the runtime.
    pub fn reserve(&self) {
        if self.stop_counting() {
            self.node.uncount();
        }
    }

    /// Did the service count until now?
    pub(crate) fn stop_counting(&self) -> bool {
        self.counted.swap(false, AcqRel)
    }

    /// Tells the kernel how many messages the service has been given and keeps for later, as those that come before it
    /// is ready for them. They count as waiting, also for a limit of the mailbox. For the code that handles the
    /// service's messages.
    pub fn set_kept(&self, messages: usize) {
        self.mailbox().progress().kept.store(messages, Relaxed);
    }

    /// How many timers the service has set at most that have not fired.
    pub(crate) fn timers(&self) -> usize {
        self.timers.load(Relaxed)
    }

    /// Messages that wait, not counting the one that is being handled.
    pub fn mqlen(&self) -> usize {
        self.if_alive(0, |mailbox| mailbox.waiting())
    }

    /// Age in milliseconds of the oldest message that waits; 0 if none does. The resolution is
    /// about half a millisecond.
    pub fn oldest_ms(&self) -> u64 {
        self.if_alive(0, |mailbox| mailbox.oldest().map_or(0, clock::stamp_age_ms))
    }

    /// Messages handled so far, including the current one.
    pub fn messages(&self) -> u64 {
        self.messages.load(Relaxed)
    }

    /// Seconds spent in handling messages, including the one that is being handled now, whoever asks. When it ends at
    /// that moment it may be counted twice. 0 if the node runs without profiling.
    pub fn cpu_seconds_so_far(&self) -> f64 {
        clock::seconds(self.cpu.load(Relaxed) + self.current_ticks())
    }

    /// Seconds spent in the messages before the one that is being handled now.
    pub(crate) fn cpu_seconds_before(&self) -> f64 {
        clock::seconds(self.cpu.load(Relaxed))
    }

    /// Seconds since the current message was begun. 0 if the node runs without profiling.
    pub fn turn_seconds(&self) -> f64 {
        clock::seconds(self.current_ticks())
    }

    fn current_ticks(&self) -> u64 {
        match self.began.load(Relaxed) {
            0 => 0,
            began => clock::ticks().saturating_sub(began),
        }
    }

    /// Has the monitor suspected an endless loop since the last call?
    pub fn take_endless(&self) -> bool {
        self.endless.swap(false, Relaxed)
    }

    pub(crate) fn set_endless(&self) {
        self.endless.store(true, Relaxed);
    }

    /// Bounds the service's own mailbox.
    pub fn set_mailbox_limit(&self, limit: Option<Limit>) {
        self.mailbox().set_limit(self.handle, limit);
    }

    /// Sets the name by which people are told about the service.
    pub fn describe(&self, name: String) {
        *lock(&self.description) = Some(name);
    }

    /// The name by which people are told about the service: what [`describe`](Self::describe) set,
    /// else module and parameter.
    pub fn description(&self) -> String {
        let description = lock(&self.description);
        description.as_deref().unwrap_or(&self.module).to_owned()
    }

    /// Data that another layer keeps with the service, made at the first use. One layer only: `None` if the
    /// data is of another type.
    pub fn extension<T: Default + Any + Send + Sync>(&self) -> Option<&T> {
        let extension = self.extension.get_or_init(|| Box::<T>::default());
        extension.downcast_ref()
    }

    /// The command `SIGNAL`, also for a service that has been retired and still runs. False if it
    /// does not listen.
    pub fn signal(&self, number: i32) -> bool {
        let interrupt = self.interrupt();
        if let Some(interrupt) = interrupt {
            interrupt.signal(number);
        }
        interrupt.is_some()
    }

    pub(crate) fn interrupt(&self) -> Option<&Arc<dyn Interrupt>> {
        self.interrupt.get()
    }

    pub(crate) fn set_interrupt(&self, interrupt: Arc<dyn Interrupt>) {
        let first = self.interrupt.set(interrupt).is_ok();
        debug_assert!(first, "asked once");
    }

    pub(crate) fn message_log(&self) -> MutexGuard<'_, Option<MessageLog>> {
        lock(&self.message_log)
    }

    #[inline]
    pub(crate) fn flags(&self) -> u8 {
        self.flags.load(Relaxed)
    }

    pub(crate) fn set_flag(&self, flag: u8, on: bool) {
        if on {
            self.flags.fetch_or(flag, Relaxed);
        } else {
            self.flags.fetch_and(!flag, Relaxed);
        }
    }

    /// A message begins, for accounting. `ticks` is 0 without profiling.
    #[inline]
    pub(crate) fn begin_message(&self, ticks: u64) {
        self.began.store(ticks, Relaxed);
        self.messages
            .store(self.messages.load(Relaxed) + 1, Relaxed);
    }

    /// It took so many ticks.
    #[inline]
    pub(crate) fn end_message(&self, ticks: u64) {
        self.cpu.store(self.cpu.load(Relaxed) + ticks, Relaxed);
    }

    /// The turn is over.
    #[inline]
    pub(crate) fn end_turn(&self) {
        self.began.store(0, Relaxed);
    }

    fn mailbox(&self) -> &Mailbox {
        // SAFETY: mailboxes live as long as their node, which `self.node` keeps alive.
        unsafe { self.mailbox.as_ref() }
    }

    /// Asks the mailbox, unless it belongs to somebody else by now.
    fn if_alive<R>(&self, otherwise: R, ask: impl FnOnce(&Mailbox) -> R) -> R {
        if self.retired() {
            otherwise
        } else {
            ask(self.mailbox())
        }
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Context({} {})", self.handle, self.description())
    }
}

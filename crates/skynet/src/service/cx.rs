//! What a service can do.

use super::about::About;
use super::calls::{Call, RawCall};
use super::shared::Hold;
use super::sleep::Sleep;
use super::{Error, Pack};
use skynet_kernel::{Context, Handle, Node, Payload, kind};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// A service's hand on the node. It is cheap to clone, and may be used by any thread, as long as the service lives.
#[derive(Clone)]
pub struct Cx {
    pub(super) shared: Hold,
}

/// Where a message goes to: a handle, or text: `.name` or `:hex`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A handle.
    Handle(Handle),
    /// `.name` or `:hex`.
    Text(String),
}

impl From<Handle> for Address {
    fn from(handle: Handle) -> Address {
        Address::Handle(handle)
    }
}

impl From<&str> for Address {
    fn from(text: &str) -> Address {
        Address::Text(text.to_owned())
    }
}

impl From<String> for Address {
    fn from(text: String) -> Address {
        Address::Text(text)
    }
}

impl Cx {
    /// The own handle.
    pub fn handle(&self) -> Handle {
        self.shared.context.handle()
    }

    /// The node.
    pub fn node(&self) -> &Arc<Node> {
        self.shared.context.node()
    }

    /// The kernel's view of this service, for what is not offered here.
    pub fn context(&self) -> &Arc<Context> {
        &self.shared.context
    }

    /// The handle that `address` means, if it is a local name or a handle.
    pub fn query(&self, address: impl Into<Address>) -> Option<Handle> {
        match address.into() {
            Address::Handle(handle) => Some(handle),
            Address::Text(text) => self.node().resolve(&text),
        }
    }

    /// Gives the service a local name (with or without the dot). False if the name is taken.
    pub fn name(&self, name: &str) -> bool {
        self.node()
            .register_name(name.strip_prefix('.').unwrap_or(name), self.handle())
    }

    /// Sends values to a service, of type `lua`, without an answer: `cx.send(".shop", ("set", item, 2.5))`.
    ///
    /// # Errors
    /// If they cannot be packed, or the address does not take them.
    pub fn send(&self, dest: impl Into<Address>, values: impl Pack) -> Result<(), Error> {
        self.send_raw(dest, kind::LUA, super::pack::payload(&values)?)
    }

    /// Sends bytes to a service, without an answer.
    ///
    /// # Errors
    /// If the address does not take them.
    pub fn send_raw(
        &self,
        dest: impl Into<Address>,
        kind: u8,
        payload: impl Into<Payload>,
    ) -> Result<(), Error> {
        let dest = self.query(dest).ok_or(Error::NoService)?;
        self.shared
            .context
            .send(dest, kind, 0, payload.into())
            .map_err(Error::of_send)
    }

    /// Calls a service with values, of type `lua`. The request is sent at once; the future is its answer.
    ///
    /// The future fails with [`Error::CallFailed`] if the callee fails or dies, so that it never waits for the dead.
    pub fn call(&self, dest: impl Into<Address>, values: impl Pack) -> Call {
        match super::pack::payload(&values) {
            Ok(payload) => Call(self.call_raw(dest, kind::LUA, payload)),
            Err(error) => Call(RawCall::failed(self.of_thread(), error)),
        }
    }

    /// Calls a service with bytes. The request is sent at once; the future is its answer.
    pub fn call_raw(
        &self,
        dest: impl Into<Address>,
        kind: u8,
        payload: impl Into<Payload>,
    ) -> RawCall {
        RawCall::new(self.of_thread(), self.query(dest), kind, payload.into())
    }

    /// Waits. The resolution is a millisecond; it never ends early.
    pub fn sleep(&self, time: Duration) -> Sleep {
        Sleep::new(self.of_thread(), time)
    }

    /// Runs `task` beside the others of this service. It ends with the service.
    pub fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: F) {
        self.shared.spawn(Box::pin(task), About::of::<F>(""));
    }

    /// Starts a service of a module. Problems are logged.
    pub fn launch(&self, module: &str, param: &str) -> Option<Handle> {
        self.node().launch(self.handle(), module, param)
    }

    /// Starts a Lua service (name and arguments) and waits until its start function has run.
    ///
    /// # Errors
    /// If it fails to start, or the node has no launcher.
    pub async fn newservice(&self, service: &str) -> Result<Handle, Error> {
        let started = self.call(".launcher", ("LAUNCH", "snlua", service));
        let handle: Option<Handle> = started.to().await?;
        handle.ok_or_else(|| format!("{service} has gone while it started").into())
    }

    /// Ends another service: at once, or after the message that it handles. Who waits for it gets an error.
    pub fn kill(&self, service: impl Into<Address>) {
        if let Some(handle) = self.query(service) {
            self.node().kill(self.handle(), handle);
        }
    }

    /// Writes a line to the log.
    pub fn log(&self, text: impl AsRef<[u8]>) {
        self.shared.context.log(text);
    }

    /// Ends the service after the current message: its tasks are dropped, and open requests fail.
    pub fn exit(&self) {
        self.shared.context.exit();
    }
}

impl std::fmt::Debug for Cx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Cx").field(&self.handle()).finish()
    }
}

//! How actors start.

use super::host::{Host, OnStart};
use super::{Actor, Addr, Cx, Error};
use skynet_kernel::{Factory, Node};

/// Starts an actor on a node, without a module: [`Cx::start`] for code that has no `Cx`.
///
/// # Errors
/// If there are too many services, or the node is about to stop; the log says why.
pub fn start<A: Actor>(node: &Node, actor: A) -> Result<Addr<A>, Error> {
    launch(node, Host::new(actor))
}

fn launch<A: Actor>(node: &Node, host: Host<A>) -> Result<Addr<A>, Error> {
    let name = std::any::type_name::<A>();
    let handle = node.launch_service(name, "", Box::new(host));
    handle
        .map(Addr::new)
        .ok_or_else(|| format!("{name} did not start").into())
}

/// A module for [`NodeBuilder::module`](skynet_kernel::NodeBuilder::module), each of whose services is made by `make`.
pub fn module<A: Actor>(make: impl Fn() -> A + Send + Sync + 'static) -> Factory {
    skynet_kernel::factory(move || Host::new(make()))
}

impl Cx {
    /// The same, with something to do once it has started.
    pub(crate) fn start_awaited<A: Actor>(
        &self,
        actor: A,
        on_start: OnStart,
    ) -> Result<Addr<A>, Error> {
        launch(self.node(), Host::awaited(actor, on_start))
    }

    /// Starts an actor.
    ///
    /// # Errors
    /// If there are too many services, or the node is about to stop; the log says why.
    pub fn start<A: Actor>(&self, actor: A) -> Result<Addr<A>, Error> {
        start(self.node(), actor)
    }
}

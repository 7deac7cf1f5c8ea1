//! Settings of a node.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::builtin;
use crate::error::Error;
use crate::limit::Limit;
use crate::network::Network;
use crate::node::Node;
use crate::service::{Factory, ModuleLoader};

/// Settings of a node before it starts. Made by [`Node::builder`].
#[must_use]
pub struct NodeBuilder(Settings);

pub(crate) struct Settings {
    pub(crate) threads: usize,
    pub(crate) profile: bool,
    pub(crate) harbor: u8,
    pub(crate) network: Option<Arc<dyn Network>>,
    pub(crate) env: HashMap<String, String>,
    pub(crate) modules: HashMap<String, Factory>,
    pub(crate) loader: Option<ModuleLoader>,
    pub(crate) limit: Option<Limit>,
    pub(crate) log_service: (String, Option<String>),
    pub(crate) monitor_interval: Duration,
}

impl Node {
    /// Settings with their defaults, and the modules `logger` and `harbor`.
    pub fn builder() -> NodeBuilder {
        NodeBuilder(Settings {
            threads: 8,
            profile: true,
            harbor: 0,
            network: None,
            env: HashMap::new(),
            modules: builtin::modules(),
            loader: None,
            limit: None,
            log_service: ("logger".to_owned(), None),
            monitor_interval: Duration::from_secs(5),
        })
    }
}

impl NodeBuilder {
    /// Number of workers, 1 to 1024. 8 by default.
    pub fn threads(mut self, threads: usize) -> Self {
        self.0.threads = threads;
        self
    }

    /// Whether the time that services take is accounted for, per message. On by default.
    pub fn profile(mut self, profile: bool) -> Self {
        self.0.profile = profile;
        self
    }

    /// The node's number, the high byte of its handles. 0 by default: a single node.
    pub fn harbor(mut self, harbor: u8) -> Self {
        self.0.harbor = harbor;
        self
    }

    /// What brings messages to other nodes. None by default: there are no other nodes, and global names are this node's
    /// own.
    pub fn network(mut self, network: Arc<dyn Network>) -> Self {
        self.0.network = Some(network);
        self
    }

    /// A value of the environment.
    pub fn env(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.env.insert(key.into(), value.into());
        self
    }

    /// A module that services can be launched from.
    ///
    /// Under a name of two words, such as `snlua clusterd`, it takes the place of one service of the first: a launch of
    /// `snlua` whose parameter begins with `clusterd` makes this one, with the whole parameter.
    pub fn module(mut self, name: impl Into<String>, factory: Factory) -> Self {
        self.0.modules.insert(name.into(), factory);
        self
    }

    /// Where modules come from that are not registered. None by default: they cannot be launched.
    pub fn module_loader(mut self, loader: ModuleLoader) -> Self {
        self.0.loader = Some(loader);
        self
    }

    /// Bound of every mailbox, unless a service sets its own. None by default.
    pub fn mailbox_limit(mut self, limit: Option<Limit>) -> Self {
        self.0.limit = limit;
        self
    }

    /// Module and parameter of the log service. By default `logger` without parameter, which writes
    /// to the standard output.
    pub fn log_service(mut self, module: &str, param: Option<&str>) -> Self {
        self.0.log_service = (module.to_owned(), param.map(str::to_owned));
        self
    }

    /// How long a message may be handled before the monitor suspects an endless loop: reported
    /// after one to two intervals. 5 seconds by default.
    pub fn monitor_interval(mut self, interval: Duration) -> Self {
        self.0.monitor_interval = interval.max(Duration::from_millis(1));
        self
    }

    /// Creates the node and its log service, which gets the first handle and the name `logger`.
    /// Threads are started, but nothing is dispatched before [`Node::run`].
    pub fn start(self) -> Result<Arc<Node>, Error> {
        Node::start(self.0)
    }
}

//! Calls between nodes.
//!
//! Four services, written in Rust, that applications see under the names that skynet (C) gives them:
//!
//! | service | how many | what it does |
//! |---|---|---|
//! | `clusterd` | one | addresses of nodes, registered names, listening; starts the others |
//! | `clustersender` | one for each remote node that is called | the connection to that node: requests out, responses in |
//! | `clusteragent` | one for each connection that was accepted | requests in, responses out |
//! | `clusterproxy` | one for each address that somebody wants a local handle for | passes messages on to a sender |
//!
//! A connection carries requests in one direction and responses in the other, so two nodes that call each other use
//! two.
//!
//! # The way of a call
//! The caller puts address and arguments into one message ([`request`]) to the sender of the remote node. The sender's
//! turn packs all requests that wait in its mailbox, and writes them with one system call. On the other node the
//! reactor gives the bytes to the agent as a message; the agent's turn takes the frames apart and sends each request to
//! its service, with itself as the source. Answers come to the agent's mailbox, are packed by one of its turns, and
//! written with one system call. The sender gets them from its reactor, and sends each payload to the caller as an
//! ordinary response.
//!
//! So everything that touches a connection happens in the turns of one service, without locks; and frames are gathered
//! by the mailboxes themselves: the busier a connection, the more frames in a system call, and a lone one waits for
//! nothing. A sender or agent that was idle runs next on the worker that gave it the message.
//!
//! # Who fails a call
//! A call ends exactly once: by a response, when its connection ends, when the sender's address changes, or when the
//! sender itself ends (it keeps all calls that wait in one table, `calls.rs`). The log of the calling node says which
//! call failed, where to, and why.

mod agent;
mod assembled;
mod calls;
mod command;
mod daemon;
mod debug;
mod large;
mod launcher;
mod link_events;
mod listener;
mod names;
mod nodename;
mod peers;
mod pointer;
mod proxies;
mod proxy;
pub mod request;
mod results;
mod security;
mod sender;
mod trace;

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use skynet_kernel::{Context, Handle, NodeBuilder, factory};
use skynet_net::{LazyNet, LinkPool};

use security::{PolicyHolder, Security};

pub use nodename::nodename;
pub use peers::Directory;
pub use security::{
    Auth, Hidden, Policy, PolicyError, Rule, SecretError, SecurityError, SecurityOptions, TlsMode,
};

/// Bytes of answers that may wait on all connections, unless the configuration says otherwise, and into how many shares
/// they are divided when there are more.
const UNREAD: usize = 256 << 20;
const SHARES: usize = 1024;

/// Settings of a node's cluster.
#[derive(Clone, Default)]
pub struct ClusterOptions {
    /// The socket engine.
    pub net: Arc<LazyNet>,
    /// Path of the file with the addresses of the nodes; none: there are no addresses before the first `reload`.
    pub config: Option<String>,
    /// Reads such a file: names and values, `true` and `false` for booleans.
    pub read_config: Option<Arc<ReadConfig>>,
    /// Where `cluster.open(port)` listens; all addresses if it is not set.
    pub bind: Option<String>,
    /// Bytes that the incomplete requests of one connection may take up. A connection above that is closed.
    pub max_incomplete: Option<usize>,
    /// Bytes that may wait to be sent on one connection. Requests beyond that fail, and answers are replaced by an
    /// error. Without it there is no limit for requests, and one of 64 MiB for answers.
    pub max_pending: Option<usize>,
    /// Bytes of answers that may wait to be sent on all connections that other nodes have made together; beyond it each
    /// of them has a 1,024th of that. 256 MiB without it.
    pub max_pending_total: Option<usize>,
    /// Other nodes may give commands to the services of the cluster, such as `listen` and `reload` to `clusterd`.
    pub peers_control: bool,
    /// Who may connect.
    pub security: SecurityOptions,
    /// What they may call; `None`: everything.
    pub policy: Option<PolicyOptions>,
    /// Where the nodes that have connected are listed.
    pub directory: Arc<Directory>,
}

/// The policy of a node; see [`ClusterOptions::policy`].
#[derive(Clone)]
pub struct PolicyOptions {
    /// Path of the file.
    pub path: String,
    /// What is in it.
    pub first: Policy,
    /// What is not allowed is logged and carried out.
    pub report: bool,
    /// Reads the file again.
    pub read: Arc<ReadPolicy>,
}

/// Reads a file with a policy.
pub type ReadPolicy = dyn Fn(&str) -> Result<Policy, String> + Send + Sync;

/// Reads a file with addresses; see [`ClusterOptions`].
pub type ReadConfig = dyn Fn(&str) -> Result<Vec<(String, String)>, String> + Send + Sync;

impl std::fmt::Debug for ClusterOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterOptions")
            .field("config", &self.config)
            .field("bind", &self.bind)
            .field("max_incomplete", &self.max_incomplete)
            .field("max_pending", &self.max_pending)
            .field("max_pending_total", &self.max_pending_total)
            .field("peers_control", &self.peers_control)
            .field("security", &self.security)
            .finish_non_exhaustive()
    }
}

/// What the services of one node's cluster have in common.
struct Cluster {
    options: ClusterOptions,
    /// Names of `cluster.register`.
    names: names::Names,
    peers: Arc<Directory>,
    security: Security,
    policy: Option<PolicyHolder>,
    /// Answers that wait to be sent.
    unread: Arc<LinkPool>,
    /// The daemon's handle, 0 before it has started.
    daemon: AtomicU32,
}

impl Cluster {
    /// Is a command of this source to be refused, since it comes from another node?
    fn refuses(&self, cx: &Context, source: Handle, what: &str) -> bool {
        !self.options.peers_control && self.peers.refuses(cx, source, what)
    }
}

/// Adds the services to a node. They are launched as those of skynet (C) are, which are written in Lua:
/// `snlua clusterd`.
///
/// # Errors
/// What is set for security cannot be used.
pub fn install(
    builder: NodeBuilder,
    options: ClusterOptions,
) -> Result<NodeBuilder, SecurityError> {
    let unread = options.max_pending_total.unwrap_or(UNREAD);
    let cluster = Arc::new(Cluster {
        peers: Arc::clone(&options.directory),
        security: Security::new(options.security.clone())?,
        policy: options.policy.clone().map(PolicyHolder::new),
        options,
        unread: Arc::new(LinkPool::new(unread, unread / SHARES)),
        names: names::Names::default(),
        daemon: AtomicU32::new(0),
    });
    let of = |cluster: &Arc<Cluster>| Arc::clone(cluster);
    let (daemon, agent, sender, proxy) = (of(&cluster), of(&cluster), of(&cluster), cluster);
    let builder = builder
        .module(
            "snlua clusterd",
            factory(move || daemon::Daemon::new(of(&daemon))),
        )
        .module(
            "snlua clusteragent",
            factory(move || agent::Agent::new(of(&agent))),
        )
        .module(
            "snlua clustersender",
            factory(move || sender::Sender::new(of(&sender))),
        )
        .module(
            "snlua clusterproxy",
            factory(move || proxy::Proxy::new(of(&proxy))),
        );
    Ok(builder)
}

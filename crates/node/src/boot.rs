//! From settings to a node whose first service waits to be dispatched.

use crate::config::{MailboxPolicy, Settings};
use skynet_cluster::ClusterOptions;
use skynet_kernel::{Handle, Limit, Node, Policy};
use skynet_net::LazyNet;
use std::sync::Arc;

/// Why a node cannot start. `Display` is what the command writes to standard error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The kernel refused, for instance since the log service could not be launched.
    #[error(transparent)]
    Kernel(#[from] skynet_kernel::Error),
    /// The first service could not be launched; the log has told.
    #[error("Bootstrap error : {0}")]
    Bootstrap(String),
}

/// Creates a node with the Lua services' modules, its log service and its first service.
///
/// Nothing is dispatched before [`Node::run`].
///
/// # Errors
/// A [`StartError`]. After [`StartError::Bootstrap`], the log has been written and closed.
pub fn start(settings: &Settings) -> Result<Arc<Node>, StartError> {
    start_with(settings, |builder| builder)
}

/// [`start`], after `extend` has added modules of its own to the node.
///
/// # Errors
/// As [`start`].
pub fn start_with(
    settings: &Settings,
    extend: impl FnOnce(skynet_kernel::NodeBuilder) -> skynet_kernel::NodeBuilder,
) -> Result<Arc<Node>, StartError> {
    let mut builder = Node::builder()
        .threads(settings.thread)
        .profile(settings.profile)
        .harbor(settings.harbor)
        .monitor_interval(settings.monitor_interval)
        .log_service(&settings.logservice, settings.logger.as_deref())
        .mailbox_limit(settings.mailbox.map(|(max, policy)| {
            let policy = match policy {
                MailboxPolicy::Warn => Policy::Warn,
                MailboxPolicy::Refuse => Policy::Refuse,
            };
            Limit { max, policy }
        }));
    for (key, value) in &settings.env {
        builder = builder.env(key, value);
    }
    // A socket needs a descriptor, and many systems give a process few of them unless it asks.
    skynet_net::raise_descriptor_limit();
    let net = Arc::new(LazyNet::new(settings.net.clone()));
    let options = skynet_lua::LuaOptions {
        call_timeout_cs: settings.call_timeout_cs,
        library: &crate::LIBRARY,
        parts: skynet_modules::parts(Arc::clone(&net)),
    };
    let builder = skynet_lua::install(builder, options);
    let builder = builder.module("gate", skynet_net::gate::module(Arc::clone(&net)));
    let builder = skynet_cluster::install(builder, cluster(settings, Arc::clone(&net)));
    let builder = match settings.harbor {
        0 => builder,
        _ => skynet_harbor::install(builder, Arc::clone(&net)),
    };
    // The settings have written the default back.
    let cpath = settings.env.get("cpath").map_or("", String::as_str);
    let builder = skynet_cabi::install(builder, cpath);
    let node = extend(builder).start()?;
    skynet_cabi::use_sockets(&node, net);

    let bootstrap = settings.bootstrap.trim_start_matches(' ');
    let (module, parameter) = match bootstrap.split_once(' ') {
        Some((module, parameter)) => (module, parameter.trim_start_matches(' ')),
        None => (bootstrap, ""),
    };
    if node.launch(Handle::NONE, module, parameter).is_none() {
        let text = format!("Bootstrap error : {}\n", settings.bootstrap);
        node.log(Handle::NONE, text.as_bytes());
        node.run();
        node.shutdown();
        node.wait();
        return Err(StartError::Bootstrap(settings.bootstrap.clone()));
    }
    Ok(node)
}

/// The cluster's settings.
fn cluster(settings: &Settings, net: Arc<LazyNet>) -> ClusterOptions {
    ClusterOptions {
        net,
        config: settings.cluster.clone(),
        read_config: Some(Arc::new(|path: &str| {
            let addresses = crate::config::load_addresses(path.as_ref());
            addresses.map_err(|error| error.to_string())
        })),
        bind: settings.cluster_bind.clone(),
        max_incomplete: settings.cluster_buffer,
        max_pending: settings.cluster_pending,
        peers_control: settings.cluster_control,
    }
}

//! From settings to a node whose first service waits to be dispatched.

use crate::config::{MailboxPolicy, Settings};
use skynet_cluster::{ClusterOptions, PolicyOptions};
use skynet_kernel::{Handle, Limit, LogStart, Node, Policy};
use skynet_net::LazyNet;
use std::sync::Arc;

/// Why a node cannot start. `Display` is what the command writes to standard error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The kernel refused, for instance since the log service could not be launched.
    #[error(transparent)]
    Kernel(#[from] skynet_kernel::Error),
    /// What is set for the security of the cluster cannot be used.
    #[error(transparent)]
    Security(#[from] skynet_cluster::SecurityError),
    /// The policy of the cluster cannot be read.
    #[error("clusterpolicy: {0}")]
    Policy(String),
    /// The first service could not be launched; the log has told.
    #[error("Bootstrap error : {0}")]
    Bootstrap(String),
}

/// The module of Lua services.
const LUA: &str = "snlua";

/// The environment entry that names the first service, or the system service, that could not be started.
pub const FAILED: &str = "bootstrap_failed";

/// Creates a node with the Lua services' modules, its log service and its first service.
///
/// Nothing is dispatched before [`Node::run`]. A log service in Lua starts then, and the first service after it.
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
    if settings.code_watch {
        skynet_vm::cache::watch_files();
    }
    let net = Arc::new(LazyNet::new(settings.net.clone()));
    let cluster = cluster(settings, Arc::clone(&net))?;
    let options = skynet_lua::LuaOptions {
        call_timeout_cs: settings.call_timeout_cs,
        loops: settings.loops,
        library: &crate::LIBRARY,
        parts: skynet_modules::parts(
            Arc::clone(&net),
            settings.tls_verify,
            settings.secrets.clone(),
            Arc::clone(&cluster.directory),
        ),
    };
    let builder = skynet_lua::install(builder, options);
    let builder = builder.module("gate", skynet_net::gate::module(Arc::clone(&net)));
    let builder = skynet_cluster::install(builder, cluster)?;
    let builder = match settings.harbor {
        0 => builder,
        _ => skynet_harbor::install(builder, Arc::clone(&net)),
    };
    // The settings have written the default back.
    let cpath = settings.env.get("cpath").map_or("", String::as_str);
    let builder = skynet_cabi::install(builder, cpath);
    let node = extend(builder).start()?;
    skynet_cabi::use_sockets(&node, net);

    if settings.logservice == LUA {
        launch_after_log(settings, &node)?;
        return Ok(node);
    }
    if !launch_first(settings, &node) {
        node.run();
        node.shutdown();
        node.wait();
        return Err(StartError::Bootstrap(settings.bootstrap.clone()));
    }
    Ok(node)
}

/// Launches the first service. False if there is none; the log has been told.
fn launch_first(settings: &Settings, node: &Node) -> bool {
    let bootstrap = settings.bootstrap.trim_start_matches(' ');
    let (module, parameter) = match bootstrap.split_once(' ') {
        Some((module, parameter)) => (module, parameter.trim_start_matches(' ')),
        None => (bootstrap, ""),
    };
    let launched = node.launch(Handle::NONE, module, parameter).is_some();
    if !launched {
        let text = format!("Bootstrap error : {}\n", settings.bootstrap);
        node.log(Handle::NONE, text.as_bytes());
    }
    launched
}

/// Launches the first service once the log service, in Lua, has started or failed: whoever writes to it before might
/// find it without the functions that its start function sets.
fn launch_after_log(settings: &Settings, node: &Arc<Node>) -> Result<(), StartError> {
    let settings = settings.clone();
    // A log service that fails would be the last service, and the node would end.
    let stay = node.stay();
    let node = Arc::clone(node);
    let work = move || {
        if node.wait_for_log(settings.log_timeout) == LogStart::Late {
            let text = format!(
                "error: the log service {} has not started within {} ms (config key logtimeout), and the node does not \
                 wait for it any longer",
                settings.logger.as_deref().unwrap_or_default(),
                settings.log_timeout.as_millis()
            );
            // The log may never show it.
            eprintln!("{text}");
            node.log(Handle::NONE, text.as_bytes());
        }
        if !launch_first(&settings, &node) {
            // The process's status tells whoever has started it.
            let _ = node.setenv(FAILED, &settings.bootstrap);
            node.shutdown();
        }
        drop(stay);
    };
    let thread = std::thread::Builder::new().name("bootstrap".into());
    let thread = thread.spawn(work).map_err(skynet_kernel::Error::Spawn)?;
    // The thread ends by itself: with the start of the first service, or before the node ends.
    drop(thread);
    Ok(())
}

/// The cluster's settings.
fn cluster(settings: &Settings, net: Arc<LazyNet>) -> Result<ClusterOptions, StartError> {
    let read: Arc<skynet_cluster::ReadPolicy> =
        Arc::new(|path: &str| crate::config::load_policy(path.as_ref()));
    let policy = match &settings.cluster_policy.path {
        None => None,
        Some(path) => Some(PolicyOptions {
            path: path.clone(),
            first: read(path).map_err(StartError::Policy)?,
            report: settings.cluster_policy.report,
            read,
        }),
    };
    Ok(ClusterOptions {
        net,
        config: settings.cluster.clone(),
        read_config: Some(Arc::new(|path: &str| {
            let addresses = crate::config::load_addresses(path.as_ref());
            addresses.map_err(|error| error.to_string())
        })),
        bind: settings.cluster_bind.clone(),
        max_incomplete: settings.cluster_buffer,
        max_pending: settings.cluster_pending,
        max_pending_total: settings.cluster_pending_total,
        peers_control: settings.cluster_control,
        security: settings.cluster_security.clone(),
        policy,
        directory: Arc::default(),
    })
}

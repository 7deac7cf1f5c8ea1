//! Settings.

use std::time::Duration;

use socket2::TcpKeepalive;

/// More than a service needs in advance to be busy all the time, and so little that thousands of
/// connections to a service that hangs do not matter.
const MAX_INBOX: usize = 8 << 20;

/// Settings of a [`Net`](crate::Net). The defaults set no limits but
/// that on input, and leave the timing of
/// keep-alive probes to the system.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NetOptions {
    /// Number of reactor threads, at least 1. A socket belongs to one of them by its id.
    pub reactors: usize,
    /// Number of threads that resolve names, at least 1. They are started when needed.
    pub resolvers: usize,
    /// Bytes that may wait for one socket; see [`Net::set_cap`](crate::Net::set_cap).
    pub max_pending: Option<usize>,
    /// Bytes that may wait for all sockets of the node, those of [links](crate::Net::set_link) apart. Beyond it the
    /// sockets for which the most waits are destroyed, with an ERROR event that says so.
    pub max_pending_total: Option<usize>,
    /// A socket that is closed while output waits is destroyed after this time if its peer takes none of it.
    pub close_timeout: Duration,
    /// Connections that may wait to be accepted by a listener that does not say so itself. `None`: as many as the
    /// system allows.
    pub backlog: Option<i32>,
    /// Bytes from sockets that may wait in the mailbox of one service, somewhat more with what one
    /// round of reading brings. Beyond it the sockets of that service are not read until it has
    /// handled half of them.
    pub max_inbox: Option<usize>,
    /// Number of sockets. Beyond it none is made, and connections that come in are closed at once. `None`: as many as
    /// the process may have descriptors when the engine starts, and 65,536 at least.
    pub max_sockets: Option<usize>,
    /// When and how often silent TCP peers are probed. Probing itself is always on.
    pub keepalive: Option<Keepalive>,
    /// How long TCP data may stay unacknowledged before the connection is given up (Linux:
    /// `TCP_USER_TIMEOUT`; without effect elsewhere).
    pub user_timeout: Option<Duration>,
}

impl Default for NetOptions {
    fn default() -> Self {
        NetOptions {
            reactors: 1,
            resolvers: 4,
            max_pending: None,
            max_pending_total: None,
            close_timeout: Duration::from_secs(30),
            backlog: None,
            max_inbox: Some(MAX_INBOX),
            max_sockets: None,
            keepalive: None,
            user_timeout: None,
        }
    }
}

/// Timing of keep-alive probes; whole seconds count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keepalive {
    /// Silence before the first probe.
    pub idle: Duration,
    /// Time between probes.
    pub interval: Duration,
    /// Unanswered probes after which the connection is given up.
    pub retries: u32,
}

impl Keepalive {
    pub(crate) fn params(self) -> TcpKeepalive {
        TcpKeepalive::new()
            .with_time(self.idle)
            .with_interval(self.interval)
            .with_retries(self.retries)
    }
}

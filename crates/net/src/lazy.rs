//! The engine of a node, started when somebody needs it.

use std::io;
use std::sync::{Arc, Mutex, OnceLock};

use skynet_kernel::{Node, lock};

use crate::net::Net;
use crate::options::NetOptions;

/// The socket engine that the services of one node share. It starts at the first use, so that a node
/// without sockets has no thread for them.
#[derive(Debug, Default)]
pub struct LazyNet {
    options: NetOptions,
    net: OnceLock<Arc<Net>>,
    /// Held while the engine starts.
    starting: Mutex<()>,
}

impl LazyNet {
    /// An engine that will have these settings.
    pub fn new(options: NetOptions) -> LazyNet {
        LazyNet {
            options,
            ..LazyNet::default()
        }
    }

    /// The engine, which serves `node`: the same one each time.
    ///
    /// # Errors
    /// The system has no descriptors or no thread for it; asking again tries again.
    pub fn get(&self, node: &Arc<Node>) -> io::Result<&Arc<Net>> {
        if let Some(net) = self.net.get() {
            return Ok(net);
        }
        let _starting = lock(&self.starting);
        if let Some(net) = self.net.get() {
            return Ok(net);
        }
        let net = Net::new(node, self.options.clone())?;
        Ok(self.net.get_or_init(|| net))
    }
}

//! Which services speak for other nodes: the agents. What comes from them was asked by a peer, which may not order the
//! cluster's own services about, unless the configuration lets it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use skynet_kernel::{Context, Handle, lock};

/// The agents of this node, and whether it was logged that one's peer was refused something.
#[derive(Default)]
pub(crate) struct Peers(Mutex<HashMap<Handle, bool>>);

impl Peers {
    fn lock(&self) -> MutexGuard<'_, HashMap<Handle, bool>> {
        lock(&self.0)
    }

    pub(crate) fn add(&self, agent: Handle) {
        self.lock().insert(agent, false);
    }

    pub(crate) fn remove(&self, agent: Handle) {
        self.lock().remove(&agent);
    }

    /// Does a command of this source come from another node? Then it is refused, which is logged once for each
    /// connection.
    pub(crate) fn refuses(&self, cx: &Context, source: Handle, what: &str) -> bool {
        let Some(said) = self
            .lock()
            .get_mut(&source)
            .map(|said| std::mem::replace(said, true))
        else {
            return false;
        };
        if !said {
            cx.log(format!(
                "{what}: a command of another node is refused (its agent is {source}; the config key clustercontrol \
                 would allow it)"
            ));
        }
        true
    }
}

//! Which sockets a service owns. This changes when a socket comes, goes, or changes hands; messages do not pass through
//! it.

use std::sync::{Mutex, MutexGuard};

use rustc_hash::{FxHashMap, FxHashSet};
use skynet_kernel::{Handle, lock};

use crate::SocketId;

/// Parts of the index, each with a lock of its own.
const SHARDS: usize = 16;

type Shard = FxHashMap<Handle, FxHashSet<SocketId>>;

/// The sockets of each service.
#[derive(Default)]
pub(crate) struct Owners([Mutex<Shard>; SHARDS]);

impl Owners {
    fn shard(&self, owner: Handle) -> MutexGuard<'_, Shard> {
        let shard = &self.0[owner.0 as usize % SHARDS];
        lock(shard)
    }

    pub(crate) fn add(&self, owner: Handle, id: SocketId) {
        self.shard(owner).entry(owner).or_default().insert(id);
    }

    pub(crate) fn remove(&self, owner: Handle, id: SocketId) {
        let mut shard = self.shard(owner);
        if let Some(ids) = shard.get_mut(&owner)
            && ids.remove(&id)
            && ids.is_empty()
        {
            shard.remove(&owner);
        }
    }

    /// Takes all out.
    pub(crate) fn take(&self, owner: Handle) -> Option<FxHashSet<SocketId>> {
        self.shard(owner).remove(&owner)
    }
}

//! Which services speak for other nodes: the agents, and for whom. What comes from them was asked by a peer, which may
//! not order the cluster's own services about, unless the configuration lets it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::SystemTime;

use skynet_kernel::{Context, Handle, lock};
use skynet_net::{Net, SocketId};
use skynet_wire::seri::{Table, Value};

use crate::security::proving::Admitted;

/// The nodes that have connected to this one. Lua code asks it who is behind a request.
#[derive(Default)]
pub struct Directory(Mutex<HashMap<Handle, Entry>>);

struct Entry {
    id: SocketId,
    address: String,
    /// Seconds since 1970.
    since: f64,
    /// `None`: it has yet to prove itself.
    peer: Option<Admitted>,
    /// It was logged that the peer was refused something.
    said: bool,
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} connections", self.lock().len())
    }
}

impl Directory {
    fn lock(&self) -> MutexGuard<'_, HashMap<Handle, Entry>> {
        lock(&self.0)
    }

    pub(crate) fn add(&self, agent: Handle, id: SocketId, address: String) {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let entry = Entry {
            id,
            address,
            since: since.map_or(0.0, |since| since.as_secs_f64()),
            peer: None,
            said: false,
        };
        self.lock().insert(agent, entry);
    }

    pub(crate) fn admit(&self, agent: Handle, peer: Admitted) {
        if let Some(entry) = self.lock().get_mut(&agent) {
            entry.peer = Some(peer);
        }
    }

    pub(crate) fn remove(&self, agent: Handle) {
        self.lock().remove(&agent);
    }

    /// The name of the node that a service speaks for, empty if it has none; and whether that name is proved. `None`: it
    /// speaks for no other node.
    pub fn caller(&self, source: Handle) -> Option<(String, bool)> {
        let all = self.lock();
        let peer = all.get(&source)?.peer.as_ref()?;
        Some((peer.name.clone(), peer.certain))
    }

    /// Those of this name, and all if there is none.
    pub(crate) fn agents(&self, name: &str) -> Vec<Handle> {
        let all = self.lock();
        let named = all.iter().filter(|(_, entry)| {
            let peer = entry.peer.as_ref();
            peer.is_some_and(|peer| peer.name == name)
        });
        named.map(|(agent, _)| *agent).collect()
    }

    /// What is told of them, by name and address.
    pub(crate) fn list(&self, net: Option<&Net>) -> Table {
        let all = self.lock();
        let mut entries: Vec<_> = all
            .iter()
            .filter_map(|(agent, entry)| Some((agent, entry, entry.peer.as_ref()?)))
            .collect();
        entries.sort_by_key(|(agent, entry, peer)| (&peer.name, &entry.address, agent.0));
        Table::from_values(entries.into_iter().map(|(agent, entry, peer)| {
            let mut table = Table::new();
            if !peer.name.is_empty() {
                table.insert("node", peer.name.as_str());
            }
            table.insert("address", entry.address.as_str());
            if let Some(by) = peer.by {
                table.insert("by", by);
            }
            table.insert("proved", peer.certain);
            table.insert("since", entry.since);
            table.insert("agent", agent.0);
            let traffic = net.and_then(|net| net.traffic(entry.id));
            let (rx, tx) = traffic.unwrap_or_default();
            table.insert("rx", rx as i64);
            table.insert("tx", tx as i64);
            Value::from(table)
        }))
    }

    /// Does a command of this source come from another node? Then it is refused, which is logged once for each
    /// connection.
    pub(crate) fn refuses(&self, cx: &Context, source: Handle, what: &str) -> bool {
        let Some(said) = self
            .lock()
            .get_mut(&source)
            .map(|entry| std::mem::replace(&mut entry.said, true))
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

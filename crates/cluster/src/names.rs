//! Names that this node publishes to others. The daemon changes them; agents read them.

use std::collections::HashMap;
use std::sync::RwLock;

use skynet_kernel::Handle;
use skynet_kernel::poison::{read, write};

#[derive(Default)]
pub(crate) struct Names(RwLock<HashMap<Vec<u8>, Handle>>);

impl Names {
    /// Who has the name, which is given without `@`.
    pub(crate) fn find(&self, name: &[u8]) -> Option<Handle> {
        let names = read(&self.0);
        names.get(name).copied()
    }

    /// Gives a free name to a service, and takes away the one that it had. False if the name is taken.
    pub(crate) fn register(&self, name: &[u8], handle: Handle) -> bool {
        let mut names = write(&self.0);
        if names.contains_key(name) {
            return false;
        }
        names.retain(|_, owner| *owner != handle);
        names.insert(name.to_vec(), handle);
        true
    }

    /// A name of a service becomes that of another one. False if it has none.
    pub(crate) fn hand_over(&self, from: Handle, to: Handle) -> bool {
        let mut names = write(&self.0);
        let mut owners = names.values_mut();
        let owner = owners.find(|owner| **owner == from);
        owner.map(|owner| *owner = to).is_some()
    }

    /// Who had it.
    pub(crate) fn unregister(&self, name: &[u8]) -> Option<Handle> {
        let mut names = write(&self.0);
        names.remove(name)
    }
}

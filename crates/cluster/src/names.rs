//! Names that this node publishes to others. The daemon changes them; agents read them.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use skynet_kernel::Handle;

#[derive(Default)]
pub(crate) struct Names(RwLock<HashMap<Vec<u8>, Handle>>);

impl Names {
    /// Who has the name, which is given without `@`.
    pub(crate) fn find(&self, name: &[u8]) -> Option<Handle> {
        let names = self.0.read().unwrap_or_else(PoisonError::into_inner);
        names.get(name).copied()
    }

    /// Gives a free name to a service, and takes away the one that it had. False if the name is taken.
    pub(crate) fn register(&self, name: &[u8], handle: Handle) -> bool {
        let mut names = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if names.contains_key(name) {
            return false;
        }
        names.retain(|_, owner| *owner != handle);
        names.insert(name.to_vec(), handle);
        true
    }

    /// Who had it.
    pub(crate) fn unregister(&self, name: &[u8]) -> Option<Handle> {
        let mut names = self.0.write().unwrap_or_else(PoisonError::into_inner);
        names.remove(name)
    }
}

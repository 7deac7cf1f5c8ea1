//! The environment: texts that are set once, for all services of a node.

use crate::error::EnvExists;
use crate::node::Node;
use crate::poison::{read, write};

impl Node {
    /// A value of the node's environment.
    pub fn getenv(&self, key: &str) -> Option<String> {
        read(&self.env).get(key).cloned()
    }

    /// Sets a value that does not exist yet.
    pub fn setenv(&self, key: &str, value: &str) -> Result<(), EnvExists> {
        use std::collections::hash_map::Entry;
        match write(&self.env).entry(key.to_owned()) {
            Entry::Occupied(entry) => Err(EnvExists(entry.key().clone())),
            Entry::Vacant(entry) => {
                entry.insert(value.to_owned());
                Ok(())
            }
        }
    }
}

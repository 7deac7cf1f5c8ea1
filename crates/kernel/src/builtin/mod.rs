//! Services that every node knows.

mod harbor;
mod logger;

use std::collections::HashMap;

use crate::service::{Factory, factory};

/// The modules by name.
pub(crate) fn modules() -> HashMap<String, Factory> {
    HashMap::from([
        ("logger".to_owned(), factory(logger::Logger::default)),
        ("harbor".to_owned(), factory(|| harbor::Harbor)),
    ])
}

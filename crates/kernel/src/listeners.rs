//! Who is told of something that happens to services.

use std::sync::RwLock;

use crate::message::Handle;
use crate::poison::{read, write};

type Listener = Box<dyn Fn(Handle) + Send + Sync>;

/// Functions that get the handle of the service. They are called at the same time by several workers.
#[derive(Default)]
pub(crate) struct Listeners(RwLock<Vec<Listener>>);

impl Listeners {
    pub(crate) fn add(&self, listener: Listener) {
        write(&self.0).push(listener);
    }

    pub(crate) fn tell(&self, handle: Handle) {
        for listener in &*read(&self.0) {
            listener(handle);
        }
    }
}

//! The harbor service of a single node. There are no other nodes to talk to: it only learns which
//! service holds a global name (message `N <name>` of type HARBOR, whose source is the holder).

use std::sync::Arc;

use crate::context::Context;
use crate::error::InitError;
use crate::message::{Message, kind};
use crate::service::Service;

pub(super) struct Harbor;

impl Service for Harbor {
    fn init(&mut self, cx: &Arc<Context>, _param: &str) -> Result<(), InitError> {
        // It must not keep a node alive that has nothing else to do.
        cx.reserve();
        Ok(())
    }

    fn handle(&mut self, cx: &Arc<Context>, message: Message) {
        let name = message
            .payload()
            .strip_prefix(b"N ")
            .and_then(|name| std::str::from_utf8(name).ok());
        if let (kind::HARBOR, Some(name)) = (message.kind, name) {
            cx.node().set_global(name, message.source);
        }
    }
}

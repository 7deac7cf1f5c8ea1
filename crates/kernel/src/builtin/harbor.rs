//! The harbor service of a single node. There are no other nodes to talk to; what is left of its work
//! is global names: a HARBOR message `N <name>` gives the name to the message's source.

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
        if message.kind == kind::HARBOR
            && let Some(name) = message.payload().strip_prefix(b"N ")
        {
            let name = crate::text::from_bytes(name);
            cx.node().set_global(&name, message.source);
        }
    }
}

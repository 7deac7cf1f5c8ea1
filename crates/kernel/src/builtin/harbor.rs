//! The harbor service of a single node. There are no other nodes to talk to: it accepts everything
//! and does nothing.

use std::sync::Arc;

use crate::context::Context;
use crate::error::InitError;
use crate::message::Message;
use crate::service::Service;

pub(super) struct Harbor;

impl Service for Harbor {
    fn init(&mut self, cx: &Arc<Context>, _param: &str) -> Result<(), InitError> {
        // It must not keep a node alive that has nothing else to do.
        cx.reserve();
        Ok(())
    }

    fn handle(&mut self, _cx: &Arc<Context>, _message: Message) {}
}

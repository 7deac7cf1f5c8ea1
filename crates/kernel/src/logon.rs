//! Turns message logs of services on and off (commands `LOGON` and `LOGOFF`); see [`crate::msglog`].

use crate::context::{Context, LOGGING};
use crate::message::Message;
use crate::msglog::MessageLog;
use crate::text;

/// Turns the log of `target` on. Lines about it come from `by`.
pub(crate) fn open(by: &Context, target: &Context) {
    let node = by.node();
    let Some(folder) = node.getenv("logpath") else {
        return;
    };
    let mut log = target.message_log();
    if log.is_some() {
        return;
    }
    let path = text::path(&folder).join(format!("{:08x}.log", target.handle().0));
    match MessageLog::open(&path, node.now_cs()) {
        Ok(opened) => {
            by.log(format!("Open log file {}", path.display()));
            *log = Some(opened);
            target.set_flag(LOGGING, true);
        }
        Err(_) => by.log(format!("Open log file {} fail", path.display())),
    }
}

/// Turns the log of `target` off.
pub(crate) fn close(by: &Context, target: &Context) {
    if finish(target) {
        by.log(format!("Close log file {}", target.handle()));
    }
}

/// Closes the file, if there is one.
pub(crate) fn finish(target: &Context) -> bool {
    target.set_flag(LOGGING, false);
    let Some(log) = target.message_log().take() else {
        return false;
    };
    log.close(target.node().now_cs());
    true
}

/// Writes one message.
#[cold]
pub(crate) fn record(context: &Context, message: &Message) {
    if let Some(log) = context.message_log().as_mut() {
        log.record(message, context.node().now_cs());
    }
}

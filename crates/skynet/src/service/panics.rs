//! Panics of an application's code, as lines of the log.

use skynet_kernel::Context;
use skynet_kernel::panics::{self, Caught};

/// A task has panicked.
#[cold]
pub(super) fn of_task(context: &Context, panic: Caught) {
    let text = panics::text(&*panic);
    context.log(format!(
        "error: a task panicked: {text} (its request fails, the service goes on; RUST_BACKTRACE=1 shows where)"
    ));
    panics::dispose(panic);
}

/// Drops `value`, a task or what a message carried. If its destructor panics, the service goes on; two panics at once
/// would end the process.
#[cold]
pub(super) fn discard<T>(context: &Context, what: &str, value: T) {
    if let Err(panic) = panics::discard(value) {
        let text = panics::text(&*panic);
        context.log(format!(
            "error: {what} panicked while it was dropped: {text}"
        ));
        panics::dispose(panic);
    }
}

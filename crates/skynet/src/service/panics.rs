//! Panics of an application's code, as lines of the log.

use skynet_kernel::Context;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a panic says.
fn text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}

/// A task has panicked.
#[cold]
pub(super) fn of_task(context: &Context, panic: &(dyn Any + Send)) {
    let text = text(panic);
    context.log(format!(
        "error: a task panicked: {text} (its request fails, the service goes on; RUST_BACKTRACE=1 shows where)"
    ));
}

/// Drops `value`, a task or what a message carried. If its destructor panics, the service goes on; two panics at once
/// would end the process.
#[cold]
pub(super) fn discard<T>(context: &Context, what: &str, value: T) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        let text = text(&*panic);
        context.log(format!(
            "error: {what} panicked while it was dropped: {text}"
        ));
    }
}

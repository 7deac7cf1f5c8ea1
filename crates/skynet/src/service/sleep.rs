//! Times that pass.

use super::shared::Hold;
use skynet_kernel::{Delay, Handle, TimerKey};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

/// A time that passes. Dropping the future cancels its timer.
#[must_use = "no time passes if nobody waits for it"]
pub struct Sleep {
    shared: Hold,
    session: Option<i32>,
    timer: Option<TimerKey>,
}

impl Sleep {
    pub(super) fn new(shared: &Hold, time: Duration) -> Sleep {
        // If the service has ended, the time is over at once.
        let session = shared.open(Handle::NONE).ok().map(|(session, _)| session);
        let timer = session.and_then(|session| shared.context.timeout(session, Delay::After(time)));
        Sleep {
            shared: shared.clone(),
            session,
            timer,
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        let this = self.get_mut();
        match this.session.map(|session| this.shared.poll(session, cx)) {
            Some(Poll::Pending) => Poll::Pending,
            _ => {
                (this.session, this.timer) = (None, None);
                Poll::Ready(())
            }
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(session) = self.session {
            self.shared.forget(session);
        }
        if let Some(timer) = self.timer {
            self.shared.context.node().cancel_timer(timer);
        }
    }
}

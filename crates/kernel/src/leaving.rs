//! Services that have ended and are not gone yet: nobody can reach them any more, and no worker has dropped them.
//!
//! Mostly that takes a moment. But a service that is in the middle of a message finishes it first, and the message may
//! be an endless loop: then the loop keeps a worker busy, and the node from stopping. So a service that has not come
//! back a second after its end is told to give up (see [`crate::reminder`]). The operator finds it in the list of
//! services until it has gone.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::context::{Context, GONE};
use crate::message::Handle;
use crate::poison::lock;

/// What the last message may take.
const GRACE: Duration = Duration::from_secs(1);

struct Departure {
    context: Arc<Context>,
    began: Instant,
    /// The log knows that it does not come back.
    told: bool,
}

/// See the module's description.
#[derive(Default)]
pub(crate) struct Leaving {
    services: Mutex<BTreeMap<Handle, Departure>>,
    count: AtomicUsize,
}

impl Leaving {
    /// A service has ended.
    pub(crate) fn add(&self, context: &Arc<Context>) {
        let mut services = lock(&self.services);
        // A launch that fails drops the service by itself, perhaps before its killer comes here.
        if context.flags() & GONE == 0 {
            let departure = Departure {
                context: context.clone(),
                began: Instant::now(),
                told: false,
            };
            services.insert(context.handle(), departure);
            self.count.store(services.len(), Relaxed);
        }
    }

    /// It has been dropped.
    pub(crate) fn remove(&self, context: &Context) {
        let mut services = lock(&self.services);
        context.set_flag(GONE, true);
        let gone = services.remove(&context.handle());
        self.count.store(services.len(), Relaxed);
        drop(services);
        drop(gone);
    }

    pub(crate) fn get(&self, handle: Handle) -> Option<Arc<Context>> {
        let services = lock(&self.services);
        services
            .get(&handle)
            .map(|departure| departure.context.clone())
    }

    pub(crate) fn all(&self) -> Vec<Arc<Context>> {
        let services = lock(&self.services);
        services
            .values()
            .map(|departure| departure.context.clone())
            .collect()
    }

    /// Is there any?
    pub(crate) fn any(&self) -> bool {
        self.count.load(Relaxed) > 0
    }

    /// The service, if it ended long ago; and is that new?
    pub(crate) fn overdue(&self, handle: Handle, now: Instant) -> Option<(Arc<Context>, bool)> {
        let mut services = lock(&self.services);
        let departure = services.get_mut(&handle)?;
        if now.saturating_duration_since(departure.began) < GRACE {
            return None;
        }
        let first = !std::mem::replace(&mut departure.told, true);
        Some((departure.context.clone(), first))
    }
}

//! The engine of a node: its start and its end.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use mio::{Poll, Waker};
use skynet_kernel::blocking::Blocking;
use skynet_kernel::{Attachment, Node, lock};

use crate::deadlines::Deadlines;
use crate::descriptors;
use crate::engine::Engine;
use crate::flow::Flow;
use crate::largest::Largest;
use crate::options::NetOptions;
use crate::outbox::Outbox;
use crate::owners::Owners;
use crate::reactor::{Reactor, WAKE};
use crate::slots::Slots;

/// Threads for handshakes of TLS, if there are as many processors.
const HANDSHAKE_THREADS: usize = 4;

/// The sockets of one node.
///
/// All methods may be called from any thread, services included. None blocks, except for those UDP
/// and listening functions that are given a host *name*. `owner` is the service that gets a socket's
/// events.
///
/// It holds the node weakly, and stops when it is dropped.
pub struct Net {
    pub(crate) engine: Arc<Engine>,
    /// Where workers, and these threads, wait in the reactors.
    posts: Mutex<Vec<(Attachment, JoinHandle<()>)>>,
}

impl Net {
    /// Starts the reactors.
    pub fn new(node: &Arc<Node>, options: NetOptions) -> io::Result<Arc<Net>> {
        let polls = (0..options.reactors.max(1))
            .map(|_| Poll::new())
            .collect::<io::Result<Vec<_>>>()?;
        let registries = polls
            .iter()
            .map(|poll| poll.registry().try_clone())
            .collect::<io::Result<_>>()?;
        let wakers = polls
            .iter()
            .map(|poll| Waker::new(poll.registry(), WAKE))
            .collect::<io::Result<_>>()?;
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let engine = Arc::new_cyclic(|own| Engine {
            node: Arc::downgrade(node),
            slots: Slots::new(options.max_sockets, descriptors::limit()),
            registries,
            wakers,
            outboxes: polls.iter().map(|_| Outbox::default()).collect(),
            flow: Flow::new(options.max_inbox, polls.len()),
            resolver: Blocking::new("resolver", options.resolvers, usize::MAX),
            handshakes: Blocking::new("tls", processors.min(HANDSHAKE_THREADS), usize::MAX),
            own: own.clone(),
            tls: skynet_tls::Configs::default(),
            unverified: skynet_tls::Unverified::default(),
            options,
            deadlines: polls.iter().map(|_| Deadlines::new()).collect(),
            owners: Owners::default(),
            pending: AtomicUsize::new(0),
            largest: Largest::default(),
            stopped: AtomicBool::new(false),
            began: Instant::now(),
            began_cs: node.now_cs(),
        });
        let weak = Arc::downgrade(&engine);
        node.on_relief(move |owner| {
            if let Some(engine) = weak.upgrade()
                && engine.flow.relieve(owner)
            {
                engine.wake();
            }
        });
        let weak = Arc::downgrade(&engine);
        node.on_end(move |owner| {
            if let Some(engine) = weak.upgrade() {
                engine.owner_ended(owner);
            }
        });
        let net = Arc::new(Net {
            engine,
            posts: Mutex::default(),
        });
        for (index, poll) in polls.into_iter().enumerate() {
            let reactor = Reactor::new(net.engine.clone(), index, poll);
            let post = node.attach(Box::new(reactor));
            let thread = thread::Builder::new()
                .name(format!("socket-{index}"))
                .spawn({
                    let post = post.clone();
                    move || post.stand_in()
                });
            match thread {
                Ok(thread) => net.posts().push((post, thread)),
                Err(error) => {
                    // Dropping `net` stops those that have started.
                    post.close(false);
                    return Err(error);
                }
            }
        }
        Ok(net)
    }

    fn posts(&self) -> std::sync::MutexGuard<'_, Vec<(Attachment, JoinHandle<()>)>> {
        lock(&self.posts)
    }

    /// Ends the reactors and destroys all sockets. Output that waits is written for a moment more; a connection whose
    /// peer does not take all of it then is reset. No events are sent. Calling it again does nothing.
    pub fn stop(&self) {
        if self.engine.stopped.swap(true, Relaxed) {
            return;
        }
        self.engine.resolver.stop();
        self.engine.handshakes.stop();
        let own = thread::current().id();
        for (post, thread) in self.posts().drain(..) {
            // The last owner of the node, and with it of this, may be such a thread itself.
            let inside = thread.thread().id() == own;
            post.close(inside);
            if !inside {
                let _ = thread.join();
            }
        }
        self.engine.finish();
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        self.stop();
    }
}

impl std::fmt::Debug for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Net")
            .field("sockets", &self.count())
            .field("reactors", &self.engine.registries.len())
            .finish_non_exhaustive()
    }
}

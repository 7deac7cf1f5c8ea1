//! A poller that somebody has given to a node, and the thread that stands in for the node's workers while all of them
//! are busy; see [`crate::post`].

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::node::Node;
use crate::post::{Poller, Post, Wait};

/// How long events may wait while all workers are busy, and the stand-in serves.
const STAND_BY: Duration = Duration::from_micros(200);
/// Time between two looks whether somebody has left.
const PATIENCE: Duration = Duration::from_micros(100);

/// What [`Node::attach`](crate::Node::attach) gives to the owner of a poller, who [closes](Attachment::close) it in the
/// end.
#[derive(Clone)]
pub struct Attachment {
    post: Arc<Post>,
    node: Weak<Node>,
}

impl Attachment {
    fn new(node: &Arc<Node>, poller: Box<dyn Poller>) -> Attachment {
        let post = Arc::new(Post::new(poller));
        if !node.scheduler.stopped() {
            node.scheduler.parking().attach(&post);
        }
        Attachment {
            post,
            node: Arc::downgrade(node),
        }
    }

    /// Body of the stand-in's thread; returns when it is closed.
    pub fn stand_in(&self) {
        let post = &*self.post;
        while !post.is_closed() {
            if post.is_shared() {
                post.await_call();
            }
            while self.serve(post) {}
        }
    }

    /// One round of the stand-in. False if it is not needed any more.
    fn serve(&self, post: &Post) -> bool {
        if post.is_closed() {
            return false;
        }
        if !post.take() {
            // After the end of the node its workers are about to leave; they do not come back.
            let over = (self.node.upgrade()).is_none_or(|node| node.scheduler.stopped());
            if over {
                std::thread::sleep(PATIENCE);
            }
            return over;
        }
        let more = post.poller().wait(Wait::Sleep) && !post.is_closed() && post.poller().deal();
        post.leave();
        // This may be the last reference to the node; dropping it ends the node.
        let Some(node) = self.node.upgrade() else {
            return true;
        };
        if node.scheduler.stopped() {
            return true;
        }
        let parking = node.scheduler.parking();
        if post.is_shared() && parking.relieve() {
            return false;
        }
        if !more {
            parking.stand_by(Instant::now() + STAND_BY);
        }
        true
    }

    /// Sends away whoever is here, and lets nobody in any more. When this returns, nobody is inside
    /// the poller, unless `inside` says that the caller is.
    pub fn close(&self, inside: bool) {
        let node = self.node.upgrade();
        self.post.shut(|post| {
            if let Some(node) = &node {
                node.scheduler.parking().detach(post);
            }
        });
        while !inside && !self.post.claim() {
            // It may have been about to wait.
            self.post.poller().interrupt();
            std::thread::sleep(PATIENCE);
        }
    }
}

impl std::fmt::Debug for Attachment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attachment").finish_non_exhaustive()
    }
}

impl Node {
    /// Lets idle workers wait in `poller`, instead of just sleeping. The caller starts a thread for
    /// [`Attachment::stand_in`], and closes it in the end.
    pub fn attach(self: &Arc<Node>, poller: Box<dyn Poller>) -> Attachment {
        Attachment::new(self, poller)
    }
}

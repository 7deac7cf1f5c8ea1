//! How idle workers sleep and are woken.
//!
//! A worker that finds nothing to do *announces* itself in the idle set, looks at all queues *once
//! more*, and only then sleeps. Whoever adds work that another worker could take adds it *first*
//! and looks at the idle set *afterwards*. A sequentially consistent fence between the two steps on
//! either side means that at least one of them sees the other: no wake-up is lost, and nobody has
//! to spin before sleeping.
//!
//! Not every addition wakes somebody. While a worker is *searching* (awake, without work), it will
//! find the new work, or at least look again before it sleeps; the last searcher that finds
//! something wakes the next one if more is left ([`Parking::found`]). So a burst of additions costs
//! the adding worker at most one system call.
//!
//! An idle worker sleeps at its [`Parker`], or at a [`Post`], where it looks out for what comes from outside
//! (see [`crate::post`]). Whoever wakes one takes the one that has parked last, and those at posts
//! only if nobody is parked elsewhere.
//!
//! The timer thread is not a worker, but sleeps here too ([`Alarm`]): with every worker parked it
//! goes into a *deep* sleep until the next timer is due, and the first worker that leaves parking
//! rings for it.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use crate::alarm::Alarm;
use crate::post::{self, GLANCE, Post, Wait};
use crate::sync::{
    AtomicBool, AtomicUsize, Condvar, Mutex, MutexGuard, Ordering::Relaxed, Ordering::SeqCst, fence,
};

/// No reading of the tick counter is that late.
const NEVER: u64 = i64::MAX as u64;

/// Why a worker was woken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hint {
    /// There is, or was, something in a queue.
    Queue,
    /// The next slot of a busy worker may be robbed.
    Slot,
}

/// The workers' parkers.
pub struct Parking {
    parkers: Box<[Parker]>,
    /// Workers that may be woken: first those at posts, then those that are parked, the latest last. The last one goes
    /// first, as the warmest.
    idle: Mutex<Vec<usize>>,
    /// Length of `idle`, to be read without the lock.
    idle_count: AtomicUsize,
    /// Workers that are awake and look for work.
    searching: AtomicUsize,
    /// The timer thread sleeps for longer than a tick and must be told when a worker gets up.
    deep: AtomicBool,
    alarm: Alarm,
    /// Workers that cannot run because there are fewer processors: so many may be idle while nobody has time.
    spare: usize,
    /// Threads in [`stand_by`](Parking::stand_by).
    standing_by: AtomicUsize,
    takeover: Alarm,
    /// Posts that workers serve.
    posts: Mutex<Vec<Arc<Post>>>,
    /// Length of `posts`.
    post_count: AtomicUsize,
    /// Workers that sleep at posts.
    at_posts: AtomicUsize,
    /// When a poller was looked at last, in ticks: far in the future without posts. A plain reading: std's atomics even
    /// in the model.
    looked: AtomicU64,
}

#[derive(Default)]
struct Parker {
    call: Mutex<Call>,
    called: Condvar,
}

#[derive(Default)]
struct Call {
    hint: Option<Hint>,
    /// The worker sleeps there, and not at its parker.
    at: Option<Arc<Post>>,
}

impl Parking {
    /// For `workers` workers, all of them awake and working.
    pub fn new(workers: usize) -> Parking {
        Parking {
            parkers: (0..workers).map(|_| Parker::default()).collect(),
            idle: Mutex::new(Vec::with_capacity(workers)),
            idle_count: AtomicUsize::new(0),
            searching: AtomicUsize::new(0),
            deep: AtomicBool::new(false),
            alarm: Alarm::default(),
            spare: workers.saturating_sub(processors(workers)),
            standing_by: AtomicUsize::new(0),
            takeover: Alarm::default(),
            posts: Mutex::new(Vec::new()),
            post_count: AtomicUsize::new(0),
            at_posts: AtomicUsize::new(0),
            looked: AtomicU64::new(NEVER),
        }
    }

    /// The caller starts searching. It ends with [`found`](Self::found) or [`park`](Self::park).
    pub fn search(&self) {
        self.searching.fetch_add(1, SeqCst);
    }

    /// The searching caller has found work. `more` tells whether there is work left for others.
    pub fn found(&self, more: impl Fn() -> bool) {
        if self.searching.fetch_sub(1, SeqCst) == 1 {
            fence(SeqCst);
            if self.idle_count.load(Relaxed) > 0 && more() {
                self.wake_one(Hint::Queue);
            }
        }
    }

    /// The searching caller has found nothing and sleeps until it is woken, or until it has done something at a post;
    /// it is searching again when this returns. `work` looks at everything that the caller must not sleep through.
    /// `arrived` is called before what has come to a post is dealt with: the caller may have slept for long.
    pub fn park(&self, worker: usize, work: impl Fn() -> bool, arrived: impl Fn()) -> Hint {
        let mut post = self.free_post(1);
        self.searching.fetch_sub(1, SeqCst);
        self.change_idle(|idle| match post {
            Some(_) => idle.insert(0, worker),
            None => idle.push(worker),
        });
        fence(SeqCst);
        if work() {
            if let Some(post) = post.take() {
                post.leave();
            }
            if self.get_up(worker, true) {
                return Hint::Queue;
            }
            // Somebody has chosen this worker in between; its call is on the way and must not be
            // left lying for the next time.
            return self.sleep(worker);
        }
        if post.is_none() {
            // One may have become free before anybody could know that this worker is idle.
            post = self.free_post(0);
            if post.is_some() {
                self.change_idle(|idle| {
                    if let Some(position) = idle.iter().position(|&w| w == worker) {
                        idle[..=position].rotate_right(1);
                    }
                });
            }
        }
        match post {
            Some(post) => self.serve(worker, post, work, arrived),
            None => {
                if self.standing_by.load(Relaxed) > 0 && !self.all_busy() {
                    self.takeover.ring();
                }
                self.sleep(worker)
            }
        }
    }

    /// The caller has left the idle set, with `search` to search. False: somebody has chosen it, and is about to call
    /// it.
    fn get_up(&self, worker: usize, search: bool) -> bool {
        let cancelled = self.change_idle(|idle| {
            let position = idle.iter().position(|&w| w == worker);
            if let Some(position) = position {
                idle.remove(position);
                if search {
                    self.searching.fetch_add(1, SeqCst);
                }
            }
            position.is_some()
        });
        if cancelled {
            self.rouse();
        }
        cancelled
    }

    /// Sleeps until it is called.
    fn sleep(&self, worker: usize) -> Hint {
        let parker = &self.parkers[worker];
        let mut call = parker.call.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(hint) = call.hint.take() {
                return hint;
            }
            call = parker
                .called
                .wait(call)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// To be called after work was put where any worker can take it.
    #[inline]
    pub fn notify(&self) {
        fence(SeqCst);
        if self.idle_count.load(Relaxed) > 0 && self.searching.load(Relaxed) == 0 {
            self.wake_one(Hint::Queue);
        }
    }

    /// Wakes one parked worker, if there is one.
    #[cold]
    pub fn wake_one(&self, hint: Hint) {
        let worker = self.change_idle(|idle| {
            let worker = idle.pop();
            if worker.is_some() {
                // On behalf of the woken one, so that nobody else is woken for the same work.
                self.searching.fetch_add(1, SeqCst);
            }
            worker
        });
        if let Some(worker) = worker {
            let parker = &self.parkers[worker];
            let mut call = parker.call.lock().unwrap_or_else(PoisonError::into_inner);
            call.hint = Some(hint);
            match call.at.clone() {
                Some(post) => {
                    drop(call);
                    post.poller().interrupt();
                }
                None => {
                    drop(call);
                    parker.called.notify_one();
                }
            }
            self.rouse();
        }
    }

    /// Wakes everybody; for stopping.
    pub fn wake_all(&self) {
        while self.idle_count.load(SeqCst) > 0 {
            self.wake_one(Hint::Queue);
        }
        self.alarm.ring();
        for post in self.posts().iter() {
            post.call();
        }
    }

    /// Is there a parked worker?
    #[inline]
    pub fn any_idle(&self) -> bool {
        self.idle_count.load(Relaxed) > 0
    }

    /// Number of parked workers.
    pub fn idle(&self) -> usize {
        self.idle_count.load(SeqCst)
    }

    /// Is this worker parked?
    pub fn is_parked(&self, worker: usize) -> bool {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&worker)
    }

    /// Where the timer thread sleeps.
    pub fn alarm(&self) -> &Alarm {
        &self.alarm
    }

    /// The timer thread asks to be rung for when a worker gets up. False if one is up already.
    pub fn deep_sleep(&self) -> bool {
        self.deep.store(true, SeqCst);
        fence(SeqCst);
        let all_parked = self.idle_count.load(SeqCst) == self.parkers.len();
        if !all_parked {
            self.deep.store(false, SeqCst);
        }
        all_parked
    }

    /// The timer thread is up again.
    pub fn up(&self) {
        self.deep.store(false, SeqCst);
    }

    /// Are as many workers busy as can run?
    fn all_busy(&self) -> bool {
        self.idle_count.load(Relaxed) <= self.spare
    }

    /// Sleeps while all workers are busy, or as many of them as there are processors, but not beyond `until`. For
    /// threads whose news can wait until there is somebody to deal with them. Of several threads that do so only one is
    /// woken before its time.
    pub fn stand_by(&self, until: Instant) {
        self.standing_by.fetch_add(1, SeqCst);
        fence(SeqCst);
        if self.all_busy() {
            self.takeover.wait(Some(until));
        }
        self.standing_by.fetch_sub(1, SeqCst);
    }

    // ---- posts

    fn posts(&self) -> MutexGuard<'_, Vec<Arc<Post>>> {
        self.posts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Workers serve this post from now on. False: there are as many already as can be held at once.
    pub fn attach(&self, post: &Arc<Post>) -> bool {
        let mut posts = self.posts();
        if posts.len() >= self.parkers.len() - self.spare {
            return false;
        }
        post.share();
        posts.push(post.clone());
        self.post_count.store(posts.len(), SeqCst);
        self.looked.store(0, Relaxed);
        drop(posts);
        fence(SeqCst);
        // If all workers are parked, one has to be woken for the new post.
        if self.idle_count.load(Relaxed) > 0 {
            self.wake_one(Hint::Queue);
        }
        true
    }

    /// No worker takes this post any more.
    pub fn detach(&self, post: &Post) {
        let mut posts = self.posts();
        posts.retain(|other| !std::ptr::eq(&**other, post));
        self.post_count.store(posts.len(), SeqCst);
        if posts.is_empty() {
            self.looked.store(NEVER, Relaxed);
        }
    }

    /// Are there posts?
    pub fn has_posts(&self) -> bool {
        self.post_count.load(Relaxed) > 0
    }

    /// Takes a post, if there is a free one and time to serve it. `about`: so many callers are about to be idle.
    fn free_post(&self, about: usize) -> Option<Arc<Post>> {
        if self.post_count.load(SeqCst) == 0 || self.idle_count.load(SeqCst) + about <= self.spare {
            return None;
        }
        self.posts().iter().find(|post| post.take()).cloned()
    }

    /// Waits at a post, deals with what comes, and leaves it; or is called. As `park` for the rest.
    fn serve(
        &self,
        worker: usize,
        post: Arc<Post>,
        work: impl Fn() -> bool,
        arrived: impl Fn(),
    ) -> Hint {
        let parker = &self.parkers[worker];
        let call = || parker.call.lock().unwrap_or_else(PoisonError::into_inner);
        self.at_posts.fetch_add(1, SeqCst);
        let mut news = false;
        let hint = loop {
            {
                let mut call = call();
                if news || call.hint.is_some() || post.is_closed() {
                    call.at = None;
                    break call.hint.take();
                }
                call.at = Some(post.clone());
            }
            let wait = match self.idle_count.load(Relaxed) == self.parkers.len() {
                true => Wait::Quiet,
                false => Wait::Sleep,
            };
            news = post.poller().wait(wait);
        };
        self.at_posts.fetch_sub(1, SeqCst);
        let hint = match hint {
            Some(hint) => Some(hint),
            None if self.get_up(worker, !news) => None,
            None => Some(self.sleep(worker)),
        };
        if !news {
            post.leave();
            return hint.unwrap_or(Hint::Queue);
        }
        if hint.is_some() {
            // The work that this worker was woken for should not wait until the events are dealt with.
            self.found(&work);
        }
        arrived();
        let more = post.poller().deal();
        self.looked.store(post::now(), Relaxed);
        post.leave();
        if more {
            self.notify();
        }
        self.search();
        hint.unwrap_or(Hint::Queue)
    }

    /// Has no poller been looked at for long? `now`: in ticks.
    #[inline]
    pub fn is_time_to_glance(&self, now: u64) -> bool {
        now.wrapping_sub(self.looked.load(Relaxed)) as i64 > GLANCE
    }

    /// A worker that is awake sees to posts that nobody holds.
    #[cold]
    pub fn glance(&self, now: u64) {
        self.looked.store(now, Relaxed);
        if self.can_take_over() {
            return self.notify();
        }
        // Not under the lock, as this may take a while.
        let free: Vec<_> = self.posts().iter().filter(|p| p.take()).cloned().collect();
        for post in free {
            let more = post.poller().wait(Wait::Glance) && post.poller().deal();
            post.leave();
            if more {
                self.notify();
            }
        }
    }

    /// Is there a parked worker, and time for it to serve at a post?
    fn can_take_over(&self) -> bool {
        self.idle_count.load(SeqCst) > self.spare.max(self.at_posts.load(SeqCst))
    }

    /// The stand-in of a post has left it: can workers do without it? If so, one of them knows that the post is free.
    pub fn relieve(&self) -> bool {
        fence(SeqCst);
        let relieved = self.can_take_over();
        if relieved {
            self.notify();
        }
        relieved
    }

    /// Sends somebody to each post that nobody has held since the last call. For the timer thread.
    pub fn inspect_posts(&self) {
        if !self.has_posts() {
            return;
        }
        for post in self.posts().iter().filter(|post| post.is_neglected()) {
            if self.can_take_over() {
                self.notify();
            } else {
                post.call();
            }
        }
    }

    /// A worker has left the idle set.
    fn rouse(&self) {
        fence(SeqCst);
        if self.deep.load(Relaxed) {
            self.deep.store(false, SeqCst);
            self.alarm.ring();
        }
    }

    fn change_idle<R>(&self, change: impl FnOnce(&mut Vec<usize>) -> R) -> R {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut idle);
        self.idle_count.store(idle.len(), SeqCst);
        result
    }
}

/// Processors that this process may use; in the model as many as it has workers.
fn processors(workers: usize) -> usize {
    if cfg!(loom) {
        return workers;
    }
    std::thread::available_parallelism().map_or(workers, usize::from)
}

//! Supervisors: actors that start other services, in Rust and in Lua, and start them again when they end.
//!
//! The words are those of the Lua module `skynet.supervisor`, whose manual page says more about them.
//!
//! ```
//! use skynet::service::{Actor, Cx, Error, Node, Request, Values, args};
//! use skynet::supervisor::{Restart, Strategy, Supervisor};
//! use std::time::Duration;
//!
//! /// Answers, and dies when it is told to.
//! struct Shop;
//!
//! impl Actor for Shop {
//!     async fn started(&self, cx: &Cx, _: &str) -> Result<(), Error> {
//!         cx.name("shop");
//!         Ok(())
//!     }
//!
//!     async fn request(&self, _: &Cx, _: &Request) -> Result<Values, Error> {
//!         Ok(args!["open"])
//!     }
//! }
//!
//! # fn main() -> Result<(), Error> {
//! let node = Node::builder().threads(2).start()?;
//! node.run();
//! let cx = Cx::outside(&node)?;
//! let tree = Supervisor::new(Strategy::OneForOne)
//!     .intensity(3, Duration::from_secs(5))
//!     .child("shop", Restart::Permanent, || Shop);
//! cx.start(tree)?;
//! let ask = || loop {
//!     // Between two lives nobody has the name.
//!     match cx.call(".shop", "anyone?").to().wait() {
//!         Ok(answer) => break answer,
//!         Err(_) => std::thread::sleep(Duration::from_millis(1)),
//!     }
//! };
//! let answer: String = ask();
//! assert_eq!(answer, "open");
//! cx.kill(".shop");
//! let answer: String = ask();
//! assert_eq!(answer, "open");
//! node.shutdown();
//! node.wait();
//! # Ok(())
//! # }
//! ```

mod policy;
mod spec;
mod tree;

use crate::service::{Actor, Cx, Error, OnStart};
use policy::{Policy, Settings};
use spec::{Child, Start};
pub use spec::{Restart, Strategy};
use std::sync::Mutex;
use std::time::Duration;
use tree::Tree;

/// A supervisor: an actor, to be started like any other. It starts its children in their order; if one does not start,
/// it ends itself. However it ends, its children end with it.
///
/// With more restarts than it allows, it ends its children, the last one first, and itself; whoever watches it is told
/// [`Departure::Intensity`](crate::service::Departure::Intensity).
#[must_use = "it starts nothing before it is started itself"]
pub struct Supervisor {
    settings: Settings,
    children: Mutex<Vec<Child>>,
}

impl Supervisor {
    /// Without children: three restarts within five seconds are allowed, and a child is started again at once, then after
    /// 100 ms, a second, and five.
    pub fn new(strategy: Strategy) -> Supervisor {
        Supervisor {
            settings: Settings {
                strategy,
                intensity: 3,
                period: Duration::from_secs(5),
                backoff: [0, 100, 1000, 5000].map(Duration::from_millis).to_vec(),
            },
            children: Mutex::default(),
        }
    }

    /// How many restarts are allowed within a period.
    pub fn intensity(mut self, restarts: usize, period: Duration) -> Supervisor {
        (self.settings.intensity, self.settings.period) = (restarts, period);
        self
    }

    /// How long to wait before the first, second, … restart of a child; the last one stays. A child that has lived for a
    /// period begins anew. An empty list: no time at all.
    pub fn backoff(mut self, times: impl IntoIterator<Item = Duration>) -> Supervisor {
        self.settings.backoff = times.into_iter().collect();
        self
    }

    /// Adds an actor, which may be a supervisor itself. `make` makes a new one for each start. The id is for the log.
    pub fn child<A: Actor>(
        self,
        id: &str,
        restart: Restart,
        make: impl Fn() -> A + Send + Sync + 'static,
    ) -> Supervisor {
        let start = move |cx: &Cx, on_start: OnStart| {
            let addr = cx.start_awaited(make(), on_start)?;
            Ok(addr.handle())
        };
        self.add(id, restart, Start::Rust(Box::new(start)))
    }

    /// Adds a Lua service, by its name and arguments. The node needs its launcher.
    pub fn lua(self, id: &str, restart: Restart, service: &str) -> Supervisor {
        let words = service.split_ascii_whitespace().map(str::to_owned);
        self.add(id, restart, Start::Lua(words.collect()))
    }

    fn add(mut self, id: &str, restart: Restart, start: Start) -> Supervisor {
        let children = self.children.get_mut();
        children
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .push(Child {
                id: id.to_owned(),
                restart,
                start,
            });
        self
    }
}

impl std::fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Supervisor").field(&self.settings).finish()
    }
}

impl Actor for Supervisor {
    async fn started(&self, cx: &Cx, _: &str) -> Result<(), Error> {
        let children = std::mem::take(
            &mut *self
                .children
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner()),
        );
        let restarts = children.iter().map(|child| child.restart);
        let policy = Policy::new(self.settings.clone(), restarts);
        let mut tree = Tree::new(cx, policy, children);
        tree.start_all().await?;
        cx.spawn(tree.run());
        Ok(())
    }
}

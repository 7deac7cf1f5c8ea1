//! Resolving names without keeping anybody else waiting.
//!
//! `getaddrinfo` blocks, for as long as a name server likes. Connecting to a name therefore goes
//! through a few threads that do nothing else. They are started when there is more work than idle
//! threads, and then stay, asleep.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use skynet_kernel::lock;

use crate::error::{self, Error};

/// Resolves a name, or reads an address. Blocks. Every address is given once, in the resolver's order.
pub fn resolve(host: &str) -> Result<Vec<IpAddr>, Error> {
    let mut found = Vec::new();
    for address in addresses(host, 0)? {
        if !found.contains(&address.ip()) {
            found.push(address.ip());
        }
    }
    Ok(found)
}

/// The addresses of a host, with a port. Blocks unless the host is an address.
pub(crate) fn addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
    if let Some(ip) = literal(host) {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    match (host, port).to_socket_addrs() {
        Ok(addresses) => Ok(addresses.collect()),
        Err(error) => Err(Error::Resolve(reason(&error))),
    }
}

/// The first address of a host, where only one is tried.
pub(crate) fn first(host: &str, port: u16) -> Result<SocketAddr, Error> {
    let found = addresses(host, port)?;
    let none = || Error::Resolve("Name or service not known".to_owned());
    found.first().copied().ok_or_else(none)
}

/// An address that needs no resolving.
pub(crate) fn literal(host: &str) -> Option<IpAddr> {
    host.parse().ok()
}

/// The resolver's own text: std puts a sentence in front of it.
fn reason(error: &io::Error) -> String {
    let text = error::text(error);
    let (_, own) = text
        .split_once("failed to lookup address information: ")
        .unwrap_or(("", &text));
    own.to_owned()
}

type Job = Box<dyn FnOnce() + Send>;

/// The threads.
pub(crate) struct Resolver {
    shared: Arc<Shared>,
    limit: usize,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    stopped: bool,
}

impl Resolver {
    pub(crate) fn new(limit: usize) -> Resolver {
        Resolver {
            shared: Arc::default(),
            limit: limit.max(1),
        }
    }

    /// Runs a job on one of the threads. An error: there is not a single thread, and no new one.
    pub(crate) fn submit(&self, job: Job) -> io::Result<()> {
        let mut state = self.shared.lock();
        if state.idle <= state.jobs.len() && state.threads < self.limit {
            let shared = self.shared.clone();
            let spawned = thread::Builder::new()
                .name("resolver".into())
                .spawn(move || shared.run());
            match spawned {
                Ok(_) => state.threads += 1,
                Err(error) if state.threads == 0 => return Err(error),
                // The others will get to it.
                Err(_) => {}
            }
        }
        state.jobs.push_back(job);
        drop(state);
        self.shared.work.notify_one();
        Ok(())
    }

    /// Lets the threads go. Those that are in the middle of a name go when they have it.
    pub(crate) fn stop(&self) {
        let mut state = self.shared.lock();
        state.stopped = true;
        state.jobs.clear();
        drop(state);
        self.shared.work.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn run(&self) {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return;
            }
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                job();
                state = self.lock();
                continue;
            }
            state.idle += 1;
            state = self
                .work
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }
}

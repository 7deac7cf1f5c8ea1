//! The watcher for endless loops.
//!
//! Every worker publishes in its [`Activity`] what it is doing. The timer thread compares version numbers every few
//! seconds while a worker is awake. A message that is still being handled after a whole interval is reported, again
//! after each further interval; nothing is killed.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::atomic::{Ordering::Acquire, Ordering::Relaxed};
use std::time::Instant;

use crate::activity::Activity;
use crate::clock;
use crate::message::{Handle, kind};
use crate::node::Node;

/// The checks' memory.
pub(crate) struct Monitor {
    next: Instant,
    /// Version seen by the last check, per worker.
    seen: Vec<u32>,
    interval: std::time::Duration,
    /// Standard error has been told that all workers are stuck, which they are since.
    told: bool,
}

impl Monitor {
    pub(crate) fn new(node: &Node) -> Monitor {
        let interval = node.monitor_interval;
        Monitor {
            next: Instant::now() + interval,
            seen: vec![0; node.activities.len()],
            interval,
            told: false,
        }
    }

    /// No worker is awake, so nothing can be stuck.
    pub(crate) fn rest(&mut self, now: Instant) {
        if now >= self.next {
            self.next = now + self.interval;
        }
    }

    /// Compares versions if it is time to.
    pub(crate) fn check(&mut self, node: &Node, now: Instant) {
        if now < self.next {
            return;
        }
        self.next = now + self.interval;
        let mut stuck = 0;
        for (activity, seen) in node.activities.iter().zip(&mut self.seen) {
            let version = activity.version.load(Acquire);
            let dest = Handle(activity.dest.load(Relaxed));
            if std::mem::replace(seen, version) == version && !dest.is_none() {
                report(node, activity, dest, version);
                stuck += 1;
            }
        }
        let all = stuck == node.activities.len();
        if all && !self.told {
            tell_without_log(node);
        }
        self.told = all;
    }
}

/// No worker is left for the log service, so that the log is silent about what is wrong.
#[cold]
fn tell_without_log(node: &Node) {
    let mut text = String::from(
        "error: all workers are stuck, and the log with them (the debug console still answers):\n",
    );
    for activity in &node.activities {
        let dest = Handle(activity.dest.load(Relaxed));
        let who = node
            .context_or_leaving(dest)
            .map(|context| context.description());
        let who = who.unwrap_or_else(|| "a service that has gone".to_owned());
        let busy = clock::seconds(clock::ticks().saturating_sub(activity.began.load(Relaxed)));
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "error: {dest} ({who}) has been handling one message for {busy:.1} s"
        );
    }
    // If this fails, standard error is closed, and there is no other place.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

#[cold]
fn report(node: &Node, activity: &Activity, dest: Handle, version: u32) {
    let source = Handle(activity.source.load(Relaxed));
    let (session, kind) = (activity.session.load(Relaxed), activity.kind.load(Relaxed));
    let busy = clock::seconds(clock::ticks().saturating_sub(activity.began.load(Relaxed)));
    let context = node.context_or_leaving(dest);
    let line = format!(
        "error: A message from [ {source} ] to [ {dest} ] maybe in an endless loop (version = {})",
        version as i32
    );
    node.log(Handle::NONE, line.as_bytes());
    let what = kind::name(kind).map_or_else(|| kind.to_string(), str::to_owned);
    let who = context
        .as_ref()
        .map_or_else(|| "a service that has gone".to_owned(), |c| c.description());
    let line = format!(
        "error: {dest} ({who}) has been handling one message of type {what}, session {session}, for {busy:.1} s"
    );
    node.log(Handle::NONE, line.as_bytes());
    if let Some(context) = context {
        context.set_endless();
        if let Some(interrupt) = context.interrupt() {
            interrupt.stuck();
        }
    }
}

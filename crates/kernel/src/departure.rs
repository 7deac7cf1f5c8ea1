//! Why a service has ended, and what is kept of its end.

use std::fmt;
use std::sync::{Arc, Weak};

use crate::message::Handle;

/// Why a service has ended.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Departure {
    /// It has ended itself.
    Exit,
    /// Another service has ended it: this one, or nobody in particular.
    Killed(Handle),
    /// It could not start.
    Init(String),
    /// It has panicked.
    Panic(String),
    /// It has used more memory than it was allowed.
    Memory(String),
    /// It did not answer any more.
    Stuck(String),
    /// Something that it did has failed, and its supervisor takes that as its end.
    Error(String),
    /// It is a supervisor, and its children had to be started again too often.
    Intensity(String),
    /// Another one has taken its place.
    Restart(Handle),
    /// The node stops.
    Stop,
    /// It is not known: the service had ended before somebody asked.
    Gone,
    /// The node that it lives on cannot be reached any more.
    Lost(String),
}

impl Departure {
    /// The word that stands for it in messages, logs and metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Departure::Exit => "exit",
            Departure::Killed(_) => "kill",
            Departure::Init(_) => "init",
            Departure::Panic(_) => "panic",
            Departure::Memory(_) => "memory",
            Departure::Stuck(_) => "stuck",
            Departure::Error(_) => "error",
            Departure::Intensity(_) => "intensity",
            Departure::Restart(_) => "restart",
            Departure::Stop => "stop",
            Departure::Gone => "gone",
            Departure::Lost(_) => "lost",
        }
    }

    /// More about it; empty if there is nothing to say. Of a service that was killed it is the killer, of one that was
    /// replaced its successor, as `:%08x`.
    pub fn text(&self) -> String {
        match self {
            Departure::Killed(who) | Departure::Restart(who) if !who.is_none() => {
                format!(":{:08x}", who.0)
            }
            Departure::Init(text)
            | Departure::Panic(text)
            | Departure::Memory(text)
            | Departure::Stuck(text)
            | Departure::Error(text)
            | Departure::Intensity(text)
            | Departure::Lost(text) => text.clone(),
            _ => String::new(),
        }
    }

    /// The word, and behind a blank the text, if there is one.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }

    /// What [`to_bytes`](Self::to_bytes) has made. `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Departure> {
        let all = String::from_utf8_lossy(bytes);
        let (word, text) = all.split_once(' ').unwrap_or((&all, ""));
        Departure::from_words(word, text)
    }

    /// By its word and its text.
    pub fn from_words(word: &str, text: &str) -> Option<Departure> {
        let owned = || text.to_owned();
        let handle = || {
            let hex = text.strip_prefix(':').unwrap_or("");
            Handle(u32::from_str_radix(hex, 16).unwrap_or(0))
        };
        Some(match word {
            "exit" => Departure::Exit,
            "kill" => Departure::Killed(handle()),
            "init" => Departure::Init(owned()),
            "panic" => Departure::Panic(owned()),
            "memory" => Departure::Memory(owned()),
            "stuck" => Departure::Stuck(owned()),
            "error" => Departure::Error(owned()),
            "intensity" => Departure::Intensity(owned()),
            "restart" => Departure::Restart(handle()),
            "stop" => Departure::Stop,
            "gone" => Departure::Gone,
            "lost" => Departure::Lost(owned()),
            _ => return None,
        })
    }
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text();
        match text.is_empty() {
            true => f.write_str(self.word()),
            false => write!(f, "{} {text}", self.word()),
        }
    }
}

/// The two are linked.
pub(crate) const LINK: i32 = 0;
/// The watcher ends with the one that it watches, whatever the reason.
pub(crate) const BOUND: i32 = -1;

/// Who is told, and how. `C` is the context of a service.
pub(crate) struct Watch<C> {
    /// It may have ended long ago; its place is taken when room is needed.
    watcher: Weak<C>,
    /// [`LINK`], [`BOUND`], or by which it is told.
    pub(crate) session: i32,
}

impl<C> Watch<C> {
    pub(crate) fn watcher(&self) -> Option<Arc<C>> {
        self.watcher.upgrade()
    }

    fn is(&self, watcher: &C, session: i32) -> bool {
        self.session == session && std::ptr::eq(self.watcher.as_ptr(), watcher)
    }
}

/// What is kept of the end of a service.
pub(crate) struct End<C> {
    pub(crate) departure: Option<Departure>,
    watches: Vec<Watch<C>>,
    /// The session by which the service is told of the ends of those it is linked with; 0: it ends with them.
    pub(crate) trap: i32,
    /// Who starts it anew in place, and the session by which that one is told.
    pub(crate) keeper: Option<(Handle, i32)>,
}

impl<C> Default for End<C> {
    fn default() -> End<C> {
        End {
            departure: None,
            watches: Vec::new(),
            trap: 0,
            keeper: None,
        }
    }
}

impl<C> End<C> {
    /// Adds a watch. Before the list grows those are taken out whose watchers are `gone`.
    pub(crate) fn add(&mut self, watcher: Weak<C>, session: i32, gone: impl Fn(&C) -> bool) {
        if self.watches.len() == self.watches.capacity() {
            let lives = |watch: &Watch<C>| watch.watcher().is_some_and(|watcher| !gone(&watcher));
            self.watches.retain(lives);
            // As many again, so that the next look is far away.
            self.watches.reserve(self.watches.len().max(1));
        }
        self.watches.push(Watch { watcher, session });
    }

    /// Takes a watch out. False if it is not there.
    pub(crate) fn take(&mut self, watcher: &C, session: i32) -> bool {
        let at = self.watches.iter().position(|w| w.is(watcher, session));
        at.is_some_and(|at| self.watches.swap_remove(at).session == session)
    }

    pub(crate) fn take_all(&mut self) -> Vec<Watch<C>> {
        std::mem::take(&mut self.watches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for departure in [
            Departure::Exit,
            Departure::Killed(Handle(0x1234)),
            Departure::Killed(Handle::NONE),
            Departure::Init("a b\nc".into()),
            Departure::Panic("p".into()),
            Departure::Memory("m".into()),
            Departure::Stuck("s".into()),
            Departure::Error("e".into()),
            Departure::Intensity("i".into()),
            Departure::Restart(Handle(7)),
            Departure::Stop,
            Departure::Gone,
            Departure::Lost("n".into()),
        ] {
            let bytes = departure.to_bytes();
            assert_eq!(Departure::from_bytes(&bytes), Some(departure));
        }
        assert_eq!(Departure::from_bytes(b"what"), None);
        assert_eq!(Departure::from_bytes(b""), None);
    }
}

//! Which sources of Lua 5.4, which assign to loop variables, the log of a node has named.

use std::collections::HashSet;
use std::sync::Mutex;

use skynet_kernel::lock;

/// Of so many sources a node tells; a program may make any number of them at run time.
pub(crate) const MOST: usize = 1000;

/// The sources that the log of a node has a line of.
#[derive(Default)]
pub(crate) struct ToldLoops(Mutex<HashSet<Box<str>>>);

/// What the log says of one more source.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Text,
    /// Too many have been told of.
    NoMore,
    None,
}

impl ToldLoops {
    /// One more source that assigns to a loop variable.
    pub(crate) fn next(&self, chunk: &str) -> Line {
        let chunk = chunk.strip_prefix("./").unwrap_or(chunk);
        let mut told = lock(&self.0);
        if told.len() > MOST || told.contains(chunk) {
            return Line::None;
        }
        told.insert(chunk.into());
        match told.len() {
            ..=MOST => Line::Text,
            _ => Line::NoMore,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_is_told_of_once_and_not_without_end() {
        let told = ToldLoops::default();
        assert_eq!(told.next("a.lua"), Line::Text);
        assert_eq!(told.next("a.lua"), Line::None);
        for i in 1..MOST {
            assert_eq!(told.next(&i.to_string()), Line::Text);
        }
        assert_eq!(told.next("one more"), Line::NoMore);
        assert_eq!(told.next("and another"), Line::None);
    }
}

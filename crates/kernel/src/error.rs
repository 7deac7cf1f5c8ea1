//! What can go wrong.

use std::io;

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The number of workers is out of range.
    #[error("Invalid thread {0} , should be in [1,1024]")]
    Threads(usize),
    /// The log service is not registered, or its initialisation failed.
    #[error("Can't launch {module} service")]
    LogService {
        /// The module that it is.
        module: String,
        /// Why it cannot be launched, and what to do. There is no log that could tell.
        reason: String,
    },
    /// The system refused a thread.
    #[error("cannot start a thread: {0}")]
    Spawn(#[from] io::Error),
}

/// Why a message was not accepted. Its payload has been freed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// Nobody has this handle (any more).
    #[error("no such service")]
    NoService,
    /// The mailbox of the receiver is full, and its policy is to refuse.
    #[error("mailbox is full (limit {limit})")]
    Refused {
        /// Number of waiting messages that the receiver allows.
        limit: usize,
    },
    /// The payload is longer than a message can carry. Layers with a limit of their own use this; the
    /// kernel carries whatever fits into memory.
    #[error("message is too large")]
    TooLarge,
}

/// A key of the environment can be set only once.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("Can't setenv exist key : {0}")]
pub struct EnvExists(
    /// The key.
    pub String,
);

/// Why the initialisation of a service failed. The text, if there is any, is logged before the line
/// that says so.
#[derive(Clone, PartialEq, Eq, Default, Debug, thiserror::Error)]
#[error("{0}")]
pub struct InitError(String);

impl InitError {
    /// With a text for the log.
    pub fn new(text: impl Into<String>) -> InitError {
        InitError(text.into())
    }
}

impl From<&str> for InitError {
    fn from(text: &str) -> InitError {
        InitError(text.to_owned())
    }
}

impl From<String> for InitError {
    fn from(text: String) -> InitError {
        InitError(text)
    }
}

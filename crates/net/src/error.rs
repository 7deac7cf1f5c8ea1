//! What can go wrong before a socket exists.

use std::io;

/// Why a function of [`Net`](crate::Net) failed in the caller. What goes wrong later comes as an
/// ERROR event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There are as many sockets as the settings and the system allow.
    #[error("reach skynet socket number limit")]
    Full,
    /// A host that is too long to be one.
    #[error("Invalid addr {0}")]
    InvalidAddress(String),
    /// The port is 0 where one is needed.
    #[error("Invalid port")]
    InvalidPort,
    /// A name could not be resolved: the resolver's text.
    #[error("{0}")]
    Resolve(String),
    /// The system refused: its text.
    #[error("{}", text(.0))]
    Io(#[from] io::Error),
    /// There is no such socket, or it is of another type.
    #[error("invalid socket")]
    InvalidSocket,
    /// An address of the other family than the socket's.
    #[error("protocol mismatch")]
    ProtocolMismatch,
    /// TLS is not possible: what is wrong with its options or files.
    #[error(transparent)]
    Tls(#[from] skynet_tls::Error),
    /// [`Net::stop`](crate::Net::stop) has been called.
    #[error("the socket engine has stopped")]
    Stopped,
}

/// The text of an error as `strerror` has it: std adds the number.
pub(crate) fn text(error: &io::Error) -> String {
    let full = error.to_string();
    match error.raw_os_error() {
        Some(code) => full
            .strip_suffix(&format!(" (os error {code})"))
            .map_or(full.clone(), str::to_owned),
        None => full,
    }
}

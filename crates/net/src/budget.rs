//! How connections are written to, and how much before others have their turn.

use std::io;

use socket2::Socket;

/// Bytes written to one socket before others have their turn, somewhat more with the last system call.
pub(crate) const BUDGET: usize = 512 << 10;

/// How much has been written.
pub(crate) enum Wrote {
    All,
    /// As much as the system takes now.
    Full,
    /// As much as is right before others have their turn.
    Enough,
}

/// Not to be killed by a peer that has gone, whatever the process does about SIGPIPE.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
pub(crate) const NO_SIGNAL: i32 = libc::MSG_NOSIGNAL;
/// Elsewhere the option SO_NOSIGPIPE does it, which `socket2` sets.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
pub(crate) const NO_SIGNAL: i32 = 0;

/// Writes to a connection.
#[inline]
pub(crate) fn send(socket: &Socket, bytes: &[u8]) -> io::Result<usize> {
    socket.send_with_flags(bytes, NO_SIGNAL)
}

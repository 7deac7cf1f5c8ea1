//! What a socket does its input and output with.

use std::fs::File;
use std::io::{self, IoSlice, Read, Write};
use std::mem::ManuallyDrop;
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::slice;
use std::time::Duration;

use mio::net::TcpListener;
use skynet_kernel::GrowingPayload;
use socket2::{MaybeUninitSlice, SockRef, Socket};

use crate::budget::{self, NO_SIGNAL};
use crate::fill;
use crate::sealed::Secure;

pub(crate) enum Io {
    /// The name is being resolved: no descriptor yet.
    None,
    Tcp(Socket),
    /// A connection with TLS.
    Secure(Box<Secure>),
    Listener(TcpListener),
    Udp(UdpSocket),
    Foreign(Foreign),
}

impl Io {
    pub(crate) fn fd(&self) -> Option<RawFd> {
        match self {
            Io::None => None,
            Io::Tcp(socket) => Some(socket.as_raw_fd()),
            Io::Secure(secure) => Some(secure.socket.as_raw_fd()),
            Io::Listener(listener) => Some(listener.as_raw_fd()),
            Io::Udp(socket) => Some(socket.as_raw_fd()),
            Io::Foreign(foreign) => Some(foreign.file.as_raw_fd()),
        }
    }

    /// Reads from a stream.
    #[inline]
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Io::Tcp(socket) => (&mut &*socket).read(buffer),
            Io::Secure(secure) => (&mut &secure.socket).read(buffer),
            Io::Foreign(foreign) => (&mut &*foreign.file).read(buffer),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Reads from a connection, `most` bytes at most, and appends them to `into`.
    #[inline]
    pub(crate) fn read_into(&self, into: &mut GrowingPayload, most: usize) -> io::Result<usize> {
        let Io::Tcp(socket) = self else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let n = socket.recv(into.room(most))?;
        // SAFETY: the system has written the first `n` bytes.
        unsafe { into.advance(n) };
        Ok(n)
    }

    /// Reads from a connection: into the headers, and behind what is in `block`. How many bytes there were in all.
    pub(crate) fn read_between(
        &self,
        block: &mut GrowingPayload,
        pieces: &mut [fill::Piece<'_>],
    ) -> io::Result<usize> {
        let Io::Tcp(socket) = self else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let mut room = block.room(pieces.iter().map(|(_, len)| len).sum());
        let mut slices = Vec::with_capacity(2 * pieces.len());
        for (header, len) in &mut *pieces {
            let here = header.as_mut_ptr().cast();
            // SAFETY: the same bytes; the system writes what is initialised, or nothing.
            let header = unsafe { slice::from_raw_parts_mut(here, header.len()) };
            let (data, more) = room.split_at_mut(*len);
            room = more;
            slices.extend([header, data].map(MaybeUninitSlice::new));
        }
        let (n, _) = socket.recv_vectored(&mut slices)?;
        let (mut left, mut data) = (n, 0);
        for (header, len) in pieces {
            left -= left.min(header.len());
            data += left.min(*len);
            left -= left.min(*len);
        }
        // SAFETY: slices are filled in their order, so the first `data` bytes of the room have been written.
        unsafe { block.advance(data) };
        Ok(n)
    }

    /// Writes to a stream.
    #[inline]
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Io::Tcp(socket) => budget::send(socket, bytes),
            Io::Foreign(foreign) => (&mut &*foreign.file).write(bytes),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Writes several pieces to a stream.
    pub(crate) fn write_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Io::Tcp(socket) => socket.send_vectored_with_flags(pieces, NO_SIGNAL),
            Io::Foreign(foreign) => (&mut &*foreign.file).write_vectored(pieces),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// The TCP socket of a connection, with TLS or without.
    pub(crate) fn connection(&self) -> Option<&Socket> {
        match self {
            Io::Tcp(socket) => Some(socket),
            Io::Secure(secure) => Some(&secure.socket),
            _ => None,
        }
    }

    /// Does it have records that are to be written?
    pub(crate) fn has_records(&self) -> bool {
        matches!(self, Io::Secure(secure) if secure.has_output())
    }

    /// The error that the system keeps for a socket.
    pub(crate) fn take_error(&self) -> Option<io::Error> {
        let error = match self {
            Io::None | Io::Foreign(_) => Ok(None),
            Io::Tcp(socket) => socket.take_error(),
            Io::Secure(secure) => secure.socket.take_error(),
            Io::Listener(listener) => listener.take_error(),
            Io::Udp(socket) => socket.take_error(),
        };
        error.unwrap_or_else(Some)
    }

    /// When the connection is closed, it is reset: the peer gets an error instead of an end. What fails here has no
    /// consequence.
    pub(crate) fn reset_at_close(&self) {
        if let Some(socket) = self.connection() {
            let _ = socket.set_linger(Some(Duration::ZERO));
        }
    }

    /// No more reading, or no more writing. What fails here has no consequence.
    pub(crate) fn shutdown(&self, how: std::net::Shutdown) {
        if let Some(socket) = self.connection() {
            let _ = socket.shutdown(how);
        }
    }
}

/// A descriptor of somebody else. It is made non-blocking while it is used, never closed, and gets
/// its mode back at the end: it may be the terminal of a shell.
pub(crate) struct Foreign {
    file: ManuallyDrop<File>,
    was_blocking: bool,
}

impl Foreign {
    pub(crate) fn adopt(fd: RawFd) -> io::Result<Foreign> {
        if fd < 0 {
            return Err(io::Error::from_raw_os_error(libc::EBADF));
        }
        // SAFETY: the descriptor is not owned: it is never closed through this file. Should somebody
        // close it meanwhile, the system calls here fail, or act on its successor as they would for
        // any user of a descriptor's number; memory safety does not depend on it.
        let file = ManuallyDrop::new(unsafe { File::from_raw_fd(fd) });
        let options = SockRef::from(&*file);
        let was_blocking = !options.nonblocking()?;
        if was_blocking {
            options.set_nonblocking(true)?;
        }
        Ok(Foreign { file, was_blocking })
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        if self.was_blocking {
            let _ = SockRef::from(&*self.file).set_nonblocking(false);
        }
    }
}

//! Frames with their length in front.
//!
//! A frame is its length as a big-endian number of two bytes (every gate of skynet, `skynet.netpack`, the
//! cluster) or of four (the native gate started with `L`), then that many bytes. Nothing else: no type, no
//! checksum, no end mark.
//!
//! [`Framing`] is the form, shared by all connections of a gate. [`Partial`] is what one connection has to
//! remember between two reads: nothing most of the time, else the header or the body of the frame that a read
//! broke off in. [`Framing::take`] brings the two and a read together, one frame at a time. A frame that lies
//! inside one read is handed out where it lies; only a frame that is spread over reads is put together in a
//! buffer of its own, which grows as bytes come in and not by what the header claims.
//!
//! ```
//! use skynet_wire::netpack::{Framing, Partial};
//!
//! let framing = Framing::SHORT;
//! let mut partial = Partial::default();
//! let mut frames = Vec::new();
//! for mut read in [&b"\0\x03one\0\x03t"[..], &b"wo\0"[..], &b"\0"[..]] {
//!     while let Some(frame) = framing.take(&mut partial, &mut read)? {
//!         frames.push(frame.into_owned());
//!     }
//! }
//! assert_eq!(frames, [&b"one"[..], b"two", b""]);
//! assert!(partial.is_idle());
//! # Ok::<(), skynet_wire::netpack::Error>(())
//! ```

use std::{borrow::Cow, mem, ops::Deref};

use crate::grow;

/// Errors of framing.
///
/// The text of [`TooLong`](Self::TooLong) is the one that a Lua caller of `netpack.pack` sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A payload of this many bytes does not fit in a frame.
    #[error("Invalid size (too long) of data : {0}")]
    TooLong(usize),
    /// A peer announced a frame longer than allowed. There is no way to go on with this connection.
    #[error("frame of {len} bytes is longer than {max}")]
    Limit {
        /// The length announced, in bytes.
        len: u32,
        /// The longest allowed, in bytes.
        max: u32,
    },
}

/// A form of frames: the width of the length, and the longest frame that may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framing {
    /// Bytes of the length in front: 2 or 4.
    width: u8,
    /// The longest frame taken from a peer, in bytes without the header.
    max: u32,
}

impl Framing {
    /// Two bytes of length, frames up to 65535 bytes.
    pub const SHORT: Self = Self {
        width: 2,
        max: u16::MAX as u32,
    };

    /// Four bytes of length, frames below 16 MiB: the limit of skynet's native gate.
    pub const LONG: Self = Self {
        width: 4,
        max: (16 << 20) - 1,
    };

    /// The same form with another limit for frames that come in, in bytes. It does not concern packing.
    #[must_use]
    pub const fn with_max(self, max: u32) -> Self {
        Self { max, ..self }
    }

    /// Takes the next frame from the front of `read`, and leaves in `read` what comes after it.
    ///
    /// `None`: no frame is complete; all of `read` was taken and what is to be kept of it is in `partial`.
    /// So a read is used up by calling this until it gives `None`. A frame that begins in an earlier read is
    /// [`Cow::Owned`], any other borrows from `read`.
    ///
    /// # Errors
    /// [`Error::Limit`]: the peer announced a frame that is too long. The bytes after it cannot be told
    /// apart, so every later call with this `partial` gives the same error.
    pub fn take<'a>(
        &self,
        partial: &mut Partial,
        read: &mut &'a [u8],
    ) -> Result<Option<Cow<'a, [u8]>>, Error> {
        let need = match &mut partial.0 {
            State::Body { need, data } if !data.is_empty() => {
                let need = *need as usize;
                grow::append(data, split_off(read, need - data.len()), need);
                if data.len() < need {
                    return Ok(None);
                }
                let data = mem::take(data);
                *partial = Partial::default();
                return Ok(Some(Cow::Owned(data)));
            }
            // The header was the end of a read.
            State::Body { need, .. } => *need,
            State::Header { bytes, have } => match self.length(bytes, have, read) {
                Some(len) if len > self.max => {
                    partial.0 = State::Failed { len };
                    return Err(Error::Limit { len, max: self.max });
                }
                Some(len) => len,
                None => return Ok(None),
            },
            State::Failed { len } => {
                let (len, max) = (*len, self.max);
                return Err(Error::Limit { len, max });
            }
        };
        if read.len() >= need as usize {
            *partial = Partial::default();
            return Ok(Some(Cow::Borrowed(split_off(read, need as usize))));
        }
        partial.0 = State::Body {
            need,
            data: mem::take(read).to_vec(),
        };
        Ok(None)
    }

    /// Completes a header of which `have` bytes were in earlier reads.
    fn length(&self, bytes: &mut [u8; 3], have: &mut u8, read: &mut &[u8]) -> Option<u32> {
        let (width, had) = (usize::from(self.width), usize::from(*have));
        let new = split_off(read, width - had);
        let all = had + new.len();
        let mut header = [0; 4];
        header[..had].copy_from_slice(&bytes[..had]);
        header[had..all].copy_from_slice(new);
        if all < width {
            bytes.copy_from_slice(&header[..3]);
            *have = all as u8;
            return None;
        }
        Some(u32::from_be_bytes(header) >> (32 - 8 * width))
    }

    /// The header of a frame of `len` bytes.
    ///
    /// # Errors
    /// [`Error::TooLong`] if the width cannot hold `len`.
    pub fn header(&self, len: usize) -> Result<Header, Error> {
        let fits = match self.width {
            2 => u16::try_from(len).is_ok(),
            _ => u32::try_from(len).is_ok(),
        };
        if !fits {
            return Err(Error::TooLong(len));
        }
        let shifted = (len as u32) << (32 - 8 * u32::from(self.width));
        Ok(Header {
            bytes: shifted.to_be_bytes(),
            width: self.width,
        })
    }

    /// Appends `payload` as a frame to `out`.
    ///
    /// # Errors
    /// [`Error::TooLong`], and `out` is as it was.
    ///
    /// ```
    /// use skynet_wire::netpack::Framing;
    ///
    /// let mut out = Vec::new();
    /// Framing::SHORT.pack(b"abc", &mut out)?;
    /// Framing::LONG.pack(b"abc", &mut out)?;
    /// assert_eq!(out, b"\0\x03abc\0\0\0\x03abc");
    ///
    /// let e = Framing::SHORT.pack(&[0; 65536], &mut out).unwrap_err();
    /// assert_eq!(e.to_string(), "Invalid size (too long) of data : 65536");
    /// # Ok::<(), skynet_wire::netpack::Error>(())
    /// ```
    pub fn pack(&self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let header = self.header(payload.len())?;
        out.reserve(header.len() + payload.len());
        out.extend_from_slice(&header);
        out.extend_from_slice(payload);
        Ok(())
    }
}

/// The header of a frame: its length, as two or four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The header's bytes come first.
    bytes: [u8; 4],
    width: u8,
}

impl Deref for Header {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.width)]
    }
}

/// What a connection keeps between two reads: the frame that the last read broke off in, if any.
///
/// 32 bytes, and no memory beside them while no frame is broken off. Dropping it drops the broken frame. It
/// belongs to one [`Framing`]; using it with another is a mistake that gives frames of random bytes.
#[derive(Debug, Default)]
pub struct Partial(State);

const _: () = assert!(size_of::<Partial>() <= 32);

#[derive(Debug)]
enum State {
    /// Of the header these bytes are there.
    Header { bytes: [u8; 3], have: u8 },
    /// Of the body's `need` bytes these are there, fewer than `need`; none if the header ended a read.
    Body { need: u32, data: Vec<u8> },
    /// A frame of this length was announced, which is too long.
    Failed { len: u32 },
}

impl Default for State {
    fn default() -> Self {
        Self::Header {
            bytes: [0; 3],
            have: 0,
        }
    }
}

impl Partial {
    /// Whether nothing is kept: the last read ended with a whole frame.
    pub fn is_idle(&self) -> bool {
        matches!(self.0, State::Header { have: 0, .. })
    }

    /// What is kept of the body of a broken frame, if there is any, and how long the whole is.
    pub fn body(&self) -> Option<(&[u8], usize)> {
        match &self.0 {
            State::Body { need, data } => Some((data, *need as usize)),
            State::Header { .. } | State::Failed { .. } => None,
        }
    }

    /// How many bytes of the body of a broken frame are kept.
    pub fn buffered(&self) -> usize {
        match &self.0 {
            State::Body { data, .. } => data.len(),
            State::Header { .. } | State::Failed { .. } => 0,
        }
    }
}

/// Takes the first `n` bytes, or all if there are fewer.
fn split_off<'a>(read: &mut &'a [u8], n: usize) -> &'a [u8] {
    let (front, rest) = read.split_at(n.min(read.len()));
    *read = rest;
    front
}

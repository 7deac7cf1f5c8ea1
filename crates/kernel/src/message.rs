//! Messages: who sent it, what kind it is, which session it belongs to, and its payload.
//!
//! A [`Message`] is 32 bytes, the bytes of a short payload among them, and is moved by value through mailboxes.

use std::any::Any;
use std::fmt;
use std::mem::{self, ManuallyDrop};

pub use crate::handle::Handle;
pub use crate::kind;
pub use crate::payload::Payload;
use crate::payload::{Data, INLINE, Tag, as_slice, release};

/// One message on its way or at its receiver.
pub struct Message {
    data: Data,
    /// Who sent it. [`Handle::NONE`] for the runtime (timers, log lines of its own).
    pub source: Handle,
    /// Which request it belongs to; 0 for none.
    pub session: i32,
    /// When it was sent, in units of [`crate::clock::STAMP_SHIFT`] (about half a millisecond),
    /// wrapping.
    pub(crate) stamp: u32,
    /// One of [`kind`].
    pub kind: u8,
    tag: Tag,
    /// It is passed on for somebody outside of the node, who is to wait while too much of it waits here; see `inflow`.
    pub(crate) outside: bool,
}

const _: () = assert!(size_of::<Message>() == 32);

// SAFETY: as for Payload.
unsafe impl Send for Message {}
// SAFETY: as for Payload.
unsafe impl Sync for Message {}

impl Message {
    /// Puts a message together.
    #[inline]
    pub fn new(kind: u8, source: Handle, session: i32, payload: Payload) -> Message {
        let payload = ManuallyDrop::new(payload);
        Message {
            data: payload.data,
            source,
            session,
            stamp: 0,
            kind,
            tag: payload.tag,
            outside: false,
        }
    }

    /// Nothing: a place for [`become_new`](Self::become_new).
    pub(crate) const BLANK: Message = Message {
        data: Data {
            inline: [0; INLINE],
        },
        source: Handle::NONE,
        session: 0,
        stamp: 0,
        kind: kind::TEXT,
        tag: Tag::EMPTY,
        outside: false,
    };

    /// Puts a message together, sent at `stamp`, in the place of a blank one.
    #[inline]
    pub(crate) fn become_new(
        &mut self,
        kind: u8,
        source: Handle,
        session: i32,
        payload: Payload,
        stamp: u32,
    ) {
        debug_assert!(!self.tag.owns());
        let payload = ManuallyDrop::new(payload);
        self.data = payload.data;
        self.source = source;
        self.session = session;
        self.stamp = stamp;
        self.kind = kind;
        self.tag = payload.tag;
        self.outside = false;
    }

    /// Is it a delivery of a multicast channel, with a package instead of bytes?
    #[inline]
    pub fn is_shared(&self) -> bool {
        self.tag == Tag::SHARED
    }

    /// The [label](crate::Parcel::LABEL) of the value's type, if the payload is a value.
    #[inline]
    pub fn label(&self) -> Option<&'static (dyn Any + Send + Sync)> {
        match self.tag {
            // SAFETY: the tag says that this variant is live.
            Tag::VALUE => Some(unsafe { self.data.carried }.label()),
            _ => None,
        }
    }

    /// The payload's bytes.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        // SAFETY: `data` and `tag` belong together by construction.
        unsafe { as_slice(&self.data, self.tag) }
    }

    /// Takes the payload out and leaves an empty one.
    #[inline]
    pub fn take_payload(&mut self) -> Payload {
        let tag = mem::replace(&mut self.tag, Tag::EMPTY);
        Payload {
            data: self.data,
            tag,
        }
    }

    /// Keeps only the payload.
    #[inline]
    pub fn into_payload(self) -> Payload {
        let this = ManuallyDrop::new(self);
        Payload {
            data: this.data,
            tag: this.tag,
        }
    }

    /// Does its sender wait for an answer?
    pub fn is_request(&self) -> bool {
        self.session > 0 && !matches!(self.kind, kind::RESPONSE | kind::ERROR | kind::MULTICAST)
    }
}

impl Drop for Message {
    #[inline]
    fn drop(&mut self) {
        if self.tag.owns() {
            // SAFETY: `data` and `tag` belong together, and are not used any more.
            unsafe { release(&self.data, self.tag) };
        }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("kind", &self.kind)
            .field("source", &self.source)
            .field("session", &self.session)
            .field("len", &self.payload().len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_of_every_size_survive_all_conversions() {
        for len in [0, 1, 15, 16, 17, 100, 70_000] {
            let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let mut m = Message::new(kind::LUA, Handle(1), 7, Payload::from_slice(&bytes));
            assert_eq!(m.payload(), bytes);
            let p = m.take_payload();
            assert_eq!((p.as_slice(), m.payload()), (&bytes[..], &[][..]));
            let (ptr, n) = p.into_raw();
            assert_eq!((n, ptr.is_null()), (len, len == 0));
            // SAFETY: the pair comes from into_raw and is given back once.
            let again = unsafe { Payload::from_raw(ptr, n) };
            assert_eq!(again.as_slice(), bytes);
            let (ptr, n) = Payload::from_slice(again.as_slice()).into_raw_terminated();
            if len > 0 {
                // SAFETY: the block has a NUL behind its bytes.
                assert_eq!(unsafe { ptr.add(n).read() }, 0);
            }
            // SAFETY: as above.
            assert_eq!(unsafe { Payload::from_raw(ptr, n) }.as_slice(), bytes);
            let (head, tail) = bytes.split_at(len / 3);
            assert_eq!(Payload::concat(&[head, &[], tail]).as_slice(), bytes);
            assert_eq!(
                Message::new(0, Handle(0), 0, again)
                    .into_payload()
                    .as_slice(),
                bytes
            );
        }
    }
}

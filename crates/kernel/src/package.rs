//! Packages: one payload for many receivers.
//!
//! A multicast message carries the address of a package instead of the bytes, so that ten thousand subscribers share
//! one block. A package is born with no references, gets as many as there will be receivers in one step (`bind`), and
//! is freed with the last of them. A message that carries one owns one reference
//! ([`Payload::shared`](crate::Payload::shared)): if nobody takes it over, the message gives it back when it is
//! dropped, wherever that is.

use std::sync::atomic::{AtomicI32, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed};

/// A payload of the type `T` and the number of references to it. Lives on the heap, behind the pointer that `new`
/// returns.
pub struct Package<T> {
    /// 0 until it is bound.
    refs: AtomicI32,
    data: T,
}

impl<T> Package<T> {
    /// Makes a package that nobody refers to yet. It has to be bound, or taken apart by [`Package::into_payload`].
    pub fn new(data: T) -> *mut Self {
        Box::into_raw(Box::new(Package {
            refs: AtomicI32::new(0),
            data,
        }))
    }

    /// Takes an unbound package apart.
    ///
    /// # Safety
    /// `package` is live, has no references, and is not used afterwards.
    pub unsafe fn into_payload(package: *mut Self) -> T {
        // SAFETY: the caller gives up the only pointer.
        unsafe { Box::from_raw(package) }.data
    }

    /// The payload.
    pub fn payload(&self) -> &T {
        &self.data
    }

    /// Sets the number of references. False if it was bound before.
    pub fn bind(&self, refs: i32) -> bool {
        self.refs.compare_exchange(0, refs, AcqRel, Acquire).is_ok()
    }

    /// Adds a reference, on behalf of someone who has one.
    pub fn retain(&self) {
        self.refs.fetch_add(1, Relaxed);
    }

    /// Gives one reference back and frees the package with the last one.
    ///
    /// # Errors
    /// The number of references as it would be, if there was none to give back. Nothing has happened then.
    ///
    /// # Safety
    /// `package` is live, and the caller owns a reference (or nobody ever had one).
    pub unsafe fn release(package: *mut Self) -> Result<(), i32> {
        // SAFETY: live, by contract.
        let before = unsafe { &(*package).refs }.fetch_sub(1, AcqRel);
        match before {
            1 => {
                // SAFETY: that was the last reference.
                drop(unsafe { Box::from_raw(package) });
                Ok(())
            }
            n if n > 1 => Ok(()),
            n => {
                // SAFETY: nobody had a reference, so nobody has freed it.
                unsafe { &(*package).refs }.fetch_add(1, AcqRel);
                Err(n - 1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::message::{Handle, Message, kind};
    use crate::payload::{Package, Payload};

    fn package(refs: i32) -> *mut Package {
        let p = Package::new(Payload::from_slice(&[7; 100]));
        // SAFETY: just made.
        unsafe { assert!((*p).bind(refs) && !(*p).bind(1)) };
        p
    }

    #[test]
    fn dropped_messages_give_their_reference_back() {
        let p = package(4);
        // SAFETY: one reference for each of the four uses below.
        unsafe {
            let m = Message::new(kind::MULTICAST, Handle(1), 256, Payload::shared(p));
            assert_eq!(m.payload(), (p as usize).to_ne_bytes());
            drop(m);
            let mut m = Message::new(kind::MULTICAST, Handle(1), 256, Payload::shared(p));
            let payload = m.take_payload();
            assert_eq!(payload.shared_bytes(), Some(&[7; 100][..]));
            drop((m, payload));
            // After `into_raw` the reference belongs to whoever has the address.
            let (block, n) = Payload::shared(p).into_raw();
            assert_eq!(n, 8);
            crate::block::free(block);
            assert_eq!((*p).bytes(), [7; 100]);
            assert_eq!(Package::release(p), Ok(()));
            assert_eq!(Package::release(p), Ok(()));
        }
    }

    #[test]
    fn nothing_to_release() {
        let p = Package::new(Payload::from("x"));
        // SAFETY: unbound, and taken apart once.
        unsafe {
            assert_eq!(Package::release(p), Err(-1));
            assert_eq!(Package::into_payload(p).as_slice(), b"x");
        }
        assert_eq!(Payload::from("12345678").shared_bytes(), None);
    }

    /// Thousands of receivers on several threads.
    #[test]
    fn many_receivers() {
        let p = package(4000);
        let p = p as usize;
        std::thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(move || {
                    for _ in 0..1000 {
                        // SAFETY: one of the 4000 references.
                        drop(unsafe { Payload::shared(p as *mut Package) });
                    }
                });
            }
        });
    }
}

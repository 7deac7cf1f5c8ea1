//! Rust values in the place of bytes.
//!
//! Two services in Rust need no byte format between them: a payload can carry a value itself. It belongs to the
//! payload, is dropped with it, and is taken out by who knows its type. Everybody else sees no bytes; it cannot leave
//! the node.
//!
//! A value of up to 8 bytes lies inside the message, beside the address of what is known about its type; a larger one
//! in a box. The type is compared when a value is taken out, so that a wrong guess fails and nothing worse. A type may
//! have a *label*, which is found without knowing the type: who is to handle it, for instance.

use std::any::{Any, TypeId};
use std::mem::MaybeUninit;

/// A type whose values a [`Payload`](crate::Payload) can carry.
pub trait Parcel: Send + Sized + 'static {
    /// What [`Payload::label`](crate::Payload::label) tells of a payload that carries such a value. Nothing, unless a
    /// type says so.
    const LABEL: &'static (dyn Any + Send + Sync) = &();
}

/// The storage for a value, or for the address of its box.
type Storage = MaybeUninit<u64>;

/// What is known about a type.
pub(crate) struct Type {
    id: fn() -> TypeId,
    label: &'static (dyn Any + Send + Sync),
    /// Drops what is in the storage.
    ///
    /// # Safety
    /// The storage holds a value of the type, which is not used afterwards.
    drop: unsafe fn(&mut Storage),
}

/// A value whose type is known by what lies beside it. To be taken or dropped exactly once.
#[derive(Clone, Copy)]
pub(crate) struct Carried {
    storage: Storage,
    of: &'static Type,
}

/// [`Type`]s are made here.
struct Of<T>(T);

impl<T: Parcel> Of<T> {
    const TYPE: &'static Type = &Type {
        id: TypeId::of::<T>,
        label: T::LABEL,
        drop: drop_stored::<T>,
    };
    /// Does a value lie in the storage itself?
    const SMALL: bool =
        size_of::<T>() <= size_of::<Storage>() && align_of::<T>() <= align_of::<Storage>();
}

/// # Safety
/// As [`Type::drop`].
unsafe fn drop_stored<T: Parcel>(storage: &mut Storage) {
    // SAFETY: by contract.
    drop(unsafe { take_stored::<T>(storage) });
}

/// # Safety
/// The storage holds a value of the type `T`, which is not used afterwards.
#[inline]
unsafe fn take_stored<T: Parcel>(storage: &Storage) -> T {
    if Of::<T>::SMALL {
        // SAFETY: `new` has put a `T` there, which fits in size and alignment.
        unsafe { storage.as_ptr().cast::<T>().read() }
    } else {
        // SAFETY: `new` has put the address of a box there, which is given up by contract.
        *unsafe { Box::from_raw(storage.as_ptr().cast::<*mut T>().read()) }
    }
}

impl Carried {
    #[inline]
    pub(crate) fn new<T: Parcel>(value: T) -> Carried {
        let mut storage = Storage::zeroed();
        if Of::<T>::SMALL {
            // SAFETY: it fits in size and alignment.
            unsafe { storage.as_mut_ptr().cast::<T>().write(value) };
        } else {
            let boxed = Box::into_raw(Box::new(value));
            // SAFETY: an address fits.
            unsafe { storage.as_mut_ptr().cast::<*mut T>().write(boxed) };
        }
        Carried {
            storage,
            of: Of::<T>::TYPE,
        }
    }

    #[inline]
    pub(crate) fn is<T: Parcel>(&self) -> bool {
        (self.of.id)() == TypeId::of::<T>()
    }

    pub(crate) fn label(&self) -> &'static (dyn Any + Send + Sync) {
        self.of.label
    }

    /// # Safety
    /// It [is](Self::is) a `T`, and no copy of it is used afterwards.
    #[inline]
    pub(crate) unsafe fn take<T: Parcel>(self) -> T {
        // SAFETY: by contract.
        unsafe { take_stored(&self.storage) }
    }

    /// # Safety
    /// No copy of it is used afterwards.
    pub(crate) unsafe fn release(mut self) {
        // SAFETY: the type is that of the value, and the value is given up by contract.
        unsafe { (self.of.drop)(&mut self.storage) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Handle, Message, Payload, kind};
    use std::sync::Arc;

    struct Small(Arc<()>);
    impl Parcel for Small {
        const LABEL: &'static (dyn Any + Send + Sync) = &"small";
    }

    #[derive(PartialEq, Debug)]
    struct Large([u64; 5], String);
    impl Parcel for Large {}

    #[derive(PartialEq, Debug)]
    #[repr(align(32))]
    struct Aligned(u8);
    impl Parcel for Aligned {}

    struct Nothing;
    impl Parcel for Nothing {}

    fn large() -> Large {
        Large([1, 2, 3, 4, 5], "text".into())
    }

    #[test]
    fn values_come_out_as_they_went_in() {
        let alive = Arc::new(());
        let payload = Payload::value(Small(alive.clone()));
        assert!(payload.is_empty() && payload.as_slice().is_empty());
        assert_eq!(payload.label().unwrap().downcast_ref(), Some(&"small"));
        // Asking for another type gives the payload back unchanged.
        let payload = payload.into_value::<Large>().err().unwrap();
        let mut message = Message::new(kind::VALUE, Handle(1), 1, payload);
        assert!(message.label().is_some());
        let payload = message.take_payload();
        assert!(message.label().is_none());
        assert!(Arc::ptr_eq(
            &payload.into_value::<Small>().ok().unwrap().0,
            &alive
        ));
        assert_eq!(Arc::strong_count(&alive), 1);

        let payload = Payload::value(large());
        assert!(payload.label().unwrap().is::<()>());
        assert_eq!(payload.into_value().ok(), Some(large()));
        let payload = Payload::value(Aligned(7));
        assert_eq!(payload.into_value().ok(), Some(Aligned(7)));
        assert!(Payload::value(Nothing).into_value::<Nothing>().is_ok());
        let bytes = Payload::from("bytes");
        assert!(bytes.label().is_none());
        assert_eq!(
            bytes.into_value::<Nothing>().err().unwrap().as_slice(),
            b"bytes"
        );
    }

    #[test]
    fn what_nobody_takes_is_dropped_once() {
        let alive = Arc::new(());
        let payload = || Payload::value(Small(alive.clone()));
        drop(payload());
        drop(Message::new(kind::VALUE, Handle(1), 0, payload()));
        let (block, len) = payload().into_raw();
        assert!(block.is_null() && len == 0);
        let (block, len) = payload().into_raw_terminated();
        assert!(block.is_null() && len == 0);
        assert_eq!(Arc::strong_count(&alive), 1);
        drop(Payload::value(large()));
    }
}

//! Data that several services share without copies.

pub(crate) mod datasheet;
pub(crate) mod multicast;
pub(crate) mod sharedata;
#[cfg(feature = "shared-code")]
pub(crate) mod sharetable;
#[cfg(not(feature = "shared-code"))]
pub(crate) mod sharetable {
    skynet_vm::native::native! {
        open = |_| Err("this program is built without the feature shared-code".into());
    }
}
pub(crate) mod stm;

//! Looking into services.

pub(crate) mod debugchannel;
pub(crate) mod memory;

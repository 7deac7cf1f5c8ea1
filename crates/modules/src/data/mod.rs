//! Formats of data.

pub(crate) mod bson;
pub(crate) mod sproto;

//! Formats of data.

pub(crate) mod bson;
pub(crate) mod json;
pub(crate) mod sproto;

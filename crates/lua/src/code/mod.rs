//! Where the code of services comes from: files, what is inside the program, and what all services share.

pub(crate) mod codecache;
pub mod foreign;
pub(crate) mod load;
pub(crate) mod loops;
pub(crate) mod require;
pub(crate) mod search;

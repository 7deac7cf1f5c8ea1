//! What all Lua states of the process share; the mechanism is described in `patch/lshared.c` and
//! `patch/lsharedtable.c`.

mod functions;
mod prepare;
mod tables;

pub use functions::{SharedFunction, share_function};
pub use prepare::{Preparing, SharedNodes, prepare};
pub use tables::SharedTable;

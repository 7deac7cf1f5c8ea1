//! skynet-wire

//! skynet

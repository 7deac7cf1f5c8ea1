//! Drives the real binary from outside.

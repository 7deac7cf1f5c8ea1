//! skynet-kernel

//! skynet-lua

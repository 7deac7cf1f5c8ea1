//! Text: patterns.

pub mod lpeg;

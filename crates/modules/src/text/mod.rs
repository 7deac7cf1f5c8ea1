//! Text: patterns.

pub mod lpeg;
pub mod re;

//! JSON as the Lua library `cjson` reads and writes it.
//!
//! What is pinned by that library, and is not JSON: numbers are read as C's `strtod` reads them, so that `0x10`, `007`,
//! `inf` and `nan` are numbers unless that is turned off; bytes that are not UTF-8 pass; a zero byte ends the text. The
//! texts of errors are the library's. Unlike version 2.1.0 of it, and like later ones, whole numbers that fit are
//! integers, with all their digits.
//!
//! [`parse`] hands what it reads to a [`Build`], in the order of the text. What is written goes through the functions of
//! [`mod@write`].

mod number;
mod parse;
mod string;

pub mod write {
    //! The parts of a document.
    pub use super::number::{write_float as float, write_int as int};
    pub use super::string::write_string as string;
}

pub use number::{Number, read_number};
pub use parse::{Build, Error, Kind, Limits, parse};
pub use string::{Text, unescape};

#![no_main]

#[path = "../src/peg.rs"]
mod peg;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| peg::check(bytes));

#![no_main]

#[path = "../src/datasheet.rs"]
mod datasheet;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| datasheet::check(bytes));

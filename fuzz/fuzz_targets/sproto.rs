#![no_main]

#[path = "../src/sproto.rs"]
mod sproto;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sproto::check(bytes));

#![no_main]

#[path = "../src/bson.rs"]
mod bson;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bson::check(bytes));

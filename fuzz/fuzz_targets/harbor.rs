#![no_main]

#[path = "../src/harbor.rs"]
mod harbor;

libfuzzer_sys::fuzz_target!(|stream: &[u8]| harbor::check(stream));

#![no_main]

#[path = "../src/unpack.rs"]
mod unpack;

libfuzzer_sys::fuzz_target!(|stream: &[u8]| unpack::check(stream));

#![no_main]

#[path = "../src/netpack.rs"]
mod netpack;

libfuzzer_sys::fuzz_target!(|stream: &[u8]| netpack::check(stream));

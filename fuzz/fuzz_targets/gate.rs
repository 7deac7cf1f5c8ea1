#![no_main]

#[path = "../src/gate.rs"]
mod gate;

libfuzzer_sys::fuzz_target!(|text: &[u8]| gate::check(text));

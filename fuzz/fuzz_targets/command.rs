#![no_main]

#[path = "../src/command.rs"]
mod command;

libfuzzer_sys::fuzz_target!(|text: &[u8]| command::check(text));
